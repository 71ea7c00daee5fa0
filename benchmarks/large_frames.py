"""The product with bells of 20 kB instead of 60 bytes, for a socket that does not read: so large ones fill what the
system buffers for it within seconds. Everything else is the product's own."""

import json

from socialcare.asgi import application  # noqa: F401  serves with these frames; sets Django up, so it comes first

# isort: split
from inbox import line, live

SIZE = 20_000
LONG = 126


def frame(stream, number, *, gone=False):
    told = json.dumps({"stream": stream, "n": number} | ({"gone": True} if gone else {})).encode()
    return bytes((line.WHOLE_TEXT, LONG)) + SIZE.to_bytes(2, "big") + told.ljust(SIZE)


live.frame = frame

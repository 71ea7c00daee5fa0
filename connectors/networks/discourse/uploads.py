"""The pictures of an answer in a forum: handed in first, then named in the text, where they also stand for readers."""

import re
from collections.abc import Callable
from typing import Any

from connectors.base import IMAGES, MediaRule, Medium, Outgoing, Unreadable, Uploaded
from connectors.http import UPLOAD

RULE = MediaRule(
    types=IMAGES, most=10, sizes={"image": 4_000_000, "animation": 4_000_000}, pixels=40_000_000, description=300
)
"""What a forum takes unless its owner says otherwise; a forum that takes less refuses in words."""
_PICTURE = "\n\n!["
_ODD = re.compile(r"[\[\]|()<>\\\n\r]+")


def step(ask: Callable[..., Any], medium: Medium) -> Uploaded:
    file = {"file": (medium.name, medium.read(), medium.type)}
    how = {"type": "composer", "synchronous": "true"}
    answer = ask("POST", "/uploads.json", write=False, whole=UPLOAD, files=file, data=how)
    made = answer.json(dict)
    if not made.get("short_url"):
        raise Unreadable("The answer to a picture has no address.")
    return Uploaded(str(made["short_url"]))


def written(outgoing: Outgoing) -> str:
    return outgoing.text + "".join(_marked(medium) for medium in outgoing.media)


def _marked(medium: Medium) -> str:
    said = " ".join(_ODD.sub(" ", medium.description or medium.name).split())
    size = f"|{medium.width}x{medium.height}" if medium.width and medium.height else ""
    return f"{_PICTURE}{said}{size}]({medium.token})"


def pictures_in(raw: str, count: int) -> str:
    """The part of a post, from so many pictures before its end."""
    start = len(raw)
    for _ in range(count):
        start = max(raw.rfind(_PICTURE, 0, start), 0)
    return raw[start:]

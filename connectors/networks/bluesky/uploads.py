"""The pictures of an answer on Bluesky: blobs that belong to nobody until a record names them."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from connectors.base import JSON, MediaRule, Medium, Unreadable, Uploaded
from connectors.http import UPLOAD
from connectors.text import read_json

RULE = MediaRule(
    # A GIF would stand still there.
    types=frozenset({"image/jpeg", "image/png", "image/webp"}),
    most=4,
    sizes={"image": 2_000_000},
    description=2_000,
)


def step(ask: Callable[..., Any], medium: Medium) -> Uploaded:
    body = {"data": medium.read(), "content_type": medium.type}
    answer = ask("POST", "com.atproto.repo.uploadBlob", write=False, whole=UPLOAD, **body)
    blob = answer.json(dict).get("blob")
    if not isinstance(blob, dict) or not blob.get("ref"):
        raise Unreadable("The answer to a picture has no reference.")
    return Uploaded(json.dumps(blob))


def embed(media: Sequence[Medium]) -> JSON:
    """What a record says of its pictures."""
    return {"$type": "app.bsky.embed.images", "images": [_image(medium) for medium in media]}


def _image(medium: Medium) -> JSON:
    image: JSON = {"alt": medium.description, "image": read_json(medium.token)}
    if medium.width and medium.height:
        image["aspectRatio"] = {"width": medium.width, "height": medium.height}
    return image

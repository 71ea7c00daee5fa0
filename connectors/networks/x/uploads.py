"""The pictures of an answer on X: handed in, then described, then named by the post."""

import re

from connectors.base import MediaRule, Medium, Secrets, Unreadable, Uploaded
from connectors.http import UPLOAD
from connectors.networks.x.access import lacking
from connectors.networks.x.calls import Caller

TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
_LINK = re.compile(r"\s*https?://\S+\s*$")


def rule_of(secrets: Secrets, *, direct: bool) -> MediaRule:
    if "media.write" in lacking(secrets):
        return MediaRule(reason="X lets us send no pictures: an admin has to connect the channel again.")
    return MediaRule(types=TYPES, most=1 if direct else 4, sizes={"image": 5_000_000}, description=1_000)


def step(caller: Caller, medium: Medium, so_far: str, *, direct: bool) -> Uploaded:
    if so_far:
        told = {"id": so_far, "metadata": {"alt_text": {"text": medium.description}}}
        caller.upload("/2/media/metadata", json=told)
        return Uploaded(so_far)
    kind = "dm_image" if direct else "tweet_image"
    file = {"media": (medium.name, medium.read(), medium.type)}
    answer = caller.upload("/2/media/upload", whole=UPLOAD, files=file, data={"media_category": kind})
    data = answer.json(dict).get("data")
    if not isinstance(data, dict) or not data.get("id"):
        raise Unreadable("The answer to a picture has no id.")
    return Uploaded(str(data["id"]), whole=not medium.description)


def without_link(text: str) -> str:
    """X writes the address of a post's pictures behind its words."""
    return _LINK.sub("", text)

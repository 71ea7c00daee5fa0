"""The files of an answer in a forum: handed in first, then named in the text, where they also stand for readers. Videos
go where the forum's owner lets them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from connectors.base import IMAGES, JSON, MediaRule, Medium, Outgoing, Unreadable, Uploaded
from connectors.http import UPLOAD

VIDEOS = {"mp4": "video/mp4", "mov": "video/quicktime"}
IMAGE, VIDEO = 4_000_000, 4_000_000
"""Bytes a forum takes unless its owner says otherwise; one that takes less refuses in words."""
_PICTURE = "\n\n!["
_MARK = re.compile(r"(!\[[^\]\n]*\]\((upload://[^)\s]+)\))")
_HANGING = re.compile(rf"(?:\n\n{_MARK.pattern})+\s*\Z")
_ODD = re.compile(r"[\[\]|()<>\\\n\r]+")


def facts_of(settings: Mapping[str, Any]) -> JSON:
    """What a forum says of the files it takes, as far as it does."""
    endings = {each.strip().lstrip(".").lower() for each in str(settings.get("authorized_extensions") or "").split("|")}
    told: JSON = {"videos": sorted(VIDEOS if "*" in endings else VIDEOS.keys() & endings)}
    for name, setting in (("image", "max_image_size_kb"), ("video", "max_attachment_size_kb")):
        size = settings.get(setting)
        if isinstance(size, int | str) and str(size).isdecimal():
            told[name] = int(size) * 1024
    return told


def rule_of(facts: Mapping[str, Any]) -> MediaRule:
    told = facts.get("media") or {}
    image = int(told.get("image") or IMAGE)
    return MediaRule(
        types=IMAGES | {VIDEOS[ending] for ending in told.get("videos") or () if ending in VIDEOS},
        most=10,
        sizes={"image": image, "animation": image, "video": int(told.get("video") or VIDEO)},
        pixels=40_000_000,
        description=300,
        refused={"video": "The forum’s owner lets none in."},
    )


def step(ask: Callable[..., Any], medium: Medium) -> Uploaded:
    file = {"file": (medium.name, medium.read(), medium.type)}
    how = {"type": "composer", "synchronous": "true"}
    answer = ask("POST", "/uploads.json", write=False, whole=UPLOAD, files=file, data=how)
    made = answer.json(dict)
    if not made.get("short_url"):
        raise Unreadable("The answer to a file has no address.")
    return Uploaded(str(made["short_url"]))


def written(outgoing: Outgoing) -> str:
    return outgoing.text + "".join(_marked(medium) for medium in outgoing.media)


def _marked(medium: Medium) -> str:
    said = " ".join(_ODD.sub(" ", medium.description or medium.name).split())
    size = f"|{medium.width}x{medium.height}" if medium.width and medium.height else ""
    size = "|video" if medium.kind == "video" else size
    return f"{_PICTURE}{said}{size}]({medium.token})"


def hanging(item: Mapping[str, Any], text: str) -> str:
    """The files at the end of a post as it stands, which new words are to keep; not those that the words name."""
    found = _HANGING.search(str(item.get("raw") or ""))
    marks = _MARK.findall(found[0]) if found else []
    return "".join(f"\n\n{mark}" for mark, token in marks if token not in text)


def pictures_in(raw: str, count: int) -> str:
    """The part of a post, from so many pictures before its end."""
    start = len(raw)
    for _ in range(count):
        start = max(raw.rfind(_PICTURE, 0, start), 0)
    return raw[start:]

"""The files of an answer on servers of the Mastodon API: what they take, and the way there."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from connectors.base import IMAGES, JSON, MediaRule, Medium, Unreadable, Uploaded
from connectors.http import UPLOAD

TYPES = IMAGES | {"video/mp4", "video/quicktime"}
LOOK = 5.0  # seconds between two looks at a file the server is still at work on


def facts_of(configuration: Mapping[str, Any]) -> JSON:
    """What a server says of the files it takes, as far as it says it."""
    files, posts = configuration.get("media_attachments") or {}, configuration.get("statuses") or {}
    told = {
        "most": posts.get("max_media_attachments"),
        "image": files.get("image_size_limit"),
        "video": files.get("video_size_limit"),
        "pixels": files.get("image_matrix_limit"),
        "description": files.get("description_limit"),
        "types": files.get("supported_mime_types"),
    }
    return {name: value for name, value in told.items() if value}


def rule_of(facts: Mapping[str, Any]) -> MediaRule:
    """What is not said is what servers took when they did not say it yet."""
    told = facts.get("media") or {}
    image = int(told.get("image") or 10_485_760)
    return MediaRule(
        types=TYPES & frozenset(told.get("types") or TYPES),
        most=int(told.get("most") or 4),
        sizes={"image": image, "animation": image, "video": int(told.get("video") or 41_943_040)},
        pixels=int(told.get("pixels") or 16_777_216),
        description=int(told.get("description") or 1_500),
        alone=frozenset({"video"}),
    )


def step(ask: Callable[..., Any], medium: Medium, so_far: str) -> Uploaded:
    """Hands a file in, or looks whether the server is done with the one that it has."""
    if so_far:
        answer = ask("GET", f"/api/v1/media/{quote(so_far, safe='')}", accept=(404,))
        if answer.status == 404:  # it was thrown away meanwhile; from the beginning
            return Uploaded("", whole=False)
        return Uploaded(so_far, whole=answer.status != 206, wait=LOOK)
    file = (medium.name, medium.read(), medium.type)
    more = {"description": medium.description} if medium.description else {}
    answer = ask("POST", "/api/v2/media", files={"file": file}, data=more, write=False, whole=UPLOAD)
    made = answer.json(dict)
    if not made.get("id"):
        raise Unreadable("The answer to a file has no id.")
    return Uploaded(str(made["id"]), whole=answer.status != 202, wait=LOOK)

"""The files of an answer on X: handed in, then described, then named by the post. A picture comes whole; a video or a
GIF comes in parts, and X looks through it before a post may name it."""

import re
from typing import TYPE_CHECKING, Any

from connectors.base import IMAGES, Invalid, MediaRule, Medium, Secrets, Unreadable, Uploaded
from connectors.http import UPLOAD
from connectors.networks.x.access import lacking
from connectors.networks.x.calls import Caller

if TYPE_CHECKING:
    from connectors.answers import Answer

TYPES = IMAGES | {"video/mp4", "video/quicktime"}
PART = 4_000_000
LOOK, LEAST, MOST = "look", 1.0, 60.0
"""How the token of a file ends that X looks through, and the seconds between two questions whether it is done."""
_ROUTE = "/2/media/upload"
_LINK = re.compile(r"\s*https?://\S+\s*$")


def rule_of(secrets: Secrets, *, direct: bool) -> MediaRule:
    if "media.write" in lacking(secrets):
        return MediaRule(reason="X lets us send no pictures: an admin has to connect the channel again.")
    return MediaRule(
        types=TYPES,
        most=1 if direct else 4,
        sizes={"image": 5_000_000, "animation": 15_000_000, "video": 512_000_000},
        description=1_000,
        alone=frozenset({"animation", "video"}),
    )


def step(caller: Caller, medium: Medium, so_far: str, *, direct: bool) -> Uploaded:
    """`so_far`: nothing, a picture's id that is to be described, or id:part of a file that comes in parts."""
    identity, _, place = so_far.partition(":")
    if place:
        return _onward(caller, medium, identity, place)
    if identity:
        return _described(caller, medium, identity)
    if medium.type in ("video/mp4", "video/quicktime", "image/gif"):
        return _begun(caller, medium, direct)
    kind = "dm_image" if direct else "tweet_image"
    file = {"media": (medium.name, medium.read(), medium.type)}
    answer = caller.upload(_ROUTE, whole=UPLOAD, files=file, data={"media_category": kind})
    return Uploaded(_told(answer)[0], whole=not medium.description)


def _described(caller: Caller, medium: Medium, identity: str) -> Uploaded:
    told = {"id": identity, "metadata": {"alt_text": {"text": medium.description}}}
    caller.upload("/2/media/metadata", json=told)
    return Uploaded(identity)


def _begun(caller: Caller, medium: Medium, direct: bool) -> Uploaded:
    kind = f"{'dm' if direct else 'tweet'}_{'gif' if medium.type == 'image/gif' else 'video'}"
    told = {"media_type": medium.type, "media_category": kind, "total_bytes": medium.size}
    return Uploaded(f"{_told(caller.upload(f'{_ROUTE}/initialize', json=told))[0]}:0", whole=False)


def _onward(caller: Caller, medium: Medium, identity: str, place: str) -> Uploaded:
    if place == LOOK:
        asked = {"command": "STATUS", "media_id": identity}
        return _state(medium, identity, caller.upload(_ROUTE, method="GET", params=asked))
    part = medium.read()[int(place) * PART : (int(place) + 1) * PART]
    if part:
        file, more = {"media": ("part", part, "application/octet-stream")}, {"segment_index": place}
        caller.upload(f"{_ROUTE}/{identity}/append", whole=UPLOAD, files=file, data=more)
        return Uploaded(f"{identity}:{int(place) + 1}", whole=False)
    try:
        return _state(medium, identity, caller.upload(f"{_ROUTE}/{identity}/finalize"))
    except Invalid:  # it may have been ended before, and that answer was lost: looking tells
        return Uploaded(f"{identity}:{LOOK}", whole=False, wait=LEAST)


def _state(medium: Medium, identity: str, answer: "Answer") -> Uploaded:
    info = _told(answer)[1].get("processing_info")
    info = info if isinstance(info, dict) else {"state": "succeeded"}
    state = info.get("state")
    if state == "failed":
        raise Invalid(f"X can do nothing with “{medium.name}”.", field="media")
    if state == "succeeded":
        described = bool(medium.description) and medium.kind != "video"  # of videos X keeps none
        return Uploaded(identity, whole=not described)
    after = info.get("check_after_secs")
    wait = float(after) if isinstance(after, int | float) else LEAST
    return Uploaded(f"{identity}:{LOOK}", whole=False, wait=min(max(wait, LEAST), MOST))


def _told(answer: "Answer") -> tuple[str, dict[str, Any]]:
    """What X calls the file, and what else it says of it."""
    data = answer.json(dict).get("data")
    if not isinstance(data, dict) or not data.get("id"):
        raise Unreadable("The answer to a file has no id.")
    return str(data["id"]), data


def without_link(text: str) -> str:
    """X writes the address of a post's files behind its words."""
    return _LINK.sub("", text)

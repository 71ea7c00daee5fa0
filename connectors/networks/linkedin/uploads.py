"""The picture of an answer on LinkedIn: announced, brought to the address that is told for it, looked through there,
then named by the comment. A comment holds one picture and no video. Whether a GIF moves there was never seen."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.base import JSON, Invalid, MediaRule, Medium, Outgoing, Unreadable, Uploaded
from connectors.networks.linkedin.api import encoded, urn_in

if TYPE_CHECKING:
    from connectors.networks.linkedin.access import LinkedInAccess

RULE = MediaRule(
    types=frozenset({"image/jpeg", "image/png", "image/gif"}),
    most=1,
    sizes={"image": 8_000_000, "animation": 8_000_000},
    pixels=36_000_000,
    refused={"video": "Programs may hang one picture from a comment there, and no video."},
)
LOOK = 3.0
"""Seconds between two questions whether it has looked through a picture."""
_UNDONE = ("WAITING_UPLOAD", "PROCESSING")


def step(page: "LinkedInAccess", medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
    """`so_far`: nothing, the picture's name and behind a space where to bring it, or its name alone: it is there, and
    LinkedIn is asked whether it is done with it."""
    now, (image, _, where) = outgoing.sending_at, so_far.partition(" ")
    if where:
        page._bring(where, medium.read(), medium.type, now)
        return Uploaded(image, whole=False)
    if image:
        return _state(medium, image, page._ask("GET", f"images/{encoded(image)}", now=now).json(dict))
    wish: JSON = {"initializeUploadRequest": {"owner": page._me}}
    told = page._ask("POST", "images", "action=initializeUpload", now=now, body=wish, write=False).json(dict)
    value = told.get("value")
    value = value if isinstance(value, dict) else {}
    image, where = urn_in(value.get("image")), str(value.get("uploadUrl") or "")
    if not image or not _is_theirs(where, page._api):
        raise Unreadable("The answer to a picture does not say where it belongs.")
    return Uploaded(f"{image} {where}", whole=False)


def hung(outgoing: Outgoing) -> JSON:
    """What a comment says of its picture."""
    return {"content": [{"entity": {"image": medium.token}} for medium in outgoing.media]} if outgoing.media else {}


def _is_theirs(where: str, api: str) -> bool:
    """Our token goes along, so it goes to LinkedIn alone, or to what stands in for it."""
    asked, own = urlsplit(where), urlsplit(api)
    return (asked.scheme, asked.netloc) == (own.scheme, own.netloc) or (
        asked.scheme == "https" and (asked.hostname or "").endswith(".linkedin.com")
    )


def _state(medium: Medium, image: str, told: dict[str, Any]) -> Uploaded:
    status = told.get("status")
    if status == "AVAILABLE":
        return Uploaded(image)
    if status in _UNDONE:
        return Uploaded(image, whole=False, wait=LOOK)
    if status == "PROCESSING_FAILED":
        raise Invalid(f"LinkedIn can do nothing with “{medium.name}”.", field="media")
    raise Unreadable("It does not say how it stands with a picture.")

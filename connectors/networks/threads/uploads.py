"""The files of an answer on Threads, which takes no bytes: it is told an address and fetches them. One file is the
answer's own container already; several are containers of their own, which that of the answer names."""

from collections.abc import Callable, Mapping
from typing import Any

from connectors.base import JSON, Gone, Invalid, MediaRule, Medium, Outgoing, Unreadable, Uploaded

TYPES = {"image/jpeg": "IMAGE", "image/png": "IMAGE", "video/mp4": "VIDEO", "video/quicktime": "VIDEO"}
WAITS = {"IMAGE": 3.0, "VIDEO": 15.0}
"""Seconds between two questions whether it has fetched a file and looked through it."""

type Ask = Callable[..., Any]


def rule_of(settings: Mapping[str, Any]) -> MediaRule:
    if not settings.get("reached"):
        words = (
            "Threads fetches files from us, and this installation has no address on the web (PUBLIC_URL with https)."
        )
        return MediaRule(reason=words)
    return MediaRule(
        types=frozenset(TYPES),
        most=10,
        sizes={"image": 8_000_000, "video": 1_000_000_000},
        description=1_000,
        refused={"animation": "It shows GIFs from a library of its own only."},
    )


def step(ask: Ask, medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
    """Has the file fetched, or asks whether that is done."""
    kind = TYPES[medium.type]
    if so_far:
        try:
            told, _ = ask("GET", so_far, {"fields": "status,error_message"}, now=outgoing.sending_at)
        except Gone:
            told = {"status": "EXPIRED"}
        return _state(medium, so_far, told, WAITS[kind])
    given: JSON = {"media_type": kind, f"{kind.lower()}_url": medium.address(), "alt_text": medium.description or None}
    given |= {"is_carousel_item": "true"} if len(outgoing.media) > 1 else answer_of(outgoing)
    made, answer = ask("POST", "me/threads", given, now=outgoing.sending_at, post=outgoing.parent, write=False)
    if not made.get("id"):
        raise answer.unreadable("The answer to a file has no id.")
    return Uploaded(str(made["id"]), whole=False, wait=WAITS[kind])


def answer_of(outgoing: Outgoing) -> JSON:
    """What the container of an answer holds, whatever hangs from it."""
    return {"text": outgoing.text, "reply_to_id": outgoing.parent.external_id}


def _state(medium: Medium, container: str, told: Mapping[str, Any], wait: float) -> Uploaded:
    status = told.get("status")
    if status == "IN_PROGRESS":
        return Uploaded(container, whole=False, wait=wait)
    if status in ("FINISHED", "PUBLISHED"):
        return Uploaded(container)
    if status == "EXPIRED":  # nobody published it for a day: made anew
        return Uploaded("", whole=False, wait=wait)
    if status == "ERROR":
        fetched = not str(told.get("error_message") or "").startswith("FAILED_DOWNLOADING")
        why = "can do nothing with" if fetched else "could not fetch from us"
        raise Invalid(f"Threads {why} “{medium.name}”.", field="media")
    raise Unreadable("It does not say how it stands with a file.")

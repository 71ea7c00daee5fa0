"""Asks X which stored posts must go or be hidden: a job of the app itself, which costs nothing, takes ids by the
thousand and some minutes, and tells what was deleted, protected or suspended since. What is edited it does not tell. X
lets an app have one such job at a time. Nothing was tried in life."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.base import JSON, Deleted, Unreadable, Withheld
from connectors.networks.x.calls import Caller
from connectors.text import read_json

if TYPE_CHECKING:
    from connectors.answers import Answer

JOBS, BUCKET = "/2/compliance/jobs", "x:compliance"
UNDER_WAY, ENDED = ("created", "in_progress"), ("failed", "expired")
PATIENCE = 3
"""Jobs for the same posts that X may end without a word of them."""
SIZE = 5_000_000
"""Bytes of what a job tells, at most."""
_WHY = {"deleted": "", "deactivated": "", "protected": "Its author shows it to followers only.",
        "suspended": "X has suspended its author."}  # fmt: skip
"""Reasons of X, and why a post is kept from us where it was not deleted. Any other changes nothing that we keep."""


def look(caller: Caller, ids: Sequence[str], place: str) -> list[Deleted | Withheld] | None:
    """What became of these posts; None while X looks. Asked again with the same `place` it finds its job by name,
    wherever it was when somebody died over it."""
    name = f"socialcare-{hashlib.sha256(place.encode()).hexdigest()[:16]}"
    told = caller.read(JOBS, {"type": "tweets"}, BUCKET).json(dict).get("data") or []
    jobs = [job for job in told if isinstance(job, dict)] if isinstance(told, list) else []
    ours = sorted((job for job in jobs if job.get("name") == name), key=lambda job: str(job.get("created_at")))
    mine: JSON = ours[-1] if ours else {}
    if mine.get("status") == "complete":
        return _found(caller, mine, {*ids})
    if len(ours) >= PATIENCE and mine.get("status") in ENDED:
        raise Unreadable("X did not end its look at these posts.")
    if mine.get("status") in (None, *ENDED):
        if any(job.get("status") in UNDER_WAY for job in jobs):
            return None
        told = caller.job(JOBS, {"type": "tweets", "name": name}).json(dict)
        mine = told["data"] if isinstance(told.get("data"), dict) else {}
    if mine.get("status") != "in_progress":
        body = {"data": "\n".join(ids).encode(), "headers": {"Content-Type": "text/plain"}}
        _stored(caller, "PUT", mine.get("upload_url"), **body)
    return None


def _stored(caller: Caller, method: str, url: Any, **request: Any) -> "Answer":
    """Beside X, at an address that is good for whoever knows it: it stands in no log, and none of our tokens goes
    there."""
    if not isinstance(url, str) or not url:
        raise Unreadable("A job of X has no address.")
    caller.seam.hidden = (*caller.seam.hidden, *filter(None, [urlsplit(url).query]))
    return caller.seam.answer(method, url, write=False, size=SIZE, bucket=BUCKET, **request)


def _found(caller: Caller, job: JSON, wanted: set[str]) -> list[Deleted | Withheld]:
    """One thing a line."""
    found: dict[str, Deleted | Withheld] = {}
    for line in _stored(caller, "GET", job.get("download_url")).content.splitlines():
        try:
            item = read_json(line) if line.strip() else None
        except (ValueError, RecursionError) as error:
            raise Unreadable("X tells of the posts in words we do not know.") from error
        one, reason = (str(item.get("id")), str(item.get("reason"))) if isinstance(item, dict) else ("", "")
        if one in wanted and reason in _WHY:
            found[one] = Withheld(one, _WHY[reason]) if _WHY[reason] else Deleted(one)
    return list(found.values())

"""Brings the files of an answer to its network, step by step, before the one request that names them. Nothing of it
is to be seen there, so a step whose answer was lost is simply done again; what has arrived is noted with the reply, and
a further try goes on from there."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from connectors.faults import Fault, Invalid, Outcome, Unavailable
from connectors.media import Medium
from inbox.failpoints import failpoint
from inbox.models import Attachment

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.base import Connector, Outgoing
    from inbox.models import Reply

AT_ONCE = 15.0  # seconds after which no further file is begun; with the last one and the answer it fits into a task
LOOKS = 40  # how often a network is asked whether it has looked through a file


class StillBringing(Fault):
    """The reply goes back to the queue with what has arrived so far; its answer has not left."""

    outcome, meaning = Outcome.RETRY, "The files are being brought to the network."


def media_of(reply: Reply) -> tuple[Medium, ...]:
    """What hangs from the reply; the bytes are read when they are asked for."""
    if not reply.files:
        return ()
    return tuple(medium_of(one) for one in reply.attachments.light().order_by("place", "pk"))


def medium_of(one: Attachment) -> Medium:
    return Medium(
        key=str(one.key),
        kind=one.shape,
        type=one.content_type,
        size=one.size,
        name=one.name,
        read=lambda: bytes(Attachment.objects.values_list("body", flat=True).get(pk=one.pk)),
        address=one.lent_url,
        description=one.description,
        width=one.width,
        height=one.height,
    )


def token_of(prepared: Any) -> str | None:
    """What a network of two steps gave for the reply; beside it may stand what its files are called there."""
    return prepared.get("token") if isinstance(prepared, dict) else prepared


def with_token(prepared: Any, token: str) -> Any:
    return {**prepared, "token": token} if isinstance(prepared, dict) else token


def brought(reply: Reply, connector: Connector, outgoing: Outgoing, hold: Callable[..., None]) -> Outgoing:
    """The same with every file there. `hold` renews the lease, or stops us, and notes what came. Raises StillBringing
    when it takes longer than one turn."""
    if not outgoing.media or not connector.keeps_uploads:
        return outgoing
    ends = time.monotonic() + AT_ONCE
    there = tuple(_one(reply, connector, outgoing, medium, hold, ends) for medium in outgoing.media)
    hold(reply)
    return replace(outgoing, media=there)


def _one(
    reply: Reply, connector: Connector, outgoing: Outgoing, medium: Medium, hold: Callable[..., None], ends: float
) -> Medium:
    kept = _kept(reply, medium, connector.keeps_uploads)
    while not kept.get("whole"):
        if time.monotonic() >= ends:
            raise StillBringing(until=timezone.now())
        hold(reply)
        try:
            step = connector.upload(medium, outgoing, str(kept.get("token") or ""))
        except Fault as fault:
            if fault.outcome is Outcome.IN_DOUBT:  # whether it arrived or not, nobody sees it
                raise Unavailable(fault.detail, status=fault.status) from fault
            raise
        failpoint("reply.after_upload")
        looks = int(kept.get("looks") or 0) + (1 if step.wait else 0)
        if looks > LOOKS:
            raise Invalid(f"The network does not get ready with “{medium.name}”.", field="media")
        at = kept.get("at") or timezone.now().isoformat()
        kept = {"token": step.token, "whole": step.whole, "at": at, "looks": looks}
        hold(reply, prepared=_noted(reply, medium, kept))
        if step.wait and not step.whole:
            raise StillBringing(until=timezone.now() + timedelta(seconds=step.wait))
    return replace(medium, token=str(kept["token"]))


def _kept(reply: Reply, medium: Medium, seconds: float) -> dict[str, Any]:
    """What is noted of a file, unless the network may have thrown it away since."""
    noted = reply.prepared.get("uploads", {}).get(medium.key) if isinstance(reply.prepared, dict) else None
    if not noted or timezone.now() - datetime.fromisoformat(noted["at"]) > timedelta(seconds=seconds):
        return {}
    return dict(noted)


def _noted(reply: Reply, medium: Medium, kept: dict[str, Any]) -> dict[str, Any]:
    before: dict[str, Any] = reply.prepared if isinstance(reply.prepared, dict) else {"token": reply.prepared}
    return {**before, "uploads": {**before.get("uploads", {}), medium.key: kept}}

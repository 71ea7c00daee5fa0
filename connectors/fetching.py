"""Fetching one medium of a post: from its address, through the seam like everything foreign, or from the network whose
connector gives it out; and what a try that failed means for its row."""

from __future__ import annotations

from urllib.parse import urlsplit

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from connectors.access import with_access
from connectors.addresses import Allowed
from connectors.base import Connector, Fault
from connectors.faults import Outcome
from connectors.http import Seam
from connectors.models import Channel
from connectors.stored import post_of
from connectors.turns import mishap
from inbox.models import Mention
from inbox.models.enclosure import HELD
from inbox.models.fetched import Fetched

log = structlog.get_logger(__name__)
FINAL = ("Gone", "Invalid", "PolicyRefused")


def content(mention: Mention, source: str, size: int, whole: float) -> bytes:
    """The bytes of a medium of a mention, at most `size` of them, in at most `whole` seconds. Raises a Fault."""
    channel = Channel.objects.get(pk=mention.channel_id)
    if source.startswith(HELD):
        post = post_of(mention)
        return with_access(channel, lambda connector: connector.enclosed(post, source.removeprefix(HELD), size))
    seam = Seam(
        allow=_opened(channel, source),
        user_agent=f"SocialCare/{settings.VERSION} (+{settings.PUBLIC_URL})",
        size=size,
        whole=whole,
    )
    return seam.answer("GET", source, follow=3).content


def _opened(channel: Channel, source: str) -> tuple[str, ...]:
    """What the owner opened for channels is no stranger's to name, except where the channel itself is read."""
    kind = Connector.kinds().get(channel.network)
    places = [channel.settings.get(field.name) for field in kind.form if field.kind in ("url", "host")] if kind else []
    try:
        host, port = _place(source)
        own = any(_place(str(place)) == (host, port) for place in places if place)
        opened = own and Allowed.parse(settings.FETCH_ALLOW).address_of(host, port)
    except (ValueError, OSError):  # no address, or none that is known; the call itself says so
        return ()
    return (f"{host}:{port}",) if opened else ()


def _place(address: str) -> tuple[str, int]:
    parts = urlsplit(address if "://" in address else f"https://{address}")
    return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)


def failed(row: Fetched, error: Exception) -> None:
    """Ends a try: it is made again where that may help, or rests until it may; what stays as it is, is refused."""
    if isinstance(error, SoftTimeLimitExceeded):  # our clock, not the file: its lease brings it back
        raise error
    if not isinstance(error, Fault):
        log.error("a defect in fetching", exc_info=error, kind=type(row).__name__, row=row.pk)
        _, words, counts = mishap(error, "while fetching it")
        (row.rest if counts else row.again)(words)
    elif error.name in FINAL or error.what in ("size", "address"):
        row.refuse(error.words)
    elif error.outcome in (Outcome.RETRY, Outcome.WAIT):
        row.again(error.words, error.until)
    else:  # people can mend it: whoever looks then finds out
        row.rest(error.words, error.until)

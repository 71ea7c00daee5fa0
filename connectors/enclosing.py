"""Fetches the films, sounds and files somebody wants to see, from their address or through the network's connector.
They are kept as they are, so that nobody's browser talks to a stranger, and are called what their first bytes say."""

from __future__ import annotations

import time
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone

from connectors.access import with_access
from connectors.addresses import Allowed
from connectors.base import Connector, Fault
from connectors.faults import Outcome
from connectors.http import Seam
from connectors.models import Channel
from connectors.stored import post_of
from connectors.turns import mishap
from inbox.models import Enclosure, Mention
from inbox.models.enclosure import HELD, LARGEST, type_of

log = structlog.get_logger(__name__)
BATCH = 5
ROUND = 5.0  # seconds after which a round begins no more; with one file more it stays below a task's limit
WHOLE = 40.0  # seconds of one call


def fetch_due(overdue_by: timedelta = timedelta(0)) -> int:
    """Fetches what is wanted, oldest first; how many rows it worked on."""
    worked, seen, ends = 0, set[int](), time.monotonic() + ROUND
    due = Enclosure.objects.due().filter(not_before__lte=timezone.now() - overdue_by).order_by("not_before", "pk")
    while worked < BATCH and time.monotonic() < ends:
        row = due.exclude(pk__in=seen).defer("body").first()
        if row is None:
            break
        seen.add(row.pk)
        worked += fetch(row)
    return worked


def fetch(row: Enclosure) -> bool:
    """Fetches one; False when somebody else has it."""
    if not row.take():
        return False
    try:
        body = content(row.mention, row.source, LARGEST, WHOLE)
        kind = type_of(body)
        if kind or row.source.startswith(HELD):
            row.keep(body, type=kind)
        else:
            row.refuse("It is no film or sound that a browser plays.")
    except Fault as fault:
        if fault.outcome in (Outcome.RETRY, Outcome.WAIT):
            row.again(fault.words)
        else:
            row.refuse(fault.words)
    except SoftTimeLimitExceeded:  # our clock, not the file: its lease brings it back
        raise
    except Exception as error:
        log.exception("a defect in fetching a file", enclosure=row.pk)
        _, words, counts = mishap(error, "while fetching it")
        if counts:
            row.refuse(words)
        else:
            row.again(words)
    return True


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

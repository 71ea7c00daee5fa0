"""Deliveries that were committed, of webhooks and of what streams showed; each is worked off like a page. Some networks
are asked what one is about; one that cannot be worked off now waits, and holds up neither those behind it nor the
sources."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.db.models import Q, QuerySet
from django.utils import timezone

from connectors.base import Bad, Connector, Fault, Page, RateLimited, Unavailable, Unreadable
from connectors.models import Channel, Delivery, Source
from connectors.storing import Claim
from connectors.text import read_json

log = structlog.get_logger(__name__)
AT_ONCE = 50  # worked off in one poll
FAILURES = 3  # in one poll; after them it is the network that fails, and the sources find out how
SOON, LATE = timedelta(seconds=30), timedelta(minutes=15)  # until one that failed is tried again
FIRST = timedelta(seconds=6)  # until the rest of one is asked for that the network did not show yet
PATIENCE = timedelta(days=3)  # of trying in vain
ANSWERED = ("NotPermitted", "Invalid", "Gone", "PolicyRefused")  # asking again changes nothing


def soonest(channel: Channel, now: datetime) -> datetime | None:
    """When something is to be worked off; None: nothing waits."""
    waiting = Delivery.objects.filter(channel=channel, done_at=None)
    if _due(channel, now).exists():
        return now
    return waiting.order_by("not_before").values_list("not_before", flat=True).first()


def _due(channel: Channel, now: datetime) -> QuerySet[Delivery]:
    ready = Q(not_before=None) | Q(not_before__lte=now)
    return Delivery.objects.filter(ready, channel=channel, done_at=None)


def work_off(claim: Claim, connector: Connector) -> None:
    """One that cannot be read any more is set aside. What concerns the whole channel (access, a limit) is raised."""
    source: Source | None = None
    failures = 0
    for delivery in _due(claim.channel, claim.now).order_by("id")[:AT_ONCE]:
        if source is None:
            source, _ = Source.objects.get_or_create(channel=claim.channel, name="deliveries")
        page = _unpacked(claim, connector, delivery)
        if page is None:
            failures += 1
            if failures == FAILURES:
                return
            continue
        page = _wanted(claim, connector, page)
        claim.store(connector, source, page, source.newest_at)
        _worked_off(delivery, page, claim.now)


def _wanted(claim: Claim, connector: Connector, page: Page) -> Page:
    """Without what a search found that the channel listens to no more."""
    named = {source.name for source in claim.topics.sources(connector)} if page.found_by else {""}
    return page if page.found_by in named else replace(page, posts=(), bad=(), later="")


def _worked_off(delivery: Delivery, page: Page, now: datetime) -> None:
    mine = Delivery.objects.filter(pk=delivery.pk)
    if page.later:
        mine.update(body=page.later, not_before=now + min(max(now - delivery.at, FIRST), SOON))
    else:
        mine.update(done_at=timezone.now())


def _unpacked(claim: Claim, connector: Connector, delivery: Delivery) -> Page | None:
    """None: the network could not say what it is about, and it waits."""
    try:
        return connector.unpack(delivery.body.encode(), claim.now)
    except Fault as fault:
        return _asked_in_vain(claim, delivery, fault)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.exception("a delivery cannot be read", channel=claim.channel.pk, delivery=delivery.pk)
        return _aside(delivery, f"{type(error).__name__}: {error}")


def _asked_in_vain(claim: Claim, delivery: Delivery, fault: Fault) -> Page | None:
    passes = isinstance(fault, Unavailable | Unreadable) or (isinstance(fault, RateLimited) and fault.bucket)
    if not passes and fault.name not in ANSWERED:
        raise fault
    log.warning("a delivery cannot be worked off", channel=claim.channel.pk, delivery=delivery.pk, fault=str(fault))
    waited = claim.now - delivery.at
    if not passes or waited > PATIENCE:
        return _aside(delivery, fault.words)
    until = claim.now + min(max(waited, SOON), LATE)  # it doubles with each try
    Delivery.objects.filter(pk=delivery.pk).update(not_before=max(until, fault.until or until))
    return None


def _aside(delivery: Delivery, reason: str) -> Page:
    bad = Bad(delivery.delivery_id, reason, _json_of(delivery.body))
    return Page(posts=(), bad=(bad,), cursor={}, end=True)


def _json_of(body: str) -> object:
    try:
        return read_json(body)
    except (ValueError, RecursionError):
        return body[:20_000]

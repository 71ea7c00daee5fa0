"""Deliveries that were committed, of webhooks and of what streams showed; each is worked off like a page. Some networks
are asked what one is about; one that cannot be worked off now waits, and holds up neither those behind it nor the
sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from connectors.base import Bad, Budget, Connector, Fault, Page, RateLimited, Unavailable, Unreadable
from connectors.models import Channel, Delivery, Quarantined, Source
from connectors.storing import Claim
from connectors.text import read_json

log = structlog.get_logger(__name__)
SOURCE = "deliveries"
"""The source that says how they fare, and rests when they do."""
AT_ONCE = 50  # worked off in one poll
FAILURES = 3  # in one poll; after them it is the network that fails
SHARE = 0.5  # of a poll's seconds; the others are the sources'
SOON, LATE = timedelta(seconds=30), timedelta(minutes=15)  # until one that failed is tried again
FIRST = timedelta(seconds=6)  # until the rest of one is asked for that the network did not show yet
PATIENCE = timedelta(days=3)  # of trying in vain
KEPT, FORGET = timedelta(days=7), 500  # after it was worked off; rows at once
ANSWERED = ("NotPermitted", "Invalid", "Gone", "PolicyRefused")  # asking again changes nothing


def waiting(channel: Channel, now: datetime) -> tuple[datetime | None, str]:
    """When something is to be worked off, None where nothing waits; and the fault by which nothing could be, lately."""
    waits = Delivery.objects.filter(channel=channel, done_at=None)
    at: datetime | None = now
    if not _due(channel, now).exists():
        at = waits.order_by("not_before").values_list("not_before", flat=True).first()
    if at is None:
        return None, ""
    rests = Source.objects.filter(channel=channel, name=SOURCE).exclude(fault="").first()
    return (max(at, rests.next_at), rests.fault) if rests else (at, "")


def _due(channel: Channel, now: datetime) -> QuerySet[Delivery]:
    ready = Q(not_before=None) | Q(not_before__lte=now)
    return Delivery.objects.filter(ready, channel=channel, done_at=None)


def work_off(claim: Claim, connector: Connector, in_vain: Callable[[Source, Fault, bool], None]) -> None:
    """One that cannot be read any more is set aside. What concerns the whole channel (access, a limit) is raised, and
    `in_vain` is told of what kept all from being worked off, and whether they are to rest until the source `deliveries`
    is due: several failed then, and whatever comes now would fail as well."""
    due = list(_due(claim.channel, claim.now).order_by("id")[:AT_ONCE])
    if not due:
        return
    source, _ = Source.objects.get_or_create(channel=claim.channel, name=SOURCE)
    if source.fault and source.next_at > claim.now:
        return
    tried = _Tried()
    for delivery in due:
        page = _unpacked(claim, connector, delivery, tried)
        if page is not None:
            page = _wanted(claim, connector, page)
            claim.store(connector, source, page, source.newest_at)
            _worked_off(delivery, page, claim.now)
        if tried.failures == FAILURES or _share_is_used(claim.budget):
            tried.cut = True
            break
    if tried.passed:
        Source.objects.filter(pk=source.pk).update(fault="", read_at=claim.now)
    elif tried.fault and (tried.cut or tried.late(source.read_at, claim.now)):
        in_vain(source, tried.fault, tried.cut)


@dataclass
class _Tried:
    """What came of one poll's deliveries: the last fault, how many failed by one that may pass, for how long one of
    them has waited at most, whether the network answered about any, and whether it was given up before the end."""

    fault: Fault | None = None
    failures: int = 0
    longest: timedelta = timedelta(0)
    passed: bool = False
    cut: bool = False

    def late(self, passed_at: datetime | None, now: datetime) -> bool:
        """Whether one waited for long in which no other went through either: then it is not that one's own fault."""
        return self.longest > LATE and (passed_at is None or passed_at < now - self.longest)


def _share_is_used(budget: Budget) -> bool:
    return budget.ends - budget.clock() < budget.seconds * (1 - SHARE)


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


def _unpacked(claim: Claim, connector: Connector, delivery: Delivery, tried: _Tried) -> Page | None:
    """None: the network could not say what it is about, and it waits."""
    try:
        page = connector.unpack(delivery.body.encode(), claim.now)
    except Fault as fault:
        return _asked_in_vain(claim, delivery, fault, tried)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.exception("a delivery cannot be read", channel=claim.channel.pk, delivery=delivery.pk)
        return _aside(delivery, f"{type(error).__name__}: {error}")
    tried.passed = True
    return page


def _asked_in_vain(claim: Claim, delivery: Delivery, fault: Fault, tried: _Tried) -> Page | None:
    passes = isinstance(fault, Unavailable | Unreadable) or (isinstance(fault, RateLimited) and fault.bucket)
    if not passes and fault.name not in ANSWERED:
        raise fault
    log.warning("a delivery cannot be worked off", channel=claim.channel.pk, delivery=delivery.pk, fault=str(fault))
    if not passes:
        tried.passed = True
        return _aside(delivery, fault.words)
    waited = claim.now - delivery.at
    tried.fault, tried.failures, tried.longest = fault, tried.failures + 1, max(tried.longest, waited)
    if waited > PATIENCE:
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


def forget(now: datetime) -> bool:
    """Bodies of what was worked off a week ago go; ids and answers stay, so that a webhook that is sent again is known.
    What a stream showed is not sent again: it goes with its row, unless it was set aside and may be tried again.
    Whether there may be more."""
    old = Delivery.objects.filter(done_at__lt=now - KEPT).exclude(body="").order_by("done_at")
    some = list(old.values_list("pk", flat=True)[:FORGET])
    heard = [name for name, kind in Connector.kinds().items() if kind.receive is Connector.receive]
    aside = Quarantined.objects.filter(channel=OuterRef("channel"), external_id=OuterRef("delivery_id"))
    Delivery.objects.filter(~Exists(aside), pk__in=some, channel__network__in=heard).delete()
    Delivery.objects.filter(pk__in=some).update(body="")
    return len(some) == FORGET

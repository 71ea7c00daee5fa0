"""When access to a network ends: it is renewed ahead of that by exactly one process, and where only a person can
renew it, the admins are told in words while there is time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from types import MappingProxyType
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format

from connectors.base import Connector, Fault, Secrets
from connectors.faults import AuthExpired, AuthRevoked, Outcome, Unavailable
from connectors.http import Exchange
from connectors.models import Channel
from connectors.opening import opened, opened_secrets, remember, sealed_secrets
from inbox.failpoints import failpoint
from inbox.models.reply import Clock

log = structlog.get_logger(__name__)
RENEWING = timedelta(seconds=30)
PATIENCE = 10.0
"""Seconds that what a network gave is kept for a database that is away; with the call before it, less than RENEWING."""
LEAST, MOST = timedelta(minutes=2), timedelta(days=15)
"""How long before the end access is renewed at the latest and at the earliest; else a quarter of its life."""
STEPS = (1, 7, 14)
"""Days before the end at which the admins are told."""
LONG = timedelta(days=2)  # a shorter access is nothing a person could be warned of in time
DEFECT = "A defect in renewing access; the log has the details."


class Renewing(Unavailable):
    """Another process is at it. Waiting for it is no failed try: one that died holds on to it for half a minute."""

    outcome = Outcome.WAIT


# When it ends


def given_until(given: Mapping[str, str], now: datetime) -> datetime | None:
    """What a network said with its token, as `expires_at` (ISO or Unix seconds) or `expires_in` (seconds). A time that
    is over was said of an older token."""
    until = _said(given, now)
    return until if until is not None and until > now else None


def _said(given: Mapping[str, str], now: datetime) -> datetime | None:
    at, length = str(given.get("expires_at") or ""), str(given.get("expires_in") or "")
    try:
        if length:
            return now + timedelta(seconds=float(length))
        if at.replace(".", "", 1).isdecimal():
            return datetime.fromtimestamp(float(at), UTC)
        end = datetime.fromisoformat(at)
    except (ValueError, OverflowError, OSError):
        return None
    return end.replace(tzinfo=end.tzinfo or UTC)


def renewable(kind: type[Connector]) -> bool:
    return kind.renew is not Connector.renew


def dated(kind: type[Connector], until: datetime | None, since: datetime) -> dict[str, Any]:
    """The columns of a channel that say how long access got at `since` lasts."""
    renew_at = None
    if until is not None and renewable(kind):
        renew_at = until - min(max((until - since) / 4, LEAST), MOST)
    fields = {"access_since": since, "access_until": until, "renew_at": renew_at}
    return {**fields, "access_warned": None, "renewal_trouble": ""}


def learned(channel: Channel, until: datetime) -> None:
    """The network said in a check when access ends: what renewing does not put off, so a person is to be told. What
    was warned of for the same end is not said again."""
    if channel.renew_at is not None:
        return  # it came with the token, and is renewed with it
    if channel.access_until is not None and abs(channel.access_until - until) < timedelta(minutes=1):
        return
    fields = {**dated(channel.kind, until, channel.access_since or timezone.now()), "renew_at": None}
    Channel.objects.filter(pk=channel.pk, sealed=channel.sealed).update(**fields)


# Renewing


def renew(channel: Channel, given: Mapping[str, str] = MappingProxyType({})) -> None:
    """Gets new access for the channel and stores all of it in one update, with the secrets of its app that are `given`
    for it. Raises Renewing when another process is at it, AuthRevoked when the network wants a person."""
    if not _leased(channel):
        return
    old, exchanges = channel.sealed, list[Exchange]()
    try:
        connector = opened(channel, exchanges)
        connector.secrets = connector.secrets.replace(**given)
        connector.seam.hidden = (*connector.seam.hidden, *given.values())
        fresh = connector.renew(connector.secrets)
        failpoint("renew.after_answer")
        _keep(channel, fresh)
    except BaseException as problem:
        Channel.objects.filter(pk=channel.pk, sealed=old).update(renewing_until=None)
        if isinstance(problem, AuthExpired):
            raise AuthRevoked(problem.detail) from problem
        raise
    finally:
        # An answer with tokens in it is not kept at all, however well secrets are struck out.
        remember(channel, [replace(each, body="") if each.status < 300 else each for each in exchanges])
    channel.refresh_from_db(fields=["sealed"])


def _keep(channel: Channel, fresh: Secrets) -> None:
    """Before anything else is done: many networks give a refresh token once and take the old one no more. So a
    database that is away for a moment is waited for, as long as nobody else may renew."""
    sealed, now = sealed_secrets(channel.pk, fresh), timezone.now()
    fields = dated(channel.kind, given_until(fresh, now), now)
    # One statement: between two, another process could spend the old refresh token again. A person who entered new
    # secrets meanwhile is right. Repeated after a lost answer, it finds nothing to do.
    mine, patience = Channel.objects.filter(pk=channel.pk, sealed=channel.sealed), Event()
    until = time.monotonic() + PATIENCE
    while True:
        try:
            mine.update(sealed=sealed, renewing_until=None, **fields)
            return
        except (OperationalError, InterfaceError):
            if time.monotonic() >= until:
                raise
            connection.close()
            patience.wait(0.25)


def with_access[T](channel: Channel, ask: Callable[[Connector], T]) -> T:
    """What the channel's connector answers; access that has run out is renewed first and the question repeated once."""
    try:
        return ask(opened(channel))
    except AuthExpired:
        renew(channel)
    try:
        return ask(opened(channel))
    except AuthExpired as fault:
        raise AuthRevoked(fault.detail) from fault


def _leased(channel: Channel) -> bool:
    """Takes the lease on renewing these very secrets; False when somebody renewed them meanwhile."""
    free = Q(renewing_until=None) | Q(renewing_until__lt=Clock())
    before, held = channel.sealed, dict(opened_secrets(channel))
    for _ in range(2):
        mine = Channel.objects.filter(free, pk=channel.pk, sealed=channel.sealed)
        if mine.update(renewing_until=Clock() + RENEWING):
            return True
        channel.refresh_from_db(fields=["sealed"])
        if channel.sealed == before:
            break
        if dict(opened_secrets(channel)) != held:
            return False
        # A new key seals the same secrets: once more.
    raise Renewing("Access is being renewed by another process.", until=timezone.now() + timedelta(seconds=5))


def due() -> QuerySet[Channel]:
    """Channels whose access is to be renewed, paused or not: nobody wants to sign in again after a holiday."""
    return Channel.objects.exclude(state__in=Channel.NEEDS_A_PERSON).filter(renew_at__lte=timezone.now())


def renew_ahead(channel_id: int) -> bool:
    """Renews one channel's access if it is due; False when there was nothing to do."""
    channel = due().filter(pk=channel_id).first()
    if channel is None:
        return False
    try:
        renew(channel)
    except Renewing:
        return False
    except Fault as fault:
        _in_vain(channel, fault)
    except Exception:
        log.exception("a defect in renewing access", channel=channel.pk)
        _in_vain(channel, Unavailable(DEFECT))
    return True


def _in_vain(channel: Channel, fault: Fault) -> None:
    """Renewing failed while access still lasts. The network's no is told at once; where days are left, reading goes
    on until it ends."""
    log.warning("access could not be renewed", channel=channel.pk, fault=str(fault))
    now, until = timezone.now(), channel.access_until or timezone.now()
    mine = Channel.objects.filter(pk=channel.pk, renew_at=channel.renew_at, sealed=channel.sealed)
    words = fault.words[:300]
    if fault.outcome is not Outcome.RECONNECT:
        pause = min(max((until - now) / 6, timedelta(minutes=1)), timedelta(hours=6))
        mine.update(renew_at=max(now + pause, fault.until or now), renewal_trouble=words)
    elif until - now < LONG:
        channel.broken("reconnect", fault.name, fault.words)
    else:
        with transaction.atomic():
            if mine.update(renew_at=None, renewal_trouble=words, access_warned=days_left(until, now)):
                said = f"Access could not be renewed and ends on {_date(until)}. Connect it again before. {words}"
                channel.tell("ends", said)


# Saying it


def days_left(until: datetime, now: datetime) -> int:
    return max(0, math.ceil((until - now) / timedelta(days=1)))


def ending(now: datetime) -> QuerySet[Channel]:
    """Channels whose access ends within a fortnight, and that will not renew it by themselves."""
    by_a_person = Q(renew_at=None) | ~Q(renewal_trouble="") & Q(access_until__gt=F("access_since") + LONG)
    soon = Channel.objects.filter(by_a_person, access_until__lte=now + timedelta(days=max(STEPS)))
    return soon.exclude(state__in=Channel.NEEDS_A_PERSON)


def warn(now: datetime) -> int:
    """Tells the admins of access that ends in 14, 7 or 1 days, each once; returns how often it did."""
    told = 0
    for channel in ending(now):
        left = days_left(channel.access_until, now) if channel.access_until else 0
        step = min(each for each in STEPS if left <= each)
        unsaid = Q(access_warned=None) | Q(access_warned__gt=step)
        with transaction.atomic():
            same = Channel.objects.filter(unsaid, pk=channel.pk, access_until=channel.access_until)
            if same.update(access_warned=step):
                channel.tell("ends", ends_in_words(channel, now))
                told += 1
    return told


def ends_in_words(channel: Channel, now: datetime) -> str:
    """The sentence of the warning, for a channel of `ending`."""
    until = channel.access_until or now
    if until <= now:
        return f"Access ended on {_date(until)}. Connect it again."
    left = days_left(until, now)
    length = "within a day" if left <= 1 else f"in {left} days"
    return f"Access ends {length}, on {_date(until)}. Connect it again before, or reading and answering stop."


def _date(at: datetime) -> str:
    return date_format(timezone.localtime(at), "j F Y")

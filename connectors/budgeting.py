"""What one poll may ask of a network: never more than the account has left of a window, never more than the month's
money. Who has to wait is told until when; nobody sleeps."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format

from connectors import metering
from connectors.answers import Answer
from connectors.base import Budget, Page, QuotaSpent, Rate, RateLimited
from connectors.metering import Window
from connectors.models import Channel, Source

UNTOLD = timedelta(minutes=5)
OUR = "our "
"""How the names of windows begin that networks count what we write in: reading goes on when they are used up."""
SPREAD = 0.05  # of a wait, so that all who wait do not come back at one instant
SOFT = Decimal("0.8")  # of the month's money: said once


class Allowance:
    """The windows of a channel's account, as they stand before and during one poll."""

    def __init__(self, channel: Channel, budget: Budget, now: datetime) -> None:
        self.channel, self.budget, self.now = channel, budget, now
        self.account, self.held = metering.account_of(channel), 0
        known = metering.windows(channel)
        self.windows: dict[str, Window] = {name: each for name, each in known.items() if not name.startswith(OUR)}

    def _of(self, source: Source) -> list[Window]:
        """The windows its last page told of. One that is new waits only if there is nothing left of any."""
        buckets = [rate.get("bucket") for rate in source.rate]
        known = [self.windows[bucket] for bucket in buckets if bucket in self.windows]
        if known:
            return known
        lefts = [window.left(self.now) for window in self.windows.values()]
        return list(self.windows.values()) if lefts and all(left == 0 for left in lefts) else []

    def left(self, source: Source) -> int | None:
        """Requests it may make; None when no window says."""
        lefts = [left for window in self._of(source) if (left := window.left(self.now)) is not None]
        return min(lefts, default=None)

    def until(self, source: Source) -> datetime | None:
        """When its used-up windows begin anew; None when it may go on."""
        resets = [window.reset_at for window in self._of(source) if window.left(self.now) == 0 and window.reset_at]
        return spread(max(resets), self.now) if resets else None

    @property
    def tight(self) -> bool:
        """Something is used up: what can wait does."""
        return any(window.left(self.now) == 0 for window in self.windows.values())

    @property
    def ample(self) -> bool:
        """More than half of each window is left: work that has no hurry may go on."""
        known = [(window.left(self.now), window.limit) for window in self.windows.values()]
        return all(left is None or limit is None or 2 * left > limit for left, limit in known)

    @property
    def roomy(self) -> bool:
        """And more than half of the month's money, where there is a limit."""
        cap, left = self.channel.monthly_cap, self.budget.cost
        return self.ample and (cap is None or left is None or 2 * left >= cap)

    @contextmanager
    def within(self, source: Source) -> Iterator[None]:
        """The poll's budget, lowered to what the source may ask for; `heard` lowers it further."""
        self.held = 0
        self._lower(source)
        try:
            yield
        finally:
            self.budget.requests += self.held

    def _lower(self, source: Source) -> None:
        left = self.left(source)
        if left is not None and left < self.budget.requests:
            self.held += self.budget.requests - left
            self.budget.requests = left

    def heard(self, source: Source, page: Page) -> None:
        """What a page cost and what it said of the windows. Before it is stored: it was asked for and is paid,
        whatever becomes of it."""
        if page.cost:
            metering.count(self.channel, self.now, read_cost=page.cost)
        if page.rate:
            self._note(page.rate)
            source.rate = [as_json(rate) for rate in page.rate]
            self._lower(source)

    def limited(self, source: Source, fault: RateLimited) -> datetime:
        """The network said no: all sources of that bucket wait, and other channels of the account too. Until when."""
        until = max(fault.until or self.now + UNTOLD, self.now)
        self._note([Rate(fault.bucket, None, 0, until, "refusal")])
        if not any(rate.get("bucket") == fault.bucket for rate in source.rate):
            source.rate = [*source.rate, as_json(Rate(fault.bucket, None, 0, until, "refusal"))]
            Source.objects.filter(pk=source.pk).update(rate=source.rate)
        return spread(until, self.now)

    def _note(self, rates: Sequence[Rate]) -> None:
        metering.note(self.account, rates, self.now)
        for rate in rates:
            self.windows[rate.bucket[:80]] = Window(
                bucket=rate.bucket[:80], limit=rate.limit, remaining=rate.remaining, reset_at=rate.reset_at
            )

    def pace(self, source: Source, among: int) -> float:
        """Seconds between two polls with which what is left lasts until the window begins anew, when it is shared by
        so many sources."""
        slowest = 0.0
        for window in self._of(source):
            left = window.left(self.now)
            if left and window.reset_at:
                slowest = max(slowest, (window.reset_at - self.now).total_seconds() / left * among)
        return slowest


def spread(until: datetime, now: datetime) -> datetime:
    return until + max(until - now, timedelta(0)) * SPREAD * random.random()  # noqa: S311  spreading, not secrecy


def as_json(rate: Rate) -> dict[str, object]:
    return {
        "bucket": rate.bucket,
        "limit": rate.limit,
        "remaining": rate.remaining,
        "reset_at": rate.reset_at and rate.reset_at.isoformat(),
        "source": rate.source,
    }


# Writing


def writing(what: str) -> str:
    """The window of what we write, by its kind, because a network's own name for it comes with the answer only."""
    return f"{OUR}{what}"


def wrote(channel: Channel, what: str, answer: Answer | None) -> None:
    """What the network said of its window when we wrote."""
    rates = [replace(rate, bucket=writing(what)) for rate in (answer.rates if answer else ())]
    metering.note(metering.account_of(channel), rates, timezone.now())


def may_write(channel: Channel, what: str, now: datetime) -> None:
    """RateLimited, until its window begins anew, where the network would refuse it anyway."""
    account, bucket = metering.account_of(channel), writing(what)
    window = Window.objects.filter(account=account, bucket=bucket, remaining=0, reset_at__gt=now).first()
    if window is not None:
        raise RateLimited("What may be written in a while is used up.", until=window.reset_at, bucket=bucket)


# Money


def cap(channel: Channel, budget: Budget, now: datetime) -> None:
    """Gives the poll what is left of the month's money; QuotaSpent, until the month ends, when nothing is."""
    if channel.monthly_cap is None:
        return
    used = metering.cost_of_month(channel, now)
    if used >= channel.monthly_cap:
        until = metering.next_month(now)
        said = f"{money(used, unit(channel))} of {money(channel.monthly_cap, unit(channel))} were spent this month"
        raise QuotaSpent(
            f"{said}. Reading goes on by itself on {_date(until)}, or when the limit is raised.", until=until
        )
    budget.cost = channel.monthly_cap - used


def answers_allowed(channel: Channel, now: datetime) -> None:
    """QuotaSpent where the month's money is spent and the admins chose that then nothing that costs leaves either."""
    if channel.monthly_cap is None or channel.answers_beyond_cap:
        return
    if metering.cost_of_month(channel, now) >= channel.monthly_cap:
        until = metering.next_month(now)
        whole = money(channel.monthly_cap, unit(channel))
        raise QuotaSpent(f"{whole} for this month are spent. It leaves on {_date(until)}, or when the limit is raised.",
                         until=until)  # fmt: skip


def warn(channel: Channel, now: datetime) -> None:
    """Tells the admins once a month that most of its money is spent."""
    if channel.monthly_cap is None or channel.cap_warned == metering.month_of(now):
        return
    used = metering.cost_of_month(channel, now)
    if used < channel.monthly_cap * SOFT:
        return
    with transaction.atomic():
        unsaid = Channel.objects.filter(pk=channel.pk).exclude(cap_warned=metering.month_of(now))
        if unsaid.update(cap_warned=metering.month_of(now)):
            whole = money(channel.monthly_cap, unit(channel))
            share = f"{money(used, unit(channel))} of the {whole} for this month are spent."
            ends = "reading stops" if channel.answers_beyond_cap else "reading and answering stop"
            channel.tell("spending", f"{share} At {whole} {ends} until {_date(metering.next_month(now))}.")


def unit(channel: Channel) -> str:
    """What the network counts costs in; "" for a network this build lacks."""
    try:
        return channel.kind.currency
    except KeyError:
        return ""


def money(amount: Decimal, currency: str) -> str:
    """$1.20, and $0.005 where cents are too coarse; other units as a number and their name."""
    whole = amount.quantize(Decimal("0.01")) if amount == 0 or amount >= Decimal("0.1") else amount.normalize()
    if currency in ("$", "€", "£"):
        return f"{currency}{whole:,f}"
    return f"{amount.normalize():,f} {currency}".strip()


def _date(at: datetime) -> str:
    return date_format(timezone.localtime(at), "j F Y")

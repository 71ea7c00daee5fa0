"""What channels use and what they have left: requests and money by day, and the windows networks count, shared by all
channels of one account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import connection, models
from django.db.models import F, Min, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

if TYPE_CHECKING:
    from connectors.base import Rate
    from connectors.models import Channel

KEPT_BACK = 20  # one in so many requests of a window is left to those who answer
NOTHING = Decimal(0)


class Usage(models.Model):
    """One channel's requests and costs of one day of UTC, in which networks count too. Money in the network's own
    currency, or units of its quota."""

    channel = models.ForeignKey("connectors.Channel", models.CASCADE, related_name="usage")
    day = models.DateField()
    requests = models.PositiveIntegerField(default=0)
    read_cost = models.DecimalField(max_digits=14, decimal_places=6, default=NOTHING)
    sent_cost = models.DecimalField(max_digits=14, decimal_places=6, default=NOTHING)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "day"], name="one_usage_per_day")]

    def __str__(self) -> str:
        return f"usage of {self.channel_id} on {self.day}"


class Billed(models.Model):
    """A thing that was paid for on this day and is not paid for again before the next one."""

    channel = models.ForeignKey("connectors.Channel", models.CASCADE, related_name="+")
    day = models.DateField()
    thing = models.TextField()

    class Meta:
        verbose_name_plural = "billed"
        constraints = [models.UniqueConstraint(fields=["channel", "day", "thing"], name="billed_once_a_day")]

    def __str__(self) -> str:
        return f"{self.thing} on {self.day}"


class Window(models.Model):
    """What an account has left of one bucket, as the network said last."""

    account = models.CharField(max_length=200)
    bucket = models.CharField(max_length=80)
    limit = models.PositiveBigIntegerField(null=True)
    remaining = models.PositiveBigIntegerField(null=True)
    reset_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "bucket"], name="one_window_per_bucket")]

    def __str__(self) -> str:
        return f"{self.remaining} of {self.bucket} left to {self.account}"

    def left(self, now: datetime) -> int | None:
        """Requests a poll may still make; None when nothing is known, or the window has begun anew."""
        if self.remaining is None or self.reset_at is None or self.reset_at <= now:
            return None
        return max(0, self.remaining - (self.limit or 0) // KEPT_BACK)


def account_of(channel: Channel) -> str:
    """Whom the network counts: the account, whichever channels use it; the channel where no account is known."""
    account = str((channel.settings.get("account") or {}).get("id") or "")
    return f"{channel.network}:{account}"[:200] if account else f"channel:{channel.pk}"


def count(channel: Channel, now: datetime, **more: Decimal | int) -> None:
    """Adds to the day's figures of the channel, in one statement when the day has begun."""
    day = now.astimezone(UTC).date()
    added = {name: F(name) + value for name, value in more.items()}
    if not Usage.objects.filter(channel=channel.pk, day=day).update(**added):
        Usage.objects.bulk_create([Usage(channel_id=channel.pk, day=day)], ignore_conflicts=True)
        Usage.objects.filter(channel=channel.pk, day=day).update(**added)


_BILLED = """
    INSERT INTO connectors_billed (channel_id, day, thing) SELECT %s, %s, unnest(%s::text[])
    ON CONFLICT DO NOTHING RETURNING thing"""


def bill(channel: Channel, prices: Mapping[str, Decimal]) -> None:
    """Counts what was read besides pages (how posts stand, what stands above one, a look for a lost reply): each thing
    once a day of UTC, as networks bill it, and what has no name ("") each time."""
    if not prices:
        return
    now, things = timezone.now(), {thing[:80]: price for thing, price in sorted(prices.items()) if thing}
    with connection.cursor() as cursor:
        cursor.execute(_BILLED, [channel.pk, now.astimezone(UTC).date(), list(things)])
        fresh = [thing for (thing,) in cursor.fetchall()]
    if cost := sum((things[thing] for thing in fresh), prices.get("", NOTHING)):
        count(channel, now, read_cost=cost)


def note(account: str, rates: Iterable[Rate], now: datetime) -> None:
    """Keeps what the network said of its windows. The word that came last holds."""
    said = {rate.bucket[:80]: rate for rate in rates}
    rows = [
        Window(
            account=account,
            bucket=bucket,
            limit=_fitting(rate.limit),
            remaining=_fitting(rate.remaining),
            reset_at=rate.reset_at,
            seen_at=now,
        )
        for bucket, rate in sorted(said.items())
    ]
    Window.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["account", "bucket"],
        update_fields=["limit", "remaining", "reset_at", "seen_at"],
    )


def _fitting(number: int | None) -> int | None:
    return min(number, 2**62) if number is not None and number >= 0 else None


@dataclass(frozen=True)
class Spent:
    """Figures of a day and of its month. `since`: the first day of the month on which anything was used."""

    requests_today: int = 0
    requests_month: int = 0
    cost_today: Decimal = NOTHING
    cost_month: Decimal = NOTHING
    since: date | None = None


def spent(channels: Sequence[Channel], now: datetime) -> dict[int, Spent]:
    """By channel; one statement."""
    today = now.astimezone(UTC).date()
    cost = F("read_cost") + F("sent_cost")
    rows = Usage.objects.filter(channel__in=channels, day__gte=today.replace(day=1), day__lte=today)
    whole, here = Coalesce(Sum(cost), NOTHING), models.Q(day=today)
    found = rows.values("channel").annotate(
        month=Sum("requests"),
        today=Coalesce(Sum("requests", filter=here), 0),
        costs=whole,
        cost=Coalesce(Sum(cost, filter=here), NOTHING),
        since=Min("day"),
    )
    return {row["channel"]: Spent(row["today"], row["month"], row["cost"], row["costs"], row["since"]) for row in found}


def cost_of_month(channel: Channel, now: datetime) -> Decimal:
    found = spent([channel], now).get(channel.pk)
    return found.cost_month if found else NOTHING


def forecast(month: Decimal, now: datetime, since: date) -> Decimal:
    """What the month will have cost if it goes on as it has since that day; never judged by less than a day."""
    start, end = datetime.combine(since, time.min, UTC), next_month(now)
    gone = max(now - start, timedelta(days=1))
    return month * Decimal((end - start) / gone)


def next_month(now: datetime) -> datetime:
    """When a monthly limit begins anew."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def month_of(now: datetime) -> date:
    return now.astimezone(UTC).date().replace(day=1)


def windows(channel: Channel) -> dict[str, Window]:
    """What the channel's account has left, by bucket."""
    return {window.bucket: window for window in Window.objects.filter(account=account_of(channel))}


def forget(now: datetime) -> None:
    """Windows nobody heard of for a month, and days older than two years."""
    Window.objects.filter(seen_at__lt=now - timedelta(days=30)).delete()
    Usage.objects.filter(day__lt=(now - timedelta(days=731)).date()).delete()
    Billed.objects.filter(day__lt=(now - timedelta(days=2)).date()).delete()

"""How a channel fares, in words and figures: for its page, the list, the health page and the command line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import Count, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from connectors.access import ending, ends_in_words
from connectors.base import Connector
from connectors.bells import liveness
from connectors.budgeting import SOFT, money, unit
from connectors.came_since import FIRST_NUMBER
from connectors.connecting import unfinished
from connectors.faults import Fault
from connectors.metering import Spent, account_of, forecast, spent
from connectors.models import Channel, Delivery, Gap, Quarantined, Source, Window
from connectors.samples import closed_to
from inbox.models.arrays import array
from inbox.templatetags.care import spell_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django_stubs_ext import StrPromise

    from inbox.models import Agent

CENT = Decimal("0.01")
OVERDUE, MINUTE = timedelta(minutes=2), 60
WORDS: dict[str, tuple[str, StrPromise]] = {
    "ok": ("good", gettext_lazy("ok")),
    "slow": ("warn", gettext_lazy("slow")),
    "quota": ("warn", gettext_lazy("out of quota")),
    "reconnect": ("danger", gettext_lazy("reconnect")),
    "needs_key": ("danger", gettext_lazy("needs key")),
}
TO_DO: dict[str, StrPromise] = {
    "reconnect": gettext_lazy("Connect it again: somebody who may use the account signs in, or enters new keys."),
    "needs_key": gettext_lazy("Put the missing key back into SEAL_KEYS, or enter the secrets anew."),
    "quota": gettext_lazy("It goes on by itself when that is over. A limit of your own stands in the settings."),
    "slow": gettext_lazy("Nothing to do yet: it is tried again by itself. If it stays so, run the live test."),
}
NOT_PERMITTED = (
    gettext_lazy("not permitted"),
    gettext_lazy("Somebody has to permit it. Then “Read now” reads it at once."),
)
"""Of the same state, and trying again changes nothing: the word and what to do."""


@dataclass(frozen=True)
class Health:
    """`mood` is good, warn, danger or "" (paused). `why` is what the network did, `what_to_do` the way out."""

    channel: Channel
    mood: str
    word: str
    why: str
    what_to_do: str
    gaps: int
    quarantined: int
    waiting: int
    overdue: bool
    spent: Spent
    ends: str = ""
    """That access ends soon and what to do, or ""."""
    live: bool = False
    """Its network tells us at once what is new, so that nothing waits for the next poll."""
    why_polled: str = ""
    """What is wrong with the connection on which its network would."""

    @property
    def network(self) -> str:
        """The bare name of a network that this build lacks: the page must still say what is wrong."""
        kind = Connector.kinds().get(self.channel.network)
        return kind.label if kind else self.channel.network

    @property
    def arrival(self) -> str:
        """How posts come."""
        kind = Connector.kinds().get(self.channel.network)
        if kind is not None and kind.delivered(self.channel.settings):
            return _("delivered")
        return _("live") if self.live and not self.channel.paused else _("polling")

    @property
    def reconnect_url(self) -> str:
        return f"/set-up/channels/{self.channel.pk}/secrets/"

    @property
    def needs_a_person(self) -> bool:
        return self.mood == "danger" and not self.channel.paused

    @property
    def listens_first(self) -> bool:
        """Nothing leaves through it yet. Said only of one that listens."""
        return bool(self.channel.held_until()) and not self.channel.paused

    @property
    def unfinished(self) -> bool:
        return unfinished(self.channel)

    def figures(self) -> dict[str, Any]:
        """The same as plain data, without any secret."""
        channel = self.channel
        times = {"last_read_at": channel.last_read_at, "next_poll_at": channel.next_poll_at}
        return {
            "id": channel.pk,
            "name": channel.name,
            "network": channel.network,
            "state": "paused" if channel.paused else channel.state,
            "fault": channel.fault,
            "why": self.why,
            "live": self.live,
            **{name: at.isoformat() if at else None for name, at in times.items()},
            "overdue": self.overdue,
            "gaps": self.gaps,
            "quarantined": self.quarantined,
            "deliveries_waiting": self.waiting,
            "requests_today": self.spent.requests_today,
            "requests_month": self.spent.requests_month,
            "cost_month": str(self.spent.cost_month),
            "access_until": channel.access_until.isoformat() if channel.access_until else None,
            "listens_until": channel.listens_until.isoformat() if channel.listens_until else None,
        }


def of_all(now: datetime) -> list[Health]:
    """Every channel, those that need somebody first; one statement a kind of figure."""
    channels = list(Channel.objects.all())
    gaps, held, waiting = (_counts(model, channels) for model in (Gap, Quarantined, Delivery))
    used, ends = spent(channels, now), {one.pk: ends_in_words(one, now) for one in ending(now)}
    told = [
        _told(one, now, gaps.get(pk, 0), held.get(pk, 0), waiting.get(pk, 0), used.get(pk, Spent()), ends.get(pk, ""))
        for pk, one in ((one.pk, one) for one in channels)
    ]
    (heard, ended), alone = liveness(), _alone(channels)
    found = [_as_heard(health, heard, ended, alone.get(health.channel.pk, "")) for health in told]
    order = {"danger": 0, "warn": 1, "good": 2, "": 3}
    return sorted(found, key=lambda health: (order[health.mood], health.channel.name.casefold()))


def of(channel: Channel, now: datetime) -> Health:
    gaps, held, waiting = (_counts(model, [channel]).get(channel.pk, 0) for model in (Gap, Quarantined, Delivery))
    used = spent([channel], now).get(channel.pk, Spent())
    ends = ending(now).filter(pk=channel.pk).exists()
    told = _told(channel, now, gaps, held, waiting, used, ends_in_words(channel, now) if ends else "")
    return _as_heard(told, *liveness(), _alone([channel]).get(channel.pk, ""))


def _alone(channels: Sequence[Channel]) -> dict[int, str]:
    """Channels that hear by a stream alone, because their network refuses them its search: in words."""
    kinds = Connector.kinds()
    known = [(channel, kinds[channel.network]) for channel in channels if channel.network in kinds]
    words = {one.pk: told for one, kind in known if (told := kind.heard_alone(one.settings, one.sealed))}
    refused = Source.objects.filter(channel__in=words, fault="NotPermitted") if words else Source.objects.none()
    return {pk: str(words[pk]) for pk in refused.values_list("channel_id", flat=True).distinct()}


def _as_heard(health: Health, heard: frozenset[int], ended: Mapping[int, str], alone: str) -> Health:
    channel = health.channel
    health = replace(health, live=channel.pk in heard)
    if channel.paused:
        return health
    if alone and not health.live and health.mood == "good":
        why = _(
            "Its search is refused, and the connection on which its posts are heard is not open: does “listen” run?"
        )
        health = replace(health, mood="warn", word=_("not heard"), why=why)
    return replace(health, why_polled=" ".join(filter(None, (ended.get(channel.pk, ""), alone))))


def _counts(model: type[Gap | Quarantined | Delivery], channels: Sequence[Channel]) -> dict[int, int]:
    rows = model._default_manager.filter(channel__in=channels)
    if model is Delivery:
        rows = rows.filter(Q(done_at=None))
    return dict(rows.values_list("channel_id").annotate(n=Count("pk")))


def _told(channel: Channel, now: datetime, gaps: int, held: int, waiting: int, spent: Spent, ends: str) -> Health:
    mood, word = WORDS[channel.state]
    why = channel.fault_words or (_meaning(channel.fault) if channel.fault else "")
    to_do = str(TO_DO.get(channel.state, ""))
    if channel.state == "slow" and channel.fault == "NotPermitted":
        word, to_do = NOT_PERMITTED[0], str(NOT_PERMITTED[1])
    overdue = channel.state in {"ok", "slow"} and not channel.paused and channel.next_poll_at < now - OVERDUE
    shown = str(word)
    if channel.paused:
        to_do = _("Go on with connecting it.") if unfinished(channel) else _("Resume it to go on from where it stood.")
        mood, shown = "", _("paused")
    elif overdue:
        mood, shown, why = "warn", _("late"), _("It is due and nobody reads it: is the worker running?")
    if ends and mood == "good":
        mood, shown = "warn", _("access ends")
    return Health(channel, mood, shown, why, to_do, gaps, held, waiting, overdue, spent, ends)


def _meaning(fault: str) -> str:
    kinds = {kind.__name__: kind for kind in Fault.__subclasses__()}
    return kinds[fault].meaning if fault in kinds else ""


@dataclass(frozen=True)
class Lateness:
    """Seconds from the time a network gives a post to the time we stored it, over the last posts of a day."""

    median: float | None
    p95: float | None
    p99: float | None
    count: int

    @property
    def at_most(self) -> str:
        """What nearly all stay below, in short."""
        return _length(self.p99) if self.p99 is not None else ""

    @property
    def in_words(self) -> str:
        if not self.count:
            return _("no posts today")
        shown = {name: _length(getattr(self, name) or 0) for name in ("median", "p95", "p99")}
        return _("half within %(median)s, 95 %% within %(p95)s, 99 %% within %(p99)s (n = %(n)d)") % {
            **shown,
            "n": self.count,
        }


def _length(seconds: float) -> str:
    return spell_out(seconds) if seconds >= MINUTE else _("%(n)d s") % {"n": max(1, round(seconds))}


_LATENESS = f"""
    SELECT channel_id, percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY late), count(*)
    FROM (SELECT m.channel_id, greatest(extract(epoch FROM seen_at - posted_at), 0) AS late FROM inbox_mention m
          JOIN connectors_channel ch ON ch.id = m.channel_id
          JOIN inbox_conversation c ON c.id = m.conversation_id
          WHERE m.id > (SELECT max(id) FROM inbox_mention) - %(recent)s AND m.id >= ({FIRST_NUMBER})
            AND m.channel_id = ANY(%(channels)s) AND seen_at > %(since)s
            AND posted_at >= ch.created_at AND NOT ours AND NOT history
            AND c.team_id <> ALL(%(closed)s)) AS recent
    GROUP BY channel_id"""  # noqa: S608  nothing of it comes from outside
AT_ODDS = timedelta(hours=1)  # two who store posts side by side give their numbers so far out of order at most
RECENT = 200_000  # numbers looked at, one in four of which is a mention: the page costs the same however many there are


def lateness(channels: Sequence[Channel], now: datetime, reader: Agent | None = None) -> dict[int, Lateness]:
    """Of each channel, without what teams closed to the reader got: how many that was, and when, is theirs. Posts from
    before a channel was connected are not late: the first read brings them."""
    ids = [channel.pk for channel in channels]
    with connection.cursor() as cursor:
        since = now - timedelta(days=1)
        asked: dict[str, Any] = {"since": since, "came": since - AT_ODDS, "recent": RECENT, "channels": ids}
        cursor.execute(_LATENESS, asked | {"closed": array(closed_to(reader))})
        found = {pk: Lateness(cuts[0], cuts[1], cuts[2], count) for pk, cuts, count in cursor.fetchall()}
    return {pk: found.get(pk, Lateness(None, None, None, 0)) for pk in ids}


@dataclass(frozen=True)
class Left:
    """What the account has left of one of the network's windows."""

    bucket: str
    remaining: int
    limit: int | None
    reset_at: datetime

    @property
    def used_up(self) -> bool:
        return self.remaining == 0


def left(channel: Channel, now: datetime) -> list[Left]:
    """Windows that still run; one statement."""
    running = Window.objects.filter(account=account_of(channel), reset_at__gt=now, remaining__isnull=False)
    return [
        Left(one.bucket, one.remaining or 0, one.limit, one.reset_at)
        for one in running.order_by("bucket")
        if one.reset_at
    ]


@dataclass(frozen=True)
class Costs:
    """Money, or units of a quota, in words. `forecast`: the whole month, as it goes now. `mood` is danger when the
    month's limit is reached, warn near it."""

    today: str
    month: str
    forecast: str = ""
    cap: str = ""
    mood: str = ""


def costs(health: Health, now: datetime) -> Costs | None:
    """None for a channel that costs nothing."""
    spent, channel, currency = health.spent, health.channel, unit(health.channel)
    if not (currency or spent.cost_month or channel.monthly_cap):
        return None
    cap, mood = channel.monthly_cap, ""
    if cap is not None and spent.cost_month >= cap * SOFT:
        mood = "danger" if spent.cost_month >= cap else "warn"
    whole = money(cap, currency) if cap is not None else ""
    ahead = ""
    if spent.cost_month and spent.since:
        ahead = money(forecast(spent.cost_month, now, spent.since).quantize(CENT), currency)
    return Costs(money(spent.cost_today, currency), money(spent.cost_month, currency), ahead, whole, mood)


def sources(channel: Channel) -> list[Source]:
    return list(channel.sources.order_by("name"))

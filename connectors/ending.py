"""How a poll ends: what befell it, what that means for the channel, and when it is read again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db.models import Case, DateTimeField, F, Value, When
from django.utils import timezone

from connectors import unpacking
from connectors.access import Renewing
from connectors.base import Connector, Fault, Outcome
from connectors.base import Source as Listening
from connectors.models import Channel

log = structlog.get_logger(__name__)
FIRST_BACKOFF, LAST_BACKOFF = (5.0, 30.0), 900.0  # seconds; the first is the source's interval within these bounds
ONWARD = timedelta(seconds=10)  # until reading again goes on


@dataclass
class Ending:
    """What is known of one poll of one channel when it ends. Nothing of it holds once the channel was claimed anew."""

    channel: Channel
    now: datetime
    trouble: tuple[str, str] | None = None  # name and words of what befell one source
    read: bool = False
    more: bool = False  # of reading the last days again

    def well(self, connector: Connector, listening: tuple[Listening, ...]) -> None:
        """Everything had its turn; a source may have failed nevertheless."""
        rows = self.channel.sources.filter(name__in=[source.name for source in listening])
        planned = list(rows.order_by("next_at").values_list("next_at", "name", "fault"))
        soonest = planned[0][0] if planned else self.now + timedelta(minutes=1)
        waits, stuck = unpacking.waiting(self.channel, self.now) if connector.unpacks else (None, "")
        soonest = min(soonest, waits or soonest)
        if self.trouble is not None:
            self.badly("slow", *self.trouble, soonest)
            return
        if self.more:
            soonest = min(soonest, self.now + ONWARD)
        mine = Channel.objects.filter(pk=self.channel.pk, cursor_version=self.channel.cursor_version)
        # Whoever made the channel due meanwhile (a delivery, a person) is not overruled.
        moved = When(next_poll_at__gt=self.channel.next_poll_at, then=F("next_poll_at"))
        following = Case(moved, default=Value(soonest, DateTimeField()))
        mine.update(polling_until=None, next_poll_at=following, last_read_at=timezone.now())
        failing = stuck or any(fault and not connector.does_without(name, fault) for _, name, fault in planned)
        if self.channel.fault and not failing:
            self.channel.healed(self.channel.cursor_version)

    def fault(self, fault: Fault) -> None:
        """What each class of fault means for the channel: a person, a wait, or another try."""
        words = fault.words
        if isinstance(fault, Renewing):
            self._release(fault.until or self.now)
        elif fault.name == "KeyMissing":
            self.badly("needs_key", fault.name, words, None)
        elif fault.outcome is Outcome.RECONNECT:
            self.badly("reconnect", fault.name, words, None)
        elif fault.name == "QuotaSpent":
            self.badly("quota", fault.name, words, fault.until or self.now + timedelta(hours=1))
        elif fault.outcome is Outcome.WAIT:
            until = fault.until or self.now + timedelta(minutes=5)
            late = (until - self.now) * 0.05 * random.random()  # noqa: S311  spreading, not secrecy
            self.badly("slow", fault.name, words, until + late)
        else:
            self.badly("slow", fault.name, words, fault.until)

    def _release(self, again_at: datetime) -> None:
        """Nothing is wrong; it only has to be read again shortly."""
        mine = Channel.objects.filter(pk=self.channel.pk, cursor_version=self.channel.cursor_version)
        mine.update(polling_until=None, next_poll_at=again_at)

    def badly(self, state: str, fault: str, words: str, again_at: datetime | None) -> None:
        log.warning("a poll ended with a fault", channel=self.channel.pk, fault=fault, words=words)
        if self.read:
            Channel.objects.filter(pk=self.channel.pk).update(last_read_at=timezone.now())
        again_at = again_at or timezone.now() + self.pause()
        self.channel.broken(state, fault, words, again_at, self.channel.cursor_version)

    def pause(self) -> timedelta:
        """Until the next try: it doubles with each failure, and is spread so that channels do not march in step."""
        usual = min((source.interval for source in self.channel.sources.all()), default=30)
        first = min(max(usual, FIRST_BACKOFF[0]), FIRST_BACKOFF[1])
        seconds = min(first * 2 ** min(self.channel.failures, 12), LAST_BACKOFF)
        return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311

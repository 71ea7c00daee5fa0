"""How far back a channel was read: what a network gives of the time before we came is fetched in the background, and
people are told from when on nothing is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from connectors.models import Gap, Source


class LookbackQuerySet(models.QuerySet["Lookback"]):
    def unfinished(self) -> LookbackQuerySet:
        return self.filter(done_at=None)

    def permitted(self) -> LookbackQuerySet:
        """Those that cost nothing, or that somebody wants to pay for."""
        return self.filter(models.Q(paid=False) | models.Q(allowed=True))


class Lookback(models.Model):
    """The past of one source: what is older than `before` and not older than `since` is fetched, and is history.
    `cursor` is where it goes on; `oldest_at`: how far back its pages surely went; `reached_at`: from then on it is
    complete; `moved_at`: when it last got on. `words`: what keeps us from looking further back."""

    channel = models.ForeignKey("connectors.Channel", models.CASCADE, related_name="lookbacks")
    source = models.TextField()
    since = models.DateTimeField()
    before = models.DateTimeField()
    newest_first = models.BooleanField(default=True)
    whole = models.BooleanField(default=True)
    paid = models.BooleanField(default=False)
    allowed = models.BooleanField(default=False)
    cursor = models.JSONField(null=True)
    oldest_at = models.DateTimeField(null=True)
    reached_at = models.DateTimeField(null=True)
    begun_at = models.DateTimeField()
    moved_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    words = models.TextField(default="", blank=True)

    objects = LookbackQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "source"], name="one_lookback_per_source")]

    def __str__(self) -> str:
        return f"lookback of {self.channel_id}/{self.source} to {self.since}"

    @property
    def waits_for_consent(self) -> bool:
        return self.done_at is None and self.paid and not self.allowed

    @property
    def goes_on(self) -> bool:
        return self.done_at is None and not self.waits_for_consent

    def reached(self, page_cursor: object, newest: datetime | None, ended: bool, now: datetime) -> None:
        """Notes a page that was stored, and its newest post: an older one may stand there out of order, as one that
        was imported under the day it was first written. When this dies before, the page comes once more and changes
        nothing."""
        self.oldest_at = min(filter(None, (self.oldest_at, newest)), default=None)
        if ended and (self.whole or (self.oldest_at and self.oldest_at <= self.since)):
            self.reached_at = self.since
        elif self.oldest_at and (ended or self.newest_first) and self.oldest_at < self.before:
            self.reached_at = max(self.oldest_at, self.since)
        self.cursor, self.moved_at, self.done_at = page_cursor, now, now if ended else None
        fields = ("cursor", "oldest_at", "reached_at", "moved_at", "done_at")
        Lookback.objects.filter(pk=self.pk, done_at=None).update(**{name: getattr(self, name) for name in fields})


def complete_since(sources: Sequence[Source], lookbacks: Iterable[Lookback], gaps: Iterable[Gap]) -> datetime | None:
    """From when on nothing is known to be missing in any of them: the first read or what was fetched of the time
    before it, or the end of the last gap."""
    reached = {row.source: row.reached_at for row in lookbacks}
    begun = [reached.get(source.name) or source.begun_at for source in sources]
    known = [at for at in begun if at is not None]
    return max([*known, *(gap.until for gap in gaps if gap.until)], default=None) if known else None

"""What is fetched once, when somebody first wants it, and kept: the states of such a row, and who may work on it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone

from inbox.models.reply import Clock

TRIES = 3
AWAIT = timedelta(minutes=1)  # that a row stays due for a network that told how long it wants to be left alone


class FetchedQuerySet[M: models.Model](models.QuerySet[M]):
    def due(self) -> Self:
        waiting = models.Q(state="due", not_before__lte=Clock())
        return self.filter(waiting | models.Q(state="fetching", lease_until__lt=Clock()))


class Fetched(models.Model):
    """`source` is where it comes from; another source begins the row anew. What went wrong and may pass rests: whoever
    looks after `not_before` begins it anew. Only what is no better the next time is refused."""

    class State(models.TextChoices):
        DUE = "due", "Wanted"
        FETCHING = "fetching", "Being fetched"
        READY = "ready", "Ready"
        RESTING = "resting", "Not to be had at the moment"
        REFUSED = "refused", "Cannot be shown"

    lease: ClassVar[timedelta]
    pause: ClassVar[timedelta]
    rest_after_deaths: ClassVar[timedelta]
    """That it rests at least; and after three workers died over it."""

    source = models.TextField(default="", db_default="")
    state = models.CharField(max_length=8, choices=State, default="due")
    body = models.BinaryField(default=b"")
    tries = models.SmallIntegerField(default=0)
    not_before = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True)
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        abstract = True

    @classmethod
    def rows(cls) -> FetchedQuerySet[Any]:
        return FetchedQuerySet(cls)

    def want(self, source: str) -> bool:
        """Begins anew with another address, or after it rested; False when there is no need to, or somebody else did.
        Whoever still fetches the old one keeps nothing."""
        rested = self.state == "resting" and self.not_before <= timezone.now()
        if self.source == source and not rested:
            return False
        stale = self.rows().filter(pk=self.pk, source=self.source)
        if self.source == source:
            stale = stale.filter(state="resting")
        fresh = {"state": "due", "body": b"", "tries": 0, "reason": "", "not_before": timezone.now()}
        begun = bool(stale.update(source=source, lease_until=None, **fresh))
        self.refresh_from_db()
        return begun

    def take(self) -> bool:
        """False when another worker has it, or when three died over it: it may be what kills them."""
        due = self.rows().due().filter(pk=self.pk).values("pk")
        mine = self.rows().filter(pk__in=due, tries=self.tries, source=self.source)
        if self.tries >= TRIES:
            reason = "Fetching it was begun three times and never ended."
            mine.update(state="resting", reason=reason, not_before=timezone.now() + self.rest_after_deaths)
            return False
        if not mine.update(state="fetching", lease_until=Clock() + self.lease, tries=models.F("tries") + 1):
            return False
        self.refresh_from_db(fields=["state", "lease_until", "tries"])
        return True

    def keep(self, body: bytes, **fields: object) -> bool:
        return self._end("ready", body=body, **fields)

    def refuse(self, reason: str) -> bool:
        return self._end("refused", reason=reason[:200])

    def again(self, reason: str, until: datetime | None = None) -> bool:
        """Later, by itself at most three times, and not before `until`."""
        now = timezone.now()
        at = max(now + timedelta(seconds=10 * self.tries), until or now)
        if self.tries >= TRIES or at > now + AWAIT:
            return self.rest(reason, until)
        return self._end("due", reason=reason[:200], not_before=at)

    def rest(self, reason: str, until: datetime | None = None) -> bool:
        now = timezone.now()
        return self._end("resting", reason=reason[:200], not_before=max(now + self.pause, until or now))

    def _end(self, state: str, **fields: object) -> bool:
        mine = self.rows().filter(pk=self.pk, state="fetching", tries=self.tries, source=self.source)
        return bool(mine.update(state=state, **fields))

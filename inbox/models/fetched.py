"""What is fetched once, when somebody first wants it, and kept: the states of such a row, and who may work on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone

from inbox.models.reply import Clock

TRIES = 3


class FetchedQuerySet[M: models.Model](models.QuerySet[M]):
    def due(self) -> Self:
        waiting = models.Q(state="due", not_before__lte=Clock())
        return self.filter(waiting | models.Q(state="fetching", lease_until__lt=Clock()))


class Fetched(models.Model):
    """`source` is where it comes from; another source begins the row anew."""

    class State(models.TextChoices):
        DUE = "due", "Wanted"
        FETCHING = "fetching", "Being fetched"
        READY = "ready", "Ready"
        REFUSED = "refused", "Cannot be shown"

    lease: ClassVar[timedelta]

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
        """Begins anew with another address; False when somebody else did. Whoever still fetches the old one keeps
        nothing."""
        stale = self.rows().filter(pk=self.pk, source=self.source)
        fresh = {"state": "due", "body": b"", "tries": 0, "reason": "", "not_before": timezone.now()}
        begun = bool(stale.update(source=source, lease_until=None, **fresh))
        self.refresh_from_db()
        return begun

    def take(self) -> bool:
        """False when another worker has it, or when three died over it: it may be what kills them."""
        due = self.rows().due().filter(pk=self.pk).values("pk")
        mine = self.rows().filter(pk__in=due, tries=self.tries, source=self.source)
        if self.tries >= TRIES:
            mine.update(state="refused", reason="Fetching it was begun three times and never ended.")
            return False
        if not mine.update(state="fetching", lease_until=Clock() + self.lease, tries=models.F("tries") + 1):
            return False
        self.refresh_from_db(fields=["state", "lease_until", "tries"])
        return True

    def keep(self, body: bytes, **fields: object) -> bool:
        return self._end("ready", body=body, **fields)

    def refuse(self, reason: str) -> bool:
        return self._end("refused", reason=reason[:200])

    def again(self, reason: str) -> bool:
        """Later, at most three times."""
        if self.tries >= TRIES:
            return self.refuse(reason)
        return self._end("due", reason=reason[:200], not_before=timezone.now() + timedelta(seconds=10 * self.tries))

    def _end(self, state: str, **fields: object) -> bool:
        mine = self.rows().filter(pk=self.pk, state="fetching", tries=self.tries, source=self.source)
        return bool(mine.update(state=state, **fields))

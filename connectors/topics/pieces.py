"""Work on topics a piece at a time: who takes a topic, for how long it is theirs, and what becomes of one that fails.
Any number of workers may do it; whoever dies leaves the topic to the next one, where the last whole piece ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.utils import timezone

from connectors.models import Topic

if TYPE_CHECKING:
    from connectors.topics.models import TopicQuerySet

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=1)  # by then whoever took a topic has noted its piece, or died
PUT_OFF = timedelta(minutes=10)


def work_off(step: Callable[[], bool], seconds: float) -> int:
    """Piece after piece until nothing is due or the time is over; how many."""
    ends, done = time.monotonic() + seconds, 0
    while time.monotonic() < ends and step():
        done += 1
    return done


@dataclass(frozen=True)
class Kind:
    """`due_at` names the column that says since when a topic waits, and until when it is taken; `version` the one that
    changes when the work begins anew."""

    due: Callable[[], TopicQuerySet]
    due_at: str
    version: str
    trouble: str

    def piece(self, work: Callable[[Topic, datetime | None], None]) -> bool:
        """One piece of the topic that waits longest, with since when; False when none is due, or others are at all of
        them. One that fails waits behind the others."""
        taken = self._take()
        if taken is None:
            return False
        topic, due_at = taken
        try:
            work(topic, due_at)
        except Exception:
            log.exception(self.trouble, topic=topic.pk)
            self.held(topic).update(**{self.due_at: timezone.now() + PUT_OFF})
        return True

    @transaction.atomic
    def _take(self) -> tuple[Topic, datetime | None] | None:
        """Nobody else takes it during the lease, and its row is not locked meanwhile, because polls that store what it
        finds need the row."""
        due = self.due().order_by(self.due_at).select_for_update(skip_locked=True, no_key=True).first()
        if due is None:
            return None
        Topic.objects.filter(pk=due.pk).update(**{self.due_at: timezone.now() + LEASE})
        return Topic.objects.with_sorting().get(pk=due.pk), getattr(due, self.due_at)

    def held(self, topic: Topic) -> TopicQuerySet:
        """The topic as long as its work is as we know it and the lease is ours."""
        names = (self.version, self.due_at)
        return Topic.objects.filter(pk=topic.pk, **{name: getattr(topic, name) for name in names})

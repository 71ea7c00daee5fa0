"""Working off rows that wait for networks, so that one that hangs holds up one call and nobody else's rows."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.db.models import Model, QuerySet

BATCH = 20
SLOW = 1.0  # seconds a call may take in vain before its channel rests
WAITING = ("queued", "in_doubt", "waiting")


def in_turn[R: Model](rows: QuerySet[R], work: Callable[[R], bool]) -> int:
    """Works through the rows, oldest first, and returns how many it worked on. A channel that took long over one of
    them in vain is left alone until the next round."""
    worked, resting, done = 0, set[int](), set[int]()
    for _ in range(BATCH):
        # One at a time, so that however many wait behind a channel that rests, the others' rows are found.
        row = rows.exclude(channel__in=resting).exclude(pk__in=done).order_by("not_before", "pk").first()
        if row is None:
            break
        done.add(row.pk)
        began = time.monotonic()
        worked += work(row)
        if _waits(row) and time.monotonic() - began > SLOW:
            resting.add(row.channel_id)  # type: ignore[attr-defined]
    return worked


def _waits(row: Model) -> bool:
    return row.state in WAITING  # type: ignore[attr-defined]

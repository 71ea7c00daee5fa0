"""Working off rows that wait for networks, so that one that hangs holds up one call and nobody else's rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from django.db import InterfaceError, OperationalError, connection
from django.db.models import Model, QuerySet

BATCH = 20
SLOW = 1.0  # seconds a call may take in vain before its channel rests
WAITING = ("queued", "in_doubt", "waiting")


class Mishap(NamedTuple):
    """Something of ours that went wrong over one row: its name, the words for who reads the row, and whether the row
    is to blame, so that the try counts."""

    fault: str
    reason: str
    counts: bool


def mishap(error: Exception, when: str) -> Mishap:
    """What an exception that is no network's means. A database that went away is nobody's defect; the connection is
    let go, so that the row can be written on a new one."""
    if isinstance(error, OperationalError | InterfaceError):
        connection.close_if_unusable_or_obsolete()
        return Mishap("database", f"Our own database could not be reached {when}.", counts=False)
    return Mishap("defect", f"A defect on our side {when}; the log has the details.", counts=True)


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

"""Fetches the films, sounds and files somebody wants to see, from their address or through the network's connector.
They are kept as they are, so that nobody's browser talks to a stranger, and are called what their first bytes say."""

from __future__ import annotations

import time
from datetime import timedelta

from django.utils import timezone

from connectors.fetching import content, failed
from inbox.models import Enclosure
from inbox.models.enclosure import HELD, LARGEST, type_of

BATCH = 5
ROUND = 5.0  # seconds after which a round begins no more; with one file more it stays below a task's limit
WHOLE = 40.0  # seconds of one call


def fetch_due(overdue_by: timedelta = timedelta(0)) -> int:
    """Fetches what is wanted, oldest first; how many rows it worked on."""
    worked, seen, ends = 0, set[int](), time.monotonic() + ROUND
    due = Enclosure.objects.due().filter(not_before__lte=timezone.now() - overdue_by).order_by("not_before", "pk")
    while worked < BATCH and time.monotonic() < ends:
        row = due.exclude(pk__in=seen).defer("body").first()
        if row is None:
            break
        seen.add(row.pk)
        worked += fetch(row)
    return worked


def fetch(row: Enclosure) -> bool:
    """Fetches one; False when somebody else has it."""
    if not row.take():
        return False
    try:
        body = content(row.mention, row.source, LARGEST, WHOLE)
        kind = type_of(body)
        if kind or row.source.startswith(HELD):
            row.keep(body, type=kind)
        else:
            row.refuse("It is no film or sound that a browser plays.")
    except Exception as error:  # noqa: BLE001  judged there
        failed(row, error)
    return True

"""Which posts came since a moment: no index knows when they came, but their numbers are given in that order."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

# Halves what is in question until one is left; numbers that are left out are stepped over.
FIRST_NUMBER = """
    WITH RECURSIVE half(low, high) AS (
        SELECT min(id), max(id) + 1 FROM inbox_mention
         UNION ALL
        SELECT CASE WHEN m.seen_at < %(came)s THEN m.id + 1 ELSE low END,
               CASE WHEN m.seen_at < %(came)s THEN high ELSE middle END
          FROM half CROSS JOIN LATERAL (SELECT low + (high - low) / 2 AS middle) AS h
         CROSS JOIN LATERAL (SELECT id, seen_at FROM inbox_mention WHERE id >= middle ORDER BY id LIMIT 1) AS m
         WHERE low < high)
    SELECT coalesce(max(low), 0) FROM half"""


def first_number(came: datetime) -> int:
    """The number from which on posts came at that moment or later, in two dozen looks however many are stored. Workers
    that stored posts side by side may have changed places; by how much, the caller knows best."""
    with connection.cursor() as cursor:
        cursor.execute(FIRST_NUMBER, {"came": came})
        return int(cursor.fetchone()[0])

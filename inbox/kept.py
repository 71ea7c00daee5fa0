"""What is kept for a while, in tables that outlive Redis: limits, forms that were sent, sessions. What is over goes,
and nothing else does."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

TABLES = {"cache": ("cache_key", "expires"), "django_session": ("session_key", "expire_date")}
# What was given a new end meanwhile stays: the end is looked at once more in the row as it stands then.
_FORGET = """
    DELETE FROM {table} WHERE {ends} < %s
       AND {key} IN (SELECT {key} FROM {table} WHERE {ends} < %s ORDER BY {ends} LIMIT %s)"""


def forget_over(now: datetime, most: int = 10_000) -> bool:
    """Takes away the oldest of what is over; whether there may be more."""
    full = False
    with connection.cursor() as cursor:
        for table, (key, ends) in TABLES.items():
            cursor.execute(_FORGET.format(table=table, key=key, ends=ends), (now, now, most))
            full |= cursor.rowcount == most
    return full

"""The figures of the health page and of `manage.py health`: what is read, what waits to leave, and whether the servers
keep the promises we rely on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import redis
from django.conf import settings
from django.db import connection
from django.db.models import Count, Min

from connectors import health as channel_health
from inbox import ringing
from inbox.models import Reply, Tally, Team
from inbox.models.conversation import OPEN
from insights.standing import waiting

DATABASE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
STALE = 60.0  # seconds after which a reply in doubt, or one that should have left, is a worry


def figures(now: datetime) -> dict[str, Any]:
    """Plain data without any secret or text of a post; times in ISO, lengths in seconds."""
    channels = [health.figures() for health in channel_health.of_all(now)]
    outbox, database, redis_state = _outbox(now), _database(), _redis()
    worries = _worries(channels, outbox, database, redis_state)
    return {
        "ok": not worries,
        "worries": worries,
        "at": now.isoformat(),
        "version": settings.VERSION,
        "channels": channels,
        "outbox": outbox,
        "queue": _queue(now),
        "database": database,
        "redis": redis_state,
        "rings_dropped": ringing.ringer.dropped,
        "cookies_secure": settings.PUBLIC_URL.startswith("https://"),
    }


def _outbox(now: datetime) -> dict[str, Any]:
    """Replies of teams that are not private; those of a private team are its members' alone, as a number too."""
    shown = Reply.objects.filter(conversation__team__private=False)
    states = shown.filter(state__in=["queued", "sending", "in_doubt", "failed", "held"])
    counts = dict(states.values_list("state").annotate(n=Count("pk")))
    late = (
        Reply.objects.due().filter(conversation__team__private=False).aggregate(n=Count("pk"), oldest=Min("not_before"))
    )
    doubt = shown.filter(state="in_doubt").aggregate(oldest=Min("sending_at"), flagged=Count("flagged_at"))
    return {
        **{state: counts.get(state, 0) for state in ("queued", "sending", "in_doubt", "failed", "held")},
        "due": late["n"],
        "oldest_due": _age(late["oldest"], now),
        "oldest_in_doubt": _age(doubt["oldest"], now),
        "needs_a_person": doubt["flagged"],
    }


def _queue(now: datetime) -> dict[str, Any]:
    """Numbers over all teams that are not private, from their counters."""
    teams = list(Team.objects.filter(private=False))
    since, free = waiting(teams), {f"{team.stream}:free" for team in teams}
    counted = Tally.objects.by_scope({team.stream for team in teams} | free)
    is_open = {(scope, state): n for (scope, state), n in counted.items() if state in OPEN}
    return {
        "open": sum(n for (scope, _state), n in is_open.items() if scope not in free),
        "unassigned": sum(n for (scope, _state), n in is_open.items() if scope in free),
        "oldest_waiting": _age(min(filter(None, since.values()), default=None), now),
    }


def _database() -> dict[str, Any]:
    """The settings an acknowledged write relies on, as the server says them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(DATABASE),))
        said = dict(cursor.fetchall())
        cursor.execute("SELECT current_setting('server_version'), pg_database_size(current_database())")
        version, size = cursor.fetchone()
    return {"version": version, "bytes": size, "settings": said}


def _redis() -> dict[str, Any]:
    """Redis may be away: then everything is slower, and nothing is lost."""
    try:
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1).ping()
    except redis.RedisError as error:
        return {"answers": False, "why": type(error).__name__}
    return {"answers": True, "why": ""}


def _age(at: datetime | None, now: datetime) -> float | None:
    return max(0.0, (now - at).total_seconds()) if at else None


def _worries(
    channels: list[dict[str, Any]], outbox: dict[str, Any], database: dict[str, Any], redis_state: dict[str, Any]
) -> list[str]:
    """Sentences for the admin, the worst first."""
    worries = [f"{one['name']}: {one['why'] or one['state']}" for one in channels if one["state"] in NEEDS_SOMEBODY]
    worries += [f"{one['name']} is due and nobody reads it." for one in channels if one["overdue"]]
    if (outbox["oldest_due"] or 0) > STALE:
        worries.append(f"{outbox['due']} replies should have left already: is the worker running?")
    if outbox["needs_a_person"]:
        worries.append(f"{outbox['needs_a_person']} replies are in doubt and wait for a person.")
    said = database["settings"]
    worries += [
        f"The database runs with {name}={said.get(name)}." for name, want in DATABASE.items() if _is_off(said, name)
    ]
    if not redis_state["answers"]:
        worries.append("Redis does not answer: screens and polls are slower, nothing is lost.")
    return worries


NEEDS_SOMEBODY = {"reconnect", "needs_key"}


def _is_off(said: dict[str, str], name: str) -> bool:
    return said.get(name) == "off"

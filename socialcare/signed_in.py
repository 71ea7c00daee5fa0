"""Who asks, for many requests at once: what the session, the sign-in and the idle middleware say of one request, in
three statements for all. Nothing is remembered between two questions, so what was revoked is revoked."""

from __future__ import annotations

import time
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.utils.crypto import constant_time_compare

from inbox.models import Agent
from inbox.models.team import read_by
from socialcare import idle
from socialcare.pages import is_number


def readers(keys: Collection[str]) -> dict[str, Agent]:
    """The agents behind these session keys, with the teams they read. A key of which anything is to be said or written
    is left out: it has no session, or one that is over, or of another password, or one whose use is not noted yet."""
    sessions = {key: data for key, data in _sessions(keys).items() if _is_open(data)}
    wanted = {int(data[SESSION_KEY]) for data in sessions.values()}
    if not wanted:
        return {}
    agents = Agent.objects.raw("SELECT * FROM inbox_agent WHERE id = ANY(%s) AND is_active", [sorted(wanted)])
    known = {agent.pk: agent for agent in agents}
    for pk, teams in read_by(known.values()).items():
        known[pk].__dict__["readable_teams"] = teams
    found = {key: known.get(int(data[SESSION_KEY])) for key, data in sessions.items()}
    return {key: agent for key, agent in found.items() if agent is not None and _is_of(sessions[key], agent)}


def _sessions(keys: Collection[str]) -> dict[str, dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT session_key, session_data FROM django_session WHERE session_key = ANY(%s) AND expire_date > now()",
            [sorted(keys)],
        )
        return {key: _decoded(text) for key, text in cursor.fetchall()}


@lru_cache(maxsize=4096)
def _decoded(text: str) -> dict[str, Any]:
    """A session's data, {} when the signature is not ours; not to be changed. The same text says the same."""
    return SessionStore().decode(text)


def _is_open(data: dict[str, Any]) -> bool:
    signed_in = is_number(str(data.get(SESSION_KEY, ""))) and HASH_SESSION_KEY in data
    known = data.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
    return signed_in and known and idle.is_in_use(data, int(time.time()))


def _is_of(data: dict[str, Any], agent: Agent) -> bool:
    """Whether the session began with the password that the account has now."""
    return constant_time_compare(data[HASH_SESSION_KEY], agent.get_session_auth_hash())

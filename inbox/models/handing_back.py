"""What belongs to an agent who is gone goes back to its teams in one go: conversations are locked in one order, before
counters and streams, so that it cannot deadlock with people at work."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db import connection

from inbox import happenings
from inbox.models import tally
from inbox.models.event import Entry
from inbox.models.tally import Place
from inbox.models.team import Team

if TYPE_CHECKING:
    from inbox.models.agent import Agent

SNOOZED = 3  # up to here somebody still works on it, and its page tells what happened
_RELEASE = """
    WITH old AS (SELECT id, state FROM inbox_conversation
                  WHERE agent_id = %s AND (%s::bigint[] IS NULL OR team_id = ANY(%s::bigint[])) ORDER BY id FOR UPDATE)
    UPDATE inbox_conversation c SET agent_id = NULL, seen_seq = c.seen_seq + (old.state <= %s)::int
      FROM old WHERE c.id = old.id RETURNING c.id, c.team_id, c.state, c.seen_seq"""


def hand_back(agent: Agent, team_ids: Collection[int] | None, by: Agent | None) -> list[Entry]:
    """Frees all conversations of the agent in these teams (None: in all), done and snoozed ones too, since a message
    of the customer opens those again. Returns the events, which the caller records last in the transaction."""
    teams = None if team_ids is None else list(team_ids)
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, (agent.pk, teams, teams, SNOOZED))
        rows = sorted(cursor.fetchall())
    moves = [(Place(team, state, agent.pk), Place(team, state, None)) for _pk, team, state, _seq in rows]
    tally.add(tally.deltas(moves))
    names = dict(Team.objects.filter(pk__in={row[1] for row in rows}).values_list("pk", "name"))
    return [
        Entry((f"team:{team}",), happenings.Released(team=names[team]), pk, seq, by.pk if by else None)
        for pk, team, state, seq in rows
        if state <= SNOOZED
    ]

"""Finding rows, newest first. The words' table only says where to look: whether the reader may see a row is asked of
its conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from inbox.models.arrays import array
from inbox.searching.looking import PAGE, Ask, Mark, keys

ROUNDS = 3  # times that rows which are not the reader's are made good
MESSAGES = 300  # newest of a conversation that its page shows at first


class Row(NamedTuple):
    """A row that was found, as it stands now."""

    kind: int
    row_id: int
    at: datetime
    text: str
    language: str
    subject: str
    conversation_id: int
    state: int
    team: str
    network: str
    author: str
    handle: str
    writer: str
    ours: bool
    reply_kind: str
    is_far: bool


@dataclass
class Found:
    """Rows, the mark after which more follow, and how far back was looked when that was not to the end."""

    rows: list[Row] = field(default_factory=list)
    more: Mark | None = None
    back_to: datetime | None = None


def find(ask: Ask, readable: Sequence[int], after: Mark | None = None) -> Found:
    """One page of what these teams' readers may see."""
    teams = [team for team in readable if not ask.teams or team in ask.teams]
    if not teams or ask.is_empty:
        return Found()
    found = Found()
    for _round in range(ROUNDS):
        rows, back_to = keys(ask, teams, after)
        found.rows += shown(rows[:PAGE], teams, readable)
        found.more = _mark(rows[PAGE - 1]) if len(rows) > PAGE else None
        if back_to is not None:
            found.more, found.back_to = back_to, back_to.at
        after = found.more
        if after is None or found.back_to or len(found.rows) >= PAGE:
            break
    if len(found.rows) > PAGE:
        last = found.rows[PAGE - 1]
        found.rows, found.more = found.rows[:PAGE], Mark(last.at, last.kind, last.row_id)
    return found


def _mark(key: tuple[Any, ...]) -> Mark:
    return Mark(key[2], key[0], key[1])


_SHOWN = """
    SELECT k.kind, k.row_id, coalesce(m.posted_at, r.created_at, n.at) AS at,
           coalesce(m.text, r.text, n.text) AS text, coalesce(m.language, '') AS language, c.subject,
           c.id AS conversation_id, c.state, t.name AS team, i.network, i.name AS author, i.handle,
           coalesce(a.name, '') AS writer, coalesce(m.ours, false) AS ours, coalesce(r.kind, '') AS reply_kind,
           EXISTS (SELECT 1 FROM inbox_mention newer WHERE newer.conversation_id = c.id
                   AND newer.posted_at > coalesce(m.posted_at, r.created_at, n.at) OFFSET %(messages)s) AS is_far
      FROM unnest(%(kinds)s::bigint[], %(rows)s::bigint[]) WITH ORDINALITY AS k(kind, row_id, place)
      LEFT JOIN inbox_mention m ON k.kind = 1 AND m.id = k.row_id AND m.state IN ('live', 'edited')
      LEFT JOIN inbox_reply r ON k.kind = 2 AND r.id = k.row_id AND r.state NOT IN ('undone', 'dropped', 'removed')
      LEFT JOIN inbox_note n ON k.kind = 3 AND n.id = k.row_id
      JOIN inbox_conversation c ON c.id = coalesce(m.conversation_id, r.conversation_id, n.conversation_id)
      JOIN inbox_team t ON t.id = c.team_id
      JOIN inbox_identity i ON i.id = coalesce(m.identity_id, c.identity_id)
      LEFT JOIN inbox_agent a ON a.id = coalesce(r.author_id, n.author_id)
     WHERE c.team_id = ANY(%(teams)s::bigint[])
       AND (m.id IS NULL OR NOT m.ours OR NOT EXISTS (
            SELECT 1 FROM inbox_reply own WHERE own.channel_id = m.channel_id AND own.external_id = m.external_id))
       AND (m.id IS NOT NULL OR EXISTS (
            SELECT 1 FROM inbox_event e WHERE e.conversation_id = c.id AND NOT e.echo
               AND e.happening = CASE k.kind WHEN 2 THEN 'reply_queued' ELSE 'noted' END
               AND (e.payload->>CASE k.kind WHEN 2 THEN 'reply' ELSE 'note' END)::bigint = k.row_id
               AND e.stream NOT IN (SELECT 'team:' || p.id FROM inbox_team p
                                     WHERE p.private AND NOT p.id = ANY(%(readable)s::bigint[]))))
     ORDER BY k.place"""


def shown(keys: Sequence[tuple[Any, ...]], teams: Sequence[int], readable: Sequence[int]) -> list[Row]:
    """These rows as they stand now in these teams, without those that are not the reader's, who reads `readable`. What
    our people wrote while a private team had the conversation is that team's."""
    if not keys:
        return []
    values: dict[str, Any] = {
        "kinds": array(key[0] for key in keys),
        "rows": array(key[1] for key in keys),
        "teams": array(teams),
        "readable": array(readable),
        "messages": MESSAGES - 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SHOWN, values)
        return [Row(*row) for row in cursor.fetchall()]

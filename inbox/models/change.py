"""The one way a conversation changes: compare-and-set on its row, counters, events, a bell on commit. Every verb is a
call of `change`, so a verb cannot forget one of them. It is one statement, because whoever changes something in the
same team waits from its first lock until the commit: no answer is waited for in between."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.utils import timezone

from inbox.models.arrays import columns
from inbox.models.event import ring
from inbox.models.search_text import SearchKind, reindex
from inbox.models.tally import SCOPES

if TYPE_CHECKING:
    from inbox.happenings import Happening
    from inbox.models.agent import Agent
    from inbox.models.conversation import Conversation

COLUMNS = frozenset(
    [
        "team_id",
        "agent_id",
        "state",
        "priority",
        "rank",
        "tags",
        "snoozed_until",
        "trouble",
        "closed_at",
        "waiting_since",
        "inbound_seq",
    ]
)
# Home is the team that has it now; the team that had it hears it too, and an agent who was given it by somebody else.
# Counters before streams, and each in the order of their keys: they are locked in this order everywhere.
_CHANGE = f"""
    WITH changed AS (
        UPDATE inbox_conversation c SET {{setting}}seen_seq = c.seen_seq + %(steps)s
          FROM (SELECT id, team_id, state, agent_id FROM inbox_conversation WHERE id = %(pk)s{{wanted}} FOR UPDATE) old
         WHERE c.id = old.id
        RETURNING c.id, c.team_id, c.state, c.agent_id, c.seen_seq,
                  old.team_id AS old_team_id, old.state AS old_state, old.agent_id AS old_agent_id),
    counted AS (
        INSERT INTO inbox_tally (scope, state, n) SELECT scope, state, sum(step) FROM (
            SELECT scope, old_state AS state, -1 AS step FROM changed, LATERAL {SCOPES.format("old_")} AS s(scope)
             UNION ALL SELECT scope, state, 1 FROM changed, LATERAL {SCOPES.format("")} AS s(scope)) AS moves
         GROUP BY scope, state HAVING sum(step) <> 0 ORDER BY scope, state
        ON CONFLICT (scope, state) DO UPDATE SET n = inbox_tally.n + excluded.n RETURNING 1),
    told AS (
        SELECT stream, place FROM changed CROSS JOIN LATERAL (VALUES
            ('team:' || team_id, 0), ('team:' || old_team_id, 1), ('agent:' || agent_id, 2)) AS s(stream, place)
         WHERE place = 0 OR place = 1 AND old_team_id <> team_id
            OR place = 2 AND agent_id IS DISTINCT FROM old_agent_id AND agent_id IS DISTINCT FROM %(by)s::bigint
               AND agent_id IS NOT NULL),
    raised AS (
        INSERT INTO inbox_stream (key, n) SELECT stream, %(steps)s FROM told
         WHERE (SELECT count(*) FROM counted) >= 0 ORDER BY stream
        ON CONFLICT (key) DO UPDATE SET n = inbox_stream.n + excluded.n RETURNING key, n),
    stored AS (
        INSERT INTO inbox_event (stream, number, happening, conversation_id, seq, actor_id, at, payload, echo)
        SELECT stream, raised.n - behind, happening, id, seen_seq - behind, %(by)s::bigint, %(now)s, payload, place > 0
          FROM changed CROSS JOIN told JOIN raised ON key = stream CROSS JOIN ROWS FROM (
               unnest(%(behind)s::bigint[], %(happenings)s::text[]), jsonb_array_elements(%(payloads)s::jsonb))
               AS t(behind, happening, payload)
         ORDER BY behind DESC, place)
    SELECT seen_seq, team_id <> old_team_id, (SELECT jsonb_object_agg(key, n) FROM raised) FROM changed"""  # noqa: S608  constants


def change(
    conversation: Conversation,
    happening: Happening,
    *,
    by: Agent | None,
    values: Mapping[str, Any],
    expect: Mapping[str, Any] | None = None,
    also: tuple[Happening, ...] = (),
) -> bool:
    """Sets the columns if the row still is as expected (a value, None, or a list of allowed values) and records the
    happenings. Returns whether it happened; the object then carries the new values. Is a transaction of its own or
    joins the caller's; inside a caller's transaction it must be the last work, because counters and streams stay
    locked until commit."""
    moves = "team_id" in values
    with transaction.atomic(savepoint=False) if moves else nullcontext():
        row = _compare_and_set(conversation.pk, expect or {}, values, (happening, *also), by)
        if row is None:
            return False
        seq, moved, numbers = row
        if moved:
            reindex(SearchKind.CONVERSATION, [conversation.pk])
        ring({**numbers, conversation.stream: seq})
    for column, value in {**values, "seen_seq": seq}.items():
        setattr(conversation, column, value)
    return True


def _compare_and_set(
    pk: int, expect: Mapping[str, Any], values: Mapping[str, Any], happenings: tuple[Happening, ...], by: Agent | None
) -> tuple[int, bool, dict[str, int]] | None:
    """(the conversation's own number, whether it moved, the newest number of each stream)"""
    unknown = (expect.keys() | values.keys()) - COLUMNS
    if unknown:
        raise ValueError(f"not columns that a verb may touch: {sorted(unknown)}")
    wanted, arguments = _conditions(expect)
    setting = "".join(f"{column} = %(set_{column})s, " for column in values)
    what = [(len(happenings) - place, one.name, one.payload()) for place, one in enumerate(happenings, 1)]
    names = ("behind", "happenings", "payloads")
    arguments |= {f"set_{column}": value for column, value in values.items()}
    arguments |= dict(zip(names, columns(what), strict=True))
    arguments |= {"pk": pk, "steps": len(happenings), "by": by.pk if by else None, "now": timezone.now()}
    with connection.cursor() as cursor:
        cursor.execute(_CHANGE.format(setting=setting, wanted=wanted), arguments)
        row = cursor.fetchone()
    return row and (row[0], row[1], json.loads(row[2]))


def _conditions(expect: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    sql, arguments = "", {}
    for column, value in expect.items():
        if value is None:
            sql += f" AND {column} IS NULL"
            continue
        several = isinstance(value, list | tuple | range)
        sql += f" AND {column} = ANY(%(was_{column})s)" if several else f" AND {column} = %(was_{column})s"
        arguments[f"was_{column}"] = list(value) if several else value
    return sql, arguments

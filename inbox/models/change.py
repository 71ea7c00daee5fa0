"""The one way a conversation changes: compare-and-set on its row, counters, one event, a bell on commit. Every verb
is a call of `change`, so a verb cannot forget one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from inbox.models import tally
from inbox.models.event import Entry, record
from inbox.models.search_text import SearchKind, reindex
from inbox.models.tally import Place

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
_BACK = "old.team_id, old.state, old.agent_id, c.team_id, c.state, c.agent_id, c.seen_seq"


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
    happening. Returns whether it happened; the object then carries the new values. Opens its own transaction or
    joins the caller's; inside a caller's transaction it must be the last work, because counters and streams stay
    locked until commit."""
    with transaction.atomic(savepoint=False):
        row = _compare_and_set(conversation.pk, expect or {}, values, 1 + len(also))
        if row is None:
            return False
        old, new, seq = Place(row[0], row[1], row[2]), Place(row[3], row[4], row[5]), row[6]
        if old.team_id != new.team_id:
            reindex(SearchKind.CONVERSATION, [conversation.pk])
        tally.add(tally.deltas([(old, new)]))
        streams = _streams(old, new, by)
        all_of_it = (happening, *also)
        record(
            [
                Entry(streams, what, conversation.pk, seq - len(also) + place, by.pk if by else None)
                for place, what in enumerate(all_of_it)
            ]
        )
    for column, value in {**values, "seen_seq": seq}.items():
        setattr(conversation, column, value)
    return True


def _streams(old: Place, new: Place, by: Agent | None) -> tuple[str, ...]:
    """Home is the team that has it now; the team that had it hears it too, and an agent who was given it by somebody
    else."""
    streams = [f"team:{new.team_id}"]
    if old.team_id != new.team_id:
        streams.append(f"team:{old.team_id}")
    if new.agent_id and new.agent_id != old.agent_id and (by is None or by.pk != new.agent_id):
        streams.append(f"agent:{new.agent_id}")
    return tuple(streams)


def _compare_and_set(
    pk: int, expect: Mapping[str, Any], values: Mapping[str, Any], steps: int
) -> tuple[Any, ...] | None:
    unknown = (expect.keys() | values.keys()) - COLUMNS
    if unknown:
        raise ValueError(f"not columns that a verb may touch: {sorted(unknown)}")
    wanted, arguments = _conditions(expect)
    setting = "".join(f"{column} = %s, " for column in values)
    sql = (
        f"UPDATE inbox_conversation c SET {setting}seen_seq = c.seen_seq + %s "  # noqa: S608  columns come from COLUMNS
        f"FROM (SELECT id, team_id, state, agent_id FROM inbox_conversation WHERE id = %s{wanted} FOR UPDATE) old "
        f"WHERE c.id = old.id RETURNING {_BACK}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values.values(), steps, pk, *arguments])
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _conditions(expect: Mapping[str, Any]) -> tuple[str, list[Any]]:
    sql, arguments = "", []
    for column, value in expect.items():
        if value is None:
            sql += f" AND {column} IS NULL"
        elif isinstance(value, (list, tuple, range)):
            sql += f" AND {column} = ANY(%s)"
            arguments.append(list(value))
        else:
            sql += f" AND {column} = %s"
            arguments.append(value)
    return sql, arguments

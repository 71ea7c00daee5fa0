"""The one way a conversation changes: compare-and-set on its row, counters, events, a bell on commit. Every verb is a
call of `change`, so a verb cannot forget one of them. It is one call of a function of the database (`inbox_change`),
because whoever changes something in the same team waits from its first lock until the commit: no answer is waited for
in between, and nothing is planned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.utils import timezone

from inbox.models import search_text
from inbox.models.arrays import array
from inbox.models.event import ring

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
EXPECTED = frozenset(["team_id", "agent_id", "state", "snoozed_until", "tags"])


class Moved(Exception):
    """Another team has it since whoever wants to act read it, and it is not theirs to act on by what they knew."""


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
    happenings. A person acts on what the team has by which they were allowed to, and nobody gets it who does not work
    there. Returns whether it happened; the object then carries the new values. Is a transaction of its own or
    joins the caller's; inside a caller's transaction it must be the last work, because counters and streams stay
    locked until commit."""
    if by is not None:
        expect = {"team_id": conversation.team_id, **(expect or {})}
    row = _compare_and_set(conversation.pk, expect or {}, values, (happening, *also), by)
    if row is None:
        return False
    seq, moved, numbers = row
    if moved:
        search_text.ring()
    ring({**numbers, conversation.stream: seq})
    for column, value in {**values, "seen_seq": seq}.items():
        setattr(conversation, column, value)
    return True


def _compare_and_set(
    pk: int, expect: Mapping[str, Any], values: Mapping[str, Any], happenings: tuple[Happening, ...], by: Agent | None
) -> tuple[int, bool, dict[str, int]] | None:
    """(the conversation's own number, whether it moved, the newest number of each stream)"""
    unknown = (values.keys() - COLUMNS) | (expect.keys() - EXPECTED)
    if unknown:
        raise ValueError(f"not columns that a verb may touch or expect: {sorted(unknown)}")
    actor = by.pk if by else None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM inbox_change(%s, %s, %s, %s, %s, %s, %s)",
            [pk, _as_json(expect), _as_json(values), actor, timezone.now(), *told(happenings)],
        )
        seq, moved, numbers = cursor.fetchone()
    return None if seq is None else (seq, moved, json.loads(numbers))


def told(happenings: Sequence[Happening]) -> tuple[str, str]:
    """Their names and what is to be kept of them, as the database's functions take them."""
    return array(one.name for one in happenings), json.dumps([one.payload() for one in happenings])


def _as_json(columns: Mapping[str, Any]) -> str:
    """Several values that are allowed are a list."""
    return json.dumps(
        {name: list(value) if isinstance(value, range) else value for name, value in columns.items()},
        default=datetime.isoformat,
    )

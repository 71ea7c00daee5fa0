"""A row of the queue: what it shows of a conversation, the same for every reader, and how its columns are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connection
from django.utils.translation import gettext as _

from inbox.composer import network_label
from inbox.models import State
from inbox.models.arrays import array

if TYPE_CHECKING:
    from django.db.models import QuerySet

_COLUMNS = """c.id, c.seen_seq, c.inbound_seq, c.state, c.rank, c.priority, c.newest_at, c.waiting_since, c.excerpt,
    c.language, c.trouble, c.tags, c.team_id, c.agent_id, a.name AS agent__name, i.name AS identity__name,
    i.handle AS identity__handle, i.network AS identity__network"""
_FROM = """
      FROM inbox_conversation c JOIN inbox_identity i ON i.id = c.identity_id
      LEFT JOIN inbox_agent a ON a.id = c.agent_id
     WHERE c.id = ANY(%s) AND c.team_id = ANY(%s)"""
TROUBLES = {"failed": ("danger", "not sent"), "in_doubt": ("warn", "in doubt"), "held": ("warn", "held back")}


class Columns(NamedTuple):
    """What a list needs of a conversation, in the order of the statement."""

    id: int
    seen_seq: int
    inbound_seq: int
    state: int
    rank: int
    priority: int
    newest_at: datetime
    waiting_since: datetime
    excerpt: str
    language: str
    trouble: str
    tags: list[str]
    team_id: int
    agent_id: int | None
    agent__name: str | None
    identity__name: str
    identity__handle: str
    identity__network: str
    inside: bool | None


class Chip(NamedTuple):
    """What a row says at its end, and in which mood."""

    text: str
    mood: str = ""


class Row(NamedTuple):
    """One conversation as a list shows it; the same for every reader of the view, and the key of its HTML."""

    id: int
    url: str
    key: str
    author_name: str
    handle: str
    network: str
    age_at: datetime | None  # of the newest message from outside
    snippet: str  # as it was written
    language: str
    chip: Chip | None
    state: str
    priority: int
    agent_id: int | None
    agent_name: str
    team_name: str
    gone: str = ""

    @property
    def network_label(self) -> str:
        return network_label(self.network)


def chip_of(one: Columns) -> Chip | None:
    """The one chip of a row: trouble first, then what it waits for. Who has it stands beside."""
    if one.trouble in TROUBLES:
        mood, words = TROUBLES[one.trouble]
        return Chip(_(words), mood)
    if one.state == State.WAITING_CUSTOMER:
        return Chip(_("answered"))
    if one.state == State.WAITING_CAUSE:
        return Chip(_("waits for cause"), "info")
    return None


def moved_away(pk: int) -> Row:
    """A row the reader may have held and may not read any more: nothing of it but its number."""
    words = _("Moved away")
    return Row(pk, "", "", words, "", "", None, "", "", None, "gone", 0, None, "", "", gone=words)


def by_id(ids: Sequence[int], teams: Sequence[int], among: QuerySet[Any, Any] | None = None) -> list[Columns]:
    """The columns of rows for these conversations as far as they stand in one of the teams, in their order; with
    `inside`, whether each is among those others (a query for ids)."""
    if not ids:
        return []
    inside, parameters = among.query.sql_with_params() if among is not None else ("NULL", ())
    sql = f"SELECT {_COLUMNS}, c.id IN ({inside}) AS inside {_FROM}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, array(ids), array(teams)])
        found = {values[0]: Columns(*values) for values in cursor.fetchall()}
    return [found[pk] for pk in ids if pk in found]

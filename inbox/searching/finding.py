"""Finding rows, newest first, in two tiers: the newest rows are looked through in their order, which finds frequent
words at once; what is too rare for that is asked of the index of words. Neither is left to the planner's guess. The
words' table only says where to look: whether the reader may see a row is asked of its conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import OperationalError, connection
from psycopg2.errors import QueryCanceled

from inbox.models.arrays import array
from inbox.models.search_text import SearchKind
from inbox.searching.asking import Term, tsquery
from inbox.searching.words import facet_mark

PAGE = 50
PROBE = 20_000  # newest rows looked through first; from ten million on a five-hundredth of all
WALK = 300_000  # rows looked through when the index of words was too slow
PATIENCE = 2_000  # milliseconds that the index of words may take
ROUNDS = 3  # times that rows which are not the reader's are made good
MESSAGES = 300  # newest of a conversation that its page shows at first


class Mark(NamedTuple):
    """A row's place in the order of what is found."""

    at: datetime
    kind: int
    row_id: int


@dataclass(frozen=True)
class Ask:
    """What is looked for: the terms typed, and what it is narrowed to."""

    terms: Sequence[Term] = ()
    teams: Sequence[int] = ()
    channels: Sequence[int] = ()
    states: Sequence[int] = ()
    kinds: Sequence[int] = ()
    writers: Sequence[int] = ()
    themes: Sequence[int] = ()
    about: Sequence[Sequence[int]] = ()
    """Of each of these, what is found carries one theme."""
    not_about: Sequence[int] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_narrowed(self) -> bool:
        facets = (self.teams, self.channels, self.states, self.kinds, self.writers, self.themes, self.since, self.until)
        return any(facets)

    @property
    def carried(self) -> list[Sequence[int]]:
        return [*([self.themes] if self.themes else ()), *self.about]

    @property
    def is_empty(self) -> bool:
        return not self.terms and not self.is_narrowed

    @property
    def marks(self) -> list[str]:
        """The facts that stand among the words. Messages are nearly all there is and have no such mark."""
        kinds = () if SearchKind.MENTION in self.kinds else self.kinds
        return [mark for mark in (_any("c", self.channels), _any("w", self.writers), _any("k", kinds)) if mark]

    @property
    def tsquery(self) -> str:
        return tsquery(self.terms, self.marks)

    @property
    def is_positive(self) -> bool:
        """Whether anything must be there; what must not be there alone is asked of no index."""
        words = any(not term.without for term in self.terms if not term.theme)
        return words or bool(self.marks or self.carried)


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


def _any(name: str, values: Sequence[int]) -> str:
    return f"({' | '.join(facet_mark(name, value) for value in values)})" if values else ""


def find(ask: Ask, readable: Sequence[int], after: Mark | None = None) -> Found:
    """One page of what these teams' readers may see."""
    teams = [team for team in readable if not ask.teams or team in ask.teams]
    if not teams or ask.is_empty:
        return Found()
    found = Found()
    for _round in range(ROUNDS):
        keys, back_to = _keys(ask, teams, after)
        found.rows += shown(keys[:PAGE], teams, readable)
        found.more = _mark(keys[PAGE - 1]) if len(keys) > PAGE else None
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


# The search by words comes second only when the probe did not fill the page. Its order is an expression, so that no
# index can be walked for it; and a table is never read whole where an index will do.
_TWO_TIERS = """
    SET LOCAL enable_seqscan = off; SET LOCAL statement_timeout = {patience};
    WITH newest AS MATERIALIZED (
        SELECT kind, row_id, at FROM (
            SELECT * FROM inbox_searchtext s WHERE {place} ORDER BY at DESC, kind DESC, row_id DESC
             LIMIT (SELECT greatest({probe}, reltuples / 500)::bigint FROM pg_class
                     WHERE oid = 'inbox_searchtext'::regclass)) s
         WHERE {wanted} ORDER BY at DESC, kind DESC, row_id DESC LIMIT {page}),
    older AS MATERIALIZED (
        SELECT kind, row_id, at FROM inbox_searchtext s
         WHERE (SELECT count(*) FROM newest) < {page} AND {wanted} AND {place} {carrying}
         ORDER BY at + interval '0' DESC, kind DESC, row_id DESC LIMIT {page})
    SELECT kind, row_id, at FROM (
        SELECT * FROM older UNION SELECT * FROM newest) both_tiers ORDER BY at DESC, kind DESC, row_id DESC LIMIT {page}
    """
_NEWEST = """
    SET LOCAL enable_seqscan = off; SET LOCAL statement_timeout = {patience};
    SELECT kind, row_id, at FROM (
        SELECT * FROM inbox_searchtext s WHERE {place} ORDER BY at DESC, kind DESC, row_id DESC LIMIT {walk}) s
     WHERE {wanted} ORDER BY at DESC, kind DESC, row_id DESC LIMIT {page}"""
_WALK = """
    SET LOCAL enable_seqscan = off; SET LOCAL statement_timeout = {patience};
    WITH walked AS MATERIALIZED (
        SELECT kind, row_id, at, {wanted} AS meets FROM (
            SELECT * FROM inbox_searchtext s WHERE {place} ORDER BY at DESC, kind DESC, row_id DESC LIMIT {walk}) s),
    ends AS (SELECT kind, row_id, at FROM walked ORDER BY at, kind, row_id LIMIT 1)
    (SELECT kind, row_id, at, true, 0 FROM walked WHERE meets ORDER BY at DESC, kind DESC, row_id DESC LIMIT {page})
    UNION ALL SELECT kind, row_id, at, false, (SELECT count(*) FROM walked) FROM ends"""


# Topics belong to the layer above: their table is asked by name. In the order of time each message is asked for its
# themes, which OFFSET keeps from being planned as a join; among older ones the index of themes says where to look.
_ABOUT = """
    (s.kind = 1 AND EXISTS (SELECT 1 FROM connectors_topicmention f WHERE f.mention_id = s.row_id
        AND f.hidden_by_id IS NULL AND f.themes && %(about{})s::bigint[] OFFSET 0))"""
_CARRYING = """
    AND s.kind = 1 AND s.row_id IN (
        SELECT f.mention_id FROM connectors_topicmention f WHERE f.themes && %(about0)s::bigint[])"""


def _keys(ask: Ask, teams: Sequence[int], after: Mark | None) -> tuple[list[tuple[Any, ...]], Mark | None]:
    """At most a page and one of (kind, row, at), and where the search ended when that was not at the end."""
    wanted, place, values = _conditions(ask, teams, after)
    carrying = _CARRYING if ask.carried else ""
    parts = {"wanted": wanted, "place": place, "carrying": carrying, "page": PAGE + 1, "probe": PROBE}
    sql = _TWO_TIERS if ask.is_positive else _NEWEST
    keys = _in_time(sql.format(**parts, walk=WALK, patience=PATIENCE), values)
    if keys is not None and (ask.is_positive or len(keys) > PAGE):
        return keys, None
    for walk in (WALK, WALK // 10, WALK // 100):  # the slower the disk, the shorter the piece
        rows = _in_time(_WALK.format(**parts, walk=walk, patience=4 * PATIENCE), values)
        if rows is None:
            continue
        keys = [row[:3] for row in rows if row[3]]
        end = next((row for row in rows if not row[3]), None)
        if len(keys) > PAGE or end is None or end[4] < walk:
            return keys, None
        return keys, Mark(end[2], end[0], end[1])
    raise OperationalError("The index of words does not answer in time.")


def _in_time(sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]] | None:
    """What it found; None when it took longer than the patience that stands in it."""
    try:
        return _run(sql, values)
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        return None


def _run(sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _conditions(ask: Ask, teams: Sequence[int], after: Mark | None) -> tuple[str, str, dict[str, Any]]:
    """What a row must meet, where in the order it must stand, and the values of both."""
    wanted, place, asked = ["s.team_id = ANY(%(teams)s::bigint[])"], ["true"], ask.tsquery
    if asked:
        wanted.append("s.words @@ %(asked)s::tsquery")
    if ask.kinds:
        wanted.append("s.kind = ANY(%(kinds)s::bigint[])")
    if ask.states:
        wanted.append(
            "EXISTS (SELECT 1 FROM inbox_conversation c WHERE c.id = s.conversation_id"
            " AND c.state = ANY(%(states)s::smallint[]))"
        )
    wanted += [_ABOUT.format(step) for step in range(len(ask.carried))]
    if ask.not_about:
        wanted.append(f"NOT ({_ABOUT.format('_not')})")
    if ask.since:
        place.append("s.at >= %(since)s")
    if ask.until:
        place.append("s.at < %(until)s")
    if after:
        place.append("(s.at, s.kind, s.row_id) < (%(after_at)s, %(after_kind)s, %(after_row)s)")
    values = {
        "teams": array(teams),
        "asked": asked,
        "kinds": array(map(int, ask.kinds)),
        "states": array(ask.states),
        "since": ask.since,
        "until": ask.until,
        "after_at": after and after.at,
        "after_kind": after and after.kind,
        "after_row": after and after.row_id,
        "about_not": array(ask.not_about),
        **{f"about{step}": array(themes) for step, themes in enumerate(ask.carried)},
    }
    return " AND ".join(wanted), " AND ".join(place), values


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

"""Where what is asked for stands, newest first. The newest rows are looked through in their order, which finds frequent
words at once and says how frequent the others are: from that follows whether to look further back in the same order or
to ask the index of words. Neither is left to the planner's guess, which is of all time and of all teams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import OperationalError, connection
from psycopg2.errors import QueryCanceled

from inbox.models.arrays import array
from inbox.models.search_text import SearchKind
from inbox.searching.asking import Term, tsquery
from inbox.searching.words import facet_mark

PAGE = 50
LOOK = 2_000  # newest rows looked through first
SAMPLE = 500  # of them, in which those of the teams are counted
MATCH = 10  # rows that are looked through in the time in which the index of words brings one
FEW = 4  # when less than one in so many rows is in the teams, the index of words is asked for the teams too
WALK = 300_000  # rows looked through when the index of words was too slow
PATIENCE = 2_000  # milliseconds that one question may take


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


def _any(name: str, values: Sequence[int]) -> str:
    return f"({' | '.join(facet_mark(name, value) for value in values)})" if values else ""


_ORDER = "ORDER BY at DESC, kind DESC, row_id DESC"
_TEAMS = "s.team_id = ANY(%(teams)s::bigint[])"
_SETTINGS = "SET LOCAL enable_seqscan = off; SET LOCAL statement_timeout = {patience};"
# When the newest do not fill the page, one row more says how many rows there are, and how many of the sample are in
# these teams.
_LOOK = f"""
    {_SETTINGS}
    WITH newest AS MATERIALIZED (
        SELECT kind, row_id, at FROM (
            SELECT * FROM inbox_searchtext s WHERE {{place}} {_ORDER} LIMIT {{look}}) s
         WHERE {{wanted}} {_ORDER} LIMIT {{page}})
    SELECT kind, row_id, at, NULL AS stored, NULL AS seen, NULL AS mine FROM newest
    UNION ALL
    SELECT NULL, NULL, NULL, (SELECT reltuples FROM pg_class WHERE oid = 'inbox_searchtext'::regclass),
           count(*), count(*) FILTER (WHERE {_TEAMS})
      FROM (SELECT * FROM inbox_searchtext s WHERE {{place}} {_ORDER} LIMIT {{sample}}) s
     WHERE (SELECT count(*) FROM newest) < {{page}}
     ORDER BY at DESC NULLS LAST, kind DESC, row_id DESC"""  # noqa: S608  constants of ours
_NEWEST = f"""
    {_SETTINGS}
    SELECT kind, row_id, at FROM (
        SELECT * FROM inbox_searchtext s WHERE {{place}} {_ORDER} LIMIT {{walk}}) s
     WHERE {{wanted}} {_ORDER} LIMIT {{page}}"""  # noqa: S608  constants of ours
# Its order is an expression, so that no index can be walked for it; and a table is never read whole where an index
# will do.
_BY_WORDS = f"""
    {_SETTINGS}
    SELECT kind, row_id, at FROM inbox_searchtext s WHERE {{wanted}} AND {{place}} {{carrying}}
     ORDER BY at + interval '0' DESC, kind DESC, row_id DESC LIMIT {{page}}"""  # noqa: S608  constants of ours
_WALK = f"""
    {_SETTINGS}
    WITH walked AS MATERIALIZED (
        SELECT kind, row_id, at, {{wanted}} AS meets FROM (
            SELECT * FROM inbox_searchtext s WHERE {{place}} {_ORDER} LIMIT {{walk}}) s),
    ends AS (SELECT kind, row_id, at FROM walked ORDER BY at, kind, row_id LIMIT 1)
    (SELECT kind, row_id, at, true, 0 FROM walked WHERE meets {_ORDER} LIMIT {{page}})
    UNION ALL SELECT kind, row_id, at, false, (SELECT count(*) FROM walked) FROM ends"""  # noqa: S608  constants of ours
# The index has the teams beside the words, and looks each row up in the list of each team: where these have many rows,
# that costs more than to read what has the words.
_TEAMS_READ = "s.team_id + 0 = ANY(%(teams)s::bigint[])"
_SAID = "s.words @@ %(asked)s::tsquery"


# Topics belong to the layer above: their table is asked by name. In the order of time each message is asked for its
# themes, which OFFSET keeps from being planned as a join; among older ones the index of themes says where to look.
_ABOUT = """
    (s.kind = 1 AND EXISTS (SELECT 1 FROM connectors_topicmention f WHERE f.mention_id = s.row_id
        AND f.hidden_by_id IS NULL AND f.themes && %(about{})s::bigint[] OFFSET 0))"""
_CARRYING = """
    AND s.kind = 1 AND s.row_id IN (
        SELECT f.mention_id FROM connectors_topicmention f WHERE f.themes && %(about0)s::bigint[])"""


class Counted(NamedTuple):
    """What the look at the newest rows says when it found too little: how many rows there are in all, how many of the
    sample were seen, and how many of those are in these teams."""

    stored: float
    seen: int
    mine: int

    @property
    def is_by_team(self) -> bool:
        """Whether the index of words is to be asked for the teams as well."""
        return self.seen > FEW * self.mine

    def worth(self, found: int) -> int:
        """How many of the newest rows to look through for a page when so many of the first were found; 0 when the
        index of words brings it sooner. Twice what the index would take is the most to lose, should words that are
        frequent now have been rare before."""
        if not found:
            return 0
        needed, brought = LOOK * (PAGE + 1) / found, self.stored * found / LOOK
        cost = MATCH * brought * min(self.seen / max(self.mine, 1), FEW)
        return int(min(3 * needed, 2 * cost)) if needed <= cost else 0


def keys(ask: Ask, teams: Sequence[int], after: Mark | None) -> tuple[list[tuple[Any, ...]], Mark | None]:
    """At most a page and one of (kind, row, at), and where the search ended when that was not at the end."""
    wanted, place, values = conditions(ask, teams, after)
    parts = {"wanted": wanted, "place": place, "page": PAGE + 1}
    if ask.is_positive:
        found = _likely(ask, parts, values)
    else:
        found = in_time(_NEWEST.format(**parts, walk=WALK, patience=PATIENCE), values)
    if found is not None and (ask.is_positive or len(found) > PAGE):
        return found, None
    for walk in (WALK, WALK // 10, WALK // 100):  # the slower the disk, the shorter the piece
        rows = in_time(_WALK.format(**parts, walk=walk, patience=4 * PATIENCE), values)
        if rows is None:
            continue
        found = [row[:3] for row in rows if row[3]]
        end = next((row for row in rows if not row[3]), None)
        if len(found) > PAGE or end is None or end[4] < walk:
            return found, None
        return found, Mark(end[2], end[0], end[1])
    raise OperationalError("The index of words does not answer in time.")


def _likely(ask: Ask, parts: dict[str, Any], values: dict[str, Any]) -> list[tuple[Any, ...]] | None:
    """What is found by the way that is likely to be the shortest; None when it took too long."""
    rows = in_time(_LOOK.format(**parts, look=LOOK, sample=SAMPLE, patience=PATIENCE), values)
    if rows is None:
        return None
    found, counted = [row[:3] for row in rows if row[1] is not None], Counted(*rows[-1][3:])
    if len(found) > PAGE or counted.seen < SAMPLE:
        return found
    if walk := counted.worth(len(found)):
        newest = in_time(_NEWEST.format(**parts, walk=walk, patience=PATIENCE), values)
        if newest is None or len(newest) > PAGE:
            return newest
    wanted, carrying = parts["wanted"], _CARRYING if ask.carried else ""
    if values["asked"] and not counted.is_by_team:
        wanted = wanted.replace(_TEAMS, _TEAMS_READ)
    return in_time(_BY_WORDS.format(**parts | {"wanted": wanted}, carrying=carrying, patience=PATIENCE), values)


def in_time(sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]] | None:
    """What it found; None when it took longer than the patience that stands in it."""
    try:
        return run(sql, values)
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        return None


def run(sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def conditions(ask: Ask, teams: Sequence[int], after: Mark | None) -> tuple[str, str, dict[str, Any]]:
    """What a row must meet, where in the order it must stand, and the values of both."""
    wanted, place, asked = [_TEAMS], ["true"], ask.tsquery
    if asked:
        wanted.append(_SAID)
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

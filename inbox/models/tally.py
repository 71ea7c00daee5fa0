"""Counters of conversations by team, ownership and state, so that a count is never a COUNT. Kept in the transaction
of each change; `manage.py tallies` compares them with the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django.db import connection, models, transaction

from inbox.models.arrays import columns


class Place(NamedTuple):
    """Where a conversation is counted."""

    team_id: int
    state: int
    agent_id: int | None

    def scopes(self) -> tuple[str, str]:
        owner = f"agent:{self.agent_id}" if self.agent_id else f"team:{self.team_id}:free"
        return f"team:{self.team_id}", owner


# The same for a row of a statement that has {0}team_id and {0}agent_id; with its state it makes the counters' keys.
SCOPES = """(VALUES ('team:' || {0}team_id),
                    (coalesce('agent:' || {0}agent_id, 'team:' || {0}team_id || ':free')))"""


class TallyQuerySet(models.QuerySet["Tally"]):
    def by_scope(self, scopes: Iterable[str]) -> dict[tuple[str, int], int]:
        """{(scope, state): n} of the scopes named."""
        rows = self.filter(scope__in=list(scopes)).values_list("scope", "state", "n")
        return {(scope, state): n for scope, state, n in rows}


class Tally(models.Model):
    scope = models.CharField(max_length=40)
    state = models.SmallIntegerField()
    n = models.BigIntegerField(default=0)

    objects = TallyQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "state"], name="one_tally_per_scope_and_state")]

    def __str__(self) -> str:
        return f"{self.scope}/{self.state}={self.n}"


def deltas(moves: Iterable[tuple[Place | None, Place | None]]) -> dict[tuple[str, int], int]:
    """What the moves (old place, new place) change; None is outside. Zero changes are left out."""
    change: Counter[tuple[str, int]] = Counter()
    for (old, new), times in Counter(moves).items():
        for place, step in ((old, -times), (new, times)):
            for scope in place.scopes() if place else ():
                change[scope, place.state] += step  # type: ignore[union-attr]
    return {key: n for key, n in change.items() if n}


ADD = """
    INSERT INTO inbox_tally (scope, state, n)
    SELECT * FROM unnest(%s::text[], %s::smallint[], %s::bigint[]) AS t(scope, state, n) ORDER BY 1, 2
    ON CONFLICT (scope, state) DO UPDATE SET n = inbox_tally.n + excluded.n"""


def add(change: Mapping[tuple[str, int], int]) -> None:
    """Adds the deltas, in key order, in one statement."""
    if change:
        with connection.cursor() as cursor:
            cursor.execute(ADD, columns_of(change))


def columns_of(change: Mapping[tuple[str, int], int]) -> list[str]:
    """What ADD is given for these deltas."""
    rows = [(scope, state, n) for (scope, state), n in sorted(change.items())]
    return columns(rows) if rows else ["{}"] * 3


_COMPARE = f"""
    WITH counted AS (
        SELECT scope, state, count(*) AS n FROM inbox_conversation CROSS JOIN LATERAL {SCOPES.format("")} AS s(scope)
         GROUP BY scope, state)
    SELECT coalesce(t.scope, r.scope), coalesce(t.state, r.state), coalesce(t.n, 0), coalesce(r.n, 0)
      FROM inbox_tally t FULL JOIN counted r ON r.scope = t.scope AND r.state = t.state
     WHERE coalesce(t.n, 0) <> coalesce(r.n, 0)"""  # noqa: S608  a constant of ours


def differences() -> dict[tuple[str, int], tuple[int, int]]:
    """{(scope, state): (counter, rows)} of the counters that are wrong, read in one snapshot."""
    with connection.cursor() as cursor:
        cursor.execute(_COMPARE)
        return {(scope, state): (kept, true) for scope, state, kept, true in cursor.fetchall()}


def repair() -> dict[tuple[str, int], tuple[int, int]]:
    """Sets the wrong counters and returns what they were. Every change of a conversation waits meanwhile, since it
    writes its counters in the same transaction."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE inbox_tally IN SHARE ROW EXCLUSIVE MODE")
        wrong = differences()
        add({key: true - kept for key, (kept, true) in wrong.items()})
    return wrong

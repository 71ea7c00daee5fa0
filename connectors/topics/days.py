"""What topics found, day by day, so that a page reads a row for each day of a topic however much was found. A day that
has no row, or in which something changed since its row was made, is read from its findings."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models, transaction
from django.db.models.functions import Now
from django.utils import timezone

from inbox.models.arrays import array

DAYS = 30  # that are counted on pages
KEPT = 91  # days that have rows: ninety, of which the first is not whole
PIECE, MARKS = 5, 10_000  # days of topics that are counted, and marks that are looked at, at once
REST = timedelta(minutes=1)  # a day in which something changes all the time is counted as often
LOCK = 0x64617973  # of the worker

BARE, SHOWN, HIDDEN = 0, -1, -2
KEYS = f"""unnest(CASE WHEN f.hidden_by_id IS NOT NULL THEN '{{{HIDDEN}}}'::bigint[]
                       WHEN f.themes = '{{}}' THEN '{{{BARE},{SHOWN}}}'
                       ELSE f.themes || '{{{SHOWN}}}'::bigint[] END)"""
"""What a finding `f` counts for: ids of themes, and these three."""


class FindingDay(models.Model):
    """`counts`: {team: {key: how many}} of what a topic found of the posts of that day. The truth unless a FindingDue
    lies in the day."""

    topic = models.ForeignKey("connectors.Topic", models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    since = models.DateTimeField()
    until = models.DateTimeField()
    counts = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["topic", "since"], name="one_count_per_day")]

    def __str__(self) -> str:
        return f"topic {self.topic_id} on {self.since.isoformat()}"


class FindingPosts(models.Model):
    """Each post of such a day that is shown and stands: beside each other its team, its number, its story (a cluster;
    one of its own below zero), its author's followers and its time. Made together with its FindingDay and as true."""

    topic = models.ForeignKey("connectors.Topic", models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    since = models.DateTimeField()
    teams = ArrayField(models.BigIntegerField())
    mentions = ArrayField(models.BigIntegerField())
    stories = ArrayField(models.BigIntegerField())
    followers = ArrayField(models.BigIntegerField(null=True))
    times = ArrayField(models.DateTimeField())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["topic", "since"], name="posts_of_a_day_once")]

    def __str__(self) -> str:
        return f"posts of topic {self.topic_id} on {self.since.isoformat()}"


class FindingDue(models.Model):
    """In the quarter of an hour from `at` on something changed of what a topic found: written by triggers, in the
    transaction that changes it, whoever does. `waits_for`: all transactions below that number have to be over before
    the day is counted. One of them may have changed a conversation's team without seeing the finding, and this mark is
    then the only one that tells of both."""

    topic_id = models.BigIntegerField()
    at = models.DateTimeField()
    noted_at = models.DateTimeField(db_default=Now())
    waits_for = models.BigIntegerField(null=True)

    class Meta:
        indexes = [models.Index(fields=["topic_id", "at"], name="findings_due")]

    def __str__(self) -> str:
        return f"topic {self.topic_id} at {self.at.isoformat()}"


def window(now: datetime, days: int = DAYS) -> list[tuple[datetime, datetime]]:
    """[since, until) of the last days, today among them; the oldest first. Days of UTC: no page shows them one by one,
    and whatever the organisation's zone becomes, they stay."""
    tonight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return [(tonight - timedelta(days=n), tonight - timedelta(days=n - 1)) for n in range(days, 0, -1)]


DAY = "(SELECT * FROM unnest(%(since)s::timestamptz[], %(until)s::timestamptz[]) AS d(since, until))"
_RIPE = "(%(alone)s OR waits_for <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint)"
HOLDS = """NOT EXISTS (SELECT FROM connectors_findingdue e
                       WHERE e.topic_id = w.topic_id AND e.at >= w.since AND e.at < w.until)"""
"""Of a row `w`: nothing changed since."""
STORY = "coalesce(f.cluster_id, -f.mention_id)"
STANDS = "f.hidden_by_id IS NULL AND m.state IN ('live', 'edited')"
_COLUMNS = "teams, mentions, stories, followers, times"
_COUNTED = f"""
    WITH found AS MATERIALIZED (
        SELECT c.team_id, f.mention_id, {STORY} AS story, m.followers, f.posted_at, {STANDS} AS stands,
               f.hidden_by_id, f.themes
          FROM connectors_topicmention f
          JOIN inbox_mention m ON m.id = f.mention_id
          JOIN inbox_conversation c ON c.id = m.conversation_id
         WHERE f.topic_id = w.topic_id AND f.posted_at >= w.since AND f.posted_at < w.until),
    counted AS (
        SELECT k.team_id, jsonb_object_agg(k.key, k.n) AS counts
          FROM (SELECT f.team_id, u.key, count(*) AS n FROM found f CROSS JOIN {KEYS} AS u(key)
                 GROUP BY f.team_id, u.key) k
         GROUP BY k.team_id),
    told AS (
        SELECT array_agg(team_id) AS teams, array_agg(mention_id) AS mentions, array_agg(story) AS stories,
               array_agg(followers) AS followers, array_agg(posted_at) AS times
          FROM (SELECT * FROM found WHERE stands ORDER BY mention_id) f)
    SELECT (SELECT coalesce(jsonb_object_agg(team_id, counts), '{{}}') FROM counted) AS counts,
           coalesce(teams, '{{}}') AS teams, coalesce(mentions, '{{}}') AS mentions,
           coalesce(stories, '{{}}') AS stories, coalesce(followers, '{{}}') AS followers,
           coalesce(times, '{{}}') AS times
      FROM told"""  # noqa: S608  nothing of it comes from outside
_STALE = f"""
    DELETE FROM connectors_findingday k
     WHERE NOT EXISTS (SELECT FROM {DAY} d WHERE d.since = k.since AND d.until = k.until)
        OR NOT EXISTS (SELECT FROM connectors_topic t WHERE t.id = k.topic_id)"""  # noqa: S608
_LEFT = """
    DELETE FROM connectors_findingposts p
     WHERE NOT EXISTS (SELECT FROM connectors_findingday k WHERE k.topic_id = p.topic_id AND k.since = p.since)"""
# One statement, so that the marks it takes away are of the moment in which it counts. It looks at some marks only: a
# topic that is sorted anew leaves them by the thousand.
_COUNT = f"""
    WITH day AS MATERIALIZED {DAY},
    ripe AS MATERIALIZED (
        SELECT topic_id, at FROM connectors_findingdue WHERE {_RIPE} ORDER BY id LIMIT %(marks)s),
    w AS MATERIALIZED (
        SELECT t.id AS topic_id, d.since, d.until
          FROM ripe r JOIN connectors_topic t ON t.id = r.topic_id JOIN day d ON r.at >= d.since AND r.at < d.until
         UNION
        SELECT t.id, d.since, d.until
          FROM connectors_topic t CROSS JOIN day d
          LEFT JOIN connectors_findingday k ON k.topic_id = t.id AND k.since = d.since AND k.until = d.until
          LEFT JOIN connectors_findingposts p ON p.topic_id = k.topic_id AND p.since = k.since
         WHERE p.topic_id IS NULL
         ORDER BY since DESC, topic_id LIMIT %(piece)s),
    taken AS (
        DELETE FROM connectors_findingdue e USING w
         WHERE {_RIPE} AND e.topic_id = w.topic_id AND e.at >= w.since AND e.at < w.until),
    fresh AS MATERIALIZED (SELECT w.topic_id, w.since, w.until, d.* FROM w CROSS JOIN LATERAL ({_COUNTED}) AS d),
    made AS (
        INSERT INTO connectors_findingday (topic_id, since, until, counts)
        SELECT topic_id, since, until, counts FROM fresh
        ON CONFLICT (topic_id, since) DO UPDATE SET until = excluded.until, counts = excluded.counts),
    kept AS (
        INSERT INTO connectors_findingposts (topic_id, since, {_COLUMNS})
        SELECT topic_id, since, {_COLUMNS} FROM fresh
        ON CONFLICT (topic_id, since) DO UPDATE
           SET ({_COLUMNS}) = (excluded.teams, excluded.mentions, excluded.stories, excluded.followers, excluded.times))
    SELECT count(*) FROM w"""  # noqa: S608
_OUTSIDE = f"""
    DELETE FROM connectors_findingdue e
     WHERE {_RIPE} AND NOT EXISTS (SELECT FROM connectors_findingday k
                                   WHERE k.topic_id = e.topic_id AND e.at >= k.since AND e.at < k.until)"""  # noqa: S608
_RIPEN = """
    UPDATE connectors_findingdue SET waits_for = pg_snapshot_xmax(pg_current_snapshot())::text::bigint
     WHERE waits_for IS NULL
       AND (SELECT min(noted_at) FROM connectors_findingdue WHERE waits_for IS NULL)
           <= statement_timestamp() - make_interval(secs => %s)"""


def count_due(seconds: float = 10.0, *, alone: bool = False) -> int:
    """Counts days that are not, or not any more, until none is due or the time is over; how many. `alone`: nobody else
    writes, so that nobody has to be waited for."""
    ends, done, goes_on = time.monotonic() + seconds, 0, True
    while goes_on and time.monotonic() < ends:
        counted, goes_on = _piece(window(timezone.now(), KEPT), alone)
        done += counted
    return done


@transaction.atomic
def _piece(days: list[tuple[datetime, datetime]], alone: bool) -> tuple[int, bool]:
    """The newest days first: how many, and whether there may be more; nothing when another worker is at them. When it
    dies, nothing of the piece is kept and it comes again."""
    since, until = (array(column) for column in zip(*days, strict=True))
    asked: dict[str, Any] = {"since": since, "until": until, "piece": PIECE, "marks": MARKS, "alone": alone}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (LOCK,))
        if not cursor.fetchone()[0]:
            return 0, False
        cursor.execute(_STALE, asked)
        if cursor.rowcount:
            cursor.execute(_LEFT)
        cursor.execute(_COUNT, asked)
        counted: int = cursor.fetchone()[0]
        if not (goes_on := counted > 0):
            cursor.execute(_OUTSIDE, asked)
            goes_on = cursor.rowcount > 0
        cursor.execute(_RIPEN, (REST.total_seconds(),))
    return counted, goes_on


def hold_counting() -> None:
    """Nothing is counted before this transaction ends: whoever takes many days away locks them in another order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", (LOCK,))


_WRONG = f"""
    SELECT w.topic_id, w.since, w.counts, found.counts
      FROM connectors_findingday w
      JOIN connectors_findingposts p ON p.topic_id = w.topic_id AND p.since = w.since
     CROSS JOIN LATERAL ({_COUNTED}) AS found
     WHERE (w.counts, p.teams, p.mentions, p.stories, p.followers, p.times) IS DISTINCT FROM
           (found.counts, found.teams, found.mentions, found.stories, found.followers, found.times)
       AND {HOLDS}
     ORDER BY w.topic_id, w.since"""  # noqa: S608


def differences() -> list[tuple[Any, ...]]:
    """(topic, day, what its row counts, what was found) of the days that are wrong, read in one snapshot."""
    with connection.cursor() as cursor:
        cursor.execute(_WRONG)
        wrong: list[tuple[Any, ...]] = cursor.fetchall()
    return wrong


def repair() -> list[tuple[Any, ...]]:
    """Takes the rows of the wrong days away, so that they are counted again; what they were."""
    wrong = differences()
    for topic, since, _kept, _true in wrong:
        FindingDay.objects.filter(topic=topic, since=since).delete()
    return wrong

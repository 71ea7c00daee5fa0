"""Share of voice (S1): of all that is said about us or about rivals, how much is about us. Texts that are alike count
once; beside it the same with the audience each post may have had. Everybody gets the shares of what they may read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection

from connectors.topics.audience import ESTIMATE
from inbox.models.arrays import array

if TYPE_CHECKING:
    from connectors.models import Topic
    from inbox.models import Agent

CONFIDENCE = 1.959964  # of 95 %
FEW = 30  # below it a share says little
_ITEMS = f"""
    WITH items AS (
        SELECT DISTINCT {{key}} AS key, m.id, coalesce(f.cluster_id, -m.id) AS cluster, m.followers
          FROM connectors_topicmention f
          JOIN connectors_topic t ON t.id = f.topic_id
          JOIN inbox_mention m ON m.id = f.mention_id
          JOIN inbox_conversation c ON c.id = m.conversation_id
         WHERE f.topic_id = ANY(%s::bigint[]) AND c.team_id = ANY(%s::bigint[])
           AND f.posted_at >= %s AND f.posted_at < %s AND m.state IN ('live', 'edited') AND f.hidden_by_id IS NULL)
    SELECT key, count(DISTINCT cluster), count(*), count(*) FILTER (WHERE followers IS NULL),
           coalesce(sum({ESTIMATE.format("followers")}), 0)::float
      FROM items GROUP BY key"""  # noqa: S608  nothing of it comes from outside
_BOTH = """
    SELECT count(*) FROM (
        SELECT coalesce(f.cluster_id, -m.id)
          FROM connectors_topicmention f
          JOIN connectors_topic t ON t.id = f.topic_id
          JOIN inbox_mention m ON m.id = f.mention_id
          JOIN inbox_conversation c ON c.id = m.conversation_id
         WHERE f.topic_id = ANY(%s::bigint[]) AND c.team_id = ANY(%s::bigint[])
           AND f.posted_at >= %s AND f.posted_at < %s AND m.state IN ('live', 'edited') AND f.hidden_by_id IS NULL
         GROUP BY 1 HAVING bool_or(t.rival) AND NOT bool_and(t.rival)) AS both_sides"""


@dataclass(frozen=True)
class Heard:
    """What was said: `stories` are clusters, `posts` every post, `unknown` those whose author's followers nobody told,
    `audience` the sum of the estimates of the others."""

    stories: int = 0
    posts: int = 0
    unknown: int = 0
    audience: float = 0.0


@dataclass(frozen=True)
class Share:
    """`part` of `whole`, with the interval in which it lies in 95 of 100 cases; of an estimate there is none."""

    part: float
    whole: float
    low: float | None = None
    high: float | None = None

    @property
    def percent(self) -> float | None:
        return 100 * self.part / self.whole if self.whole else None

    @property
    def is_little(self) -> bool:
        return self.whole < FEW


@dataclass(frozen=True)
class Voice:
    """`both`: stories that are about us and about a rival; they count on both sides."""

    own: Heard
    rivals: Heard
    both: int
    topics: dict[int, Heard]

    @property
    def plain(self) -> Share:
        part, whole = self.own.stories, self.own.stories + self.rivals.stories
        return Share(part, whole, *interval(part, whole)) if whole else Share(part, whole)

    @property
    def weighted(self) -> Share:
        return Share(self.own.audience, self.own.audience + self.rivals.audience)

    def of(self, topic: int) -> Share:
        """One topic's share of the same whole."""
        return Share(self.topics.get(topic, Heard()).stories, self.plain.whole)


def interval(part: int, whole: int) -> tuple[float, float]:
    """Wilson's interval of a share, in percent; `whole` is not 0."""
    z, share = CONFIDENCE, part / whole
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole)) / (1 + z * z / whole)
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)


def voice(topics: Sequence[Topic], agent: Agent, since: datetime, until: datetime) -> Voice:
    """Of what was posted in [since, until) and the agent may read; three statements."""
    asked = (array([topic.pk for topic in topics]), array(sorted(agent.readable_team_ids)), since, until)
    sides = _heard("t.rival", asked)
    with connection.cursor() as cursor:
        cursor.execute(_BOTH, asked)
        both = cursor.fetchone()[0]
    return Voice(sides.get(False, Heard()), sides.get(True, Heard()), both, _heard("t.id", asked))


def _heard(key: str, asked: tuple[Any, ...]) -> dict[Any, Heard]:
    with connection.cursor() as cursor:
        cursor.execute(_ITEMS.format(key=key), asked)
        return {row[0]: Heard(*row[1:]) for row in cursor.fetchall()}

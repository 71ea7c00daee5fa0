"""Share of voice (S1): of all that is said about us or about rivals, how much is about us. Texts that are alike count
once; beside it the same with the audience each post may have had. Everybody gets the shares of what they may read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import connection

from connectors.topics.audience import ESTIMATE
from connectors.topics.days import DAY, HOLDS, STANDS, STORY, window
from inbox.models.arrays import array

if TYPE_CHECKING:
    from connectors.models import Topic
    from inbox.models import Agent

CONFIDENCE = 1.959964  # of 95 %
FEW = 30  # below it a share says little
_AUDIENCE = f"coalesce(sum({ESTIMATE.format('followers')}), 0)::float"
_HEARD = f"count(DISTINCT story), count(*), count(*) - count(followers), {_AUDIENCE}"
_VOICE = f"""
    WITH found AS MATERIALIZED (
        SELECT t.id AS topic, t.rival, p.mention, p.story, p.followers
          FROM connectors_topic t CROSS JOIN {DAY} d
          LEFT JOIN (SELECT w.until, k.* FROM connectors_findingday w
                       JOIN connectors_findingposts k ON k.topic_id = w.topic_id AND k.since = w.since
                      WHERE {HOLDS}) k ON k.topic_id = t.id AND k.since = d.since AND k.until = d.until
         CROSS JOIN LATERAL (
                SELECT * FROM unnest(k.teams, k.mentions, k.stories, k.followers, k.times)
                 UNION ALL
                SELECT c.team_id, f.mention_id, {STORY}, m.followers, f.posted_at
                  FROM connectors_topicmention f
                  JOIN inbox_mention m ON m.id = f.mention_id
                  JOIN inbox_conversation c ON c.id = m.conversation_id
                 WHERE k.id IS NULL AND f.topic_id = t.id AND f.posted_at >= d.since AND f.posted_at < d.until
                   AND {STANDS}) AS p(team, mention, story, followers, at)
         WHERE t.id = ANY(%(topics)s::bigint[]) AND p.team = ANY(%(teams)s::bigint[])
           AND p.at >= %(first)s AND p.at < %(last)s)
    SELECT topic, NULL::boolean, {_HEARD} FROM (SELECT DISTINCT topic, mention, story, followers FROM found) f
     GROUP BY topic
     UNION ALL
    SELECT NULL, rival, {_HEARD} FROM (SELECT DISTINCT rival, mention, story, followers FROM found) f GROUP BY rival
     UNION ALL
    SELECT NULL, NULL, count(*), 0, 0, 0
      FROM (SELECT FROM found GROUP BY story HAVING bool_or(rival) AND NOT bool_and(rival)) AS on_both_sides"""  # noqa: S608


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
    """Of what was posted in [since, until) and the agent may read."""
    days = (until.astimezone(UTC).date() - since.astimezone(UTC).date()).days + 1
    mornings, nights = zip(*window(until, days), strict=True)
    asked: dict[str, Any] = {"since": array(mornings), "until": array(nights), "first": since, "last": until}
    asked |= {"topics": array([topic.pk for topic in topics]), "teams": array(sorted(agent.readable_team_ids))}
    with connection.cursor() as cursor:
        cursor.execute(_VOICE, asked)
        rows = cursor.fetchall()
    of_topics = {topic: Heard(*heard) for topic, _rival, *heard in rows if topic is not None}
    sides = {rival: Heard(*heard) for topic, rival, *heard in rows if topic is None and rival is not None}
    both = next(stories for topic, rival, stories, *_none in rows if topic is None and rival is None)
    return Voice(sides.get(False, Heard()), sides.get(True, Heard()), both, of_topics)

"""How many posts a topic found lately, of each theme and of none, and how many exclusions hide: within the statement
that reads the topic, from what was counted by the day (see days.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import JSONField
from django.db.models.expressions import RawSQL

from connectors.topics.days import BARE, HIDDEN, HOLDS, KEYS, SHOWN, window
from inbox.models.arrays import array

if TYPE_CHECKING:
    from connectors.topics.models import Topic, TopicQuerySet
    from inbox.models import Agent

# A day of which there is no row that holds has no counts, and is counted from its findings.
_COUNTS = f"""
    SELECT coalesce(jsonb_object_agg(s.key, s.n), '{{}}')
      FROM (SELECT k.key, sum(k.n) AS n
              FROM (SELECT d.since, d.until, w.counts
                      FROM unnest(%s::timestamptz[], %s::timestamptz[]) AS d(since, until)
                      LEFT JOIN (SELECT since, until, counts FROM connectors_findingday w
                                  WHERE w.topic_id = connectors_topic.id AND {HOLDS}) w
                             ON w.since = d.since AND w.until = d.until) day
             CROSS JOIN LATERAL (
                    SELECT by_key.key::bigint, by_key.value::bigint
                      FROM jsonb_each(day.counts) AS team CROSS JOIN jsonb_each_text(team.value) AS by_key
                     WHERE team.key::bigint = ANY(%s::bigint[])
                     UNION ALL
                    SELECT u.key, count(*)
                      FROM connectors_topicmention f
                      JOIN inbox_mention m ON m.id = f.mention_id
                      JOIN inbox_conversation c ON c.id = m.conversation_id
                     CROSS JOIN {KEYS} AS u(key)
                     WHERE day.counts IS NULL AND f.topic_id = connectors_topic.id AND c.team_id = ANY(%s::bigint[])
                       AND f.posted_at >= day.since AND f.posted_at < day.until
                     GROUP BY u.key) AS k(key, n)
             GROUP BY k.key) s"""  # noqa: S608  nothing of it comes from outside


@dataclass(frozen=True)
class Counts:
    """`shown` posts, `bare` ones of them without a theme, and `hidden` ones; `by` theme's id."""

    shown: int
    bare: int
    hidden: int
    by: Mapping[int, int]


def counted(topics: TopicQuerySet, agent: Agent, now: datetime) -> TopicQuerySet:
    """With what each found in the last days and the agent may read, for `counts`. What claims to be of tomorrow counts
    too."""
    since, until = zip(*window(now), strict=True)
    teams = array(sorted(agent.readable_team_ids))
    asked = (array([*since, until[-1]]), array([*until, "infinity"]), teams, teams)
    more = {"counted": RawSQL(_COUNTS, asked, output_field=JSONField())}  # noqa: S611  its values are apart
    return topics.annotate(**more)


def counts(topic: Topic) -> Counts:
    """Of a topic that was read `counted`."""
    found = {int(key): n for key, n in topic.counted.items()}
    return Counts(found.get(SHOWN, 0), found.get(BARE, 0), found.get(HIDDEN, 0), found)

"""How many posts a topic found lately, of each theme and of none, and how many exclusions hide: in one look at them,
within the statement that reads the topic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import JSONField
from django.db.models.expressions import RawSQL

from connectors.topics.preview import DAYS
from inbox.models.arrays import array

if TYPE_CHECKING:
    from connectors.topics.models import Topic, TopicQuerySet
    from inbox.models import Agent

_BARE, _SHOWN, _HIDDEN = 0, -1, -2
_COUNTS = f"""
    SELECT coalesce(jsonb_object_agg(k.key, k.n), '{{}}')
      FROM (SELECT u.key, count(*) AS n
              FROM connectors_topicmention f
              JOIN inbox_mention m ON m.id = f.mention_id
              JOIN inbox_conversation c ON c.id = m.conversation_id
             CROSS JOIN unnest(CASE WHEN f.hidden_by_id IS NOT NULL THEN '{{{_HIDDEN}}}'::bigint[]
                                    WHEN f.themes = '{{}}' THEN '{{{_BARE},{_SHOWN}}}'
                                    ELSE f.themes || '{{{_SHOWN}}}'::bigint[] END) AS u(key)
             WHERE f.topic_id = connectors_topic.id AND c.team_id = ANY(%s::bigint[]) AND f.posted_at >= %s
             GROUP BY u.key) k"""  # noqa: S608  nothing of it comes from outside


@dataclass(frozen=True)
class Counts:
    """`shown` posts, `bare` ones of them without a theme, and `hidden` ones; `by` theme's id."""

    shown: int
    bare: int
    hidden: int
    by: Mapping[int, int]


def counted(topics: TopicQuerySet, agent: Agent, now: datetime) -> TopicQuerySet:
    """With the themes of each, and for `counts` what it found in the last days and the agent may read."""
    asked = (array(sorted(agent.readable_team_ids)), now - timedelta(days=DAYS))
    more = {"counted": RawSQL(_COUNTS, asked, output_field=JSONField())}  # noqa: S611  its values are apart
    return topics.with_sorting().annotate(**more)


def counts(topic: Topic) -> Counts:
    """Of a topic that was read `counted`."""
    found = {int(key): n for key, n in topic.counted.items()}
    return Counts(found.get(_SHOWN, 0), found.get(_BARE, 0), found.get(_HIDDEN, 0), found)

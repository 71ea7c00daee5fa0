"""What a theme would mark or an exclusion hide of what topics found in the last days, before it is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.models import Topic, TopicMention
from connectors.topics.comparing import COLUMNS, subject_of
from connectors.topics.days import DAYS
from connectors.topics.matching import TopicSet
from connectors.topics.preview import LOOKED_AT, SECONDS
from connectors.topics.tree import Tree
from inbox.models import Mention

if TYPE_CHECKING:
    from inbox.models import Agent

PIECE, SHOWN = 500, 10


@dataclass
class Trial:
    """`count` of `tried` posts match; `whole`: all of the days were looked at, and not only the newest."""

    tried: int = 0
    count: int = 0
    whole: bool = True
    samples: list[dict[str, Any]] = field(default_factory=list)


def tried(tree: Tree, agent: Agent, topic: Topic | None, now: datetime) -> Trial:
    """Among what the topic found, or all topics the agent reads, and what the agent may read of it; what is hidden
    already is left out. As far back as the time allows."""
    queries, trial = TopicSet({1: tree}), Trial()
    for row in _rows(agent, topic, now - timedelta(days=DAYS), trial):
        trial.tried += 1
        if queries.matching(subject_of(row)):
            trial.count += 1
            if len(trial.samples) < SHOWN:
                trial.samples.append(row)
    return trial


def _rows(agent: Agent, topic: Topic | None, since: datetime, trial: Trial) -> Iterator[dict[str, Any]]:
    """Newest first."""
    topics = [topic] if topic else Topic.objects.read_by(agent)
    found = TopicMention.objects.shown().readable_by(agent).filter(topic__in=topics, posted_at__gte=since)
    in_time = found.order_by("-posted_at", "-mention").values_list("mention_id", "posted_at").distinct()
    keys = [key for key, _at in in_time[: LOOKED_AT + 1]]
    ends = time.monotonic() + SECONDS
    for start in range(0, min(len(keys), LOOKED_AT), PIECE):
        some = Mention.objects.filter(pk__in=keys[start : start + PIECE], state__in=["live", "edited"])
        yield from some.order_by("-posted_at", "-pk").values(*COLUMNS, "conversation_id")
        if time.monotonic() >= ends and start + PIECE < len(keys):
            trial.whole = False
            return
    trial.whole = len(keys) <= LOOKED_AT

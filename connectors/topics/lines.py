"""What a topic found, as lines: texts that are alike are one line with their number, the first of them and the one most
people may have seen. Everybody gets the lines and numbers of what they may read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from connectors.models import Topic, TopicMention

if TYPE_CHECKING:
    from connectors.topics.models import TopicMentionQuerySet
    from inbox.models import Agent

PAGE = 50
_RELATED = ("mention__identity", "mention__channel", "mention__conversation__team")
_DEFERRED = ("mention__raw", "mention__conversation__trace", "mention__channel__exchanges")


@dataclass
class Line:
    """`found` is the newest of `count`; `first` and `seen` (by most followers) are given for more than one."""

    found: TopicMention
    count: int = 1
    first: TopicMention | None = None
    seen: TopicMention | None = None


@dataclass
class Page:
    lines: list[Line]
    older: str = ""


def page_of(topic: Topic, agent: Agent, after: str = "", alike: int | None = None, theme: int | None = None) -> Page:
    """The newest first. `after`: the cursor of the line above; `alike`: all of one cluster, one line each; `theme`:
    what carries it, or with 0 what carries none."""
    among = themed(theme)
    readable = topic.found.shown().readable_by(agent).filter(among)
    shown = readable.filter(_below(after)).order_by("-posted_at", "-mention")
    shown = shown.filter(cluster=alike) if alike else shown.filter(~Exists(_newer(topic, agent, among)))
    rows = list(shown.select_related(*_RELATED).defer(*_DEFERRED)[: PAGE + 1])
    lines = [Line(found) for found in rows[:PAGE]]
    if not alike:
        _count(lines, readable)
    return Page(lines, _cursor(rows[PAGE - 1]) if len(rows) > PAGE else "")


def page_of_hidden(findings: TopicMentionQuerySet, after: str = "") -> tuple[list[TopicMention], str]:
    """Of what exclusions hide, the newest first, and the cursor of what is older."""
    some = findings.hidden().filter(_below(after)).order_by("-posted_at", "-mention", "topic")
    rows = list(some.select_related(*_RELATED, "topic").defer(*_DEFERRED)[: PAGE + 1])
    return rows[:PAGE], _cursor(rows[PAGE - 1]) if len(rows) > PAGE else ""


def themed(theme: int | None) -> Q:
    """See page_of. Said twice, so that the index of what carries any serves."""
    if not theme:
        return Q() if theme is None else Q(themes=[])
    return Q(themes__contains=[theme]) & ~Q(themes=[])


def _newer(topic: Topic, agent: Agent, among: Q) -> QuerySet[TopicMention]:
    """What stands above a row in the same cluster."""
    beside = TopicMention.objects.filter(among, topic=topic, cluster=OuterRef("cluster"))
    beside = beside.shown().readable_by(agent).filter(posted_at__gte=OuterRef("posted_at"))
    return beside.filter(Q(posted_at__gt=OuterRef("posted_at")) | Q(mention__gt=OuterRef("mention")))


def _count(lines: Sequence[Line], readable: QuerySet[TopicMention]) -> None:
    """One statement for all lines of a page."""
    clusters = {line.found.cluster_id for line in lines if line.found.cluster_id}
    for found in _ends(readable, clusters):
        for line in lines:
            if line.found.cluster_id != found.cluster_id:
                continue
            line.count = found.whole
            line.first = found if found.by_time == 1 else line.first
            line.seen = found if found.by_reach == 1 and found.mention.followers else line.seen


def _ends(readable: QuerySet[TopicMention], clusters: Collection[int]) -> QuerySet[Any]:
    """Of each cluster with more than one: its first, and the one of the most followers; both know the `whole`."""
    among = [F("cluster")]
    reach = F("mention__followers").desc(nulls_last=True)
    numbered = readable.filter(cluster__in=clusters).annotate(
        whole=Window(Count("pk"), partition_by=among),
        by_time=Window(RowNumber(), partition_by=among, order_by=["posted_at", "mention"]),
        by_reach=Window(RowNumber(), partition_by=among, order_by=[reach, "posted_at"]),
    )
    ends = numbered.filter(whole__gt=1).filter(Q(by_time=1) | Q(by_reach=1))
    return ends.select_related("mention__identity").defer("mention__raw")


def _cursor(found: TopicMention) -> str:
    return f"{found.posted_at.isoformat()}_{found.mention_id}"


def _below(cursor: str) -> Q:
    """What stands below the cursor; a foreign one is none."""
    at, _underscore, pk = cursor.rpartition("_")
    try:
        time, number = datetime.fromisoformat(at), int(pk)
        if time.tzinfo is None or not 0 < number < 1 << 62:
            raise ValueError("no cursor of ours")
    except (ValueError, OverflowError):
        return Q()
    return Q(posted_at__lte=time) & (Q(posted_at__lt=time) | Q(mention__lt=number))

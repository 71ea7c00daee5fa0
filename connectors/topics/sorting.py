"""Sorting what topics found: which themes of its topic a post carries, and which exclusion hides it. A post is sorted
in the transaction that stores it; what was stored before, or edited since, is sorted anew by resorting.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import structlog
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection, transaction
from django.db.models import F, OuterRef, Q
from django.db.models.functions import JSONObject

from connectors.topics.hiding import Hiding
from connectors.topics.matching import Subject, TopicSet
from connectors.topics.query import QueryError, parse
from inbox import ringing
from inbox.models.arrays import array
from inbox.models.reply import Clock

if TYPE_CHECKING:
    from connectors.topics.models import Topic

log = structlog.get_logger(__name__)
TASK = "connectors.tasks.compare_topics"
_WRITE = """
    UPDATE connectors_topicmention f
       SET themes = j.themes::bigint[], read = m.version, is_sorted = true,
           hidden_by_id = CASE WHEN f.restored THEN NULL ELSE j.hidden_by END
      FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[]) AS j(mention, read, themes, hidden_by),
           inbox_mention m
     WHERE f.topic_id = %s AND f.mention_id = j.mention AND m.id = j.mention AND m.version = j.read
       AND (f.themes, f.read, f.is_sorted, f.hidden_by_id) IS DISTINCT FROM
           (j.themes::bigint[], m.version::text, true, CASE WHEN f.restored THEN NULL ELSE j.hidden_by END)"""


@dataclass(frozen=True, slots=True)
class Sorted:
    """What is noted of a post in one topic: ids of themes, and of the exclusion that hides it."""

    themes: tuple[int, ...] = ()
    hidden_by: int | None = None

    @property
    def literal(self) -> str:
        return array(self.themes)


@lru_cache(maxsize=64)
def _compiled(themes: tuple[tuple[int, str], ...], hides: tuple[tuple[int, str, str], ...]) -> TopicSet:
    """Themes by id and exclusions by id below zero, all found in one pass. What cannot be read is of another version
    of the language; it is logged and marks nothing."""
    trees = {}
    for pk, query in themes:
        try:
            trees[pk] = parse(query)
        except QueryError as error:
            log.warning("a theme cannot be read and marks nothing", theme=pk, reason=str(error))
    for pk, kind, text in hides:
        if kind in Hiding.kinds():
            trees[-pk] = Hiding.named(kind).tree(text)
    return TopicSet(trees)


class Sorting:
    """The themes and exclusions of some topics, as they stood when it was made; `versions` by topic tell whether they
    still do."""

    def __init__(self, topics: Iterable[Topic]) -> None:
        """Of topics that were read `with_sorting`."""
        found = list(topics)
        self.versions = {topic.pk: topic.sort_version for topic in found}
        self.themes = {topic.pk: [row["id"] for row in topic.theme_rows] for topic in found}
        self.hides = {topic.pk: [row["id"] for row in topic.exclusion_rows] for topic in found}
        self.names = {
            f"theme:{row['id']}": row["name"] for topic in found if not topic.is_private for row in topic.theme_rows
        }
        themes = {(row["id"], row["query"]) for topic in found for row in topic.theme_rows}
        hides = {(row["id"], row["kind"], row["text"]) for topic in found for row in topic.exclusion_rows}
        self.set = _compiled(tuple(sorted(themes)), tuple(sorted(hides)))

    def of(self, subject: Subject, topics: Iterable[int] | None = None) -> dict[int, Sorted]:
        """By topic, of those or of all; one look at the text however many there are."""
        met = set(self.set.matching(subject)) if self.set.trees else set()
        return {
            topic: Sorted(
                tuple(pk for pk in self.themes[topic] if pk in met),
                next((pk for pk in self.hides[topic] if -pk in met), None),
            )
            for topic in (self.versions if topics is None else topics)
        }


def theme_rows() -> ArraySubquery:
    from connectors.topics.themes import Theme

    rows = Theme.objects.filter(topic=OuterRef("pk")).order_by("name")
    return ArraySubquery(rows.values(row=JSONObject(id="pk", name="name", query="query", colour="colour")))


def exclusion_rows() -> ArraySubquery:
    from connectors.topics.exclusions import Exclusion

    rows = Exclusion.objects.filter(Q(topic=OuterRef("pk")) | Q(topic=None)).order_by("pk")
    return ArraySubquery(rows.values(row=JSONObject(id="pk", kind="kind", text="text")))


def sort_anew(topic_id: int | None, *, only_wait: bool = False) -> None:
    """In the transaction that changes themes or exclusions of a topic, or (None) exclusions of all: waits for pages
    that are being stored with those of before, keeps others waiting until its end, and has everything found sorted
    again. `only_wait` changes nothing yet: first in a transaction, because a row that refers to a topic must not be
    written before the topic is locked."""
    from connectors.models import Topic

    concerned = Topic.objects.filter(pk=topic_id) if topic_id else Topic.objects.all()
    keys = list(concerned.order_by("pk").select_for_update().values_list("pk", flat=True))
    if only_wait or not keys:
        return
    anew = {"sort_at": Clock(), "sort_below": None, "sort_done": 0, "sort_whole": None}
    Topic.objects.filter(pk__in=keys).update(sort_version=F("sort_version") + 1, **anew)
    transaction.on_commit(lambda: ringing.task(TASK), robust=True)


def note(topic: Topic, found: Mapping[int, tuple[str, Sorted]]) -> None:
    """Writes how mentions were sorted, by id with the version that was looked at, in the transaction that holds the
    topic. Their findings are locked before the versions are read: who edits a mention meanwhile marks its finding
    afterwards, or has done so and is left as it is."""
    held = topic.found.filter(mention__in=found).order_by("mention").select_for_update(no_key=True)
    rows: list[tuple[Any, ...]] = [
        (pk, found[pk][0], found[pk][1].literal, found[pk][1].hidden_by)
        for pk in held.values_list("mention_id", flat=True)
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_WRITE, (*(array(column) for column in zip(*rows, strict=True)), topic.pk))

"""Sorting anew what topics found, when their themes or exclusions change or a post was edited: newest first, a piece
at a time, so that it may stop at any line and go on. Any number of workers may do it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from connectors.models import Topic, TopicMention
from connectors.topics import pieces, putting_away
from connectors.topics.comparing import CHUNK, COLUMNS, SECONDS, subject_of
from connectors.topics.sorting import Sorted, Sorting, note
from inbox.models import Mention

PIECE = 1_000  # findings of one piece; of long texts it has fewer


SORTING = pieces.Kind(Topic.objects.to_sort, "sort_at", "sort_version", "what a topic found cannot be sorted")


def sort_due(seconds: float = 10.0) -> int:
    """Works pieces off until nothing is due or the time is over; how many pieces."""
    return pieces.work_off(lambda: sort_piece() or sort_edited(), seconds)


def sort_piece() -> bool:
    """One piece of the topic that waits longest; False when none is due, or others are at all of them."""
    return SORTING.piece(_sort)


def _sort(topic: Topic, due_at: datetime | None) -> None:
    """Sorts a piece outside any transaction, then notes it with the place to go on, if the topic is to be sorted as we
    know it and the lease is ours."""
    rest = topic.found.filter(mention__lt=topic.sort_below) if topic.sort_below else topic.found.all()
    keys = list(rest.order_by("-mention").values_list("mention_id", flat=True)[:PIECE])
    looked, found = _looked_at(topic, keys)
    ended = len(looked) == len(keys) < PIECE
    values: dict[str, Any] = {"sort_done": F("sort_done") + len(looked)}
    values |= {"sort_below": None, "sort_at": None} if ended else {"sort_below": looked[-1], "sort_at": due_at}
    if topic.sort_below is None:
        values["sort_whole"] = topic.found.count()
    _follow(topic, found)
    with transaction.atomic():
        if SORTING.held(topic).select_for_update(no_key=True).first():
            note(topic, found)
            Topic.objects.filter(pk=topic.pk).update(**values)


def _follow(topic: Topic, found: Mapping[int, tuple[str, Sorted]]) -> None:
    """The conversations of what is hidden or shown from now on."""
    if Topic.objects.filter(pk=topic.pk, sort_version=topic.sort_version).exists():
        hidden = {pk for pk, (_version, each) in found.items() if each.hidden_by is not None}
        putting_away.follow(topic, sorted(hidden), sorted(found.keys() - hidden))


def _looked_at(topic: Topic, keys: Sequence[int]) -> tuple[Sequence[int], dict[int, tuple[str, Sorted]]]:
    """As many of the mentions as there is time for, and how those that are still there are sorted, with the version of
    each that was looked at."""
    sorting, ends = Sorting([topic]), time.monotonic() + SECONDS
    found: dict[int, tuple[str, Sorted]] = {}
    for start in range(0, len(keys), CHUNK):
        for row in Mention.objects.filter(pk__in=keys[start : start + CHUNK]).values(*COLUMNS):
            found[row["pk"]] = row["version"], sorting.of(subject_of(row))[topic.pk]
        if time.monotonic() >= ends:
            return keys[: start + CHUNK], found
    return keys, found


def sort_edited() -> bool:
    """One piece of what was edited since it was sorted, or stored while themes changed; False when there is none."""
    waiting = TopicMention.objects.filter(is_sorted=False)
    first = waiting.order_by("topic", "mention").values_list("topic_id", flat=True).first()
    topic = Topic.objects.with_sorting().filter(pk=first).first() if first else None
    if topic is None:
        return False
    keys = list(waiting.filter(topic=topic).order_by("mention").values_list("mention_id", flat=True)[:PIECE])
    _looked, found = _looked_at(topic, keys)
    _follow(topic, found)
    with transaction.atomic():
        if Topic.objects.filter(pk=topic.pk, sort_version=topic.sort_version).select_for_update(no_key=True).first():
            note(topic, found)
    return True

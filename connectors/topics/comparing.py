"""Comparing a topic with the mentions that are stored already, newest first, a piece at a time, so that it may stop at
any line and go on. A poll that was under way while the topic was made did not know it: what it stored is looked at a
second time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max

from connectors.models import Topic, TopicMention
from connectors.topics.matching import Subject, TopicSet
from inbox.models import Mention

PIECE = 1_000
LONGEST_POLL = timedelta(minutes=2)
COLUMNS = (
    "pk",
    "posted_at",
    "seen_at",
    "text",
    "language",
    "followers",
    "media",
    "ours",
    "state",
    "conversation__subject",
    "identity__handle",
    "identity__name",
    "channel_id",
    "channel__name",
    "channel__network",
)


def subject_of(row: dict[str, Any]) -> Subject:
    """A stored mention, by its COLUMNS, as queries see it."""
    subject = row["conversation__subject"]
    return Subject(
        text=f"{subject}\n{row['text']}" if subject else row["text"],
        network=row["channel__network"],
        channel=row["channel__name"],
        handle=row["identity__handle"],
        name=row["identity__name"],
        languages=frozenset(filter(None, [row["language"]])),
        followers=row["followers"],
        media=frozenset(item.get("kind", "") for item in row["media"]),
    )


def compare_due(seconds: float = 20.0) -> int:
    """Works pieces off until nothing is due or the time is over; how many pieces."""
    ends, done = time.monotonic() + seconds, 0
    while time.monotonic() < ends and compare_piece():
        done += 1
    return done


@transaction.atomic
def compare_piece() -> bool:
    """One piece of the topic that waits longest; False when none is due, or others are at all of them."""
    topic = Topic.objects.to_compare().order_by("compare_at").select_for_update(skip_locked=True).first()
    if topic is None:
        return False
    below = topic.compare_below or (Mention.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
    rows = list(Mention.objects.filter(pk__lt=below).order_by("-pk").values(*COLUMNS)[:PIECE])
    _note(topic, rows)
    ended = len(rows) < PIECE or (topic.compared and rows[-1]["seen_at"] < topic.since)
    values: dict[str, Any] = {"compare_below": None if ended else rows[-1]["pk"]}
    if ended:
        values |= {"compared": True, "compare_at": None if topic.compared else topic.since + LONGEST_POLL}
    Topic.objects.filter(pk=topic.pk).update(**values)
    return True


def _note(topic: Topic, rows: Sequence[dict[str, Any]]) -> None:
    """What of the piece matches stands in the topic afterwards, and nothing else of it."""
    queries, channels = TopicSet({topic.pk: topic.tree}), set(topic.channels.values_list("pk", flat=True))
    fitting = [row for row in rows if not channels or row["channel_id"] in channels]
    found = [row for row in fitting if not row["ours"] and queries.matching(subject_of(row))]
    ids = {row["pk"] for row in found}
    others = [row["pk"] for row in rows if row["pk"] not in ids]
    TopicMention.objects.filter(topic=topic, mention__in=others).delete()
    made = [TopicMention(topic=topic, mention_id=row["pk"], posted_at=row["posted_at"]) for row in found]
    TopicMention.objects.bulk_create(made, ignore_conflicts=True)

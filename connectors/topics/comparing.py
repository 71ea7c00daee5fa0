"""Comparing a topic with the mentions that are stored already, newest first, a piece at a time, so that it may stop at
any line and go on. A poll that was under way while the topic was made did not know it: what it stored is looked at a
second time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max

from connectors.models import Channel, Topic, TopicMention
from connectors.topics import pieces
from connectors.topics.matching import Subject, TopicSet
from connectors.topics.sorting import Sorted, Sorting
from inbox.models import Mention

PIECE, CHUNK = 1_000, 50  # mentions of one piece, and read at once
SECONDS = 1.0  # of one piece; of long texts it has fewer
LONGEST_POLL = timedelta(minutes=2)
COLUMNS = (
    "pk",
    "posted_at",
    "seen_at",
    "version",
    "text",
    "language",
    "followers",
    "media",
    "url",
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
        url=row["url"],
    )


COMPARING = pieces.Kind(Topic.objects.to_compare, "compare_at", "version", "a topic cannot be compared")


def compare_due(seconds: float = 20.0) -> int:
    """Works pieces off until nothing is due or the time is over; how many pieces."""
    return pieces.work_off(compare_piece, seconds)


def compare_piece() -> bool:
    """One piece of the topic that waits longest; False when none is due, or others are at all of them."""
    return COMPARING.piece(_compare)


def _compare(topic: Topic, due_at: datetime | None) -> None:
    """Matches a piece outside any transaction, then notes it with the place to go on, if the topic is still ours."""
    below = topic.compare_below or (Mention.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
    piece = _matched(topic, below)
    ended = piece.ended or (topic.compared and piece.last_seen_at is not None and piece.last_seen_at < topic.since)
    values: dict[str, Any] = {"compare_below": None if ended else piece.last, "compare_at": due_at}
    if ended:
        values |= {"compared": True, "compare_at": None if topic.compared else topic.since + LONGEST_POLL}
    with transaction.atomic():
        if held := COMPARING.held(topic).select_for_update(no_key=True).first():
            _note(held, piece)
            Topic.objects.filter(pk=topic.pk).update(**values)


@dataclass
class Piece:
    """Mentions that were looked at: their versions, and when those that match were posted and how they are sorted by
    themes and exclusions in that version of them. `ended`: none are left."""

    sort_version: int
    versions: dict[int, str] = field(default_factory=dict)
    found: dict[int, tuple[datetime, Sorted]] = field(default_factory=dict)
    last: int | None = None
    last_seen_at: datetime | None = None
    ended: bool = False


def _matched(topic: Topic, below: int) -> Piece:
    """As many mentions as there is time for, and at least one."""
    queries, channels = TopicSet({topic.pk: topic.tree}), set(topic.channels.values_list("pk", flat=True))
    closed = set(Channel.objects.closed_to(topic).values_list("pk", flat=True))
    sorting = Sorting(Topic.objects.with_sorting().filter(pk=topic.pk))
    piece, ends = Piece(sorting.versions.get(topic.pk, 0)), time.monotonic() + SECONDS
    while not piece.ended and len(piece.versions) < PIECE:
        size = min(CHUNK, PIECE - len(piece.versions))
        rows = list(Mention.objects.filter(pk__lt=below).order_by("-pk").values(*COLUMNS)[:size])
        for row in rows:
            below = piece.last = row["pk"]
            piece.versions[row["pk"]], piece.last_seen_at = row["version"], row["seen_at"]
            channel, is_ours = row["channel_id"], row["ours"]
            fits = not is_ours and channel not in closed and (not channels or channel in channels)
            if fits and queries.matching(subject := subject_of(row)):
                piece.found[row["pk"]] = row["posted_at"], sorting.of(subject)[topic.pk]
            if time.monotonic() >= ends:
                return piece
        piece.ended = len(rows) < size
    return piece


def _note(topic: Topic, piece: Piece) -> None:
    """What of the piece matches stands in the topic afterwards, and nothing else of it. Mentions that went or were
    stored anew meanwhile are left as whoever did that left them. First what is new, then what goes, each in the order
    of mentions: so do polls, and nobody waits in a circle."""
    now = dict(Mention.objects.filter(pk__in=piece.versions).values_list("pk", "version"))
    same = sorted(pk for pk, version in piece.versions.items() if now.get(pk) == version)
    is_sorted = topic.sort_version == piece.sort_version
    made = [
        TopicMention(
            topic=topic,
            mention_id=pk,
            posted_at=posted_at,
            themes=list(sorted_.themes),
            hidden_by_id=sorted_.hidden_by,
            read=piece.versions[pk],
            is_sorted=is_sorted,
        )
        for pk in same
        for posted_at, sorted_ in filter(None, [piece.found.get(pk)])
    ]
    TopicMention.objects.bulk_create(made, ignore_conflicts=True)
    others = topic.found.filter(mention__in=[pk for pk in same if pk not in piece.found])
    others.filter(pk__in=list(others.order_by("mention").select_for_update().values_list("pk", flat=True))).delete()

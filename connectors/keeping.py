"""What a stream shows that nobody could ask for later: stored as deliveries of its channels together with the place up
to which all of it is stored, so that whatever dies at whatever line, the stream is heard again from there."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils import timezone

from connectors.bells import ring
from connectors.models import Channel, Delivery, Gap, Source
from connectors.streams import Kept

PLACE = "stream"
"""The source whose cursor is the place; it is read by nobody."""
SECOND = 1_000_000  # of places
OVERLAP = 5 * SECOND  # heard again, because servers of one name are not alike
BACK = timedelta(hours=3)  # that a stream is heard again at most
SLACK = timedelta(minutes=10)  # more of it, so that trying again for a while is no gap each time
MOST = 300  # items of one channel in one minute of the stream
TOGETHER = 25  # items of one delivery
CLOSED = "The connection was closed for longer than it can be made up for."
TOO_MANY = (
    f"More than {MOST} posts a minute held the words of the searches; the others were left out. Narrow them down."
)


@dataclass(frozen=True, slots=True)
class Batch:
    """`items` by channel and search; `left_out`: channels for which there were too many."""

    items: Mapping[tuple[int, str], list[str]]
    places: Mapping[int, int]
    left_out: Collection[int]

    def deliveries(self) -> list[Delivery]:
        """The same items have the same name, so that they are stored once."""
        rows = []
        for (channel, source), items in self.items.items():
            for start in range(0, len(items), TOGETHER):
                told = {"source": source, "items": items[start : start + TOGETHER]}
                name = hashlib.sha256(json.dumps(told).encode()).hexdigest()
                body = json.dumps({**told, "at": time.time()})
                rows.append(Delivery(channel_id=channel, delivery_id=name, body=body))
        return rows


class Keeper:
    """What was heard and is not stored yet, of one process."""

    def __init__(self) -> None:
        self.has_items = asyncio.Event()
        self._begun: dict[int, int] = {}
        self._minutes: dict[int, tuple[int, set[Kept]]] = {}
        self.forget()

    def forget(self) -> None:
        """It will be heard again."""
        self._items: dict[tuple[int, str], dict[str, None]] = {}
        self._places: dict[int, int] = {}
        self._left_out: set[int] = set()

    def begin(self, channels: Iterable[int], places: Mapping[int, int]) -> int:
        """Where a stream for these channels has to begin; 0: at this moment. What a channel heard before, it does not
        hear again because of another one."""
        now = place_of(timezone.now())
        self._begun |= {channel: places.get(channel, now) - OVERLAP for channel in channels}
        return min(places.values()) - OVERLAP if places else 0

    def is_old(self, channel: int, place: int) -> bool:
        return 0 < place < self._begun.get(channel, 0)

    def heard(self, channel: int, place: int, kept: Kept | None) -> None:
        """Of each frame, so that the place moves on. A place in the future would skip what comes until then."""
        now = place_of(timezone.now())
        if place:
            self._places[channel] = max(min(place, now), self._places.get(channel, 0))
        if kept is None:
            return
        items = self._items.setdefault((channel, kept.source), {})
        if kept.item not in items and self._has_room(channel, (place or now) // (60 * SECOND), kept):
            items[kept.item] = None
            self.has_items.set()

    def _has_room(self, channel: int, minute: int, kept: Kept) -> bool:
        """Counted by the stream's own time, and each item once: what is heard again comes faster than it was said."""
        at, counted = self._minutes.get(channel, (minute, set[Kept]()))
        if at != minute:
            counted = set()
        self._minutes[channel] = (minute, counted)
        if kept not in counted and len(counted) >= MOST:
            self._left_out.add(channel)
            return False
        counted.add(kept)
        return True

    def take(self) -> Batch | None:
        """All there is; the places stand behind it."""
        self.has_items.clear()
        if not self._places and not self._items:
            return None
        items = {key: list(found) for key, found in self._items.items() if found}
        batch = Batch(items, self._places, self._left_out)
        self.forget()
        return batch


def place_of(at: datetime) -> int:
    return int(at.timestamp() * SECOND)


def _time_of(place: int) -> datetime:
    return datetime.fromtimestamp(place / SECOND, UTC)


@transaction.atomic
def store(batch: Batch) -> None:
    """Stored and rung for in one: whoever dies has done neither. The channels are locked first, as by whoever polls."""
    there = set(
        Channel.objects.filter(pk__in=batch.places.keys() | {pk for pk, _ in batch.items}).values_list("pk", flat=True)
    )
    deliveries = [row for row in batch.deliveries() if row.channel_id in there]
    if deliveries:
        ring({row.channel_id: () for row in deliveries})
        Delivery.objects.bulk_create(deliveries, ignore_conflicts=True)
    _note(there, batch.places)
    for channel in there.intersection(batch.left_out):
        _left_out(channel)


def _note(there: Collection[int], places: Mapping[int, int]) -> None:
    now = timezone.now()
    rows = [
        Source(channel_id=pk, name=PLACE, cursor={"place": place}, read_at=now)
        for pk, place in sorted(places.items())
        if pk in there
    ]
    fields = ["cursor", "read_at"]
    Source.objects.bulk_create(rows, update_conflicts=True, unique_fields=["channel", "name"], update_fields=fields)


def _left_out(channel: int) -> None:
    """One gap for as long as it goes on, which people see."""
    now = timezone.now()
    going_on = Gap.objects.filter(channel=channel, source=PLACE, why=TOO_MANY, until__gte=now - timedelta(minutes=10))
    if not going_on.update(until=now):
        Gap.objects.create(channel_id=channel, source=PLACE, since=now - timedelta(minutes=1), until=now, why=TOO_MANY)


@transaction.atomic
def places(channels: Collection[int]) -> dict[int, int]:
    """Up to where each of these channels heard its stream. What lies further back than a stream is heard again is a
    gap."""
    now, found = timezone.now(), dict[int, int]()
    for row in Source.objects.select_for_update().filter(channel__in=channels, name=PLACE).order_by("pk"):
        place = int((row.cursor or {}).get("place") or 0)
        if 0 < place < place_of(now - BACK - SLACK):
            oldest = place_of(now - BACK)
            since, until = _time_of(place), _time_of(oldest)
            Gap.objects.create(channel_id=row.channel_id, source=PLACE, since=since, until=until, why=CLOSED)
            place = oldest
            Source.objects.filter(pk=row.pk).update(cursor={"place": place})
        if place:
            found[row.channel_id] = place
    return found

"""When a channel is read because a stream announced something: at once after a silence, then no more often than its
network can bear. A ring only makes due what the next poll would read anyway, so a lost one costs some seconds."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.core.cache import cache
from django.db import transaction
from django.db.models import Q

from connectors.connecting import read_soon
from connectors.models import Channel, Source
from inbox.models.reply import Clock

GAP = 2.0  # seconds between two rings of one channel
NEVER = -math.inf
LIVE, LIVE_SECONDS = "connectors.liveness", 45
SHARE = 5.0  # a source may be rung for so many times as often as the network may be asked regularly


@dataclass(slots=True)
class Due:
    """`last` is when the newest of what was announced can be read; a ring before that is not the last one."""

    first: float
    last: float


class Bells:
    """What was heard and not yet rung for. Times are seconds of one clock, which is the caller's."""

    def __init__(self) -> None:
        self._due: dict[tuple[int, str], Due] = {}
        self._rung: dict[int, float] = {}
        self._rung_for: dict[tuple[int, str], float] = {}
        self._gaps: dict[tuple[int, str], float] = {}

    def watch(self, sources: Mapping[int, Mapping[str, float]]) -> None:
        """The channels and their sources, with the seconds within which each may be asked again at the soonest. Others
        are forgotten."""
        self._gaps = {(pk, name): least / SHARE for pk, of in sources.items() for name, least in of.items()}
        self._due = {key: due for key, due in self._due.items() if key in self._gaps}
        self._rung_for = {key: at for key, at in self._rung_for.items() if key in self._gaps}
        self._rung = {pk: at for pk, at in self._rung.items() if pk in sources}

    def heard(self, channel: int, names: Iterable[str], times: Collection[float]) -> None:
        """News of these sources, which can be read at these times."""
        for name in names:
            key = (channel, name)
            if key not in self._gaps or not times:
                continue
            due = self._due.setdefault(key, Due(min(times), max(times)))
            due.first, due.last = min(due.first, *times), max(due.last, *times)

    def next_at(self) -> float | None:
        return min((self._possible(key, due) for key, due in self._due.items()), default=None)

    def take(self, now: float) -> dict[int, set[str]]:
        """The sources to ring for now, by channel; they count as rung."""
        ripe = [key for key, due in self._due.items() if self._possible(key, due) <= now]
        found: dict[int, set[str]] = {}
        for key in ripe:
            found.setdefault(key[0], set()).add(key[1])
            self._rung[key[0]] = self._rung_for[key] = now
            if self._due[key].last > now:
                self._due[key].first = self._due[key].last
            else:
                del self._due[key]
        return found

    def _possible(self, key: tuple[int, str], due: Due) -> float:
        ready = self._rung.get(key[0], NEVER) + GAP
        return max(due.first, ready, self._rung_for.get(key, NEVER) + self._gaps[key])


@transaction.atomic
def ring(news: Mapping[int, Collection[str]]) -> None:
    """Makes these sources due. What has a fault waits as it was told to, and who polls already goes on with what it
    has not read yet, or begins again when it is done."""
    named = Q()
    for channel, names in news.items():
        named |= Q(channel=channel, name__in=names)
    # The channel before its sources, as whoever polls locks them.
    list(Channel.objects.filter(pk__in=news).order_by("pk").select_for_update(of=("self",)).values_list("pk"))
    Source.objects.filter(named, fault="").update(next_at=Clock())
    later = Q(next_poll_at__gt=Clock()) | Q(polling_until__gt=Clock())
    Channel.objects.listening().filter(later, pk__in=news, fault="").update(next_poll_at=Clock())
    read_soon()


def mark_live(channels: Iterable[int], ended: Mapping[int, str] | None = None) -> None:
    """Said again and again by whoever holds the streams; it is forgotten soon after that ends. `ended`: why channels
    are not live that could be."""
    cache.set(LIVE, (sorted(channels), dict(ended or {})), LIVE_SECONDS)


def liveness() -> tuple[frozenset[int], dict[int, str]]:
    """The channels whose network tells us at once when something is new, and why others do not that could."""
    channels, ended = cache.get(LIVE, ((), {}))
    return frozenset(channels), ended


def live() -> frozenset[int]:
    return liveness()[0]

"""The cursor of networks that give their newest first and page back by a token: where reading stands, and how far back
a poll has to look so that latecomers are found again."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.posts import JSON, Gap

OVERLAP, LONGEST = timedelta(minutes=15), timedelta(hours=4)


def overlap(passed: timedelta, longest: timedelta = LONGEST) -> timedelta:
    """How far before the place where reading stands a poll begins: a quarter of an hour, or twice the time since the
    poll before, where that is rare."""
    return min(max(OVERLAP, 2 * passed), longest)


class Walk:
    """One walk goes from the newest page back to an `overlap` before `floor`, the newest time of the walk before, which
    arrived at `last`. Cut by its budget it goes on at the token `at`; `aside` becomes the floor only when it has
    arrived. What is older than `since`, the first window, stays history whenever it turns up. `tops`: what tells the
    first page of the walk before, and of this one, from others; one that has not changed brings nothing new."""

    def __init__(
        self,
        since: datetime,
        floor: datetime,
        at: str = "",
        aside: datetime | None = None,
        tops: tuple[str, str] = ("", ""),
        last: datetime | None = None,
    ) -> None:
        self.since, self.floor, self.at, self.aside, self.tops, self.last = since, floor, at, aside, tops, last
        self.gaps: tuple[Gap, ...] = ()
        self.ended = self.restarted = False
        self.page = ""

    @classmethod
    def read(cls, cursor: JSON | None, now: datetime, window: timedelta) -> "Walk":
        """The walk of a cursor; one that cannot be used begins a window back and says so."""
        start = now - window
        if cursor is None:
            return cls(start, start)
        try:
            aside, at = cursor["aside"], cursor["at"]
            if not isinstance(at, str):
                raise TypeError("a token that is no text")
            before, this = cursor.get("tops", ("", ""))
            tops, last = (str(before), str(this)), _time(cursor["last"]) if cursor.get("last") else None
            return cls(_time(cursor["since"]), _time(cursor["floor"]), at, _time(aside) if aside else None, tops, last)
        except (KeyError, TypeError, ValueError):
            walk = cls(start, start)
            walk.gaps = (Gap(None, start, "The place where reading stopped could not be used."),)
            return walk

    def reached(
        self, items: Sequence[Any], times: Sequence[datetime], onward: str, now: datetime, *, sorts: bool = False
    ) -> int:
        """Takes note of a page and the token after it; returns how often the network repeated itself. `sorts`: the
        list is in the order of these very times; else an old post may stand among new ones, and only a page without
        any new one ends the walk."""
        page = json.dumps(items, sort_keys=True, default=str)
        again = bool(onward) and (onward == self.at or (page == self.page and bool(items)))
        self.page = page
        if not self.at and times:
            self.aside = min(max(times), now)
            self.tops = self.tops[0], _mark(times)
        back = overlap(now - (self.last or now))
        arrived = bool(times) and (min if sorts else max)(times) < self.floor - back
        if arrived or again or not onward or (not self.at and times and self.tops[0] == self.tops[1]):
            self.floor, self.at, self.aside, self.ended = max(self.floor, self.aside or self.floor), "", None, True
            self.tops, self.last = (self.tops[1], ""), now
        else:
            self.at = onward
        return int(again)

    @classmethod
    def again(cls, since: datetime) -> JSON:
        """The cursor of a walk from the newest page back to a time."""
        return cls(since, since + OVERLAP).kept()

    def restart(self) -> bool:
        """The network does not know the token any more: from the newest page again, to the same floor. False when
        there was no token to blame, or a fresh one is refused as well."""
        had, self.restarted = bool(self.at) and not self.restarted, True
        self.at, self.page = "", ""
        return had

    def kept(self) -> JSON:
        aside = self.aside.isoformat() if self.aside else ""
        marks = {"since": self.since.isoformat(), "floor": self.floor.isoformat(), "at": self.at, "aside": aside}
        return {**marks, "tops": list(self.tops), "last": self.last.isoformat() if self.last else ""}


def _mark(times: Sequence[datetime]) -> str:
    return hashlib.sha256(" ".join(time.isoformat() for time in times).encode()).hexdigest()[:16]


def _time(value: str) -> datetime:
    time = datetime.fromisoformat(value)
    return time.replace(tzinfo=time.tzinfo or UTC)

"""The cursor of networks that are read forward by id: where reading stands, and from where latecomers are looked for
again."""

from datetime import UTC, datetime, timedelta

from connectors.newest_first import overlap
from connectors.posts import JSON, Gap

HELD, APART = timedelta(hours=2), timedelta(minutes=1)
"""How long marks are remembered: twice the longest time between two polls is looked through again. And how far they
are apart, so that they reach that far back however often is polled, and stay few."""


class Place:
    """Where reading stands: forward by `min_id`. `marks` are ids with the time we had read up to them, so that a poll
    can start a quarter of an hour back without knowing what an id means; `at` is where a poll was cut by its budget."""

    def __init__(self, at: str, marks: list[tuple[str, datetime]]) -> None:
        self.at, self.marks = at, marks

    @classmethod
    def read(cls, cursor: JSON | None, now: datetime) -> tuple["Place", tuple[Gap, ...]]:
        if cursor is None:
            return cls("", []), ()
        try:
            marks = [(_text(mark[0]), _time(mark[1])) for mark in cursor["marks"]]
            return cls(str(cursor.get("at") or ""), marks), ()
        except (KeyError, TypeError, ValueError, IndexError):
            return cls("", []), (Gap(None, now, "The place where reading stopped could not be used."),)

    def start(self, now: datetime) -> str:
        if self.at or not self.marks:
            return self.at
        last = self.marks[-1][1]
        old = [mark for mark, time in self.marks if time <= last - overlap(now - last, HELD)]
        return old[-1] if old else self.marks[0][0]

    def begin(self, oldest: str, now: datetime) -> None:
        """The first page reaches this far back: later polls look for latecomers from there on."""
        if oldest:
            self.marks = [(oldest, now - HELD)]

    def reached(self, position: str, now: datetime, ended: bool) -> None:
        self.at = "" if ended else position
        if not position or (self.marks and rank(position) <= rank(self.marks[-1][0])):
            position = self.marks[-1][0] if self.marks else ""
        if position:
            self.marks = [*(mark for mark in self.marks if mark[1] < now), (position, now)]
        # One mark from before that time is enough to start from.
        older = [mark for mark in self.marks if mark[1] <= now - HELD][-1:]
        recent = [mark for mark in self.marks if mark[1] > now - HELD]
        self.marks = [*older, *_thinned(recent)]

    def kept(self) -> JSON:
        return {"at": self.at, "marks": [[mark, time.isoformat()] for mark, time in self.marks]}


def _thinned(marks: list[tuple[str, datetime]]) -> list[tuple[str, datetime]]:
    """Of those within a minute the first, and the newest of all, which says where reading stands."""
    kept: list[tuple[str, datetime]] = []
    for mark in marks[:-1]:
        if not kept or mark[1] - kept[-1][1] >= APART:
            kept.append(mark)
    return [*kept, *marks[-1:]]


def rank(identity: str) -> tuple[int, str]:
    """Ids grow, whatever alphabet a server writes them in: longer is later, equal length compares as text."""
    return len(identity), identity


def _text(value: object) -> str:
    if not value or not isinstance(value, str):
        raise ValueError("no id")
    return value


def _time(value: str) -> datetime:
    time = datetime.fromisoformat(value)
    return time.replace(tzinfo=time.tzinfo or UTC)

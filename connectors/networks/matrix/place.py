"""Where reading of a Matrix account stands: the token of the last sync, which rooms had more than it told, which
messages were changed meanwhile, and what is known of the rooms people write in and of what they became."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from connectors.networks.matrix.api import table
from connectors.posts import JSON, Gap

WINDOW = timedelta(hours=48)
FILLS, CHANGES, JOINS, KNOWN, MOVES, MOVED = 11_000, 6_000, 2_500, 8_000, 1_000, 2_000
"""Bytes of a cursor that each list may take; together less than a cursor may have."""
LISTS = {"fills": 2, "changes": 3, "joins": 1, "moves": 3, "moved": 2}
"""What each entry of them is made of, in number."""
YOUNG = ("moves", "moved")
"""Lists that cursors of before do not have."""
TRIES = 60
"""Polls in which a room is tried to be joined whose server is away."""


class Place:
    """`next`: the token to go on from, "" before the first sync. `since`: what is older is history. `asked`: when the
    last sync was. `fills`: rooms with the token below which their messages are still to be read, down to the token `to`
    or the time `stop`. `changes`: room, event and, where it was edited, the event that edits it. `joins`: rooms whose
    invitation is to be accepted. `moves`: rooms to be joined because one of ours became them, each with a server that
    knows it and how often that was tried. `moved`: rooms and what they became. `known`: room → its kind (d, p or c: of
    two people, public, closed; x: encrypted), for rooms of two what was said last by the other, and the room it was at
    first, each "-" where there is none."""

    def __init__(self, since: datetime, asked: datetime) -> None:
        self.next, self.to = "", ""
        self.since, self.asked, self.stop = since, asked, since
        self.fills, self.changes, self.joins = list[list[str]](), list[list[str]](), list[list[str]]()
        self.moves, self.moved, self.tired = list[list[str]](), list[list[str]](), False
        self.known: dict[str, str] = {}
        self.gaps: tuple[Gap, ...] = ()

    @classmethod
    def read(cls, cursor: JSON | None, now: datetime) -> Self:
        """The place of a cursor; one that cannot be used begins a window back and says so."""
        if cursor is None:
            return cls(now - WINDOW, now)
        try:
            place = cls(_time(cursor["since"]), _time(cursor["asked"]))
            place.next, place.to, place.stop = str(cursor["next"]), str(cursor["to"]), _time(cursor["stop"])
            for name in LISTS:
                items = cursor.get(name, []) if name in YOUNG else cursor[name]
                setattr(place, name, [[str(each) for each in item] for item in items])
            if any(len(item) != size for name, size in LISTS.items() for item in getattr(place, name)):
                raise ValueError("a list of another form")
            place.known = {str(room): str(kind) for room, kind in cursor["known"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            place = cls(now - WINDOW, now)
            place.gaps = (Gap(None, now - WINDOW, "The place where reading stopped could not be used."),)
        return place

    @classmethod
    def again(cls, since: datetime, now: datetime) -> JSON:
        """The cursor of a reading from now back to a time."""
        return cls(since, now).kept()

    @property
    def waits(self) -> bool:
        return bool(self.fills or self.changes or self.joins or self.to_join)

    @property
    def to_join(self) -> bool:
        """A room is to be joined, and its turn is not over for this poll."""
        return bool(self.moves) and not self.tired

    def later(self, room: str, via: str, tries: int) -> None:
        """Its server is away: others have their turn, and nothing waits for it."""
        self.tired = True
        if tries < TRIES:
            self.moves.append([room, via, str(tries)])

    def lost(self) -> None:
        """The server does not know the token any more: everything since the last sync is read by its time."""
        self.next, self.stop = "", min(self.asked - timedelta(hours=1), self.stop)

    def reached(self, token: str, now: datetime) -> None:
        """A sync was read whole."""
        self.next, self.asked = token, now

    def begins(self) -> None:
        """What fills of the next sync go down to."""
        self.to, self.stop = self.next, (self.asked - WINDOW if self.next else self.stop)

    def fitted(self, now: datetime) -> tuple[Gap, ...]:
        """Cuts what does not fit into a cursor, and says what that costs."""
        words = {
            "fills": "More rooms had news at once than could be kept in mind.",
            "changes": "More messages were changed at once than could be kept in mind.",
            "joins": "",  # reading the last days again tells of them once more
            "moves": "",
        }
        limits = {"fills": FILLS, "changes": CHANGES, "joins": JOINS, "moves": MOVES}
        gaps = []
        for name, limit in limits.items():
            items: list[list[str]] = getattr(self, name)
            fits = _fitting(items, limit)
            if len(fits) < len(items) and words[name]:
                gaps.append(Gap(self.stop, now, words[name]))
            setattr(self, name, fits)
        self.moved = _fitting(self.moved[::-1], MOVED)[::-1]
        newest = _fitting(list(reversed(self.known.items())), KNOWN)
        self.known = dict(reversed(newest))
        return tuple(gaps)

    def kept(self) -> JSON:
        return {
            "next": self.next, "to": self.to, "since": self.since.isoformat(), "asked": self.asked.isoformat(),
            "stop": self.stop.isoformat(), "fills": self.fills, "changes": self.changes, "joins": self.joins,
            "moves": self.moves, "moved": self.moved, "known": self.known,
        }  # fmt: skip

    # Rooms

    def kind(self, room: str) -> str:
        return self._told(room)[0]

    def last(self, room: str) -> str:
        return self._told(room)[1]

    def origin(self, room: str) -> str:
        return self._told(room)[2]

    def _told(self, room: str) -> list[str]:
        said = ["" if each == "-" else each for each in self.known.get(room, "c").split(" ")]
        return [*said, "", ""][:3]

    def learn(self, room: str, told: Mapping[str, Any], origin: str = "") -> None:
        """What a sync tells of a room; the newest stand last."""
        before, last, first = self._told(room) if room in self.known else ["", "", ""]
        self.known.pop(room, None)
        self._keep(room, kind_of(before, told), last, origin or first)

    def _keep(self, room: str, kind: str, last: str, origin: str) -> None:
        said = [kind, last or "-", origin] if origin else [kind, last] if last else [kind]
        self.known[room] = " ".join(said)

    def spoke(self, room: str, event: str) -> None:
        """The other of a room of two said this last."""
        if "d" in self.kind(room):
            self._keep(room, self.kind(room), event, self.origin(room))


def _fitting[T](items: Iterable[T], limit: int) -> list[T]:
    """As many as fit, counted as JSON."""
    fits = []
    for item in items:
        limit -= len(json.dumps(item)) + 2
        if limit < 0:
            break
        fits.append(item)
    return fits


def onward(rooms: Iterable[str], moved: Iterable[Sequence[str]]) -> frozenset[str]:
    """These rooms and all that they became."""
    found, steps = set(rooms), list(moved)
    while fresh := {new for old, new in steps if old in found} - found:
        found |= fresh
    return frozenset(found)


def state_in(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """State of a room, oldest first: that from before the timeline and that in it."""
    parts = (table(told.get("state")).get("events"), table(told.get("timeline")).get("events"))
    found = [event for part in parts if isinstance(part, list) for event in part]
    return [event for event in found if isinstance(event, dict) and isinstance(event.get("state_key"), str)]


def kind_of(before: str, told: Mapping[str, Any]) -> str:
    rule, sealed = "public" if "p" in before else "", "x" in before
    for event in state_in(told):
        if event.get("type") == "m.room.join_rules":
            rule = str(table(event.get("content")).get("join_rule") or "")
        sealed = sealed or event.get("type") == "m.room.encryption"
    counts = table(told.get("summary"))
    joined, invited = counts.get("m.joined_member_count"), counts.get("m.invited_member_count")
    two = joined + (invited if isinstance(invited, int) else 0) <= 2 if isinstance(joined, int) else "d" in before
    return ("p" if rule == "public" else "d" if two else "c") + ("x" if sealed else "")


def _time(value: str) -> datetime:
    time = datetime.fromisoformat(value)
    return time.replace(tzinfo=time.tzinfo or UTC)

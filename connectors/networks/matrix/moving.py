"""Rooms that were upgraded. The old one says with a tombstone what it became, and the new one which it was. Both are
needed, because anybody can make a room that says either. The account follows, and what is said in the new room goes on
in the conversations of the first one."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from connectors.base import JSON, MAPPING, Gone, Invalid, NotPermitted, PolicyRefused, RateLimited, Unavailable
from connectors.networks.matrix.api import table, time_of
from connectors.networks.matrix.asking import NEWEST, TOKEN, Asking
from connectors.networks.matrix.place import TRIES, WINDOW, Place, onward, state_in

MOST = 5
"""Upgrades of one room, one after the other, that are followed at once."""
REFUSED = (NotPermitted, Gone, Invalid, PolicyRefused)
LATER = (Unavailable, RateLimited)


class Move(NamedTuple):
    """A room and what it became; `via`: a server that knows the new one."""

    old: str
    new: str
    via: str
    at: datetime


class Moving(Asking):
    """Registers no network."""

    def _reads(self, moved: Iterable[Sequence[str]]) -> frozenset[str] | None:
        """The rooms to read with what they became, None for all."""
        return None if self._chosen is None else onward(self._chosen, moved)

    def _sync_on(self, since: str, now: datetime | None, moved: list[list[str]], newest: int = NEWEST) -> JSON:
        """A sync of the rooms to read and of what they became, which is added to `moved`."""
        for _ in range(MOST):
            told = self._sync(since, now, self._reads(moved) or (), newest)
            fresh = [[move.old, move.new] for move in moves_in(told) if [move.old, move.new] not in moved]
            moved += fresh
            if not fresh or self._chosen is None:
                break
        return told

    def _moved(self, place: Place, told: Mapping[str, Any], now: datetime) -> None:
        """Leaves in the place what is to be joined. What moved long before we came, and was not followed by whoever
        had the account then, is left alone."""
        reads = self._reads(place.moved)
        for move in moves_in(told):
            if (reads is None or move.new in reads) and (place.next or move.at >= now - WINDOW):
                place.moves.append([move.new, move.via, "0"])

    def _followed(self, place: Place, now: datetime) -> None:
        """Joins one room. One that wants an invitation is joined when that comes; a server that is away is asked again
        in later polls, and holds nothing up."""
        room, via, tries = place.moves.pop(0)
        where = [("via", via), ("server_name", via)] if via else []  # the newer name and the older one
        try:
            if not self._continues(place, room, now, unseen=True):
                place.moved = [each for each in place.moved if each[1] != room]
                return  # it may be a room of ours all the same, so it is not left
            path = f"client/v3/join/{quote(room, safe='')}"  # joining twice is success
            self._ask("POST", path, now=now, params=where, json={}, write=False)
            if not self._continues(place, room, now, unseen=False):
                self._ask("POST", f"client/v3/rooms/{quote(room, safe='')}/leave", now=now, json={}, write=False)
                place.moved = [each for each in place.moved if each[1] != room]
        except REFUSED:
            pass
        except LATER:
            place.later(room, via, int(tries) + 1 if tries.isdecimal() else TRIES)

    def _continues(self, place: Place, room: str, now: datetime, *, unseen: bool) -> bool:
        """Whether a room says itself that it continues one of ours, else whoever writes to us could send the account
        wherever he likes. `unseen`: what holds of a room that is not shown to us yet."""
        claimed = [each for each in place.moved if each[1] == room]
        if not claimed:
            return True  # an invitation to something new
        made = self._state(room, "m.room.create", now)
        return unseen if made is None else [predecessor_of(made), room] in claimed

    # Which room it was at first

    def _origin(self, place: Place, room: str, told: Mapping[str, Any], now: datetime) -> str:
        """The first of the rooms this one was upgraded from, "" for none."""
        first, before = room, predecessor_in(state_in(told))
        for _ in range(MOST):
            if not before or not self._became(place, before, first, now):
                break
            first = before
            if place.origin(first):
                return place.origin(first)
            before = predecessor_of(self._state(first, "m.room.create", now))
        return "" if first == room else first

    def _became(self, place: Place, old: str, new: str, now: datetime) -> bool:
        return [old, new] in place.moved or replacement_of(self._state(old, "m.room.tombstone", now)) == new

    def _now_in(self, room: str, now: datetime | None) -> list[str]:
        """What a room became, step by step, as far as both sides say so."""
        found = [room]
        while len(found) <= MOST:
            new = replacement_of(self._state(found[-1], "m.room.tombstone", now))
            if not new or new in found or predecessor_of(self._state(new, "m.room.create", now)) != found[-1]:
                break
            found.append(new)
        return found[1:]

    def _state(self, room: str, kind: str, now: datetime | None) -> Mapping[str, Any] | None:
        """One piece of a room's state, None where there is none or it is not for us."""
        answer = self._ask("GET", f"client/v3/rooms/{quote(room, safe='')}/state/{kind}/", now=now, accept=(403, 404))
        return table(answer.json(dict)) if answer.status == 200 else None


def moves_in(told: Mapping[str, Any]) -> list[Move]:
    """The tombstones a sync tells of."""
    found, rooms = list[Move](), table(table(told.get("rooms")).get("join"))
    for room, each in rooms.items():
        for event in state_in(table(each)):
            new = replacement_of(table(event.get("content"))) if event.get("type") == "m.room.tombstone" else ""
            if not new or new == room:
                continue
            try:
                found.append(Move(str(room), new, str(event.get("sender") or "").partition(":")[2], time_of(event)))
            except MAPPING:
                continue
    return found


def replacement_of(content: Mapping[str, Any] | None) -> str:
    return _room(table(content).get("replacement_room"))


def predecessor_of(content: Mapping[str, Any] | None) -> str:
    return _room(table(table(content).get("predecessor")).get("room_id"))


def predecessor_in(state: Iterable[Mapping[str, Any]]) -> str:
    made = (table(event.get("content")) for event in state if event.get("type") == "m.room.create")
    return next(filter(None, map(predecessor_of, made)), "")


def _room(value: Any) -> str:
    return value if isinstance(value, str) and value.startswith("!") and len(value) < TOKEN and " " not in value else ""

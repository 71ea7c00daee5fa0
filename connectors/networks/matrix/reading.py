"""What is said in the rooms of a Matrix account. A sync tells the newest of every room at once; a room with more is
read on below that, and a message that was changed long after it was said is asked for by itself."""

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connectors.base import (
    JSON,
    MAPPING,
    Bad,
    Budget,
    Deleted,
    Gone,
    Invalid,
    NotPermitted,
    Page,
    Past,
    Post,
    PostState,
    Withheld,
)
from connectors.networks.matrix.api import (
    SAID,
    SEALED,
    people_of,
    place_of,
    post_of,
    replaces,
    table,
    takes_back,
)
from connectors.networks.matrix.asking import ASKED_FOR, EVENTS, MEMBERS, TOKEN
from connectors.networks.matrix.moving import LATER, REFUSED, Moving
from connectors.networks.matrix.place import Place, state_in

MORE, LOOKED_AT = 100, 10
"""Events of a page of one room; messages asked for in one refresh."""


class Reading(Moving):
    """Registers no network."""

    follows = LOOKED_AT  # of one request each

    # Listening

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        return Place.again(since, now)

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        # One room after the other goes back in time: no time is complete before the end.
        return Past(cursor=Place.again(since, now), newest_first=False)

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        place, synced = Place.read(cursor, now), False
        gaps = place.gaps
        while not budget.spent and (place.waits or not synced):
            budget.spend()
            posts, bad, repeats = list[Post](), list[Bad](), 0
            if place.fills:
                repeats = self._filled(place, posts, bad, now)
            elif place.changes:
                self._changed(place, posts, bad, now)
            elif place.joins:
                self._joined(place, now)
            elif place.to_join:
                self._followed(place, now)
            else:
                self._synced(place, posts, bad, budget, now)
                synced = True
            gaps = (*gaps, *place.fitted(now))
            yield Page(posts=self._in_order(posts, place), bad=tuple(bad), cursor=place.kept(),
                       end=synced and not place.waits, gaps=gaps, repeats=repeats)  # fmt: skip
            gaps = ()

    @staticmethod
    def _in_order(posts: Sequence[Post], place: Place) -> tuple[Post, ...]:
        # An event does not tell whether we like it.
        marked = (replace(post, history=post.created_at < place.since, whole=False) for post in posts)
        return tuple(sorted(marked, key=lambda post: (post.created_at, post.external_id)))

    def _synced(self, place: Place, posts: list[Post], bad: list[Bad], budget: Budget, now: datetime) -> None:
        try:
            told = self._sync_on(place.next, now, place.moved)
        except Invalid:
            if not place.next:
                raise
            place.lost()
            told = self._sync_on("", now, place.moved)
        self._moved(place, told, now)
        first = not place.next
        place.begins()
        rooms, chosen = table(told.get("rooms")), self._reads(place.moved)
        joined = {str(room): table(each) for room, each in table(rooms.get("join")).items()
                  if chosen is None or room in chosen}  # fmt: skip
        for room, each in joined.items():
            if first or room in place.known:
                self._learn(place, room, each, now)
        self._meet(place, [room for room, each in joined.items() if _events(each)], budget, now)
        for room, each in joined.items():
            self._told(place, room, each, posts, bad)
        invited, moved = table(rooms.get("invite")), {new for _, new in place.moved}
        place.joins += [[room] for room in self._wanted(invited, chosen) if room not in moved]
        place.moves += [[room, "", "0"] for room in self._continuing(invited, chosen, moved)]
        place.reached(str(told["next_batch"]), now)

    def _meet(self, place: Place, rooms: Sequence[str], budget: Budget, now: datetime) -> None:
        """Rooms nobody remembers are asked what they are, many at once."""
        strange = [room for room in rooms if room not in place.known]
        for start in range(0, len(strange), ASKED_FOR):
            some = strange[start : start + ASKED_FOR]
            budget.spend()
            told = table(table(self._sync("", now, some, 1).get("rooms")).get("join"))
            for room in some:
                self._learn(place, room, table(told.get(room)), now)

    def _learn(self, place: Place, room: str, told: Mapping[str, Any], now: datetime) -> None:
        known = place.origin(room) or not any(event.get("type") == "m.room.create" for event in state_in(told))
        place.learn(room, told, "" if known else self._origin(place, room, told, now))

    def _told(self, place: Place, room: str, told: Mapping[str, Any], posts: list[Post], bad: list[Bad]) -> None:
        events, timeline = _events(told), table(told.get("timeline"))
        state = table(told.get("state")).get("events")
        names = people_of([*(state if isinstance(state, list) else ()), *events])
        heard = self._heard(place, room, events, names, bad)
        posts += self._answering(place, room, heard)
        token = timeline.get("prev_batch")
        whole = not timeline.get("limited") or not isinstance(token, str) or not 0 < len(token) <= TOKEN
        if not whole and not (heard and heard[0].created_at < place.stop):
            place.fills.append([room, str(token)])

    def _heard(
        self, place: Place, room: str, events: Sequence[Mapping[str, Any]], names: Mapping[str, str], bad: list[Bad]
    ) -> list[Post]:
        """The posts of a stretch of a room, oldest first, each as it is at its end; what was changed before it began
        is left in the place."""
        said, edits, kind = dict[str, Mapping[str, Any]](), dict[str, Mapping[str, Any]](), place.kind(room)
        gone, changed = set[str](), dict[str, str]()
        for event in events:
            one, target, redacted = str(event.get("event_id") or ""), replaces(event), takes_back(event)
            if redacted:
                gone.add(redacted)
                changed[redacted] = ""
            elif event.get("type") in SAID and target:
                edits[target] = event
                changed[target] = one
            elif event.get("type") in SAID or (event.get("type") == SEALED and "d" in kind):
                said[one or f"?{len(said)}"] = event
        place.changes += [[room, one, by] for one, by in changed.items() if one not in said and one.startswith("$")]
        posts = []
        for number, (one, event) in enumerate(said.items()):
            try:
                event = {**event, "content": {}} if one in gone else event
                posts.append(post_of(event, room, kind, names, self._me, edits.get(one), place.origin(room)))
            except MAPPING as error:
                bad.append(Bad(one, f"{type(error).__name__}: {error}", dict(event), number))
        return posts

    def _answering(self, place: Place, room: str, heard: Sequence[Post]) -> list[Post]:
        """Between two people what we say answers what the other said last, named or not."""
        posts = []
        for post in heard:
            last = place.last(room)
            if post.ours and not post.parent_id and last:
                post = replace(post, parent_id=f"{room}/{last}")
            elif not post.ours:
                place.spoke(room, place_of(post.external_id)[1])
            posts.append(post)
        return posts

    def _filled(self, place: Place, posts: list[Post], bad: list[Bad], now: datetime) -> int:
        """One page of one room, from new to old."""
        room, token = place.fills[0]
        asked = {"dir": "b", "from": token, "limit": str(MORE), "filter": json.dumps({"types": EVENTS, **MEMBERS})}
        asked |= {"to": place.to} if place.to else {}
        try:
            answer = self._ask("GET", f"client/v3/rooms/{quote(room, safe='')}/messages", now=now, params=asked)
        except (NotPermitted, Gone, Invalid):  # we are no longer in it
            place.fills.pop(0)
            return 0
        told = answer.json(dict)
        if not isinstance(told.get("chunk"), list):
            raise answer.unreadable("A page of a room has no list of events.")
        events = [event for event in reversed(told["chunk"]) if isinstance(event, dict)]
        state = told.get("state")
        names = people_of([*(state if isinstance(state, list) else ()), *events])
        heard = self._heard(place, room, events, names, bad)
        posts += heard
        end = told.get("end")
        again = end == token
        arrived = bool(heard) and max(post.created_at for post in heard) < place.stop
        if arrived or again or not isinstance(end, str) or not 0 < len(end) <= TOKEN:
            place.fills.pop(0)
        else:
            place.fills[0] = [room, end]
        return int(again)

    def _changed(self, place: Place, posts: list[Post], bad: list[Bad], now: datetime) -> None:
        """A message that was corrected or taken back after it was read."""
        room, event, edit = place.changes[0]
        try:
            posts += [self._one(room, event, now, place.kind(room), edit, place.origin(room))]
        except (NotPermitted, Gone, Invalid):
            pass  # it is of no room of ours any more, or was never shown to us
        except MAPPING as error:
            bad.append(Bad(event, f"{type(error).__name__}: {error}"))
        place.changes.pop(0)

    # Invitations

    def _wanted(self, invited: Mapping[str, Any], chosen: frozenset[str] | None) -> list[str]:
        """Invitations the admin wants to be accepted; to rooms that are read at all."""
        how = self.settings.get("invitations")
        if how not in ("private", "all"):
            return []
        fits = [str(room) for room in invited if chosen is None or room in chosen]
        return [room for room in fits if how == "all" or is_private(table(invited[room]), self._me)]

    @staticmethod
    def _continuing(invited: Mapping[str, Any], chosen: frozenset[str] | None, moved: Container[str]) -> list[str]:
        """Invitations to what rooms of ours became, whatever the admin wants of others."""
        return [room for room in map(str, invited) if room in moved and (chosen is None or room in chosen)]

    def _joined(self, place: Place, now: datetime) -> None:
        (room,) = place.joins[0]
        try:  # joining twice is success
            self._ask("POST", f"client/v3/rooms/{quote(room, safe='')}/join", now=now, json={}, write=False)
        except REFUSED:
            pass  # the invitation was taken back
        except LATER:
            place.later(room, "", 1)
        place.joins.pop(0)

    # How things stand now

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        standing: list[Post | Deleted | Withheld] = []
        for one in ids[:LOOKED_AT]:
            try:
                post = self._one(*place_of(one), now, "c")
            except (Gone, NotPermitted, *MAPPING):
                continue  # what the server keeps to itself may stand all the same
            gone = post.state is PostState.DELETED
            standing.append(Deleted(one) if gone else replace(post, whole=False))
        return standing

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        if not post.parent_id:
            return []
        root = post.root_id or ""
        first = "" if "/$" in root else root
        try:
            return [self._one(*place_of(post.parent_id), now, "d" if post.kind == "direct" else "c", origin=first)]
        except MAPPING:
            return []


def _events(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    events = table(told.get("timeline")).get("events")
    return [event for event in events if isinstance(event, dict)] if isinstance(events, list) else []


def is_private(told: Mapping[str, Any], me: str) -> bool:
    """Whether an invitation says of itself that it is to a conversation of two."""
    events = table(told.get("invite_state")).get("events")
    found = [event for event in events if isinstance(event, dict)] if isinstance(events, list) else []
    mine = (table(each.get("content")) for each in found if each.get("state_key") == me)
    return any(content.get("is_direct") is True for content in mine)

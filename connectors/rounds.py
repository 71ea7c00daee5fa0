"""The cursor of networks whose comments hang on many posts: which posts have something new, which of them are still to
be read, and where in one of them reading was cut."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

from connectors.faults import Fault, Gone, Invalid, NotPermitted, PolicyRefused
from connectors.newest_first import overlap
from connectors.posts import BELOW, JSON, Bad, Gap
from connectors.text import storable

OVERLAP, WINDOW, FIRST, LONGEST = timedelta(minutes=15), timedelta(hours=48), timedelta(days=7), timedelta(hours=12)
KEPT, LEAST, EXCERPT, ROOM = 240, 60, 100, 30_000
"""Posts a cursor remembers, and at least before posts to be read are left to the next round; bytes of a post shown
above its comments, and of the whole cursor, both as JSON."""
ATTENDED, UNLISTED, KEPT_BACK = 5, -1, -2
"""Posts that one round reads although the list shows them no more; their mark, which the list cannot have given; and
that of those which were refused, and are asked for once a day. A lower one is the time, below zero, at which a post of
the list was refused: it is asked for again after an hour, or when something happened there."""
SEVERAL = 2
"""Refusals with nothing read between them, after which another post is to show whether all would be refused."""
HOUR, DAY, MONTH = 3_600, 86_400, 30 * 86_400
REFUSED = (Gone, Invalid, NotPermitted, PolicyRefused)
"""What may be answered about one post of the list, behind which the others are read all the same."""


@dataclass(slots=True)
class Stop:
    """A post whose comments are to be read back to `since`. `mark` is what the network said of the post when it was
    listed (a time, a count): as long as it stays, nothing is new there."""

    post: str
    since: int
    mark: int
    subject: str = ""


@dataclass(slots=True)
class Listed:
    """A post of the list. `always`: its mark tells nothing. `changed`: when it last did, 0 where nobody says."""

    post: str
    mark: int
    subject: str = ""
    always: bool = False
    changed: int = 0

    def __post_init__(self) -> None:
        self.post, self.subject = storable(self.post), storable(self.subject)


class Round:
    """One round lists the posts and reads those with something new; once a day it reads all of them 48 hours back.
    Cut by its budget it goes on where it was. Times are Unix seconds."""

    def __init__(self, now: datetime, back: timedelta) -> None:
        self.start = int((now - back).timestamp())
        self.before = int((now - WINDOW).timestamp())
        self.posts: dict[str, list[int]] = {}
        self.todo: list[Stop] = []
        self.at, self.aside, self.listing, self.began, self.last = "", 0, "", 0, 0
        self.listed, self.number, self.daily, self.whole = False, 0, int(now.timestamp()), False
        self.gaps: tuple[Gap, ...] = ()
        self.page, self.cut, self.restarted = "", False, False
        self.read_now = set[str]()
        self.heard, self.held, self.opened = False, list[list[str]](), list[str]()
        self.witness = ""
        self.barred: Fault | None = None

    @classmethod
    def read(cls, cursor: JSON | None, now: datetime) -> "Round":
        """The round of a cursor; one that cannot be used begins 48 hours back and says so."""
        if cursor is None:
            return cls(now, FIRST)
        found = cls(now, WINDOW)
        try:
            found._take(cursor)
        except (KeyError, TypeError, ValueError, AttributeError):
            found = cls(now, WINDOW)
            found.gaps = (Gap(None, now - WINDOW, "The place where reading stopped could not be used."),)
        return found

    @classmethod
    def again(cls, since: datetime, now: datetime) -> JSON:
        """The cursor of a round that reads everything since a time."""
        return cls(now, now - since).kept()

    def _take(self, cursor: JSON) -> None:
        self.start, self.before, self.number = (int(cursor[name]) for name in ("start", "before", "number"))
        self.daily, self.whole, self.listed = int(cursor["daily"]), bool(cursor["whole"]), bool(cursor["listed"])
        self.at, self.listing, self.aside = str(cursor["at"]), str(cursor["listing"]), int(cursor["aside"])
        self.began, self.last = int(cursor["began"]), int(cursor["last"])
        self.cut, self.heard = bool(cursor.get("cut")), bool(cursor.get("heard"))
        self.held = [[str(post), str(words)] for post, words in cursor.get("held", ())]
        self.posts = {str(post): [int(each) for each in known[:3]] for post, known in cursor["posts"].items()}
        if any(len(known) != 3 for known in self.posts.values()):
            raise ValueError("a post without its marks")
        self.todo = [Stop(str(a), int(b), int(c), str(d)) for a, b, c, d in cursor["todo"]]

    def kept(self) -> JSON:
        """The cursor; what it has no room for is found again by the next round."""
        newest = sorted(self.posts.items(), key=lambda each: each[1][1], reverse=True)[:KEPT]
        todo = [list(astuple(each)) for each in self.todo]
        kept: JSON = {
            "start": self.start, "before": self.before, "number": self.number, "daily": self.daily,
            "whole": self.whole, "listed": self.listed, "listing": self.listing, "at": self.at, "aside": self.aside,
            "began": self.began, "last": self.last, "posts": dict(newest),
            "todo": todo, "cut": self.cut, "heard": self.heard, "held": self.held,
        }  # fmt: skip
        while (newest or len(todo) > 1) and len(json.dumps(kept)) > ROOM:
            if len(newest) > LEAST or len(todo) <= 1:
                del newest[-20:]
                kept["posts"] = dict(newest)
            else:
                del todo[max(1, len(todo) - 20) :]
                kept["cut"] = True
        return kept

    def begin(self, now: datetime) -> None:
        """The first list of a round."""
        if self.listing or self.todo or self.listed:
            return
        self.number, self.began = self.number + 1, int(now.timestamp())
        self.heard, self.held = False, []
        self.whole = now.timestamp() - self.daily >= DAY
        if self.whole:
            self.daily = int(now.timestamp())
        if len(self.posts) >= KEPT:  # some were forgotten: they are not read from the beginning again
            self.start = max(self.start, int((now - WINDOW).timestamp()))

    def plan(self, found: Iterable[Listed], onward: str, now: datetime) -> int:
        """Takes note of a page of the list, the most promising first; returns how often the list repeated itself."""
        again = int(bool(onward) and onward == self.listing)
        for each in found:
            known = self.posts.get(each.post)
            if self._is_due(each, known, now):
                self.todo.append(Stop(each.post, self._since(known, now), each.mark, _short(each.subject)))
            if known:
                known[2] = self.number
        self.listing, self.listed = ("" if again else onward), bool(again or not onward)
        if self.listed and self.whole:
            self._remembered(now)
        return again

    def attend(self, posts: Sequence[str], now: datetime, *, marked: bool = True) -> None:
        """Posts below which somebody is being answered: what the list, now at its end, did not show of them has its
        turn, a few in each round. `marked`: what it showed says by its mark whether anything is new there."""
        planned, none = self.read_now | {stop.post for stop in self.todo}, [UNLISTED, 0, 0]
        known = {post: self.posts.get(post, none) for post in posts}
        missed = [post for post, (mark, _, number) in known.items() if post not in planned
                  and (number != self.number or not marked) and (self.whole or mark > KEPT_BACK)]  # fmt: skip
        first = self.number * ATTENDED % len(missed) if len(missed) > ATTENDED else 0
        for post in [*missed[first:], *missed[:first]][:ATTENDED]:
            self.todo.append(Stop(post, self._since(self.posts.get(post), now), known[post][0]))

    def _is_due(self, post: Listed, known: Sequence[int] | None, now: datetime) -> bool:
        if not known:
            return self.whole or post.always or self._is_new(post)
        first = known[2] != self.number  # else the list moved, or began anew
        if known[0] < KEPT_BACK:
            return (first and self.whole) or post.changed > -known[0] or now.timestamp() + known[0] >= HOUR
        return (first and (self.whole or post.always)) or known[0] != post.mark

    def _is_new(self, post: Listed) -> bool:
        """A post we do not remember, unless it says that nothing happened there since the last round."""
        return not post.changed or post.changed > self.last - self.overlap

    @property
    def overlap(self) -> int:
        """Seconds before the last round within which something may have been missed: twice the time between two."""
        passed = timedelta(seconds=max(0, self.began - self.last) if self.last else 0)
        return int(overlap(passed, LONGEST).total_seconds())

    def _remembered(self, now: datetime) -> None:
        """Posts too old for the list that were talked about within a month."""
        old = [post for post, (_, newest, number) in self.posts.items()
               if number != self.number and newest > now.timestamp() - MONTH]  # fmt: skip
        self.todo += [Stop(post, self._since(self.posts[post], now), self.posts[post][0]) for post in old[:50]]

    def _since(self, known: Sequence[int] | None, now: datetime) -> int:
        if not known:
            return self.start
        back = known[1] - self.overlap
        return min(back, int((now - WINDOW).timestamp())) if self.whole else back

    def reached(
        self, items: Sequence[Any], times: Sequence[datetime], onward: str, now: datetime, more: bool = False
    ) -> int:
        """Takes note of a page of comments of the first post to be read; returns how often the network repeated
        itself. An old comment may stand among new ones. `more`: go on although all of the page are old."""
        stop, page = self.todo[0], json.dumps(items, sort_keys=True, default=str)
        self.heard = True
        again = bool(onward) and (onward == self.at or (page == self.page and bool(items)))
        self.page = page
        seconds = [min(int(time.timestamp()), int(now.timestamp())) for time in times]
        self.aside = max([self.aside, *seconds])
        if (seconds and max(seconds) < stop.since and not more) or again or not onward:
            newest = self.posts.get(stop.post, [0, self.start, 0])[1]
            self.opened.append(stop.post)
            self.posts[stop.post] = [max(stop.mark, UNLISTED), max(newest, self.aside), self.number]
            self.read_now.add(stop.post)
            self._next()
        else:
            self.at = onward
        return int(again)

    def restart(self) -> bool:
        """The network knows the token no more: the first page again. False when none, or a fresh one, is to blame."""
        had, self.restarted = bool(self.at if self.todo else self.listing) and not self.restarted, True
        self.at, self.page, self.listing = "", "", self.listing if self.todo else ""
        return had

    def refused(self, fault: Fault) -> None:
        """The first post to be read is gone, takes no such question, or is kept from us: it holds up no other, and is
        asked for again later. One that the list still shows then is not gone: a right may be missing."""
        stop, unlisted = self.todo[0], self.todo[0].mark < 0
        known = self.posts.pop(stop.post, None)
        if isinstance(fault, Gone) and not unlisted and known and -self.began < known[0] < KEPT_BACK:
            fault = NotPermitted("It lists the post, and says that there is none.", status=fault.status)
        gone, newest = isinstance(fault, Gone), known[1] if known else self.began if unlisted else self.start
        mark = KEPT_BACK if unlisted else min(-self.began, KEPT_BACK - 1)
        self.posts[stop.post] = [mark, newest, self.number]
        self._next()
        if gone:
            self.held = [each for each in self.held if each[0] != stop.post]
        if unlisted or gone:
            return
        self.held.append([stop.post, fault.words])
        if stop.post == self.witness:
            self.barred = fault

    @property
    def in_doubt(self) -> bool:
        """Whether refusals are all that came, so that it may be a right that is missing for all posts."""
        several = len(self.held) >= SEVERAL or (bool(self.held) and self.listed and not self.todo)
        return several and not self.heard and bool(self._others())

    def ask_another(self, now: datetime) -> None:
        """Puts another post first where that is in doubt: refused too, it ends the round in `barred`, a fault of the
        source. At another time it is another one, since this one may be closed by itself: by chance, as polls that lie
        hours apart would meet the same one again in any fixed turn."""
        if not self.in_doubt:
            return
        others = self._others()
        self.witness = others[crc32(str(int(now.timestamp())).encode()) % len(others)]
        known = self.posts.get(self.witness)
        first = next((stop for stop in self.todo if stop.post == self.witness), None)
        first = first or Stop(self.witness, self._since(known, now), max(0, known[0] if known else 0))
        self.todo = [first, *(stop for stop in self.todo if stop is not first)]

    def _others(self) -> list[str]:
        """The posts that were read before: whatever keeps one of those from us keeps all. Where there are none, those
        still to be read, best such as were never refused; none left, those that were refused, if not just one."""
        held, todo = [post for post, _ in self.held], [stop.post for stop in self.todo if stop.mark >= 0]
        read = [post for post, (mark, _, _) in self.posts.items() if mark >= 0]
        never = [post for post in todo if not self.is_kept_back(post)]
        kinds = ([post for post in some if post not in held] for some in (read, never, todo))
        return next(filter(None, kinds), held if len(held) > 1 else [])

    def set_aside(self) -> tuple[Bad, ...]:
        """What was refused, as soon as something else was read or nothing is left to be asked."""
        if not (self.heard or self.over):
            return ()
        held, self.held = self.held, []
        return tuple(Bad(post, words, {BELOW: post}) for post, words in held)

    def reopened(self) -> tuple[str, ...]:
        """What was read to its end. Whether it was refused before is not known here: it may have been while another
        cursor was reading, or so long ago that it was forgotten."""
        found, self.opened = tuple(self.opened), []
        return found

    def is_kept_back(self, post: str) -> bool:
        """Whether a post was refused when it was asked for last."""
        return self.posts.get(post, [0, 0, 0])[0] <= KEPT_BACK

    def _next(self) -> None:
        self.todo.pop(0)
        self.at, self.aside, self.page = "", 0, ""

    @property
    def over(self) -> bool:
        return self.listed and not self.todo and not self.in_doubt

    def end(self) -> None:
        """The round is over; the next poll begins another."""
        if not self.cut:  # otherwise what was left out would look as if nothing had happened there since
            self.last = self.began
        self.listed, self.listing, self.cut = False, "", False

    def is_history(self, time: datetime) -> bool:
        return time < datetime.fromtimestamp(self.before, UTC)


def _short(text: str) -> str:
    """As much of a text as its JSON has room for: other alphabets take six bytes a character there."""
    while len(json.dumps(text)) > EXCERPT:
        text = text[: len(text) * EXCERPT // len(json.dumps(text))]
    return text

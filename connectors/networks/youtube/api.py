"""Reads comments as YouTube tells them, and keeps the place in a list that shows new threads but not new replies to old
ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.faults import Fault, Gone
from connectors.google import midnight_pacific
from connectors.newest_first import Walk
from connectors.posts import JSON, MAPPING, Author, Bad, Post, PostKind, PostState, Rate, Visibility

WATCH = "https://www.youtube.com/watch"
WINDOW, FRESH, MONTH = timedelta(hours=48), timedelta(hours=48), timedelta(days=30)
KEPT, AT_ONCE, TALKS, DAY = 200, 50, 100, 86_400
"""Threads a cursor remembers; ids in one request; open conversations looked at in one round; seconds."""
QUOTA, FOR_ANSWERS = 10_000, 2_000
"""Units of a day as Google gives them to a new app, and what reading leaves of them: an answer costs 50."""
SHARE = {"comments": 0.6, "held": 0.15, "spam": 0.15}
"""Of reading, by source; a tenth is left for looking how single comments stand."""
_HELD = ("heldForReview", "likelySpam")


def time_of(value: Any) -> datetime:
    time = datetime.fromisoformat(value)
    return time.replace(tzinfo=time.tzinfo or UTC)


def id_in(item: Any) -> str:
    """An id short enough to be one."""
    one = str(item.get("id") or "") if isinstance(item, dict) else ""
    return one if len(one) <= 100 else ""


class Reading:
    """The place in one source. Each round walks from the newest thread to where the one before had begun; then it
    looks again at the threads of open conversations and those people talked in within two days, and once a day at all
    it remembers, because a new reply does not bring an old thread back to the top (unverified). `known`: thread →
    replies told of, newest second, round. `rest`: threads still to be looked at; `todo`: threads whose replies have to
    be listed, with their videos and whether they take answers."""

    def __init__(self, walk: Walk, now: datetime) -> None:
        self.walk, self.gaps = walk, walk.gaps
        self.known: dict[str, list[int]] = {}
        self.rest: list[str] = []
        self.todo: list[list[str]] = []
        self.at, self.walked, self.number, self.daily = "", False, 0, int(now.timestamp())
        self.day, self.units = "", 0
        self.at_once = AT_ONCE

    @classmethod
    def read(cls, cursor: JSON | None, now: datetime) -> "Reading":
        if cursor is None:
            return cls(Walk.read(None, now, WINDOW), now)
        try:
            found = cls(Walk.read(dict(cursor["walk"]), now, WINDOW), now)
            found._take(cursor)
        except (KeyError, TypeError, ValueError, AttributeError):
            found = cls(Walk.read({}, now, WINDOW), now)
        return found

    @classmethod
    def again(cls, since: datetime, now: datetime) -> JSON:
        """The cursor of a reading of everything since a time."""
        return cls(Walk.read(Walk.again(since), now, WINDOW), now).kept()

    def _take(self, cursor: JSON) -> None:
        self.known = {str(one): [int(each) for each in told] for one, told in cursor["known"].items()}
        if any(len(told) != 3 for told in self.known.values()):
            raise ValueError("a thread without its marks")
        self.rest = [str(each) for each in cursor["rest"]]
        self.todo = [[str(a), str(b), str(c)] for a, b, c in cursor["todo"]]
        self.at, self.walked, self.number = str(cursor["at"]), bool(cursor["walked"]), int(cursor["number"])
        self.daily, self.day, self.units = int(cursor["daily"]), str(cursor["day"]), int(cursor["units"])
        self.at_once = min(AT_ONCE, max(1, int(cursor.get("at_once", AT_ONCE))))

    def kept(self) -> JSON:
        newest = sorted(self.known.items(), key=lambda each: (each[1][2], each[1][1]), reverse=True)[:KEPT]
        return {
            "walk": self.walk.kept(), "known": dict(newest), "rest": self.rest, "todo": self.todo, "at": self.at,
            "walked": self.walked, "number": self.number, "daily": self.daily, "day": self.day, "units": self.units,
            "at_once": self.at_once,
        }  # fmt: skip

    # What to ask

    def begin(self) -> None:
        """The first request of a round."""
        if not (self.walked or self.todo or self.walk.at):
            self.number += 1

    @property
    def over(self) -> bool:
        return self.walked and not self.rest and not self.todo

    def end(self) -> None:
        self.walked = False

    def spend(self, now: datetime) -> None:
        """One unit, which an invalid request costs too."""
        today = str(midnight_pacific(now).date())
        self.units = self.units + 1 if self.day == today else 1
        self.day = today

    def rate(self, source: str, quota: int, now: datetime) -> Rate:
        """What reading this source may still use today; nothing YouTube answers tells it."""
        share = int(max(quota - FOR_ANSWERS, quota // 2) * SHARE[source])
        used = self.units if self.day == str(midnight_pacific(now).date()) else 0
        return Rate(f"youtube:{source}", share, max(0, share - used), midnight_pacific(now), "counted")

    # What came

    def threads(self, items: Sequence[Any]) -> None:
        """Takes note of threads; those with replies that were not given and are new are to be listed."""
        for item in items:
            one, snippet = id_in(item), item.get("snippet") if isinstance(item, dict) else None
            if not one or not isinstance(snippet, dict):
                continue
            given = replies_of(item)
            count = _number(snippet.get("totalReplyCount"))
            before = self.known.get(one, [0, 0, 0])
            if count > len(given) and count != before[0]:
                able = "" if snippet.get("canReply") is False else "yes"
                self.todo.append([one, str(snippet.get("videoId") or ""), able])
            self.known[one] = [count, max(before[1], _newest([snippet.get("topLevelComment"), *given])), self.number]

    def walked_to_the_end(self, now: datetime, talks: Sequence[str] = ()) -> None:
        """What this walk did not show is looked at again: `talks`, in turn where they are many, the fresh ones, and
        once a day all."""
        whole = now.timestamp() - self.daily >= DAY
        since = now - (MONTH if whole else FRESH)
        if whole:
            self.daily = int(now.timestamp())
        unseen = [(told[1], one) for one, told in self.known.items() if told[2] != self.number]
        found = sorted((each for each in unseen if each[0] > since.timestamp()), reverse=True)
        others = [one for _, one in found[: KEPT if whole else AT_ONCE]]
        shown = {one for one, told in self.known.items() if told[2] == self.number}
        missed = [one for one in talks if one not in shown]
        first = self.number * TALKS % len(missed) if len(missed) > TALKS else 0
        self.rest = list(dict.fromkeys([*missed[first:], *missed[:first]][:TALKS] + others))
        self.walked = True

    def looked_at(self, asked: Sequence[str], items: Sequence[Any]) -> None:
        """Threads that were asked for and not given are gone."""
        self.rest, self.at_once = self.rest[len(asked) :], min(AT_ONCE, self.at_once * 2)
        given = {id_in(item) for item in items}
        for one in asked:
            if one not in given:
                self.known.pop(one, None)
        self.threads(items)

    def refused(self, asked: Sequence[str], fault: Fault) -> list[Bad]:
        """Threads that were asked for at once, of which one is kept from us: half as many the next time, until it is
        found, and the others are looked at without it."""
        if len(asked) > 1:
            self.at_once = len(asked) // 2
            return []
        self.looked_at(asked, ())
        return [] if isinstance(fault, Gone) else [Bad(asked[0], fault.words, {"id": asked[0]})]

    def listed(self, onward: str, times: Sequence[datetime]) -> int:
        """Takes note of a page of replies of the first thread; returns how often YouTube repeated itself."""
        one, again = self.todo[0][0], bool(onward) and onward == self.at
        if one in self.known and times:
            self.known[one][1] = max(self.known[one][1], int(max(times).timestamp()))
        self.at = "" if again else onward
        if not self.at:
            self.todo.pop(0)
        return int(again)

    def drop(self) -> None:
        """The first thread is not there any more."""
        self.known.pop(self.todo.pop(0)[0], None)
        self.at = ""


def replies_of(thread: Mapping[str, Any]) -> list[Any]:
    held = thread.get("replies")
    found = held.get("comments") if isinstance(held, dict) else None
    return found if isinstance(found, list) else []


def _newest(comments: Sequence[Any]) -> int:
    newest = 0
    for each in comments:
        try:
            newest = max(newest, int(time_of(each["snippet"]["publishedAt"]).timestamp()))
        except MAPPING:
            continue  # it is set aside as bad by the mapper
    return newest


def _number(value: Any) -> int:
    try:
        return int(value or 0)
    except (TypeError, ValueError, OverflowError):
        return 0


def posts_of(items: Sequence[Any], source: str, me: str) -> tuple[list[Post], list[Bad]]:
    """The comments of threads, each mapped by itself."""
    posts, bad = list[Post](), list[Bad]()
    for place, item in enumerate(items):
        try:
            snippet = item["snippet"]
            whole = [snippet["topLevelComment"], *replies_of(item)]
            if not isinstance(whole[0], dict):
                raise ValueError("a thread without its comment")
            told = any("moderationStatus" in (each.get("snippet") or {}) for each in whole if isinstance(each, dict))
        except MAPPING as error:
            bad.append(Bad(id_in(item) or None, f"{type(error).__name__}: {error}", item, place))
            continue
        waiting = source != "comments" and not told
        about = {"video": str(snippet.get("videoId") or ""), "can_reply": snippet.get("canReply") is not False}
        found, odd = comments_of(whole, source, me, about)
        posts += [replace(post, visibility=Visibility.HELD) if waiting and not post.parent_id else post
                  for post in found]  # fmt: skip
        bad += odd
    return posts, bad


def comments_of(
    items: Sequence[Any], source: str, me: str, about: Mapping[str, Any] | None = None
) -> tuple[list[Post], list[Bad]]:
    posts, bad = list[Post](), list[Bad]()
    for place, item in enumerate(items):
        try:
            posts.append(post_of(item, source, me, about or {}))
        except MAPPING as error:
            bad.append(Bad(id_in(item) or None, f"{type(error).__name__}: {error}", item, place))
    return posts, bad


def post_of(item: Mapping[str, Any], source: str, me: str, about: Mapping[str, Any]) -> Post:
    one, snippet = item["id"], item["snippet"]
    if not isinstance(one, str) or not one:
        raise ValueError("no id")
    created_at, video = time_of(snippet["publishedAt"]), str(about.get("video") or snippet.get("videoId") or "")
    changed = time_of(snippet["updatedAt"]) if snippet.get("updatedAt") else created_at
    parent = str(snippet.get("parentId") or "")
    author = author_of(snippet, one)
    return Post(
        external_id=one,
        kind=PostKind.COMMENT,
        source=source,
        author=author,
        text=str(snippet.get("textOriginal") or snippet.get("textDisplay") or ""),
        created_at=created_at,
        edited_at=changed if changed > created_at else None,
        parent_id=parent or None,
        root_id=parent or one,
        url=f"{WATCH}?v={video}&lc={one}" if video else "",
        visibility=Visibility.HELD if snippet.get("moderationStatus") in _HELD else Visibility.PUBLIC,
        state=PostState.LIVE,
        ours=bool(me) and author.external_id == me,
        grants={"can_reply": bool(about.get("can_reply", True)), "video": video},
        raw=item,
    )


def author_of(snippet: Mapping[str, Any], comment: str) -> Author:
    """By the number of their channel. An account that was deleted has none, so nobody can tell two of them apart."""
    channel, name = snippet.get("authorChannelId"), str(snippet.get("authorDisplayName") or "")
    number = channel.get("value") if isinstance(channel, dict) else None
    return Author(
        external_id=str(number or f"comment/{comment}"),
        handle=name[1:] if name.startswith("@") else "",
        name=name,
        avatar_url=str(snippet.get("authorProfileImageUrl") or ""),
        url=str(snippet.get("authorChannelUrl") or ""),
    )

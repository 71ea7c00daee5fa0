"""Reads a forum: its public posts newest first, what is said to our user by the list of notifications, and how known
posts stand now."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.answers import Answer
from connectors.base import (
    JSON,
    MAPPING,
    Bad,
    Budget,
    Connector,
    Deleted,
    Fault,
    Gap,
    Gone,
    Invalid,
    NotPermitted,
    Page,
    Past,
    PolicyRefused,
    Post,
    PostKind,
    PostState,
    Unreadable,
    Visibility,
    Withheld,
)
from connectors.by_number import Standings, standing_of
from connectors.faults import OF_ONE
from connectors.networks.discourse.api import (
    PRIVATE,
    PUBLIC,
    WINDOW,
    judging,
    notified,
    onward_of,
    place_of,
    post_in,
    post_of,
)
from connectors.newest_first import Walk
from connectors.text import lines

WAITING = 100
"""Notifications taken from one list."""


class Reading(Connector):
    """Registers no network."""

    @property
    def _site(self) -> str:
        given = str(self.settings.get("site") or "").strip().rstrip("/")
        return given if "://" in given else f"https://{given}"

    @property
    def _user(self) -> str:
        return str(self.settings.get("user") or "").strip()

    @property
    def _me(self) -> str:
        return str(self.facts.get("user_id") or "")

    def _ask(
        self, method: str, path: str, *, now: datetime | None = None, post: Post | None = None, listing: bool = False,
        **more: Any,
    ) -> Answer:  # fmt: skip
        headers = {"Api-Key": self.secrets.get("api_key", ""), "Api-Username": self._user}
        judge = judging(now, post, listing=listing)
        return self.seam.answer(
            method, f"{self._site}{path}", now=now, headers=headers, judge=judge, bucket="discourse", **more
        )

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        return Walk.again(since) if source == "posts" else None

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        if source != "posts":
            return Past(cursor=None, words="Discourse keeps the newest notifications only.")
        return Past(cursor=Walk.again(since))

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        yield from (self._posts if source == "posts" else self._notified)(cursor, budget, now)

    def _posts(self, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        walk, wanted = Walk.read(cursor, now, WINDOW), set(lines(self.settings.get("categories")))
        gaps = walk.gaps
        while not budget.spent and not walk.ended:
            budget.spend()
            before, _, empty = walk.at.partition(":")
            asked = {"before": before} if before else {}
            answer = self._ask("GET", "/posts.json", now=now, listing=True, params=asked)
            items = answer.json(dict).get("latest_posts")
            if not isinstance(items, list):
                raise answer.unreadable("A page has no list of posts.")
            posts, bad = self._mapped(items, "posts")
            onward = onward_of(items, before, int(empty or 0))
            repeats = walk.reached(items, [post.created_at for post in posts], onward, now)
            heard = [replace(post, history=post.created_at < walk.since) for post in posts
                     if not wanted or str(post.raw.get("category_id")) in wanted]  # fmt: skip
            yield Page(posts=_oldest_first(heard), bad=bad, cursor=walk.kept(), end=walk.ended, rate=answer.rates,
                       gaps=gaps, repeats=repeats)  # fmt: skip
            gaps = ()

    def _mapped(self, items: Sequence[Any], source: str, *, direct: bool = False) -> tuple[list[Post], tuple[Bad, ...]]:
        posts, bad = list[Post](), list[Bad]()
        for place, item in enumerate(items):
            try:
                posts.append(post_of(item, self._site, self._me, source, direct=direct))
            except MAPPING as error:
                one = str(item.get("id") or "") if isinstance(item, dict) else ""
                bad.append(Bad(one or None, f"{type(error).__name__}: {error}", item, place))
        return posts, tuple(bad)

    def _notified(self, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        """The list, then the posts it names, one by one; most of them the other source has brought already."""
        place, gaps = notified(cursor, now)
        listed, public = False, dict[int, bool]()
        while not budget.spent and (place["todo"] or not listed):
            budget.spend()
            posts, bad = list[Post](), tuple[Bad, ...]()
            if place["todo"]:
                one, private = place["todo"].pop(0)
                posts, bad = self._named(one, bool(private), public, budget, now)
            else:
                listed, gaps = True, (*gaps, *self._list(place, now))
            end = listed and not place["todo"]
            heard = [replace(post, history=post.created_at.timestamp() < place["since"]) for post in posts]
            yield Page(posts=tuple(heard), bad=bad, cursor=dict(place), end=end, gaps=gaps)
            gaps = ()

    def _list(self, place: JSON, now: datetime) -> tuple[Gap, ...]:
        answer = self._ask("GET", "/notifications.json", now=now, listing=True)
        items = answer.json(dict).get("notifications")
        if not isinstance(items, list):
            raise answer.unreadable("A page has no list of notifications.")
        seen, found = int(place["seen"]), list[list[int]]()
        ids = [int(each["id"]) for each in items if isinstance(each, dict) and isinstance(each.get("id"), int)]
        for each in items:
            one = post_in(each)
            if one and each["id"] > seen:
                found.append([one, int(each.get("notification_type") == PRIVATE)])
        if seen:  # whatever was not listed before is news, however old the post that it is about
            place["since"] = 0
        place["todo"], place["seen"] = found[::-1][-WAITING:], max([seen, *ids])
        if seen and len(ids) >= 30 and min(ids) > seen:
            return (Gap(None, now, "More was said to us at once than the forum lists."),)
        return ()

    def _named(
        self, one: int, private: bool, public: dict[int, bool], budget: Budget, now: datetime
    ) -> tuple[list[Post], tuple[Bad, ...]]:
        """Who is named or answered within a private message is told so as anywhere else, and a post does not say where
        it stands: its topic does."""
        try:
            item = self._ask("GET", f"/posts/{one}.json", now=now).json(dict)
        except (Gone, Invalid):
            return [], ()
        # Its topic was closed to us since, or it is told oddly: the others are read all the same.
        except (NotPermitted, PolicyRefused, Unreadable) as fault:
            self._tells_others(fault, budget, now)
            return [], (Bad(str(one), fault.words, {"id": one}),)
        topic = item.get("topic_id")
        if not private and isinstance(topic, int) and topic not in public:
            public[topic] = self._is_public(topic, budget, now)
        return self._mapped([item], "notifications", direct=private or not public.get(topic, False))

    def _is_public(self, topic: int, budget: Budget, now: datetime) -> bool:
        """Whatever is not known to be meant for everybody is not."""
        budget.spend()
        try:
            return self._ask("GET", f"/t/{topic}.json", now=now).json(dict).get("archetype") in PUBLIC
        except OF_ONE as fault:
            self._tells_others(fault, budget, now)
            return False

    def _tells_others(self, fault: Fault, budget: Budget, now: datetime) -> None:
        """An odd answer is about one post as long as the list of all can be read. A page of whoever stands before the
        forum comes in place of both and passes: Unreadable, and all that is to be read waits."""
        if isinstance(fault, Unreadable):
            budget.spend()
            self._ask("GET", "/posts.json", now=now, listing=True).json(dict)

    def _one(self, one: str, now: datetime | None = None) -> tuple[Post, JSON]:
        topic, number = place_of(one)
        return self._read(f"/posts/by_number/{topic}/{number}.json", now)

    def _read(self, path: str, now: datetime | None) -> tuple[Post, JSON]:
        answer = self._ask("GET", path, now=now)
        item: JSON = answer.json(dict)
        posts, _ = self._mapped([item], "refresh")
        if not posts:
            raise answer.unreadable("It is no post.")
        return posts[0], item

    def _set_aside(self, one: str, now: datetime) -> Post:
        """A post that could not be read, of which only its own number is known; its topic says for whom it is."""
        post, item = self._read(f"/posts/{one}.json", now)
        try:
            topic = int(item["topic_id"])
        except MAPPING as error:
            raise Unreadable("The post does not say in which topic it stands.") from error
        if self._is_public(topic, Budget(), now):
            return post
        return replace(post, kind=PostKind.DIRECT, visibility=Visibility.DIRECT)

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        def ask(asked: list[str]) -> Standings:
            numbered = asked[0].isascii() and asked[0].isdecimal()
            # Whether its topic is private is not told by a post itself.
            post = self._set_aside(asked[0], now) if numbered else replace(self._one(asked[0], now)[0], whole=False)
            return [Deleted(asked[0]) if post.state is PostState.DELETED else post]

        return standing_of(ids, 1, ask)

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        if not post.parent_id:
            return []
        above, _ = self._one(post.parent_id, now)
        return [replace(above, kind=post.kind, visibility=post.visibility)]  # one topic, one audience


def _oldest_first(posts: Sequence[Post]) -> tuple[Post, ...]:
    return tuple(sorted(posts, key=lambda post: (post.created_at, post.external_id)))

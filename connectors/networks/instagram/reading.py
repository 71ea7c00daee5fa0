"""Reads an Instagram account: its media and the comments under them, what tags it, hashtags, and mentions, which only
deliveries tell of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from connectors.base import (
    JSON,
    MAPPING,
    Budget,
    Deleted,
    Fault,
    Gone,
    Invalid,
    NotPermitted,
    Page,
    Past,
    Post,
    PostKind,
    Withheld,
)
from connectors.by_number import standing_of
from connectors.meta.app import mapped
from connectors.meta.graph import Graph, following, listed, named, pause, slower, time_of
from connectors.meta.messages import Messaging
from connectors.meta.rounds import Step, in_rounds, page_of
from connectors.networks.facebook.api import excerpt, newest_first
from connectors.networks.instagram.api import (
    COMMENT,
    MEDIA,
    MENTIONED,
    TAGGED,
    UNDER_MEDIA,
    comment_of,
    flat,
    medium_of,
)
from connectors.newest_first import Walk
from connectors.rounds import REFUSED, Listed, Round

WINDOW, LISTED = timedelta(hours=48), timedelta(days=30)
BATCH, WHOLLY_READ = 50, 200
"""Ids of one request, and comments up to which a medium is read to its end, because answers stand below old ones."""
HASHTAG = "id,caption,media_type,media_url,permalink,timestamp,comments_count,like_count"


class AccountReading(Messaging):
    """The listening half of Instagram."""

    platform = "instagram"
    at_once = BATCH

    @property
    def _account_id(self) -> str:
        if not self.facts.get("account_id"):
            raise NotPermitted("Run the test first: it finds the account behind the page.", what="account")
        return str(self.facts["account_id"])

    @property
    def _ours(self) -> frozenset[str]:
        name = self.facts.get("username")
        return super()._ours | ({f"name:{name}"} if name else frozenset())

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        if source == "comments":
            return self._comments(cursor, budget, now)
        if source == "messages":
            return self._messages(cursor, budget, now)
        return self._shown(source, cursor, budget, now)

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        if source in ("tags", "messages"):
            return Past(cursor=Walk.again(since), newest_first=source == "tags")
        if source != "comments":
            return Past(cursor=None, words="Instagram gives the posts of a hashtag for one day only.")
        since, words = max(since, now - LISTED), "Comments under media of the last 30 days are read."
        return Past(cursor=Round.again(since, now), since=since, words=words, newest_first=False)

    def _shown(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        """What others show that tags us or has a hashtag, whose number is looked up once."""
        walk, graph = Walk.read(cursor, now, WINDOW), self._graph(now)
        tag, gaps = str((cursor or {}).get("tag") or ""), walk.gaps
        while not budget.spent and not walk.ended:
            budget.spend()
            if source != "tags" and not tag:
                tag = self._hashtag(graph, source)
                yield Page(posts=(), cursor={**walk.kept(), "tag": tag}, end=False, rate=graph.rates, gaps=gaps)
                gaps = ()
                continue
            told = page_of(walk.at, walk.restart, partial(self._shown_page, graph, tag))
            items = listed(graph.answer, told)
            posts, bad = mapped(items, lambda item: medium_of(item, self._ours, source))
            repeats = walk.reached(items, [post.created_at for post in posts], following(told), now)
            heard = [replace(post, history=post.created_at < walk.since) for post in posts if not post.ours]
            kept, interval = {**walk.kept(), "tag": tag}, slower(graph.rates, 1800, now)
            yield Page(posts=newest_first(heard), bad=bad, cursor=kept, end=walk.ended, rate=graph.rates, gaps=gaps,
                       repeats=repeats, interval=interval)  # fmt: skip
            gaps = ()
            pause(graph.rates, now)

    def _hashtag(self, graph: Graph, source: str) -> str:
        told = graph.get_object("ig_hashtag_search", user_id=self._account_id, q=source.partition(":")[2])
        found = listed(graph.answer, told)
        if not found or not isinstance(found[0], dict) or not found[0].get("id"):
            raise Gone("Instagram does not know this hashtag.", what=source)
        return named(found[0]["id"])

    def _shown_page(self, graph: Graph, tag: str, **more: str) -> JSON:
        if tag:
            asked = {"user_id": self._account_id, "fields": HASHTAG, "limit": 50}
            return dict(graph.get_connections(tag, "recent_media", **asked, **more))
        return dict(graph.get_connections(self._account_id, "tags", fields=TAGGED, limit=50, **more))

    def _comments(self, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        """Lists the media of a month, then reads those whose number of comments changed."""
        graph = self._graph(now)

        def step(reading: Round) -> Step:
            return (self._under if reading.todo else self._media)(graph, reading, now)

        yield from in_rounds(cursor, budget, now, 120, step)

    def _media(self, graph: Graph, reading: Round, now: datetime) -> Step:
        ask = partial(graph.get_connections, self._account_id, "media", fields=MEDIA, limit=50)
        told = page_of(reading.listing, reading.restart, ask)
        items = [item for item in listed(graph.answer, told) if isinstance(item, dict) and item.get("id")]
        recent = [item for item in items if _is_after(item, now - LISTED)]
        more = following(told) if len(recent) == len(items) else ""
        repeats = reading.plan([_listed(item) for item in recent], more, now)
        if reading.listed:
            media = self.hosts(self.open_roots())  # those of comments
            reading.attend([one for one in dict.fromkeys(media.values()) if one.isdecimal()], now)
        return [], (), repeats, graph.rates

    def _under(self, graph: Graph, reading: Round, now: datetime) -> Step:
        stop = reading.todo[0]
        ask = partial(graph.get_connections, stop.post, "comments", fields=UNDER_MEDIA, limit=50)
        try:
            told = page_of(reading.at, reading.restart, ask)
        except REFUSED as fault:
            reading.refused(fault)
            return [], (), 0, graph.rates
        items, about = listed(graph.answer, told), {"id": stop.post, "subject": stop.subject}
        threads, bad = mapped(flat(items), lambda item: comment_of(item, self._ours, about))
        whole = reading.whole or 0 <= stop.mark <= WHOLLY_READ
        times = [post.created_at for post in threads]
        return threads, bad, reading.reached(items, times, following(told), now, more=whole), graph.rates

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        """Comments as they stand. Of media only their deletion is told; messages cannot be changed."""
        return standing_of([one for one in ids if one.isdecimal()], BATCH, lambda asked: self._standing(asked, now))

    def _standing(self, ids: list[str], now: datetime, fields: str = COMMENT) -> list[Post | Deleted | Withheld]:
        """A medium among comments spoils the answer too: media have other fields."""
        try:
            told = self._graph(now).get_objects(ids, fields=fields)
        except Invalid:
            return self._standing(ids, now, "id,timestamp") if fields is COMMENT else []
        except Gone:
            if len(ids) == 1 and fields is COMMENT and (elsewhere := self._mentioned(ids[0], now)):
                return elsewhere
            raise
        gone = [Deleted(one) for one in ids if not isinstance(told.get(one), dict)]
        if fields is not COMMENT:
            return list(gone)
        here = [told[one] for one in ids if isinstance(told.get(one), dict)]
        # Not whether it stands below somebody else's.
        posts, _ = mapped(here, lambda item: replace(comment_of(item, self._ours, {}), whole=False))
        return [*posts, *gone]

    def _mentioned(self, comment: str, now: datetime) -> list[Post | Deleted | Withheld]:
        """A comment elsewhere that names us, which is not told by its number, as far as it is still there."""
        try:
            found = self._mention({"comment_id": comment}, now)
        except MAPPING as error:
            kept = isinstance(error.__cause__, NotPermitted)
            return [Withheld(comment, "It is shown to others only.")] if kept else []
        return [replace(found, whole=False)] if found else []

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        """The comment above an answer; answers have no more than one above them."""
        above = post.raw.get("parent_id")
        if post.kind is not PostKind.COMMENT or not above:
            return []
        return [comment_of(self._graph(now).get_object(str(above), fields=COMMENT), self._ours, {})]

    def _pushed(self, item: Mapping[str, Any], now: datetime) -> Post | None:
        """Comments as they are told; of mentions only the number, so they are asked for."""
        value = item["value"]
        if item["to"] not in self._ours or not isinstance(value, dict):
            return None
        if item["field"] == "comments":
            # comment_of finds the medium in it as well.
            return replace(comment_of({**value, "timestamp": item["time"]}, self._ours, {}), whole=False)
        return self._mention(value, now) if item["field"] == "mentions" else None

    def _mention(self, value: Mapping[str, Any], now: datetime) -> Post | None:
        graph = self._graph(now)
        comment, medium = value.get("comment_id"), value.get("media_id")
        if comment:
            field = f"mentioned_comment.comment_id({named(comment)}){{{MENTIONED}}}"
        else:
            field = f"mentioned_media.media_id({named(medium)}){{{TAGGED}}}"
        try:
            told = graph.get_object(self._account_id, fields=field)
        except (Gone, Invalid, NotPermitted) as fault:  # deleted meanwhile, or shown to others only
            raise ValueError(f"the mention cannot be read: {Fault.__str__(fault)}") from fault
        if comment:
            return comment_of(told["mentioned_comment"], self._ours, {"id": medium, "theirs": True})
        return medium_of(told["mentioned_media"], self._ours, "mentions")


def _listed(item: Mapping[str, Any]) -> Listed:
    count, subject = item.get("comments_count"), excerpt(item)
    known = isinstance(count, int | str) and str(count).isdecimal()
    return Listed(str(item["id"]), int(str(count)) if known else 0, subject, always=not known)


def _is_after(item: Mapping[str, Any], limit: datetime) -> bool:
    try:
        return time_of(item["timestamp"]) >= limit
    except MAPPING:
        return True

"""Reads a Facebook page: its posts and the comments under them, what visitors write, recommendations, and how known
ones stand now."""

import re
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
    Invalid,
    Page,
    Past,
    Post,
    PostKind,
    Withheld,
)
from connectors.by_number import standing_of
from connectors.meta.app import mapped
from connectors.meta.graph import Graph, following, listed, pause, slower
from connectors.meta.messages import Messaging
from connectors.meta.rounds import Step, in_rounds, page_of
from connectors.networks.facebook.api import (
    ABOVE,
    COMMENT,
    POST,
    RATING,
    VISIT,
    change_of,
    comment_of,
    excerpt,
    newest_first,
    post_of,
    rating_of,
    seconds,
)
from connectors.newest_first import Walk
from connectors.rounds import OVERLAP, REFUSED, Listed, Round

WINDOW, LISTED = timedelta(hours=48), timedelta(days=30)
BATCH = 50
_NUMBERS = re.compile(r"[0-9]+_[0-9]+")
_EDGES = {"visitor_posts": ("visitor_posts", VISIT), "tagged": ("tagged", POST), "ratings": ("ratings", RATING)}


class PageReading(Messaging):
    """The listening half of the Facebook page."""

    platform = "messenger"
    at_once = BATCH

    @property
    def _me(self) -> str:
        return str(self.facts.get("account_id") or "")

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        if source == "comments":
            return self._comments(cursor, budget, now)
        if source == "messages":
            return self._messages(cursor, budget, now)
        return self._edge(source, cursor, budget, now)

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        return Round.again(since, now) if source == "comments" else Walk.again(since)

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        if source != "comments":
            return Past(cursor=Walk.again(since), newest_first=source != "messages")
        since, words = max(since, now - LISTED), "Comments under posts of the last 30 days are read."
        return Past(cursor=Round.again(since, now), since=since, words=words, newest_first=False)

    def _edge(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        walk, graph = Walk.read(cursor, now, WINDOW), self._graph(now)
        edge, fields = _EDGES[source]
        gaps = walk.gaps
        while not budget.spent and not walk.ended:
            budget.spend()
            ask = partial(graph.get_connections, self._page_id, edge, fields=fields, limit=50)
            told = page_of(walk.at, walk.restart, ask)
            items = listed(graph.answer, told)
            posts, bad = mapped(items, lambda item: self._heard(item, source, walk.since))
            repeats = walk.reached(items, [post.created_at for post in posts], following(told), now)
            heard = newest_first([post for post in posts if not post.ours])
            yield Page(posts=heard, bad=bad, cursor=walk.kept(), end=walk.ended, rate=graph.rates, gaps=gaps,
                       repeats=repeats, interval=slower(graph.rates, 300, now))  # fmt: skip
            gaps = ()
            pause(graph.rates, now)

    def _heard(self, item: Mapping[str, Any], source: str, history_before: datetime) -> Post:
        post = rating_of(item, self._me) if source == "ratings" else post_of(item, self._me, source)
        return replace(post, history=post.created_at < history_before)

    def _comments(self, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        """Lists the posts of a month, then reads those with something new, the newest first."""
        graph = self._graph(now)

        def step(reading: Round) -> Step:
            return (self._comments_page if reading.todo else self._posts_page)(graph, reading, now)

        yield from in_rounds(cursor, budget, now, 60, step)

    def _posts_page(self, graph: Graph, reading: Round, now: datetime) -> Step:
        """A page of the list. Visitors' posts are heard at once, so that their comments find them."""
        asked = {"fields": VISIT, "limit": 50, "since": int((now - LISTED).timestamp())}
        ask = partial(graph.get_connections, self._page_id, "feed", **asked)
        told = page_of(reading.listing, reading.restart, ask)
        items = [item for item in listed(graph.answer, told) if isinstance(item, dict) and item.get("id")]
        found = [_listed(item, now) for item in items]
        repeats = reading.plan(sorted(found, key=lambda each: -each.mark), following(told), now)
        if reading.listed:
            reading.attend(self._talked_about(reading), now)
        visitors = [item for item in items if self._me and _sender(item) not in ("", self._me)]
        posts, bad = mapped(visitors, lambda item: post_of(item, self._me, "visitor_posts"))
        return posts, bad, repeats, graph.rates

    def _comments_page(self, graph: Graph, reading: Round, now: datetime) -> Step:
        stop = reading.todo[0]
        asked = {"filter": "stream", "order": "reverse_chronological", "limit": 100, "fields": COMMENT,
                 "since": max(0, stop.since)}  # fmt: skip
        try:
            told = page_of(reading.at, reading.restart, partial(graph.get_connections, stop.post, "comments", **asked))
        except REFUSED as fault:
            reading.refused(fault)
            return [], (), 0, graph.rates
        items = listed(graph.answer, told)
        posts, bad = mapped(items, lambda item: comment_of(item, self._me, post=stop.post, subject=stop.subject))
        repeats = reading.reached(items, [post.created_at for post in posts], following(told), now)
        return posts, bad, repeats, graph.rates

    def _talked_about(self, reading: Round) -> list[str]:
        """The posts in whose threads conversations are open. A comment that is not stored begins with the number of its
        post; a post elsewhere that tags the page looks just so, and there is none of the page with its number."""
        page, posts = f"{self._page_id}_", dict[str, None]()
        roots = list(filter(_NUMBERS.fullmatch, self.open_roots()))
        hosts = self.hosts(roots)
        for one in roots:
            above = hosts.get(one, page + one.split("_")[0]) or one
            posts[one if one.startswith(page) or reading.is_kept_back(above) else above] = None
        return list(posts)

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        """Comments in batches. Messages cannot be changed; posts and recommendations are read one by one."""
        mine = f"{self._page_id}_"
        asked = [one for one in ids if "_" in one and not one.startswith(("m_", "mid", "unknown", "rating:"))]
        posts = [one for one in asked if one.startswith(mine)]
        comments = [one for one in asked if not one.startswith(mine)]
        standing = standing_of(comments, BATCH, lambda asked: self._standing(asked, now))
        return standing + standing_of(posts, 1, lambda asked: self._standing(asked, now, VISIT))

    def _standing(self, ids: list[str], now: datetime, fields: str = COMMENT) -> list[Post | Deleted | Withheld]:
        """A post elsewhere that tags the page has an id like a comment's, and other fields."""
        graph = self._graph(now)
        try:
            told = graph.get_objects(ids, fields=fields)
        except Invalid:
            if len(ids) > 1 or fields is not COMMENT:
                raise
            return self._standing(ids, now, POST)
        standing: list[Post | Deleted | Withheld] = []
        for one in ids:
            if not isinstance(told.get(one), dict):
                standing.append(Deleted(one))
            elif fields is COMMENT:
                standing += mapped([told[one]], lambda item: comment_of(item, self._me))[0]
            else:
                standing += mapped([told[one]], lambda item: post_of(item, self._me, "visitor_posts"))[0]
        return standing

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        if post.kind is not PostKind.COMMENT:
            return []
        graph = self._graph(now)
        told = graph.get_object(post.external_id, fields=f"parent{{{ABOVE},parent{{{ABOVE}}}}}")
        under, above = post.external_id.split("_")[0], list[Post]()
        while isinstance(told.get("parent"), dict) and len(above) < BATCH:
            told = told["parent"]
            above.insert(0, comment_of(told, self._me, post=under))
        return above

    def _pushed(self, item: Mapping[str, Any], now: datetime) -> Post | None:
        """Comments and posts; messages come without names, so the poll brings them."""
        if item["field"] != "feed" or not isinstance(item["value"], dict) or item["to"] not in self._ours:
            return None
        return change_of(item["value"], self._me)


def _listed(item: Mapping[str, Any], now: datetime) -> Listed:
    """A post whose last change cannot be read, or is so fresh that latecomers may follow, is looked into each time."""
    try:
        mark = seconds(item.get("updated_time") or item["created_time"])
    except MAPPING:
        return Listed(str(item["id"]), 0, excerpt(item), always=True)
    return Listed(str(item["id"]), mark, excerpt(item), mark > (now - OVERLAP).timestamp(), changed=mark)


def _sender(item: Mapping[str, Any]) -> str:
    sender = item.get("from")
    return str(sender.get("id") or "") if isinstance(sender, dict) else ""

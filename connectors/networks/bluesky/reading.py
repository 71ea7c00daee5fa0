"""What Bluesky shows us, as posts: notifications and searches onward and back, and again for posts we hold."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connectors.base import (
    JSON,
    MAPPING,
    Bad,
    Budget,
    Deleted,
    Gone,
    Invalid,
    Page,
    Past,
    Post,
    PostKind,
    Source,
    Unreadable,
    Withheld,
)
from connectors.faults import OF_ONE
from connectors.networks.bluesky.api import (
    parts_of,
    post_of,
    time_of,
)
from connectors.networks.bluesky.jetstream import SHOWS, Announced
from connectors.networks.bluesky.searches import Search
from connectors.newest_first import Walk
from connectors.text import lines, read_json

WINDOW = timedelta(hours=48)
_KINDS = {"mention": PostKind.MENTION, "reply": PostKind.REPLY, "quote": PostKind.QUOTE}
BATCH = 25


class Reading(Announced):
    """Registers no network."""

    at_once = BATCH

    def listening(self) -> tuple[Source, ...]:
        notifications, search = self.sources
        found = [
            Source(f"search:{words}", f"Search {words}", search.interval, search.least, search.most)
            for words in lines(self.settings.get("searches"))
        ]
        return (notifications, *found) if self._account else tuple(found)

    # Listening

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        return Walk.again(since)

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        return Past(cursor=Walk.again(since), whole=source == "notifications")

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        walk = Walk.read(cursor, now, WINDOW)
        while not budget.spent:
            budget.spend()
            try:
                answer, items, onward = self._page(source, walk.at, now)
            except Invalid:
                if walk.restart():
                    continue
                raise
            posts, bad = self._mapped(items, source, walk.since)
            repeats = walk.reached(items, _seen(items), onward, now, sorts=True)
            yield Page(
                posts=posts, bad=bad, cursor=walk.kept(), end=walk.ended, rate=answer.rates, gaps=walk.gaps,
                repeats=repeats,
            )  # fmt: skip
            if walk.ended:
                return
            walk.gaps = ()

    def unpack(self, body: bytes, now: datetime) -> Page:
        """Posts that Jetstream showed for one search, as the network shows them; those not shown yet come later."""
        told = read_json(body)
        source, wanted = str(told["source"]), [str(uri) for uri in told["items"]]
        views = {str(view.get("uri")): view for view in self._views(wanted, now=now) if isinstance(view, dict)}
        found, bad = self._mapped(list(views.values()), source, None)
        search = Search.of(source.partition(":")[2])
        posts = tuple(post for post in found if search is None or search.is_by(post.author.handle, post.lang))
        missing = [uri for uri in wanted if uri not in views]
        waits = missing and now.timestamp() - float(told["at"]) < SHOWS.total_seconds()
        later = json.dumps({**told, "items": missing}) if waits else ""
        return Page(posts=posts, bad=bad, cursor={}, end=True, found_by=source, later=later)

    def _page(self, source: str, at: str, now: datetime) -> tuple[Any, list[Any], str]:
        kind, _, words = source.partition(":")
        asked = [("limit", "100"), *([("cursor", at)] if at else [])]
        if kind == "notifications":
            name, what = "app.bsky.notification.listNotifications", "notifications"
            asked += [("reasons", reason) for reason in _KINDS]
        else:
            name, what = "app.bsky.feed.searchPosts", "posts"
            asked += [("q", words), ("sort", "latest")]
        answer = self._ask("GET", name, now=now, params=asked)
        found = answer.json(dict)
        if not isinstance(found.get(what), list):
            raise Unreadable(f"A page has no {what}.")
        return answer, found[what], str(found.get("cursor") or "")

    def _mapped(
        self, items: Sequence[Any], source: str, history_before: datetime | None
    ) -> tuple[tuple[Post, ...], tuple[Bad, ...]]:
        posts: dict[str, Post] = {}
        bad, me = [], self._me
        for place, item in enumerate(items):
            try:
                kind = _KINDS.get(item.get("reason")) if source == "notifications" else None
                if source == "notifications" and kind is None:
                    continue
                post = post_of(item, source=source, me=me, kind=kind, history_before=history_before)
            except MAPPING as error:
                bad.append(Bad(uri_of(item) or None, f"{type(error).__name__}: {error}", item, place))
                continue
            if not post.ours or post.parent_id:
                # A list does not tell what is hidden, and notifications not what we like.
                posts[post.external_id] = replace(post, whole=False)
        return tuple(sorted(posts.values(), key=lambda post: (post.created_at, post.external_id))), tuple(bad)

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        standing: list[Post | Deleted | Withheld] = []
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            items = self._views(batch, now=now)
            shown = {uri_of(item) for item in items}  # what is there but cannot be read is not deleted
            posts = self._mapped(items, "refresh", None)[0]
            hidden = self._hidden(posts, now)
            standing += [replace(post, whole=True, grants={**post.grants, "hidden": post.external_id in hidden})
                         for post in posts]  # fmt: skip
            standing += filter(None, (self._missing(uri, now) for uri in batch if uri not in shown))
        return standing

    def _hidden(self, posts: Sequence[Post], now: datetime) -> set[str]:
        """What is hidden in the threads of ours in which these stand; the thread's first post says so."""
        ours = [root for post in posts if (root := str(post.grants["root"])).startswith(f"at://{self._me}/")]
        views = self._views(list(dict.fromkeys(ours)), now=now) if self._me and ours else []
        gates = [view.get("threadgate") for view in views if isinstance(view, dict)]
        records = [gate.get("record") for gate in gates if isinstance(gate, dict)]
        lists = [record.get("hiddenReplies") for record in records if isinstance(record, dict)]
        return {str(uri) for uris in lists if isinstance(uris, list) for uri in uris}

    def _missing(self, uri: str, now: datetime) -> Deleted | Withheld | None:
        """Who blocks us disappears like who deletes, and so does what the network is slow to show: the record itself
        tells, then its author. None where neither says. The view of the whole network has no name of its own for most
        accounts that are closed, and one account keeps nothing from us of the others; a refusal of the record without
        a name says nothing yet of its author."""
        repo, collection, rkey = parts_of(uri)
        try:
            with suppress(Invalid):
                self._record(repo, collection, rkey, now=now)
            author = self._ask("GET", "app.bsky.actor.getProfile", now=now, params={"actor": repo}).json(dict)
        except (Gone, Invalid) as fault:
            if fault.what == "RecordNotFound":
                return Deleted(uri)
            return Withheld(uri, "Its author's account is closed.")
        except OF_ONE:
            return None
        viewer = author.get("viewer") or {}
        blocked = viewer.get("blockedBy") or viewer.get("blocking")
        return Withheld(uri, "One of the two accounts blocks the other.") if blocked else None

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        asked = {"uri": post.external_id, "depth": "0", "parentHeight": "80"}
        node = self._ask("GET", "app.bsky.feed.getPostThread", now=now, params=asked).json(dict).get("thread")
        above = []
        while isinstance(node, dict):
            node = node.get("parent")
            if isinstance(node, dict) and isinstance(node.get("post"), dict):
                above.append(post_of(node["post"], source="context", me=self._me))
        return above[::-1]


def _seen(items: Sequence[Any]) -> list[datetime]:
    """The times the network sorts by."""
    times = []
    for item in items:
        try:
            times.append(time_of(item["indexedAt"]))
        except (KeyError, TypeError, ValueError):
            continue  # it is set aside as bad by the mapper
    return times


def uri_of(item: Any) -> str:
    return str(item.get("uri") or "") if isinstance(item, dict) else ""

"""Bluesky, and any server of the AT protocol. Reads raw answers, because the network's library refuses a whole page
for one odd author. A reply has a record key of its own that follows from its key, so that sending it again makes no
second post. The network takes replies to deleted posts, so the parent is read before. Pictures of posts that came as
notifications are looked for where the public service keeps them (unverified elsewhere)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy

from connectors.base import (
    JSON,
    Absent,
    Bad,
    Budget,
    CannotKnow,
    Capability,
    Deleted,
    Done,
    Field,
    Found,
    Gone,
    Invalid,
    Measure,
    MediaRule,
    Medium,
    Needs,
    Outgoing,
    Page,
    Past,
    PolicyRefused,
    Post,
    PostKind,
    PostState,
    Sent,
    Source,
    TextRule,
    Unreadable,
    Uploaded,
    Verb,
    Way,
    Withheld,
)
from connectors.networks.bluesky import uploads
from connectors.networks.bluesky.api import (
    GATES,
    LIKES,
    POSTS,
    address_of,
    parts_of,
    post_of,
    record_key,
    time_of,
)
from connectors.networks.bluesky.jetstream import Announced
from connectors.networks.bluesky.text import LONGEST, LONGEST_BYTES, facets
from connectors.newest_first import Walk
from connectors.rates import http_date
from connectors.text import graphemes, lines
from connectors.topics import dialects

WINDOW = timedelta(hours=48)
BATCH, HIDDEN = 25, 300
_KINDS = {"mention": PostKind.MENTION, "reply": PostKind.REPLY, "quote": PostKind.QUOTE}


class Bluesky(Announced):
    name = "bluesky"
    label = "Bluesky"
    needs = Needs(
        way=Way.NOW,
        does=gettext_lazy(
            "Mentions, replies, quotes and searches; public answers, likes, hidden replies. Direct messages "
            "are not open to programs."
        ),
        apply=gettext_lazy("An app password, made in a minute in the account’s own settings."),
        cost=gettext_lazy("Free."),
    )
    form = (
        Field("handle", "Handle", "name.bsky.social; empty to search without an account", required=False),
        Field(
            "app_password",
            "App password",
            "Made there under Settings, Privacy and security; not the account's own password",
            secret=True,
            required=False,
        ),
        Field(
            "server", "Server", "Only for an account on a server of its own", kind="host", required=False, advanced=True
        ),
        Field("searches", "Searches", "One a line", required=False, kind="lines"),
        Field(
            "arrival",
            "New posts are",
            "At once takes some GB a day: Jetstream, a free service, sends every post of the network",
            required=False,
            kind="choice",
            advanced=True,
            choices=(("", "Asked for twice a minute"), ("jetstream", "Heard of at once")),
        ),
    )
    sources = (
        Source("notifications", "Mentions, replies and quotes", 30, 15, 120),
        Source("search", "Search", 60, 30, 600),
    )
    text_rule = TextRule(LONGEST)
    lag = 5.0
    keyed = True
    keeps_uploads = 1_800.0
    recordings = ("bluesky",)
    dialect = dialects.BLUESKY

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
            repeats = walk.reached(items, _seen(items), onward, now)
            yield Page(
                posts=posts, bad=bad, cursor=walk.kept(), end=walk.ended, rate=answer.rates, gaps=walk.gaps,
                repeats=repeats,
            )  # fmt: skip
            if walk.ended:
                return
            walk.gaps = ()

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
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                bad.append(Bad(_uri(item) or None, f"{type(error).__name__}: {error}", item, place))
                continue
            if not post.ours or post.parent_id:
                posts[post.external_id] = post
        return tuple(sorted(posts.values(), key=lambda post: (post.created_at, post.external_id))), tuple(bad)

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        standing: list[Post | Deleted | Withheld] = []
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            items = self._views(batch, now=now)
            shown = {_uri(item) for item in items}  # what is there but cannot be read is not deleted
            standing += self._mapped(items, "refresh", None)[0]
            standing += filter(None, (self._missing(uri, now) for uri in batch if uri not in shown))
        return standing

    def _missing(self, uri: str, now: datetime) -> Deleted | Withheld | None:
        """Who blocks us disappears like who deletes, and so does what the network is slow to show: the record itself
        tells, then its author. None where neither says."""
        repo, collection, rkey = parts_of(uri)
        try:
            self._record(repo, collection, rkey, now=now)
            author = self._ask("GET", "app.bsky.actor.getProfile", now=now, params={"actor": repo}).json(dict)
        except Gone as fault:
            if fault.what == "RecordNotFound":
                return Deleted(uri)
            return Withheld(uri, "Its author's account is closed.")
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

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        parent = outgoing.parent
        reply = self._current(parent)
        record: JSON = {
            "$type": POSTS,
            "text": outgoing.text,
            "createdAt": _zulu(outgoing.sending_at),
            "reply": reply,
        }
        handles = {parent.author.handle: parent.author.external_id}
        if found := facets(outgoing.text, lambda handle: handles.get(handle) or self._did(handle)):
            record["facets"] = found
        if outgoing.lang:
            record["langs"] = [outgoing.lang]
        if outgoing.media:
            record["embed"] = uploads.embed(outgoing.media)
        answer = self._put(POSTS, record_key(outgoing.key, parent.created_at), record)
        uri = answer.json(dict).get("uri")
        if not isinstance(uri, str) or not uri:
            raise answer.unreadable("The answer to a new post has no address.")
        return Sent(uri, address_of(uri))

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        return uploads.RULE

    def upload(self, medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
        if medium.kind != "video":
            return uploads.step(self._ask, medium)
        service = str(self.settings.get("video_url") or uploads.SERVICE)
        return uploads.Video(self._ask, self.seam, service, self._me).step(medium, outgoing, so_far)

    def _current(self, post: Post) -> JSON:
        """What a reply to this refers to, as it stands now. The network itself would take a reply to nothing."""
        wanted = [uri for uri in dict.fromkeys((post.external_id, str(post.grants.get("root") or ""))) if uri]
        views = {_uri(view): view for view in self._views(wanted)}
        parent = views.get(post.external_id)
        if parent is None:
            raise Gone("It was deleted or is no longer visible to us.", what=post.external_id)
        if (parent.get("viewer") or {}).get("replyDisabled"):
            raise PolicyRefused("Its author lets only some people answer.", rule="threadgate", url=post.url)
        here = {"uri": parent["uri"], "cid": parent["cid"]}
        root = (parent["record"].get("reply") or {}).get("root") or here
        now = views.get(root["uri"], root)
        return {"root": {"uri": now["uri"], "cid": now["cid"]}, "parent": here}

    def _did(self, handle: str) -> str:
        name = "com.atproto.identity.resolveHandle"
        answer = self._ask("GET", name, params={"handle": handle}, accept=(400, 404))
        return str(answer.json(dict).get("did") or "") if answer.status == 200 else ""

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        try:
            found = self._record(self._me, POSTS, record_key(outgoing.key, outgoing.parent.created_at))
        except Gone:
            return Absent()
        return Found(str(found["uri"]), address_of(str(found["uri"])))

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        if verb in ("like", "unlike"):
            return self._like(post, verb == "like")
        if verb in ("hide", "unhide"):
            return self._gate(post, verb == "hide")
        if verb == "delete":
            self._drop(post.external_id)
            return Done()
        return super().do(verb, post, text)

    def _like(self, post: Post, wanted: bool) -> Done:
        views = self._views([post.external_id])
        if not views:
            raise Gone("It was deleted or is no longer visible to us.", what=post.external_id)
        liked = str((views[0].get("viewer") or {}).get("like") or "")
        if wanted and not liked:
            subject = {"uri": post.external_id, "cid": views[0]["cid"]}
            record = {"$type": LIKES, "subject": subject, "createdAt": self._server_time(post)}
            liked = str(self._put(LIKES, record_key(post.external_id, post.created_at), record).json(dict).get("uri"))
        elif liked and not wanted:
            self._drop(liked)
        return Done(replace(post, grants={**post.grants, "liked": liked if wanted else ""}))

    def _gate(self, post: Post, hide: bool) -> Done:
        """Whose thread it is may hide replies in it, by a list beside the thread's first post."""
        root, (_, _, rkey) = str(post.grants["root"]), parts_of(str(post.grants["root"]))
        swap: Any = None
        gate: JSON = {"$type": GATES, "post": root}
        try:
            found = self._record(self._me, GATES, rkey)
            swap, gate = found.get("cid"), dict(found["value"])
        except Gone:
            gate["createdAt"] = self._server_time(post)
        hidden = [uri for uri in gate.get("hiddenReplies") or () if uri != post.external_id]
        if len(hidden) >= HIDDEN and hide:
            raise PolicyRefused(f"A thread hides at most {HIDDEN} replies.", rule="threadgate", url=post.url)
        gate["hiddenReplies"] = [*hidden, post.external_id] if hide else hidden
        self._put(GATES, rkey, gate, swapRecord=swap)
        return Done(replace(post, grants={**post.grants, "hidden": hide}))

    def _drop(self, uri: str) -> None:
        _, collection, rkey = parts_of(uri)
        body = {"repo": self._me, "collection": collection, "rkey": rkey}
        self._ask("POST", "com.atproto.repo.deleteRecord", json=body).yes()

    def _server_time(self, post: Post) -> str:
        """Now, by the clock of the server that was asked a moment ago."""
        told = http_date(self.seam.last.headers.get("Date", "")) if self.seam.last else None
        return _zulu(told or post.created_at)

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The post is no longer there.")}
        able, grants = Capability(True, hand_off=post.url), post.grants
        if refusal := self._refusal(grants):
            return {"reply": Capability(False, refusal, hand_off=post.url)}
        if post.ours:
            edit = Capability(False, "Bluesky has no editing. Delete it and post it again.", hand_off=post.url)
            return {"reply": able, "edit": edit, "delete": able}
        verbs: dict[Verb, Capability] = {"reply": able, "unlike" if grants.get("liked") else "like": able}
        root = str(grants.get("root") or "")
        if self._me and root.startswith(f"at://{self._me}/"):
            verbs["unhide" if grants.get("hidden") else "hide"] = able
        return verbs

    def _refusal(self, grants: Mapping[str, Any]) -> str:
        if not self._account:
            return "This channel only listens: no account is connected."
        if grants.get("blocked"):
            return "One of the two accounts blocks the other."
        return "Its author lets only some people answer." if grants.get("closed") else ""

    def measure(self, text: str, post: Post | None = None) -> Measure:
        used, size = graphemes(text), len(text.encode("utf-8", "replace"))
        problems = []
        if used > LONGEST:
            problems.append(f"{used - LONGEST} characters too long.")
        if size > LONGEST_BYTES:
            problems.append(f"{size - LONGEST_BYTES} bytes too long: some of its characters take many.")
        return Measure(used, LONGEST, "graphemes", tuple(problems))


def _uri(item: Any) -> str:
    return str(item.get("uri") or "") if isinstance(item, dict) else ""


def _seen(items: Sequence[Any]) -> list[datetime]:
    """The times the network sorts by."""
    times = []
    for item in items:
        try:
            times.append(time_of(item["indexedAt"]))
        except (KeyError, TypeError, ValueError):
            continue  # it is set aside as bad by the mapper
    return times


def _zulu(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

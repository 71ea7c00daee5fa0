"""Bluesky, and any server of the AT protocol. Reads raw answers, because the network's library refuses a whole page
for one odd author. A reply has a record key of its own that follows from its key, so that sending it again makes no
second post. The network takes replies to deleted posts, so the parent is read before. Pictures of posts that came as
notifications are looked for where the public service keeps them (unverified elsewhere)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_lazy

from connectors.base import (
    JSON,
    Absent,
    CannotKnow,
    Capability,
    Done,
    Field,
    Found,
    Gone,
    Measure,
    MediaRule,
    Medium,
    Needs,
    Outgoing,
    PolicyRefused,
    Post,
    PostState,
    Sent,
    Source,
    TextRule,
    Uploaded,
    Verb,
    Way,
)
from connectors.networks.bluesky import uploads
from connectors.networks.bluesky.api import (
    BLOCKS,
    GATES,
    LIKES,
    POSTS,
    address_of,
    parts_of,
    record_key,
)
from connectors.networks.bluesky.reading import Reading, uri_of
from connectors.networks.bluesky.text import LONGEST, LONGEST_BYTES, facets
from connectors.rates import http_date
from connectors.text import graphemes
from connectors.topics import dialects

HIDDEN = 300


class Bluesky(Reading):
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
        Field("handle", "Handle", "name.bsky.social; empty to search without an account", required=False, account=True),
        Field(
            "app_password",
            "App password",
            "Made there under Settings, Privacy and security; not the account's own password",
            secret=True,
            required=False,
            account=True,
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

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        parent = outgoing.parent
        reply = self._current(parent)
        record: JSON = {
            "$type": POSTS,
            "text": outgoing.text,
            "createdAt": _zulu(outgoing.since),  # as at the first try: the same bytes under the same key
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
        views = {uri_of(view): view for view in self._views(wanted)}
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
        if verb in ("mute", "unmute"):
            name = f"app.bsky.graph.{verb}Actor"
            self._ask("POST", name, json={"actor": post.author.external_id}).yes()
            return Done(replace(post, grants={**post.grants, "muted": verb == "mute"}))
        if verb == "block":
            return self._block(post)
        if verb == "report":
            return self._report(post)
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

    def _block(self, post: Post) -> Done:
        """One record of a key of its own, so that a second try finds the first."""
        did, rkey = post.author.external_id, record_key(post.author.external_id, post.created_at)
        try:
            self._record(self._me, BLOCKS, rkey)
        except Gone:
            record = {"$type": BLOCKS, "subject": did, "createdAt": self._server_time(post)}
            self._put(BLOCKS, rkey, record).json(dict)
        return Done(replace(post, grants={**post.grants, "blocked": True}))

    def _report(self, post: Post) -> Done:
        """To whoever moderates for the account's server: this very version of the post, as nothing in particular."""
        views = self._views([post.external_id])
        if not views:
            raise Gone("It was deleted or is no longer visible to us.", what=post.external_id)
        subject = {"$type": "com.atproto.repo.strongRef", "uri": post.external_id, "cid": views[0]["cid"]}
        body = {"reasonType": "com.atproto.moderation.defs#reasonOther", "subject": subject}
        answer = self._ask("POST", "com.atproto.moderation.createReport", json=body)
        if answer.json(dict).get("id") is None:
            raise answer.unreadable("The answer to a report has no number.")
        return Done()

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
        closed = Capability(False, "Its author lets only some people answer.", hand_off=post.url)
        reply = closed if grants.get("closed") else able
        if post.ours:
            edit = Capability(False, "Bluesky has no editing. Delete it and post it again.", hand_off=post.url)
            return {"reply": reply, "edit": edit, "delete": able}
        verbs: dict[Verb, Capability] = {"reply": reply, "unlike" if grants.get("liked") else "like": able}
        root = str(grants.get("root") or "")
        if self._me and root.startswith(f"at://{self._me}/"):
            verbs["unhide" if grants.get("hidden") else "hide"] = able
        verbs["report"] = Capability(True, "Bluesky's moderators, or those of your server, get it.", hand_off=post.url)
        if grants.get("muted"):
            return verbs | {"unmute": able, "block": able}
        muting = Capability(True, "Bluesky tells us of nothing more that its author writes to us.", hand_off=post.url)
        return verbs | {"mute": muting, "block": able}

    def _refusal(self, grants: Mapping[str, Any]) -> str:
        if not self._account:
            return "This channel only listens: no account is connected."
        return "One of the two accounts blocks the other." if grants.get("blocked") else ""

    def measure(self, text: str, post: Post | None = None, *, private: bool = False) -> Measure:
        used, size = graphemes(text), len(text.encode("utf-8", "replace"))
        problems = []
        if used > LONGEST:
            problems.append(f"{used - LONGEST} characters too long.")
        if size > LONGEST_BYTES:
            problems.append(f"{size - LONGEST_BYTES} bytes too long: some of its characters take many.")
        return Measure(used, LONGEST, "graphemes", tuple(problems))


def _zulu(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

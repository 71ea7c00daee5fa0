"""A Discourse forum: its public posts, and what is said to our user, private messages too. The forum takes answers to
posts that were deleted, so the post is read before; a text like one that is there is refused without saying so, which
is a reason to look."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext_lazy

from connectors.base import (
    JSON,
    Absent,
    CannotKnow,
    Capability,
    Check,
    Done,
    Duplicate,
    Fault,
    Field,
    Found,
    Gone,
    Invalid,
    Measure,
    MediaRule,
    Medium,
    Needs,
    Outgoing,
    Post,
    PostKind,
    PostState,
    Sent,
    Source,
    TextRule,
    Uploaded,
    Verb,
    Way,
)
from connectors.finding import Sought
from connectors.networks.discourse import uploads
from connectors.networks.discourse.api import FLAG, LIKE, host_of, place_of
from connectors.networks.discourse.searches import Searching
from connectors.text import normalised, plain
from connectors.topics import dialects

SHOWN = 20
"""Posts of a topic looked through for a reply."""
LENGTHS = {"least": "min_post_length", "least_private": "min_personal_message_post_length", "most": "max_post_length"}
"""What the forum calls the lengths it takes (unverified)."""


class Discourse(Searching):
    name = "discourse"
    label = "Discourse forum"
    keeps_uploads = 86_400.0
    needs = Needs(
        way=Way.NOW,
        does=gettext_lazy(
            "Public posts of a forum, and what is said to its care account in public and in private; answers there."
        ),
        apply=gettext_lazy("A key, which an administrator of the forum makes for the care account."),
        cost=gettext_lazy("Free."),
    )
    form = (
        Field("site", "Forum", "Its address", kind="url"),
        Field("user", "User name", "The user who listens and answers", account=True),
        Field(
            "api_key",
            "Key",
            "Made by an administrator of the forum under Admin, API, for this user",
            secret=True,
            account=True,
        ),
        Field("categories", "Categories", "Their numbers, one a line; empty: all", required=False, kind="lines"),
    )
    sources = (
        Source("posts", "Posts", 60, 30, 900),
        Source("notifications", "What is said to us", 60, 30, 900),
        Source("search", "Search", 900, 300, 3600),
    )
    dialect = dialects.FORUM
    text_rule = TextRule(32_000)
    follows = 10  # of one request each

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        parent, now = outgoing.parent, outgoing.sending_at
        above, _ = self._one(parent.external_id, now)
        if above.state is PostState.DELETED:
            raise Gone("It was deleted in the forum.", what=parent.external_id)
        topic, number = place_of(parent.external_id)
        body = {"raw": uploads.written(outgoing), "topic_id": topic, "reply_to_post_number": number}
        try:
            answer = self._ask("POST", "/posts.json", now=now, post=parent, json=body)
        except Invalid as fault:
            if self._stands(outgoing):
                raise Duplicate("The forum has this text there already.", status=fault.status) from fault
            raise
        made = answer.json(dict)
        if not made.get("post_number"):
            raise answer.unreadable("The answer to a new post has no number.")
        return Sent(f"{topic}/{made['post_number']}", f"{self._site}/t/{topic}/{made['post_number']}")

    def measure(self, text: str, post: Post | None = None, *, private: bool = False) -> Measure:
        direct = post is not None and post.kind is PostKind.DIRECT
        least = int(self.facts.get("least_private" if direct else "least") or 0)
        used, most = len(text.strip()), int(self.facts.get("most") or self.text_rule.limit or 0)
        problems = [f"{used - most} characters too long."] if used > most else []
        if used < least:
            problems.append(f"The forum takes {least} characters at least.")
        return Measure(used, most, self.text_rule.unit, tuple(problems))

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        return uploads.rule_of(self.facts)

    def upload(self, medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
        return uploads.step(self._ask, medium)

    def _stands(self, outgoing: Outgoing) -> bool:
        try:
            return isinstance(self.find(outgoing), Found)
        except Fault:
            return False  # what the forum said first is still the better word

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        """Ours among the newest posts of the topic."""
        parent, now = outgoing.parent, outgoing.sending_at
        topic, _ = place_of(parent.external_id)
        wanted = normalised(outgoing.text)

        def same(post: Post) -> bool:
            raw = str(post.raw.get("raw") or "")
            said = {normalised(each) for each in (raw, post.text, plain(str(post.raw.get("cooked") or "")))}
            if outgoing.media:
                said.add(normalised(raw.removesuffix(uploads.pictures_in(raw, len(outgoing.media)))))
            return post.parent_id in (parent.external_id, f"{topic}/1") and wanted in said

        items, skew = self._newest(topic, now)
        posts, bad = self._mapped(items, "own")
        sought = Sought(outgoing, same)
        sought.among(posts, skew, bad)
        return sought.verdict(whole=sought.passed or len(items) < SHOWN)

    def _newest(self, topic: int, now: datetime) -> tuple[list[Any], timedelta]:
        """The last posts of a topic. It comes with its first ones and the ids of all."""
        raw = {"include_raw": "true"}
        answer = self._ask("GET", f"/t/{topic}.json", now=now, params=raw)
        stream = answer.json(dict).get("post_stream")
        if not isinstance(stream, dict) or not isinstance(stream.get("posts"), list):
            raise answer.unreadable("A topic has no list of posts.")
        ids = [str(each) for each in stream.get("stream") or []]
        if len(ids) <= len(stream["posts"]):
            return stream["posts"], answer.skew
        wanted = [("post_ids[]", each) for each in ids[-SHOWN:]]
        answer = self._ask("GET", f"/t/{topic}/posts.json", now=now, params=[*raw.items(), *wanted])
        stream = answer.json(dict).get("post_stream")
        if not isinstance(stream, dict) or not isinstance(stream.get("posts"), list):
            raise answer.unreadable("A topic has no list of posts.")
        return stream["posts"], answer.skew

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        if verb not in ("edit", "delete", "like", "unlike", "report"):
            return super().do(verb, post, text)
        try:
            now, item = self._one(post.external_id)
        except Gone:
            if verb == "delete":
                return Done()
            raise
        number, stands = now.grants["id"], now.grants["liked"]
        if verb == "edit":
            self._ask(
                "PUT", f"/posts/{number}.json", post=post, json={"post": {"raw": text + uploads.hanging(item, text)}}
            )
        elif verb == "delete" and now.state is not PostState.DELETED:
            self._ask("DELETE", f"/posts/{number}.json", post=post, accept=(404,)).yes()
        elif verb == "like" and not stands:
            self._ask("POST", "/post_actions.json", post=post, json={"id": number, "post_action_type_id": LIKE}).yes()
        elif verb == "report" and not now.grants["flagged"]:
            self._ask("POST", "/post_actions.json", post=post, json={"id": number, "post_action_type_id": FLAG}).yes()
        elif verb == "unlike" and stands:
            asked = {"post_action_type_id": str(LIKE)}
            self._ask("DELETE", f"/post_actions/{number}.json", post=post, params=asked, accept=(404,)).yes()
        liking = verb in ("like", "unlike")
        return Done(replace(post, grants={**post.grants, "liked": verb == "like"})) if liking else Done()

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The post is no longer there.", hand_off=post.url)}
        able = Capability(True, hand_off=post.url)
        if post.ours:
            return {"reply": able, "edit": able, "delete": able}
        like: Verb = "unlike" if post.grants.get("liked") else "like"
        can: dict[Verb, Capability] = {"reply": able}
        if (post.grants.get("can_like") or post.grants.get("liked")) and post.kind is not PostKind.DIRECT:
            can[like] = able
        if post.grants.get("can_flag"):
            can["report"] = Capability(True, "The forum's moderators get it as inappropriate.", hand_off=post.url)
        return can

    # Connecting

    def check(self) -> Check:
        if not self._user:
            raise Invalid("The user name is missing.", field="user")
        # Who a key belongs to is told only where it is right; a profile is shown to everybody.
        self._ask("GET", "/notifications.json", listing=True)
        answer = self._ask("GET", f"/u/{quote(self._user, safe='')}.json")
        user = answer.json(dict).get("user")
        if not isinstance(user, dict) or not user.get("id"):
            raise answer.unreadable("It does not say who the user is.")
        host = host_of(self._site)
        return Check(
            account_id=f"{host}/user/{user['id']}",
            account_name=f"{user.get('name') or user.get('username') or self._user} ({host})",
            account_url=f"{self._site}/u/{self._user}",
            server=host,
            facts={"user_id": str(user["id"]), **self._takes()},
        )

    def _takes(self) -> JSON:
        """Older forums, and those that keep it to themselves, say nothing of the files and texts they take."""
        answer = self._ask("GET", "/site/settings.json", accept=(403, 404))
        if answer.status != 200:
            return {}
        told = answer.json(dict)
        lengths = {ours: told.get(theirs) for ours, theirs in LENGTHS.items()}
        return {"media": uploads.facts_of(told), **{name: one for name, one in lengths.items() if type(one) is int}}

"""Matrix, on any homeserver, for rooms that are not encrypted. An answer carries its own transaction id: the server
makes it once however often it comes with the same access token, and tells us the id again when we look. Servers take
answers to messages that were taken back, so the message is read before. Tried against Synapse; what others
do differently is unverified."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from django.utils.translation import gettext_lazy

from connectors.answers import Answer
from connectors.base import (
    JSON,
    MAPPING,
    Absent,
    CannotKnow,
    Capability,
    Done,
    Duplicate,
    Field,
    Found,
    Gone,
    Measure,
    Needs,
    NotPermitted,
    Outgoing,
    PolicyRefused,
    Post,
    PostState,
    Sent,
    Source,
    TextRule,
    Unreadable,
    Verb,
    Way,
)
from connectors.finding import Sought
from connectors.networks.matrix.api import SAID, link_to, newest_content, place_of, post_of, replaces, table
from connectors.networks.matrix.uploads import Uploading, file_part
from connectors.text import normalised

LIKE = "👍"
PAGES = 5  # of reactions or messages looked through
_SEALED = "The room is encrypted; answer in a Matrix app."


class Matrix(Uploading):
    name = "matrix"
    label = "Matrix"
    keeps_uploads = 86_400.0
    keyed = True
    needs = Needs(
        way=Way.NOW,
        does=gettext_lazy(
            "What is said in rooms and private conversations that are not encrypted; answers there. "
            "Encrypted rooms cannot be read."
        ),
        apply=gettext_lazy(
            "An account for this on any homeserver, with an access token of its own: sign in once with its password "
            "for a session that nothing else uses."
        ),
        cost=gettext_lazy("Free."),
    )
    form = (
        Field("homeserver", "Homeserver", "Its address, such as https://matrix.example.org", kind="url"),
        Field("access_token", "Access token", "Of a session that only this channel uses", secret=True, account=True),
        Field(
            "refresh_token",
            "Refresh token",
            "Where the server gave one with the access token, which then ends within minutes",
            secret=True,
            required=False,
            advanced=True,
            account=True,
        ),
        Field(
            "rooms",
            "Rooms",
            "Addresses or ids, one a line (#help:example.org); empty: all the account is in",
            required=False,
            kind="lines",
        ),
        Field(
            "invitations",
            "Invitations",
            "Private ones are how people write to the account first",
            kind="choice",
            choices=(
                ("wait", "Wait for a person to accept them"),
                ("private", "Accept those to private conversations"),
                ("all", "Accept all"),
            ),
        ),
    )
    sources = (Source("rooms", "Rooms", 10, 5, 120),)
    text_rule = TextRule(30_000, "bytes")

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        parent, now = outgoing.parent, outgoing.sending_at
        room, event = place_of(parent.external_id)
        try:
            above = self._one(room, event, now, "c")
        except MAPPING as error:
            raise Unreadable("The message that is answered cannot be read.") from error
        if above.state is PostState.DELETED:
            raise Gone("It was taken back.", what=parent.external_id)
        there = [room, *self._now_in(room, now)][-1]
        self._open(there, parent, now)
        content = self._said(outgoing, above, here=there == room)
        return Sent(*self._made(there, "m.room.message", outgoing.key, content, parent, now))

    def _open(self, room: str, post: Post, now: datetime | None) -> None:
        """Nobody's words go in the clear where everybody else's are encrypted."""
        path = f"client/v3/rooms/{quote(room, safe='')}/state/m.room.encryption/"
        if self._ask("GET", path, now=now, post=post, accept=(404,)).status != 404:
            raise PolicyRefused(_SEALED, rule="encrypted", url=post.url)

    def _said(self, outgoing: Outgoing, above: Post, *, here: bool) -> JSON:
        """`here`: in the room of what it answers; a message of another room cannot be named."""
        room, event = place_of(above.external_id)
        relation: JSON = {"m.in_reply_to": {"event_id": event}}
        if above.root_id and above.root_id != room:
            thread = place_of(above.root_id)[1]
            relation |= {"rel_type": "m.thread", "event_id": thread, "is_falling_back": False}
        told: JSON = {"msgtype": "m.text", "body": outgoing.text} | ({"m.relates_to": relation} if here else {})
        if not above.ours:
            told["m.mentions"] = {"user_ids": [above.author.external_id]}
        return told | (file_part(outgoing.media[0], outgoing.text) if outgoing.media else {})

    def _made(
        self, room: str, kind: str, key: str, content: JSON, post: Post, now: datetime | None = None
    ) -> tuple[str, str]:
        """One event, made once for its key: its name and address."""
        path = f"client/v3/rooms/{quote(room, safe='')}/send/{kind}/{quote(key, safe='')}"
        return self._named(self._ask("PUT", path, now=now, post=post, json=content), room)

    def _named(self, answer: Answer, room: str) -> tuple[str, str]:
        event = answer.json(dict).get("event_id")
        if not isinstance(event, str) or not event.startswith("$"):
            raise answer.unreadable("The answer to a new event has no id.")
        return f"{room}/{event}", link_to(room, event, self._me)

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        """Ours among the newest messages of the room, and of what it became since: by its key, or by its words where
        the key is another session's secret."""
        parent, words = outgoing.parent, normalised(outgoing.text)
        room = place_of(parent.external_id)[0]

        def same(post: Post) -> bool:
            key = table(post.raw.get("unsigned")).get("transaction_id")
            if key is not None:
                return bool(key == outgoing.key)
            answers = parent.external_id if post.raw["room_id"] == room else None
            return post.parent_id == answers and normalised(post.text) == words

        sought = Sought(outgoing, same)
        whole = [self._sought_in(each, sought) for each in (room, *self._now_in(room, outgoing.sending_at))]
        return sought.verdict(whole=all(whole))

    def _sought_in(self, room: str, sought: Sought) -> bool:
        """Whether all of a room was looked at that could be it."""
        sought.passed, whole = False, False
        try:
            for answer, whole in self._newest(room, sought.outgoing.sending_at):
                posts, bad = self._own(answer.json(dict)["chunk"], room)
                sought.among(posts, answer.skew, bad)
                whole = whole or sought.passed
                if whole:
                    break
        except (NotPermitted, Gone):
            if room == place_of(sought.outgoing.parent.external_id)[0]:
                raise
            return False
        return whole

    def _own(self, events: Sequence[Any], room: str) -> tuple[list[Post], list[str]]:
        posts, bad = list[Post](), list[str]()
        for event in map(table, events):
            if event.get("type") not in SAID or replaces(event):
                continue
            try:
                posts.append(post_of(event, room, "c", {}, self._me))
            except MAPPING as error:
                bad += [str(error)] if event.get("sender") == self._me else []
        return posts, bad

    def _newest(self, room: str, now: datetime) -> Iterator[tuple[Answer, bool]]:
        """Pages of a room from its end on, each with whether nothing is before it."""
        token = ""
        for _ in range(PAGES):
            asked = {"dir": "b", "limit": "100"} | ({"from": token} if token else {})
            answer = self._ask("GET", f"client/v3/rooms/{quote(room, safe='')}/messages", now=now, params=asked)
            told = answer.json(dict)
            if not isinstance(told.get("chunk"), list):
                raise answer.unreadable("A page of a room has no list of events.")
            before, token = token, str(told.get("end") or "")
            ended = token in ("", before)
            yield answer, ended
            if ended:
                return

    # Acts

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        room, event = place_of(post.external_id)
        if verb == "edit":
            self._edit(room, event, post, text)
        elif verb == "delete":
            self._take_back(room, event, post)
        elif verb == "like":
            self._like(room, event, post)
            return Done(replace(post, grants={**post.grants, "liked": True}))
        elif verb == "unlike":
            for each in self._likes(room, event, post):
                self._take_back(room, each, post)
            return Done(replace(post, grants={**post.grants, "liked": False}))
        else:
            return super().do(verb, post, text)
        return Done()

    def _edit(self, room: str, event: str, post: Post, text: str) -> None:
        """Only the words change: what a message is, and what hangs from it, stays."""
        told, _ = self._event(room, event, None)
        content, _ = newest_content(told, {})
        if not content:
            raise Gone("It was taken back.", what=post.external_id)
        self._open(room, post, None)
        kept = {name: value for name, value in content.items()
                if name not in ("m.relates_to", "format", "formatted_body")}  # fmt: skip
        said = {**kept, "body": text}
        whole = {**said, "body": f"* {text}", "m.new_content": said, "m.mentions": {},
                 "m.relates_to": {"rel_type": "m.replace", "event_id": event}}  # fmt: skip
        self._made(room, "m.room.message", uuid4().hex, whole, post)

    def _take_back(self, room: str, event: str, post: Post) -> None:
        path = f"client/v3/rooms/{quote(room, safe='')}/redact/{quote(event, safe='')}/{uuid4().hex}"
        try:
            answer = self._ask("PUT", path, post=post, json={})
        except Gone:
            return
        self._named(answer, room)

    def _like(self, room: str, event: str, post: Post) -> None:
        if self._likes(room, event, post):
            return
        relation = {"rel_type": "m.annotation", "event_id": event, "key": LIKE}
        try:
            self._made(room, "m.reaction", uuid4().hex, {"m.relates_to": relation}, post)
        except Duplicate:
            return  # it is not among the reactions we looked through

    def _likes(self, room: str, event: str, post: Post) -> list[str]:
        """Likes of ours."""
        found, token = list[str](), ""
        path = (f"client/v1/rooms/{quote(room, safe='')}/relations/{quote(event, safe='')}"
                "/m.annotation/m.reaction")  # fmt: skip
        for _ in range(PAGES):
            asked = {"limit": "100"} | ({"from": token} if token else {})
            answer = self._ask("GET", path, post=post, params=asked)
            told = answer.json(dict)
            if not isinstance(told.get("chunk"), list):
                raise answer.unreadable("A page of reactions has no list of events.")
            mine = (table(each) for each in told["chunk"] if table(each).get("sender") == self._me)
            found += [str(each["event_id"]) for each in mine if _is_like(each) and each.get("event_id")]
            before, token = token, str(told.get("next_batch") or "")
            if token in ("", before):
                break
        return found

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The message was taken back.", hand_off=post.url)}
        if post.grants.get("encrypted"):
            return {"reply": Capability(False, _SEALED, hand_off=post.url)}
        able = Capability(True, hand_off=post.url)
        if post.ours:
            return {"reply": able, "edit": able, "delete": able}
        like: Verb = "unlike" if post.grants.get("liked") else "like"
        return {"reply": able, like: able}

    def measure(self, text: str, post: Post | None = None, *, private: bool = False) -> Measure:
        limit, unit, used = self.text_rule.limit or 0, self.text_rule.unit, len(text.encode("utf-8", "replace"))
        problems = (f"{used - limit} {unit} too long.",) if used > limit else ()
        return Measure(used, limit, unit, problems)


def _is_like(event: Mapping[str, Any]) -> bool:
    relation = table(table(event.get("content")).get("m.relates_to"))
    return str(relation.get("key") or "").removesuffix("\ufe0f") == LIKE

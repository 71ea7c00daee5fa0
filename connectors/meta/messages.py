"""Messages of a page or of an Instagram account: both networks give them in conversations under the page, let us
answer for a day after the person's last message, and take one private reply to a comment within a week."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from connectors.base import (
    JSON,
    MAPPING,
    Absent,
    Author,
    Bad,
    Budget,
    CannotKnow,
    Capability,
    Fault,
    Found,
    Invalid,
    Measure,
    Media,
    Outgoing,
    Page,
    Post,
    PostKind,
    Sent,
    TextRule,
    Visibility,
)
from connectors.faults import OF_ONE
from connectors.finding import NEAR, Sought
from connectors.meta.app import Meta, mapped
from connectors.meta.graph import (
    Graph,
    bare,
    following,
    listed,
    named,
    onward,
    pause,
    rows,
    slower,
    time_of,
    version_of,
)
from connectors.meta.rounds import page_of
from connectors.newest_first import OVERLAP, Walk
from connectors.posts import BELOW
from connectors.text import normalised, storable

WINDOW = timedelta(hours=48)
ANSWERABLE, LONGER, PRIVATE = timedelta(hours=24), timedelta(days=7), timedelta(days=7)
REST = timedelta(hours=1)
MESSAGE, MESSAGES = "id,message,from,to,created_time,attachments", 20
TALK = f"messages.limit({MESSAGES}){{{MESSAGE}}}"
TALKS = f"id,updated_time,participants,{TALK}"
_ATTACHED = (("image", "image_data", "url"), ("video", "video_data", "url"), ("file", "file_url", ""))


class Messaging(Meta):
    """A network with messages. `platform` is how Meta calls it among a page's conversations."""

    platform: ClassVar[str]
    interval: ClassVar[float] = 60.0
    message_rule: ClassVar[TextRule]
    """How the text of a message counts, which is not as that of a comment."""

    @property
    def _ours(self) -> frozenset[str]:
        names = ("account_id", "page_id")
        return frozenset(str(self.facts[name]) for name in names if self.facts.get(name))

    def _messages(self, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        walk, graph = Walk.read(cursor, now, WINDOW), self._graph(now)
        deep = [each for each in rows(cursor, "deep") if isinstance(each, list) and len(each) in (3, 4)]
        gaps = walk.gaps
        while not budget.spent and not (walk.ended and not _due(deep, now)):
            budget.spend()
            posts: list[Post] = []
            bad: list[Bad] = []
            repeats, read = 0, ""
            if talk := _due(deep, now):
                deep.remove(talk)
                read = self._deeper(graph, talk, deep, walk, posts, bad, now)
            else:
                repeats = self._talks(graph, deep, walk, posts, bad, now)
            kept = {**walk.kept(), "deep": deep[:50]}
            end = walk.ended and not _due(deep, now)
            posts.sort(key=lambda post: (post.created_at, post.external_id))
            yield Page(posts=tuple(posts), bad=tuple(bad), cursor=kept, end=end, rate=graph.rates, gaps=gaps,
                       repeats=repeats, interval=slower(graph.rates, self.interval, now),
                       reopened=(read,) if read else ())  # fmt: skip
            gaps = ()
            pause(graph.rates, now)

    def _talks(
        self, graph: Graph, deep: list[Any], walk: Walk, posts: list[Post], bad: list[Bad], now: datetime
    ) -> int:
        """A page of the list of conversations, each with its newest messages."""
        asked = {"platform": self.platform, "fields": TALKS, "limit": 25}
        told = page_of(walk.at, walk.restart, partial(graph.get_connections, self._page_id, "conversations", **asked))
        talks = listed(graph.answer, told)
        for talk in talks:
            self._talk(talk, walk, deep, posts, bad)
        return walk.reached(talks, _times(talks, "updated_time"), following(told), now, sorts=True)

    def _talk(self, talk: Any, walk: Walk, deep: list[Any], posts: list[Post], bad: list[Bad]) -> None:
        if not isinstance(talk, dict) or not talk.get("id"):
            bad.append(Bad(None, "A conversation without id.", talk))
            return
        messages, identity = rows(talk.get("messages")), storable(str(talk["id"]))
        self._spoken(messages, identity, walk, posts, bad)
        times, more = _times(messages, "created_time"), following(talk.get("messages"))
        whole = any(each[:2] == [identity, ""] for each in deep)  # it is to be read from its first page anyway
        if more and times and min(times) > walk.floor - OVERLAP and not whole:
            deep.append([identity, more, walk.floor.isoformat()])

    def _deeper(
        self, graph: Graph, talk: list[Any], deep: list[Any], walk: Walk, posts: list[Post], bad: list[Bad],
        now: datetime,
    ) -> str:  # fmt: skip
        """A conversation with more new messages than the list shows; its number when it was read to its end."""
        identity, after, floor = (str(each) for each in talk[:3])
        try:
            told = graph.get_connections(identity, "messages", fields=MESSAGE, limit=50, **onward(after))
            messages = listed(graph.answer, told)
        except OF_ONE as fault:
            _hold(talk, fault, deep, bad, now)
            return ""
        self._spoken(messages, identity, walk, posts, bad)
        times, more = _times(messages, "created_time"), following(told)
        if more and more != after and times and min(times) > time_of(floor) - OVERLAP:
            deep.insert(0, [identity, more, floor, *("" for _ in talk[3:])])
            return ""
        return identity

    def _spoken(self, messages: list[Any], talk: str, walk: Walk, posts: list[Post], bad: list[Bad]) -> None:
        """The messages of one conversation. An answer of ours hangs under the message it follows."""
        good = []
        for message in messages:
            try:
                good.append(self._message(message, talk, walk.since))
            except MAPPING as error:
                named_id = str(message["id"]) if isinstance(message, dict) and message.get("id") else None
                bad.append(Bad(named_id, f"{type(error).__name__}: {error}", bare(message)))
        posts += under_each_other(good)

    def _message(self, message: Mapping[str, Any], talk: str, history_before: datetime | None = None) -> Post:
        sender, created_at = message["from"], time_of(message["created_time"])
        identity = named(sender["id"])
        attachments = [each for each in rows(message.get("attachments")) if isinstance(each, dict)]
        text = str(message.get("message") or ("" if attachments else "(something that is not shown here)"))
        return Post(
            external_id=named(message["id"]),
            kind=PostKind.DIRECT,
            source="messages",
            author=Author(external_id=identity, handle=str(sender.get("username") or ""),
                          name=str(sender.get("name") or sender.get("username") or "")),
            text=text,
            version=version_of(text),
            created_at=created_at,
            root_id=talk,
            media=tuple(filter(None, (_media(each) for each in attachments))),
            visibility=Visibility.DIRECT,
            ours=identity in self._ours,
            history=history_before is not None and created_at < history_before,
            raw=bare(dict(message)),
        )  # fmt: skip

    # Answering

    def measure(self, text: str, post: Post | None = None, *, private: bool = False) -> Measure:
        if not private and (post is None or post.kind is not PostKind.DIRECT):
            return super().measure(text, post)
        limit, unit = self.message_rule.limit or 0, self.message_rule.unit
        used = len(text.encode("utf-8", "replace") if unit == "bytes" else text)
        return Measure(used, limit, unit, (f"{used - limit} {unit} too long.",) if used > limit else ())

    def _may_message(self, post: Post, now: datetime) -> Capability:
        asked, longer = post.created_at + ANSWERABLE, post.created_at + LONGER
        if post.ours:
            return Capability(False, "Answer a message of the other side.", hand_off=post.url)
        if now < asked:
            return Capability(True, until=asked)
        if self.settings.get("human_agent") == "yes" and now < longer:
            return Capability(True, "Later than a day, as a person and not as a robot.", until=longer)
        return Capability(False, "A day has gone by since this message; Meta takes no answer any more.")

    def _may_reply_privately(self, post: Post, now: datetime, granted: Any) -> Capability:
        until = post.created_at + PRIVATE
        if granted is False:
            return Capability(False, "Meta takes no private reply to this one, or it has had one.", hand_off=post.url)
        if now >= until:
            return Capability(False, "Private replies are possible for seven days.", hand_off=post.url)
        return Capability(True, "One private reply to this comment, and no second one.", until=until, hand_off=post.url)

    def _send_message(self, outgoing: Outgoing) -> Sent:
        """Private reply to a comment, or answer to a message."""
        parent, body = outgoing.parent, {"message": {"text": outgoing.text}}
        if outgoing.private and parent.kind is not PostKind.DIRECT:
            given: JSON = {"recipient": {"comment_id": parent.external_id}}
        else:
            given = {"recipient": {"id": parent.author.external_id}, "messaging_type": "RESPONSE"}
            if outgoing.sending_at - parent.created_at > ANSWERABLE:
                given |= {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
        graph = self._graph(outgoing.sending_at)
        path = f"{graph.version}/{self._page_id}/messages"
        made = graph.request(path, post_args={**given, **body}, post=parent)
        if not made.get("message_id"):
            raise graph.answer.unreadable("The answer to a new message has no id.")
        return Sent(str(made["message_id"]))

    def _find_message(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        """Ours among the newest messages to the person it is for, and to nobody else."""
        graph, sought, cut = self._graph(outgoing.sending_at), self._sought(outgoing), False
        try:
            talks = self._talks_with(graph, outgoing.parent)
        except Invalid:  # Meta takes no such question, about this person or at all
            talks = None
        if talks is None:
            return CannotKnow("Meta does not show in which conversation the author of the comment is answered.")
        since = outgoing.since - NEAR + graph.answer.skew
        for talk in talks:
            messages = rows(talk.get("messages")) if isinstance(talk, dict) else []
            posts, bad = mapped(messages, lambda message: self._message(message, ""))
            sought.among(posts, graph.answer.skew, bad)
            cut = cut or (len(messages) >= MESSAGES and all(post.created_at >= since for post in posts))
        return sought.verdict(whole=not cut)

    def _talks_with(self, graph: Graph, post: Post) -> list[Any] | None:
        """The conversations with whoever said this; None where nobody can tell which they are."""
        person = post.author.external_id
        if person.startswith(("name:", "unknown:")):
            return None
        asked = {"platform": self.platform, "user_id": person, "fields": TALKS, "limit": 25}
        told = graph.get_connections(self._page_id, "conversations", **asked)
        return listed(graph.answer, told)

    @staticmethod
    def _sought(outgoing: Outgoing) -> Sought:
        wanted = normalised(outgoing.text)
        return Sought(outgoing, lambda post: normalised(post.text) == wanted)


def _due(deep: list[Any], now: datetime) -> Any:
    """The first conversation to be read on that does not rest: [its number, the token, how far back, and the time when
    it was refused or "" where it began anew]."""
    return next((each for each in deep if not each[3:] or not each[3] or time_of(each[3]) <= now - REST), None)


def _hold(talk: list[Any], fault: Fault, deep: list[Any], bad: list[Bad], now: datetime) -> None:
    """One that is refused holds up no other. It may be for its token, which does not last: then it begins anew, once;
    else it is asked for again after an hour, for as long as an answer could be sent."""
    identity, after, floor = (str(each) for each in talk[:3])
    if isinstance(fault, Invalid) and after and not talk[3:]:
        deep.insert(0, [identity, "", floor, ""])
        return
    if time_of(floor) > now - LONGER:
        deep.append([identity, "", floor, now.isoformat()])
    bad.append(Bad(identity, fault.words, {BELOW: identity}))


def under_each_other(posts: list[Post]) -> list[Post]:
    """The posts of a conversation by time, ours each under the message of the other side before it."""
    result, before = [], ""
    for post in sorted(posts, key=lambda each: (each.created_at, each.external_id)):
        if not post.ours:
            before = post.external_id
        result.append(replace(post, parent_id=before) if post.ours and before else post)
    return result


def _times(items: list[Any], name: str) -> list[datetime]:
    found = []
    for item in items:
        try:
            found.append(time_of(item[name]))
        except MAPPING:
            continue
    return found


def _media(attachment: Mapping[str, Any]) -> Media | None:
    for kind, where, inner in _ATTACHED:
        held = attachment.get(where)
        url = held.get(inner) if inner and isinstance(held, dict) else held
        if isinstance(url, str) and url:
            preview = str(held.get("preview_url") or "") if isinstance(held, dict) else ""
            return Media(kind=kind, url=url, preview_url=preview, description=str(attachment.get("name") or ""))
    return None

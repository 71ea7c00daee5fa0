"""Threads, with HTTP of our own: an answer takes two steps there, a container nobody sees and its publishing, and the
container's number is kept between them. Errors and usage headers are those of Graph. Nothing was tried in life."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.utils.translation import gettext_lazy

from connectors.base import (
    JSON,
    MAPPING,
    Absent,
    Budget,
    CannotKnow,
    Capability,
    Deleted,
    Done,
    Found,
    Gone,
    Invalid,
    MediaRule,
    Medium,
    Needs,
    Outgoing,
    Page,
    Past,
    Post,
    PostState,
    Prepared,
    Sent,
    Source,
    TextRule,
    Unavailable,
    Uploaded,
    Verb,
    Way,
    Withheld,
)
from connectors.by_number import Standings, standing_of
from connectors.finding import Sought
from connectors.meta.app import mapped
from connectors.meta.graph import following, listed, onward, pause, slower, time_of
from connectors.meta.rounds import Step, in_rounds
from connectors.networks.facebook.api import newest_first
from connectors.networks.threads import uploads
from connectors.networks.threads.access import DAY, ThreadsAccess
from connectors.networks.threads.api import FIELDS, OWN, SOUGHT, id_in, post_of, told_by
from connectors.newest_first import Walk
from connectors.rounds import REFUSED, Listed, Round
from connectors.text import lines, normalised
from connectors.topics import dialects

WINDOW, FRESH, LISTED = timedelta(hours=48), timedelta(days=3), timedelta(days=30)
TOGETHER = timedelta(seconds=10)
SEARCHES, OURS, PAGES = 1_500, 500, 2
"""Of the 2,200 searches that a day has room for: those of topics, and those of the settings; the rest is for looking
again. A look that finds something new asks for two pages as a rule, the second to see that there is no more."""
LOOKED = 3
"""Pages looked through for a reply."""


class Threads(ThreadsAccess):
    name = "threads"
    label = "Threads"
    keeps_uploads = 20 * 3600.0  # a container ends after a day
    needs = Needs(
        way=Way.APPROVAL,
        does=gettext_lazy(
            "Answers to your threads, mentions and searches; answers, hiding. At most 1,000 answers a day."
        ),
        apply=gettext_lazy(
            "An app of your own with Meta that uses Threads, with its permissions for reading and answering."
        ),
        cost=gettext_lazy("Free."),
        approval=gettext_lazy("Meta reviews the app for accounts that have no role in it; reckon with weeks."),
    )
    sources = (
        Source("replies", "Replies to our threads", 300, 120, 1800),
        Source("mentions", "Mentions", 300, 120, 1800),
        Source("search", "Search", 900, 300, 3600),
    )
    text_rule = TextRule(500)
    follows = 10  # of one request each
    unasked = ("search",)  # whether posts that do not concern us are told by their number is not known
    recordings = ("threads",)
    dialect = dialects.THREADS

    def listening(self) -> tuple[Source, ...]:
        replies, mentions, _search = self.sources
        own = lines(self.settings.get("searches"))
        return (replies, mentions, *_sharing(super().searching(own), OURS))

    def searching(self, texts: Sequence[str]) -> tuple[Source, ...]:
        return _sharing(super().searching(texts), SEARCHES, least=900)

    @property
    def _me(self) -> str:
        return str(self.facts.get("username") or "")

    # Listening

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        pages = self._replies(cursor, budget, now) if source == "replies" else self._found(source, cursor, budget, now)
        yield from pages

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        if source != "replies":
            return Past(cursor=Walk.again(since), whole=source == "mentions")
        words = "Answers under our threads of the last 30 days are read."
        since = max(since, now - LISTED)
        return Past(cursor=Round.again(since, now), since=since, words=words, newest_first=False)

    def _found(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        walk = Walk.read(cursor, now, WINDOW)
        gaps, (kind, _, words) = walk.gaps, source.partition(":")
        path, asked = "me/mentions", {"fields": FIELDS, "limit": 50}
        if kind == "search":
            path, asked = "keyword_search", {"fields": SOUGHT, "limit": 50, "q": words, "search_type": "RECENT"}
        while not budget.spent and not walk.ended:
            budget.spend()
            told, answer = self._page(path, asked, walk.at, walk.restart, now)
            items = listed(answer, told)
            posts, bad = mapped(items, lambda item: post_of(item, source, self._me))
            repeats = walk.reached(items, [post.created_at for post in posts], following(told), now)
            heard = [replace(post, history=post.created_at < walk.since) for post in posts if not post.ours]
            yield Page(posts=newest_first(heard), bad=bad, cursor=walk.kept(), end=walk.ended, rate=answer.rates,
                       gaps=gaps, repeats=repeats, interval=slower(answer.rates, 300, now))  # fmt: skip
            gaps = ()
            pause(answer.rates, now)

    def _replies(self, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        """Fresh threads each time, those of a month once a day, and wherever a conversation is open, below a mention as
        well: nothing tells which have something new."""

        def step(reading: Round) -> Step:
            return (self._under if reading.todo else self._threads)(reading, now)

        return in_rounds(cursor, budget, now, 300, step)

    def _threads(self, reading: Round, now: datetime) -> Step:
        asked = {"fields": OWN, "limit": 50}
        told, answer = self._page("me/threads", asked, reading.listing, reading.restart, now)
        items = [item for item in listed(answer, told) if id_in(item)]
        recent = [item for item in items if _age(item, now) < LISTED]
        found = [Listed(str(item["id"]), 0, str(item.get("text") or ""), _age(item, now) < FRESH) for item in recent]
        more = following(told) if len(recent) == len(items) else ""
        repeats = reading.plan(found, more, now)
        if reading.listed:
            hosts, roots = self._hosts(), self.open_roots()
            reading.attend(list(dict.fromkeys(hosts.get(one) or one for one in roots)), now, marked=False)
        return [], (), repeats, answer.rates

    def _hosts(self) -> Mapping[str, str]:
        """The first posts of threads with open conversations, with the threads of ours that they answer."""
        return self.hosts(self.open_roots())

    def _under(self, reading: Round, now: datetime) -> Step:
        stop = reading.todo[0]
        path, asked = f"{stop.post}/conversation", {"fields": FIELDS, "limit": 100, "reverse": "true"}
        try:
            told, answer = self._page(path, asked, reading.at, reading.restart, now)
        except REFUSED as fault:
            reading.refused(fault)
            return [], (), 0, ()
        items = listed(answer, told)
        # What the list does not show may be somebody else's.
        under = stop.post if stop.mark >= 0 or stop.post in self._hosts().values() else ""
        posts, bad = mapped(items, lambda item: post_of(item, "replies", self._me, subject=stop.subject, under=under))
        repeats = reading.reached(items, [post.created_at for post in posts], following(told), now)
        return posts, bad, repeats, answer.rates

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        def ask(asked: list[str]) -> Standings:
            told, _ = self._ask("GET", asked[0], {"fields": FIELDS}, now=now)
            posts, _ = mapped([told], lambda item: post_of(item, "refresh", self._me))
            return [replace(post, whole=False) for post in posts]  # not whether the thread is ours

        return standing_of(ids, 1, ask)

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        if not post.parent_id:
            return []
        told, _ = self._ask("GET", post.parent_id, {"fields": FIELDS}, now=now)
        return [post_of(told, "context", self._me)]

    def unpack(self, body: bytes, now: datetime) -> Page:
        ours = ("", str(self.facts.get("account_id") or ""))  # of one app, every account's deliveries are well signed
        told = [each for each in told_by(body) if each.get("field") in ("replies", "mentions") and each["to"] in ours]
        posts, bad = mapped(told, self._delivered)
        return Page(
            posts=tuple(post for post in posts if post.parent_id or not post.ours), bad=bad, cursor={}, end=True
        )

    def _delivered(self, change: Mapping[str, Any]) -> Post:
        value, root = change["value"], change["value"].get("root_post")
        mine = isinstance(root, dict) and str(root.get("owner_id") or "") == self.facts.get("account_id")
        post = post_of(value, str(change["field"]), self._me, under=id_in(root) if mine else "")
        return replace(post, whole=False)  # nor whether it is hidden

    # Answering

    def send(self, outgoing: Outgoing) -> Sent | Prepared:
        """Without a container: makes one, which nobody sees. With one: publishes it."""
        parent, now = outgoing.parent, outgoing.sending_at
        if outgoing.prepared:
            self._put_together(outgoing)
            made, answer = self._ask(
                "POST", "me/threads_publish", {"creation_id": outgoing.prepared}, now=now, post=parent
            )
            if not made.get("id"):
                raise answer.unreadable("The answer to a new post has no id.")
            return Sent(str(made["id"]))
        # Whether a container for a deleted post is refused is not known, so the post is read before.
        self._ask("GET", parent.external_id, {"fields": "id"}, now=now, post=parent)
        if len(outgoing.media) == 1:
            return Prepared(outgoing.media[0].token)
        told = {"media_type": "CAROUSEL" if outgoing.media else "TEXT", **uploads.answer_of(outgoing)}
        told |= {"children": ",".join(each.token for each in outgoing.media)} if outgoing.media else {}
        made, answer = self._ask("POST", "me/threads", told, now=now, post=parent)
        if not made.get("id"):
            raise answer.unreadable("The answer to a new container has no id.")
        return Prepared(str(made["id"]))

    def _put_together(self, outgoing: Outgoing) -> None:
        """Of several files the container takes a moment too, and is not published before."""
        if len(outgoing.media) > 1:
            now = outgoing.sending_at
            told, _ = self._ask("GET", outgoing.prepared or "", {"fields": "status"}, now=now, post=outgoing.parent)
            if told.get("status") == "IN_PROGRESS":
                raise Unavailable("Threads is still putting the files together.", until=now + TOGETHER)

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        return uploads.rule_of(self.settings)

    def upload(self, medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
        return uploads.step(self._ask, medium, outgoing, so_far)

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        """Ours among the newest answers to the post. What is published but not shown there is for a person."""
        parent, at, wanted = outgoing.parent, "", normalised(outgoing.text)
        sought = Sought(outgoing, lambda post: normalised(post.text) == wanted)
        for _ in range(LOOKED):
            asked = {"fields": FIELDS, "limit": 100, "reverse": "true", **onward(at)}
            told, answer = self._ask("GET", f"{parent.external_id}/replies", asked, now=outgoing.sending_at)
            posts, bad = mapped(listed(answer, told), lambda item: post_of(item, "own", self._me))
            sought.among(posts, answer.skew, bad)
            at = "" if sought.passed else following(told)
            if not at:
                break
        verdict = sought.verdict(whole=not at)
        return self._standing_of(outgoing) if isinstance(verdict, Absent) else verdict

    def _standing_of(self, outgoing: Outgoing) -> Absent | CannotKnow:
        if not outgoing.prepared:
            return Absent()
        try:
            told, _ = self._ask("GET", outgoing.prepared, {"fields": "status"}, now=outgoing.sending_at)
        except (Gone, Invalid):  # a container that is not there, or not told of, shows nowhere
            return Absent()
        published = told.get("status") == "PUBLISHED"
        return CannotKnow("Threads says that it was published and does not show it.") if published else Absent()

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        if verb == "delete":
            try:
                self._ask("DELETE", post.external_id, post=post)
            except Gone:
                return Done()
            return Done()
        if verb not in ("hide", "unhide"):
            return super().do(verb, post, text)
        hidden = verb == "hide"
        self._ask("POST", f"{post.external_id}/manage_reply", {"hide": "true" if hidden else "false"}, post=post)
        return Done(replace(post, grants={**post.grants, "hidden": hidden}))

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The post is no longer there.")}
        able = Capability(True, hand_off=post.url)
        if post.ours:
            return {"reply": able, "delete": able}
        hide: Verb = "unhide" if post.grants.get("hidden") else "hide"
        return {"reply": able, hide: able} if post.grants.get("under_ours") else {"reply": able}


def _age(item: Mapping[str, Any], now: datetime) -> timedelta:
    try:
        return now - time_of(item["timestamp"])
    except MAPPING:
        return timedelta(0)


def _sharing(searches: Sequence[Source], room: int, least: float = 0) -> tuple[Source, ...]:
    """The more there are the rarer each is asked for, whatever it brings, so that a day has room for all."""
    rare = ceil(max(least, len(searches) * PAGES * DAY / room))
    return tuple(
        replace(each, interval=max(each.interval, rare), least=max(each.least, rare), most=max(each.most, rare))
        for each in searches
    )

"""Modmail: what people write to the moderators of a subreddit, each conversation a private one. Whoever of the
moderators answers speaks for the subreddit, as we do; their notes among themselves are left where they are. Nothing was
tried in life."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.answers import Answer
from connectors.base import (
    JSON,
    MAPPING,
    Absent,
    Bad,
    Budget,
    CannotKnow,
    Found,
    Outgoing,
    Page,
    Past,
    Post,
    PostKind,
    Sent,
    Visibility,
)
from connectors.finding import Sought
from connectors.networks.reddit.access import RedditAccess
from connectors.networks.reddit.api import GONE, author_of, refused
from connectors.posts import Rate
from connectors.rounds import REFUSED, Listed, Round
from connectors.text import normalised

SOURCE, NAME = "modmail:", "modmail/"
"""How sources of modmail begin, and the ids of its messages: modmail/<conversation>/<message>."""
LISTED, PAGE = timedelta(days=30), 100
PATH = "api/mod/conversations"

type Step = tuple[tuple[Post, ...], tuple[Bad, ...], int, tuple[Rate, ...]]


class Modmail(RedditAccess):
    """Registers no network."""

    def _modmail(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        """Lists the conversations that changed, then reads them, each with all of its messages."""
        reading = Round.read(cursor, now)
        gaps = reading.gaps
        reading.begin(now)
        while not budget.spent:
            budget.spend()
            reading.ask_another(now)
            posts, bad, repeats, rate = (self._talk if reading.todo else self._talks)(reading, source, now)
            if reading.barred:
                raise reading.barred
            bad = (*bad, *reading.set_aside())
            if end := reading.over:
                reading.end()
            yield Page(posts=posts, bad=bad, cursor=reading.kept(), end=end, gaps=gaps, repeats=repeats, rate=rate,
                       reopened=reading.reopened())  # fmt: skip
            gaps = ()
            if end:
                return

    @staticmethod
    def _modmail_past(since: datetime, now: datetime) -> Past:
        since, words = max(since, now - LISTED), "Conversations of the last 30 days are read."
        return Past(cursor=Round.again(since, now), since=since, words=words, newest_first=False)

    def _talks(self, reading: Round, source: str, now: datetime) -> Step:
        asked: JSON = {"entity": source.removeprefix(SOURCE), "sort": "recent", "state": "all", "limit": str(PAGE)}
        answer = self._ask("GET", PATH, asked | ({"after": reading.listing} if reading.listing else {}))
        told = answer.json(dict)
        talks, order = told.get("conversations"), told.get("conversationIds")
        if not isinstance(talks, dict) or not isinstance(order, list):
            raise answer.unreadable("A page has no list of conversations.")
        found = [listed for one in order if (listed := _listed(str(one), talks.get(one), now))]
        oldest = int((now - LISTED).timestamp())
        until = oldest if reading.whole else max(oldest, reading.last - reading.overlap)
        more = len(order) >= PAGE and (not found or found[-1].changed >= until)
        fresh = [each for each in found if each.changed >= oldest]
        repeats = reading.plan(fresh, str(order[-1]) if more else "", now)
        return (), (), repeats, answer.rates

    def _talk(self, reading: Round, source: str, now: datetime) -> Step:
        talk = reading.todo[0].post
        try:
            posts, bad, answer = self._said(talk, source)
        except REFUSED as fault:
            reading.refused(fault)
            return (), (), 0, ()
        reading.reached([], [post.created_at for post in posts], "", now)
        heard = [
            replace(post, history=reading.is_history(post.created_at))
            for post in posts
            if not post.ours or post.parent_id
        ]
        return tuple(heard), bad, 0, answer.rates

    def _said(self, talk: str, source: str) -> tuple[list[Post], tuple[Bad, ...], Answer]:
        answer = self._ask("GET", f"{PATH}/{talk}", {"markRead": "false"})
        return *said_in(answer.json(dict), talk, source, answer), answer

    # Answering

    def _send_modmail(self, outgoing: Outgoing) -> Sent:
        talk = talk_of(outgoing.parent)
        given: JSON = {"body": outgoing.text, "isAuthorHidden": "false", "isInternal": "false"}
        answer = self._ask("POST", f"{PATH}/{talk}", data=given)
        told = answer.json(dict)
        if "json" in told and (fault := refused(answer)):
            fault.url = outgoing.parent.url
            raise fault
        posts, _ = said_in(told, talk, "own", answer)
        made = [post for post in posts if post.ours and normalised(post.text) == normalised(outgoing.text)]
        if not made:
            raise answer.unreadable("The answer to a new message does not show it.")
        return Sent(made[-1].external_id, made[-1].url)

    def _find_modmail(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        posts, bad, answer = self._said(talk_of(outgoing.parent), "own")
        wanted = normalised(outgoing.text)
        sought = Sought(outgoing, lambda post: normalised(post.text) == wanted)
        sought.among(posts, answer.skew, bad)
        return sought.verdict(whole=True)


def talk_of(post: Post) -> str:
    return post.external_id.removeprefix(NAME).partition("/")[0]


def said_in(told: Mapping[str, Any], talk: str, source: str, answer: Answer) -> tuple[list[Post], tuple[Bad, ...]]:
    """The messages of a conversation by time, each of ours under the one of the other side before it."""
    about, messages = told.get("conversation"), told.get("messages")
    if not isinstance(about, dict) or not isinstance(messages, dict):
        raise answer.unreadable("It is no conversation.")
    posts, bad = list[Post](), list[Bad]()
    for place, (one, message) in enumerate(messages.items()):
        try:
            if not message.get("isInternal"):
                posts.append(_post_of(message, talk, source, about))
        except MAPPING as error:
            bad.append(Bad(f"{NAME}{talk}/{one}", f"{type(error).__name__}: {error}", message, place))
    return _under_each_other(posts), tuple(bad)


def _post_of(message: Mapping[str, Any], talk: str, source: str, about: Mapping[str, Any]) -> Post:
    author, made = message["author"], datetime.fromisoformat(message["date"])
    handle = str(author.get("name") or GONE)
    return Post(
        external_id=f"{NAME}{talk}/{message['id']}",
        kind=PostKind.DIRECT,
        source=source,
        author=author_of(handle, f"{NAME}{talk}"),
        text=str(message.get("bodyMarkdown") or ""),
        created_at=made.replace(tzinfo=made.tzinfo or UTC),
        root_id=f"{NAME}{talk}",
        url=f"https://mod.reddit.com/mail/all/{talk}",
        visibility=Visibility.DIRECT,
        ours=bool(author.get("isMod")) and not author.get("isParticipant"),
        subject=str(about.get("subject") or ""),
        grants={"locked": about.get("isRepliable") is False},
        raw=dict(message),
    )


def _under_each_other(posts: Sequence[Post]) -> list[Post]:
    result, before = list[Post](), ""
    for post in sorted(posts, key=lambda each: (each.created_at, each.external_id)):
        before = before if post.ours else post.external_id
        result.append(replace(post, parent_id=before) if post.ours and before else post)
    return result


def _listed(one: str, talk: Any, now: datetime) -> Listed | None:
    """What moderators say among themselves is theirs. A conversation that does not say when it changed is read."""
    if not isinstance(talk, dict) or talk.get("isInternal"):
        return None
    try:
        changed = datetime.fromisoformat(talk["lastUpdated"])
    except MAPPING:
        return Listed(one, 0, always=True, changed=int(now.timestamp()))
    at = changed.replace(tzinfo=changed.tzinfo or UTC).timestamp()
    return Listed(one, int(at * 1000), changed=int(at))

"""Comments on the posts of a LinkedIn page. Of all networks the one with the weakest evidence: neither recordings nor a
specification are public, so this follows the documentation alone and is called a beta. A list of notifications tells
which posts have new comments; without the right to it, the posts of a month are read in turn."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext_lazy

from connectors.answers import Answer
from connectors.base import (
    JSON,
    MAPPING,
    Absent,
    Bad,
    Budget,
    CannotKnow,
    Capability,
    Deleted,
    Done,
    Found,
    Gone,
    MediaRule,
    Medium,
    Needs,
    Outgoing,
    Page,
    Past,
    Post,
    PostKind,
    PostState,
    Sent,
    Source,
    Standing,
    TextRule,
    Uploaded,
    Verb,
    Way,
    Withheld,
)
from connectors.by_number import standing_of
from connectors.finding import Sought
from connectors.networks.linkedin import uploads
from connectors.networks.linkedin.access import LinkedInAccess
from connectors.networks.linkedin.api import (
    answers_below,
    encoded,
    mention_of,
    name_of,
    place_of,
    post_of,
    time_of,
    urn_in,
)
from connectors.rounds import REFUSED, Listed, Round, Stop
from connectors.text import normalised

ODD = (*MAPPING, Gone)
FRESH, LISTED, PAGE = timedelta(days=3), timedelta(days=30), 100
MENTION = "SHARE_MENTION"
TOLD = ("COMMENT", MENTION)
"""What its notifications call the things we read from them, in one question because its limits are told to nobody."""
type Reader = Callable[[Any, str, str], Post]
LOOKED = 5
"""Pages looked through for a reply."""


class LinkedIn(LinkedInAccess):
    name = "linkedin"
    label = "LinkedIn page (beta)"
    keeps_uploads = 12 * 3600.0
    needs = Needs(
        way=Way.APPROVAL,
        does=gettext_lazy(
            "Comments on the page’s posts, posts that name it; answers. No messages, no searches, and "
            "most names are withheld."
        ),
        apply=gettext_lazy(
            "An app of your own that applied for the product “Community Management API”, and an administrator"
            " of the page."
        ),
        cost=gettext_lazy("Free."),
        approval=gettext_lazy(
            "LinkedIn looks at an application with a screen recording; reckon with weeks. You sign in again "
            "every 60 days."
        ),
    )
    sources = (
        Source("comments", "Comments and mentions told of in notifications", 900, 600, 3600),
        Source("posts", "Comments on the posts of a month", 21_600, 10_800, 86_400),
    )
    text_rule = TextRule(1_250)
    follows = 5  # of one request each

    def _comments(self, urn: str, start: str, now: datetime | None) -> tuple[list[Any], str, Answer]:
        asked = urlencode({"start": start or "0", "count": PAGE})
        return self._list(f"socialActions/{encoded(urn)}/comments", asked, now)

    # Listening

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        return Round.again(since, now)

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        since, words = max(since, now - LISTED), "Comments under posts of the last 30 days are read."
        return Past(cursor=Round.again(since, now), since=since, words=words, newest_first=False)

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        """Lists posts, then reads the comments of those with something new, and the answers below them."""
        reading = Round.read(cursor, now)
        gaps = reading.gaps
        reading.begin(now)
        while not budget.spent:
            budget.spend()
            reading.ask_another(now)
            posts, bad, repeats = self._under(reading, now) if reading.todo else self._posts(source, reading, now)
            if reading.barred:
                raise reading.barred
            bad += reading.set_aside()
            posts = [replace(post, history=reading.is_history(post.created_at)) for post in posts]
            if end := reading.over:
                reading.end()
            posts.sort(key=lambda post: (post.created_at, post.external_id))
            yield Page(posts=tuple(posts), bad=tuple(bad), cursor=reading.kept(), end=end, gaps=gaps, repeats=repeats,
                       reopened=reading.reopened())  # fmt: skip
            gaps = ()
            if end:
                return

    def _posts(self, source: str, reading: Round, now: datetime) -> tuple[list[Post], list[Bad], int]:
        page = urlencode({"start": reading.listing or "0", "count": PAGE})
        if source == "comments":
            since = max(reading.start, reading.last - reading.overlap)
            spans = f"timeRange=(start:{since * 1000},end:{int(now.timestamp()) * 1000})"
            asked = f"q=criteria&actions=List({','.join(TOLD)})&organizationalEntity={encoded(self._me)}&{spans}&{page}"
            items, following, _ = self._list("organizationalEntityNotifications", asked, now)
            named = [item for item in items if isinstance(item, dict) and item.get("action") == MENTION]
            posts, bad = self._mapped(named, "mentions", mention_of)
            repeats = reading.plan(_told_of([item for item in items if item not in named]), following, now)
            return [post for post in posts if not post.ours], bad, repeats
        asked = f"q=author&author={encoded(self._me)}&sortBy=LAST_MODIFIED&{page}"
        items, following, _ = self._list("posts", asked, now)
        found = _listed(items, now)
        # What was changed lately comes first, and that may be an old post: the list ends where all of a page are old.
        return [], [], reading.plan(found, following if found else "", now)

    def _under(self, reading: Round, now: datetime) -> tuple[list[Post], list[Bad], int]:
        stop = reading.todo[0]
        try:
            items, following, _ = self._comments(stop.post, reading.at, now)
        except REFUSED as fault:
            reading.refused(fault)
            return [], [], 0
        posts, bad = self._mapped(items, "comments")
        # In which order they come is not told, so all of them are read.
        repeats = reading.reached(items, [post.created_at for post in posts], following, now, more=True)
        below = [] if stop.post.startswith("urn:li:comment:") else [each for each in items if answers_below(each)]
        for each in below:
            self._add(reading, each, stop.since)
        return posts, bad, repeats

    @staticmethod
    def _add(reading: Round, item: Any, since: int) -> None:
        """Answers to a comment hang on it and are told as a number."""
        try:
            urn, count = name_of(item), answers_below(item)
        except ODD:
            return  # it is set aside as bad by the mapper
        known = reading.posts.get(urn)
        if not known or known[0] != count:
            reading.todo.append(Stop(urn, since, count))

    def _mapped(self, items: Sequence[Any], source: str, read: Reader = post_of) -> tuple[list[Post], list[Bad]]:
        posts, bad = list[Post](), list[Bad]()
        for place, item in enumerate(items):
            try:
                posts.append(read(item, source, self._me))
            except ODD as error:
                one = str(item.get("commentUrn") or item.get("id") or "") if isinstance(item, dict) else ""
                bad.append(Bad(one or None, f"{type(error).__name__}: {error}", item, place))
        return posts, bad

    def _one(self, comment: str, now: datetime | None) -> Post:
        post, number = place_of(comment)
        answer = self._ask("GET", f"socialActions/{encoded(post)}/comments/{number}", now=now)
        posts, _ = self._mapped([answer.json(dict)], "refresh")
        if not posts:
            raise answer.unreadable("It is no comment.")
        return posts[0]

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        comments = [each for each in ids if each.startswith("urn:li:comment:")]
        return standing_of(comments, 1, lambda asked: [self._one(asked[0], now)])

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        return [self._one(post.parent_id, now)] if post.parent_id else []

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        """Below the first comment: there are no answers to answers. Whether one to a deleted comment is refused is not
        known, so the comment is read before. A post that names us gets a comment."""
        parent, now = outgoing.parent, outgoing.sending_at
        above, post, body = parent.parent_id or parent.external_id, parent.external_id, dict[str, Any]()
        if parent.kind is PostKind.COMMENT:
            post, body = place_of(parent.external_id)[0], {"parentComment": above}
            self._one(parent.external_id, now)
        body |= {"actor": self._me, "object": post, "message": {"text": outgoing.text}} | uploads.hung(outgoing)
        answer = self._ask("POST", f"socialActions/{encoded(above)}/comments", now=now, post=parent, body=body)
        made: JSON = answer.json(dict)
        try:
            name = name_of({"object": post, "id": answer.headers.get("x-restli-id"), **made})
        except ValueError:
            raise answer.unreadable("The answer to a new comment has no name.") from None
        return Sent(name, f"https://www.linkedin.com/feed/update/{post}?commentUrn={encoded(name)}")

    def standing(self, text: str, post: Post) -> Standing:
        return Standing((post.parent_id or post.external_id,), text)

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        return uploads.RULE

    def upload(self, medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
        return uploads.step(self, medium, outgoing, so_far)

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        """All answers to a comment hang on the first one, so that whom one to an answer is for does not show."""
        parent, at, wanted = outgoing.parent, "", normalised(outgoing.text)
        above, known = parent.parent_id or parent.external_id, None if parent.parent_id else True
        sought, people = Sought(outgoing, lambda post: known if normalised(post.text) == wanted else False), set[str]()
        for _ in range(LOOKED):
            items, at, answer = self._comments(above, at, outgoing.sending_at)
            posts, bad = self._mapped(items, "own")
            sought.among(posts, answer.skew, bad)
            people |= {post.author.external_id for post in posts}
            if not at:
                break
        if sought.perhaps:
            people.add(self._one(above, outgoing.sending_at).author.external_id)
        alone = not at and people <= {self._me, parent.author.external_id}
        return sought.verdict(whole=not at, alone=alone)

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        if verb not in ("edit", "delete"):
            return super().do(verb, post, text)
        above, number = place_of(post.external_id)
        path, asked = f"socialActions/{encoded(above)}/comments/{number}", f"actor={encoded(self._me)}"
        if verb == "edit":
            body = {"patch": {"message": {"$set": {"text": text}}}}
            self._ask("POST", path, asked, post=post, body=body, partial=True)
            return Done()
        try:
            self._ask("DELETE", path, asked, post=post).yes()
        except Gone:
            return Done()
        return Done()

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The comment is no longer there.", hand_off=post.url)}
        able = Capability(True, hand_off=post.url)
        return {"reply": able, "edit": able, "delete": able} if post.ours else {"reply": able}


def _told_of(items: Sequence[Any]) -> list[Listed]:
    """The posts of notifications, each once, marked with the milliseconds of its newest."""
    newest: dict[str, int] = {}
    for item in items:
        try:
            post, at = urn_in(item.get("sourcePost")), int(item["lastModifiedAt"])
        except ODD:
            continue  # a notification is only a hint; the other source finds what it told of
        if post:
            newest[post] = max(newest.get(post, 0), at)
    found = sorted(newest.items(), key=lambda each: -each[1])
    return [Listed(post, at, changed=at // 1000) for post, at in found]


def _listed(items: Sequence[Any], now: datetime) -> list[Listed]:
    """Posts of a month; nothing tells which have new comments, so the fresh ones are read each time."""
    found = []
    for item in items:
        try:
            post, age = urn_in(item.get("id")), now - time_of(item.get("publishedAt") or item["createdAt"])
        except ODD:
            continue
        if post and age < LISTED:
            found.append(Listed(post, 0, str(item.get("commentary") or ""), always=age < FRESH))
    return found

"""Comments on the videos of a YouTube channel, with those held back for review. HTTP of our own: Google's library
brings 111 MB for what a handful of addresses do. Everything costs units of a daily quota that no answer tells, so they
are counted here, and reading leaves some for answers. Unverified, for want of an account: how held comments are
listed, and whether one that is held is found by its number."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy

from connectors.answers import Answer
from connectors.base import (
    JSON,
    Absent,
    AuthRevoked,
    Bad,
    Budget,
    CannotKnow,
    Capability,
    Check,
    Deleted,
    Done,
    Field,
    Found,
    Gone,
    Invalid,
    Measure,
    Needs,
    NotPermitted,
    Outgoing,
    Page,
    Past,
    Post,
    PostState,
    RateLimited,
    Sent,
    Source,
    TextRule,
    Verb,
    Visibility,
    Way,
    Withheld,
)
from connectors.finding import Sought
from connectors.google import GoogleAccess, judging
from connectors.networks.youtube.api import AT_ONCE, QUOTA, Reading, comments_of, posts_of
from connectors.text import normalised

API = "https://www.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/youtube.force-ssl"
READ, WRITE = Decimal(1), Decimal(50)
"""Units of the quota."""
LOOKED = 5
_STATUS = {"comments": "", "held": "heldForReview", "spam": "likelySpam"}
_MODERATION = {
    "hide": "heldForReview", "unhide": "published", "approve": "published", "spam": "rejected", "block": "rejected",
}  # fmt: skip


class YouTube(GoogleAccess):
    name = "youtube"
    label = "YouTube"
    needs = Needs(
        way=Way.APP,
        does=gettext_lazy(
            "Comments on all videos of the channel, also those held for review; answers, approving, rejecting."
        ),
        apply=gettext_lazy(
            "A project of your own in the Google Cloud console with the YouTube Data API and an OAuth client."
        ),
        cost=gettext_lazy(
            "Free within 10,000 units a day: reading takes few, an answer takes 50, so about 200 answers a day."
        ),
        approval=gettext_lazy(
            "Nobody has to approve it to begin with. Until Google has looked at the consent screen, you sign in again "
            "every seven days; a larger quota is asked for with a form."
        ),
    )
    form = (
        *GoogleAccess.form,
        Field("quota", "Units a day", "Empty: 10,000, which Google gives every new app; an answer costs 50",
              required=False, kind="number", advanced=True),
    )  # fmt: skip
    sources = (
        Source("comments", "Comments", 300, 120, 3600),
        Source("held", "Comments held for review", 600, 300, 3600),
        Source("spam", "Comments taken for spam", 1800, 900, 7200),
    )
    scopes = (SCOPE,)
    text_rule = TextRule(10_000)
    currency: ClassVar[str] = "units"
    recordings = ("youtube",)

    @property
    def _me(self) -> str:
        return str(self.facts.get("account_id") or "")

    def _ask(
        self,
        method: str,
        path: str,
        asked: Mapping[str, str],
        *,
        now: datetime | None = None,
        post: Post | None = None,
        body: JSON | None = None,
    ) -> Answer:
        if not self.secrets.get("access_token"):
            raise AuthRevoked("Nobody has signed in with this channel yet.")
        url = f"{str(self.settings.get('base_url') or API).rstrip('/')}/youtube/v3/{path}"
        headers = {"Authorization": f"Bearer {self.secrets['access_token']}"}
        judge = judging(now, post, renewable=bool(self.secrets.get("refresh_token")))
        more: JSON = {} if body is None else {"json": body}
        given = {name: value for name, value in asked.items() if value}
        return self.seam.answer(method, url, now=now, params=given, headers=headers, judge=judge, **more)

    def _list(self, path: str, now: datetime | None = None, **asked: str) -> tuple[list[Any], str, Answer]:
        """The items of a page, the token of the next one, and the answer."""
        answer = self._ask("GET", path, asked, now=now)
        told = answer.json(dict)
        items = told.get("items")
        if not isinstance(items, list):
            raise answer.unreadable("A page has no list of items.")
        return items, str(told.get("nextPageToken") or ""), answer

    def _comments(self, now: datetime | None = None, **asked: str) -> tuple[list[Any], str, Answer]:
        return self._list("comments", now, part="snippet", textFormat="plainText", **asked)

    # Listening

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        reading = Reading.read(cursor, now)
        gaps, quota = reading.gaps, int(self.settings.get("quota") or QUOTA)
        while not budget.spent:
            if not (rate := reading.rate(source, quota, now)).remaining:
                words = "The units of today that are meant for reading are used up; the rest is for answers."
                raise RateLimited(words, until=rate.reset_at, bucket=rate.bucket)
            budget.spend(1, READ)
            reading.spend(now)
            reading.begin()
            step = self._replies if reading.todo else self._again if reading.walked else self._walk
            posts, bad, repeats = step(reading, source, now)
            posts = [replace(post, history=post.created_at < reading.walk.since
                             and post.visibility is not Visibility.HELD) for post in posts]  # fmt: skip
            if end := reading.over:
                reading.end()
            yield Page(
                posts=tuple(sorted(posts, key=lambda post: (post.created_at, post.external_id))), bad=tuple(bad),
                cursor=reading.kept(), end=end, rate=(reading.rate(source, quota, now),), cost=READ, gaps=gaps,
                repeats=repeats,
            )  # fmt: skip
            if end:
                return
            gaps = ()

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        return Reading.again(since, now)

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        return Past(cursor=Reading.again(since, now), newest_first=False)

    def _threads(self, now: datetime, **asked: str) -> tuple[list[Any], str, Answer]:
        return self._list("commentThreads", now, part="snippet,replies", textFormat="plainText", **asked)

    def _walk(self, reading: Reading, source: str, now: datetime) -> tuple[list[Post], list[Bad], int]:
        asked = {"allThreadsRelatedToChannelId": self._me, "order": "time", "maxResults": "100",
                 "moderationStatus": _STATUS[source]}  # fmt: skip
        try:
            items, onward, _ = self._threads(now, **asked, pageToken=reading.walk.at)
        except Invalid as fault:
            if fault.field not in ("invalidPageToken", "invalidValue") or not reading.walk.restart():
                raise
            return [], [], 0  # the token ran out: the next request begins at the newest thread, with the same floor
        posts, bad = posts_of(items, source, self._me)
        if source == "comments":  # the other two show what waits, and the threads come with this one
            reading.threads(items)
        repeats = reading.walk.reached(items, [post.created_at for post in posts if not post.parent_id], onward, now)
        if reading.walk.ended:
            reading.walk.ended = False
            reading.walked_to_the_end(now)
        return posts, bad, repeats

    def _again(self, reading: Reading, source: str, now: datetime) -> tuple[list[Post], list[Bad], int]:
        asked = reading.rest[:AT_ONCE]
        items, _, _ = self._threads(now, id=",".join(asked))
        reading.looked_at(asked, items)
        posts, bad = posts_of(items, "comments", self._me)  # asked by number, YouTube does not tell what is held
        return posts, bad, 0

    def _replies(self, reading: Reading, source: str, now: datetime) -> tuple[list[Post], list[Bad], int]:
        thread, video, able = reading.todo[0]
        try:
            items, onward, _ = self._comments(now, parentId=thread, maxResults="100", pageToken=reading.at)
        except Gone:
            reading.drop()
            return [], [], 0
        posts, bad = comments_of(items, source, self._me, {"video": video, "can_reply": bool(able)})
        return posts, bad, reading.listed(onward, [post.created_at for post in posts])

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        standing: list[Post | Deleted | Withheld] = []
        for start in range(0, len(ids), AT_ONCE):
            batch = ids[start : start + AT_ONCE]
            items, _, _ = self._comments(now, id=",".join(batch))
            found = comments_of(items, "refresh", self._me)[0]
            standing += [replace(post, whole=False) for post in found]  # not whether it is held, nor its video
            shown = {str(item.get("id")) for item in items if isinstance(item, dict)}
            standing += [Deleted(one) for one in batch if one not in shown]
        return standing

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        if not post.parent_id:
            return []
        items, _, _ = self._comments(now, id=post.parent_id)
        return comments_of(items, "context", self._me)[0]

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        """Below the thread's first comment: YouTube knows no answers to answers."""
        parent, text = outgoing.parent, addressed(outgoing.text, outgoing.parent)
        body = {"snippet": {"parentId": parent.parent_id or parent.external_id, "textOriginal": text}}
        answer = self._ask("POST", "comments", {"part": "snippet"}, now=outgoing.sending_at, post=parent, body=body)
        made = answer.json(dict)
        if not made.get("id"):
            raise answer.unreadable("The answer to a new comment has no id.")
        return Sent(str(made["id"]), _beside(parent, str(made["id"])))

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        parent, at, wanted = outgoing.parent, "", normalised(addressed(outgoing.text, outgoing.parent))
        sought = Sought(outgoing, lambda post: normalised(post.text) == wanted)
        for _ in range(LOOKED):
            above = parent.parent_id or parent.external_id
            items, at, answer = self._comments(outgoing.sending_at, parentId=above, maxResults="100", pageToken=at)
            posts, bad = comments_of(items, "own", self._me)
            sought.among([replace(post, url=_beside(parent, post.external_id)) for post in posts], answer.skew, bad)
            if not at:
                break
        return sought.verdict(whole=not at)

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        one = post.external_id
        if verb == "delete":
            try:
                self._ask("DELETE", "comments", {"id": one}, post=post).yes()
            except Gone:
                return Done()
            return Done()
        if verb == "edit":
            body = {"id": one, "snippet": {"textOriginal": text}}
            made = self._ask("PUT", "comments", {"part": "snippet"}, post=post, body=body).json(dict)
            found = comments_of([made], "own", self._me, post.grants)[0]
            return Done(found[0] if found else None)
        if verb not in _MODERATION:
            return super().do(verb, post, text)
        asked = {"id": one, "moderationStatus": _MODERATION[verb], "banAuthor": "true" if verb == "block" else ""}
        self._ask("POST", "comments/setModerationStatus", asked, post=post).yes()
        held = _MODERATION[verb] == "heldForReview"
        return Done(replace(post, visibility=Visibility.HELD if held else Visibility.PUBLIC))

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The comment is no longer there.")}
        able = Capability(True, cost=WRITE, hand_off=post.url)
        if post.visibility is Visibility.HELD:
            first = Capability(False, "It is held back for review. Approve it first.", hand_off=post.url)
            return {"reply": first, "approve": able, "spam": able, "block": able}
        closed = Capability(False, "YouTube takes no answers to this comment.", hand_off=post.url)
        reply = able if post.grants.get("can_reply", True) else closed
        if post.ours:
            return {"reply": reply, "edit": able, "delete": able}
        return {"reply": reply, "hide": able, "spam": able, "block": able}

    def measure(self, text: str, post: Post | None = None) -> Measure:
        return replace(super().measure(addressed(text, post) if post else text), cost=WRITE)

    # Connecting

    def check(self) -> Check:
        items, _, _ = self._list("channels", part="snippet", mine="true")
        me: Mapping[str, Any] = items[0] if items and isinstance(items[0], dict) else {}
        if not me.get("id"):
            raise NotPermitted("This Google account has no YouTube channel.", what="channel")
        about, account = me.get("snippet") or {}, str(me["id"])
        return Check(
            account_id=account,
            account_name=str(about.get("title") or account),
            account_url=f"https://www.youtube.com/channel/{account}",
            server="YouTube v3",
            scopes=tuple(self.secrets.get("scope", "").split()),
            facts={"account_id": account},
            warnings=self._lacking(),
        )


def addressed(text: str, post: Post) -> str:
    """An answer to an answer stands under the first comment; only the name says whom it is for."""
    handle = post.author.handle
    if not post.parent_id or not handle or post.ours or text.startswith(f"@{handle}"):
        return text
    return f"@{handle} {text}"


def _beside(post: Post, comment: str) -> str:
    video = post.grants.get("video")
    return f"https://www.youtube.com/watch?v={video}&lc={comment}" if video else ""

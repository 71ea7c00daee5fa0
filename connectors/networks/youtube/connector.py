"""Comments on the videos of a YouTube channel, with those held back for review. HTTP of our own: Google's library
brings 111 MB for what a handful of addresses do. Everything costs units of a daily quota that no answer tells, so they
are counted here, and reading leaves some for answers. Unverified, for want of an account: how held comments are
listed, and whether one that is held is found by its number."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy

from connectors.base import (
    Absent,
    CannotKnow,
    Capability,
    Check,
    Done,
    Field,
    Found,
    Gone,
    Measure,
    Needs,
    NotPermitted,
    Outgoing,
    Post,
    PostState,
    Sent,
    Source,
    Standing,
    TextRule,
    Verb,
    Visibility,
    Way,
)
from connectors.finding import Sought
from connectors.google import GoogleAccess
from connectors.networks.youtube.api import comments_of
from connectors.networks.youtube.reading import Listening
from connectors.text import names, normalised

SCOPE = "https://www.googleapis.com/auth/youtube.force-ssl"
WRITE = Decimal(50)
"""Units of the quota."""
LOOKED = 5
_MODERATION = {
    "hide": "heldForReview", "unhide": "published", "approve": "published", "spam": "rejected", "block": "rejected",
}  # fmt: skip


class YouTube(Listening):
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
    unasked = ("held", "spam")  # whether such comments are told by their number is documented nowhere
    scopes = (SCOPE,)
    text_rule = TextRule(10_000)
    currency: ClassVar[str] = "units"
    recordings = ("youtube",)

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

    def standing(self, text: str, post: Post) -> Standing:
        return Standing((post.parent_id or post.external_id,), addressed(text, post))

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        parent, at = outgoing.parent, ""
        sought = Sought(outgoing, partial(_is_it, outgoing))
        for _ in range(LOOKED):
            above = parent.parent_id or parent.external_id
            self._one_unit()
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
        shown, rejected = _MODERATION[verb] == "published", _MODERATION[verb] == "rejected"
        seen = Visibility.PUBLIC if shown else Visibility.HELD
        return Done(replace(post, visibility=seen, grants={**post.grants, "rejected": rejected}))

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The comment is no longer there.")}
        able = Capability(True, cost=WRITE, hand_off=post.url)
        if post.grants.get("rejected"):
            return {"reply": Capability(False, "It was rejected: nobody can see it."), "block": able}
        if post.visibility is Visibility.HELD:
            first = Capability(False, "It is held back for review. Approve it first.", hand_off=post.url)
            return {"reply": first, "approve": able, "spam": able, "block": able}
        closed = Capability(False, "YouTube takes no answers to this comment.", hand_off=post.url)
        reply = able if post.grants.get("can_reply", True) else closed
        if post.ours:
            return {"reply": reply, "edit": able, "delete": able}
        return {"reply": reply, "hide": able, "spam": able, "block": able}

    def measure(self, text: str, post: Post | None = None, *, private: bool = False) -> Measure:
        return replace(super().measure(addressed(text, post) if post else text), cost=WRITE)

    # Connecting

    def check(self) -> Check:
        self._one_unit()
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
    if not post.parent_id or not handle or post.ours or names(text, handle):
        return text
    return f"@{handle} {text}"


def _is_it(outgoing: Outgoing, post: Post) -> bool | None:
    """An answer to an answer stands beside those to everybody else there; only a name in it says whom it is for."""
    parent, said = outgoing.parent, normalised(addressed(outgoing.text, outgoing.parent))
    if normalised(post.text) != said:
        return False
    tells = parent.author.handle and names(said, parent.author.handle)
    return True if tells or not parent.parent_id else None


def _beside(post: Post, comment: str) -> str:
    video = post.grants.get("video")
    return f"https://www.youtube.com/watch?v={video}&lc={comment}" if video else ""

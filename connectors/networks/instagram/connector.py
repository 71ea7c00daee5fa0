"""Instagram: business or creator accounts linked to a Facebook page, through the same Graph. Comments are told by their
medium only. More than 50 answers below one comment, and new answers to old comments of a medium with hundreds, come by
delivery or with the daily round; mentions by delivery alone. Nothing of this was tried against Meta itself."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from django.utils.translation import gettext_lazy

from connectors.base import (
    JSON,
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
    PostKind,
    PostState,
    Sent,
    Source,
    Standing,
    TextRule,
    Verb,
    Way,
)
from connectors.finding import Sought
from connectors.meta.app import APP, mapped
from connectors.meta.graph import following, listed, named, onward
from connectors.networks.instagram.api import REPLY, comment_of
from connectors.networks.instagram.reading import AccountReading
from connectors.text import lines, names, normalised

LOOKED, HASHTAGS, NAMES = 3, 30, 20
"""Pages of answers looked through for one reply; what a comment may have at most of each."""
_HASHTAG, _NAME = re.compile(r"#\w+"), re.compile(r"@\w[\w.]*", re.ASCII)


class Instagram(AccountReading):
    name = "instagram"
    label = "Instagram"
    needs = Needs(
        way=Way.APPROVAL,
        does=gettext_lazy(
            "Comments, tags, mentions, hashtags and messages of a business or creator account; answers, "
            "private replies, hiding."
        ),
        apply=gettext_lazy("The account linked to a Facebook page, and the same kind of app with Meta as for a page."),
        cost=gettext_lazy("Free."),
        approval=gettext_lazy(
            "As for a Facebook page: Meta reviews the app and verifies the organisation; reckon with weeks."
        ),
    )
    form = (
        *APP,
        Field("hashtags", "Hashtags", "One a line, at most 30 different ones in a week", required=False, kind="lines"),
    )
    sources = (
        Source("comments", "Comments", 120, 60, 900),
        Source("messages", "Messages", 60, 30, 600),
        Source("tags", "Posts that tag us", 600, 300, 3600),
        Source("hashtag", "Hashtag", 1800, 900, 7200),
    )
    scopes = needed = (
        "instagram_basic", "instagram_manage_comments", "instagram_manage_messages", "pages_show_list",
        "pages_read_engagement", "pages_manage_metadata",
    )  # fmt: skip
    delivers = ("feed",)  # any field of the page opens it for what the app is told of the account
    text_rule, message_rule = TextRule(2_200), TextRule(1_000, "bytes")
    recordings = ("instagram",)
    unasked = ("tags", "hashtag", "mentions")  # media of others are told by their number to their owners only

    def listening(self) -> tuple[Source, ...]:
        *always, hashtag = self.sources
        words = [tag.lstrip("#") for tag in lines(self.settings.get("hashtags"))]
        return (*always, *(replace(hashtag, name=f"hashtag:{word}", label=f"Hashtag {word}") for word in words))

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        parent = outgoing.parent
        if outgoing.private or parent.kind is PostKind.DIRECT:
            return self._send_message(outgoing)
        graph = self._graph(outgoing.sending_at)
        body: JSON = {"message": self._said(outgoing.text, parent)}
        path = f"{_top_of(parent)}/replies"
        if parent.grants.get("theirs"):
            path = f"{self._account_id}/mentions"
            body |= self._mentioned_in(parent)
        made = graph.request(f"{graph.version}/{path}", post_args=body, post=parent)
        if not made.get("id"):
            raise graph.answer.unreadable("The answer to a new comment has no id.")
        return Sent(str(made["id"]), parent.url)

    def standing(self, text: str, post: Post) -> Standing:
        return Standing((_top_of(post),), self._said(text, post))

    @staticmethod
    def _mentioned_in(post: Post) -> JSON:
        if post.kind is PostKind.COMMENT:
            return {"media_id": post.parent_id or "", "comment_id": post.external_id}
        return {"media_id": post.external_id}

    @staticmethod
    def _said(text: str, parent: Post | None) -> str:
        """There is one depth of answers: who wrote an answer hears of ours only when named."""
        if parent is None or not parent.raw.get("parent_id") or parent.ours or not parent.author.handle:
            return text
        return text if names(text, parent.author.handle) else f"@{parent.author.handle} {text}"

    def measure(self, text: str, post: Post | None = None, *, private: bool = False) -> Measure:
        if private or (post is not None and post.kind is PostKind.DIRECT):
            return super().measure(text, post, private=private)
        said = self._said(text, post)
        measured = super().measure(said, post)
        named = ((_HASHTAG, HASHTAGS, "hashtags"), (_NAME, NAMES, "@names"))
        counts = [(len(pattern.findall(said)), most, what) for pattern, most, what in named]
        many = [f"{most} {what} at most; these are {count}." for count, most, what in counts if count > most]
        return replace(measured, problems=(*measured.problems, *many))

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        parent = outgoing.parent
        if outgoing.private or parent.kind is PostKind.DIRECT:
            return self._find_message(outgoing)
        if parent.grants.get("theirs"):
            return CannotKnow("Instagram does not show us what we said below somebody else's post.")
        graph, at = self._graph(outgoing.sending_at), ""
        sought = Sought(outgoing, partial(self._is_it, outgoing))
        for _ in range(LOOKED):
            told = graph.get_connections(_top_of(parent), "replies", fields=REPLY, limit=50, **onward(at))
            posts, bad = mapped(listed(graph.answer, told), lambda item: comment_of(item, self._ours, {}))
            sought.among([replace(post, url=parent.url) for post in posts], graph.answer.skew, bad)
            at = following(told)
            if not at:
                break
        return sought.verdict(whole=not at)

    def _is_it(self, outgoing: Outgoing, post: Post) -> bool | None:
        """An answer to an answer stands beside those to everybody else there; the name in it says whom it is for."""
        parent, said = outgoing.parent, normalised(self._said(outgoing.text, outgoing.parent))
        if normalised(post.text) != said:
            return False
        tells = parent.author.handle and names(said, parent.author.handle)
        return True if tells or not parent.raw.get("parent_id") else None

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        if verb not in ("hide", "unhide", "delete"):
            return super().do(verb, post, text)
        graph = self._graph()
        path = f"{graph.version}/{post.external_id}"
        if verb == "delete":
            try:
                graph.request(path, method="DELETE", post=post)
            except Gone:
                return Done()
            return Done()
        graph.request(path, post_args={"hide": verb == "hide"}, post=post)
        return Done(replace(post, grants={**post.grants, "hidden": verb == "hide"}))

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The post is no longer there.")}
        if post.kind is PostKind.DIRECT:
            return {"reply": self._may_message(post, now)}
        able = Capability(True, hand_off=post.url)
        if post.grants.get("theirs"):
            return {"reply": able if self._names_us(post) else _by_hand(post)}
        if post.ours:
            return {"reply": able, "delete": able}
        hide: Verb = "unhide" if post.grants.get("hidden") else "hide"
        return {"reply": able, "private_reply": self._may_reply_privately(post, now, None), hide: able, "delete": able}

    def _names_us(self, post: Post) -> bool:
        said = {name.rstrip(".").lower() for name in _NAME.findall(post.text)}
        return f"@{self.facts.get('username') or ''}".lower() in said

    # Connecting

    def _me_fields(self) -> str:
        return "id,name,instagram_business_account{id,username,name}"

    def _account(self, me: JSON, scopes: tuple[str, ...], warnings: Sequence[str], server: str) -> Check:
        account = me.get("instagram_business_account")
        if not isinstance(account, dict) or not account.get("id"):
            raise NotPermitted("No business or creator account of Instagram is linked to this page.", what="account")
        username = str(account.get("username") or "")
        return Check(
            account_id=named(account["id"]),
            account_name=f"@{username}" if username else str(account.get("name") or account["id"]),
            account_url=f"https://www.instagram.com/{username}/" if username else "",
            server=server,
            scopes=scopes,
            facts={"account_id": named(account["id"]), "username": username, "page_id": named(me.get("id"))},
            warnings=tuple(warnings),
        )


def _top_of(post: Post) -> str:
    """An answer to an answer stands under the comment above."""
    return str(post.raw.get("parent_id") or post.external_id)


def _by_hand(post: Post) -> Capability:
    why = "Instagram lets an app answer only where the account is named with its @name."
    return Capability(False, why, hand_off=post.url or "https://www.instagram.com/")

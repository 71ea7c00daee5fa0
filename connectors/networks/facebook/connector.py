"""Facebook pages: comments, what visitors write, messages and recommendations. The token of the page does everything.
What Meta's usage headers, hiding, private replies and deliveries look like in life is unverified; what it does not say
of an item is tried, and refused by Meta if need be."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from django.utils.translation import gettext_lazy

from connectors.base import (
    JSON,
    Absent,
    CannotKnow,
    Capability,
    Check,
    Done,
    Found,
    Gone,
    MediaRule,
    Medium,
    Needs,
    Outgoing,
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
)
from connectors.finding import Sought
from connectors.meta.app import mapped
from connectors.meta.graph import Graph, following, listed, named, onward, rows, version_of
from connectors.meta.messages import TALK
from connectors.networks.facebook.api import COMMENT, author_of, comment_id, comment_of
from connectors.networks.facebook.reading import PageReading
from connectors.text import normalised

LOOKED = 3
"""Pages of comments looked through for one reply."""
REFUSED = {
    "video": "Programs may hang one photo from a comment there, and no video.",
    "animation": "Programs may show a GIF there only by its address somewhere on the web.",
}


class Facebook(PageReading):
    name = "facebook"
    label = "Facebook page"
    keeps_uploads = 12 * 3600.0
    needs = Needs(
        way=Way.APPROVAL,
        does=gettext_lazy(
            "Comments, visitors’ posts, tags, recommendations and messages; answers, private replies, hiding,"
            " deleting, blocking."
        ),
        apply=gettext_lazy(
            "An app of your own with Meta, with six permissions for pages, and somebody who manages the page."
        ),
        cost=gettext_lazy("Free."),
        approval=gettext_lazy(
            "Meta reviews the app, with a recording of how it is used, and verifies the organisation; reckon "
            "with weeks. For pages you manage yourself an app in development often does without."
        ),
    )
    unasked = ("tagged",)  # whether posts elsewhere are told by their number to a page that they tag is not known
    sources = (
        Source("visitor_posts", "Posts on the page", 120, 60, 900),
        Source("comments", "Comments", 60, 30, 600),
        Source("messages", "Messages", 60, 30, 600),
        Source("tagged", "Posts that tag the page", 300, 120, 1800),
        Source("ratings", "Recommendations", 900, 300, 3600),
    )
    scopes = needed = (
        "pages_show_list", "pages_read_engagement", "pages_read_user_content", "pages_manage_engagement",
        "pages_manage_metadata", "pages_messaging",
    )  # fmt: skip
    delivers = ("feed", "mention", "messages")
    text_rule, message_rule = TextRule(8_000), TextRule(2_000)
    recordings = ("facebook",)

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        parent = outgoing.parent
        if outgoing.private or parent.kind is PostKind.DIRECT:
            return self._send_message(outgoing)
        graph = self._graph(outgoing.sending_at)
        path = f"{graph.version}/{parent.external_id}/comments"
        made = graph.request(path, post_args=_comment(outgoing), post=parent)
        if not made.get("id"):
            raise graph.answer.unreadable("The answer to a new comment has no id.")
        return Sent(comment_id(made["id"], parent.external_id.split("_")[0]), str(made.get("permalink_url") or ""))

    def standing(self, text: str, post: Post) -> Standing:
        """Below an answer it hangs there or from the comment on top: nobody has told which."""
        return Standing((post.external_id, _thread_of(post)), text)

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        if private or post.kind is PostKind.DIRECT:
            return MediaRule(reason="Facebook takes files with a message only as one of their own, without words.")
        types = frozenset({"image/jpeg", "image/png"})
        return MediaRule(types=types, most=1, sizes={"image": 4_000_000}, description=1_000, refused=REFUSED)

    def upload(self, medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
        """A photo of the page that is not published."""
        graph = self._graph(outgoing.sending_at)
        given = {"published": "false", "alt_text_custom": medium.description or None}
        file = {"source": (medium.name, medium.read(), medium.type)}
        made = graph.request(f"{graph.version}/{self._page_id}/photos", post_args=given, files=file)
        if not made.get("id"):
            raise graph.answer.unreadable("The answer to a photo has no id.")
        return Uploaded(str(made["id"]))

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        """An answer to an answer may stand under the comment above it, so all of that is read, from the newest back to
        the first try. Meta is not asked for what came since: by its clock that may be another time."""
        if outgoing.private or outgoing.parent.kind is PostKind.DIRECT:
            return self._find_message(outgoing)
        graph, after, sought = self._graph(outgoing.sending_at), "", Sought(outgoing, partial(_is_it, outgoing))
        for _ in range(LOOKED):
            asked = {"filter": "stream", "order": "reverse_chronological", "limit": 100, "fields": COMMENT,
                     **onward(after)}  # fmt: skip
            told = graph.get_connections(_thread_of(outgoing.parent), "comments", **asked)
            posts, bad = mapped(listed(graph.answer, told), lambda item: comment_of(item, self._me))
            sought.among(posts, graph.answer.skew, bad)
            after = following(told)
            if sought.passed or not after:
                break
        alone = bool(sought.perhaps) and self._alone_with(outgoing.parent, graph)
        return sought.verdict(whole=sought.passed or not after, alone=alone)

    def _alone_with(self, post: Post, graph: Graph) -> bool:
        told = graph.get_object(_thread_of(post), fields="id,from,comments.filter(stream).limit(100){id,from}")
        below = told.get("comments")
        people = {author_of(each, str(each.get("id"))).external_id for each in (told, *rows(below))}
        return not following(below) and people <= {self._me, post.author.external_id}

    def _talks_with(self, graph: Graph, post: Post) -> list[Any] | None:
        """A comment names the conversation of its private reply, and none before it has had one."""
        if post.kind is PostKind.DIRECT:
            return super()._talks_with(graph, post)
        talk = graph.get_object(post.external_id, fields=f"private_reply_conversation{{id,{TALK}}}")
        held = talk.get("private_reply_conversation")
        return None if held and not isinstance(held, dict) else [held] if held else []

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        graph = self._graph()
        at, page = f"{graph.version}/{post.external_id}", f"{graph.version}/{self._page_id}"
        acts: dict[str, tuple[str, str, JSON | None, dict[str, Any]]] = {
            "hide": ("POST", at, {"is_hidden": True}, {"is_hidden": True}),
            "unhide": ("POST", at, {"is_hidden": False}, {"is_hidden": False}),
            "like": ("POST", f"{at}/likes", {}, {"user_likes": True}),
            "unlike": ("DELETE", f"{at}/likes", None, {"user_likes": False}),
            "edit": ("POST", at, {"message": text}, {}),
            "delete": ("DELETE", at, None, {}),
            "block": ("POST", f"{page}/blocked", {"user": post.author.external_id}, {}),
        }
        if verb not in acts:
            return super().do(verb, post, text)
        method, path, body, grants = acts[verb]
        try:
            graph.request(path, post_args=body, method=method, post=post)
        except Gone:
            if verb == "delete":
                return Done()
            raise
        if verb in ("delete", "block"):
            return Done()
        changed = replace(post, grants={**post.grants, **grants})
        if verb == "edit" and text != post.text:
            changed = replace(changed, text=text, state=PostState.EDITED, version=version_of(text))
        return Done(changed)

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The post is no longer there.")}
        if post.kind is PostKind.DIRECT:
            return {"reply": self._may_message(post, now)}
        able, told = Capability(True, hand_off=post.url), post.grants
        reply = able
        if told.get("can_comment") is False:
            reply = Capability(False, "Facebook takes no answer to this one.", hand_off=post.url)
        if post.ours:
            return {"reply": reply, "edit": able, "delete": able}
        if post.kind is not PostKind.COMMENT:
            visit = post.kind is PostKind.MENTION and post.external_id.startswith(f"{self._page_id}_")
            return {"reply": reply, **(dict.fromkeys((*_verbs(post), "delete"), able) if visit else {})}
        private = self._may_reply_privately(post, now, told.get("can_reply_privately"))
        return {"reply": reply, "private_reply": private, **dict.fromkeys(_verbs(post), able)}

    # Connecting

    def _me_fields(self) -> str:
        return "id,name,link"

    def _account(self, me: JSON, scopes: tuple[str, ...], warnings: Sequence[str], server: str) -> Check:
        page = named(me.get("id"))
        return Check(
            account_id=page,
            account_name=str(me.get("name") or page),
            account_url=str(me.get("link") or f"https://www.facebook.com/{page}"),
            server=server,
            scopes=scopes,
            facts={"account_id": page, "page_id": page},
            warnings=tuple(warnings),
        )


def _comment(outgoing: Outgoing) -> dict[str, str | None]:
    hanging = next((medium.token for medium in outgoing.media), None)
    return {"message": outgoing.text, "attachment_id": hanging, "fields": "id,permalink_url"}


def _verbs(post: Post) -> Iterator[Verb]:
    """What may be done to somebody's comment, or post on the page; Meta's silence about it is no refusal, except of
    deleting a comment."""
    told = post.grants
    if told.get("is_hidden"):
        yield "unhide"
    elif told.get("can_hide") is not False:
        yield "hide"
    if told.get("user_likes"):
        yield "unlike"
    elif told.get("can_like") is not False:
        yield "like"
    if told.get("can_remove"):
        yield "delete"
    if not post.author.external_id.startswith("unknown:"):
        yield "block"


def _is_it(outgoing: Outgoing, post: Post) -> bool | None:
    """Facebook may hang an answer to an answer from the comment above, beside those to everybody else there."""
    parent = outgoing.parent
    if normalised(post.text) != normalised(outgoing.text):
        return False
    if post.parent_id == parent.external_id or (post.parent_id is None and parent.kind is not PostKind.COMMENT):
        return True
    return None if post.parent_id in (None, _thread_of(parent)) else False


def _thread_of(post: Post) -> str:
    """Where an answer to this post is to be looked for: under the comment on top, or under the post itself."""
    above = post.parent_id or ""
    beside = above.split("_")[0] == post.external_id.split("_")[0]  # comments of one post begin with its number
    return above if post.kind is PostKind.COMMENT and beside else post.external_id

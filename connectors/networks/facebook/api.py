"""Reads what Graph says of comments, posts, ratings and webhook changes of a Facebook page. Ids of comments come in
several forms (post and comment, with or without the page), so they are brought into one."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from connectors.base import Author, Media, Post, PostKind, PostState, Visibility
from connectors.meta.graph import bare, named, rows, time_of, version_of

COMMENT = (
    "id,message,from,created_time,parent,permalink_url,attachment,message_tags,comment_count,like_count,can_comment,"
    "can_hide,can_like,can_remove,can_reply_privately,is_hidden,is_private,user_likes,private_reply_conversation"
)
POST = "id,message,created_time,updated_time,from,permalink_url,status_type,parent_id,attachments"
VISIT = f"{POST},is_hidden,likes.limit(0).summary(true)"
RATING = "created_time,has_rating,has_review,open_graph_story,rating,recommendation_type,review_text,reviewer"
ABOVE = "id,message,from,created_time,permalink_url"
GRANTS = ("can_comment", "can_hide", "can_like", "can_remove", "can_reply_privately", "is_hidden", "user_likes")
_KINDS = {"photo": "image", "sticker": "image", "animated_image_share": "image", "album": "image"}


def comment_id(value: Any, post: str = "") -> str:
    """One form for the ids of comments: the post's own number, `_`, the comment's. `post` helps where Graph gives the
    comment's alone."""
    parts = named(value).split("_")
    held = parts[-2] if len(parts) > 1 else post.rpartition("_")[2]
    return f"{held}_{parts[-1]}" if held else parts[-1]


def author_of(item: Mapping[str, Any], identity: str) -> Author:
    """Graph withholds some people; whoever is not named is one person for each thing said."""
    sender = item.get("from")
    if not isinstance(sender, dict) or not sender.get("id"):
        return Author(external_id=f"unknown:{identity}", name="Somebody on Facebook")
    return Author(external_id=named(sender["id"]), name=str(sender.get("name") or ""))


def comment_of(item: Mapping[str, Any], ours: str, *, post: str = "", subject: str = "") -> Post:
    """`post`: what it was said under. Under a post that the inbox holds, a visitor's, the comment joins its thread;
    under our own it begins one."""
    identity = comment_id(item["id"], post)
    author, parent, text = author_of(item, identity), item.get("parent"), said(item, item.get("attachment"))
    above = comment_id(parent["id"], identity.split("_")[0]) if isinstance(parent, dict) and parent.get("id") else None
    return Post(
        external_id=identity,
        kind=PostKind.COMMENT,
        source="comments",
        author=author,
        text=text,
        version=version_of(text),
        created_at=time_of(item["created_time"]),
        parent_id=above or post or None,
        root_id=None if above else identity,
        url=str(item.get("permalink_url") or ""),
        media=tuple(filter(None, [media_of(item.get("attachment"))])),
        visibility=Visibility.DIRECT if item.get("is_private") else Visibility.PUBLIC,
        ours=author.external_id == ours,
        subject="" if above else subject,
        grants={name: item[name] for name in GRANTS if isinstance(item.get(name), bool)},
        raw=bare(dict(item)),
    )


def post_of(item: Mapping[str, Any], ours: str, source: str) -> Post:
    identity = named(item["id"])
    author, created_at = author_of(item, identity), time_of(item["created_time"])
    attachments = [each for each in rows(item.get("attachments")) if isinstance(each, dict)]
    text = said(item, attachments[0] if attachments else None)
    return Post(
        external_id=identity,
        kind=PostKind.MENTION,
        source=source,
        author=author,
        text=text,
        version=version_of(text),
        created_at=created_at,
        root_id=identity,
        url=str(item.get("permalink_url") or ""),
        media=tuple(filter(None, (media_of(each) for each in attachments))),
        ours=author.external_id == ours,
        grants=_allowed(item),
        raw=bare(dict(item)),
    )


def _allowed(item: Mapping[str, Any]) -> dict[str, Any]:
    """What Facebook says of a post in words of its own, as it says it of a comment."""
    likes = item.get("likes")
    summary = likes.get("summary") if isinstance(likes, dict) else None
    liked = summary if isinstance(summary, dict) else {}
    told = {"is_hidden": item.get("is_hidden"), "can_like": liked.get("can_like"), "user_likes": liked.get("has_liked")}
    return {name: value for name, value in told.items() if isinstance(value, bool)}


def rating_of(item: Mapping[str, Any], ours: str) -> Post:
    """A recommendation. It is answered under its story; without one it is only read."""
    reviewer, story = item.get("reviewer"), item.get("open_graph_story")
    person = reviewer if isinstance(reviewer, dict) and reviewer.get("id") else {}
    made = time_of(item["created_time"])
    told = isinstance(story, dict) and story.get("id")
    identity = named(story["id"]) if told and isinstance(story, dict) else f"rating:{person['id']}:{made:%Y%m%d%H%M%S}"
    kind = {"positive": "Recommends the page", "negative": "Does not recommend the page"}
    stars = item.get("rating")
    return Post(
        external_id=identity,
        kind=PostKind.REVIEW,
        source="ratings",
        author=author_of({"from": person}, identity),
        text=str(item.get("review_text") or ""),
        created_at=made,
        root_id=identity,
        ours=bool(person) and str(person["id"]) == ours,
        rating=Decimal(str(stars)) if isinstance(stars, int) and not isinstance(stars, bool) else None,
        version=version_of(str(item.get("review_text") or "")),
        subject=kind.get(str(item.get("recommendation_type")), ""),
        grants={} if told else {"can_comment": False},
        raw=bare(dict(item)),
    )


def change_of(value: Mapping[str, Any], page: str) -> Post | None:
    """A comment or a post of a webhook, in the words of the poll; None for likes, for our own new posts, and where it
    tells no words: the poll and the look at open conversations bring what it is about."""
    kind, verb = value.get("item"), value.get("verb")
    if verb != "remove" and (verb not in ("add", "edited", "edit") or not value.get("message")):
        return None
    shape = {**value, "created_time": value.get("created_time"), "message": value.get("message")}
    if kind == "comment":
        under = named(value["post_id"])
        # A comment on the post itself names the post as its parent.
        above = value.get("parent_id")
        shape |= {"id": value["comment_id"], "parent": {"id": above} if above and above != under else None}
        made = comment_of(shape, page, post=under)
    elif kind in ("post", "status", "photo", "video", "share"):
        made = post_of({**shape, "id": value["post_id"]}, page, "visitor_posts")
        if made.ours:
            return None
    else:
        return None
    return gone(made) if verb == "remove" else replace(made, whole=False)


def gone(post: Post) -> Post:
    return replace(post, state=PostState.DELETED, text="", version="")


def said(item: Mapping[str, Any], attachment: Any) -> str:
    text = item.get("message") or item.get("story")
    if text:
        return str(text)
    title = attachment.get("title") if isinstance(attachment, dict) else None
    return str(title or "")


def media_of(attachment: Any) -> Media | None:
    if not isinstance(attachment, dict):
        return None
    held = attachment.get("media")
    image = held.get("image") if isinstance(held, dict) else None
    source = str(held.get("source") or "") if isinstance(held, dict) else ""
    picture = str(image.get("src") or "") if isinstance(image, dict) else ""
    kind, title = str(attachment.get("type") or ""), str(attachment.get("title") or "")
    if source or picture:
        video = "video" in kind and bool(source)
        shown = source if video else picture or source
        return Media(kind="video" if video else "image", url=shown, preview_url=picture, description=title)
    url = str(attachment.get("url") or "")
    return Media(kind=_KINDS.get(kind, "file"), url=url, description=title) if url else None


def newest_first(posts: list[Post]) -> tuple[Post, ...]:
    """In the order the inbox takes them: by time."""
    return tuple(sorted(posts, key=lambda post: (post.created_at, post.external_id)))


def seconds(value: Any) -> int:
    return int(time_of(value).timestamp())


def excerpt(item: Mapping[str, Any]) -> str:
    return " ".join(str(item.get("message") or item.get("caption") or "").split())

"""Reads what Graph says of comments and media of an Instagram account. Whom it does not name by number is known by
the user name, which is weak: names change."""

from collections.abc import Mapping
from typing import Any

from connectors.base import Author, Media, Post, PostKind
from connectors.meta.graph import bare, named, rows, time_of, version_of

REPLY = "id,text,timestamp,username,from,hidden"
COMMENT = "id,text,timestamp,username,from,user,parent_id,hidden,like_count,media{id,permalink}"
UNDER_MEDIA = f"id,text,timestamp,username,from,user,parent_id,hidden,like_count,replies.limit(50){{{REPLY}}}"
MEDIA = (
    "id,caption,media_type,media_product_type,permalink,timestamp,username,comments_count,like_count,"
    "is_comment_enabled,owner"
)
TAGGED = "id,caption,media_type,media_url,permalink,timestamp,username,comments_count,like_count"
MENTIONED = "id,text,timestamp,username,media{id,permalink}"
SITE = "https://www.instagram.com"


def author_of(item: Mapping[str, Any]) -> Author:
    for held in (item.get("from"), item.get("user"), item.get("owner")):
        if isinstance(held, dict) and held.get("id"):
            handle = str(held.get("username") or item.get("username") or "")
            return Author(external_id=named(held["id"]), handle=handle, name=handle or "Somebody on Instagram",
                          url=f"{SITE}/{handle}/" if handle else "")  # fmt: skip
    handle = str(item.get("username") or "")
    identity = f"name:{handle}" if handle else f"unknown:{named(item['id'])}"
    url = f"{SITE}/{handle}/" if handle else ""
    return Author(external_id=identity, handle=handle, name=handle or "Somebody on Instagram", url=url)


def flat(items: list[Any]) -> list[Any]:
    """Comments, each followed by the answers below it, which do not say themselves what they answer."""
    found: list[Any] = []
    for item in items:
        found.append(item)
        replies = rows(item.get("replies")) if isinstance(item, dict) else []
        found += [{**each, "parent_id": item.get("id")} if isinstance(each, dict) else each for each in replies]
    return found


def comment_of(item: Mapping[str, Any], ours: frozenset[str], about: Mapping[str, Any]) -> Post:
    """`about`: the medium it stands under, its address and words, and whether that is somebody else's."""
    author, identity, text = author_of(item), named(item["id"]), str(item.get("text") or "")
    above, medium = item.get("parent_id"), item.get("media")
    held = medium if isinstance(medium, dict) else {}
    grants: dict[str, Any] = {"hidden": item["hidden"]} if isinstance(item.get("hidden"), bool) else {}
    return Post(
        external_id=identity,
        kind=PostKind.COMMENT,
        source="comments",
        author=author,
        text=text,
        version=version_of(text),
        created_at=time_of(item["timestamp"]),
        parent_id=str(above) if above else str(about.get("id") or held.get("id") or "") or None,
        root_id=None if above else identity,
        url=str(about.get("url") or held.get("permalink") or ""),
        ours=bool(ours & {author.external_id, f"name:{author.handle}"}),
        subject="" if above else str(about.get("subject") or ""),
        grants=grants | ({"theirs": True} if about.get("theirs") else {}),
        raw=bare({name: value for name, value in item.items() if name != "replies"}),
    )


def medium_of(item: Mapping[str, Any], ours: frozenset[str], source: str) -> Post:
    """A photograph or film of somebody else that tags or names us. Its caption may be missing."""
    author, identity, text = author_of(item), named(item["id"]), str(item.get("caption") or "")
    url = str(item.get("media_url") or "")
    kind = "video" if item.get("media_type") == "VIDEO" else "image"
    return Post(
        external_id=identity,
        kind=PostKind.RESULT if source.startswith("hashtag") else PostKind.MENTION,
        source=source,
        author=author,
        text=text,
        version=version_of(text),
        created_at=time_of(item["timestamp"]),
        root_id=identity,
        url=str(item.get("permalink") or ""),
        media=(Media(kind=kind, url=url),) if url else (),
        ours=bool(ours & {author.external_id, f"name:{author.handle}"}),
        grants={"theirs": True},
        raw=bare(dict(item)),
    )

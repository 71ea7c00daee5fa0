"""Reads what the API of X answers: posts, messages, accounts and problems. X renames its fields (referenced_tweets →
referenced_posts, …) and nobody can say which names the live service uses today, so both are read."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html import unescape
from typing import Any

from connectors.networks.x.films import best_film
from connectors.posts import Author, Media, Post, PostKind, PostState, Visibility

WEB = "https://x.com"
DIRECT = "dm:"
"""Before the ids of messages, which X counts beside those of posts."""
_EPOCH, _SHIFT = 1288834974657, 22
_SNOWFLAKE = 10**15
"""Ids below it are from before 2010 and carry no time."""
_MEDIA = {"photo": "image", "video": "video", "animated_gif": "video"}
_LEADING_NAMES = re.compile(r"(?:\s*@\w{1,15}\b)+\s*")


def id_at(time: datetime) -> str:
    """The lowest id of a post made at this time."""
    return str(max(1, (int(time.timestamp() * 1000) - _EPOCH) << _SHIFT))


def time_of_id(identity: str) -> datetime | None:
    number = int(identity) if identity.isascii() and identity.isdecimal() else 0
    return datetime.fromtimestamp(((number >> _SHIFT) + _EPOCH) / 1000, UTC) if number > _SNOWFLAKE else None


def either(item: Mapping[str, Any], *names: str) -> Any:
    """The first of these names that holds anything."""
    return next((item[name] for name in names if item.get(name)), None)


@dataclass(slots=True)
class Includes:
    """What a page brings beside its items, by id."""

    users: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    posts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    media: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Includes":
        given = body.get("includes")
        given = given if isinstance(given, dict) else {}
        return cls(
            dict(_by("id", given.get("users"))),
            dict(_by("id", either(given, "tweets", "posts"))),
            dict(_by("media_key", given.get("media"))),
        )


def _by(name: str, items: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get(name):
            yield str(item[name]), item


@dataclass(frozen=True, slots=True)
class Reader:
    """Maps items for one account of ours; `me` is its id, `name` its handle."""

    me: str
    name: str

    def post(self, item: Mapping[str, Any], includes: Includes, source: str) -> Post | None:
        """A post, or None for a repost. Each edit has an id of its own: the first is the post's, the last its
        version."""
        referenced = {
            str(each.get("type")): _id(each.get("id"))
            for each in either(item, "referenced_tweets", "referenced_posts") or ()
        }
        if "retweeted" in referenced or "reposted" in referenced:
            return None
        newest = _id(item["id"])
        history = [str(each) for each in either(item, "edit_history_tweet_ids", "edit_history_post_ids") or ()]
        identity, edited = (history[0], history[0] != newest) if history else (newest, False)
        author, parent = self._author(item, includes), referenced.get("replied_to")
        made_at = _time(item.get("created_at"), newest)
        conversation = str(item.get("conversation_id") or "") or (None if parent else identity)
        grants = self._grants(item, includes, referenced, conversation)
        found = source.startswith("search") and not (grants["summoned"] or grants["to_us"])
        return Post(
            external_id=identity,
            kind=PostKind.RESULT if found else _kind(parent, referenced.get("quoted")),
            source=source,
            author=author,
            text=_text(item),
            created_at=(time_of_id(identity) or made_at) if edited else made_at,
            edited_at=made_at if edited else None,
            version=newest if edited else "",
            lang=str(item.get("lang") or "").replace("und", ""),
            parent_id=parent,
            root_id=conversation,
            url=f"{WEB}/{author.handle or 'i'}/status/{newest}",
            media=_media(item, includes),
            visibility=Visibility.FOLLOWERS if self._protected(item, includes) else Visibility.PUBLIC,
            state=PostState.EDITED if edited else PostState.LIVE,
            ours=author.external_id == self.me,
            grants=grants,
            raw=dict(item),
        )

    def _author(self, item: Mapping[str, Any], includes: Includes) -> Author:
        return author_of(includes.users.get(str(item.get("author_id")), {}), _id(item["author_id"]))

    @staticmethod
    def _protected(item: Mapping[str, Any], includes: Includes) -> bool:
        return bool(includes.users.get(str(item.get("author_id")), {}).get("protected"))

    def _grants(
        self, item: Mapping[str, Any], includes: Includes, referenced: Mapping[str, str], conversation: str | None
    ) -> dict[str, Any]:
        """What decides later what may be done with it: X lets programs answer only those who named or quoted us."""
        quoted = includes.posts.get(referenced.get("quoted", ""), {})
        opens = includes.users.get(str(item.get("author_id")), {}).get("receives_your_dm")
        return {
            "summoned": self._named(item) or str(quoted.get("author_id") or "") == self.me,
            "to_us": str(item.get("in_reply_to_user_id") or "") == self.me,
            "root_ours": self._began(item, includes, referenced.get("replied_to", ""), conversation),
            "direct": opens if isinstance(opens, bool) else None,
        }

    def _began(self, item: Mapping[str, Any], includes: Includes, parent: str, conversation: str | None) -> bool:
        """Whether the thread is ours: its first post came along, or this post or the one above answers it and is, as X
        says, an answer to us. Of what hangs deeper X does not tell."""
        if str(includes.posts.get(conversation or "", {}).get("author_id") or "") == self.me:
            return True
        to_us = [
            each for each in (item, includes.posts.get(parent, {}))
            if str(each.get("in_reply_to_user_id") or "") == self.me
        ]  # fmt: skip
        return any(_answers(each, conversation) for each in to_us)

    def _named(self, item: Mapping[str, Any]) -> bool:
        """Whether the author wrote our name. The names X itself puts before a reply do not count."""
        long = either(item, "note_tweet", "note_post") or {}
        text = str(long.get("text") or item.get("text") or "")
        is_reply = bool(item.get("in_reply_to_user_id"))
        lead = _LEADING_NAMES.match(text) if is_reply else None
        start = lead.end() if lead else 0
        entities = long.get("entities") or item.get("entities") or {}
        for mention in entities.get("mentions") or ():
            ours = str(mention.get("id") or "") == self.me or self._is_our_name(mention.get("username"))
            if ours and int(mention.get("start") or 0) >= start:
                return True
        return False

    def _is_our_name(self, name: Any) -> bool:
        return bool(self.name) and str(name or "").lower() == self.name.lower()

    def direct(self, item: Mapping[str, Any], includes: Includes, source: str) -> Post | None:
        """A private message; None for what is none (somebody came or left)."""
        if item.get("event_type") not in (None, "MessageCreate"):
            return None
        identity, sender = _id(item["id"]), _id(item["sender_id"])
        conversation = str(item.get("dm_conversation_id") or sender)
        return Post(
            external_id=DIRECT + identity,
            kind=PostKind.DIRECT,
            source=source,
            author=author_of(includes.users.get(sender, {}), sender),
            text=unescape(str(item.get("text") or "")),
            created_at=_time(item.get("created_at"), identity),
            root_id=DIRECT + conversation,
            url=f"{WEB}/messages/{conversation}",
            media=_media(item, includes),
            visibility=Visibility.DIRECT,
            ours=sender == self.me,
            grants={"conversation": conversation},
            raw=dict(item),
        )


def _answers(item: Mapping[str, Any], post: str | None) -> bool:
    given = either(item, "referenced_tweets", "referenced_posts") or ()
    answered = [str(each.get("id")) for each in given if isinstance(each, dict) and each.get("type") == "replied_to"]
    return post in answered


def author_of(user: Mapping[str, Any], identity: str) -> Author:
    followers = (user.get("public_metrics") or {}).get("followers_count")
    handle = str(user.get("username") or "")
    created_at = None
    with suppress(ValueError, TypeError):
        created_at = _written(user.get("created_at"))
    return Author(
        external_id=identity,
        handle=handle,
        name=str(user.get("name") or ""),
        avatar_url=str(user.get("profile_image_url") or ""),
        url=f"{WEB}/{handle}" if handle else f"{WEB}/i/user/{identity}",
        followers=int(followers) if followers is not None else None,
        created_at=created_at,
    )


def newest_of_each(posts: Sequence[Post]) -> tuple[Post, ...]:
    """A page may hold several versions of one post; what X says of an older one counts no more."""
    kept: dict[str, Post] = {}
    for post in posts:
        before = kept.get(post.external_id)
        if before is None or (post.edited_at or post.created_at) >= (before.edited_at or before.created_at):
            kept[post.external_id] = post
    return tuple(sorted(kept.values(), key=lambda post: (post.created_at, post.external_id)))


def newer_version(item: Any) -> str | None:
    """The id of the newest version, when this is not it."""
    history = either(item, "edit_history_tweet_ids", "edit_history_post_ids") if isinstance(item, dict) else None
    if not isinstance(history, list):
        return None
    return str(history[-1]) if history and str(history[-1]) != str(item.get("id")) else None


def without_names(text: str) -> str:
    """As `text`, without the names that X puts before a reply."""
    lead = _LEADING_NAMES.match(text)
    return text[lead.end() :] if lead else text


def hidden(post: Post, *, now: bool) -> Post:
    return replace(post, grants={**post.grants, "hidden": now})


def _id(value: Any) -> str:
    if not value or not isinstance(value, str | int) or not str(value).isascii() or not str(value).isdecimal():
        raise ValueError("no id")
    return str(value)


def _kind(parent: str | None, quoted: str | None) -> PostKind:
    """Of what is to us; what a search finds among strangers is not."""
    if parent:
        return PostKind.REPLY
    return PostKind.QUOTE if quoted else PostKind.MENTION


def _time(value: Any, identity: str) -> datetime:
    """When it was made: as it says, else as its id says."""
    try:
        return _written(value)
    except (ValueError, TypeError):
        if (time := time_of_id(identity)) is None:
            raise ValueError("no time") from None
        return time


def _written(value: Any) -> datetime:
    try:
        time = datetime.fromisoformat(value)
    except ValueError:  # as X wrote times before version 2
        time = datetime.strptime(value, "%a %b %d %H:%M:%S %z %Y")
    return time.replace(tzinfo=time.tzinfo or UTC)


def _text(item: Mapping[str, Any]) -> str:
    """The text as people see it: the long form where there is one, whole links instead of shortened ones, and no
    link to the post's own pictures."""
    long = either(item, "note_tweet", "note_post") or {}
    text = unescape(str(long.get("text") or item.get("text") or ""))
    for link in ((long.get("entities") or item.get("entities") or {}).get("urls")) or ():
        short, whole = str(link.get("url") or ""), str(link.get("expanded_url") or "")
        if short and (whole or link.get("media_key")):
            text = text.replace(short, "" if link.get("media_key") else whole)
    return text.strip()


def _media(item: Mapping[str, Any], includes: Includes) -> tuple[Media, ...]:
    keys = (item.get("attachments") or {}).get("media_keys") or ()
    return tuple(_medium(includes.media[key]) for key in map(str, keys) if key in includes.media)


def _medium(item: Mapping[str, Any]) -> Media:
    """A film has no address but those of its variants. Without any it is the picture before it that can be shown."""
    kind, preview = _MEDIA.get(str(item.get("type")), "file"), str(item.get("preview_image_url") or "")
    url = (best_film(item) if kind == "video" else "") or str(item.get("url") or "")
    return Media(
        kind="image" if preview and not url else kind,
        url=url or preview,
        preview_url=preview,
        description=str(item.get("alt_text") or ""),
    )

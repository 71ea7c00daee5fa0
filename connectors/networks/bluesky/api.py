"""Reads and makes the small entities of the AT protocol: addresses of records, record keys, times, authors, media,
posts and what an error means."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.faults import AuthExpired, AuthRevoked, Fault, Gone, Invalid, PolicyRefused, Unavailable
from connectors.networks.bluesky.text import readable
from connectors.posts import Author, Media, Post, PostKind
from connectors.text import read_json

POSTS, LIKES, GATES = "app.bsky.feed.post", "app.bsky.feed.like", "app.bsky.feed.threadgate"
BLOCKS = "app.bsky.graph.block"
WEB = "https://bsky.app/profile"
IMAGES = "https://cdn.bsky.app/img/feed_fullsize/plain"
_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
_EARLIEST = datetime(2022, 11, 17, tzinfo=UTC)
_FAULTS: dict[str, type[Fault]] = {
    "ExpiredToken": AuthExpired,
    "InvalidToken": AuthRevoked,
    "AuthMissing": AuthRevoked,
    "AuthenticationRequired": AuthRevoked,
    "AuthFactorTokenRequired": AuthRevoked,
    "NotFound": Gone,
    "RecordNotFound": Gone,
    "RepoNotFound": Gone,
    "RepoDeactivated": Gone,
    "RepoTakendown": Gone,
    "RepoSuspended": Gone,
    "AccountTakedown": Gone,
    "AccountDeactivated": Gone,
    "AccountSuspended": Gone,
    "BlockedActor": PolicyRefused,
    "BlockedByActor": PolicyRefused,
    "InvalidSwap": Unavailable,
    "InvalidRequest": Invalid,
}


def fault_of(answer: Any, own: bool) -> Fault | None:
    """The network names its errors in the body, and often with another status than one would think. `own`: it was
    asked about our own account, so that a closed one is ours."""
    if answer.status == 429 or answer.status >= 500:
        return None
    try:
        name = read_json(answer.content).get("error")
    except (ValueError, AttributeError, RecursionError):
        return None
    kind = _FAULTS.get(name) if isinstance(name, str) else None
    if kind is None:
        return None
    if own and name.startswith(("Account", "Repo")):
        kind = AuthRevoked
    return kind(f"The answer was {answer.status} {name}.", what=name, status=answer.status)


def record_key(of: str, after: datetime) -> str:
    """A record key (TID) that is the same however often it is made for the same thing: a time shortly after `after`,
    told apart by what it is for."""
    number = int.from_bytes(hashlib.sha256(of.encode()).digest()[:8])
    micros = int(max(after, _EARLIEST).timestamp() * 1_000_000) + number % (1 << 20)
    value = micros << 10 | number >> 20 & 1023
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(60, -1, -5))


def parts_of(uri: str) -> tuple[str, str, str]:
    """Repository, collection and key of an at:// address."""
    scheme, _, rest = uri.partition("://")
    parts = rest.split("/")
    if scheme != "at" or len(parts) != 3 or not all(parts):
        raise ValueError("no address of a record")
    return parts[0], parts[1], parts[2]


def address_of(uri: str) -> str:
    """Where people read it."""
    repo, _, rkey = parts_of(uri)
    return f"{WEB}/{repo}/post/{rkey}"


def time_of(value: Any) -> datetime:
    time = datetime.fromisoformat(value)
    return time.replace(tzinfo=time.tzinfo or UTC)


def moment_of(view: Mapping[str, Any]) -> datetime:
    """When it was said: what the author claims, but never later than the network saw it, which is how it sorts."""
    seen = time_of(view["indexedAt"])
    try:
        return min(time_of(view["record"]["createdAt"]), seen)
    except (KeyError, TypeError, ValueError):
        return seen


def claims_of(token: str) -> Mapping[str, Any]:
    """What a token says of itself; unchecked, so only good for advice."""
    try:
        middle = token.split(".")[1]
        claims = read_json(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def author_of(account: Mapping[str, Any]) -> Author:
    followers = account.get("followersCount")
    return Author(
        external_id=_text(account["did"]),
        handle=str(account.get("handle") or ""),
        name=str(account.get("displayName") or ""),
        avatar_url=str(account.get("avatar") or ""),
        url=f"{WEB}/{account['did']}",
        followers=int(followers) if followers is not None else None,
        created_at=time_of(account["createdAt"]) if account.get("createdAt") else None,
    )


def media_of(view: Mapping[str, Any], did: str) -> tuple[Media, ...]:
    """What the network shows with it, else what the record names: notifications bring the bare record only."""
    shown = _inner(view.get("embed"))
    images = [
        Media(
            kind="image",
            url=str(each.get("fullsize") or ""),
            preview_url=str(each.get("thumb") or ""),
            description=str(each.get("alt") or ""),
        )
        for each in _mappings(shown.get("images"))
    ]
    if shown.get("playlist"):
        thumb, said = str(shown.get("thumbnail") or ""), str(shown.get("alt") or "")
        images.append(Media(kind="video", url=str(shown["playlist"]), preview_url=thumb, description=said))
    if shown:
        return tuple(images)
    named = _inner(view["record"].get("embed"))
    return tuple(
        Media(kind="image", url=f"{IMAGES}/{did}/{link}@jpeg", description=str(each.get("alt") or ""))
        for each in _mappings(named.get("images"))
        if (link := _mapping(_mapping(each.get("image")).get("ref")).get("$link"))
    )


def post_of(
    view: Mapping[str, Any],
    *,
    source: str,
    me: str,
    kind: PostKind | None = None,
    history_before: datetime | None = None,
) -> Post:
    """A notification or a post as the network shows it; both have the same parts."""
    uri, record, author = _text(view["uri"]), view["record"], author_of(view["author"])
    collection = parts_of(uri)[1]
    if collection != POSTS:
        raise ValueError(f"a record of {collection}")
    reply, created_at = _mapping(record.get("reply")), moment_of(view)
    parent, root = (str(_mapping(reply.get(which)).get("uri") or "") for which in ("parent", "root"))
    langs = record.get("langs")
    if kind is None:
        found = source.startswith("search") and not (me and parent.startswith(f"at://{me}/"))
        kind = PostKind.REPLY if parent and not found else PostKind.RESULT
    return Post(
        external_id=uri,
        kind=kind,
        source=source,
        author=author,
        text=readable(str(record.get("text") or ""), record.get("facets")),
        created_at=created_at,
        version=_text(view["cid"]),
        lang=str(langs[0]) if isinstance(langs, list) and langs else "",
        parent_id=parent or None,
        root_id=root or parent or uri,
        url=address_of(uri),
        media=media_of(view, author.external_id),
        ours=bool(me) and author.external_id == me,
        history=history_before is not None and time_of(view["indexedAt"]) < history_before,
        grants=_grants(view, root),
        raw=dict(view),
    )


def _grants(view: Mapping[str, Any], root: str) -> dict[str, Any]:
    viewer, person = _mapping(view.get("viewer")), _mapping(view["author"].get("viewer"))
    return {
        "root": root,
        "liked": str(viewer.get("like") or ""),
        "closed": bool(viewer.get("replyDisabled")),
        "blocked": bool(person.get("blockedBy") or person.get("blocking")),
        "muted": bool(person.get("muted")),
    }


def _inner(embed: Any) -> Mapping[str, Any]:
    """The media of an embed that is media beside a quoted post."""
    embed = _mapping(embed)
    return _mapping(embed["media"]) if "media" in embed else embed


def _text(value: Any) -> str:
    if not value or not isinstance(value, str):
        raise ValueError("no id")
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

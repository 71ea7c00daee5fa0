"""Reads the small entities of the Mastodon API: ids, times, accounts, media. Accepts what other servers of this API
leave out."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.posts import Author, Media, Visibility

SHOWN = {
    "public": Visibility.PUBLIC,
    "unlisted": Visibility.UNLISTED,
    "private": Visibility.FOLLOWERS,
    "direct": Visibility.DIRECT,
}
_KEPT, _EARLIEST = timedelta(days=7), datetime(2016, 10, 1, tzinfo=UTC)
"""So long, at least, servers keep what they have from others; and before that no number was given."""
_MEDIA = {"image": "image", "gifv": "video", "video": "video", "audio": "audio"}


def id_of(item: Any) -> str:
    return str(item.get("id") or "") if isinstance(item, dict) else ""


def required(value: Any) -> str:
    if not value or not isinstance(value, str | int):
        raise ValueError("no id")
    return str(value)


def time_of(value: Any) -> datetime:
    time = datetime.fromisoformat(value)
    return time.replace(tzinfo=time.tzinfo or UTC)


def is_old(identity: str, now: datetime) -> bool:
    """Whether a server may have dropped a post for its age. On Mastodon its number tells when it was made, and the
    server itself goes by that; of numbers of other servers nothing is known."""
    if not (identity.isascii() and identity.isdecimal() and len(identity) <= 19):
        return False
    return _EARLIEST < datetime.fromtimestamp((int(identity) >> 16) / 1000, UTC) < now - _KEPT


def author_of(account: Mapping[str, Any], home: str = "") -> Author:
    """`home`: the server's own name, which it leaves out of the names of its own accounts."""
    followers, handle = account.get("followers_count"), str(account.get("acct") or account.get("username") or "")
    return Author(
        # An id is local to its server; the address is the account's everywhere.
        external_id=required(account.get("uri") or account.get("url") or ""),
        handle=f"{handle}@{home}" if home and handle and "@" not in handle else handle,
        name=str(account.get("display_name") or ""),
        avatar_url=str(account.get("avatar_static") or account.get("avatar") or ""),
        url=str(account.get("url") or ""),
        bot=bool(account.get("bot")),
        followers=int(followers) if followers is not None else None,
        created_at=time_of(account["created_at"]) if account.get("created_at") else None,
    )


def media_of(item: Mapping[str, Any]) -> Media:
    return Media(
        kind=_MEDIA.get(str(item.get("type")), "file"),
        url=str(item.get("url") or item.get("remote_url") or ""),
        preview_url=str(item.get("preview_url") or ""),
        description=str(item.get("description") or ""),
    )

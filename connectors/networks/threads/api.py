"""Reads what Threads says of posts, and what its deliveries tell. People are known by their user name only, which is
weak: names change."""

from collections.abc import Mapping
from typing import Any

from connectors.base import JSON, Author, Media, Post, PostKind
from connectors.meta.graph import bare, named, rows, time_of, version_of
from connectors.text import read_json

FIELDS = (
    "id,text,username,permalink,timestamp,media_type,media_url,thumbnail_url,is_quote_post,has_replies,root_post,"
    "replied_to,is_reply,is_reply_owned_by_me,hide_status,reply_audience"
)
OWN = "id,text,username,permalink,timestamp,media_type,has_replies"
SOUGHT = "id,text,username,permalink,timestamp,media_type,media_url,is_quote_post,has_replies,is_reply"
_SHOWN = {"IMAGE": "image", "VIDEO": "video", "AUDIO": "audio", "CAROUSEL_ALBUM": "image"}
_HIDDEN = ("HIDDEN", "BLOCKED", "RESTRICTED", "COVERED")


def post_of(item: Mapping[str, Any], source: str, me: str, *, subject: str = "", under: str = "") -> Post:
    """`under`: a thread of ours. Each answer to it begins a conversation, and may be hidden by us."""
    identity, handle = named(item["id"]), str(item.get("username") or "")
    above, text = id_in(item.get("replied_to")), str(item.get("text") or "")
    first = not above or above == under
    media, kind = str(item.get("media_url") or ""), _SHOWN.get(str(item.get("media_type")), "file")
    return Post(
        external_id=identity,
        kind=_kind(item, source, above),
        source=source,
        author=Author(external_id=f"name:{handle}" if handle else f"unknown:{identity}", handle=handle,
                      name=handle or "Somebody on Threads",
                      url=f"https://www.threads.net/@{handle}" if handle else ""),
        text=text,
        version=version_of(text),
        created_at=time_of(item["timestamp"]),
        parent_id=above or None,
        root_id=identity if first else None,
        url=str(item.get("permalink") or ""),
        media=(Media(kind=kind, url=media, preview_url=str(item.get("thumbnail_url") or "")),) if media else (),
        ours=bool(me and handle == me) or item.get("is_reply_owned_by_me") is True,
        subject=subject if above and first else "",
        grants={"hidden": item.get("hide_status") in _HIDDEN, "under_ours": True} if under else {},
        raw=bare(dict(item)),
    )  # fmt: skip


def _kind(item: Mapping[str, Any], source: str, above: str) -> PostKind:
    if source.startswith("search"):  # whose words a quote repeats is not told there
        return PostKind.RESULT
    if item.get("is_quote_post"):
        return PostKind.QUOTE
    return PostKind.REPLY if above else PostKind.MENTION


def id_in(value: Any) -> str:
    return str(value.get("id") or "") if isinstance(value, dict) else ""


def told_by(body: bytes) -> list[JSON]:
    """The changes of a delivery, {field, value, to}, `to` the account it is for where it is said. Meta shows two forms;
    both are taken."""
    whole = read_json(body)
    held = whole.get("values")
    found = [(each, "") for each in (held if isinstance(held, list) else [held])]
    for entry in rows(whole, "entry"):
        to = str(entry.get("id") or "") if isinstance(entry, dict) else ""
        found += [(each, to) for each in rows(entry, "changes")]
    told = [(each, to) for each, to in found if isinstance(each, dict) and isinstance(each.get("value"), dict)]
    return [{**each, "to": to or _owner(each)} for each, to in told]


def _owner(change: Mapping[str, Any]) -> str:
    """Whose thread was answered; a mention stands below anybody's."""
    root = change["value"].get("root_post")
    return str(root.get("owner_id") or "") if change.get("field") == "replies" and isinstance(root, dict) else ""

"""Reads events as a Matrix homeserver tells them: messages, what replaced them, who is meant, and what a refusal
means. An event is named here by its room and its id, because a server is asked for one by both."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from connectors.answers import AT_LEAST, WAIT_UNTOLD, Answer, wait_until
from connectors.faults import (
    AuthExpired,
    AuthRevoked,
    Duplicate,
    Fault,
    Gone,
    Invalid,
    NotPermitted,
    PolicyRefused,
    RateLimited,
)
from connectors.posts import MAPPING, Author, Media, Post, PostKind, PostState, Visibility
from connectors.text import KEY_LIMIT, read_json

SAID = ("m.room.message", "m.sticker")
SEALED = "m.room.encrypted"
HIDDEN = "(An encrypted message. It cannot be read here.)"
_FILES = ("m.image", "m.video", "m.audio", "m.file", "m.sticker")
_SEEN = {"d": Visibility.DIRECT, "p": Visibility.PUBLIC}
_NO_WORDS = ("m.key.verification.request",)


def named(room: str, event: str) -> str:
    return f"{room}/{event}"


def place_of(one: str) -> tuple[str, str]:
    """Room and id of an event; Gone for what is no name of one."""
    room, found, event = one.partition("/$")
    if not found or not room.startswith("!"):
        raise Gone("This is not the name of a message.", what=one)
    return room, f"${event}"


def link_to(room: str, event: str, sender: str) -> str:
    """Where any Matrix app opens it."""
    via = sender.partition(":")[2]
    where = f"https://matrix.to/#/{quote(room, safe='!:')}/{quote(event, safe='$:')}"
    return f"{where}?via={quote(via, safe=':')}" if via else where


def time_of(event: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(int(event["origin_server_ts"]) / 1000, UTC)


def table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def relation_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return table(table(event.get("content")).get("m.relates_to"))


def replaces(event: Mapping[str, Any]) -> str:
    """The event this one is a new version of, "" for all others."""
    relation = relation_of(event)
    return str(relation.get("event_id") or "") if relation.get("rel_type") == "m.replace" else ""


def takes_back(event: Mapping[str, Any]) -> str:
    """The event this one redacts; where it says so changed with the versions of rooms."""
    if event.get("type") != "m.room.redaction":
        return ""
    return str(event.get("redacts") or table(event.get("content")).get("redacts") or "")


def bundled(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The newest version a server hangs on an event, where it does."""
    relations = table(table(event.get("unsigned")).get("m.relations"))
    return table(relations.get("m.replace"))


def is_redacted(event: Mapping[str, Any]) -> bool:
    return bool(table(event.get("unsigned")).get("redacted_because")) or event.get("content") == {}


def people_of(events: Iterable[Any]) -> dict[str, str]:
    """Names of members, as state tells them."""
    return {
        str(event["state_key"]): str(table(event.get("content")).get("displayname") or "")
        for event in events
        if isinstance(event, dict) and event.get("type") == "m.room.member" and event.get("state_key")
    }


def newest_content(event: Mapping[str, Any], edit: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """What an event says now, and whether that is a later version. Only its author can have changed it."""
    for version in (edit, bundled(event)):
        new = table(table(version.get("content")).get("m.new_content"))
        if new and version.get("sender") == event.get("sender") and replaces(version) == event.get("event_id"):
            return new, True
    return table(event.get("content")), False


def post_of(
    event: Mapping[str, Any], room: str, kind: str, people: Mapping[str, str], me: str,
    edit: Mapping[str, Any] | None = None, origin: str = "",
) -> Post:  # fmt: skip
    """`kind`: letters of `place.Place`; `edit`: a version of it that was told apart from it; `origin`: the room that
    became this one."""
    identity, sender, made = str(event["event_id"]), str(event["sender"]), time_of(event)
    if not identity.startswith("$") or len(named(room, identity)) > KEY_LIMIT:
        raise ValueError("an event without a name that can be kept")
    gone, sealed = is_redacted(event), event.get("type") == SEALED
    content, changed = newest_content(event, edit or {})
    text = "" if gone else HIDDEN if sealed else _words(content, relation_of(event))
    above, thread = _above(event, room)
    changed_at = _changed_at(event, edit or {}) if changed and not gone else None
    return Post(
        external_id=named(room, identity),
        kind=PostKind.DIRECT if "d" in kind else PostKind.REPLY if above else PostKind.MENTION,
        source="rooms",
        author=Author(
            external_id=sender,
            handle=sender.removeprefix("@"),
            name=people.get(sender) or sender.removeprefix("@").partition(":")[0],
            url=f"https://matrix.to/#/{quote(sender, safe='@:')}",
        ),
        text=text,
        created_at=made,
        edited_at=changed_at,
        parent_id=above,
        root_id=thread or origin or room,
        url=link_to(room, identity, sender),
        media=() if gone else _media(event, content, link_to(room, identity, sender)),
        visibility=_SEEN.get(kind[:1], Visibility.FOLLOWERS),
        state=PostState.DELETED if gone else PostState.EDITED if changed else PostState.LIVE,
        ours=bool(me) and sender == me,
        grants={"encrypted": sealed or "x" in kind},
        raw={**event, "room_id": room},
    )


def _words(content: Mapping[str, Any], relation: Mapping[str, Any]) -> str:
    body = content.get("body")
    if not isinstance(body, str) or content.get("msgtype") in _NO_WORDS:
        raise ValueError("a message without words")
    return _without_quote(body) if relation.get("m.in_reply_to") else body


def _without_quote(body: str) -> str:
    """Older apps repeat what is answered before the answer."""
    if not body.startswith("> <"):
        return body
    said = body.split("\n")
    first = next((place for place, line in enumerate(said) if not line.startswith(">")), len(said))
    return "\n".join(said[first:]).removeprefix("\n") or body


def _above(event: Mapping[str, Any], room: str) -> tuple[str | None, str]:
    """What it answers, and the thread it stands in, where what is only named for old apps is not answered."""
    relation = relation_of(event)
    answered = str(table(relation.get("m.in_reply_to")).get("event_id") or "")
    root = str(relation.get("event_id") or "") if relation.get("rel_type") == "m.thread" else ""
    if root and (relation.get("is_falling_back") or not answered):
        answered = root
    fits = answered.startswith("$")
    return (named(room, answered) if fits else None), (named(room, root) if root else "")


def _changed_at(event: Mapping[str, Any], edit: Mapping[str, Any]) -> datetime | None:
    version = edit or bundled(event)
    try:
        return time_of(version)
    except MAPPING:
        return None


def _media(event: Mapping[str, Any], content: Mapping[str, Any], link: str) -> tuple[Media, ...]:
    """A file as a link to its message: the file itself is shown only to who is signed in at the server."""
    kind = str(content.get("msgtype") or event.get("type") or "")
    if kind not in _FILES:
        return ()
    name = str(content.get("filename") or content.get("body") or kind.removeprefix("m."))
    return (Media(kind="file", url=link, description=name[:200]),)


def judging(answer: Answer, now: datetime | None, post: Post | None = None, *, renewable: bool = False) -> Fault | None:
    """What a refusal means, by its code alone; None where its status says it all. `renewable`: there is a refresh
    token, and servers differ in whether they say of a session that merely ran out that it did."""
    told, status = told_by(answer), answer.status
    code = str(told.get("errcode") or "")
    if status == 429 or code == "M_LIMIT_EXCEEDED":
        return RateLimited("The server asks us to wait.", until=_until(answer, told, now), bucket="matrix", status=429)
    if code == "M_UNKNOWN_TOKEN" and renewable:
        return AuthExpired("The access token has run out.", status=status)
    if code == "M_UNKNOWN_TOKEN" and told.get("soft_logout") is True:
        return AuthRevoked("The server ended this session; a new access token is needed.", status=status)
    if code in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"):
        return AuthRevoked("The server does not know the access token.", status=status)
    if code in ("M_USER_DEACTIVATED", "M_USER_LOCKED"):
        return AuthRevoked("The account is closed or locked.", status=status)
    if code == "M_FORBIDDEN" and post is not None:
        words = "The account may not do that in this room, or is no longer in it."
        return PolicyRefused(words, rule=code, url=post.url, status=status)
    by_code: dict[str, tuple[type[Fault], str]] = {
        "M_TOO_LARGE": (Invalid, "It is larger than the server takes."),
        "M_UNRECOGNIZED": (NotPermitted, "The server does not know this call."),
        "M_DUPLICATE_ANNOTATION": (Duplicate, "It stands there already."),
    }
    kind, words = by_code.get(code, (None, ""))
    return kind(words, what=code, status=status) if kind and 400 <= status < 500 else None


def told_by(answer: Answer) -> Mapping[str, Any]:
    try:
        return table(read_json(answer.content))
    except (ValueError, RecursionError):
        return {}


def _until(answer: Answer, told: Mapping[str, Any], now: datetime | None) -> datetime:
    now, wait = now or datetime.now(UTC), told.get("retry_after_ms")
    if isinstance(wait, int | float) and wait >= 0:
        named_at = now + max(AT_LEAST, timedelta(milliseconds=min(wait, 86_400_000)))
        return max(wait_until(answer, now) or now, named_at)
    return wait_until(answer, now) or now + WAIT_UNTOLD

"""Reads the small entities of Reddit: things with their full names, people who may be gone, and what errors mean."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.answers import WAIT_UNTOLD, Answer, usual_fault, wait_until
from connectors.faults import AuthExpired, Duplicate, Fault, Gone, InDoubt, Invalid, PolicyRefused, RateLimited
from connectors.networks.reddit.library import BUCKET
from connectors.networks.reddit.moderating import told_of
from connectors.posts import Author, Post, PostKind, PostState, Visibility

SITE = "https://www.reddit.com"
GONE, REMOVED = "[deleted]", "[removed]"
COMMENT, POST, MESSAGE = "t1", "t3", "t4"
_TOLD = {"username_mention": PostKind.MENTION, "comment_reply": PostKind.REPLY, "post_reply": PostKind.COMMENT}
_SUBJECTS = {POST: "title", MESSAGE: "subject"}
_FAULTS: dict[str, type[Fault]] = {
    "DELETED_COMMENT": Gone,
    "DELETED_LINK": Gone,
    "NO_THING_ID": Gone,
    "THREAD_LOCKED": PolicyRefused,
    "TOO_OLD": PolicyRefused,
    "USER_BLOCKED": PolicyRefused,
    "USER_DOESNT_EXIST": Gone,
    "SUBREDDIT_NOTALLOWED": PolicyRefused,
    "SUBREDDIT_OUTBOUND_LINKING_DISALLOWED": PolicyRefused,
    "ALREADY_SUB": Duplicate,
}


def time_of(value: Any) -> datetime:
    return datetime.fromtimestamp(float(value), UTC)


def post_of(thing: Mapping[str, Any], source: str, me: str, history_before: datetime | None = None) -> Post:
    """`me`: the name of our account in lower case."""
    kind, item = str(thing["kind"]), thing["data"]
    name, made = str(item["name"]), time_of(item["created_utc"])
    if name.partition("_")[0] not in (COMMENT, POST, MESSAGE) or kind != name.partition("_")[0]:
        raise ValueError(f"{name} is no {kind}")
    text = str(item.get("selftext") if kind == POST else item.get("body") or "")
    edited, handle = item.get("edited"), str(item.get("author") or GONE)
    moderation = {"away": "", **told_of(item)} if kind != MESSAGE else {}
    waits = moderation.pop("waits", False)
    return Post(
        external_id=name,
        kind=_kind_of(kind, item, source),
        source=source,
        author=author_of(handle, name),
        text=text,
        created_at=made,
        edited_at=time_of(edited) if edited and edited is not True else None,
        parent_id=_parent_of(kind, item),
        root_id=_root_of(kind, item, name),
        url=_url_of(kind, item, name),
        visibility=Visibility.DIRECT if kind == MESSAGE else Visibility.HELD if waits else Visibility.PUBLIC,
        state=state_of(kind, item, handle, text),
        ours=bool(me) and handle.lower() == me,
        subject=str(item.get(_SUBJECTS.get(kind, "")) or ""),
        # What was removed before we read it is heard, and nobody's work.
        history=bool(moderation.get("away")) or (history_before is not None and made < history_before),
        grants={"locked": bool(item.get("locked")), "archived": bool(item.get("archived")), **moderation},
        whole=kind == MESSAGE or "num_reports" in item,  # the inbox does not say how it stands in its subreddit
        raw=dict(item),
    )  # fmt: skip


def author_of(handle: str, said: str) -> Author:
    """Lists of messages name no account by number, so that the name, which nobody can change there, has to do. An
    account that was deleted has none, so nobody can tell two of them apart."""
    if handle == GONE:
        return Author(external_id=f"{GONE}/{said}", handle=handle, name=handle)
    return Author(external_id=handle.lower(), handle=handle, name=handle, url=f"{SITE}/user/{handle}")


def state_of(kind: str, item: Mapping[str, Any], handle: str, text: str) -> PostState:
    shown = {*told_of(item)} & {"away", "waits"} and text != REMOVED  # moderators read what was removed
    if text == REMOVED or (item.get("removed_by_category") not in (None, "deleted") and not shown):
        return PostState.WITHHELD
    if text == GONE or (handle == GONE and not text):
        return PostState.DELETED
    return PostState.EDITED if item.get("edited") else PostState.LIVE


def _kind_of(kind: str, item: Mapping[str, Any], source: str) -> PostKind:
    if kind == MESSAGE:
        return PostKind.DIRECT
    if source.startswith("search"):
        return PostKind.RESULT
    return _TOLD.get(str(item.get("type")), PostKind.COMMENT if kind == COMMENT else PostKind.MENTION)


def _parent_of(kind: str, item: Mapping[str, Any]) -> str | None:
    return str(item["parent_id"]) if kind != POST and item.get("parent_id") else None


def _root_of(kind: str, item: Mapping[str, Any], name: str) -> str:
    if kind == MESSAGE:
        return str(item.get("first_message_name") or name)
    if item.get("link_id"):
        return str(item["link_id"])
    steps = str(item.get("context") or "").split("/")  # /r/sub/comments/<post>/words/<comment>/
    return f"{POST}_{steps[4]}" if len(steps) > 4 and steps[3] == "comments" else name


def _url_of(kind: str, item: Mapping[str, Any], name: str) -> str:
    if kind == MESSAGE:
        return f"{SITE}/message/messages/{name.partition('_')[2]}"
    path = str(item.get("permalink") or item.get("context") or "")
    if not path and item.get("link_id") and item.get("subreddit"):  # as lists were in former years
        path = f"/r/{item['subreddit']}/comments/{str(item['link_id'])[3:]}/_/{name[3:]}/"
    return f"{SITE}{path}" if path.startswith("/") else ""


def judged(answer: Answer) -> Fault | None:
    """The fault of a status; what is refused with 200 is told in the body."""
    if answer.status == 401:
        return AuthExpired("The session has ended.", status=401)
    if answer.status == 403 and answer.write:
        return PolicyRefused("Reddit refuses it there.", rule="subreddit", status=403)
    if answer.status == 429 and wait_until(answer, datetime.now(UTC)) is None:
        return _limited(answer, 0)
    return None


def refused(answer: Answer) -> Fault | None:
    """The fault that a 200 holds, by its code alone."""
    body = answer.json(dict).get("json")
    errors = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(errors, list):
        raise InDoubt("It says neither yes nor no.", status=answer.status)
    if not errors:
        return None
    code = str(errors[0][0]) if isinstance(errors[0], list) and errors[0] else ""
    if code == "RATELIMIT":
        wait = body.get("ratelimit")
        return _limited(answer, wait if isinstance(wait, int | float) and 0 < wait < 86_400 else 0)
    return _FAULTS.get(code, Invalid)(f"Reddit says {code or 'no'}.", what=code, status=answer.status)


def _limited(answer: Answer, seconds: float) -> Fault:
    wait = timedelta(seconds=seconds) if seconds else WAIT_UNTOLD
    usual = usual_fault(answer, datetime.now(UTC), BUCKET)
    if isinstance(usual, RateLimited) and not seconds:
        return usual
    return RateLimited("It was asked too often.", until=datetime.now(UTC) + wait, bucket=BUCKET, status=answer.status)

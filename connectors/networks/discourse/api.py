"""Reads posts as a Discourse forum tells them. A post is named here by its topic and its number in it, because that is
how the forum says what a post answers; the number it is changed by is kept beside."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

from connectors.answers import WAIT_UNTOLD, Answer, wait_until
from connectors.faults import AuthRevoked, Fault, Gone, Invalid, PolicyRefused, RateLimited, Unavailable
from connectors.posts import JSON, Author, Gap, Post, PostKind, PostState, Visibility
from connectors.text import plain, read_json, storable

LIKE, FLAG = 2, 4
"""Of acts on a post; flagged as inappropriate (unverified)."""
"""The forum's number for a like (unverified)."""
WINDOW, EMPTY, STEP = timedelta(hours=48), 3, 50
"""How far the first reading goes back; pages in a row without a public post before the end is believed; and how many
ids such a page covers."""
HEARD, PRIVATE = {1, 2, 3, 6, 9, 15}, 6
"""Notifications of being named, answered, quoted, written to, of a watched topic, of a group of ours; of messages."""
PUBLIC = ("regular", "banner")
"""What topics call themselves that are not a private message (unverified)."""


def host_of(site: str) -> str:
    parts = urlsplit(site)
    return f"{parts.netloc}{parts.path}".rstrip("/").lower()


def place_of(one: str) -> tuple[int, int]:
    """Topic and number of a post; Gone for what is no name of one."""
    topic, _, number = one.partition("/")
    if not (topic.isdecimal() and number.isdecimal()):
        raise Gone("This is not the name of a post.", what=one)
    return int(topic), int(number)


def time_of(value: Any) -> datetime:
    time = datetime.fromisoformat(value)
    return time.replace(tzinfo=time.tzinfo or UTC)


def post_of(item: Mapping[str, Any], site: str, me: str, source: str, *, direct: bool = False) -> Post:
    topic, number, above = int(item["topic_id"]), int(item["post_number"]), item.get("reply_to_post_number")
    # What answers nothing in particular answers the post that began the topic.
    parent = f"{topic}/{int(above) if above else 1}" if number > 1 else None
    made, html = time_of(item["created_at"]), str(item.get("cooked") or "")
    changed = time_of(item["updated_at"]) if item.get("updated_at") and int(item.get("version") or 1) > 1 else None
    text, user = plain(html), int(item["user_id"])
    said = storable(str(item.get("raw") or text))
    gone = bool(item.get("deleted_at") or item.get("user_deleted"))
    state = PostState.DELETED if gone else PostState.WITHHELD if item.get("hidden") else PostState.LIVE
    return Post(
        external_id=f"{topic}/{number}",
        kind=PostKind.DIRECT if direct else PostKind.RESULT if source.startswith("search") else PostKind.COMMENT,
        source=source,
        author=_author(item, site, user),
        text=text,
        html=html or None,
        created_at=made,
        edited_at=changed,
        version=hashlib.sha256(f"{state}\n{said}".encode()).hexdigest()[:32],
        parent_id=parent,
        root_id=f"{host_of(site)}:{topic}",
        url=f"{site}/t/{topic}/{number}",
        visibility=Visibility.DIRECT if direct else Visibility.PUBLIC,
        state=state,
        ours=bool(me) and str(user) == me,
        subject=str(item.get("topic_title") or "") if number == 1 else "",
        grants=_grants(item),
        raw=item,
    )


def _author(item: Mapping[str, Any], site: str, user: int) -> Author:
    username, picture = str(item.get("username") or ""), str(item.get("avatar_template") or "")
    return Author(
        external_id=f"{host_of(site)}/user/{user}",
        handle=username,
        name=str(item.get("name") or username),
        avatar_url=urljoin(f"{site}/", picture.replace("{size}", "96")) if picture else "",
        url=f"{site}/u/{username}",
        bot=user < 0,  # the forum's own accounts
    )


def _grants(item: Mapping[str, Any]) -> dict[str, Any]:
    like, flag = acted(item, LIKE), acted(item, FLAG)
    return {
        "id": int(item["id"]),
        "can_edit": item.get("can_edit") is True,
        "can_delete": item.get("can_delete") is True,
        "can_like": like.get("can_act") is True,
        "liked": like.get("acted") is True,
        "can_flag": flag.get("can_act") is True,
        "flagged": flag.get("acted") is True,
    }


def acted(item: Mapping[str, Any], kind: int) -> Mapping[str, Any]:
    """What it says of one kind of act: whether we may, and whether we have."""
    acts = item.get("actions_summary")
    found = [each for each in acts if isinstance(each, dict)] if isinstance(acts, list) else []
    return next((each for each in found if each.get("id") == kind), {})


def judging(
    now: datetime | None, post: Post | None = None, *, listing: bool = False
) -> Callable[[Answer], Fault | None]:
    """What a refusal means. A wrong key is refused as any other thing is; what everybody may read tells them apart."""

    def judge(answer: Answer) -> Fault | None:
        status, told = answer.status, _told(answer)
        kind = str(told.get("error_type") or "")
        if status == 403 and not told:  # a page of whoever stands before the forum
            return Unavailable("Something before the forum refused the request.", status=status)
        if status == 403 and listing:
            return AuthRevoked("The forum does not accept the key, or not for this user.", status=status)
        if status == 429 or kind == "rate_limit":
            return RateLimited(
                "The forum asks us to wait.", until=_until(answer, told, now), bucket="discourse", status=status
            )
        if status == 403 and post is not None:
            words = "The topic is closed, or this user may not do that there."
            return PolicyRefused(words, rule=kind, url=post.url, status=status)
        if status == 422:
            words = "The forum refused the text: it may be too short, too long, or like one that is there."
            return Invalid(words, field="text", status=status)
        return None

    return judge


def _until(answer: Answer, told: Mapping[str, Any], now: datetime | None) -> datetime | None:
    if now is None:
        return None
    extras = told.get("extras")
    seconds = extras.get("wait_seconds") if isinstance(extras, dict) else None
    waits = timedelta(seconds=min(int(seconds), 86_400)) if isinstance(seconds, int | float) else WAIT_UNTOLD
    return max(wait_until(answer, now) or now, now + waits)


def _told(answer: Answer) -> Mapping[str, Any]:
    try:
        told = read_json(answer.content)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def onward_of(items: Sequence[Any], before: str, empty: int) -> str:
    """Where the next page begins. Some forums cut pages by ids and leave out what is private, so that one without posts
    is not yet the end."""
    ids = [each["id"] for each in items if isinstance(each, dict) and isinstance(each.get("id"), int)]
    if ids and min(ids) > 1:
        return str(min(ids) - 1)
    if ids or not before or empty + 1 >= EMPTY or int(before) <= STEP:
        return ""
    return f"{int(before) - STEP}:{empty + 1}"


def notified(cursor: JSON | None, now: datetime) -> tuple[JSON, tuple[Gap, ...]]:
    """Where the list was left. `since`: what the first list names and is older is history."""
    fresh: JSON = {"seen": 0, "todo": [], "since": int((now - WINDOW).timestamp())}
    if cursor is None:
        return fresh, ()
    try:
        todo = [[int(one), int(private)] for one, private in cursor["todo"]]
        return {"seen": int(cursor["seen"]), "todo": todo, "since": int(cursor.get("since", 0))}, ()
    except (KeyError, TypeError, ValueError):
        return fresh, (Gap(None, now - WINDOW, "The place where reading stopped could not be used."),)


def post_in(item: Any) -> int:
    """The post a notification is about, 0 for those of badges and the like."""
    if not isinstance(item, dict) or item.get("notification_type") not in HEARD or not isinstance(item.get("id"), int):
        return 0
    data = item.get("data")
    one = data.get("original_post_id") if isinstance(data, dict) else None
    return one if isinstance(one, int) else int(one) if isinstance(one, str) and one.isdecimal() else 0

"""LinkedIn's way of talking: names of things percent-encoded in paths, lists in brackets, comments that are named by
the post and a number, and errors with a code of their own."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from connectors.answers import Answer, wait_until
from connectors.faults import (
    AuthExpired,
    AuthRevoked,
    Duplicate,
    Fault,
    Gone,
    NotPermitted,
    RateLimited,
)
from connectors.posts import Author, Post, PostKind
from connectors.text import read_json, storable

WEB = "https://www.linkedin.com/feed/update"
UNKNOWN = "LinkedIn member"
"""LinkedIn withholds most names from programs."""


def encoded(urn: str) -> str:
    return quote(urn, safe="")


def urn_in(value: Any) -> str:
    return value if isinstance(value, str) and value.startswith("urn:li:") and len(value) <= 250 else ""


def place_of(comment: str) -> tuple[str, str]:
    """The post and the number in the name of a comment, urn:li:comment:(<post>,<number>); Gone for anything else."""
    inside = comment.removeprefix("urn:li:comment:(").removesuffix(")")
    post, comma, number = inside.rpartition(",")
    if not comma or not urn_in(post) or not number.isdecimal():
        raise Gone("This is not the name of a comment.", what=comment)
    return post, number


def time_of(value: Any) -> datetime:
    """Milliseconds, as a number or as text."""
    return datetime.fromtimestamp(int(value) / 1000, UTC)


def onward(told: Mapping[str, Any]) -> str:
    """Where the next page starts, "" at the end. Of the address only that is taken."""
    paging = told.get("paging")
    links = paging.get("links") if isinstance(paging, dict) else None
    for each in links if isinstance(links, list) else ():
        if isinstance(each, dict) and each.get("rel") == "next":
            return parse_qs(urlsplit(str(each.get("href") or "")).query).get("start", [""])[0]
    return ""


def answers_below(item: Any) -> int:
    """How many answers a comment says it has."""
    summary = item.get("commentsSummary") if isinstance(item, dict) else None
    try:
        return int(summary["aggregatedTotalComments"]) if isinstance(summary, dict) else 0
    except (KeyError, TypeError, ValueError):
        return 0


def name_of(item: Mapping[str, Any]) -> str:
    """The full name of a comment, from its parts where it is not given."""
    for name in ("commentUrn", "$URN"):
        if urn := urn_in(item.get(name)):
            return urn
    post, number = urn_in(item.get("object")), str(item.get("id") or "")
    if not post or not number.isdecimal():
        raise ValueError("a comment without a name")
    return f"urn:li:comment:({post},{number})"


def post_of(item: Mapping[str, Any], source: str, me: str) -> Post:
    one, above = name_of(item), urn_in(item.get("parentComment"))
    place_of(one)
    text = str((item.get("message") or {}).get("text") or "")
    made, changed = time_of(item["created"]["time"]), (item.get("lastModified") or {}).get("time")
    edited = time_of(changed) if changed else made
    author = _author(item)
    return Post(
        external_id=one,
        kind=PostKind.COMMENT,
        source=source,
        author=author,
        text=text,
        created_at=made,
        edited_at=edited if edited > made else None,
        # Answers are counted among what a comment holds, so the words alone tell an edit.
        version=hashlib.sha256(storable(text).encode()).hexdigest()[:32],
        parent_id=above or None,
        root_id=above or one,
        url=f"{WEB}/{place_of(one)[0]}?commentUrn={encoded(one)}",
        ours=bool(me) and author.external_id == me,
        raw=item,
    )


def mention_of(item: Mapping[str, Any], source: str, me: str) -> Post:
    """A post that names the page, as its notification tells it. Of whom LinkedIn withholds nothing is kept but that."""
    told = item.get("decoratedGeneratedActivity")
    share = told.get("share") if isinstance(told, dict) else None
    held: Mapping[str, Any] = share if isinstance(share, dict) else {}
    one, owner = urn_in(item.get("generatedActivity")) or urn_in(held.get("entity")), urn_in(held.get("owner"))
    if not one:
        raise ValueError("a mention without its post")
    text = str(held.get("text") or "(LinkedIn does not show the words of this post.)")
    return Post(
        external_id=one,
        kind=PostKind.MENTION,
        source=source,
        author=Author(external_id=owner or f"unknown:{one}", name=UNKNOWN),
        text=text,
        created_at=time_of(item["lastModifiedAt"]),
        version=hashlib.sha256(storable(text).encode()).hexdigest()[:32],
        root_id=one,
        url=f"{WEB}/{one}",
        ours=owner == me,
        raw=dict(item),
    )


def _author(item: Mapping[str, Any]) -> Author:
    told = item.get("actor~")
    told = told if isinstance(told, dict) else {}
    names = [told.get(name) for name in ("localizedFirstName", "localizedLastName", "localizedName")]
    urn = urn_in(item.get("actor"))
    if not urn:
        raise ValueError("a comment of nobody")
    return Author(external_id=urn, name=" ".join(str(each) for each in names if each) or UNKNOWN)


def judging(now: datetime | None, renewable: bool, post: Post | None = None) -> Callable[[Answer], Fault | None]:
    """What a refusal means: its code first, then its status; None leaves it to the status."""

    def judge(answer: Answer) -> Fault | None:
        code, status = _code(answer), answer.status
        detail = f"LinkedIn's code is {code or 'not told'}."
        if status == 401 or code in ("EXPIRED_ACCESS_TOKEN", "REVOKED_ACCESS_TOKEN", "INVALID_ACCESS_TOKEN"):
            expired = renewable and code != "REVOKED_ACCESS_TOKEN"
            return (AuthExpired if expired else AuthRevoked)(detail, status=status)
        if status == 426 or code == "NONEXISTENT_VERSION":
            return NotPermitted(
                "LinkedIn no longer knows this version: enter a newer one.", what="version", status=status
            )
        if status == 429:
            until = now and (wait_until(answer, now) or _midnight(now))
            return RateLimited("A day's limit is used up.", until=until, bucket="linkedin", status=status)
        if code.startswith("DUPLICATE"):
            return Duplicate(detail, status=status)
        if status == 404:
            return Gone(detail, what=post.external_id if post else "", status=status)
        return None

    return judge


def _midnight(now: datetime) -> datetime:
    """LinkedIn counts in days of UTC and says nothing of what is left."""
    return (now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _code(answer: Answer) -> str:
    try:
        told = read_json(answer.content)
    except (ValueError, RecursionError):
        return ""
    return str(told.get("code") or "") if isinstance(told, dict) else ""


def months_old(version: str, today: datetime) -> int:
    """Months since a version such as 202606; 0 where it is none."""
    if len(version) != 6 or not version.isdecimal():
        return 0
    return (today.year - int(version[:4])) * 12 + today.month - int(version[4:])

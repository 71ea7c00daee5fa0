"""Reads comments as WordPress tells them, and keeps the place in a list that is read forward by time."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.posts import JSON, Author, Gap, Post, PostKind, PostState, Visibility
from connectors.text import plain

if TYPE_CHECKING:
    from connectors.http import Seam

COMMENTS, PER_PAGE = "/wp/v2/comments", 100
AWAY = ("spam", "trash")
"""Where comments lie that the site, or somebody there, put away; each is read by a source of the same name."""
OVERLAP, HISTORY, REACH = timedelta(minutes=75), timedelta(hours=48), timedelta(days=30)
"""Read again by each poll; older than this at the first read is history; and how far back the first read goes. The
overlap is longer than an hour because the site compares in its own time, which repeats an hour each autumn."""
_ROOT = re.compile(r"<([^>]+)>\s*;\s*rel=\"?https://api\.w\.org/\"?")
_PRIVATE = ("author_ip", "author_user_agent")
_AVATAR = re.compile(r"/avatar/([0-9a-f]{32,64})")


class Forward:
    """Reading goes by time, oldest first. A page that is full goes on at its newest second, not at the next page: what
    is deleted meanwhile would push others over the edge between two pages. Only within one second pages are counted.
    `since`: what is older was there before us."""

    def __init__(self, since: datetime, floor: datetime, after: datetime, page: int = 1) -> None:
        self.since, self.floor, self.after, self.page = since, floor, after, page
        self.ended, self.ids = False, frozenset[str]()

    @classmethod
    def read(cls, cursor: JSON | None, now: datetime) -> tuple["Forward", tuple[Gap, ...]]:
        fresh = cls(now - HISTORY, now - REACH, now - REACH)
        if cursor is None:
            return fresh, ()
        try:
            since, floor = datetime.fromisoformat(cursor["since"]), datetime.fromisoformat(cursor["floor"])
            after, page = cursor["after"], int(cursor["page"])
            start = datetime.fromisoformat(after) if after else floor - OVERLAP
            if None in (since.tzinfo, floor.tzinfo, start.tzinfo) or page < 1:
                raise ValueError("no place")
            return cls(since, floor, start, page), ()
        except (KeyError, TypeError, ValueError):
            return fresh, (Gap(None, now - REACH, "The place where reading stopped could not be used."),)

    @classmethod
    def again(cls, since: datetime) -> JSON:
        """The cursor of a reading of everything since a time."""
        return cls(since, since, since).kept()

    @classmethod
    def lately(cls, cursor: JSON | None, now: datetime) -> tuple["Forward", tuple[Gap, ...]]:
        """The same for what was put away: of the past only the last two days, because much of it is rubbish."""
        return cls.read(cls.again(now - HISTORY) if cursor is None else cursor, now)

    def reached(self, items: Sequence[Any], headers: Mapping[str, str], now: datetime) -> int:
        """Takes note of a page; returns how often the site repeated itself."""
        ids = frozenset(map(id_of, items))
        # The first page from a new second may well be the one before it once more.
        again, self.ids = self.page > 1 and bool(ids) and ids == self.ids, ids
        times = [time for time in map(_time_or_none, items) if time is not None]
        newest = max(times, default=self.after)
        self.floor = max(self.floor, min(newest, now))
        pages = headers.get("X-WP-TotalPages", "")
        more = self.page < int(pages) if pages.isdecimal() and len(pages) < 9 else len(items) >= PER_PAGE
        if not items or again or not more:
            self.ended = True
        elif newest - timedelta(seconds=1) > self.after:
            self.after, self.page = newest - timedelta(seconds=1), 1
        else:
            self.page += 1
        return int(again)

    def kept(self) -> JSON:
        after, page = ("", 1) if self.ended else (self.after.isoformat(), self.page)
        return {"since": self.since.isoformat(), "floor": self.floor.isoformat(), "after": after, "page": page}


def root_of(seam: "Seam", site: str) -> str:
    """Where the site's home page says its interface is, if that is on the same site; the password goes nowhere else."""
    answer = seam.answer("GET", f"{site}/", bucket="wordpress", accept=range(300, 500))
    named = _ROOT.search(answer.headers.get("Link", ""))
    ours, theirs = urlsplit(site), urlsplit(named[1] if named else "")
    same = (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)
    return named[1] if named and same else f"{site}/?rest_route=/"


def host_of(site: str) -> str:
    parts = urlsplit(site)
    return f"{parts.netloc}{parts.path}".rstrip("/").lower()


def id_of(item: Any) -> str:
    return str(item.get("id") or "") if isinstance(item, dict) else ""


def zulu(time: datetime) -> str:
    """Without its zone the site would read a time in its own."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def time_of(item: Mapping[str, Any]) -> datetime:
    time = datetime.fromisoformat(item["date_gmt"])
    return time.replace(tzinfo=time.tzinfo or UTC)


def _time_or_none(item: Any) -> datetime | None:
    try:
        return time_of(item)
    except (KeyError, TypeError, ValueError):
        return None  # it is set aside as bad by the mapper


def post_of(item: Mapping[str, Any], site: str, me: str, since: datetime | None) -> Post:
    one, parent, content = _number(item["id"]), _number(item.get("parent") or 0), item["content"]
    created_at, status = time_of(item), str(item.get("status") or "approved")
    html, raw = str(content.get("rendered") or ""), str(content.get("raw") or "")
    held = status not in ("approved", *AWAY)
    text = plain(html or raw)
    # The word was the status once: what was read then keeps its version, and approving edits nothing.
    said = hashlib.sha256(f"approved\n{raw or text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Post(
        external_id=str(one),
        kind=PostKind.COMMENT,
        source="comments",
        author=_author(item, site),
        text=text,
        html=html or None,
        created_at=created_at,
        version=said,
        parent_id=str(parent) if parent else None,
        root_id=None if parent else f"{host_of(site)}:{one}",
        url=str(item.get("link") or ""),
        visibility=Visibility.PUBLIC if status == "approved" else Visibility.HELD,
        state=PostState.LIVE,
        ours=bool(me) and str(item.get("author") or "") == me,
        history=since is not None and created_at < since and not held,
        grants={"post": _number(item["post"]), "away": status if status in AWAY else ""},
        raw={name: value for name, value in item.items() if name not in _PRIVATE},
    )


def _author(item: Mapping[str, Any], site: str) -> Author:
    avatars = item.get("author_avatar_urls")
    pictures = [str(url) for url in avatars.values()] if isinstance(avatars, dict) else []
    return Author(
        external_id=f"{host_of(site)}/{_who(item, pictures)}",
        name=plain(str(item.get("author_name") or "")),
        avatar_url=pictures[-1] if pictures else "",
        url=str(item.get("author_url") or ""),
    )


def _who(item: Mapping[str, Any], pictures: Sequence[str]) -> str:
    """A user of the site by number; a guest by the e-mail address or its hash in the picture's address; else nobody
    can tell two guests of one name apart, and each comment has its own."""
    if number := _number(item.get("author") or 0):
        return f"user/{number}"
    email = str(item.get("author_email") or "").strip().lower()
    if email:
        return f"guest/{hashlib.sha256(email.encode('utf-8', 'surrogatepass')).hexdigest()}"
    found = _AVATAR.search(pictures[0]) if pictures else None
    return f"guest/{found[1]}" if found else f"comment/{item['id']}"


def _number(value: Any) -> int:
    number = int(value)
    if number < 0:
        raise ValueError("a negative number")
    return number

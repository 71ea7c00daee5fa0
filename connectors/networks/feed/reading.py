"""The formats of feeds, each brought to the same entries; nothing here believes a date or an id more than it must."""

import hashlib
import re
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import urljoin

import feedparser

from connectors.posts import MAPPING, Bad, Media
from connectors.text import is_trap, plain, read_json

ENTRIES = 200
"""Entries taken of one fetch."""
_FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/json")
# Both end at the next angle bracket, so that a page of a million open tags is read once.
_LINK_TAG = re.compile(r"<link\b([^<>]{0,2000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([a-z-]{1,20})\s*=\s*(?:(["'])([^"']*)\2|([^\s"']+))""", re.IGNORECASE)
_DECLARATION = re.compile(rb"\s*<\?xml[^>]{0,200}\?>")
_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]{1,60})""", re.IGNORECASE | re.ASCII)
_PERIODS = {"hourly": 3_600, "daily": 86_400, "weekly": 604_800, "monthly": 2_592_000, "yearly": 31_536_000}


@dataclass(slots=True)
class Entry:
    """An entry of any format, before it is trusted. `id` is what the feed calls it, "" when it does not."""

    id: str
    link: str
    title: str
    html: str
    author: str = ""
    author_url: str = ""
    published: datetime | None = None
    updated: datetime | None = None
    media: list[Media] = field(default_factory=list)
    raw: Mapping[str, Any] = field(default_factory=dict)

    def by_content(self) -> str:
        """An id for feeds whose own ids are missing, shared or new on each fetch."""
        said = f"{self.title}\n{self.link}" if self.link else f"{self.title}\n{self.published}"
        return "content:" + hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()


@dataclass(slots=True)
class Parsed:
    title: str
    link: str
    entries: list[Entry]
    bad: list[Bad]
    hint: float | None = None


def parse(content: bytes, headers: Mapping[str, str], url: str) -> Parsed:
    """Any format. Never raises: what cannot be read has no entries."""
    if content.lstrip()[:1] == b"{":
        return _json_feed(content, url)
    told = {"content-location": url, "content-type": headers.get("Content-Type", "")}
    if _sets_a_trap(content, told["content-type"]):
        return Parsed("", "", [], [])
    found = feedparser.parse(content, response_headers=told)
    if not found.entries and (declared := _DECLARATION.match(content)):
        # A declared encoding that is not the true one hides everything; most such feeds are UTF-8.
        found = feedparser.parse(
            content[declared.end() :], response_headers=told | {"content-type": "text/xml; charset=utf-8"}
        )
    channel, entries, bad = found.feed, [], []
    for place, item in enumerate(found.entries[:ENTRIES]):
        try:
            entries.append(_entry(item, url))
        except MAPPING as error:
            bad.append(Bad(str(item.get("id") or "") or None, f"{type(error).__name__}: {error}", None, place))
    return Parsed(plain(channel.get("title", "")), str(channel.get("link", "")), entries, bad, _period(channel))


def _sets_a_trap(content: bytes, kind: str) -> bool:
    """The library decodes by whatever codec a page or its server names; nobody means these."""
    head = content[:600]
    said = (kind.encode("utf-8", "replace"), head.replace(b"\0", b""), head.decode("cp037").encode("utf-8"))
    return any(is_trap(name.decode("ascii")) for each in said for name in _CHARSET.findall(each))


def _entry(item: Any, url: str) -> Entry:
    bodies = [body.get("value", "") for body in item.get("content") or ()] or [item.get("summary", "")]
    media = [
        Media(kind=_kind_of(link.get("type", "")), url=urljoin(url, link["href"]))
        for link in item.get("enclosures") or ()
        if link.get("href")
    ]
    return Entry(
        id=str(item.get("id") or ""),
        link=urljoin(url, item["link"]) if item.get("link") else "",
        title=plain(item.get("title", "")),
        html=max(bodies, key=len),
        author=plain(item.get("author", "")),
        author_url=str((item.get("author_detail") or {}).get("href") or ""),
        published=_moment(item.get("published_parsed")),
        updated=_moment(item["updated_parsed"]) if "updated_parsed" in item else None,
        media=media,
        raw={name: item.get(name) for name in ("id", "link", "title", "published", "updated") if name in item},
    )


def _json_feed(content: bytes, url: str) -> Parsed:
    try:
        feed = read_json(content)
    except (ValueError, RecursionError):
        feed = {}
    if not isinstance(feed, dict) or not isinstance(feed.get("items"), list):
        return Parsed("", "", [], [])
    entries, bad = [], []
    for place, item in enumerate(feed["items"][:ENTRIES]):
        try:
            entries.append(_json_entry(item, url))
        except MAPPING as error:
            named = str(item["id"]) if isinstance(item, dict) and item.get("id") else None
            bad.append(Bad(named, f"{type(error).__name__}: {error}", item, place))
    return Parsed(str(feed.get("title") or ""), str(feed.get("home_page_url") or ""), entries, bad)


def _json_entry(item: Mapping[str, Any], url: str) -> Entry:
    authors = item.get("authors") or [item.get("author") or {}]
    body = item.get("content_html") or _escaped(str(item.get("content_text") or item.get("summary") or ""))
    return Entry(
        id=str(item.get("id") or ""),
        link=urljoin(url, str(item.get("url") or item.get("external_url") or "")),
        title=str(item.get("title") or ""),
        html=str(body),
        author=str(authors[0].get("name") or ""),
        author_url=str(authors[0].get("url") or ""),
        published=_iso(item.get("date_published")),
        updated=_iso(item.get("date_modified")),
        media=[Media(kind="image", url=urljoin(url, str(item["image"])))] if item.get("image") else [],
        raw={name: item.get(name) for name in ("id", "url", "title", "date_published") if item.get(name)},
    )


def looks_like_page(content: bytes) -> bool:
    start = content[:2_000].lower()
    return b"<html" in start or b"<!doctype html" in start


def named_feed(content: bytes, url: str) -> str:
    """The first feed a page names by `<link rel=alternate>`, or ""."""

    for tag in _LINK_TAG.findall(content[:200_000].decode("utf-8", "replace")):
        given = {name.lower(): unescape(quoted or bare) for name, _, quoted, bare in _ATTRIBUTE.findall(tag)}
        alternate = "alternate" in given.get("rel", "").lower().split()
        if alternate and given.get("type", "").lower() in _FEED_TYPES and given.get("href"):
            return urljoin(url, given["href"])
    return ""


def _period(channel: Any) -> float | None:
    ttl = str(channel.get("ttl", ""))
    if ttl.isdecimal() and len(ttl) < 7:
        return int(ttl) * 60.0
    period = _PERIODS.get(str(channel.get("sy_updateperiod", "")).strip())
    often = str(channel.get("sy_updatefrequency", "1")).strip()
    return period / max(int(often), 1) if period and often.isdecimal() and len(often) < 5 else None


def _moment(parsed: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, TypeError):
        return None


def _iso(text: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if text else None
    except (ValueError, TypeError):
        return None
    return time and time.replace(tzinfo=time.tzinfo or UTC)


def _kind_of(content_type: str) -> str:
    kind = content_type.partition("/")[0]
    return kind if kind in ("image", "video", "audio") else "file"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>")

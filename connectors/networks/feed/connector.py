"""RSS, Atom, RDF and JSON Feed. Fetching is ours, parsing RSS and Atom is feedparser's, and nothing a feed says of
its own dates, ids or encoding is believed without need. Feeds are listened to only: an answer is given on the site
itself."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy

from connectors.base import (
    JSON,
    Absent,
    Author,
    Bad,
    Budget,
    CannotKnow,
    Capability,
    Check,
    Connector,
    Fault,
    Field,
    Found,
    Gap,
    Gone,
    Needs,
    NotPermitted,
    Outgoing,
    Page,
    Past,
    Post,
    PostKind,
    RateLimited,
    Sent,
    Source,
    Unreadable,
    Verb,
    Way,
)
from connectors.networks.feed.reading import ENTRIES, Entry, Parsed, looks_like_page, named_feed, parse
from connectors.text import plain

HISTORY = timedelta(hours=48)
KEPT_IDS, MOVES = 500, 3
SOME = 5
"""Entries of a feed that is long enough to show whether something fell out of it unread."""
SIZE = 5_000_000
"""Bytes of a feed, after decompression."""
LEAST, MOST = 300.0, 3_600.0
REFUSED_WAIT = timedelta(hours=1)
_ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"
)


class Feed(Connector):
    name = "feed"
    label = "Feed or blog"
    needs = Needs(
        way=Way.NOW,
        does=gettext_lazy(
            "New entries of any blog, news site, forum or podcast with a feed; you answer on the site itself."
        ),
        apply=gettext_lazy("Nothing: the address of the site is enough."),
        cost=gettext_lazy("Free."),
    )
    form = (Field("url", "Address", "A feed, or a page that names one", kind="url"),)
    sources = (Source("feed", "Feed", 900, LEAST, MOST),)
    listen_only = True

    @property
    def _url(self) -> str:
        given = str(self.settings.get("url", "")).strip()
        return given if "://" in given else f"https://{given}"

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        return Past(cursor=None, words="A feed holds its newest entries only.")

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        place = _sound(cursor, self._url)
        first = not (place.get("given") and place.get("ids"))
        url = str(place.get("url") or self._url)
        if budget.spent:
            return
        budget.spend()
        answer = self._fetch(url, {} if first else place, now)
        interval = float(place.get("interval") or 900)
        if answer.status == 304:
            place |= {"given": self._url, "url": url, "interval": min(interval * 1.5, MOST)}
            yield Page(posts=(), cursor=place, end=True, interval=place["interval"])
            return
        parsed, url = self._parsed(answer, url, budget, now)
        known, by_content = {} if first else place["ids"], bool(place.get("by_content"))
        posts, bad, place = self._stored(parsed, place, first, now)
        missed = () if place["by_content"] and not by_content else _missed(known, parsed, posts)
        news = bool(posts) and not first
        interval = max(LEAST, interval / 2) if news else min(interval * 1.25, MOST)
        place |= {"given": self._url, "interval": max(interval, min(_hint(parsed, answer), MOST))}
        place |= {
            "etag": answer.headers.get("ETag", "")[:500],
            "modified": answer.headers.get("Last-Modified", "")[:100],
        }
        self._moved(place, answer, url)
        yield Page(posts=posts, bad=tuple(bad), cursor=place, end=True, interval=place["interval"], gaps=missed)

    def _fetch(self, url: str, place: JSON, now: datetime) -> Any:
        headers = {"Accept": _ACCEPT}
        if place.get("etag"):
            headers["If-None-Match"] = place["etag"]
        if place.get("modified"):
            headers["If-Modified-Since"] = place["modified"]
        return self.seam.answer(
            "GET",
            url,
            now=now,
            headers=headers,
            follow=3,
            accept=(304,),
            bucket="feed",
            judge=lambda a: _refusal(a, now),
        )

    def _parsed(self, answer: Any, url: str, budget: Budget, now: datetime) -> tuple[Parsed, str]:
        """The feed, or the one that the page names; a page is asked for a feed once."""
        parsed = parse(answer.content, answer.headers, answer.url)
        if parsed.entries or not looks_like_page(answer.content):
            return self._usable(parsed, answer), url
        named = named_feed(answer.content, answer.url)
        if not named or budget.spent:
            raise Unreadable("It is a page without a feed.", body=answer.content[:2048].decode("utf-8", "replace"))
        budget.spend()
        answer = self._fetch(named, {}, now)
        return self._usable(parse(answer.content, answer.headers, answer.url), answer), named

    @staticmethod
    def _usable(parsed: Parsed, answer: Any) -> Parsed:
        if not parsed.entries and not parsed.bad and not parsed.title:
            raise Unreadable("It is no feed.", body=answer.content[:2048].decode("utf-8", "replace"))
        return parsed

    @staticmethod
    def _moved(place: JSON, answer: Any, url: str) -> None:
        """A permanent move counts after it was answered three times; until then the old address is asked."""
        if url != answer.url and answer.moved_to:
            place["moves"] = int(place.get("moves") or 0) + 1
            place["url"] = answer.moved_to if place["moves"] >= MOVES else url
        else:
            place |= {"moves": 0, "url": url}

    def _stored(
        self, parsed: Parsed, place: JSON, first: bool, now: datetime
    ) -> tuple[tuple[Post, ...], list[Bad], JSON]:
        known, contents = dict(place.get("ids") or {}), set(place.get("contents") or ())
        entries = parsed.entries[:ENTRIES]
        seen_through = not place.get("by_content") and _ids_are_not_ids(entries, known, contents)
        by_content = seen_through or bool(place.get("by_content"))
        first = first and not any(_is_known(entry, known, contents) for entry in entries)
        taken: set[str] = set()
        posts, bad, ids = [], list(parsed.bad), {}
        for entry in entries:
            identity = _identity(entry, by_content, taken)
            taken.add(identity)
            try:
                post = self._post(entry, identity, parsed, now, first)
            except (ValueError, TypeError, OverflowError, AttributeError) as error:
                bad.append(Bad(identity, f"{type(error).__name__}: {error}", dict(entry.raw)))
                continue
            ids[identity] = post.version[:8]
            if known.get(identity) != post.version[:8] and not (seen_through and _short(entry) in contents):
                posts.append(post)
        kept = dict(list((ids | {one: mark for one, mark in known.items() if one not in ids}).items())[:KEPT_IDS])
        contents_now = [_short(entry) for entry in entries]
        place = place | {"ids": _bounded(kept), "contents": contents_now, "by_content": by_content}
        return tuple(sorted(posts, key=lambda post: (post.created_at, post.external_id))), bad, place

    def _post(self, entry: Entry, identity: str, parsed: Parsed, now: datetime, first: bool) -> Post:
        dated = entry.published or entry.updated
        # A date in the future is a mistake or a wish to stand on top; first seen is the truth we have.
        usable = dated is not None and dated <= now + timedelta(hours=1)
        created_at = dated if usable and dated is not None else now
        edited = entry.updated if entry.updated and entry.published and entry.updated > entry.published else None
        host = urlsplit(parsed.link or self._url).hostname or ""
        author = entry.author or parsed.title or host
        return Post(
            external_id=identity,
            kind=PostKind.ARTICLE,
            source="feed",
            author=Author(external_id=f"{host}/{author}", name=author, url=entry.author_url or parsed.link),
            text="\n\n".join(part for part in (entry.title, plain(entry.html)) if part),
            subject=entry.title,
            html=entry.html or None,
            created_at=created_at,
            edited_at=edited,
            root_id=entry.link or identity,
            url=entry.link if entry.link.startswith(("http://", "https://")) else "",
            media=tuple(entry.media[:10]),
            history=first and usable and created_at < now - HISTORY,
            dated=usable,
            raw=entry.raw,
        )

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        return {"reply": Capability(False, "A feed takes no answers; answer on the site itself.", hand_off=post.url)}

    def send(self, outgoing: Outgoing) -> Sent:
        raise NotPermitted("A feed takes no answers; answer on the site itself.", what="reply", url=outgoing.parent.url)

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        return Absent()

    def check(self) -> Check:
        now = datetime.now(UTC)
        parsed, url = self._parsed(self._fetch(self._url, {}, now), self._url, Budget(), now)
        return Check(account_id=url, account_name=parsed.title or url, account_url=parsed.link or url, server="feed")


def _identity(entry: Entry, by_content: bool, taken: set[str]) -> str:
    """One id an entry: its own, else its link, else its content; several entries with one id are told apart by
    content."""
    identity = entry.by_content() if by_content else entry.id or entry.link or entry.by_content()
    return entry.by_content() if identity in taken else identity


def _ids_are_not_ids(entries: Sequence[Entry], known: Mapping[str, str], contents: set[str]) -> bool:
    """Whether most entries have an id never seen with a content we know: then the ids change on every fetch."""
    if not known or len(entries) < 5:
        return False
    renamed = [entry for entry in entries if (entry.id or entry.link) not in known and _short(entry) in contents]
    return len(renamed) > 0.8 * len(entries)


def _is_known(entry: Entry, known: Mapping[str, str], contents: set[str]) -> bool:
    return (entry.id or entry.link) in known or _short(entry) in contents


def _missed(known: Collection[str], parsed: Parsed, posts: Sequence[Post]) -> tuple[Gap, ...]:
    """Not one entry of before stands there any more: others may have come and gone between."""
    all_new = len(posts) == len(parsed.entries[:ENTRIES]) and not any(post.external_id in known for post in posts)
    if not known or not all_new or len(posts) < SOME:
        return ()
    oldest = min(post.created_at for post in posts)
    return (Gap(None, oldest, "A feed holds its newest entries only, and all of them are new."),)


def _sound(cursor: JSON | None, given: str) -> JSON:
    """A cursor we wrote for this address, or an empty one: everything in a feed can be read again, so nothing is lost
    and no Gap is due. Of one for another address only which entries are known holds here too: the same feed may have
    moved."""
    shaped = (
        isinstance(cursor, dict)
        and isinstance(cursor.get("ids"), dict)
        and isinstance(cursor.get("contents", []), list)
    )
    if not shaped or cursor is None:
        return {}
    here = cursor.get("given") == given
    return {name: value for name, value in cursor.items() if here or name in ("ids", "contents", "by_content")}


def _bounded(ids: dict[str, str]) -> dict[str, str]:
    """As many ids as fit the cursor: the newest fetch's come first."""
    size, kept = 0, {}
    for one, mark in ids.items():
        size += len(one.encode("utf-8", "replace")) + 16
        if size > 24_000:
            break
        kept[one] = mark
    return kept


def _refusal(answer: Any, now: datetime) -> Fault | None:
    if answer.status in (403, 429) and not answer.headers.get("Retry-After"):
        return RateLimited(
            "The site refuses us for now.", until=now + REFUSED_WAIT, bucket="feed", status=answer.status
        )
    return Gone("The feed was taken away for good.", what="feed", status=410) if answer.status == 410 else None


def _hint(parsed: Parsed, answer: Any) -> float:
    """Seconds the feed or its server asks to be left alone."""
    control = answer.headers.get("Cache-Control", "")
    ages = [part.partition("=")[2] for part in control.replace(" ", "").split(",") if part.startswith("max-age=")]
    age = float(ages[0]) if ages and ages[0].isdecimal() and len(ages[0]) < 10 else 0.0
    return max(age, parsed.hint or 0.0)


def _short(entry: Entry) -> str:
    return entry.by_content()[-12:]

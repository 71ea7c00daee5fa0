"""The search of a forum: it names the posts that hold some words, the newest first, and each is then read by itself.
All its public posts are read anyway; searching brings those of the past and compares nothing in vain."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.base import (
    JSON,
    MAPPING,
    Bad,
    Budget,
    Gone,
    Invalid,
    NotPermitted,
    Page,
    Past,
    PolicyRefused,
    Post,
    Rate,
    Source,
    Unreadable,
)
from connectors.networks.discourse.api import WINDOW, time_of
from connectors.networks.discourse.reading import Reading
from connectors.newest_first import Walk, overlap
from connectors.text import lines

PAGES = 10
"""As far as a forum turns the pages of a search (unverified)."""
SEEN = 300
"""Posts found that are remembered, so that none is read twice because two looks overlap."""


class Searching(Reading):
    """Registers no network."""

    def listening(self) -> tuple[Source, ...]:
        return tuple(source for source in self.sources if source.name != "search")

    @property
    def can_search(self) -> bool:
        return bool(self.secrets.get("api_key") and self._user)

    def does_without(self, source: str, fault: str) -> bool:
        """All public posts are read anyway: where a search is refused, no more than the past is missing."""
        return fault == NotPermitted.__name__ and source.startswith("search:")

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        if not source.startswith("search:"):
            return super().history(source, cursor, since, now)
        return Past(cursor=Walk.again(since), words="A forum shows the newest pages of a search only.", whole=False)

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        searched = source.startswith("search:")
        yield from (
            self._searched(source, cursor, budget, now) if searched else super().poll(source, cursor, budget, now)
        )

    def _searched(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        walk, (todo, seen) = Walk.read(cursor, now, WINDOW), _held(cursor)
        gaps, topics = walk.gaps, dict[str, str]()
        while not budget.spent and (todo or not walk.ended):
            budget.spend()
            posts, bad, rates, repeats = list[Post](), tuple[Bad, ...](), tuple[Rate, ...](), 0
            if todo:
                posts, bad, rates = self._hit(todo.pop(0), source, budget, now)
            else:
                found, bad, rates, repeats = self._hits(source.partition(":")[2], walk, now)
                todo = [one for one in found if one not in seen]
                seen = [*seen, *todo][-SEEN:]
            posts, unclear = self._wanted(posts, topics, budget, now)
            heard = tuple(replace(post, history=post.created_at < walk.since) for post in posts)
            yield Page(posts=heard, bad=(*bad, *unclear), cursor={**walk.kept(), "todo": todo, "seen": seen},
                       end=walk.ended and not todo, rate=rates, gaps=gaps, repeats=repeats)  # fmt: skip
            gaps = ()

    def _wanted(
        self, posts: Sequence[Post], topics: dict[str, str], budget: Budget, now: datetime
    ) -> tuple[list[Post], tuple[Bad, ...]]:
        """What stands in a category that was chosen, which its topic says. `topics`: what was told so far. A topic that
        is told oddly does not say."""
        chosen, wanted, bad = lines(self.settings.get("categories")), list[Post](), list[Bad]()
        for post in posts:
            topic = post.external_id.partition("/")[0]
            try:
                if chosen and topic not in topics:
                    topics[topic] = self._category(topic, budget, now)
            except (Invalid, Unreadable) as fault:
                self._tells_others(fault, budget, now)
                bad.append(Bad(post.external_id, fault.words, dict(post.raw)))
                continue
            wanted += [post] if not chosen or topics[topic] in chosen else []
        return wanted, tuple(bad)

    def _category(self, topic: str, budget: Budget, now: datetime) -> str:
        budget.spend()
        try:
            return str(self._ask("GET", f"/t/{topic}.json", now=now).json(dict).get("category_id"))
        except (Gone, NotPermitted, PolicyRefused):
            return ""

    def _hits(self, words: str, walk: Walk, now: datetime) -> tuple[list[int], tuple[Bad, ...], tuple[Rate, ...], int]:
        """The posts of a page of the search that are to be read."""
        page, start = int(walk.at) if walk.at.isdecimal() else 1, walk.floor - overlap(now - (walk.last or now))
        asked = {"q": f"{words} order:latest", "page": str(page)}
        answer = self._ask("GET", "/search.json", now=now, params=asked)
        told = answer.json(dict)
        items, about = told.get("posts"), told.get("grouped_search_result")
        if not isinstance(items, list):
            raise answer.unreadable("A search has no list of posts.")
        about = about if isinstance(about, dict) else {}
        if about.get("error") and not items:
            raise NotPermitted("The forum does not search for this.", what="search", status=answer.status)
        more = str(page + 1) if about.get("more_full_page_results") and page < PAGES else ""
        hits, bad = _read(items)
        repeats = walk.reached(items, list(hits.values()), more, now, sorts=True)
        return [one for one, made in hits.items() if made >= start], bad, answer.rates, repeats

    def _hit(
        self, one: int, source: str, budget: Budget, now: datetime
    ) -> tuple[list[Post], tuple[Bad, ...], tuple[Rate, ...]]:
        try:
            answer = self._ask("GET", f"/posts/{one}.json", now=now)
            told = answer.json(dict)
        except (Gone, Invalid):
            return [], (), ()
        # Its topic was closed to us since, or it is told oddly: the others are read all the same.
        except (NotPermitted, PolicyRefused, Unreadable) as fault:
            self._tells_others(fault, budget, now)
            return [], (Bad(str(one), fault.words, {"id": one}),), ()
        posts, bad = self._mapped([told], source)
        return [post for post in posts if not post.ours], bad, answer.rates


def _held(cursor: JSON | None) -> tuple[list[int], list[int]]:
    """Posts found and not read yet, and those found lately. A cursor that cannot be used, of which the walk tells,
    holds none."""
    try:
        return [int(one) for one in (cursor or {})["todo"]], [int(one) for one in (cursor or {})["seen"]]
    except (KeyError, TypeError, ValueError):
        return [], []


def _read(items: Sequence[Any]) -> tuple[dict[int, datetime], tuple[Bad, ...]]:
    """The posts that a page of a search names, with their times."""
    hits, bad = dict[int, datetime](), list[Bad]()
    for place, item in enumerate(items):
        try:
            hits[int(item["id"])] = time_of(item["created_at"])
        except MAPPING as error:
            one = str(item.get("id") or "") if isinstance(item, dict) else ""
            bad.append(Bad(one or None, f"{type(error).__name__}: {error}", item, place))
    return hits, tuple(bad)

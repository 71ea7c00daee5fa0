"""Reads lists page by page, and comments that hang on many posts round by round, as fast as Meta's limits let us."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from connectors.base import JSON, Bad, Budget, Invalid, Page, Post, Rate
from connectors.meta.graph import onward, pause, slower
from connectors.rounds import Round

type Step = tuple[Sequence[Post], tuple[Bad, ...], int, tuple[Rate, ...]]


def page_of[T](token: str, restart: Callable[[], bool], ask: Callable[..., T]) -> T:
    """The page of this token. Meta's tokens do not last: where it takes one no more, the first page of the list, if
    `restart` allows that."""
    try:
        return ask(**onward(token))
    except Invalid:
        if not restart():
            raise
    return ask()


def in_rounds(
    cursor: JSON | None, budget: Budget, now: datetime, interval: float, step: Callable[[Round], Step]
) -> Iterator[Page]:
    """`step` reads a page: of the list, or of the first post to be read when there is one. `interval`: how many seconds
    lie between two polls when nothing is short."""
    reading = Round.read(cursor, now)
    gaps = reading.gaps
    reading.begin(now)
    while not budget.spent:
        budget.spend()
        reading.ask_another(now)
        found, bad, repeats, rates = step(reading)
        if reading.barred:
            raise reading.barred
        bad = (*bad, *reading.set_aside())
        posts = [replace(post, history=reading.is_history(post.created_at)) for post in found]
        if end := reading.over:
            reading.end()
        posts.sort(key=lambda post: (post.created_at, post.external_id))
        yield Page(posts=tuple(posts), bad=bad, cursor=reading.kept(), end=end, rate=rates, gaps=gaps,
                   repeats=repeats, interval=slower(rates, interval, now), reopened=reading.reopened())  # fmt: skip
        gaps = ()
        if end:
            return
        pause(rates, now)

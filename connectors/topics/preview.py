"""What a query would find, before it is kept: matches among stored mentions, samples, and words that come along with
them."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction

from connectors.topics.comparing import COLUMNS, subject_of
from connectors.topics.days import DAYS
from connectors.topics.matching import View, matches
from connectors.topics.tree import Tree, spoken
from connectors.topics.words import tokens_of
from inbox.models import Mention
from routing.words import WordFinder, normalise

if TYPE_CHECKING:
    from inbox.models import Agent

LOOKED_AT, PIECE = 20_000, 200
SECONDS = 1.5
SHOWN, TERMS = 20, 8
SHORTEST = 3  # letters of a word that is offered for exclusion
OTHERS = 50  # posts without a match that tell how usual a word is; with fewer no word is offered
USUAL = 0.04  # of the other posts: what stands in more of them is a word everybody uses
SURE = 6.63  # of the likelihood ratio: one in a hundred by chance


@dataclass
class Preview:
    """`count` of `tried` posts match and are shown, `hidden` more are excluded; `since`: when the
    oldest one looked at was posted, when not all of the days were looked at; `terms` are (word, in how many of the
    matches); `too_few`: there are too few other posts to tell what is usual."""

    tried: int = 0
    count: int = 0
    hidden: int = 0
    since: datetime | None = None
    samples: list[dict[str, Any]] = field(default_factory=list)
    terms: list[tuple[str, int]] = field(default_factory=list)
    too_few: bool = False

    def per_day(self, now: datetime) -> float:
        """Matches a day of the time that was looked at."""
        days = (now - self.since) / timedelta(days=1) if self.since else DAYS
        return self.count / min(max(days, 1.0), DAYS)


def preview(tree: Tree, agent: Agent, channels: Sequence[int], now: datetime, hides: Collection[Tree] = ()) -> Preview:
    """Among posts the agent may read, of the last 30 days, as far back as the time allows; `hides`: what exclusions
    would hide of them."""
    found, with_it, without = Preview(), Counter[str](), Counter[str]()
    nothing = WordFinder(())
    for row in _rows(agent, channels, now - timedelta(days=DAYS), found):
        view = View(subject_of(row), nothing)
        view.found = None
        words = {word for word in tokens_of(view.text).words if len(word) >= SHORTEST and not word.isdigit()}
        found.tried += 1
        if not matches(tree, view):
            without.update(words)
            continue
        if any(matches(hide, view) for hide in hides):
            found.hidden += 1
            continue
        with_it.update(words)
        found.count += 1
        if len(found.samples) < SHOWN:
            found.samples.append(row)
    found.terms = _terms(tree, with_it, without, found)
    return found


def _rows(agent: Agent, channels: Sequence[int], since: datetime, found: Preview) -> Iterator[dict[str, Any]]:
    """Newest first; notes in `found.since` where the time or the number ran out. One statement, of which the database
    makes no more rows than are taken, as long as it is a transaction."""
    readable = Mention.objects.filter(conversation__team__in=agent.readable_team_ids, ours=False)
    readable = readable.filter(state__in=["live", "edited"])
    if channels:
        readable = readable.filter(channel__in=channels)
    newest, ends = readable.order_by("-pk").values(*COLUMNS, "conversation_id"), time.monotonic() + SECONDS
    with transaction.atomic():
        for looked, row in enumerate(newest[: LOOKED_AT + 1].iterator(PIECE)):
            if looked == LOOKED_AT or (looked and not looked % PIECE and time.monotonic() >= ends):
                return
            if row["posted_at"] >= since:  # what was fetched of a channel's past came today and is of its own day
                found.since = min(found.since or row["posted_at"], row["posted_at"])
                yield row
    found.since = None


def _terms(tree: Tree, with_it: Counter[str], without: Counter[str], found: Preview) -> list[tuple[str, int]]:
    """Words that stand in matches far more often than in what else is stored; those of the query itself, and those
    everybody uses, left out."""
    others = found.tried - found.count - found.hidden
    found.too_few = bool(found.count) and others < OTHERS
    if found.too_few:
        return []
    asked = {token for leaf in spoken(tree) for token in tokens_of(normalise(leaf.text.replace("*", ""))).words}
    scored = []
    for word, count in with_it.items():
        usual = without[word] / others if others else 0.0
        if count < 2 or word in asked or usual > USUAL or count / found.count < 2 * usual:
            continue
        score = _likelihood(count, found.count, without[word], others)
        if score >= SURE:
            scored.append((score, word, count))
    return [(word, count) for _score, word, count in sorted(scored, reverse=True)[:TERMS]]


def _likelihood(here: int, whole_here: int, there: int, whole_there: int) -> float:
    """Twice the logarithm of how much likelier two shares are than one (the G test)."""
    share = (here + there) / (whole_here + whole_there)
    cells = (
        (here, whole_here * share),
        (there, whole_there * share),
        (whole_here - here, whole_here * (1 - share)),
        (whole_there - there, whole_there * (1 - share)),
    )
    return 2 * sum(seen * math.log(seen / expected) for seen, expected in cells if seen and expected)

"""What a query would find, before it is kept: matches among stored mentions, samples, words that come along with them,
what each channel is asked, and from when on it is complete."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Max
from django.utils.translation import gettext as _

from connectors.base import Connector, Fault
from connectors.models import Channel, Gap, Source
from connectors.opening import opened
from connectors.topics.comparing import COLUMNS, subject_of
from connectors.topics.matching import View, matches
from connectors.topics.tree import Or, Tree, Word, spoken
from connectors.topics.words import tokens_of
from inbox.models import Mention
from routing.words import WordFinder, normalise

if TYPE_CHECKING:
    from connectors.topics.compile import Native
    from inbox.models import Agent

DAYS = 30
LOOKED_AT, PIECE = 20_000, 2_000
SECONDS = 1.5
SHOWN, TERMS = 20, 8
SHORTEST = 3  # letters of a word that is offered for exclusion


@dataclass
class Preview:
    """`count` of `tried` posts match; `since`: the age of the oldest one looked at, when not all of the days were;
    `terms` are (word, in how many of the matches)."""

    tried: int = 0
    count: int = 0
    since: datetime | None = None
    samples: list[dict[str, Any]] = field(default_factory=list)
    terms: list[tuple[str, int]] = field(default_factory=list)


def preview(tree: Tree, agent: Agent, channels: Sequence[int], now: datetime) -> Preview:
    """Among posts the agent may read, of the last 30 days, as far back as the time allows."""
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
        with_it.update(words)
        found.count += 1
        if len(found.samples) < SHOWN:
            found.samples.append(row)
    found.terms = _terms(tree, with_it, without, found)
    return found


def _rows(agent: Agent, channels: Sequence[int], since: datetime, found: Preview) -> Iterator[dict[str, Any]]:
    """Newest first; notes in `found.since` where the time or the number ran out."""
    readable = Mention.objects.filter(conversation__team__in=agent.readable_team_ids, ours=False)
    readable = readable.filter(state__in=["live", "edited"])
    if channels:
        readable = readable.filter(channel__in=channels)
    below, ends, looked = None, time.monotonic() + SECONDS, 0
    while looked < LOOKED_AT and time.monotonic() < ends:
        newest = readable.filter(pk__lt=below) if below else readable
        rows = list(newest.order_by("-pk").values(*COLUMNS, "url", "conversation_id")[:PIECE])
        yield from (row for row in rows if row["posted_at"] >= since)
        looked += len(rows)
        if len(rows) < PIECE:
            return
        below = rows[-1]["pk"]
        found.since = rows[-1]["seen_at"]


def _terms(tree: Tree, with_it: Counter[str], without: Counter[str], found: Preview) -> list[tuple[str, int]]:
    """Words that stand in matches at least twice as often as elsewhere; those of the query itself left out."""
    asked = {token for leaf in spoken(tree) for token in tokens_of(normalise(leaf.text.replace("*", ""))).words}
    scored = []
    for word, count in with_it.items():
        share = count / found.count
        usual = (without[word] + 1) / (found.tried - found.count + 2)
        if count > 1 and word not in asked and share >= 2 * usual:
            scored.append((count * math.log(share / usual), word, count))
    return [(word, count) for _score, word, count in sorted(scored, reverse=True)[:TERMS]]


def excluding(query: str, tree: Tree, word: str) -> str:
    """The query without posts that hold the word, otherwise as it was written."""
    return f"({query.strip()}) NOT {Word(word)}" if isinstance(tree, Or) else f"{query.strip()} NOT {Word(word)}"


@dataclass(frozen=True)
class Listening:
    """How one channel listens for a query. `mood` "warn": something is not found that should be."""

    channel: Channel
    words: str
    texts: tuple[str, ...] = ()
    mood: str = ""
    complete_since: datetime | None = None


def listening(tree: Tree, channels: Iterable[Channel]) -> list[Listening]:
    return [_listens(tree, channel) for channel in channels if channel.network in Connector.kinds()]


def _listens(tree: Tree, channel: Channel) -> Listening:
    kind = channel.kind
    if kind.dialect is None:
        words = _("has no search: everything it brings is compared here")
        return Listening(channel, words, complete_since=channel.created_at)
    native = kind.search_query(tree)
    if native is None:
        words = _("cannot be asked for this; what it brings anyway is compared here")
        return Listening(channel, words, mood="warn", complete_since=channel.created_at)
    try:
        able = opened(channel).can_search
    except Fault as fault:
        return Listening(channel, fault.words, native.texts, "warn")
    if not able:
        words = _("searches only when signed in; what it brings anyway is compared here")
        return Listening(channel, words, mood="warn", complete_since=channel.created_at)
    mood = "warn" if native.lost else ""
    return Listening(channel, _said(native), native.texts, mood, _complete_since(channel, native))


def _said(native: Native) -> str:
    if native.exact:
        return _("exact")
    said = _("finds more than this; we filter the rest")
    if native.filtered:
        said += ": " + ", ".join(native.filtered)
    if native.lost:
        said += ". " + _("Not asked for, because there is no room: %s") % ", ".join(native.lost)
    return said


def _complete_since(channel: Channel, native: Native) -> datetime | None:
    """Since all its searches were first read, or the last gap in one of them ended; None while one was never read."""
    names = [f"search:{text}" for text in native.texts]
    begun = list(Source.objects.filter(channel=channel, name__in=names).values_list("begun_at", flat=True))
    if len(begun) < len(names) or None in begun:
        return None
    gaps = Gap.objects.filter(channel=channel, source__in=[name[:120] for name in names], until__isnull=False)
    ended: datetime | None = gaps.aggregate(last=Max("until"))["last"]
    return max(time for time in (*begun, ended) if time is not None)

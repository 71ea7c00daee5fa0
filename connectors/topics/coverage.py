"""How each channel listens for a query, what that costs, and from when on it is complete: for the editor of a topic and
for those who read what it found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from connectors.base import Connector, Fault, NotPermitted
from connectors.budgeting import money, unit
from connectors.lookback import complete_since
from connectors.models import Channel, Gap, Lookback, Source
from connectors.opening import opened
from connectors.topics.sizing import Size, price

if TYPE_CHECKING:
    from connectors.topics.compile import Native
    from connectors.topics.tree import Tree


@dataclass(frozen=True)
class Listening:
    """How one channel listens for a query. `mood` "warn": something is not found that should be. `goes_on`: older
    posts are still being fetched; `furthest`: why no older ones are to be had; `cost`: what the network charges a day
    when people say it there as often as in what is stored; `counting`: what the network takes for saying how much it
    would find, `uncounted`: why it does not; `size`: what it said."""

    channel: Channel
    words: str
    texts: tuple[str, ...] = ()
    mood: str = ""
    complete_since: datetime | None = None
    goes_on: bool = False
    furthest: str = ""
    cost: str = ""
    counting: str = ""
    uncounted: str = ""
    size: Size | None = None


@dataclass
class Stands:
    """Where reading stands, of all channels by id."""

    sources: dict[int, list[Source]] = field(default_factory=lambda: defaultdict(list))
    lookbacks: dict[int, list[Lookback]] = field(default_factory=lambda: defaultdict(list))
    gaps: dict[int, list[Gap]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, channels: Sequence[Channel]) -> Stands:
        """Three statements, however many channels there are."""
        stands = cls()
        pairs: tuple[tuple[dict[int, list[Any]], Any], ...] = (
            (stands.sources, Source.objects.only("channel_id", "name", "begun_at", "fault")),
            (stands.lookbacks, Lookback.objects.defer("cursor")),
            (stands.gaps, Gap.objects.filter(until__isnull=False)),
        )
        for held, rows in pairs:
            for row in rows.filter(channel__in=channels):
                held[row.channel_id].append(row)
        return stands

    def of_sources(self, channel: Channel, names: Sequence[str] | None) -> Mapping[str, Any]:
        """Of the sources named, or of all; not complete as long as one of them was never read."""
        sources = [each for each in self.sources[channel.pk] if names is None or each.name in names]
        lookbacks = [each for each in self.lookbacks[channel.pk] if names is None or each.source in names]
        cut = {name[:120] for name in names or ()}
        gaps = [each for each in self.gaps[channel.pk] if names is None or each.source in cut]
        read = [each for each in sources if each.begun_at]
        if not read or (names is not None and len(read) < len(names)):
            return {}
        words = dict.fromkeys(each.words for each in lookbacks if each.words)
        since, goes_on = complete_since(read, lookbacks, gaps), any(each.goes_on for each in lookbacks)
        return {"complete_since": since, "goes_on": goes_on, "furthest": " ".join(words)}

    def refused(self, channel: Channel, names: Sequence[str]) -> str:
        """Why the network does not search for us, where it refused one of these sources for lack of a right."""
        if any(each.fault == NotPermitted.__name__ for each in self.sources[channel.pk] if each.name in names):
            return _("the network refuses this search: a permission is missing; what it brings anyway is compared here")
        return ""


def listening(
    tree: Tree, channels: Iterable[Channel], per_day: float = 0.0, sizes: Mapping[int, Size] = MappingProxyType({})
) -> list[Listening]:
    """`per_day`: posts that match a day, for what they cost. `sizes`: what networks said, by channel."""
    known = [channel for channel in channels if channel.network in Connector.kinds()]
    stands = Stands.of(known)
    found = (_listens(tree, each, stands) for each in known)
    return [replace(one, cost=_cost(one, per_day), size=sizes.get(one.channel.pk)) for one in found]


def _cost(one: Listening, per_day: float) -> str:
    dialect = one.channel.kind.dialect
    if dialect is None or not dialect.price or not one.texts:
        return ""
    return money(dialect.price * max(1, round(per_day)), unit(one.channel)) if per_day else ""


def _listens(tree: Tree, channel: Channel, stands: Stands) -> Listening:
    kind = channel.kind
    brings = stands.of_sources(channel, None)
    if kind.dialect is None:
        return Listening(channel, _("has no search: everything it brings is compared here"), **brings)
    native = kind.search_query(tree)
    if native is None:
        words = _("cannot be asked for this; what it brings anyway is compared here")
        return Listening(channel, words, mood="warn", **brings)
    names = [f"search:{text}" for text in native.texts]
    try:
        unable = _unable(opened(channel)) or stands.refused(channel, names)
    except Fault as fault:
        return Listening(channel, fault.words, native.texts, "warn")
    if unable:
        return Listening(channel, unable, mood="warn", **brings)
    found = stands.of_sources(channel, names)
    mood, counting, uncounted = "warn" if native.lost else "", price(channel, native), _uncounted(channel)
    words = ". ".join(filter(None, (described(native), str(kind.dialect.covers))))
    said = Listening(channel, words, native.texts, mood, counting=counting, uncounted=uncounted)
    return replace(said, **found)


def _unable(connector: Connector) -> str:
    if connector.can_search:
        return ""
    usual = _("searches only when signed in, on servers that search in posts; what it brings is compared here")
    return str(connector.cannot_search) or usual


def _uncounted(channel: Channel) -> str:
    kind = channel.kind
    if kind.counts is None or not kind.counts_with or kind.counts_with in channel.sealed:
        return ""
    named = next(field.label for field in kind.form if field.name == kind.counts_with)
    return _("%(network)s says how much this would find only with the “%(key)s”, which is missing in its settings.") % {
        "network": kind.label,
        "key": named,
    }


def described(native: Native) -> str:
    if native.exact and not native.theirs:
        return _("exact")
    said = _("finds nothing else") if native.exact else _("finds more than this; we filter the rest")
    if native.filtered:
        said += ": " + ", ".join(native.filtered)
    if native.theirs:
        said += ". " + _("Only what the network itself calls so is found: %s") % ", ".join(native.theirs)
    if native.lost:
        said += ". " + _("Not asked for, because there is no room: %s") % ", ".join(native.lost)
    return said


def whole_since(listening: Sequence[Listening]) -> datetime | None:
    """From when on all channels are complete; None while one of them is not read."""
    known = [one.complete_since for one in listening]
    return max(filter(None, known)) if known and None not in known else None

"""What a channel heard: who speaks, about what, when and in which languages. It is what the first days are for, when
nobody answers yet, and it stays true afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Max
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import get_language_info
from django.utils.translation import gettext as _

from connectors.came_since import first_number
from connectors.frequent import frequent
from connectors.models import Theme, TopicMention
from connectors.samples import closed_to
from inbox.models import Identity, Mention, Reply

if TYPE_CHECKING:
    from connectors.models import Channel
    from inbox.models import Agent

LOOKED_AT = 20_000  # newest posts, so that the page costs the same however much is stored
AHEAD = timedelta(days=1)  # of ours, a network's clock may be
MOST = 8  # lines of a list
LEVELS = 5  # shades of the hours
RANGES = (7, 30, 90)  # days


class Row(NamedTuple):
    """One post, as far as it is counted."""

    pk: int
    identity: int
    at: datetime
    language: str
    ours: bool
    history: bool
    conversation: int


class Part(NamedTuple):
    """A line of a list: how many, and that as a share of all in per cent."""

    label: str
    n: int
    percent: int


class Day(NamedTuple):
    day: date
    n: int


class Bar(NamedTuple):
    """A day as it is drawn, in a picture of 100 by 100; texts, since a comma is no decimal point there."""

    x: str
    y: str
    width: str
    height: str
    day: Day


class Hour(NamedTuple):
    """`level`: how dark it is drawn, 0 for no post and LEVELS for the most of all hours."""

    hour: int
    n: int
    level: int

    @property
    def is_named(self) -> bool:
        return self.hour % 6 == 0


@dataclass
class Speaker:
    pk: int
    count: int
    percent: int
    who: Identity | None = None


@dataclass
class Subject:
    pk: int
    label: str
    count: int
    percent: int
    themes: list[tuple[str, int]] = field(default_factory=list)


@dataclass
class Heard:
    """Of the posts since then; `people` wrote `posts`, `once` of them one only, and our own account `own` more.
    `unanswered` of `conversations` nobody answered, here or on the network. `partial`: only the newest were looked at.
    `closed`: without what teams got that are closed to the reader."""

    since: datetime
    posts: int = 0
    own: int = 0
    people: int = 0
    once: int = 0
    conversations: int = 0
    unanswered: int = 0
    partial: bool = False
    closed: bool = False
    speakers: list[Speaker] = field(default_factory=list)
    days: list[Day] = field(default_factory=list)
    hours: list[list[Hour]] = field(default_factory=list)
    languages: list[Part] = field(default_factory=list)
    subjects: list[Subject] = field(default_factory=list)
    terms: list[tuple[str, int]] = field(default_factory=list)

    @property
    def busiest(self) -> Day | None:
        return max(self.days, key=lambda day: (day.n, day.day)) if self.posts else None

    @property
    def bars(self) -> list[Bar]:
        room, most = 100 / len(self.days), max([1, *(day.n for day in self.days)])
        high = [100 * day.n / most for day in self.days]
        return [
            Bar(f"{n * room + room / 10:.2f}", f"{100 - height:.2f}", f"{room * 0.8:.2f}", f"{height:.2f}", day)
            for n, (day, height) in enumerate(zip(self.days, high, strict=True))
        ]

    @property
    def week(self) -> list[tuple[str, list[Hour]]]:
        return [(str(WEEKDAYS_ABBR[day]), hours) for day, hours in enumerate(self.hours)]


def of(channel: Channel, reader: Agent, days: int, zone: ZoneInfo, now: datetime, known: Sequence[str] = ()) -> Heard:
    """The last `days`, today among them, for this reader. `zone` is the organisation's; `known`: its names, which are
    no news among the words."""
    start = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    closed = closed_to(reader)
    newest = _newest(channel, closed, first_number(start - AHEAD))
    rows = [row for row in newest if start <= row.at <= now]
    heard = counted(rows, _sent(channel, start), start, now, zone)
    heard.partial, heard.closed = len(newest) == LOOKED_AT, bool(closed)
    named = Identity.objects.in_bulk([speaker.pk for speaker in heard.speakers])
    for speaker in heard.speakers:
        speaker.who = named.get(speaker.pk)
    theirs = [row.pk for row in rows if not row.ours]
    heard.subjects, heard.terms = _subjects(theirs, closed), frequent(theirs, known)
    return heard


def _newest(channel: Channel, closed: frozenset[int], first: int) -> list[Row]:
    """By when they came, the newest first: no index knows when the posts of one channel were written. What came before
    `first` was written too early."""
    stored = Mention.objects.filter(channel=channel, state__in=["live", "edited"], pk__gte=first)
    columns = ("pk", "identity_id", "posted_at", "language", "ours", "history", "conversation_id")
    found = stored.exclude(conversation__team__in=closed).order_by("-pk").values_list(*columns)
    return [Row(*values) for values in found[:LOOKED_AT]]


def counted(rows: Sequence[Row], sent: Mapping[int, datetime], start: datetime, now: datetime, zone: ZoneInfo) -> Heard:
    """`sent`: when the last answer left in a conversation."""
    theirs = [row for row in rows if not row.ours]
    heard = Heard(start, posts=len(theirs), own=len(rows) - len(theirs))
    loud = Counter(row.identity for row in theirs)
    heard.people, heard.once = len(loud), sum(count == 1 for count in loud.values())
    heard.speakers = [Speaker(pk, n, percent(n, heard.posts)) for pk, n in loud.most_common(MOST)]
    times = [row.at.astimezone(zone) for row in theirs]
    heard.days = _days(times, start.astimezone(zone).date(), now.astimezone(zone).date())
    heard.hours = _hours(times)
    heard.languages = _parts(Counter(in_words(row.language) for row in theirs), heard.posts)
    heard.conversations, heard.unanswered = _unanswered(rows, sent)
    return heard


def percent(count: int, whole: int) -> int:
    return round(100 * count / whole) if whole else 0


def in_words(language: str) -> str:
    """Its code when there is no name for it."""
    try:
        return str(get_language_info(language)["name_translated"]).capitalize()
    except KeyError:
        return language or _("Not known")


def _days(times: Sequence[datetime], first: date, last: date) -> list[Day]:
    """Every one of them, those without a post as well."""
    found = Counter(time.date() for time in times)
    return [Day(day, found[day]) for n in range((last - first).days + 1) for day in (first + timedelta(days=n),)]


def _hours(times: Sequence[datetime]) -> list[list[Hour]]:
    """Monday first, twenty-four hours each."""
    found = Counter((time.weekday(), time.hour) for time in times)
    most = max(found.values(), default=1)
    level = {key: -(-LEVELS * count // most) for key, count in found.items()}
    return [[Hour(hour, found[day, hour], level.get((day, hour), 0)) for hour in range(24)] for day in range(7)]


def _parts(found: Counter[str], whole: int) -> list[Part]:
    """The largest, and all others as one."""
    parts = [Part(label, n, percent(n, whole)) for label, n in found.most_common(MOST)]
    rest = whole - sum(part.n for part in parts)
    return [*parts, Part(_("Others"), rest, percent(rest, whole))] if rest else parts


def _unanswered(rows: Sequence[Row], sent: Mapping[int, datetime]) -> tuple[int, int]:
    """Conversations somebody began or went on with while we listened, and those in which theirs is the last word."""
    theirs: dict[int, datetime] = {}
    answered = dict(sent)
    for row in rows:
        if row.ours or not row.history:
            last = answered if row.ours else theirs
            last[row.conversation] = max(row.at, last.get(row.conversation, row.at))
    return len(theirs), sum(at > answered.get(pk, datetime.min.replace(tzinfo=at.tzinfo)) for pk, at in theirs.items())


def _sent(channel: Channel, start: datetime) -> dict[int, datetime]:
    """Answers of ours, which not every network shows us as posts."""
    left = Reply.objects.filter(channel=channel, state="sent", sent_at__gte=start).order_by()
    return dict(left.values_list("conversation").annotate(last=Max("sent_at")))


def _subjects(posts: Sequence[int], closed: frozenset[int]) -> list[Subject]:
    """Topics that found these posts, with their themes; those of teams closed to the reader are not named."""
    found = TopicMention.objects.shown().filter(mention__in=posts).exclude(topic__team__in=closed)
    counts, themes, names = Counter[int](), Counter[tuple[int, int]](), dict[int, str]()
    for topic, name, carried in found.values_list("topic", "topic__name", "themes"):
        counts[topic] += 1
        names[topic] = name
        themes.update((topic, theme) for theme in carried)
    called = dict(Theme.objects.filter(pk__in=[theme for _topic, theme in themes]).values_list("pk", "name"))
    subjects = [Subject(pk, names[pk], n, percent(n, len(posts))) for pk, n in counts.most_common(MOST)]
    for subject in subjects:
        own = [(called[theme], n) for (topic, theme), n in themes.most_common() if topic == subject.pk]
        subject.themes = own[:MOST]
    return subjects

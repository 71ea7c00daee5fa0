"""BM-21: what a day brings, 76,000 posts through twenty channels, read by two workers with the product's own poll while
a third takes up their words; and then a steady pace, at which nothing may fall behind."""

import itertools
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection

from benchmarks import posts
from benchmarks.alive import FIRST, Offer, Storing, make_rules
from benchmarks.clients import together
from benchmarks.data import gaps_in_numbers, load, wrong_tallies
from benchmarks.measure import check, milli, rate, row
from connectors import listening
from connectors.base import Page
from connectors.models import Channel, Source
from connectors.networks.demo import Demo
from inbox.models import Identity, Mention, SearchDue, SearchText
from inbox.models.reply import Clock
from inbox.searching import indexing

DAY, SHARE = 76_000, 5  # the quick table takes a fifth
LIMIT = 300.0  # seconds for a day
CONVERSATIONS, READERS, PAGE, OVERLAP = 40_000, 2, 100, 20
PACE, LASTING = 50, 10
PATIENCE = 360.0
NEVER = datetime(2126, 1, 1, tzinfo=UTC)
HEARD = {}  # what the network has to give, by channel


class Day(Demo):
    """A network whose posts lie in memory. Each poll gets what came since, and a little of what it had already."""

    name = "day"
    space = "bench"

    def poll(self, source, cursor, budget, now):
        budget.spend()
        at = (cursor or {}).get("at", 0)
        given = HEARD[self.settings["number"]][max(0, at - OVERLAP) : at + PAGE]
        yield Page(posts=tuple(given), cursor={"at": at + PAGE}, end=True)


@dataclass
class Listening:
    """Polls these channels one after the other, that often."""

    channels: list[int]
    times: int

    def work(self):
        sources = Source.objects.filter(channel__in=self.channels)
        for _ in range(self.times):
            Channel.objects.filter(pk__in=self.channels).update(next_poll_at=Clock())
            sources.update(next_at=Clock())
            for pk in self.channels:
                check(listening.listen(pk), f"channel {pk} was not due")
        return []


@dataclass
class Indexing:
    """Takes up words until those of so many posts after the mark are there; tells when."""

    mark: int
    expected: int

    def work(self):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            indexing.index_due(seconds=2)
            if Mention.objects.filter(pk__gt=self.mark).count() == self.expected and not SearchDue.objects.exists():
                return [time.perf_counter()]
            time.sleep(0.02)
        raise TimeoutError(f"not all of {self.expected} posts were found in {PATIENCE:.0f} seconds")


@dataclass
class Pacing:
    """Stores posts at a steady pace."""

    offer: Offer
    channel: int

    def work(self):
        return Storing(self.channel)(self.offer)


def work(job):
    return job.work()


def newest():
    return Mention.objects.order_by("-pk").values_list("pk", flat=True).first()


def ready(amount):
    """The channels, and in memory what they will hear."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM inbox_searchdue")
        cursor.execute("DELETE FROM inbox_searchfill")
    Identity.objects.update(network=Day.name)
    channels = list(Channel.objects.order_by("pk"))
    each = amount // len(channels)
    for channel in channels:
        network = posts.Network(2_000 + channel.pk, posts.answerable(channel.pk, each))
        HEARD[channel.pk] = [network.post() for _ in range(each)]
        Channel.objects.filter(pk=channel.pk).update(
            network=Day.name, settings={"number": channel.pk}, refresh_at=NEVER, history_at=NEVER
        )
    return [channel.pk for channel in channels], -(-each // PAGE)


def check_all(mark, expected):
    stored = Mention.objects.filter(pk__gt=mark)
    check(stored.count() == expected, f"{stored.count()} mentions of {expected} posts")
    found = SearchText.objects.filter(kind=1, row_id__gt=mark).count()
    check(found == expected, f"the words of {found} of {expected} posts are there")
    check(not wrong_tallies(), f"counters differ from the rows: {wrong_tallies()[:3]}")
    check(not gaps_in_numbers(), f"the events have gaps: {gaps_in_numbers()[:3]}")


def a_day(amount, channels, polls):
    mark = newest()
    jobs = [Listening(channels[n::READERS], polls) for n in range(READERS)]
    _, take = together(work, [*jobs, Indexing(mark, amount)])
    check_all(mark, amount)
    offered = set(itertools.chain.from_iterable((post.external_id for post in heard) for heard in HEARD.values()))
    stored = set(Mention.objects.filter(pk__gt=mark).values_list("external_id", flat=True))
    check(stored == offered, f"{len(offered - stored)} posts are not there")
    ends = {cursor["at"] for cursor in Source.objects.filter(channel__in=channels).values_list("cursor", flat=True)}
    check(ends == {polls * PAGE}, f"cursors stand at {sorted(ends)}")
    return take


def a_pace(seconds):
    """How long after it came the last post was stored, and found."""
    mark, amount = newest(), PACE * seconds
    jobs = [Pacing(Offer(amount, PACE // 5, PACE, seed=9), 3), Indexing(mark, amount + FIRST)]
    (stored, (found_at,)), _ = together(work, jobs)
    check_all(mark, amount + FIRST)
    return stored[-1].done - stored[-1].due, found_at - stored[-1].due


def run(options):
    share = 1 if options.full else SHARE
    amount, limit = DAY // share, LIMIT / share
    load(CONVERSATIONS)
    make_rules()
    channels, polls = ready(amount)
    take = a_day(amount, channels, polls)
    named = "a day's" if share == 1 else f"a fifth of a day's, {amount:,} of"
    yield row(
        "BM-21",
        f"{named} {DAY:,} posts polled, routed and found, to {limit:.0f} s",
        f"{take.wall:.1f} s",
        f"{limit:.0f} s",
        take.wall / limit,
        most=1,
        note=f"0 lost; {rate(amount / take.wall)}, {milli(take.cpu / amount)} CPU a post",
    )
    seconds = LASTING * (60 if options.full else 1)
    stored, found = a_pace(seconds)
    what = f"the last of {PACE} posts/s for {seconds} s is found after, to 2 s"
    yield row("BM-21", what, milli(found), "2 s", found / 2, most=1, note=f"stored after {milli(stored)}")

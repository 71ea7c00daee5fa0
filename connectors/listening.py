"""The journey inwards: claim a channel that is due, fetch page after page outside any transaction, and store each
page with its cursor in one. Whatever dies at whatever line, a page is there with its cursor or neither is, and the
next claim goes on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db.models import F
from django.utils import timezone

from connectors.arriving import quarantine, sound, with_threads
from connectors.base import Bad, Budget, Connector, Fault, Outcome, Page, Post
from connectors.faults import AuthExpired, NotPermitted
from connectors.http import Exchange, no_transaction_open
from connectors.models import Channel, Delivery, Gap, Source
from connectors.opening import opened, remember, renew
from connectors.stored import as_it_is_now
from connectors.text import normalised
from inbox.arrival import Decision, Facts, Place
from inbox.failpoints import failpoint
from inbox.models import Conversation, Mention, Reply
from inbox.models.receive import Received, receive
from inbox.models.reply import Clock
from routing import engine

log = structlog.get_logger(__name__)
CLAIM = timedelta(seconds=20)  # longer than any one call to a network (15 s), before each of which it is renewed
HOLD = 4.0  # seconds after which the claim is renewed before the next call
FIRST_BACKOFF, LAST_BACKOFF = (5.0, 30.0), 900.0  # seconds; the first is the source's interval within these bounds
REFRESH = timedelta(minutes=2)
REFRESHED = 40  # mentions looked at again in one poll
LATE = timedelta(seconds=60)
PAGE = 200  # posts stored in one transaction


class Overtaken(Exception):
    """Another worker claimed the channel since; this one must not write any more."""


def listen(channel_id: int) -> bool:
    """Polls one channel if it is due and nobody else does; False when there was nothing to do."""
    channel = claim(channel_id)
    if channel is None:
        return False
    failpoint("poll.after_claim")
    listener = Listener(channel)
    try:
        listener.run()
    except Overtaken:
        log.info("overtaken by another poll", channel=channel.pk)
    return True


def claim(channel_id: int) -> Channel | None:
    """One conditional update: due, unclaimed, not paused. The raised cursor_version fences out a slow twin."""
    due = Channel.objects.due().filter(pk=channel_id)
    if not due.update(polling_until=Clock() + CLAIM, cursor_version=F("cursor_version") + 1):
        return None
    return Channel.objects.get(pk=channel_id)


class Listener:
    """One poll of one channel, from its claim to its end."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.budget = Budget()
        self.now = timezone.now()
        self.held_at = time.monotonic()
        self.troubled = False
        self.exchanges: list[Exchange] = []

    def run(self) -> None:
        """All due sources, then the re-reading of open conversations; a fault ends what it concerns and nothing
        else."""
        try:
            connector = opened(self.channel, self.exchanges, self._hold)
            if connector.pushed:
                self._deliveries(connector)
            for source in self._due_sources(connector):
                self._with_renewal(partial(self._poll_source, source=source))
            if self.channel.refresh_at <= self.now and not self.budget.spent:
                self._with_renewal(self._refresh)
        except Fault as fault:
            self._fault(fault)
        except Overtaken:
            raise
        except Exception:
            log.exception("a defect in polling", channel=self.channel.pk)
            self._end_badly("slow", "defect", "A defect in reading this channel; the log has the details.", None)
            raise
        else:
            self._end_well(connector)
        finally:
            remember(self.channel, self.exchanges)

    def _hold(self) -> None:
        """Before each request: the claim is renewed before it can run out, and whoever lost it stops here."""
        no_transaction_open()
        if time.monotonic() - self.held_at > HOLD:
            self._fence_only()

    def _with_renewal(self, work: Callable[[Connector], None]) -> None:
        """Runs the work; when access has run out, renews it once and repeats."""
        connector = opened(self.channel, self.exchanges, self._hold)
        try:
            work(connector)
        except AuthExpired:
            renew(self.channel)
            work(opened(self.channel, self.exchanges, self._hold))

    def _due_sources(self, connector: Connector) -> list[Source]:
        """The rows of what the channel listens to; new ones are made, those it no longer listens to stay untouched."""
        listening = {source.name: source for source in connector.listening()}
        rows = {row.name: row for row in self.channel.sources.filter(name__in=listening)}
        for name in listening.keys() - rows.keys():
            interval = int(listening[name].interval)
            rows[name], _ = Source.objects.get_or_create(
                channel=self.channel, name=name, defaults={"interval": interval, "next_at": self.now}
            )
        return sorted((row for row in rows.values() if row.next_at <= self.now), key=lambda row: row.next_at)

    def _poll_source(self, connector: Connector, source: Source) -> None:
        started_at, new, ended = source.newest_at, 0, False
        pages = connector.poll(source.name, source.cursor, self.budget, self.now)
        try:
            for page in pages:
                failpoint("poll.after_fetch")
                new += self._store(connector, source, page, started_at).new
                ended = page.end
                if ended or self.budget.spent:
                    break
        except NotPermitted as fault:
            log.warning("a source is not permitted", channel=self.channel.pk, source=source.name, detail=fault.detail)
            Source.objects.filter(pk=source.pk).update(next_at=self.now + timedelta(hours=6))
            self.channel.broken("slow", fault.name, fault.words, None)
            self.troubled = True
            return
        self._plan_next(connector, source, new, ended)

    def _plan_next(self, connector: Connector, source: Source, new: int, ended: bool) -> None:
        """Busy sources are read sooner, quiet ones later; one that was cut by the budget goes on at once."""
        bounds = next(each for each in connector.listening() if each.name == source.name)
        interval = source.interval * (0.5 if new else 1.25)
        if source.suggested is not None:
            interval = source.suggested
        interval = min(max(interval, bounds.least), bounds.most)
        wait = timedelta(seconds=interval if ended else 0)
        Source.objects.filter(pk=source.pk).update(
            interval=max(1, round(interval)), next_at=timezone.now() + wait, read_at=self.now
        )

    def _store(self, connector: Connector, source: Source, page: Page, started_at: datetime | None) -> Received:
        """One page and its cursor in one transaction, in pieces of 200 posts of which the last moves the cursor."""
        posts, bad = sound(page.posts, self.now)
        posts, context = with_threads(self.channel, connector, posts, self.budget, self.now)
        late = {source.name: started_at - LATE} if started_at else {}
        place = Place(self.channel.pk, self.channel.network, connector.space, self.now, normalised, late, context)
        total = Received()
        pieces = [posts[start : start + PAGE] for start in range(0, len(posts), PAGE)] or [[]]
        for number, piece in enumerate(pieces, start=1):
            last = number == len(pieces)
            fence = partial(self._fence, source, page if last else None, [*page.bad, *bad] if last else [], posts)
            stored = receive(place, piece, self._decide, fence)
            failpoint("poll.after_commit")
            bind(stored.bound)
            total.new += stored.new
        source.cursor = page.cursor
        source.suggested = page.interval
        return total

    def _decide(self, batch: Sequence[Facts]) -> list[Decision]:
        names = {f"channel:{self.channel.pk}": self.channel.name}
        return engine.decide(batch, self.channel.team_id, names)

    def _fence(self, source: Source, page: Page | None, bad: Sequence[Bad], posts: Sequence[Post]) -> None:
        """First in the transaction: locks the channel, stops a twin that was overtaken, and writes the cursor."""
        mine = Channel.objects.filter(pk=self.channel.pk, cursor_version=self.channel.cursor_version)
        newest = max((post.created_at for post in posts), default=None)
        if not mine.update(polling_until=Clock() + CLAIM, last_post_at=newest or F("last_post_at")):
            raise Overtaken
        failpoint("poll.after_fence")
        if page is None:
            return
        latest = max(filter(None, (newest, source.newest_at)), default=None)
        rate = [{**asdict(each), "reset_at": each.reset_at and each.reset_at.isoformat()} for each in page.rate]
        Source.objects.filter(pk=source.pk).update(cursor=page.cursor, newest_at=latest, rate=rate)
        quarantine(self.channel, source.name, bad)
        Gap.objects.bulk_create(
            Gap(channel=self.channel, source=source.name, since=gap.since, until=gap.until, why=gap.reason[:300])
            for gap in page.gaps
        )

    def _deliveries(self, connector: Connector) -> None:
        """Webhook deliveries that were committed and answered; each is worked off like a page."""
        waiting = Delivery.objects.filter(channel=self.channel, done_at=None).order_by("id")[:50]
        for delivery in waiting:
            page = connector.unpack(delivery.body.encode(), self.now)
            source, _ = Source.objects.get_or_create(channel=self.channel, name="deliveries")
            self._store(connector, source, page, source.newest_at)
            Delivery.objects.filter(pk=delivery.pk).update(done_at=timezone.now())

    def _refresh(self, connector: Connector) -> None:
        """Asks how the newest posts of open conversations stand, so that edits and deletions are followed."""
        Channel.objects.filter(pk=self.channel.pk).update(refresh_at=self.now + REFRESH)
        newest = Conversation.objects.open().filter(channel=self.channel, newest_at__gte=self.now - timedelta(hours=48))
        ids = list(newest.order_by("-newest_at").values_list("pk", flat=True)[:REFRESHED])
        mentions = Mention.objects.filter(conversation__in=ids, channel=self.channel, ours=False)
        standing = mentions.filter(state__in=["live", "edited"]).select_related("identity").order_by("-posted_at")
        by_id = {mention.external_id: mention for mention in standing[:REFRESHED]}
        if not by_id:
            return
        answers = connector.refresh(list(by_id), self.now)
        posts = [as_it_is_now(by_id[a.external_id], a) for a in answers if a.external_id in by_id]
        place = Place(self.channel.pk, self.channel.network, connector.space, self.now, normalised)
        receive(place, posts, self._decide, self._fence_only)

    def _fence_only(self) -> None:
        mine = Channel.objects.filter(pk=self.channel.pk, cursor_version=self.channel.cursor_version)
        if not mine.update(polling_until=Clock() + CLAIM):
            raise Overtaken
        self.held_at = time.monotonic()

    def _end_well(self, connector: Connector) -> None:
        failpoint("poll.before_finish")
        names = [source.name for source in connector.listening()]
        soonest = self.channel.sources.filter(name__in=names).order_by("next_at").values_list("next_at", flat=True)
        default = self.now + timedelta(minutes=1)
        mine = Channel.objects.filter(pk=self.channel.pk, cursor_version=self.channel.cursor_version)
        mine.update(polling_until=None, next_poll_at=soonest.first() or default, last_read_at=timezone.now())
        if self.channel.fault and not self.troubled:
            self.channel.healed()

    def _fault(self, fault: Fault) -> None:
        """What each class of fault means for the channel: a person, a wait, or another try."""
        words = fault.words
        if fault.name == "KeyMissing":
            self._end_badly("needs_key", fault.name, words, None)
        elif fault.outcome is Outcome.RECONNECT:
            self._end_badly("reconnect", fault.name, words, None)
        elif fault.name == "QuotaSpent":
            self._end_badly("quota", fault.name, words, fault.until or self.now + timedelta(hours=1))
        elif fault.outcome is Outcome.WAIT:
            until = fault.until or self.now + timedelta(minutes=5)
            late = (until - self.now) * 0.05 * random.random()  # noqa: S311  spreading, not secrecy
            self._end_badly("slow", fault.name, words, until + late)
        else:
            self._end_badly("slow", fault.name, words, fault.until)

    def _end_badly(self, state: str, fault: str, words: str, again_at: datetime | None) -> None:
        if again_at is None:
            usual = min((source.interval for source in self.channel.sources.all()), default=30)
            first = min(max(usual, FIRST_BACKOFF[0]), FIRST_BACKOFF[1])
            seconds = min(first * 2 ** min(self.channel.failures, 12), LAST_BACKOFF)
            again_at = timezone.now() + timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311
        log.warning("a poll ended with a fault", channel=self.channel.pk, fault=fault, words=words)
        self.channel.broken(state, fault, words, again_at)


def bind(bound: Sequence[tuple[int, str, str]]) -> None:
    """Our own posts that came back by a poll settle the replies they are; if this dies, the settler finds them."""
    for reply_id, external_id, url in bound:
        reply = Reply.objects.get(pk=reply_id)
        reply.sent(external_id, url)

"""The journey inwards: claim a channel that is due, fetch page after page outside any transaction, and store each
page with its cursor in one. Whatever dies at whatever line, a page is there with its cursor or neither is, and the
next claim goes on."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import Error as DatabaseError
from django.db.models import Case, DateTimeField, F, Value, When
from django.utils import timezone

from connectors import hooking
from connectors.access import Renewing, renew
from connectors.base import Bad, Budget, Connector, Fault, Outcome, Page
from connectors.base import Source as Listening
from connectors.budgeting import Allowance, cap, warn
from connectors.connecting import keep_facts
from connectors.faults import AuthExpired, AuthRevoked, RateLimited, Unavailable
from connectors.http import Exchange
from connectors.looking_back import LookingBack
from connectors.models import Channel, Delivery, Source
from connectors.opening import opened, remember
from connectors.rereading import Rereading
from connectors.stored import as_it_is_now
from connectors.storing import Claim, Overtaken, claim
from connectors.text import read_json
from inbox.failpoints import failpoint
from inbox.models import Conversation, Mention

log = structlog.get_logger(__name__)
FIRST_BACKOFF, LAST_BACKOFF = (5.0, 30.0), 900.0  # seconds; the first is the source's interval within these bounds
REFRESH = timedelta(minutes=2)
CHECK = timedelta(days=1)
REREAD_AGAIN = timedelta(hours=1)  # after the network could not give its past
ONWARD = timedelta(seconds=10)  # until reading again goes on
REFRESHED = 40  # mentions looked at again in one poll
DELIVERIES = 50  # worked off in one poll
DEFECT = "A defect in reading this channel; the log has the details."
NOT_PERMITTED = timedelta(hours=6)  # until a source that is off is tried again
CONCERNS_ONE = ("NotPermitted", "Invalid", "Gone", "Unreadable", "PolicyRefused")
"""Faults by which the network answered: that source rests, the others go on."""


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


def rotated[T](newest: list[T], round_: int) -> list[T]:
    """The newest first, then the others, each time from another place: some networks tell of a few at a time."""
    start = 2 * round_ % len(newest) if newest else 0
    return [*newest[:1], *newest[start:], *newest[:start]]


class Listener:
    """One poll of one channel, from its claim to its end."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.budget = Budget()
        self.now = timezone.now()
        self.claim = Claim(channel, self.now, self.budget)
        self.allowance = Allowance(channel, self.budget, self.now)
        self.trouble: tuple[str, str] | None = None  # name and words of what befell one source
        self.read = False
        self.more = False  # of reading the last days again
        self.listened: tuple[Listening, ...] | None = None
        self.exchanges: list[Exchange] = []

    def run(self) -> None:
        """All due sources, then the re-reading of open conversations; a fault ends what it concerns and nothing
        else."""
        try:
            cap(self.channel, self.budget, self.now)
            connector = self._opened()
            if connector.pushed or connector.hooked:
                self._deliveries(connector)
            self._beside(self.channel.refresh_at + REFRESH, self._refresh)  # the sources took the whole budget so far
            for source in self._due_sources(connector):
                self._with_renewal(partial(self._poll_source, source=source))
            for due_at, work in self._besides():
                self._beside(due_at, work)
        except Fault as fault:
            self._fault(fault)
        except Overtaken:
            raise
        except Exception as error:
            if not Channel.objects.filter(pk=self.channel.pk).exists():
                raise Overtaken from error  # it was removed while it was read
            log.exception("a defect in polling", channel=self.channel.pk)
            self._end_badly("slow", "defect", DEFECT, None)
            raise
        else:
            self._end(connector)
        finally:
            remember(self.channel, self.exchanges)
            warn(self.channel, self.now)

    def _besides(self) -> list[tuple[datetime, Callable[[Connector], None]]]:
        """What is done after the sources with what is left of the budget."""
        channel = self.channel
        return [
            (channel.refresh_at, self._refresh),
            (channel.check_at, self._check),
            (channel.reread_at, self._reread),
            (channel.history_at, self._look_back),
        ]

    def _beside(self, due_at: datetime, work: Callable[[Connector], None]) -> None:
        if due_at <= self.now and not (self.budget.spent or self.allowance.tight):
            self._with_renewal(work)

    def _opened(self) -> Connector:
        return opened(self.channel, self.exchanges, self.claim.hold)

    def _with_renewal(self, work: Callable[[Connector], None]) -> None:
        """Runs the work; when access has run out, renews it once and repeats."""
        try:
            work(self._opened())
        except AuthExpired:
            renew(self.channel)
            try:
                work(self._opened())
            except AuthExpired as fault:
                raise AuthRevoked(fault.detail) from fault

    def _listening(self, connector: Connector) -> tuple[Listening, ...]:
        """What the channel is set to listen to, and the searches of its topics."""
        if self.listened is None:
            self.listened = self.claim.topics.sources(connector)
        return self.listened

    def _due_sources(self, connector: Connector) -> list[Source]:
        """The rows of what the channel listens to; new ones are made, those it no longer listens to stay untouched.
        What failed last time comes last, so that it cannot keep the others from being read."""
        listening = {source.name: source for source in self._listening(connector)}
        rows = {row.name: row for row in self.channel.sources.filter(name__in=listening)}
        for name in listening.keys() - rows.keys():
            interval = int(listening[name].interval)
            rows[name], _ = Source.objects.get_or_create(
                channel=self.channel, name=name, defaults={"interval": interval, "next_at": self.now}
            )
        # Of those that wait alike the first one named comes first: what addresses us before what a search finds.
        due = [rows[name] for name in listening if rows[name].next_at <= self.now]
        return sorted(due, key=lambda row: (bool(row.fault), row.next_at))

    def _poll_source(self, connector: Connector, source: Source) -> None:
        if until := self.allowance.until(source):
            Source.objects.filter(pk=source.pk).update(next_at=until)
            return
        try:
            with self.allowance.within(source):
                new, ended = self._pages(connector, source)
        except (AuthExpired, Overtaken, DatabaseError):
            raise
        except RateLimited as fault:
            if not fault.bucket:
                raise
            log.warning("a source has to wait", channel=self.channel.pk, source=source.name, fault=str(fault))
            until = self.allowance.limited(source, fault)
            Source.objects.filter(pk=source.pk).update(fault=fault.name, next_at=until)
            self.trouble = (fault.name, fault.words)
        except Fault as fault:
            Source.objects.filter(pk=source.pk).update(fault=fault.name)
            if fault.name not in CONCERNS_ONE:
                raise
            log.warning("a source cannot be read", channel=self.channel.pk, source=source.name, fault=str(fault))
            self._put_off(source, fault.name, fault.words)
        except Exception as error:
            if not Channel.objects.filter(pk=self.channel.pk).exists():
                raise Overtaken from error  # it was removed while it was read
            log.exception("a defect in reading a source", channel=self.channel.pk, source=source.name)
            Source.objects.filter(pk=source.pk).update(fault="defect")
            self._put_off(source, "defect", DEFECT)
        else:
            self._plan_next(connector, source, new, ended)

    def _pages(self, connector: Connector, source: Source) -> tuple[int, bool]:
        """Reads page after page to the end or as far as the budget goes: how many posts were new, whether it ended."""
        started_at, new, ended = source.newest_at, 0, False
        for page in connector.poll(source.name, source.cursor, self.budget, self.now):
            failpoint("poll.after_fetch")
            self.allowance.heard(source, page)
            new += self.claim.store(connector, source, page, started_at)
            ended = page.end
            if ended or self.budget.spent:
                break
        return new, ended

    def _put_off(self, source: Source, fault: str, words: str) -> None:
        wait = NOT_PERMITTED if fault == "NotPermitted" else self._pause()
        Source.objects.filter(pk=source.pk).update(next_at=self.now + wait)
        self.trouble = (fault, words)

    def _plan_next(self, connector: Connector, source: Source, new: int, ended: bool) -> None:
        """Busy sources are read sooner, quiet ones later; one that was cut by the budget goes on at once."""
        bounds = next(each for each in self._listening(connector) if each.name == source.name)
        interval = source.interval * (0.5 if new else 1.25)
        if source.suggested is not None:
            interval = source.suggested
        interval = min(max(interval, bounds.least), bounds.most)
        # What is left has to last until the window begins anew; more than `most` only the network may make us wait.
        paced = min(self.allowance.pace(source, len(self._listening(connector))), bounds.most)
        wait = timedelta(seconds=max(interval, paced) if ended else 0)
        next_at = max(timezone.now() + wait, self.allowance.until(source) or self.now)
        # Whoever made the source due meanwhile, as a stream does, is not overruled.
        moved = When(next_at__gt=source.next_at, then=F("next_at"))
        Source.objects.filter(pk=source.pk).update(
            interval=max(1, round(interval)),
            next_at=Case(moved, default=Value(next_at, DateTimeField())),
            read_at=self.now,
            fault="",
        )
        self.read = True

    def _deliveries(self, connector: Connector) -> None:
        """Webhook deliveries that were committed and answered; each is worked off like a page. One that cannot be
        read any more is set aside, so that it does not hold up those behind it."""
        waiting = Delivery.objects.filter(channel=self.channel, done_at=None).order_by("id")[:DELIVERIES]
        source: Source | None = None
        for delivery in waiting:
            if source is None:
                source, _ = Source.objects.get_or_create(channel=self.channel, name="deliveries")
            self.claim.store(connector, source, self._unpacked(connector, delivery), source.newest_at)
            Delivery.objects.filter(pk=delivery.pk).update(done_at=timezone.now())
        self.read = True

    def _unpacked(self, connector: Connector, delivery: Delivery) -> Page:
        try:
            return connector.unpack(delivery.body.encode(), self.now)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.exception("a delivery cannot be read", channel=self.channel.pk, delivery=delivery.pk)
            bad = Bad(delivery.delivery_id, f"{type(error).__name__}: {error}", _json_of(delivery.body))
            return Page(posts=(), bad=(bad,), cursor={}, end=True)

    def _refresh(self, connector: Connector) -> None:
        """Asks how the newest posts of open conversations stand, so that edits and deletions are followed. A network
        that does not say is asked again later and is no worse a channel for it."""
        self.channel.refresh_at = self.now + REFRESH
        Channel.objects.filter(pk=self.channel.pk).update(refresh_at=self.channel.refresh_at)
        newest = Conversation.objects.open().filter(channel=self.channel, newest_at__gte=self.now - timedelta(hours=48))
        ids = list(newest.order_by("-newest_at").values_list("pk", flat=True)[:REFRESHED])
        mentions = Mention.objects.filter(conversation__in=ids, channel=self.channel, ours=False)
        standing = mentions.filter(state__in=["live", "edited"]).select_related("identity").order_by("-posted_at")
        turn = rotated(list(standing[:REFRESHED]), self.channel.cursor_version)
        by_id = {mention.external_id: mention for mention in turn}
        if not by_id:
            return
        try:
            answers = connector.refresh(list(by_id), self.now)
        except Fault as fault:
            if fault.name not in CONCERNS_ONE:
                raise
            log.warning("how posts stand cannot be asked", channel=self.channel.pk, fault=str(fault))
            Channel.objects.filter(pk=self.channel.pk).update(refresh_at=self.now + NOT_PERMITTED)
            return
        self.claim.follow(connector, [as_it_is_now(by_id[a.external_id], a) for a in answers if a.external_id in by_id])

    def _check(self, connector: Connector) -> None:
        """Once a day: who we are there, what the account lacks, and when access ends. Only a plain no is a fault of
        the channel."""
        again_at = self.now + CHECK
        try:
            hooking.apply(connector, self.channel)
            keep_facts(self.channel, connector.check())
        except AuthExpired:
            raise
        except Fault as fault:
            if fault.outcome is Outcome.RECONNECT:
                raise
            log.warning("the account cannot be looked at", channel=self.channel.pk, fault=str(fault))
            again_at = self.now + timedelta(hours=1)
        Channel.objects.filter(pk=self.channel.pk).update(check_at=again_at)

    def _reread(self, connector: Connector) -> None:
        """A network that cannot give its past now is asked later; what is new there is read as ever."""
        again = Rereading(self.claim, self.allowance, self.now)
        try:
            self.more = again.run(connector, self._listening(connector))
        except Renewing:
            raise
        except Unavailable as fault:
            log.warning("the last days cannot be read again", channel=self.channel.pk, fault=str(fault))
            later = max(self.now + REREAD_AGAIN, fault.until or self.now)
            Channel.objects.filter(pk=self.channel.pk).update(reread_at=later)

    def _look_back(self, connector: Connector) -> None:
        past = LookingBack(self.claim, self.allowance, self.now)
        self.more = past.run(connector, self._listening(connector)) or self.more

    # How it ends

    def _end(self, connector: Connector) -> None:
        failpoint("poll.before_finish")
        rows = self.channel.sources.filter(name__in=[source.name for source in self._listening(connector)])
        planned = list(rows.order_by("next_at").values_list("next_at", "fault"))
        soonest = planned[0][0] if planned else self.now + timedelta(minutes=1)
        if self.trouble is not None:
            self._end_badly("slow", *self.trouble, soonest)
            return
        if self._more_deliveries(connector):
            soonest = self.now
        elif self.more:
            soonest = min(soonest, self.now + ONWARD)
        mine = Channel.objects.filter(pk=self.channel.pk, cursor_version=self.channel.cursor_version)
        # Whoever made the channel due meanwhile (a delivery, a person) is not overruled.
        moved = When(next_poll_at__gt=self.channel.next_poll_at, then=F("next_poll_at"))
        following = Case(moved, default=Value(soonest, DateTimeField()))
        mine.update(polling_until=None, next_poll_at=following, last_read_at=timezone.now())
        if self.channel.fault and not any(fault for _, fault in planned):
            self.channel.healed()

    def _more_deliveries(self, connector: Connector) -> bool:
        waiting = Delivery.objects.filter(channel=self.channel, done_at=None)
        return (connector.pushed or connector.hooked) and waiting.exists()

    def _fault(self, fault: Fault) -> None:
        """What each class of fault means for the channel: a person, a wait, or another try."""
        words = fault.words
        if isinstance(fault, Renewing):
            self._release(fault.until or self.now)
        elif fault.name == "KeyMissing":
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

    def _release(self, again_at: datetime) -> None:
        """Nothing is wrong; it only has to be read again shortly."""
        mine = Channel.objects.filter(pk=self.channel.pk, cursor_version=self.channel.cursor_version)
        mine.update(polling_until=None, next_poll_at=again_at)

    def _end_badly(self, state: str, fault: str, words: str, again_at: datetime | None) -> None:
        log.warning("a poll ended with a fault", channel=self.channel.pk, fault=fault, words=words)
        if self.read:
            Channel.objects.filter(pk=self.channel.pk).update(last_read_at=timezone.now())
        again_at = again_at or timezone.now() + self._pause()
        self.channel.broken(state, fault, words, again_at, self.channel.cursor_version)

    def _pause(self) -> timedelta:
        """Until the next try: it doubles with each failure, and is spread so that channels do not march in step."""
        usual = min((source.interval for source in self.channel.sources.all()), default=30)
        first = min(max(usual, FIRST_BACKOFF[0]), FIRST_BACKOFF[1])
        seconds = min(first * 2 ** min(self.channel.failures, 12), LAST_BACKOFF)
        return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311


def _json_of(body: str) -> object:
    try:
        return read_json(body)
    except (ValueError, RecursionError):
        return body[:20_000]

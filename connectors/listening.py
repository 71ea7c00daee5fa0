"""The journey inwards: claim a channel that is due, fetch page after page outside any transaction, and store each
page with its cursor in one. Whatever dies at whatever line, a page is there with its cursor or neither is, and the
next claim goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import Error as DatabaseError
from django.db.models import Case, DateTimeField, F, Value, When
from django.utils import timezone

from connectors import following, hooking, unpacking
from connectors.access import Renewing, renew
from connectors.base import Budget, Connector, Fault, Outcome
from connectors.base import Source as Listening
from connectors.budgeting import Allowance, cap, warn
from connectors.connecting import keep_facts
from connectors.ending import Ending
from connectors.faults import CONCERNS_ONE, AuthExpired, AuthRevoked, RateLimited, Unavailable
from connectors.following import Following
from connectors.http import Exchange
from connectors.looking_back import LookingBack
from connectors.models import Channel, Source
from connectors.opening import opened, remember
from connectors.rereading import Rereading
from connectors.revisiting import Revisiting
from connectors.storing import Claim, Overtaken, claim
from inbox.failpoints import failpoint

log = structlog.get_logger(__name__)
CHECK = timedelta(days=1)
REREAD_AGAIN = timedelta(hours=1)  # after the network could not give its past
DEFECT = "A defect in reading this channel; the log has the details."
NOT_PERMITTED = timedelta(hours=6)  # until a source that is off is tried again
HEARD_ALONE = timedelta(hours=1)  # the same where nothing is missing meanwhile


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


class Listener:
    """One poll of one channel, from its claim to its end."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.budget = Budget()
        self.now = timezone.now()
        self.refresh_at = channel.refresh_at  # as it stood: whatever follows open conversations puts it off
        self.claim = Claim(channel, self.now, self.budget)
        self.allowance = Allowance(channel, self.budget, self.now)
        self.ending = Ending(channel, self.now)
        self.listened: tuple[Listening, ...] | None = None
        self.exchanges: list[Exchange] = []

    def run(self) -> None:
        """All due sources, then the re-reading of open conversations; a fault ends what it concerns and nothing
        else."""
        try:
            cap(self.channel, self.budget, self.now)
            connector = self._opened()
            if connector.unpacks:
                self._with_renewal(self._work_off)
                self.ending.read = connector.pushed or connector.hooked
            # Where the sources took the whole budget so far.
            self._beside(self.channel.refresh_at + following.EVERY, self._follow)
            for source in self._due_sources(connector):
                self._with_renewal(partial(self._poll_source, source=source))
            for due_at, work in self._besides():
                self._beside(due_at, work)
        except Fault as fault:
            self.ending.fault(fault)
        except Overtaken:
            raise
        except Exception as error:
            if not Channel.objects.filter(pk=self.channel.pk).exists():
                raise Overtaken from error  # it was removed while it was read
            log.exception("a defect in polling", channel=self.channel.pk)
            self.ending.badly("slow", "defect", DEFECT, None)
            raise
        else:
            failpoint("poll.before_finish")
            self.ending.well(connector, self._listening(connector))
        finally:
            remember(self.channel, self.exchanges)
            warn(self.channel, self.now)

    def _besides(self) -> list[tuple[datetime, Callable[[Connector], None]]]:
        """What is done after the sources with what is left of the budget."""
        channel = self.channel
        return [
            (channel.refresh_at, self._follow),
            (channel.check_at, self._check),
            (channel.reread_at, self._reread),
            (channel.history_at, self._look_back),
            (self.refresh_at, self._revisit),
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

    def _work_off(self, connector: Connector) -> None:
        unpacking.work_off(self.claim, connector, self._in_vain)

    def _in_vain(self, source: Source, fault: Fault, rests: bool) -> None:
        Source.objects.filter(pk=source.pk).update(fault=fault.name, next_at=self.now)
        self.ending.trouble = (fault.name, fault.words)
        if rests:
            self._put_off(source, fault.name, fault.words)

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
            self.ending.trouble = (fault.name, fault.words)
        except Fault as fault:
            Source.objects.filter(pk=source.pk).update(fault=fault.name)
            if fault.name not in CONCERNS_ONE:
                raise
            log.warning("a source cannot be read", channel=self.channel.pk, source=source.name, fault=str(fault))
            self._refused(connector, source, fault)
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
        connector.open_roots = partial(following.open_roots, self.channel, connector)
        connector.hosts = partial(following.hosts, self.channel)
        for page in connector.poll(source.name, source.cursor, self.budget, self.now):
            failpoint("poll.after_fetch")
            self.allowance.heard(source, page)
            new += self.claim.store(connector, source, page, started_at)
            ended = page.end
            if ended or self.budget.spent:
                break
        return new, ended

    def _refused(self, connector: Connector, source: Source, fault: Fault) -> None:
        if connector.does_without(source.name, fault.name):
            Source.objects.filter(pk=source.pk).update(next_at=self.now + HEARD_ALONE)
        else:
            self._put_off(source, fault.name, fault.words)

    def _put_off(self, source: Source, fault: str, words: str) -> None:
        wait = NOT_PERMITTED if fault == "NotPermitted" else self.ending.pause()
        Source.objects.filter(pk=source.pk).update(next_at=self.now + wait)
        self.ending.trouble = (fault, words)

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
        self.ending.read = True

    def _follow(self, connector: Connector) -> None:
        Following(self.claim, self.now).run(connector)

    def _revisit(self, connector: Connector) -> None:
        Revisiting(self.claim, self.allowance, self.now).run(connector)

    def _check(self, connector: Connector) -> None:
        """Once a day: who we are there, what the account lacks, and when access ends. Only a plain no is a fault of
        the channel."""
        again_at = self.now + CHECK
        try:
            self._hook(connector)
            kept = keep_facts(self.channel, connector.check())
            again_at = again_at if kept else self.now  # somebody changed the channel meanwhile: asked anew
        except AuthExpired:
            raise
        except Fault as fault:
            if fault.outcome is Outcome.RECONNECT:
                raise
            log.warning("the account cannot be looked at", channel=self.channel.pk, fault=str(fault))
            again_at = self.now + timedelta(hours=1)
        # Whoever made it due meanwhile, as new secrets do, is not overruled.
        mine = Channel.objects.filter(pk=self.channel.pk, check_at=self.channel.check_at)
        mine.update(check_at=again_at)

    def _hook(self, connector: Connector) -> None:
        """A right that is missing for deliveries keeps nobody from looking at the account, which tells of it."""
        try:
            hooking.apply(connector, self.channel)
        except Fault as fault:
            if fault.name not in CONCERNS_ONE:
                raise
            log.warning("deliveries could not be arranged", channel=self.channel.pk, fault=str(fault))

    def _reread(self, connector: Connector) -> None:
        """A network that cannot give its past now is asked later; what is new there is read as ever."""
        again = Rereading(self.claim, self.allowance, self.now)
        try:
            self.ending.more = again.run(connector, self._listening(connector))
        except Renewing:
            raise
        except Unavailable as fault:
            log.warning("the last days cannot be read again", channel=self.channel.pk, fault=str(fault))
            later = max(self.now + REREAD_AGAIN, fault.until or self.now)
            Channel.objects.filter(pk=self.channel.pk).update(reread_at=later)

    def _look_back(self, connector: Connector) -> None:
        past = LookingBack(self.claim, self.allowance, self.now)
        self.ending.more = past.run(connector, self._listening(connector)) or self.ending.more

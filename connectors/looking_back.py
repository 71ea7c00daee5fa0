"""Fetching what was said before we came, a few requests a poll and after everything else: what it brings is history,
so that it starts no clock, and what is new is never kept waiting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, transaction

from connectors.access import Renewing
from connectors.base import AuthExpired, AuthRevoked, Connector, Fault, Past, RateLimited
from connectors.base import Source as Listening
from connectors.budgeting import Allowance
from connectors.models import Channel, Lookback, Source
from connectors.storing import Claim, Overtaken
from inbox import happenings
from inbox.models import Agent
from inbox.models.reply import Clock

log = structlog.get_logger(__name__)
FURTHEST = timedelta(days=365)
REQUESTS = 4  # in one poll; the rest goes on with the next
AGAIN = timedelta(minutes=10)  # until it is looked for sources that are new, or the network has room again
LATER = timedelta(hours=1)  # after the network could not give its past
PATIENCE = timedelta(days=3)  # of trying in vain
DEFECT = "A defect in reading the past; the log has the details."
ANSWERED = ("NotPermitted", "Invalid", "Gone", "Unreadable", "PolicyRefused")


@dataclass
class LookingBack:
    """What is left to be fetched of one channel's past, within one poll."""

    claim: Claim
    allowance: Allowance
    now: datetime

    def run(self, connector: Connector, sources: Sequence[Listening]) -> bool:
        """Goes on where it was; True when there is more for the next poll."""
        channel = self.claim.channel
        self._begin(connector, sources)
        rows = Lookback.objects.filter(channel=channel, source__in=[each.name for each in sources])
        rows = rows.unfinished().permitted()
        wait = self._some(connector, list(rows.order_by("moved_at", "pk")))
        if not wait and rows.exists():
            return True
        Channel.objects.filter(pk=channel.pk).update(history_at=self.now + (wait or AGAIN))
        return False

    def _has_room(self, paid: bool) -> bool:
        """Half of what a window or the month's money allows is left to what is new."""
        return self.allowance.roomy if paid else self.allowance.ample

    def _begin(self, connector: Connector, sources: Sequence[Listening]) -> None:
        """A row for each source that was read once and has none yet."""
        channel = self.claim.channel
        known = set(channel.lookbacks.values_list("source", flat=True))
        read = channel.sources.filter(begun_at__isnull=False, cursor__isnull=False)
        begun = {row.name: row for row in read.filter(name__in=[each.name for each in sources]).exclude(name__in=known)}
        rows = [self._row(row, self._past(connector, row)) for row in begun.values()]
        Lookback.objects.bulk_create(rows, ignore_conflicts=True)

    def _past(self, connector: Connector, source: Source) -> Past:
        return connector.history(source.name, source.cursor or {}, self.now - FURTHEST, self.now)

    def _row(self, source: Source, past: Past) -> Lookback:
        return Lookback(
            channel=self.claim.channel,
            source=source.name,
            since=max(self.now - FURTHEST, past.since or self.now - FURTHEST),
            before=source.begun_at or self.now,
            newest_first=past.newest_first,
            whole=past.whole,
            paid=past.paid,
            cursor=past.cursor,
            begun_at=self.now,
            moved_at=self.now,
            done_at=None if past.cursor is not None else self.now,
            words=past.words[:300],
        )

    def _some(self, connector: Connector, rows: Sequence[Lookback]) -> timedelta | None:
        """As much as the requests of one poll give; how long to wait when the network wants it."""
        budget = self.claim.budget
        held, budget.requests = budget.requests, min(REQUESTS, budget.requests)
        allowed, wait = budget.requests, None
        try:
            for row in rows:
                if not budget.spent:
                    wait = (self._tried(connector, row) if self._has_room(row.paid) else AGAIN) or wait
        finally:
            budget.requests = held - (allowed - budget.requests)
        return wait

    def _tried(self, connector: Connector, row: Lookback) -> timedelta | None:
        """What befalls the past is no fault of the channel, unless access itself has ended."""
        source = self.claim.channel.sources.get(name=row.source)
        try:
            with self.allowance.within(source):
                self._pages(connector, row, source)
        except (Renewing, AuthExpired, AuthRevoked, Overtaken, DatabaseError):
            raise
        except RateLimited as fault:
            return max(self.allowance.limited(source, fault) - self.now, AGAIN)
        except Fault as fault:
            log.warning("the past cannot be read", channel=row.channel_id, source=row.source, fault=str(fault))
            if fault.name in ANSWERED or self.now - row.moved_at > PATIENCE:
                self._give_up(row, fault.words)
            return LATER
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            log.exception("a defect in reading the past", channel=row.channel_id, source=row.source)
            self._give_up(row, DEFECT)
        return None

    def _pages(self, connector: Connector, row: Lookback, source: Source) -> None:
        beside = Source(channel=self.claim.channel, name=row.source)
        for page in connector.poll(row.source, row.cursor, self.claim.budget, self.now):
            self.allowance.heard(source, page)
            past = [replace(post, history=True) for post in page.posts if row.since <= post.created_at < row.before]
            # A source without a row of its own: everything is stored as ever, and no cursor of reading moves.
            self.claim.store(connector, beside, replace(page, posts=tuple(past), gaps=()), None)
            newest = max((post.created_at for post in page.posts), default=None)
            row.reached(page.cursor, newest, page.end, self.now)
            if page.end or self.claim.budget.spent or not self._has_room(row.paid):
                break

    def _give_up(self, row: Lookback, words: str) -> None:
        Lookback.objects.filter(pk=row.pk).update(done_at=self.now, words=words[:300])


@transaction.atomic
def allow(channel: Channel, by: Agent | None) -> bool:
    """Somebody wants the past that costs money; it begins with the next poll."""
    waiting = Lookback.objects.filter(channel=channel, paid=True, allowed=False).unfinished()
    if not waiting.update(allowed=True):
        return False
    Channel.objects.filter(pk=channel.pk).update(history_at=Clock(), next_poll_at=Clock())
    channel.record(happenings.SetUpChanged(what=f"reads the paid past of the channel {channel.name}"), by)
    return True

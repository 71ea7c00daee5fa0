"""Reading the last two days again, once a day: what was edited, deleted or missed is stored, and what had not been
there in time is counted. The cursors of ordinary reading stay where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import Max, Sum

from connectors.access import Renewing
from connectors.base import Connector, Fault, Page, RateLimited
from connectors.base import Source as Listening
from connectors.budgeting import Allowance
from connectors.faults import CONCERNS_ONE, Unavailable
from connectors.models import Channel, Reread, Source
from connectors.storing import Claim
from inbox.models import Mention

log = structlog.get_logger(__name__)
EVERY, BACK, COUNTED = timedelta(days=1), timedelta(hours=48), timedelta(hours=24)
SETTLED = timedelta(hours=1)  # what is newer may be on its way
LATE = timedelta(minutes=15)
REQUESTS = 4  # in one poll; the rest goes on with the next
SEEN, NAMED = 5_000, 100  # ids remembered against counting twice, and missing ones shown
CANNOT = "It cannot be checked: this network does not give the past again."
PAID = "It is not checked: this network asks money for every post that is read again."
DEFECT = "A defect in reading again; the log has the details."


@dataclass
class Rereading:
    """What is left to be read again of one channel, within one poll."""

    claim: Claim
    allowance: Allowance
    now: datetime

    def run(self, connector: Connector, sources: Sequence[Listening]) -> bool:
        """Goes on, or begins when it is time; True when there is more for the next poll. Unavailable, after the other
        sources had their turn, when the network could not give one of them."""
        channel = self.claim.channel
        mine = Reread.objects.filter(channel=channel, done_at=None)
        mine.exclude(source__in=[source.name for source in sources]).delete()
        if not mine.exists():
            self._begin(connector, sources)
        budget = self.claim.budget
        held, budget.requests = budget.requests, min(REQUESTS, budget.requests)
        allowed, failed = budget.requests, None
        try:
            for row in mine.order_by("pk"):
                if not budget.spent:
                    failed = self._tried(connector, row) or failed
        finally:
            budget.requests = held - (allowed - budget.requests)
        if mine.exists():
            if failed:
                raise failed
            return True
        Channel.objects.filter(pk=channel.pk).update(reread_at=self.now + EVERY)
        return False

    def _begin(self, connector: Connector, sources: Sequence[Listening]) -> None:
        channel, until = self.claim.channel, self.now - SETTLED
        since = max(until - COUNTED, channel.created_at)
        cursors = dict(channel.sources.values_list("name", "cursor"))
        rows = []
        for source in sources:
            stands = cursors.get(source.name)
            if stands is None or since >= until:
                continue  # not read yet
            back = connector.again(source.name, stands, self.now - BACK, self.now)
            cannot = {} if back is not None else {"done_at": self.now, "words": self._why_not(connector, source.name)}
            times = {"since": since, "until": until, "begun_at": self.now}
            rows.append(Reread(channel=channel, source=source.name, cursor={"at": back, "seen": []}, **times, **cannot))
        Reread.objects.bulk_create(rows, ignore_conflicts=True)

    def _why_not(self, connector: Connector, source: str) -> str:
        past = connector.history(source, {}, self.now - BACK, self.now)
        if past.paid:
            return PAID
        return f"It cannot be checked. {past.words}"[:300] if past.words else CANNOT

    def _tried(self, connector: Connector, row: Reread) -> Unavailable | None:
        """A source the network cannot give holds up no other, and is given up after a day of trying."""
        try:
            self._go_on(connector, row)
        except Renewing:
            raise
        except Unavailable as fault:
            if self.now - row.begun_at > EVERY:
                self._give_up(row, fault.words)
            return fault
        return None

    def _go_on(self, connector: Connector, row: Reread) -> None:
        source = self.claim.channel.sources.get(name=row.source)
        try:
            with self.allowance.within(source):
                self._pages(connector, row, source)
        except RateLimited as fault:
            self.allowance.limited(source, fault)
        except Fault as fault:
            if fault.name not in CONCERNS_ONE:
                raise
            self._give_up(row, fault.words)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            log.exception("a defect in reading a source again", channel=row.channel_id, source=row.source)
            self._give_up(row, DEFECT)

    def _pages(self, connector: Connector, row: Reread, source: Source) -> None:
        newest, beside = source.newest_at, Source(channel=self.claim.channel, name=row.source)
        start = (row.cursor or {}).get("at")
        for page in connector.poll(row.source, start, self.claim.budget, self.now):
            self.allowance.heard(source, page)
            # A source without a row of its own: everything is stored as ever, and no cursor moves.
            self.claim.store(connector, beside, replace(page, gaps=()), newest)
            self._counted(row, page)
            if page.end or self.claim.budget.spent:
                break

    def _counted(self, row: Reread, page: Page) -> None:
        """Compares the page with what was stored before; the counts and the place to go on change in one statement."""
        seen = list((row.cursor or {}).get("seen") or [])
        there = {post.external_id for post in page.posts if row.since <= post.created_at < row.until and not post.ours}
        mine = Mention.objects.filter(channel=row.channel_id, external_id__in=there - set(seen))
        counted = mine.filter(ours=False, history=False).values_list("external_id", "seen_at", "posted_at")
        for external_id, seen_at, posted_at in counted:
            row.found += 1
            if seen_at >= row.begun_at:
                row.missing += 1
                row.missing_ids = [*row.missing_ids, external_id][:NAMED]
            elif seen_at - posted_at > LATE:
                row.late += 1
            seen.append(external_id)
        row.cursor = {"at": page.cursor, "seen": [] if page.end else seen[-SEEN:]}
        row.done_at = self.now if page.end else None
        fields = ("cursor", "done_at", "found", "late", "missing", "missing_ids")
        Reread.objects.filter(pk=row.pk, done_at=None).update(**{name: getattr(row, name) for name in fields})

    def _give_up(self, row: Reread, words: str) -> None:
        log.warning("a source cannot be read again", channel=row.channel_id, source=row.source, words=words)
        Reread.objects.filter(pk=row.pk).update(done_at=self.now, words=words[:300])


# What it showed


@dataclass(frozen=True)
class Completeness:
    """Of the posts a network gives of a day, how many we had when we looked. `share` None: there were none, or it
    cannot be checked. `words`: why not, of all sources or of some."""

    at: datetime
    since: datetime
    until: datetime
    found: int
    late: int
    missing: int
    words: str = ""

    @property
    def share(self) -> float | None:
        return (self.found - self.missing) / self.found if self.found else None

    @property
    def percent(self) -> str:
        """Never rounded up to the whole."""
        return "" if self.share is None else f"{int(self.share * 10_000) / 100:.2f}"


def completeness(channel: Channel, days: int = 7) -> list[Completeness]:
    """The newest first, all sources of a day together; one statement."""
    done = Reread.objects.filter(channel=channel, done_at__isnull=False)
    rows: Any = done.values("begun_at", "since", "until").annotate(
        at=Max("done_at"), n=Sum("found"), n_late=Sum("late"), n_missing=Sum("missing"), said=Max("words")
    )
    return [
        Completeness(
            at=row["at"],
            since=row["since"],
            until=row["until"],
            found=row["n"],
            late=row["n_late"],
            missing=row["n_missing"],
            words=row["said"],
        )
        for row in rows.order_by("-begun_at")[:days]
    ]


def forget(now: datetime) -> None:
    """What is older than a year."""
    Reread.objects.filter(begun_at__lt=now - timedelta(days=366)).delete()

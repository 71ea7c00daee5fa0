"""Asking how posts stand in conversations that are closed, asleep or only heard: networks demand that what was deleted
or changed there is deleted or changed here, whoever works on it or nobody. A few requests now and then with what is
left of a poll's budget, in the largest batches the network takes; the place moves in the transaction that stores the
answers, so that whoever dies at whatever line leaves no post out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.db import transaction

from connectors.base import Connector, Fault
from connectors.budgeting import Allowance
from connectors.faults import CONCERNS_ONE, AuthExpired
from connectors.models import Revisit
from connectors.stored import as_it_is_now
from connectors.storing import PAGE, Claim
from inbox.models import Mention
from inbox.models.conversation import OPEN

log = structlog.get_logger(__name__)
EVERY = timedelta(minutes=5)
REQUESTS = 4  # in one poll; the rest goes on later
FRESH = timedelta(hours=1)  # so long what was read is as it was read
THROUGH = 500  # stored posts looked through for one request
AUDITED = timedelta(days=1)  # from one round of audits to the next, at least
LATER = timedelta(minutes=10)  # until it is asked whether the network's own look is done
REFUSED = timedelta(hours=6)  # until a network that does not say how posts stand is asked again
PATIENCE = 3  # times the same posts are asked for in vain


@dataclass
class Revisiting:
    """What is asked for in one poll of one channel."""

    claim: Claim
    allowance: Allowance
    now: datetime

    def run(self, connector: Connector) -> None:
        """Never more than the poll may ask for. What is asked post by post leaves half of what a window or the month's
        money allows to what is new; an audit is free and has limits of its own."""
        asks = connector.revisits is not None and type(connector).refresh is not Connector.refresh
        if not (connector.audits or (asks and self.allowance.roomy)):
            return
        row, _ = Revisit.objects.get_or_create(channel=self.claim.channel, defaults={"due_at": self.now})
        if row.due_at > self.now:
            return
        budget = self.claim.budget
        held, budget.requests = budget.requests, min(REQUESTS, budget.requests)
        allowed = budget.requests
        try:
            for _ in range(allowed):
                if budget.spent or not self._go_on(connector, row):
                    break
        finally:
            budget.requests = held - (allowed - budget.requests)

    def _go_on(self, connector: Connector, row: Revisit) -> bool:
        """One request, as a rule; whether there may be more."""
        pause = connector.revisits or AUDITED
        goes_on = row.begun_at is not None and (row.at or self.now < row.begun_at + pause)
        begun_at = row.begun_at if goes_on and row.begun_at else self.now
        ids, at = self._next(connector, row.at)
        due_at = self.now + EVERY if at else max(begun_at + pause, self.now + EVERY)
        onward = {"at": at, "begun_at": begun_at, "due_at": due_at, "tried": 0}
        if not ids or row.tried >= PATIENCE:
            if ids:
                log.warning("posts of closed conversations are passed over", channel=row.channel_id, after=row.at)
            self._put_down(row, **onward)
            return bool(at)
        # Before they are asked for, so that what kills whoever asks is not asked for for ever.
        self._put_down(row, begun_at=begun_at, due_at=self.now + EVERY, tried=row.tried + 1)
        answers = self._asked(connector, row, ids)
        if answers is None:
            return False
        known = {*ids}
        mine = [each for each in answers if each.external_id in known]
        self._keep(connector, mine, partial(self._write, row, **onward))
        return bool(at)

    def _keep(self, connector: Connector, answers: Sequence[Any], advance: Callable[[], None]) -> None:
        """In pieces, of which the last moves the place: before it, whoever dies has the others told once more."""
        pieces = [answers[start : start + PAGE] for start in range(0, len(answers), PAGE)] or [[]]
        for piece in pieces:
            named = [one.external_id for one in piece]
            here = Mention.objects.filter(channel=self.claim.channel, external_id__in=named).select_related("identity")
            stored = {each.external_id: each for each in here} if named else {}
            standing = [as_it_is_now(stored[one.external_id], one) for one in piece if one.external_id in stored]
            self.claim.follow(connector, standing, advance if piece is pieces[-1] else None)

    def _asked(self, connector: Connector, row: Revisit, ids: list[str]) -> Sequence[Any] | None:
        """How they stand; None where the network does not say, which makes it no worse a channel, or not yet."""
        asked, budget, wait = self.claim.requests, self.claim.budget, REFUSED
        try:
            if not connector.audits:
                return connector.refresh(ids, self.now)
            found = connector.audit(ids, f"{row.channel_id} {row.begun_at} {row.at}", self.now)
            if found is None:
                self._put_down(row, due_at=self.now + LATER, tried=row.tried - 1)
            return found
        except Fault as fault:
            if fault.name not in CONCERNS_ONE:  # nothing of these posts
                self._put_down(row, tried=row.tried - 1)
                if not connector.audits or isinstance(fault, AuthExpired):
                    raise
                wait = LATER
            log.warning("how closed posts stand cannot be asked", channel=row.channel_id, fault=str(fault))
            self._put_down(row, due_at=max(self.now + wait, fault.until or self.now))
            return None
        finally:
            budget.spend(max(1, self.claim.requests - asked))

    def _next(self, connector: Connector, at: str) -> tuple[list[str], str]:
        """The next posts, as many as one request asks for, and after which one it goes on; "" at the end."""
        most, since = connector.audits or connector.at_once, connector.follows_for and self.now - connector.follows_for
        stored = Mention.objects.filter(channel=self.claim.channel, external_id__gt=at).order_by("external_id")
        fields = ("external_id", "ours", "state", "source", "posted_at", "seen_at", "conversation__state")
        through, ids = max(THROUGH, most), list[str]()
        rows = list(stored.values_list(*fields)[:through])
        onward = rows[-1][0] if len(rows) == through else ""
        for external_id, ours, state, source, posted_at, seen_at, talk in rows:
            if len(ids) == most:
                break
            stands = not ours and state != "deleted" and (since is None or posted_at >= since)
            stands = stands and not source.startswith(connector.unasked)
            if stands and talk not in OPEN and seen_at < self.now - FRESH:
                ids.append(external_id)
        if len(ids) == most and ids[-1] != rows[-1][0]:
            onward = ids[-1]
        return ids, onward

    def _put_down(self, row: Revisit, **fields: Any) -> None:
        with transaction.atomic():
            self._write(row, **fields)

    def _write(self, row: Revisit, **fields: Any) -> None:
        """Within a transaction; Overtaken if somebody else has claimed the channel since."""
        self.claim.fence()
        Revisit.objects.filter(pk=row.pk).update(**fields)
        for name, value in fields.items():
            setattr(row, name, value)

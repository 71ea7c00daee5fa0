"""Tries a network before anything is kept: signs in, reads one page of each source, and says what came of it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connections
from django.utils import timezone

from connectors import access, belonging, metering, samples
from connectors.base import Budget, Check, Connector, Fault, Post, QuotaSpent, Secrets
from connectors.budgeting import cap
from connectors.faults import AuthExpired
from connectors.http import Exchange, no_transaction_open
from connectors.models import Channel
from connectors.opening import connector_of, opened_secrets

if TYPE_CHECKING:
    from inbox.models import Agent

log = structlog.get_logger(__name__)
DEADLINE = 15.0  # seconds a test may take in all
SHOWN = 3  # posts of a source that a test shows
FEW = 5  # items that a page of a test asks for, where each costs money


@dataclass(frozen=True)
class Purse:
    """Whose money a test spends: what is `left` for reading, None where nobody limits it; `bill` is told what it
    cost."""

    left: Decimal | None = None
    bill: Callable[[Mapping[str, Decimal]], None] = lambda prices: None


@dataclass
class Look:
    """What one source gave at the first try."""

    label: str
    posts: list[Post] = field(default_factory=list)
    count: int = 0
    more: bool = False
    words: str = ""

    def as_json(self, unreadable: Container[str]) -> dict[str, Any]:
        open_ = [post for post in self.posts if post.external_id not in unreadable]
        posts = [{"author": post.author.name or post.author.handle, "text": post.text[:300]} for post in open_]
        closed = [post.external_id for post in self.posts if post.external_id in unreadable]
        told = {"label": self.label, "count": self.count, "more": self.more, "words": self.words}
        return {**told, "posts": posts, "closed": closed}


@dataclass
class Trial:
    """A test of a connection that stored nothing. `words` is what went wrong, for a person."""

    check: Check | None = None
    looks: list[Look] = field(default_factory=list)
    words: str = ""
    fault: str = ""
    detail: str = ""
    """The part of `words` that is the network's own."""
    exchanges: list[Exchange] = field(default_factory=list)
    renewed: dict[str, str] = field(default_factory=dict)
    """Access that the network gave anew for what was tried: the old one may be spent, so whoever keeps that keeps
    this."""

    @property
    def ok(self) -> bool:
        return not self.words

    @property
    def works(self) -> bool:
        """Signed in, and no source refused."""
        return self.ok and not any(look.words for look in self.looks)

    def as_json(self, channel: Channel | None = None, agent: Agent | None = None) -> dict[str, Any]:
        """For a page that shows it to this agent after a redirect. Without a channel it is of a public source."""
        posts = [post for look in self.looks for post in look.posts]
        unreadable = samples.unreadable(channel, posts, agent) if channel and agent else frozenset[str]()
        looks = [look.as_json(unreadable) for look in self.looks]
        check = self.check
        return {
            "words": self.words,
            "fault": self.fault,
            "looks": looks,
            "account": check.account_name or check.account_id if check and check.account_id else "",
            "account_url": check.account_url if check else "",
            "scopes": list(check.scopes) if check else [],
            "warnings": list(check.warnings) if check else [],
            "at": timezone.now().isoformat(),
        }


def try_out(
    network: str,
    values: Mapping[str, Any],
    given: Secrets,
    deadline: float = DEADLINE,
    renew: Callable[[], Secrets] | None = None,
    *,
    look: bool = True,
    purse: Purse = Purse(),
) -> Trial:
    """Signs in and, with `look`, reads one page of each source, and keeps nothing. Ends within the deadline: the thread
    that may still be waiting for a slow network is left to the time limit of its call."""
    no_transaction_open()  # the thread has a connection of its own, and could not see the caller's
    answers: queue.Queue[Trial] = queue.Queue(1)
    threading.Thread(
        target=lambda: answers.put(_trial(network, values, given, renew, purse, look=look)), name="trial", daemon=True
    ).start()
    try:
        return answers.get(timeout=deadline)
    except queue.Empty:
        return Trial(words=f"There was no complete answer within {deadline:.0f} seconds.", fault="Unavailable")


def _trial(
    network: str,
    values: Mapping[str, Any],
    given: Secrets,
    renew: Callable[[], Secrets] | None,
    purse: Purse,
    *,
    look: bool,
) -> Trial:
    trial = Trial()
    try:
        given = _checked(trial, network, values, given, renew, purse)
        if look and trial.check:
            # What was found out about the account is what reading goes by, and no channel keeps it yet.
            found = {**values, "facts": trial.check.facts}
            _looked_around(trial, connector_of(network, found, given, trial.exchanges), purse)
    except Fault as fault:
        trial.words, trial.fault, trial.detail = _words(Connector.named(network), fault), fault.name, fault.detail
    except Exception:
        log.exception("a defect in trying out a network", network=network)
        trial.words, trial.fault = "The test failed by a defect of ours; the log has the details.", "defect"
    return trial


def _words(kind: type[Connector], fault: Fault) -> str:
    """What whoever connects is told, under the name of the field that is to be corrected where it is known."""
    label = next((field.label for field in kind.form if field.name == fault.field), "")
    return f"{label}: {fault.detail}" if label and fault.detail else fault.words_while_connecting


def _checked(
    trial: Trial,
    network: str,
    values: Mapping[str, Any],
    given: Secrets,
    renew: Callable[[], Secrets] | None,
    purse: Purse,
) -> Secrets:
    """Who we are there, by these secrets or by what they are renewed to, which is returned."""
    connector = connector_of(network, values, given, trial.exchanges)
    connector.bill = purse.bill
    try:
        trial.check = connector.check()
    except AuthExpired:
        fresh = renew() if renew else connector.renew(given)
        trial.renewed = {} if renew else {name: word for name, word in fresh.items() if given.get(name) != word}
        connector = connector_of(network, values, fresh, trial.exchanges)
        connector.bill = purse.bill
        trial.check = connector.check()
        return fresh
    return given


def _looked_around(trial: Trial, connector: Connector, purse: Purse) -> None:
    sources, left = connector.listening(), purse.left
    connector.bill = purse.bill
    for source in sources[:6]:
        budget = Budget(requests=2, seconds=DEADLINE, cost=left, few=FEW)
        trial.looks.append(_look(connector, source.name, source.label, budget))
        left = budget.cost
    if not sources and not connector.pushed:
        trial.words = "Nothing is chosen yet that could be read: sign in, or name what to listen for."


def _look(connector: Connector, source: str, label: str, budget: Budget) -> Look:
    look = Look(label)
    if connector.pushed:
        return look
    try:
        if budget.spent:
            raise QuotaSpent("Nothing was read.")
        for page in connector.poll(source, None, budget, timezone.now()):
            if page.cost:
                connector.bill({"": page.cost})
            look.count, look.more = len(page.posts), not page.end
            newest = sorted(page.posts, key=lambda post: post.created_at, reverse=True)
            look.posts = newest[:SHOWN]
            break
    except Fault as fault:
        look.words = "" if connector.does_without(source, fault.name) else _words(type(connector), fault)
    return look


def test(channel: Channel) -> Trial:
    """The live test of a channel as it is stored. Access that ran out is renewed as a poll would, under the lease, so
    that nobody spends a refresh token and forgets the new one."""
    return _tested(channel, channel.settings, look=True)


def try_settings(channel: Channel, settings: Mapping[str, Any]) -> Trial:
    """Who we are with other settings and the secrets that are stored."""
    return _tested(channel, {**channel.settings, **settings}, look=False)


def _tested(channel: Channel, settings: Mapping[str, Any], *, look: bool) -> Trial:
    try:
        given = opened_secrets(channel)
    except Fault as fault:
        return Trial(words=fault.words, fault=fault.name, detail=fault.detail)
    renew, purse = partial(_renewed, channel), _purse(channel)
    return try_out(channel.network, _values(channel, settings), given, renew=renew, look=look, purse=purse)


def _purse(channel: Channel) -> Purse:
    budget = Budget()
    try:
        cap(channel, budget, timezone.now())
    except QuotaSpent:
        budget.cost = Decimal(0)
    return Purse(budget.cost, partial(_billed, channel))


def _billed(channel: Channel, prices: Mapping[str, Decimal]) -> None:
    """In the trial's own thread, with a database connection of its own."""
    try:
        metering.bill(channel, prices)
    finally:
        connections.close_all()


def _values(channel: Channel, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {**settings, "path": channel.path or ""}


def _renewed(channel: Channel, given: Mapping[str, str] = MappingProxyType({})) -> Secrets:
    """In the trial's own thread, with a database connection of its own."""
    try:
        access.renew(channel, given)
        return Secrets({**opened_secrets(channel), **given})
    finally:
        connections.close_all()


def try_new_secrets(
    channel: Channel, given: Mapping[str, str], settings: Mapping[str, Any] | None = None, *, look: bool = True
) -> Trial:
    """The test with new secrets in place of stored ones, before anything is kept. Those of an account are tried as if
    nothing were known of it, so that what the old ones found out cannot answer for the new ones."""
    values, decides = _values(channel, {**channel.settings, **(settings or {})}), belonging.decide(channel.kind, given)
    try:
        stored: dict[str, str] | None = dict(opened_secrets(channel))
    except Fault:  # the old ones cannot be opened: the new ones must do alone
        stored = None
    if decides:
        values.pop("facts", None)
    # What an app's new secret renews is the channel's own access, which nobody else may renew at the same time.
    renew = None if decides or stored is None else partial(_renewed, channel, given)
    secrets = Secrets({**belonging.beside(channel.kind, stored or {}, given), **given})
    return try_out(channel.network, values, secrets, renew=renew, look=look, purse=_purse(channel))

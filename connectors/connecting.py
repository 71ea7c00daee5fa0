"""Connecting a network: try it before anything is kept, make the channel, sign in at the network, and connect again
when access was lost."""

from __future__ import annotations

import queue
import secrets as random
import threading
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connections, transaction
from django.utils import timezone

from connectors import access, listening_first, samples
from connectors.base import Budget, Check, Connector, Fault, Post, Secrets
from connectors.faults import AuthExpired
from connectors.http import Exchange
from connectors.models import Channel, Topic
from connectors.opening import connector_of, opened_secrets, sealed_secrets
from inbox import ringing
from inbox.models import Act, Reply
from inbox.models.event import recorded_together
from inbox.models.reply import Clock
from inbox.setting import changed, made, removed

if TYPE_CHECKING:
    from inbox.models import Agent, Team

log = structlog.get_logger(__name__)
DEADLINE = 15.0  # seconds a test may take in all
SHOWN = 3  # posts of a source that a test shows


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
) -> Trial:
    """Signs in and reads one page of each source, and keeps nothing. Ends within the deadline: the thread that may
    still be waiting for a slow network is left to the time limit of its call."""
    answers: queue.Queue[Trial] = queue.Queue(1)
    threading.Thread(
        target=lambda: answers.put(_trial(network, values, given, renew)), name="trial", daemon=True
    ).start()
    try:
        return answers.get(timeout=deadline)
    except queue.Empty:
        return Trial(words=f"There was no complete answer within {deadline:.0f} seconds.", fault="Unavailable")


def _trial(network: str, values: Mapping[str, Any], given: Secrets, renew: Callable[[], Secrets] | None) -> Trial:
    trial = Trial()
    try:
        connector = connector_of(network, values, given, trial.exchanges)
        try:
            trial.check = connector.check()
        except AuthExpired:
            fresh = renew() if renew else connector.renew(given)
            trial.renewed = {} if renew else {name: word for name, word in fresh.items() if given.get(name) != word}
            given, connector = fresh, connector_of(network, values, fresh, trial.exchanges)
            trial.check = connector.check()
        # What was found out about the account is what reading goes by, and no channel keeps it yet.
        connector = connector_of(network, {**values, "facts": trial.check.facts}, given, trial.exchanges)
        sources = connector.listening()
        trial.looks = [_look(connector, source.name, source.label) for source in sources[:6]]
        if not sources and not connector.pushed:
            trial.words = "Nothing is chosen yet that could be read: sign in, or name what to listen for."
    except Fault as fault:
        trial.words, trial.fault = fault.words, fault.name
    except Exception:
        log.exception("a defect in trying out a network", network=network)
        trial.words, trial.fault = "The test failed by a defect of ours; the log has the details.", "defect"
    return trial


def _look(connector: Connector, source: str, label: str) -> Look:
    look = Look(label)
    if connector.pushed:
        return look
    try:
        for page in connector.poll(source, None, Budget(requests=2, seconds=DEADLINE), timezone.now()):
            look.count, look.more = len(page.posts), not page.end
            newest = sorted(page.posts, key=lambda post: post.created_at, reverse=True)
            look.posts = newest[:SHOWN]
            break
    except Fault as fault:
        look.words = fault.words
    return look


def test(channel: Channel) -> Trial:
    """The live test of a channel as it is stored. Access that ran out is renewed as a poll would, under the lease, so
    that nobody spends a refresh token and forgets the new one."""
    try:
        given = opened_secrets(channel)
    except Fault as fault:
        return Trial(words=fault.words, fault=fault.name)
    return try_out(channel.network, channel.settings, given, renew=partial(_renewed, channel))


def _renewed(channel: Channel) -> Secrets:
    """In the trial's own thread, with a database connection of its own."""
    try:
        access.renew(channel)
        return opened_secrets(channel)
    finally:
        connections.close_all()


@transaction.atomic
def connect(
    network: str,
    name: str,
    values: Mapping[str, Any],
    given: Mapping[str, str],
    by: Agent | None,
    *,
    team: Team | None = None,
    listening: bool = True,
    listen_days: int = 0,
) -> Channel:
    """Makes the channel with its secrets sealed for its own row; with `listening` it is read at once. For
    `listen_days` nothing leaves through it, unless it is of a network that never listens first."""
    kind = Connector.named(network)
    path = random.token_urlsafe(24) if kind.pushed or kind.hooked else None
    channel = Channel.objects.create(
        name=name,
        network=network,
        settings=dict(values),
        path=path,
        team=team,
        paused=not listening,
        listens_until=listening_first.until(network, listen_days),
        created_by=by,
    )
    keep_secrets(channel, given)
    channel.record(made(f"connected the channel {name}", channel), by)
    if listening:
        read_soon()
    return channel


def keep_secrets(channel: Channel, given: Mapping[str, str]) -> None:
    """Seals and stores them beside those the channel has; a new value replaces the old one of the same name."""
    channel.sealed = {**channel.sealed, **sealed_secrets(channel.pk, given)}
    Channel.objects.filter(pk=channel.pk).update(sealed=channel.sealed, **_lasting(channel, given))


def _lasting(channel: Channel, given: Mapping[str, str]) -> dict[str, Any]:
    """How long access by these new secrets lasts, as far as the network said."""
    now = timezone.now()
    return access.dated(channel.kind, access.given_until(given, now), now)


def keep_facts(channel: Channel, check: Check) -> None:
    """What the network said of our account, which the connector gets back with its settings."""
    account = {"id": check.account_id, "name": check.account_name, "url": check.account_url, "server": check.server}
    channel.settings = {**channel.settings, "facts": check.facts, "account": account}
    channel.warnings = [words[:300] for words in check.warnings][:10]
    Channel.objects.filter(pk=channel.pk).update(settings=channel.settings, warnings=channel.warnings)
    if check.expires_at is not None:
        access.learned(channel, check.expires_at)


def unfinished(channel: Channel) -> bool:
    """Nobody has come to the end of connecting it: it never listened."""
    return channel.paused and channel.last_read_at is None and channel.last_post_at is None


def namesakes(channel: Channel) -> list[Channel]:
    """Other channels that listen to the same account of the same network; what is delivered knows no account."""
    account = "" if channel.kind.pushed else (channel.settings.get("account") or {}).get("id", "")
    same = Channel.objects.filter(network=channel.network, settings__account__id=account).exclude(pk=channel.pk)
    return list(same.order_by("name")) if account else []


@transaction.atomic
def change(
    channel: Channel, given: Mapping[str, Any], by: Agent | None, fresh: Mapping[str, str] | None = None
) -> None:
    """What a person may change of a channel that is there: `name`, `settings` (those named), `team`, `monthly_cap`,
    `answers_beyond_cap` and `listens_until`, and `fresh` secrets that replace those of the same name."""
    stands = Channel.objects.select_for_update().get(pk=channel.pk)  # somebody else may have changed it since
    was, fields = stands.as_setting(), dict(given)
    fields["settings"] = {**stands.settings, **fields.get("settings", {})}
    Channel.objects.filter(pk=channel.pk).update(**fields, cap_warned=None, next_poll_at=Clock())
    if fresh:
        keep_secrets(stands, fresh)
    _let_go(channel)
    now = Channel.objects.get(pk=channel.pk)
    what = changed(f"changed the settings of the channel {now.name}", now, was)
    (now.tell_of_replies if now.listens_until != stands.listens_until else now.record)(what, by)
    read_soon()


def _let_go(channel: Channel) -> None:
    """What waited for the month's money is tried again: the limit may be another now."""
    for kind in (Reply.objects.filter(state="queued"), Act.objects.filter(state="waiting")):
        ids = list(kind.filter(channel=channel, fault="QuotaSpent").order_by("pk").values_list("pk", flat=True))
        kind.filter(pk__in=ids).update(not_before=Clock())


def is_elsewhere(channel: Channel, settings: Mapping[str, Any]) -> bool:
    """Whether these settings lead to another address than the one the channel's secrets were given for."""
    addresses = [field.name for field in channel.kind.form if field.kind in ("url", "host") and not field.secret]
    return any(settings.get(name, "") != channel.settings.get(name, "") for name in addresses if name in settings)


def read_soon() -> None:
    """Rings for due channels once the transaction is there for others to see."""
    transaction.on_commit(lambda: ringing.task("connectors.tasks.listen_due"), robust=True)


@transaction.atomic
def reconnect(channel: Channel, given: Mapping[str, str], by: Agent | None) -> None:
    """New secrets beside those that were not replaced; listening goes on at once from where it stood."""
    sealed = {**channel.sealed, **sealed_secrets(channel.pk, given)}
    channel.reconnected(sealed, by, **_lasting(channel, given))
    read_soon()


def try_new_secrets(channel: Channel, given: Mapping[str, str]) -> Trial:
    """The test with new secrets in place of stored ones, before anything is kept."""
    try:
        stored = dict(opened_secrets(channel))
    except Fault:  # the old ones cannot be opened: the new ones must do alone
        stored = {}
    return try_out(channel.network, channel.settings, Secrets({**stored, **given}))


@transaction.atomic
def poll_now(channel: Channel) -> None:
    """Everything of the channel is due at once; who polls it already is not disturbed."""
    channel.sources.update(next_at=Clock())
    Channel.objects.filter(pk=channel.pk).update(next_poll_at=Clock())
    read_soon()


@transaction.atomic
def remove(channel: Channel, by: Agent | None) -> None:
    """For a channel nothing came through yet."""
    with recorded_together():
        Topic.rest_without(channel, by)
        gone = removed(f"removed the channel {channel.name}", channel, channel.pk)
        channel.delete()
        channel.record(gone, by)

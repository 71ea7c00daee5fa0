"""Connecting a network: make the channel, keep what was found out about its account, change it, and connect again when
access was lost."""

from __future__ import annotations

import secrets as random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from connectors import access, belonging, listening_first
from connectors.base import Check, Connector
from connectors.models import Channel, Topic
from connectors.opening import sealed_secrets
from inbox import ringing
from inbox.models import Act, Reply
from inbox.models.event import recorded_together
from inbox.models.reply import Clock
from inbox.overtaking import refuse_overtaken
from inbox.setting import changed, made, removed

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from inbox.models import Agent, Team


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
    channel.sealed = _sealed_with(channel, given)
    fields = _lasting(channel, given) | _anew(channel, given)
    Channel.objects.filter(pk=channel.pk).update(sealed=channel.sealed, **fields)


def _sealed_with(channel: Channel, given: Mapping[str, str]) -> dict[str, str]:
    return {**belonging.beside(channel.kind, channel.sealed, given), **sealed_secrets(channel.pk, given)}


def _anew(channel: Channel, given: Mapping[str, str]) -> dict[str, Any]:
    """Who signed in before is not who gave this access, unless the next look at it says so."""
    whose = belonging.decide(channel.kind, (name for name, value in given.items() if value))
    settings = Channel.objects.values_list("settings", flat=True).get(pk=channel.pk) if whose else {}
    fresh = belonging.nobodys(settings)
    return {"settings": fresh} if fresh["facts"] != (settings.get("facts") or {}) else {}


def _lasting(channel: Channel, given: Mapping[str, str]) -> dict[str, Any]:
    """How long access by these new secrets lasts, as far as the network said."""
    now = timezone.now()
    return access.dated(channel.kind, access.given_until(given, now), now)


FOUND_OUT = ("facts", "account")  # what stands among a channel's settings and was typed by nobody


@transaction.atomic
def keep_facts(channel: Channel, check: Check) -> bool:
    """What the network said of our account, which the connector gets back with its settings. `channel` is what was
    asked for; where a person has changed it since, the answer is of another account or address and nothing is kept."""
    stands = Channel.objects.select_for_update().filter(pk=channel.pk).first()
    if stands is None or stands.sealed != channel.sealed or _typed(stands) != _typed(channel):
        return False
    account = {"id": check.account_id, "name": check.account_name, "url": check.account_url, "server": check.server}
    channel.settings = {**stands.settings, "facts": check.facts, "account": account}
    channel.warnings = [words[:300] for words in check.warnings][:10]
    Channel.objects.filter(pk=channel.pk).update(settings=channel.settings, warnings=channel.warnings)
    if check.expires_at is not None:
        access.learned(channel, check.expires_at)
    return True


def _typed(channel: Channel) -> dict[str, Any]:
    return {name: value for name, value in channel.settings.items() if name not in FOUND_OUT}


def unfinished(channel: Channel) -> bool:
    """Nobody has come to the end of connecting it: it never listened."""
    return channel.paused and channel.last_read_at is None and channel.last_post_at is None


def namesakes(channel: Channel) -> list[Channel]:
    """Other channels that listen to the same account of the same network; what is delivered knows no account."""
    account = belonging.account_of(channel)
    return list(channels_of(channel.network, account).exclude(pk=channel.pk)) if account else []


def channels_of(network: str, account: str) -> QuerySet[Channel]:
    return Channel.objects.filter(network=network, settings__account__id=account).order_by("name")


@transaction.atomic
def change(
    channel: Channel,
    given: Mapping[str, Any],
    by: Agent | None,
    fresh: Mapping[str, str] | None = None,
    *,
    seen: str | None = None,
) -> None:
    """What a person may change of a channel that is there: `name`, `settings` (those named), `team`, `monthly_cap`,
    `answers_beyond_cap` and `listens_until`, and `fresh` secrets that replace those of the same name. `seen`: see
    inbox/overtaking.py."""
    stands = Channel.objects.select_for_update().get(pk=channel.pk)  # somebody else may have changed it since
    refuse_overtaken(stands, seen)
    was, fields = stands.as_setting(), dict(given)
    fields["settings"] = {**stands.settings, **fields.get("settings", {})}
    if fresh or is_elsewhere(stands, fields["settings"]):
        fields["check_at"] = Clock()  # who we are there is to be asked anew
    if stands.state == Channel.State.RECONNECT and _enters_otherwise(stands, fields["settings"]):
        # The next poll tries it, and says so where this way leads nowhere either.
        fields |= {"state": "ok", "fault": "", "fault_words": "", "fault_since": None, "failures": 0}
        stands.sources.update(next_at=Clock())
    Channel.objects.filter(pk=channel.pk).update(**fields, cap_warned=None, next_poll_at=Clock())
    if fresh:
        keep_secrets(stands, fresh)
    _let_go(channel)
    now = Channel.objects.get(pk=channel.pk)
    what = changed(f"changed the settings of the channel {now.name}", now, was)
    (now.tell_of_replies if now.listens_until != stands.listens_until else now.record)(what, by)
    read_soon()


@transaction.atomic
def change_access(
    channel: Channel,
    given: Mapping[str, Any],
    fresh: Mapping[str, str],
    by: Agent | None,
    check: Check | None = None,
    *,
    seen: str | None = None,
) -> bool:
    """`change` with access that was tried for `channel` as it was then; a channel that waited for it reads on, and by
    what the network said in the test, `check`: what it said of another address would take the new access there. False,
    and nothing is done, when somebody has changed its settings since: nobody knows what the two make together."""
    stands = Channel.objects.select_for_update().get(pk=channel.pk)
    if _typed(stands) != _typed(channel) or belonging.account_of(stands) != belonging.account_of(channel):
        return False
    with recorded_together():
        change(channel, given, by, seen=seen)
        if fresh:
            reconnect(channel, fresh, by)
        channel.refresh_from_db()
        if check:
            keep_facts(channel, check)
    return True


def _let_go(channel: Channel) -> None:
    """What waited for the month's money is tried again: the limit may be another now."""
    for kind in (Reply.objects.filter(state="queued"), Act.objects.filter(state="waiting")):
        ids = list(kind.filter(channel=channel, fault="QuotaSpent").order_by("pk").values_list("pk", flat=True))
        kind.filter(pk__in=ids).update(not_before=Clock())


def is_elsewhere(channel: Channel, settings: Mapping[str, Any]) -> bool:
    """Whether these settings lead to another address than the one the channel's secrets were given for."""
    addresses = [field.name for field in channel.kind.form if field.kind in ("url", "host") and not field.secret]
    return any(settings.get(name, "") != channel.settings.get(name, "") for name in addresses if name in settings)


def _enters_otherwise(channel: Channel, settings: Mapping[str, Any]) -> bool:
    """Whether these settings choose another way in, such as a password instead of signing in there."""
    chosen = channel.kind.oauth_where
    return bool(chosen) and settings.get(chosen, "") != channel.settings.get(chosen, "")


def read_soon() -> None:
    """Rings for due channels once the transaction is there for others to see."""
    transaction.on_commit(lambda: ringing.task("connectors.tasks.listen_due"), robust=True)


@transaction.atomic
def reconnect(channel: Channel, given: Mapping[str, str], by: Agent | None) -> None:
    """New secrets beside those that were not replaced; listening goes on at once from where it stood."""
    stands = Channel.objects.select_for_update().get(pk=channel.pk)  # a poll may have renewed others of them meanwhile
    stands.reconnected(_sealed_with(stands, given), by, **_lasting(channel, given), **_anew(channel, given))
    channel.refresh_from_db()
    read_soon()


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

"""From a channel's row to its connector: opens the sealed secrets, gives the network its seam, and renews access
under a lease, so that two processes never spend one refresh token twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from connectors import secrets
from connectors.base import Connector, Secrets
from connectors.faults import AuthExpired, AuthRevoked, Fault, Outcome, Unavailable
from connectors.http import Exchange, Seam, no_transaction_open
from connectors.models import Channel
from inbox.models.reply import Clock

TABLE = "connectors_channel"
RENEWING = timedelta(seconds=30)
KEPT = 20  # exchanges of a channel that admins can look at


class KeyMissing(Fault):
    """The key that sealed the channel's secrets is not on this installation's ring."""

    outcome, meaning = Outcome.PERSON, "The key of this channel's secrets is missing."


class UnknownNetwork(Fault):
    outcome, meaning = Outcome.PERSON, "This installation does not have this channel's network."


def opened(
    channel: Channel, exchanges: list[Exchange] | None = None, guard: Callable[[], None] = no_transaction_open
) -> Connector:
    """The connector of a channel, ready to talk. What it exchanges is appended, redacted, to `exchanges`;
    `guard` runs before each request and may stop it by raising. Raises
    KeyMissing when the secrets cannot be opened, UnknownNetwork when nobody here speaks it."""
    if channel.network not in Connector.kinds():
        raise UnknownNetwork(f"It is called “{channel.network}”.")
    values = {**channel.settings, "path": channel.path or ""}
    return connector_of(channel.network, values, opened_secrets(channel), exchanges, guard)


def connector_of(
    network: str,
    values: Mapping[str, Any],
    given: Secrets,
    exchanges: list[Exchange] | None = None,
    guard: Callable[[], None] = no_transaction_open,
) -> Connector:
    """A connector of settings and secrets that need not be stored yet, as when an admin tests a connection."""
    seam = Seam(
        hidden=given.values(),
        allow=settings.FETCH_ALLOW,
        rewrite=values.get("rewrite") or {},
        user_agent=f"SocialCare/{settings.VERSION} (+{settings.PUBLIC_URL})",
        record=exchanges.append if exchanges is not None else None,
        guard=guard,
    )
    return Connector.named(network)(values, given, seam)


def opened_secrets(channel: Channel) -> Secrets:
    """The channel's secrets in the open."""
    try:
        return Secrets(
            {
                name: secrets.open(value, table=TABLE, row=channel.pk, field=name)
                for name, value in channel.sealed.items()
            }
        )
    except secrets.SealError as error:
        raise KeyMissing(str(error)) from error


def sealed_secrets(channel_id: int, given: Mapping[str, str]) -> dict[str, str]:
    """Secrets sealed for this channel's row; they open nowhere else."""
    return {name: secrets.seal(value, table=TABLE, row=channel_id, field=name) for name, value in given.items()}


def renew(channel: Channel) -> None:
    """Gets new access for the channel and stores all of it in one update. When another process is at it,
    Unavailable: try again shortly. Raises AuthRevoked when the network wants a person."""
    free = Q(renewing_until=None) | Q(renewing_until__lt=Clock())
    mine = Channel.objects.filter(free, pk=channel.pk, sealed=channel.sealed)
    if not mine.update(renewing_until=Clock() + RENEWING):
        held = channel.sealed
        channel.refresh_from_db(fields=["sealed"])
        if channel.sealed != held:
            return  # somebody renewed it meanwhile
        raise Unavailable("Access is being renewed by another process.", until=timezone.now() + timedelta(seconds=5))
    old = channel.sealed
    try:
        connector = opened(channel)
        sealed = sealed_secrets(channel.pk, connector.renew(connector.secrets))
    except BaseException as problem:
        Channel.objects.filter(pk=channel.pk, sealed=old).update(renewing_until=None)
        if isinstance(problem, AuthExpired):
            raise AuthRevoked(problem.detail) from problem
        raise
    # One statement: between two, another process could spend the old refresh token again. A person who entered new
    # secrets meanwhile is right.
    Channel.objects.filter(pk=channel.pk, sealed=old).update(sealed=sealed, renewing_until=None)
    channel.refresh_from_db(fields=["sealed"])


def remember(channel: Channel, exchanges: list[Exchange]) -> None:
    """Counts the requests of the day and keeps the last exchanges for the page “what did it answer?”."""
    if not exchanges:
        return
    today = timezone.now().date()
    mine = Channel.objects.filter(pk=channel.pk)
    if not mine.filter(requests_day=today).update(requests_today=F("requests_today") + len(exchanges)):
        mine.update(requests_day=today, requests_today=len(exchanges))
    kept = [exchange.as_json() for exchange in reversed(exchanges)] + list(channel.exchanges)
    mine.update(exchanges=kept[:KEPT])

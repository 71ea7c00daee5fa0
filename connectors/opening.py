"""From a channel's row to its connector: opens the sealed secrets and gives the network its seam."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from connectors import metering, secrets
from connectors.base import JSON, Connector, Secrets
from connectors.faults import Fault, Outcome
from connectors.http import Exchange, Seam, no_transaction_open
from connectors.models import Channel

TABLE = "connectors_channel"
PASSING = ("expires_in",)  # true only at the moment it is said
TOLD = ("scope",)  # what a sign-in allows: no secret, though it is kept among them
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
    connector = connector_of(channel.network, values, opened_secrets(channel), exchanges, guard)
    connector.bill, connector.learned = partial(metering.bill, channel), partial(_learn, channel)
    return connector


@transaction.atomic
def _learn(channel: Channel, facts: JSON) -> None:
    """Beside what is known, by whoever asks next. A channel that is gone learns nothing."""
    stands = Channel.objects.select_for_update().filter(pk=channel.pk).values_list("settings", flat=True).first()
    if stands is not None:
        kept = {**stands, "facts": {**(stands.get("facts") or {}), **facts}}
        Channel.objects.filter(pk=channel.pk).update(settings=kept)
        channel.settings = {**channel.settings, "facts": kept["facts"]}


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
        guarded=Connector.named(network).signs_in(values),  # where a sign-in begins, keys come before there are any
        allow=settings.FETCH_ALLOW,
        rewrite=values.get("rewrite") or {},
        user_agent=f"SocialCare/{settings.VERSION} (+{settings.PUBLIC_URL})",
        record=exchanges.append if exchanges is not None else None,
        guard=guard,
    )
    # Some networks fetch files from us, and can do so only where the installation stands in the open.
    return Connector.named(network)({"reached": settings.PUBLIC_URL.startswith("https://"), **values}, given, seam)


def opened_secrets(channel: Channel) -> Secrets:
    """The channel's secrets in the open."""
    return Secrets(_opened(channel, channel.sealed))


def closed_secrets(channel: Channel) -> Secrets:
    """Which secrets the channel has, not what they are, for questions that are answered without asking the network.
    What its sign-in allows is in the open, unless its key is missing: then nothing is known to be lacking."""
    try:
        told = _opened(channel, [name for name in TOLD if name in channel.sealed])
    except KeyMissing:
        told = {}
    return Secrets({**{name: "sealed" for name in channel.sealed if name not in TOLD}, **told})


def _opened(channel: Channel, names: Iterable[str]) -> dict[str, str]:
    try:
        return {name: secrets.open(channel.sealed[name], table=TABLE, row=channel.pk, field=name) for name in names}
    except secrets.SealError as error:
        raise KeyMissing(str(error)) from error


def sealed_secrets(channel_id: int, given: Mapping[str, str]) -> dict[str, str]:
    """Secrets sealed for this channel's row; they open nowhere else."""
    kept = {name: value for name, value in given.items() if name not in PASSING}
    return {name: secrets.seal(value, table=TABLE, row=channel_id, field=name) for name, value in kept.items()}


def remember(channel: Channel, exchanges: list[Exchange]) -> None:
    """Counts the requests of the day and keeps the last exchanges for the page “what did it answer?”."""
    if not exchanges:
        return
    metering.count(channel, timezone.now(), requests=len(exchanges))
    kept = [exchange.as_json() for exchange in reversed(exchanges)] + list(channel.exchanges)
    channel.exchanges = kept[:KEPT]
    Channel.objects.filter(pk=channel.pk).update(exchanges=channel.exchanges)

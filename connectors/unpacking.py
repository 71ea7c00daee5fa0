"""Webhook deliveries that were committed and answered; each is worked off like a page."""

from __future__ import annotations

import structlog
from django.db.models import QuerySet
from django.utils import timezone

from connectors.base import Bad, Connector, Page
from connectors.models import Channel, Delivery, Source
from connectors.storing import Claim
from connectors.text import read_json

log = structlog.get_logger(__name__)
AT_ONCE = 50  # worked off in one poll


def waiting(channel: Channel) -> QuerySet[Delivery]:
    return Delivery.objects.filter(channel=channel, done_at=None)


def work_off(claim: Claim, connector: Connector) -> None:
    """One that cannot be read any more is set aside, so that it does not hold up those behind it."""
    channel = claim.channel
    source: Source | None = None
    for delivery in waiting(channel).order_by("id")[:AT_ONCE]:
        if source is None:
            source, _ = Source.objects.get_or_create(channel=channel, name="deliveries")
        claim.store(connector, source, _unpacked(claim, connector, delivery), source.newest_at)
        Delivery.objects.filter(pk=delivery.pk).update(done_at=timezone.now())


def _unpacked(claim: Claim, connector: Connector, delivery: Delivery) -> Page:
    try:
        return connector.unpack(delivery.body.encode(), claim.now)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.exception("a delivery cannot be read", channel=claim.channel.pk, delivery=delivery.pk)
        bad = Bad(delivery.delivery_id, f"{type(error).__name__}: {error}", _json_of(delivery.body))
        return Page(posts=(), bad=(bad,), cursor={}, end=True)


def _json_of(body: str) -> object:
    try:
        return read_json(body)
    except (ValueError, RecursionError):
        return body[:20_000]

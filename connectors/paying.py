"""What an answer costs, counted once, in the transaction that records that it stands on the network: whether the
network said so, a look found it, or a poll brought it back."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import structlog
from django.utils import timezone

from connectors import metering
from inbox.models import Reply

log = structlog.get_logger(__name__)


def sent(reply: Reply, external_id: str | None, url: str) -> None:
    reply.sent(external_id, url, _counting(reply))


def found(reply: Reply, external_id: str, url: str) -> None:
    """As a poll brought it. One that counts as sent was counted then: only its id was missing."""
    reply.found(external_id, url, _counting(reply))


def _price(reply: Reply) -> Decimal:
    """What stands there is recorded, whatever becomes of our sums."""
    if reply.parent is None:
        return metering.NOTHING
    try:
        cost = reply.channel.measure(reply.text, reply.parent, private=reply.kind == "direct").cost
    except Exception:
        log.exception("a defect in pricing a reply", reply=reply.pk)
        cost = None
    return cost or metering.NOTHING


def _counting(reply: Reply) -> Callable[[], None]:
    price, channel = _price(reply), reply.channel

    def count() -> None:
        if price:
            metering.count(channel, timezone.now(), sent_cost=price)

    return count

"""What an answer costs, counted once, in the transaction that records that it stands on the network: whether the
network said so, a look found it, or a poll brought it back."""

from __future__ import annotations

from decimal import Decimal

import structlog
from django.db import transaction
from django.utils import timezone

from connectors import metering
from inbox.models import Reply

log = structlog.get_logger(__name__)


def sent(reply: Reply, external_id: str | None, url: str) -> None:
    price = _price(reply)
    with transaction.atomic():
        if reply.sent(external_id, url):
            _count(reply, price)


def found(reply: Reply, external_id: str, url: str) -> None:
    """As a poll brought it. One that counts as sent was counted then: only its id was missing."""
    price = _price(reply)
    with transaction.atomic():
        paid = Reply.objects.filter(pk=reply.pk, state="sent").exists()
        if reply.found(external_id, url) and not paid:
            _count(reply, price)


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


def _count(reply: Reply, price: Decimal) -> None:
    if price:
        metering.count(reply.channel, timezone.now(), sent_cost=price)

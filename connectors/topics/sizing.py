"""How much a query would find on a network that counts beforehand. A count is paid like reading, so it is asked for
when somebody presses the button, and only then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from connectors.base import Budget, Fault
from connectors.budgeting import cap, money, unit
from connectors.http import Exchange
from connectors.opening import opened, remember

if TYPE_CHECKING:
    from connectors.models import Channel
    from connectors.topics.compile import Native
    from connectors.topics.tree import Tree

DAYS = 7
FINE = Decimal("0.001")


@dataclass(frozen=True)
class Size:
    """`count`: posts of seven days; `cost`: of reading those of a day. `words`: why nobody counted."""

    count: int = 0
    cost: str = ""
    words: str = ""


def price(channel: Channel, native: Native) -> str:
    """What counting costs, a request for each text; "" where the network does not count."""
    each = channel.kind.counts
    return money(each * len(native.texts), unit(channel)) if each is not None else ""


def size(channel: Channel, tree: Tree, now: datetime) -> Size:
    """Asks the network. What several of its searches find alike counts more than once."""
    native, exchanges = channel.kind.search_query(tree), list[Exchange]()
    if native is None or not channel.kind.counts:
        return Size()
    try:
        cap(channel, Budget(), now)
        connector = opened(channel, exchanges)
        count = sum(connector.counted(text, now) for text in native.texts)
    except Fault as fault:
        return Size(words=fault.detail or fault.words)
    finally:
        remember(channel, exchanges)
    each = channel.kind.dialect.price if channel.kind.dialect else Decimal(0)
    return Size(count, money((each * count / DAYS).quantize(FINE), unit(channel)))

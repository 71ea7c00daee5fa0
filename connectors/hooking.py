"""Has a network deliver to us what it would else be asked for, and no longer when a channel rests. Done from the pages
at once, and again by each daily look at the account, so that what failed or died in between is made good."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from connectors.base import Connector, Fault
from connectors.http import Exchange
from connectors.models import Channel
from connectors.opening import opened, remember

log = structlog.get_logger(__name__)
PATIENCE = 5.0  # seconds for each call: somebody waits for the page


def hook_url(channel: Channel) -> str:
    """Where deliveries for this channel go; "" for one that takes none."""
    return f"{settings.PUBLIC_URL}/hooks/{channel.path}/" if channel.path else ""


@dataclass(frozen=True)
class Hook:
    """What an admin is told of deliveries: where they go, what to do at the network, and the name of the field without
    which none is taken, when it is empty."""

    url: str
    words: str
    missing: str


def hook_of(channel: Channel) -> Hook | None:
    """None for a channel that takes none."""
    kind = Connector.kinds().get(channel.network)
    if kind is None or not channel.path:
        return None
    lacks = kind.hook_secret and not channel.sealed.get(kind.hook_secret)
    names = [str(field.label) for field in kind.form if lacks and field.name == kind.hook_secret]
    return Hook(hook_url(channel), str(kind.hook_words), names[0] if names else "")


def arranges(network: str) -> bool:
    kind = Connector.kinds().get(network)
    return kind is not None and kind.arrange is not Connector.arrange


def _subscribes(channel: Channel) -> bool:
    """Where the address is entered by hand: whether its deliveries would be taken, and have to be asked for."""
    kind = Connector.kinds().get(channel.network)
    return kind is not None and kind.subscribe is not Connector.subscribe and bool(channel.sealed.get(kind.hook_secret))


def arrange(channel: Channel) -> str:
    """Deliveries as this channel is set now: to us, or to nobody while they are asked for. Words of what went wrong."""
    return _arranged(channel, wanted=True)


def withdraw(channel: Channel) -> str:
    """No deliveries for a channel that is paused or goes. Words of what went wrong."""
    return _arranged(channel, wanted=False)


def _arranged(channel: Channel, *, wanted: bool) -> str:
    if not channel.path or not (arranges(channel.network) or (wanted and _subscribes(channel))):
        return ""
    exchanges: list[Exchange] = []
    try:
        connector = opened(channel, exchanges)
        connector.seam.whole = PATIENCE
        delivered = connector.delivered(connector.settings)
        if wanted or delivered:
            apply(connector, channel, wanted=wanted)
    except Fault as fault:
        log.warning("deliveries could not be arranged", channel=channel.pk, wanted=wanted, fault=str(fault))
        Channel.objects.filter(pk=channel.pk).update(check_at=timezone.now())
        return _("The network could not be told where to deliver: %(why)s") % {"why": fault.words}
    finally:
        remember(channel, exchanges)
    if wanted and delivered and not _is_public():
        return _("Nothing can be delivered: this installation has no public address that begins with https.")
    return ""


def apply(connector: Connector, channel: Channel, *, wanted: bool = True) -> None:
    """For a connector that is open already; raises its faults."""
    if channel.path and arranges(channel.network):
        delivered = wanted and connector.delivered(connector.settings)
        if _is_public() or not delivered:
            connector.arrange(hook_url(channel), wanted=delivered)
    elif channel.path and wanted and _is_public() and _subscribes(channel):
        connector.subscribe()


def _is_public() -> bool:
    return settings.PUBLIC_URL.startswith("https://")

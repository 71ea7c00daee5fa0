"""What is done when somebody takes back, at the network, the access that they gave us by signing in: what we hold by it
goes at once, where nobody knows whose it is as soon as the network refuses it, and the channels ask for another
sign-in. What others wrote to the account is not theirs and stays."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from connectors import belonging
from connectors.base import Connector
from connectors.models import Channel, Delivery
from inbox.models.event import recorded_together
from inbox.models.reply import Clock

if TYPE_CHECKING:
    from connectors.deliveries import Withdrawn
    from connectors.posts import JSON

PREFIX, ANSWERED = "withdrawn:", ("url", "confirmation_code")
_CODE = re.compile(r"[0-9]{1,15}-[0-9a-f]{32}")


@transaction.atomic
def withdraw(channel: Channel, verdict: Withdrawn) -> JSON:
    """What is answered; the same request once more changes nothing and gets the same answer. The request names a
    person and is not kept, only that it was carried out."""
    channels = list(Channel.objects.select_for_update().filter(pk__in=_of_app(channel, verdict.app)).order_by("pk"))
    known = Delivery.objects.filter(channel=channel, delivery_id=verdict.delivery).first()
    if known is None:
        theirs = [each for each in channels if belonging.who(each.settings) == verdict.account]
        with recorded_together():
            for each in theirs:
                _let_go(each)
            for each in channels:
                if not belonging.who(each.settings) and each not in theirs:
                    _ask_again(each)
            known = _noted(channel, verdict, theirs)
    return {name: known.answer[name] for name in ANSWERED}


def _of_app(channel: Channel, app: str) -> set[int]:
    """All channels of one app are told by one request."""
    same = [name for name, kind in Connector.kinds().items() if kind.receive is channel.kind.receive]
    of_app = Channel.objects.filter(network__in=same, settings__app_id=app) if app else Channel.objects.none()
    return {channel.pk, *of_app.values_list("pk", flat=True)}


def _noted(channel: Channel, verdict: Withdrawn, theirs: list[Channel]) -> Delivery:
    code, now = f"{channel.pk}-{verdict.delivery.removeprefix(PREFIX)}", timezone.now()
    own = any(belonging.account_of(each) == verdict.account for each in theirs)
    done = {"deleted": len(theirs), "own": own}
    answer = {"url": f"{settings.PUBLIC_URL}/deletions/{code}/", "confirmation_code": code, **done}
    fields = {"delivery_id": verdict.delivery, "body": "", "answer": answer, "at": now, "done_at": now}
    return Delivery.objects.create(channel=channel, **fields)


def _ask_again(channel: Channel) -> None:
    """Nobody knows who signed in for it: anybody may sign in to an app and leave it again, so nothing is taken. If it
    was theirs, the network refuses what we hold, and then it goes."""
    if channel.state == Channel.State.RECONNECT:
        Channel.objects.filter(pk=channel.pk).update(**belonging.freed(channel))
        return
    marked = belonging.left(channel.settings)
    Channel.objects.filter(pk=channel.pk).update(settings=marked, check_at=Clock(), next_poll_at=Clock())


def _let_go(channel: Channel) -> None:
    """A poll under way is overtaken."""
    overtaken: dict[str, Any] = {"cursor_version": F("cursor_version") + 1, "polling_until": None}
    Channel.objects.filter(pk=channel.pk).update(**belonging.freed(channel), **overtaken)
    channel.refresh_from_db()
    words = _("Whoever signed in for this channel took the access back at the network. Sign in again.")
    channel.broken("reconnect", "AuthRevoked", words)


def carried_out(code: str) -> Delivery | None:
    """The request with this confirmation code."""
    channel, _dash, name = code.partition("-")
    if not _CODE.fullmatch(code):
        return None
    return Delivery.objects.filter(channel=int(channel), delivery_id=f"{PREFIX}{name}").first()

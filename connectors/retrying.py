"""Trying a quarantined item again: a later version of ours may understand it, or the network may give it whole now."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from connectors.arriving import sound
from connectors.base import Budget, Connector, Fault, Post, Unavailable
from connectors.models import Quarantined
from connectors.opening import opened
from connectors.posts import BELOW
from connectors.storing import Claim, Overtaken, bind, release, seize
from connectors.topics.arrival import bind_topics
from inbox.models.receive import receive
from routing import engine

ODD = {"TypeError", "ValueError", "AttributeError", "OverflowError", "IndexError"}


def retry(item: Quarantined) -> str:
    """Asks the network for it again, or reads the kept delivery again. "" when it is stored now, else why not, in
    words. The channel is claimed meanwhile: what a poll stored since we asked is newer than what we hold."""
    channel = item.channel
    if BELOW in item.raw:
        return (
            "What is said below it is kept from us. It is asked for again by itself, and stands here no longer once it "
            "was read."
        )
    seize(channel)
    try:
        return _retried(item, Claim(channel, timezone.now(), Budget()))
    except Fault as fault:
        return fault.words
    except Overtaken:
        return "The channel was changed or read at this moment. Try again."
    finally:
        release(channel)


def _retried(item: Quarantined, claim: Claim) -> str:
    channel, now = item.channel, claim.now
    connector = opened(channel, guard=claim.hold)
    posts, bad = sound(_posts(connector, item), now)
    if not posts:
        return bad[0].reason if bad else "The network does not give it any more. Drop it, or try later."
    place = replace(claim.place(connector), asked=claim.topics.asked_of(posts))
    decide = partial(engine.decide, default_team=channel.team_id)
    stored = receive(place, posts, decide, partial(_settle, item, claim), partial(bind_topics, place, posts))
    bind(stored.bound)
    return ""


def _posts(connector: Connector, item: Quarantined) -> list[Post]:
    now = timezone.now()
    if connector.pushed or item.channel.deliveries.filter(delivery_id=item.external_id).exists():
        page = connector.unpack(json.dumps(item.raw).encode(), now)
        if page.later:  # what is stored now would be all there ever is of it
            raise Unavailable("It does not show all of it yet.")
        return list(page.posts)
    answers = connector.refresh([item.external_id], now) if item.external_id else []
    return [answer for answer in answers if isinstance(answer, Post)]


def _settle(item: Quarantined, claim: Claim) -> None:
    """In the transaction that stores it, if the claim still holds: it is no longer quarantined."""
    claim.fence()
    Quarantined.objects.filter(pk=item.pk).delete()


@transaction.atomic
def drop(item: Quarantined) -> None:
    Quarantined.objects.filter(pk=item.pk).delete()


def in_words(reason: str) -> str:
    """Why an item was not understood, for a person; what the mapping of the item said stays beside it."""
    kind, _colon, said = reason.partition(": ")
    if kind == "KeyError":
        return _("%(name)s is missing in it.") % {"name": said}
    if kind in ODD:
        return _("Something in it has another form than expected (%(said)s).") % {"said": said}
    return reason

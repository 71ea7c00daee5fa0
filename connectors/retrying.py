"""Trying a quarantined item again: a later version of ours may understand it, or the network may give it whole now."""

from __future__ import annotations

import json
from functools import partial

from django.db import transaction
from django.utils import timezone

from connectors.arriving import sound
from connectors.base import Connector, Fault, Post
from connectors.models import Channel, Quarantined
from connectors.opening import opened
from connectors.storing import bind
from connectors.text import normalised
from connectors.topics.arrival import Topics, bind_topics
from inbox.arrival import Place
from inbox.models.receive import receive
from routing import engine


def retry(item: Quarantined) -> str:
    """Asks the network for it again, or reads the kept delivery again. "" when it is stored now, else why not, in
    words."""
    now = timezone.now()
    try:
        connector = opened(item.channel)
        posts, bad = sound(_posts(connector, item), now)
    except Fault as fault:
        return fault.words
    if not posts:
        return bad[0].reason if bad else "The network does not give it any more. Drop it, or try later."
    channel = item.channel
    asked = Topics.of(channel).asked_of(posts)
    place = Place(channel.pk, channel.network, connector.space, now, normalised, asked=asked)
    decide = partial(engine.decide, default_team=channel.team_id)
    stored = receive(place, posts, decide, partial(_settle, item), partial(bind_topics, place, posts))
    bind(stored.bound)
    return ""


def _posts(connector: Connector, item: Quarantined) -> list[Post]:
    now = timezone.now()
    if connector.pushed:
        return list(connector.unpack(json.dumps(item.raw).encode(), now).posts)
    answers = connector.refresh([item.external_id], now) if item.external_id else []
    return [answer for answer in answers if isinstance(answer, Post)]


def _settle(item: Quarantined) -> None:
    """In the transaction that stores it: it is no longer quarantined."""
    Channel.objects.select_for_update().get(pk=item.channel_id)
    Quarantined.objects.filter(pk=item.pk).delete()


@transaction.atomic
def drop(item: Quarantined) -> None:
    Quarantined.objects.filter(pk=item.pk).delete()

"""Taking a channel of invented customers away with all that came through it: when a trial is over, nobody wants its
conversations among the real ones. Rows say how far it has come; a piece is one transaction, and whatever dies, the next
look goes on."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from connectors.models import Channel, Topic
from inbox import ringing
from inbox.models import Agent, Conversation, Identity, Mention, Note, Person, Reply, tally
from inbox.models.event import recorded_together
from inbox.models.search_text import SearchKind, reindex
from inbox.models.tally import Place
from inbox.setting import removed

PIECE = 200  # conversations
TASK = "connectors.tasks.remove_channels"


@transaction.atomic
def begin(channel: Channel, by: Agent) -> bool:
    """Nothing is read or sent through it any more, and it goes in the background. False for a channel of real
    customers, or when it goes already."""
    if not channel.kind.invented:
        return False
    with recorded_together():
        return _begin(channel, by)


def _begin(channel: Channel, by: Agent) -> bool:
    # Topics are locked before channels, as everywhere.
    list(Topic.objects.only_on(channel.pk).order_by("pk").select_for_update(no_key=True, of=("self",)))
    mine = Channel.objects.select_for_update().filter(pk=channel.pk, removing_since=None).first()
    if mine is None:
        return False
    Topic.rest_without(mine, by)
    # Whoever reads it at this moment is overtaken.
    overtaken: dict[str, Any] = {"cursor_version": F("cursor_version") + 1, "polling_until": None}
    Channel.objects.filter(pk=mine.pk).update(paused=True, removing_since=timezone.now(), **overtaken)
    mine.record(removed(f"removed the channel {mine.name} with all that came through it", mine, mine.pk), by)
    transaction.on_commit(lambda: ringing.task(TASK), robust=True)
    return True


def remove_due(seconds: float = 2.0) -> int:
    """Takes pieces away for so long; how many conversations went."""
    gone, until = 0, time.monotonic() + seconds
    for pk in list(Channel.objects.filter(removing_since__isnull=False).order_by("pk").values_list("pk", flat=True)):
        while time.monotonic() < until and (piece := _step(pk)) is not None:
            gone += piece
    return gone


@transaction.atomic
def _step(pk: int) -> int | None:
    """How many conversations went; None when nothing is left, or somebody else is at it."""
    channel = Channel.objects.select_for_update(skip_locked=True).filter(pk=pk).first()
    if channel is None:
        return None
    if piece := _talks(channel):
        return piece
    if _people(channel):
        return 0
    channel.delete()
    return None


def _talks(channel: Channel) -> int:
    """The next conversations with everything that hangs on them, out of the counters and out of the search. Two
    channels to one invented network share conversations; each is whole or gone."""
    through = Q(channel=channel) | Q(pk__in=Mention.objects.filter(channel=channel).values("conversation"))
    rows = Conversation.objects.filter(through).order_by("pk").select_for_update(of=("self",))[:PIECE]
    talks = list(rows.only("pk", "team", "state", "agent"))
    ids = [talk.pk for talk in talks]
    for kind, model in ((SearchKind.MENTION, Mention), (SearchKind.REPLY, Reply), (SearchKind.NOTE, Note)):
        reindex(kind, _of(model, ids))
    Conversation.objects.filter(pk__in=ids).delete()
    tally.add(tally.deltas((Place(talk.team_id, talk.state, talk.agent_id), None) for talk in talks))
    return len(ids)


def _of(model: type[Mention | Reply | Note], ids: Iterable[int]) -> list[int]:
    return list(model.objects.filter(conversation__in=ids).values_list("pk", flat=True))


def _people(channel: Channel) -> int:
    """Who wrote only there; another channel of the same network may know them too."""
    lost = Identity.objects.filter(network=channel.network, conversations=None, mentions=None)
    ids = dict(lost.order_by("pk").values_list("pk", "person")[: PIECE * 5])
    reindex(SearchKind.IDENTITY, ids)
    Identity.objects.filter(pk__in=ids).delete()
    Person.objects.filter(pk__in=ids.values(), identities=None).delete()
    return len(ids)

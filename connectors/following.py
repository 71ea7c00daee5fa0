"""Asking how posts of open conversations stand now, so that edits and deletions are followed which no page tells of:
the newest each time, and all the others in rounds. Who heard a post follows it, in whose conversation it may stand: the
network may show it to nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import Q, QuerySet

from connectors.base import Connector, Fault
from connectors.faults import CONCERNS_ONE
from connectors.models import Channel
from connectors.stored import as_it_is_now
from connectors.storing import Claim, Overtaken, space_of
from inbox.models import Conversation, Mention

log = structlog.get_logger(__name__)
EVERY = timedelta(minutes=2)
NEW = timedelta(hours=48)  # so long a conversation is among the newest after its last message
REFUSED = timedelta(hours=6)  # until a network that does not say how posts stand is asked again
BEGINNING = [2**62, 0]  # of a round, before every conversation
ROOTS = 200  # threads whose conversations are open that a network is told of
ABROAD = 200  # conversations of other channels looked through in one turn for posts that this one heard


def open_roots(channel: Channel, connector: Connector) -> list[str]:
    """The threads of this channel in which conversations are open, the newest first."""
    talks = Conversation.objects.filter(pk__in=_open([channel.pk], "-newest_at", ROOTS)).order_by("-newest_at")
    keys = talks.values_list("thread_key", flat=True)
    spaces = (f"{space_of(channel, connector)}:", f"{connector.space}:")  # some began before the team was private
    found = (next((key.removeprefix(each) for each in spaces if key.startswith(each)), key) for key in keys)
    return list(dict.fromkeys(found))


def hosts(channel: Channel, roots: Sequence[str]) -> dict[str, str]:
    """On what the first posts of these threads hang, of those that this channel heard."""
    stored = Mention.objects.filter(channel=channel, external_id__in=roots)
    return dict(stored.values_list("external_id", "parent_id"))


@dataclass
class Following:
    """What is asked for in one poll of one channel. Where its round stands is in the channel's row."""

    claim: Claim
    now: datetime

    def run(self, connector: Connector) -> None:
        """A network that does not say is asked again later and is no worse a channel for it."""
        stood = self.claim.channel.following
        posts, following = self._turn(connector)
        # Before they are asked for: what the network or we cannot cope with must not hold up those after it. Whoever
        # dies here leaves these to the next round.
        self._put_down(refresh_at=self.now + EVERY, following=following)
        if not posts:
            return
        try:
            answers = connector.refresh(list(posts), self.now)
        except Fault as fault:
            if fault.name not in CONCERNS_ONE:
                self._put_down(following=stood)
                raise
            log.warning("how posts stand cannot be asked", channel=self.claim.channel.pk, fault=str(fault))
            self._put_down(refresh_at=self.now + REFUSED)
            return
        known = [(posts[each.external_id], each) for each in answers if each.external_id in posts]
        self.claim.follow(connector, [as_it_is_now(mention, each) for mention, each in known])

    def _put_down(self, **fields: Any) -> None:
        """Unless somebody else has claimed the channel since and goes on from where it stands now."""
        channel = self.claim.channel
        if not Channel.objects.filter(pk=channel.pk, cursor_version=channel.cursor_version).update(**fields):
            raise Overtaken
        for name, value in fields.items():
            setattr(channel, name, value)

    def _turn(self, connector: Connector) -> tuple[dict[str, Mention], dict[str, Any]]:
        """Half for the newest, half for the round; what the round leaves goes to the newest. {external id: mention},
        and where the round stands then."""
        most, others = connector.follows, self._others()
        newest = self._newest(connector, others)
        further, following = self._onward(connector, most - most // 2, others)
        turn = {each.external_id: each for each in [*newest[: most // 2], *further, *newest]}
        return dict(list(turn.items())[:most]), following

    def _others(self) -> list[int]:
        """The channels in whose conversations something may stand that this one heard."""
        channel = self.claim.channel
        return list(Channel.objects.filter(network=channel.network).exclude(pk=channel.pk).values_list("pk", flat=True))

    def _newest(self, connector: Connector, others: list[int]) -> list[Mention]:
        since, ids = self.now - NEW, list[int]()
        for channels, most in (([self.claim.channel.pk], connector.follows), (others, ABROAD)):
            ids += _open(channels, "-newest_at", most, newest_at__gte=since)
        return list(self._standing(connector, ids).order_by("-posted_at")[: connector.follows])

    def _onward(
        self, connector: Connector, most: int, others: Sequence[int] = ()
    ) -> tuple[list[Mention], dict[str, Any]]:
        """The next posts of the round, which goes from the conversation that began last down to the first, so that
        no new message changes anybody's turn and what begins meanwhile cannot make it endless. Then it goes abroad."""
        held = self.claim.channel.following
        at, since, abroad = held.get("at"), held.get("since"), bool(held.get("abroad"))
        if at is None:
            if since and datetime.fromisoformat(since) + connector.follows_again > self.now:
                return [], held
            since, abroad = self.now.isoformat(), False
        channels, looked_at = (others, ABROAD) if abroad else ([self.claim.channel.pk], most)
        mentions, onward = self._next(connector, most, at, channels, looked_at)
        if onward is None and others and not abroad:
            onward, abroad = BEGINNING, True
        return mentions, {"at": onward, "since": since, **({"abroad": True} if abroad and onward else {})}

    def _next(
        self, connector: Connector, most: int, at: list[int] | None, channels: Sequence[int], looked_at: int
    ) -> tuple[list[Mention], list[int] | None]:
        """The next posts in conversations of these channels, and from where it goes on; None at the end."""
        at = at or BEGINNING
        ids = _open(channels, "-id", looked_at + 1, id__lte=at[0])
        last = Q(conversation__lt=at[0]) | Q(pk__lt=at[1])
        found = self._standing(connector, ids).filter(last).order_by("-conversation", "-pk")
        mentions = list(found[:most])
        if len(mentions) == most:
            return mentions, [mentions[-1].conversation_id, mentions[-1].pk]
        return mentions, [ids[-1], 0] if len(ids) > looked_at else None

    def _standing(self, connector: Connector, conversations: list[int]) -> QuerySet[Mention]:
        """What customers said there, as this channel heard it, and still stands or may be shown again, as far as it
        can be asked for."""
        mentions = Mention.objects.filter(conversation__in=conversations, channel=self.claim.channel, ours=False)
        if connector.follows_for is not None:
            mentions = mentions.filter(posted_at__gte=self.now - connector.follows_for)
        for source in connector.unasked:
            mentions = mentions.exclude(source__startswith=source)
        return mentions.exclude(state="deleted").select_related("identity")


def _open(channels: Sequence[int], order: str, most: int, **which: Any) -> list[int]:
    """The first open conversations of these channels, of each by its index."""
    conversations = Conversation.objects.open().filter(**which).order_by(order).values_list("id", "newest_at")
    first, *more = [conversations.filter(channel=channel)[:most] for channel in channels] or [conversations.none()]
    found = first.union(*more, all=True).order_by(order)[:most] if more else first
    return [pk for pk, _ in found]

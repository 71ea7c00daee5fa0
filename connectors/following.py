"""Asking how posts of open conversations stand now, so that edits and deletions are followed which no page tells of:
the newest each time, and all the others in rounds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import Q

from connectors.base import Connector, Fault
from connectors.faults import CONCERNS_ONE
from connectors.models import Channel
from connectors.stored import as_it_is_now
from connectors.storing import Claim
from inbox.models import Conversation, Mention

log = structlog.get_logger(__name__)
EVERY = timedelta(minutes=2)
NEW = timedelta(hours=48)  # so long a conversation is among the newest after its last message
REFUSED = timedelta(hours=6)  # until a network that does not say how posts stand is asked again


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
        for name, value in fields.items():
            setattr(self.claim.channel, name, value)
        Channel.objects.filter(pk=self.claim.channel.pk).update(**fields)

    def _turn(self, connector: Connector) -> tuple[dict[str, Mention], dict[str, Any]]:
        """Half for the newest, half for the round; what the round leaves goes to the newest. {external id: mention},
        and where the round stands then."""
        most = connector.follows
        newest = self._newest(connector)
        others, following = self._onward(connector, most - most // 2)
        turn = {each.external_id: each for each in [*newest[: most // 2], *others, *newest]}
        return dict(list(turn.items())[:most]), following

    def _newest(self, connector: Connector) -> list[Mention]:
        fresh = self._open().filter(newest_at__gte=self.now - NEW).order_by("-newest_at")
        ids = list(fresh.values_list("pk", flat=True)[: connector.follows])
        return list(self._standing(connector, ids).order_by("-posted_at")[: connector.follows])

    def _onward(self, connector: Connector, most: int) -> tuple[list[Mention], dict[str, Any]]:
        """The next posts of the round, which goes from the conversation that began last down to the first, so that
        no new message changes anybody's turn and what begins meanwhile cannot make it endless."""
        held = self.claim.channel.following
        at, since = held.get("at"), held.get("since")
        if at is None:
            if since and datetime.fromisoformat(since) + connector.follows_again > self.now:
                return [], held
            since = self.now.isoformat()
        conversations, last = self._open(), Q()
        if at is not None:
            conversations = conversations.filter(pk__lte=at[0])
            last = Q(conversation__lt=at[0]) | Q(pk__lt=at[1])
        ids = list(conversations.order_by("-pk").values_list("pk", flat=True)[: most + 1])
        found = self._standing(connector, ids).filter(last).order_by("-conversation", "-pk")
        mentions = list(found[:most])
        onward: list[int] | None = None  # the round is over
        if len(mentions) == most:
            onward = [mentions[-1].conversation_id, mentions[-1].pk]
        elif len(ids) > most:
            onward = [ids[-1], 0]
        return mentions, {"at": onward, "since": since}

    def _open(self) -> Any:
        return Conversation.objects.open().filter(channel=self.claim.channel)

    def _standing(self, connector: Connector, conversations: list[int]) -> Any:
        """What customers said there and still stands, as far as it can be asked for."""
        mentions = Mention.objects.filter(conversation__in=conversations, channel=self.claim.channel, ours=False)
        if connector.follows_for is not None:
            mentions = mentions.filter(posted_at__gte=self.now - connector.follows_for)
        return mentions.filter(state__in=["live", "edited"]).select_related("identity")

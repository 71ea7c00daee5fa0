"""What an admin may see of posts that a test read or quarantine holds: setting up a channel is no right to read what a
private team gets through it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from django.db.models import Q
from django.utils import timezone

from connectors.base import Post
from connectors.text import normalised
from inbox.arrival import Place
from inbox.models import Mention, Team
from inbox.models.page_facts import facts_of
from routing import engine
from routing.fields import RuleError

if TYPE_CHECKING:
    from connectors.models import Channel
    from inbox.models import Agent

log = structlog.get_logger(__name__)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”")
_NAME = re.compile(r"\S{0,40}")  # of a field or a kind, not a sentence


def closed_to(agent: Agent | None) -> frozenset[int]:
    """Private teams the agent is no member of; to nobody, all of them."""
    closed = Team.objects.filter(private=True).exclude(pk__in=agent.readable_team_ids if agent else ())
    return frozenset(closed.values_list("pk", flat=True))


def unreadable(channel: Channel, posts: Sequence[Post], agent: Agent) -> frozenset[str]:
    """External ids of those posts that went, or by the rules of now would go, to a team closed to the agent. Where
    the rules cannot say, all of them."""
    closed = closed_to(agent)
    if not closed or not posts:
        return frozenset()
    return frozenset(_stored(channel, posts, closed) | _decided(channel, posts, closed))


def _stored(channel: Channel, posts: Sequence[Post], closed: frozenset[int]) -> set[str]:
    """Those that stand, or whose thread stands, in such a team whatever a rule says of them alone."""
    ids = {post.external_id for post in posts} | {post.parent_id for post in posts if post.parent_id}
    roots = {post.root_id for post in posts if post.root_id}
    mine = Q(external_id__in=ids | roots) | Q(parent_id__in=ids)
    theirs = Mention.objects.filter(mine, channel=channel, conversation__team__in=closed)
    found = {each for pair in theirs.values_list("external_id", "parent_id") for each in pair if each}
    return {post.external_id for post in posts if {post.external_id, post.parent_id, post.root_id} & found}


def _decided(channel: Channel, posts: Sequence[Post], closed: frozenset[int]) -> set[str]:
    place = Place(channel.pk, channel.network, "", timezone.now(), normalised)
    names = {f"channel:{channel.pk}": channel.name}
    try:
        decisions = engine.decide([facts_of(place, [post]) for post in posts], channel.team_id, names)
    except RuleError:
        log.warning("the rules cannot say where a sample would go", channel=channel.pk)
        return {post.external_id for post in posts}
    return {post.external_id for post, one in zip(posts, decisions, strict=True) if one.team_id in closed}


def shown_reason(reason: str) -> str:
    """Why an item could not be understood, without what it quotes of the item, which nobody could route yet."""
    return _QUOTED.sub(_short, reason)


def _short(found: re.Match[str]) -> str:
    return found[0] if _NAME.fullmatch(found[0]) else f"{found[0][0]}…{found[0][-1]}"

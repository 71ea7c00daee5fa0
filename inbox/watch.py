"""Which streams an agent may watch, and where they stand. A stream never carries what one of its readers may not
see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from inbox.models import Agent, Conversation, Stream


@dataclass(frozen=True)
class Allowed:
    """`rights` is the agent's rights_version, None when the account is gone or off; `numbers` holds the streams
    allowed."""

    rights: int | None
    numbers: dict[str, int] = field(default_factory=dict)


def allowed(agent_id: int, wanted: Iterable[str]) -> Allowed:
    """The streams among `wanted` that the agent may watch, with their numbers."""
    agent = Agent.objects.filter(pk=agent_id, is_active=True).first()
    if agent is None:
        return Allowed(None)
    mine = {agent.stream, *(team.stream for team in agent.readable_teams)}
    if agent.is_admin:
        mine.add("admin")
    streams = {stream for stream in wanted if stream in mine}
    numbers = dict.fromkeys(streams, 0) | dict(Stream.objects.filter(key__in=streams).values_list("key", "n"))
    open_to_me = Conversation.objects.visible_to(agent).filter(pk__in=conversation_ids(wanted))
    return Allowed(agent.rights_version, numbers | _numbers(open_to_me.values_list("id", "seen_seq")))


def look(streams: Iterable[str], agent_ids: Iterable[int]) -> tuple[dict[str, int], dict[int, int]]:
    """({stream: number}, {agent: rights_version}) of what is watched; inactive agents are absent."""
    numbers = dict(Stream.objects.filter(key__in=list(streams)).values_list("key", "n"))
    watched = Conversation.objects.filter(pk__in=conversation_ids(streams)).values_list("id", "seen_seq")
    rights = dict(Agent.objects.filter(pk__in=list(agent_ids), is_active=True).values_list("id", "rights_version"))
    return numbers | _numbers(watched), rights


def conversation_ids(streams: Iterable[str]) -> list[int]:
    parts = (stream.split(":", 1) for stream in streams if stream.startswith("conversation:"))
    return [int(number) for _, number in parts if number.isascii() and number.isdigit() and len(number) < 19]


def _numbers(rows: Iterable[tuple[int, int]]) -> dict[str, int]:
    return {f"conversation:{pk}": seq for pk, seq in rows}

"""Which streams an agent may watch, and where they stand. A stream never carries what one of its readers may not
see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from inbox.models import Agent, Conversation, Stream


@dataclass(frozen=True)
class Allowed:
    """`rights` is the agent's rights_version, None when the account is gone or off; `numbers` holds the streams
    allowed, `teams` whose conversations the agent reads."""

    rights: int | None
    numbers: dict[str, int] = field(default_factory=dict)
    teams: frozenset[int] = frozenset()


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
    conversations = _numbers(open_to_me.values_list("id", "seen_seq"))
    return Allowed(agent.rights_version, numbers | conversations, agent.readable_team_ids)


@dataclass(frozen=True)
class Look:
    """`numbers` of the streams watched, the `teams` that conversations stand in now, and `rights` of active agents."""

    numbers: dict[str, int]
    teams: dict[str, int]
    rights: dict[int, int]


def look(streams: Iterable[str], agent_ids: Iterable[int]) -> Look:
    """Where everything stands that is watched in this process, in three statements."""
    numbers = dict(Stream.objects.filter(key__in=list(streams)).values_list("key", "n"))
    watched = list(
        Conversation.objects.filter(pk__in=conversation_ids(streams)).values_list("id", "seen_seq", "team_id")
    )
    rights = dict(Agent.objects.filter(pk__in=list(agent_ids), is_active=True).values_list("id", "rights_version"))
    teams = {f"conversation:{pk}": team for pk, _, team in watched}
    return Look(numbers | _numbers((pk, seq) for pk, seq, _ in watched), teams, rights)


def conversation_ids(streams: Iterable[str]) -> list[int]:
    parts = (stream.split(":", 1) for stream in streams if stream.startswith("conversation:"))
    return [int(number) for _, number in parts if number.isascii() and number.isdigit() and len(number) < 19]


def _numbers(rows: Iterable[tuple[int, int]]) -> dict[str, int]:
    return {f"conversation:{pk}": seq for pk, seq in rows}

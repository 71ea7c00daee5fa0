"""Which streams an agent may watch, and where they stand. A stream never carries what one of its readers may not
see."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from inbox import presence
from inbox.models import Agent, Conversation, Stream, Team
from socialcare.pages import is_number


@dataclass(frozen=True)
class Allowed:
    """`rights` is the agent's rights_version, None when the account is gone or off; `numbers` holds the streams
    allowed, `gone` those of conversations that are not, or not any more, the agent's to read, `teams` whose
    conversations the agent reads, `held` all that the agent may: what is missing there later was taken, unless it is
    among the `removed`."""

    rights: int | None
    numbers: dict[str, int] = field(default_factory=dict)
    teams: frozenset[int] = frozenset()
    gone: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()


def allowed(agent_id: int, wanted: Collection[str], before: frozenset[str] = frozenset()) -> Allowed:
    """The streams among `wanted` that the agent may watch, with their numbers. `before`: what was held until now."""
    agent = Agent.objects.filter(pk=agent_id, is_active=True).first()
    if agent is None:
        return Allowed(None)
    mine = {agent.stream, *(team.stream for team in agent.readable_teams)}
    mine.update(presence.stream_of(team.pk) for team in agent.readable_teams)
    if agent.is_admin:
        mine.add("admin")
    if agent.readable_teams:  # whether a channel may answer is no secret of any team
        mine.update(stream for stream in wanted if _is_of_channel(stream))
    streams = {stream for stream in wanted if stream in mine}
    numbers = dict.fromkeys(streams, 0) | dict(Stream.objects.filter(key__in=streams).values_list("key", "n"))
    asked = conversation_ids(wanted)
    readable = dict(Conversation.objects.visible_to(agent).filter(pk__in=asked.values()).values_list("id", "seen_seq"))
    numbers |= {stream: _number(stream, readable[pk]) for stream, pk in asked.items() if pk in readable}
    gone = frozenset(stream for stream, pk in asked.items() if pk not in readable)
    held = _held(agent)
    return Allowed(agent.rights_version, numbers, agent.readable_team_ids, gone, held, _removed(before - held))


def _held(agent: Agent) -> frozenset[str]:
    """The password counts among it: another one ends what was opened with the old one."""
    plain = {name for name in ("is_admin", "is_reader") if getattr(agent, name)}
    managed = {f"manages:{team.pk}" for team in agent.readable_teams if agent.manages(team.pk)}
    return frozenset({agent.get_session_auth_hash(), *plain, *managed, *(team.stream for team in agent.readable_teams)})


def _removed(lost: frozenset[str]) -> frozenset[str]:
    """Of what is not held any more, that of teams which are no more: nobody took it."""
    of_teams = {right: int(right.partition(":")[2]) for right in lost if ":" in right}
    there = set(Team.objects.filter(pk__in=of_teams.values()).values_list("pk", flat=True)) if of_teams else set()
    return frozenset(right for right, pk in of_teams.items() if pk not in there)


def _is_of_channel(stream: str) -> bool:
    kind, _colon, number = stream.partition(":")
    return kind == "channel" and is_number(number)


@dataclass(frozen=True)
class Look:
    """`numbers` of the streams watched, the `teams` that conversations stand in now, and `rights` of active agents."""

    numbers: dict[str, int]
    teams: dict[str, int]
    rights: dict[int, int]


def look(streams: Iterable[str], agent_ids: Iterable[int]) -> Look:
    """Where everything stands that is watched in this process, in three statements."""
    numbers = dict(Stream.objects.filter(key__in=list(streams)).values_list("key", "n"))
    asked = conversation_ids(streams)
    rows = Conversation.objects.filter(pk__in=asked.values()).values_list("id", "seen_seq", "team_id")
    found = {pk: (seq, team) for pk, seq, team in rows}
    rights = dict(Agent.objects.filter(pk__in=list(agent_ids), is_active=True).values_list("id", "rights_version"))
    standing = {stream: found[pk] for stream, pk in asked.items() if pk in found}
    numbers |= {stream: _number(stream, seq) for stream, (seq, _team) in standing.items()}
    return Look(numbers, {stream: team for stream, (_seq, team) in standing.items()}, rights)


def conversation_ids(streams: Iterable[str]) -> dict[str, int]:
    """The streams that belong to one conversation, its own and the one of who is there, with its id."""
    parts = {stream: stream.partition(":") for stream in streams}
    return {
        stream: int(number)
        for stream, (kind, _colon, number) in parts.items()
        if kind in ("conversation", "presence") and is_number(number)
    }


def _number(stream: str, seq: int) -> int:
    """Who is there is not counted in rows: only a bell tells that it changed."""
    return seq if stream.startswith("conversation:") else 0

"""Every kind of action a rule can take, one class each: its form, its sentence, and what it adds to the outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from inbox.models.closeable import tags_in
from routing.fields import Field, RuleError, number_of, quoted, words_of
from socialcare.kinds import Kind


@dataclass(slots=True)
class Outcome:
    """What the rules tried so far have decided. The first team or “ignore” stands; tags gather; priorities add up.
    `home`: the private team that keeps what its channels hear, so that rules of others give it to nobody else."""

    team_id: int | None = None
    agent_id: int | None = None
    priority: int = 0
    tags: list[str] = field(default_factory=list)
    heard_only: bool = False
    stopped: bool = False
    home: int | None = None


class Action(Kind, scan="routing.actions"):
    fields: ClassVar[tuple[Field, ...]] = ()

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        """From stored or posted values; RuleError when they are not whole."""
        return cls()

    def values(self) -> dict[str, Any]:
        return {}

    def sentence(self, names: dict[str, str]) -> str:
        """Reads on after “then”. `names` has the names of teams and agents by `kind:id`."""
        raise NotImplementedError

    def apply(self, outcome: Outcome) -> None:
        raise NotImplementedError

    def team(self) -> int | None:
        """The team this action touches."""
        return None


@dataclass(frozen=True)
class GiveToTeam(Action):
    name = "team"
    label = "Give to team"
    fields = (Field("team", "Team", "team"),)
    team_id: int

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        if not values.get("team"):
            raise RuleError("Give to team: choose a team.")
        return cls(number_of(values["team"], cls.label, 1, 2**31 - 1))

    def values(self) -> dict[str, Any]:
        return {"team": self.team_id}

    def sentence(self, names: dict[str, str]) -> str:
        return f"give it to {names.get(f'team:{self.team_id}', 'a team that is gone')}"

    def apply(self, outcome: Outcome) -> None:
        if outcome.home is not None and self.team_id != outcome.home:
            return
        if outcome.team_id is None and not outcome.heard_only:
            outcome.team_id = self.team_id

    def team(self) -> int | None:
        return self.team_id


@dataclass(frozen=True)
class GiveToAgent(Action):
    """Takes effect only if the agent is an active member of the team the conversation ends in."""

    name = "agent"
    label = "Give to agent"
    fields = (Field("agent", "Agent", "agent"),)
    agent_id: int

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        if not values.get("agent"):
            raise RuleError("Give to agent: choose an agent.")
        return cls(number_of(values["agent"], cls.label, 1, 2**31 - 1))

    def values(self) -> dict[str, Any]:
        return {"agent": self.agent_id}

    def sentence(self, names: dict[str, str]) -> str:
        return f"give it to {names.get(f'agent:{self.agent_id}', 'an agent who is gone')}"

    def apply(self, outcome: Outcome) -> None:
        if outcome.agent_id is None:
            outcome.agent_id = self.agent_id


@dataclass(frozen=True)
class AddTags(Action):
    name = "tag"
    label = "Add tags"
    fields = (Field("tags", "Tags", "words", "refund, vip"),)
    tags: tuple[str, ...]

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        """Between commas; the blanks within one become hyphens, since people take it off by the form they type in."""
        words = ("-".join(tags_in(words)).lower()[:40] for words in words_of(values.get("tags"), cls.label))
        tags = tuple(dict.fromkeys(tag for tag in words if tag))
        if not tags:
            raise RuleError(f"{cls.label}: at least one word is needed.")
        return cls(tags)

    def values(self) -> dict[str, Any]:
        return {"tags": list(self.tags)}

    def sentence(self, names: dict[str, str]) -> str:
        return f"tag it {quoted(self.tags, 'and')}"

    def apply(self, outcome: Outcome) -> None:
        for tag in self.tags:
            if tag not in outcome.tags:
                outcome.tags.append(tag)


@dataclass(frozen=True)
class RaisePriority(Action):
    name = "priority"
    label = "Raise priority by"
    fields = (Field("points", "Points", "number", "10; a negative number lowers it"),)
    points: int

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        return cls(number_of(values.get("points"), cls.label, -1000, 1000))

    def values(self) -> dict[str, Any]:
        return {"points": self.points}

    def sentence(self, names: dict[str, str]) -> str:
        return f"{'raise' if self.points >= 0 else 'lower'} its priority by {abs(self.points)}"

    def apply(self, outcome: Outcome) -> None:
        outcome.priority += self.points


@dataclass(frozen=True)
class Ignore(Action):
    name = "ignore"
    label = "Only listen"

    def sentence(self, names: dict[str, str]) -> str:
        return "only listen: keep it, but out of the queue"

    def apply(self, outcome: Outcome) -> None:
        if outcome.team_id is None:
            outcome.heard_only = True


@dataclass(frozen=True)
class Stop(Action):
    name = "stop"
    label = "Stop here"

    def sentence(self, names: dict[str, str]) -> str:
        return "stop"

    def apply(self, outcome: Outcome) -> None:
        outcome.stopped = True


def read_actions(data: Any) -> tuple[Action, ...]:
    """The actions of stored or posted data; RuleError with words for the person who wrote it."""
    if not isinstance(data, list) or not data:
        raise RuleError("A rule needs at least one action.")
    actions: list[Action] = []
    for item in data:
        kind = Action.kinds().get(str(item.get("do")) if isinstance(item, dict) else "")
        if kind is None:
            raise RuleError(f"There is no action called “{item.get('do') if isinstance(item, dict) else item}”.")
        actions.append(kind.read(item))
    return tuple(actions)

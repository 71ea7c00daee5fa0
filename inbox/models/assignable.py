"""Who has a conversation: claim, release, assign. Each is one conditional update, so two people cannot both win."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.db import connection
from django.utils import timezone

from inbox import happenings
from inbox.models.arrays import array
from inbox.models.change import change, told
from inbox.models.event import ring

if TYPE_CHECKING:
    from inbox.models.agent import Agent
    from inbox.models.conversation import Conversation
    from inbox.models.team import Team


class Assignable:
    """Mixed into Conversation."""

    def claim(self: Conversation, agent: Agent) -> bool:  # type: ignore[misc]
        """Makes the agent the owner if nobody is; False when somebody was faster. Claiming what one already owns is
        True."""
        if self._taken(agent):
            return True
        self.refresh_from_db(fields=["agent", "team", "state", "seen_seq"])
        return self.agent_id == agent.pk

    def claim_waiting(self: Conversation, agent: Agent) -> bool:  # type: ignore[misc]
        """`claim` of what still waits for us and is nobody's; what was done or set aside meanwhile stays so."""
        return self._taken(agent, state=[0, 1, 2])

    def _taken(self: Conversation, agent: Agent, **expect: object) -> bool:  # type: ignore[misc]
        expect |= {"agent_id": None, "team_id": self.team_id}
        return change(self, happenings.Claimed(), by=agent, values={"agent_id": agent.pk}, expect=expect)

    def release(self: Conversation, by: Agent | None) -> bool:  # type: ignore[misc]
        """Gives the conversation back to its team's queue, if it still has the owner this object knows."""
        if self.agent_id is None:
            return False
        happening = happenings.Released(team=self.team.name)
        return change(self, happening, by=by, values={"agent_id": None}, expect={"agent_id": self.agent_id})

    def assign(  # type: ignore[misc]
        self: Conversation, team: Team, agent: Agent | None, by: Agent | None, because: str = ""
    ) -> bool:
        """Gives the conversation to a team and one of its members, or to nobody there. ValueError when the agent is
        not a member of that team; False when somebody else moved it since this object was read."""
        if agent is not None and not team.memberships.filter(agent=agent, agent__is_active=True).exists():
            raise ValueError(f"{agent.name} is not a member of {team.name}.")
        to = f"{agent.name}, {team.name}" if agent else team.name
        happening = happenings.Assigned(
            to=to, because=f", because {because}" if because else "", team=team.pk, agent=agent.pk if agent else None
        )
        values = {"team_id": team.pk, "agent_id": agent and agent.pk}
        return change(
            self, happening, by=by, values=values, expect={"team_id": self.team_id, "agent_id": self.agent_id}
        )


def deal(agent: Agent, team_ids: list[int]) -> int | None:
    """Claims the top of the queue for the agent and returns its id; None when nothing waits. SKIP LOCKED keeps two
    dealers from waiting for each other, so two dealt items are not strictly in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM inbox_deal(%s, %s, %s, %s, %s)",
            [array(team_ids), agent.pk, timezone.now(), *told((happenings.Claimed(),))],
        )
        pk, seq, numbers = cursor.fetchone()
    if pk is None:
        return None
    ring({**json.loads(numbers), f"conversation:{pk}": seq})
    return int(pk)

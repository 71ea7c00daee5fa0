"""Where the work stands at this moment, team by team: the counters of the views, so that a number is the same wherever
it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import OuterRef, Subquery

from inbox import desk
from inbox.models import Conversation, State, Team
from inbox.pane import slug_of

if TYPE_CHECKING:
    from inbox.models import Agent


@dataclass(frozen=True)
class Line:
    """One team. `oldest` in seconds: how long the customer waits who has waited longest; None when nobody waits.
    `slug` of its view, for who may open it."""

    team: Team
    open: int
    ours: int
    free: int
    snoozed: int
    failed: int
    oldest: float | None
    slug: str


def teams_of(agent: Agent) -> list[Team]:
    """Teams whose figures this agent may read: readers and admins all that are not private, managers their own too."""
    own = [team.pk for team in agent.readable_teams if agent.manages(team.pk)]
    seen = Team.objects.filter(pk__in=own)
    if agent.is_reader or agent.is_admin:
        seen = seen | Team.objects.filter(private=False)
    return list(seen.order_by("position", "name"))


def lines(agent: Agent, now: datetime) -> list[Line]:
    """A line for each team whose figures the agent may read."""
    teams = teams_of(agent)
    counts, since = desk.counts_of(teams, agent), waiting(teams)
    return [_line(team, agent, counts, since[team.pk], now) for team in teams]


def waiting(teams: list[Team]) -> dict[int, datetime | None]:
    """Since when each team's oldest open message waits; one look into the index for each."""
    waiting = Conversation.objects.open().filter(team=OuterRef("pk"), waiting_since__isnull=False)
    oldest = Subquery(waiting.order_by("waiting_since").values("waiting_since")[:1])
    return dict(Team.objects.filter(pk__in=[team.pk for team in teams]).values_list("pk", oldest))


def _line(team: Team, agent: Agent, counts: dict[tuple[str, int], int], since: datetime | None, now: datetime) -> Line:
    views = (desk.All, desk.Unassigned, desk.Snoozed, desk.Failed)
    total = {view: view.total(counts, [team], agent) for view in views}
    return Line(
        team=team,
        open=total[desk.All],
        ours=counts.get((team.stream, State.NEW), 0),
        free=total[desk.Unassigned],
        snoozed=total[desk.Snoozed],
        failed=total[desk.Failed],
        oldest=max(0.0, (now - since).total_seconds()) if since else None,
        slug=slug_of(team) if team.pk in agent.readable_team_ids else "",
    )

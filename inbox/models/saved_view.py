"""A saved view: a standard view with filters and an order, under a name, for its maker or for a whole team."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.db import connection, models
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.utils import timezone

if TYPE_CHECKING:
    from inbox.models.agent import Agent

MOST = 40  # of one agent or one team: what a pane can show


# The agent's own and those of the teams whose work the agent reads; none that looks into another team.
_SHOWN = """SELECT id, name, team_id FROM inbox_savedview
             WHERE (agent_id = %s OR team_id = ANY(%s)) AND (within_id IS NULL OR within_id = ANY(%s))"""


class Named(NamedTuple):
    """What the pane says of a saved view."""

    id: int
    name: str
    team_id: int | None

    @property
    def slug(self) -> str:
        return f"saved-{self.id}"


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def shown_to(self, agent: Agent) -> SavedViewQuerySet:
        """Those this agent may open."""
        shown = RawSQL(f"SELECT id FROM ({_SHOWN}) AS shown", _readers(agent))  # noqa: S608, S611  a constant
        return self.filter(pk__in=shown).select_related("within")

    def named_to(self, agent: Agent) -> list[Named]:
        """The same for the pane, which stands on every page."""
        with connection.cursor() as cursor:
            cursor.execute(f"{_SHOWN} ORDER BY name, id LIMIT {MOST}", _readers(agent))
            return [Named(*values) for values in cursor.fetchall()]


def _readers(agent: Agent) -> tuple[Any, ...]:
    teams = sorted(agent.readable_team_ids)
    return agent.pk, teams, teams


class SavedView(models.Model):
    """`view` names the standard view, `within` the one team it looks at, if it does not look at all of the reader's;
    `filters` are values by the name of their filter."""

    name = models.CharField(max_length=60)
    agent = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="saved_views")
    team = models.ForeignKey("inbox.Team", models.CASCADE, null=True, related_name="saved_views")
    maker = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_index=False)
    view = models.CharField(max_length=20)
    within = models.ForeignKey("inbox.Team", models.CASCADE, null=True, related_name="+", db_index=False)
    filters = models.JSONField(default=dict)
    order = models.CharField(max_length=20)
    at = models.DateTimeField(default=timezone.now)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(agent__isnull=False) ^ Q(team__isnull=False), name="saved_view_of_one_agent_or_team"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def slug(self) -> str:
        return f"saved-{self.pk}"

    def may_change(self, agent: Agent) -> bool:
        """Its owner; of a team's, who made it and the team's managers."""
        if self.team_id is None:
            return self.agent_id == agent.pk
        return self.team_id in agent.readable_team_ids and (self.maker_id == agent.pk or agent.manages(self.team_id))

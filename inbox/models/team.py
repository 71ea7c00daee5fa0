"""A team: the wall inside an installation. Who is a member reads its work; a private team's work exists for nobody
else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection, models

from inbox.models.arrays import array

if TYPE_CHECKING:
    from collections.abc import Collection

    from inbox.models.agent import Agent


class TeamQuerySet(models.QuerySet["Team"]):
    def named_to(self, agent: Agent) -> TeamQuerySet:
        """Teams the agent may know of and hand work to: every team, since their names are no secret inside the
        house."""
        return self if agent.works else self.none()


class Team(models.Model):
    name = models.CharField(max_length=60, unique=True)
    slug = models.SlugField(max_length=60, unique=True)
    purpose = models.CharField(max_length=200, blank=True)
    private = models.BooleanField(default=False)
    triage = models.BooleanField(default=False)
    position = models.SmallIntegerField(default=0)
    role: str | None = None  # of the agent for whom the team was read
    setting_kind = "team"

    objects = TeamQuerySet.as_manager()

    class Meta:
        ordering = ["position", "name"]
        constraints = [
            models.UniqueConstraint(fields=["triage"], condition=models.Q(triage=True), name="one_triage_team")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def stream(self) -> str:
        return f"team:{self.pk}"

    def as_setting(self) -> dict[str, Any]:
        return {"name": self.name, "purpose": self.purpose, "private": self.private, "triage": self.triage}


_COLUMNS = tuple(field.column for field in Team._meta.concrete_fields)
_READ = f"""
    SELECT a.id, m.role, {", ".join(f"t.{column}" for column in _COLUMNS)}
      FROM unnest(%s::bigint[], %s::boolean[]) AS a(id, is_admin) CROSS JOIN inbox_team t
      LEFT JOIN inbox_membership m ON m.team_id = t.id AND m.agent_id = a.id
     WHERE m.id IS NOT NULL OR (a.is_admin AND NOT t.private)
     ORDER BY t.position, t.name"""  # noqa: S608  names of our columns


def read_by(agents: Collection[Agent]) -> dict[int, list[Team]]:
    """The teams whose conversations each agent may read, by the agent's id, in the house's order and each with the
    agent's `role` there or None; one statement. Own teams; for an admin every team that is not private as well."""
    teams: dict[int, list[Team]] = {agent.pk: [] for agent in agents}
    active = [agent for agent in agents if agent.is_active]
    if active:
        with connection.cursor() as cursor:
            cursor.execute(_READ, [array(agent.pk for agent in active), array(agent.is_admin for agent in active)])
            for reader, role, *values in cursor.fetchall():
                team = Team(*values)
                team.role = role
                teams[reader].append(team)
    return teams

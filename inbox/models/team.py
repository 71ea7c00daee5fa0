"""A team: the wall inside an installation. Who is a member reads its work; a private team's work exists for nobody
else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from inbox.models.agent import Agent


class TeamQuerySet(models.QuerySet["Team"]):
    def read_by(self, agent: Agent) -> TeamQuerySet:
        """Teams whose conversations the agent may read: own teams; for an admin every team that is not private as
        well."""
        own = models.Q(memberships__agent=agent)
        return self.filter(own | models.Q(private=False) if agent.is_admin else own).distinct()

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

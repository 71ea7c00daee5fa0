"""An agent: a person of ours who signs in. Rights are memberships of teams, plus admin and reader for the whole
installation."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models, transaction
from django.db.models import F

from inbox import happenings
from inbox.models.event import Entry, record
from inbox.models.handing_back import hand_back
from inbox.models.team import Team, read_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inbox.models.conversation import Conversation


class Role(models.TextChoices):
    AGENT = "agent", "Agent"
    MANAGER = "manager", "Manager"


class AgentManager(BaseUserManager["Agent"]):
    def create_user(self, email: str, name: str, password: str | None = None, **fields: object) -> Agent:
        agent = self.model(email=self.normalize_email(email).lower(), name=name, **fields)
        agent.set_password(password)
        agent.save()
        return agent

    def get_by_natural_key(self, username: str | None) -> Agent:
        return self.get(email=(username or "").lower())


class Agent(AbstractBaseUser):
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=80)
    is_active = models.BooleanField(default=True)
    is_admin = models.BooleanField(default=False)
    is_reader = models.BooleanField(default=False)
    rights_version = models.PositiveIntegerField(default=0)
    theme = models.CharField(max_length=6, blank=True, choices=[("light", "Light"), ("dark", "Dark")])
    density = models.CharField(max_length=6, default="normal")
    keys_on = models.BooleanField(default=True)
    zone = models.CharField(max_length=64, default="UTC")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[AgentManager] = AgentManager()

    setting_kind = "agent"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def stream(self) -> str:
        return f"agent:{self.pk}"

    @cached_property
    def readable_teams(self) -> Sequence[Team]:
        """Teams whose conversations this agent reads, in the house's order, each with the agent's role there as
        `role`; read once a request."""
        return read_by([self])[self.pk]

    @cached_property
    def readable_team_ids(self) -> frozenset[int]:
        return frozenset(team.pk for team in self.readable_teams)

    @cached_property
    def roles(self) -> dict[int, str]:
        """Role by team id, of the teams the agent is a member of."""
        return {team.pk: team.role for team in self.readable_teams if team.role}

    @property
    def works(self) -> bool:
        """Whether this agent has anything to do with conversations: a membership, or admin."""
        return self.is_active and (self.is_admin or bool(self.roles))

    @property
    def manages_any(self) -> bool:
        return self.is_admin or Role.MANAGER in self.roles.values()

    def manages(self, team_id: int) -> bool:
        return self.roles.get(team_id) == Role.MANAGER or (self.is_admin and team_id in self.readable_team_ids)

    def as_setting(self) -> dict[str, Any]:
        rights = {"is_admin": self.is_admin, "is_reader": self.is_reader, "is_active": self.is_active}
        return {"name": self.name, "email": self.email, **rights}

    def may_act_on(self, conversation: Conversation) -> bool:
        return conversation.team_id in self.readable_team_ids

    @transaction.atomic
    def change_rights(self, by: Agent | None, *also: Entry, **fields: object) -> None:
        """Sets admin, reader or active and ends every open page and socket that relied on what was taken."""
        was = Agent.objects.select_for_update().get(pk=self.pk).as_setting()
        Agent.objects.filter(pk=self.pk).update(**fields)
        self.rights_changed(by, *also, was=was)

    def rights_changed(self, by: Agent | None, *also: Entry, was: dict[str, Any] | None = None) -> None:
        """Raises the version that sockets and pages hold; call it last inside the transaction that changes the rights.
        What else happened is recorded with it, because streams are locked in one order only within one record."""
        Agent.objects.filter(pk=self.pk).update(rights_version=F("rights_version") + 1)
        now = Agent.objects.get(pk=self.pk).as_setting() if was else None
        what = happenings.RightsChanged(self.pk, was, now)
        record([*also, Entry((self.stream, "admin"), what, actor_id=by.pk if by else None)])
        for name in ("readable_teams", "readable_team_ids", "roles"):
            self.__dict__.pop(name, None)

    @transaction.atomic
    def join(self, team: Team, role: str, by: Agent | None) -> None:
        """Makes or changes the membership. Members of a private team are told who joined before that person reads a
        row."""
        self._lock()
        Membership.objects.update_or_create(agent=self, team=team, defaults={"role": role})
        members = team.memberships.exclude(agent=self).values_list("agent_id", flat=True) if team.private else ()
        told = (self.stream, *(f"agent:{pk}" for pk in members))
        happening = happenings.JoinedTeam(agent=self.pk, team=team.pk, role=role)
        self.rights_changed(by, Entry(("admin", *told), happening, actor_id=by.pk if by else None))

    def leave(self, team: Team, by: Agent | None) -> None:
        """Ends the membership; conversations this agent owned there go back to the team's queue."""
        self.leave_all([team.pk], by)

    @transaction.atomic
    def leave_all(self, team_ids: Sequence[int], by: Agent | None) -> None:
        """Several memberships at once, of those that are there; must be the last work of a transaction."""
        self._lock()
        held = self.memberships.filter(team__in=team_ids)
        if left := sorted(held.values_list("team_id", flat=True)):
            held.delete()
            self.rights_changed(by, *hand_back(self, left, by), *self._left(left, by))

    @transaction.atomic
    def depart(self, by: Agent | None, *also: Entry) -> None:
        """The account ends: no team, no conversation, no page. What was owned by right of an admin goes back too."""
        self._lock()
        team_ids = sorted(self.memberships.values_list("team_id", flat=True))
        self.memberships.all().delete()
        self.change_rights(by, *hand_back(self, None, by), *self._left(team_ids, by), *also, is_active=False)

    def _lock(self) -> None:
        """Before a membership changes, and what this agent owns is handed back: whoever gives something to the agent
        waits here, and finds the rights gone."""
        Agent.objects.select_for_update().get(pk=self.pk)

    def _left(self, team_ids: Sequence[int], by: Agent | None) -> list[Entry]:
        told, actor_id = ("admin", self.stream), by.pk if by else None
        return [Entry(told, happenings.LeftTeam(agent=self.pk, team=pk), actor_id=actor_id) for pk in team_ids]


class Membership(models.Model):
    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role, default=Role.AGENT)
    setting_kind = "membership"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "team"], name="one_membership_per_team")]

    def __str__(self) -> str:
        return f"{self.agent_id} in {self.team_id} as {self.role}"

    def as_setting(self) -> dict[str, Any]:
        return {"role": self.role}

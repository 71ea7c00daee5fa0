"""Changing who may do what: rights, memberships and invitations, with what must never happen kept by locks."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import Prefetch
from django.utils.translation import gettext as _

from inbox import presence
from inbox.happenings import SetUpChanged
from inbox.models import Agent, Membership, Role, Team
from inbox.models.event import Entry, record
from inbox.overtaking import refuse_overtaken
from inbox.setting import changed, made, removed
from socialcare.models import Invitation, Organisation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Refused(Exception):
    """Not done; the message is for the person who asked."""


@contextmanager
def somebody_was_faster(words: str, **others: str) -> Iterator[None]:
    """What two do at one moment ends at a constraint for the second, who is told so. `others`: the words by name of
    the constraint."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        broken = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
        raise Refused(others.get(broken, words)) from None  # the database's own words hold what was typed


def told(what: str | SetUpChanged, by: Agent | None, *others: str) -> None:
    """One event for the admins and the other streams named, last in the transaction."""
    record([_told(what, by, *others)])


def _told(what: str | SetUpChanged, by: Agent | None, *others: str) -> Entry:
    told_of = SetUpChanged(what) if isinstance(what, str) else what
    return Entry(("admin", *others), told_of, actor_id=by.pk if by else None)


@transaction.atomic
def invite(
    email: str, name: str, by: Agent | None, *, is_admin: bool = False, is_reader: bool = False, token: str = ""
) -> tuple[Agent, str]:
    """A new account without a password, and the link by which its owner sets one; `token` is what is secret in it."""
    taken = _("Somebody with this e-mail address is here already.")
    if Agent.objects.filter(email=email.lower()).exists():
        raise Refused(taken)
    zone = Organisation.shown().zone
    with somebody_was_faster(taken):
        agent = Agent.objects.create_user(email, name, None, is_admin=is_admin, is_reader=is_reader, zone=zone)
    link = Invitation.make(agent, by, token)
    told(made(f"invited {name}", agent), by)
    return agent, link


@transaction.atomic
def new_link(agent: Agent, by: Agent | None) -> str:
    """For who lost the first one or the password. Who holds the link can sign in as this agent, so the agent and
    the members of the agent's private teams hear of it."""
    if not agent.is_active:
        raise Refused(_("This account is disabled."))
    link = Invitation.make(agent, by)
    inside = Membership.objects.filter(team__private=True, team__memberships__agent=agent)
    told_too = sorted({agent.pk, *inside.values_list("agent_id", flat=True)})
    told(f"made a new invitation for {agent.name}", by, *(f"agent:{pk}" for pk in told_too))
    return link


@transaction.atomic
def change_rights(agent: Agent, by: Agent | None, *, seen: str | None = None, **fields: bool) -> None:
    """Admin, reader or active; by nobody: from the command line. `seen`: see inbox/overtaking.py."""
    _refuse_without_admin(agent, by, **fields)
    refuse_overtaken(Agent.objects.select_for_update().get(pk=agent.pk), seen)
    agent.change_rights(by, **fields)


def _refuse_without_admin(agent: Agent, by: Agent | None, **fields: bool) -> None:
    """All admins are locked, in one order, so that two who take each other's right at the same moment cannot leave
    none."""
    if by and not by.is_admin:
        raise Refused(_("Only admins change these rights."))
    admins = {
        each.pk for each in Agent.objects.select_for_update().filter(is_admin=True, is_active=True).order_by("pk")
    }
    if by and by.pk not in admins:
        raise Refused(_("Your own rights changed meanwhile."))
    stays = fields.get("is_admin", agent.is_admin) and fields.get("is_active", agent.is_active)
    if not stays and agent.pk in admins and not admins - {agent.pk}:
        raise Refused(_("This is the last admin. Make somebody else an admin first."))


@transaction.atomic
def disable(agent: Agent, by: Agent) -> None:
    """Ends the account now: logins, sockets, invitations; all work goes back to the queues. The password goes too,
    so that no old login comes back with the account."""
    _refuse_without_admin(agent, by, is_active=False)
    agent.set_unusable_password()
    agent.save(update_fields=["password"])
    Invitation.objects.filter(agent=agent, used_at=None).delete()
    teams = sorted(agent.readable_team_ids)
    agent.depart(by, _told(f"disabled {agent.name}", by))
    transaction.on_commit(lambda: presence.forget(agent.pk, teams), robust=True)


@transaction.atomic
def enable(agent: Agent, by: Agent) -> str:
    """The account is back without teams; its owner sets a new password by the link."""
    change_rights(agent, by, is_active=True)
    agent.refresh_from_db()
    return new_link(agent, by)


def may_manage(agent: Agent, team: Team) -> bool:
    """Admins administer every team, also those whose work they may not read."""
    return agent.is_active and (agent.is_admin or agent.roles.get(team.pk) == Role.MANAGER)


def managed_by(agent: Agent) -> list[Team]:
    """With their members, by name."""
    members = Prefetch("memberships", Membership.objects.select_related("agent").order_by("agent__name"))
    return [team for team in Team.objects.prefetch_related(members) if may_manage(agent, team)]


@transaction.atomic
def set_role(team: Team, agent: Agent, role: str, by: Agent, *, seen: str | None = None) -> None:
    """Makes or changes a membership; members of a private team are told by `join`. `seen`: of the membership."""
    if not may_manage(by, team):
        raise Refused(_("You do not manage this team."))
    if role not in Role.values:
        raise Refused(_("A member is an agent or a manager."))
    agent, membership = _held(team, agent)
    if not agent.is_active:
        raise Refused(_("This account is disabled."))
    if membership is None or membership.role != role:
        refuse_overtaken(membership, seen)
        agent.join(team, role, by)


@transaction.atomic
def end_membership(team: Team, agent: Agent, by: Agent, *, seen: str | None = None) -> None:
    if not may_manage(by, team):
        raise Refused(_("You do not manage this team."))
    agent, membership = _held(team, agent)
    if membership:
        refuse_overtaken(membership, seen)
        agent.leave(team, by)


def _held(team: Team, agent: Agent) -> tuple[Agent, Membership | None]:
    """The agent and the membership as they are now; nobody changes either before this transaction ends."""
    now = Agent.objects.select_for_update().get(pk=agent.pk)
    return now, Membership.objects.filter(team=team, agent=now).first()


@transaction.atomic
def change_team(team: Team, by: Agent | None, given: dict[str, Any], *, seen: str | None = None) -> None:
    """Keeps a team, new or changed; by nobody: from the command line. A private team is opened only from inside,
    because opening it shows all its work to every admin. `seen`: see inbox/overtaking.py."""
    by_admin, inside = (by.is_admin, by.roles) if by else (True, {})
    _refuse_stranger(team, by)
    was = Team.objects.select_for_update().get(pk=team.pk) if team.pk else None
    refuse_overtaken(was, seen)
    if was and was.private and not given["private"] and team.pk not in inside:
        raise Refused(_("Only a member can make a private team public: that shows its work to every admin."))
    if not by_admin:  # which team gets the rest, and which is walled off, concerns everybody
        given = {**given, "triage": bool(was and was.triage), "private": bool(was and was.private)}
    if given["triage"]:
        Team.objects.filter(triage=True).exclude(pk=team.pk).update(triage=False)
    elif was and was.triage:
        raise Refused(_("Some team gets what no rule places: choose another one there first."))
    for name, value in given.items():
        setattr(team, name, value)
    twin = _("Another team was chosen for what no rule places a moment ago. Look at it first.")
    with somebody_was_faster(_("Something else has its name now."), one_triage_team=twin):
        team.save()
    if was is None or was.private != team.private:
        _rights_of_admins_changed(by)
    before = was.as_setting() if was else None
    told(changed(f"{'changed' if was else 'made'} the team {team.name}", team, before), by)


def _refuse_stranger(team: Team, by: Agent | None) -> None:
    if team.pk is None and by and not by.is_admin:
        raise Refused(_("Only admins make teams."))
    if team.pk and by and not may_manage(by, team):
        raise Refused(_("You do not manage this team."))


def _rights_of_admins_changed(by: Agent | None) -> None:
    """Admins read every team that is not private: their open pages and sockets learn of it."""
    for admin in Agent.objects.filter(is_admin=True, is_active=True).order_by("pk"):
        admin.rights_changed(by)


@transaction.atomic
def remove_team(team: Team, by: Agent) -> None:
    """Only a team without any conversation; work has to stay somewhere."""
    if team.conversations.exists():
        raise Refused(_("Conversations stand in this team. Move them first; done ones stay for the record."))
    if team.triage:
        raise Refused(_("Some team gets what no rule places: choose another one there first."))
    gone = removed(f"removed the team {team.name}", team, team.pk)
    team.delete()
    told(gone, by)

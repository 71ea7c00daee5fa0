"""The organisation, its people and its teams in the configuration file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from inbox.models import Agent, Membership, Role, Team
from socialcare import people
from socialcare.models import Organisation
from socialcare.restoring import free_slug
from socialcare.sections import Item, Section, Unfit, one


class OrganisationSection(Section):
    name, label, order = "organisation", "Organisation", 0
    fields = {"name": str, "zone": str, "brand_words": list}

    @classmethod
    def check(cls, item: Item) -> None:
        super().check({**item, "name": item.get("name") or "–"})  # it may have none yet
        if item.get("zone", "UTC") not in available_timezones():
            raise Unfit(_("There is no time zone %(zone)s.") % {"zone": item["zone"]})
        if not all(isinstance(word, str) for word in item.get("brand_words", [])):
            raise Unfit(_("“brand_words” is a list of words."))

    @classmethod
    def key(cls, item: Item) -> str:
        return ""

    def items(self) -> list[dict[str, Any]]:
        return [Organisation.shown().as_setting()]

    def keep(self, item: Item, by: Agent | None) -> bool:
        if {**Organisation.shown().as_setting(), **item} == Organisation.shown().as_setting():
            return False
        Organisation.change(by, **item)
        return True


class PeopleSection(Section):
    name, label, order = "people", "People", 1
    fields = {"email": str, "name": str, "is_admin": bool, "is_reader": bool}

    @classmethod
    def key(cls, item: Item) -> str:
        return super().key(item).lower()

    @classmethod
    def check(cls, item: Item) -> None:
        super().check(item)
        try:
            validate_email(item["email"])
        except ValidationError as error:
            raise Unfit(f"{item['email']}: {' '.join(error.messages)}") from error

    @classmethod
    def arranged(cls, items: Sequence[Item]) -> Sequence[Item]:
        """Those who become admins first, so that there is one all the time."""
        return sorted(items, key=lambda item: not item.get("is_admin"))

    def merged(self, was: Item, item: Item) -> Item:
        """Somebody who is here keeps the own name."""
        return {**was, **item, "email": was["email"], "name": was["name"]}

    @classmethod
    def words(cls, item: Item) -> str:
        return _("Make the link by which the password is set on the page of people.")

    def items(self) -> list[dict[str, Any]]:
        return [
            {name: getattr(agent, name) for name in self.fields}
            for agent in Agent.objects.filter(is_active=True).order_by("email")
        ]

    def keep(self, item: Item, by: Agent | None) -> bool:
        rights = {name: item[name] for name in ("is_admin", "is_reader") if name in item}
        agent = Agent.objects.filter(email=item["email"].lower()).first()
        if agent is None:
            people.invite(item["email"], item.get("name") or item["email"], by, **rights)
            return True
        if not agent.is_active:
            raise Unfit(_("This account is disabled."))
        wanted = {name: value for name, value in rights.items() if value != getattr(agent, name)}
        if wanted:
            people.change_rights(agent, by, **wanted)
        return bool(wanted)


class TeamSection(Section):
    name, label, order = "teams", "Teams", 2
    fields = {"name": str, "purpose": str, "private": bool, "triage": bool, "members": dict}

    @classmethod
    def check(cls, item: Item) -> None:
        super().check(item)
        if not set(item.get("members", {}).values()) <= set(Role.values):
            raise Unfit(_("%(item)s: a member is an agent or a manager.") % {"item": item["name"]})

    @classmethod
    def arranged(cls, items: Sequence[Item]) -> Sequence[Item]:
        """The one that gets what no rule places first, so that the one before it may give that up."""
        return sorted(items, key=lambda item: not item.get("triage"))

    def merged(self, was: Item, item: Item) -> Item:
        """Members only come."""
        return {**was, **item, "members": {**was["members"], **item.get("members", {})}}

    def items(self) -> list[dict[str, Any]]:
        return [team.as_setting() | {"members": self._inside_of(team)} for team in Team.objects.order_by("name")]

    @staticmethod
    def _inside_of(team: Team) -> dict[str, str]:
        inside = team.memberships.filter(agent__is_active=True).order_by("agent__email")
        return dict(inside.values_list("agent__email", "role"))

    def keep(self, item: Item, by: Agent | None) -> bool:
        team = Team.objects.filter(name=item["name"]).first() or Team(name=item["name"], slug=free_slug(item["name"]))
        given = {name: item.get(name, value) for name, value in team.as_setting().items()}
        done = team._state.adding or given != team.as_setting()
        if done:
            people.change_team(team, by, given)
        for email, role in item.get("members", {}).items():
            agent = one(Agent.objects.filter(email=email.lower(), is_active=True), email)
            if not Membership.objects.filter(team=team, agent=agent, role=role).exists():
                agent.join(team, role, by)
                done = True
        return done

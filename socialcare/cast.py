"""The people of the demo: who they are, which team they work in, and one password for all of them, which everybody
may know. Made once, in an installation that holds nobody yet."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from connectors.base import Check
from connectors.connecting import connect, keep_facts
from inbox.models import Agent, Role, Team
from routing import defaults
from socialcare import first_run

PASSWORD = "everybody may know this"  # noqa: S105  it is printed at every start of the demo
ORGANISATION = "Brand"


@dataclass(frozen=True)
class Member:
    name: str
    is_: str
    """For the list that is printed."""
    agent_of: tuple[str, ...] = ()
    manager_of: tuple[str, ...] = ()
    is_admin: bool = False
    is_reader: bool = False

    @property
    def email(self) -> str:
        return f"{self.name.lower()}@brand.example"


CAST = (
    Member("Ada", "admin, in no team", is_admin=True),
    Member("Ana", "care agent in Support", agent_of=("support",)),
    Member("Max", "manager of Support and of Marketing, which gets what no rule places", (), ("support", "marketing")),
    Member("Pia", "agent in Product", agent_of=("product",)),
    Member("Mona", "agent in Marketing", agent_of=("marketing",)),
    Member("Hugo", "agent in HR, a private team", agent_of=("hr",)),
    Member("Eva", "reader of figures, in no team", is_reader=True),
    Member("Otto", "an account without any right"),
)


class NotADemo(Exception):
    """The data belong to somebody; nothing was changed."""


@transaction.atomic
def enter(url: str) -> None:
    """Makes people, teams, rules and the channel of the demo network, all or nothing; a second time does nothing."""
    if Agent.objects.filter(email=CAST[0].email).exists():
        return
    if Agent.objects.exists():
        raise NotADemo("This data folder holds an installation with people of its own: the demo needs another one.")
    ada = Agent.objects.create_user(CAST[0].email, CAST[0].name, PASSWORD, is_admin=True)
    defaults.set_up([team.slug for team in defaults.TEAMS], ada)
    teams = {team.slug: team for team in Team.objects.all()}
    for member in CAST[1:]:
        agent = Agent.objects.create_user(member.email, member.name, PASSWORD, is_reader=member.is_reader)
        for role, slugs in ((Role.AGENT, member.agent_of), (Role.MANAGER, member.manager_of)):
            for slug in slugs:
                agent.join(teams[slug], role, by=ada)
    channel = connect("demo", "Demo network", {"base_url": url}, {"token": "demo"}, ada)
    us = Check(account_id="brand", account_name=ORGANISATION, account_url=f"{url}/", facts={"account_id": "brand"})
    keep_facts(channel, us)
    first_run.finish(ORGANISATION, "UTC")


def programme() -> str:
    """What the start of the demo prints: who can sign in."""
    rows = [f"    {member.email:<22}{member.name}: {member.is_}" for member in CAST]
    head = f"This is a demo: invented people, invented customers, and one password for all, “{PASSWORD}”."
    return "\n".join(["", head, *rows, ""])

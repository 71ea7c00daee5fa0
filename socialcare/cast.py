"""Makes the demo's people, teams, rules and channel, once, in an installation that holds nobody yet."""

from django.db import transaction

from connectors.base import Check
from connectors.connecting import connect, keep_facts
from inbox.models import Agent, Role, Team
from routing import defaults
from socialcare import first_run
from socialcare.demo.colleagues import CAST, ORGANISATION, PASSWORD


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

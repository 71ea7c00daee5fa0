"""The cast and the servers. Ana (care agent, Support), Max (manager, Support), Hugo (HR, private), Pia (Product),
Mona (Marketing, which is triage), Ada (admin without a team), Eva (reader), Otto (an account without any right)."""

from types import SimpleNamespace

import pytest

PASSWORD = "a long enough password"


def make_cast():
    """Teams and people; needs a database. Everybody signs in with `PASSWORD`."""
    from inbox.models import Agent, Role, Team

    teams = {
        "marketing": Team.objects.create(name="Marketing", slug="marketing", triage=True, position=4),
        "support": Team.objects.create(name="Support", slug="support", position=1),
        "product": Team.objects.create(name="Product", slug="product", position=2),
        "hr": Team.objects.create(name="HR", slug="hr", private=True, position=3),
    }
    people = {
        "ana": ("Ana", "support", Role.AGENT),
        "max": ("Max", "support", Role.MANAGER),
        "hugo": ("Hugo", "hr", Role.AGENT),
        "pia": ("Pia", "product", Role.AGENT),
        "mona": ("Mona", "marketing", Role.AGENT),
        "ada": ("Ada", None, None),
        "eva": ("Eva", None, None),
        "otto": ("Otto", None, None),
    }
    agents = {}
    for key, (name, team, role) in people.items():
        rights = {"is_admin": key == "ada", "is_reader": key == "eva"}
        agents[key] = Agent.objects.create_user(f"{key}@acme.example", name, PASSWORD, **rights)
        if team:
            agents[key].join(teams[team], role, by=None)
        agents[key] = Agent.objects.get(pk=agents[key].pk)
    agents["max"].join(teams["marketing"], Role.MANAGER, by=None)
    return SimpleNamespace(**teams, **{key: Agent.objects.get(pk=agent.pk) for key, agent in agents.items()})


@pytest.fixture
def cast(db):
    return make_cast()

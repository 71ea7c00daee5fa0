"""Names for what rules speak of: teams, agents, channels, networks; and what is wrong with a rule that speaks of
something that is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps

from inbox.models import Agent, Team
from routing.editor import Choices
from routing.fields import RuleError

if TYPE_CHECKING:
    from routing.models import Rule


def choices_for(agent: Agent | None) -> Choices:
    """What this agent may choose in a rule, or all there is. Channels belong to the layer above: asked for by name."""
    teams = [team for team in Team.objects.all() if agent is None or agent.is_admin or agent.manages(team.pk)]
    members = Agent.objects.filter(is_active=True, memberships__team__in=teams).distinct()
    channels = (
        apps.get_model("connectors", "Channel")._default_manager.order_by("name").values_list("pk", "name", "network")
    )
    return Choices(
        {
            "team": [(str(team.pk), team.name) for team in teams],
            "agent": sorted(((str(member.pk), member.name) for member in members), key=lambda pair: pair[1].casefold()),
            "channel": [(str(pk), name) for pk, name, _network in channels],
            "network": [(name, name.replace("_", " ").capitalize()) for name in sorted({row[2] for row in channels})],
        }
    )


def broken(rule: Rule, names: dict[str, str]) -> str:
    """Why a rule does not do what it says, in words; "" when it is whole. `names` are all names by `kind:id`."""
    try:
        gone = [team for team in rule.touches() if f"team:{team}" not in names]
        tree, actions = rule.tree, rule.actions
    except RuleError as error:
        return str(error)
    if gone:
        return "It gives work to a team that is gone."
    named = [(each.kind, value) for leaf in tree.leaves() for each in leaf.fields for value in _values(leaf, each.name)]
    named += [(each.kind, action.values().get(each.name)) for action in actions for each in action.fields]
    for kind in ("channel", "agent"):
        if any(k == kind and f"{kind}:{value}" not in names for k, value in named):
            return f"It names a{'n' if kind == 'agent' else ''} {kind} that is gone."
    return ""


def _values(leaf: object, name: str) -> list[object]:
    found = leaf.values().get(name)  # type: ignore[attr-defined]
    return list(found) if isinstance(found, list | tuple) else [found]

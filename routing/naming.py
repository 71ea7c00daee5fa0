"""Names for what rules speak of: teams, agents, channels, networks; and what is wrong with a rule that speaks of
something that is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps

from inbox.models import Agent, Team
from routing.conditions.facts import AnyOfFound
from routing.editor import Choices
from routing.fields import RuleError

if TYPE_CHECKING:
    from routing.groups import Group
    from routing.models import Rule


def choices_for(agent: Agent | None) -> Choices:
    """What this agent may choose in a rule, or all there is. Channels belong to the layer above: asked for by name."""
    teams = [team for team in Team.objects.all() if agent is None or agent.is_admin or agent.manages(team.pk)]
    members = Agent.objects.filter(is_active=True, memberships__team__in=teams).distinct()
    known = apps.get_model("connectors", "Channel")._default_manager.all()
    channels = (known if agent is None else known.named_to(agent)).order_by("name").values_list("pk", "name", "network")
    return Choices(
        {
            "team": [(str(team.pk), team.name) for team in teams],
            "agent": sorted(((str(member.pk), member.name) for member in members), key=lambda pair: pair[1].casefold()),
            "channel": [(str(pk), name) for pk, name, _network in channels],
            "network": [(name, name.replace("_", " ").capitalize()) for name in sorted({row[2] for row in channels})],
            **_listened(agent),
        }
    )


def _listened(agent: Agent | None) -> dict[str, list[tuple[str, str]]]:
    """Topics this agent may know, and their themes; without an agent none, because they are named to their teams
    only."""
    if agent is None:
        return {"topic": [], "theme": []}
    topics = apps.get_model("connectors", "Topic")._default_manager.read_by(agent)
    themes = apps.get_model("connectors", "Theme")._default_manager.filter(topic__in=topics)
    rows = themes.order_by("topic__name", "name").values_list("pk", "topic__name", "name")
    return {
        "topic": [(str(pk), name) for pk, name in topics.order_by("name").values_list("pk", "name")],
        "theme": [(str(pk), f"{topic}: {name}") for pk, topic, name in rows],
    }


def names_for(agent: Agent) -> dict[str, str]:
    """For sentences of rules this agent reads: everything by its name, topics, themes and the channels of private
    teams as far as he may know them."""
    channels = apps.get_model("connectors", "Channel")._default_manager
    unnamed = channels.exclude(pk__in=channels.all().named_to(agent)).values_list("pk", flat=True)
    hidden = {f"channel:{pk}": "a channel of a private team" for pk in unnamed}
    return {**choices_for(None).names(), **hidden, **Choices(_listened(agent)).names()}


def strange(tree: Group, rule: Rule, agent: Agent) -> bool:
    """Whether this tree speaks of topics or themes that the agent may not know, and the rule does not yet."""
    known = {f"{kind}:{value}" for kind, pairs in _listened(agent).items() for value, _name in pairs}
    try:
        return not _of_topics(tree) <= known | (_of_topics(rule.tree) if rule.pk else set())
    except RuleError:  # it cannot be read any more
        return not _of_topics(tree) <= known


def _of_topics(tree: Group) -> set[str]:
    leaves = [leaf for leaf in tree.leaves() if isinstance(leaf, AnyOfFound)]
    return {f"{leaf.fields[0].kind}:{value}" for leaf in leaves for value in leaf.chosen}


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

"""Who sees and changes which rules: admins all; managers those that give work to their own teams only. A rule that
gives work to a private team exists for its managers and admins alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inbox.models import Team
from routing.actions import Ignore
from routing.fields import RuleError
from routing.models import Rule
from socialcare.pages import is_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inbox.models import Agent
    from routing.actions import Action


def hidden_teams(agent: Agent) -> frozenset[int]:
    """Private teams whose rules this agent may not know of."""
    if agent.is_admin:
        return frozenset()
    private = Team.objects.filter(private=True).values_list("pk", flat=True)
    return frozenset(pk for pk in private if not agent.manages(pk))


def touched(rule: Rule) -> frozenset[int]:
    """Teams as far as the rule can be read."""
    try:
        return rule.touches()
    except RuleError:
        items = rule.then if isinstance(rule.then, list) else []
        found = {str(item.get("team")) for item in items if isinstance(item, dict)}
        return frozenset(int(team) for team in found if is_number(team))


def seen_by(agent: Agent) -> list[Rule]:
    """In the order in which they are tried."""
    hidden = hidden_teams(agent)
    return [rule for rule in Rule.objects.order_by("position", "id") if hidden.isdisjoint(touched(rule))]


def may_change(agent: Agent, rule: Rule) -> bool:
    if agent.is_admin:
        return True
    teams = touched(rule)
    return bool(teams) and all(agent.manages(team) for team in teams) and not _silences(rule)


def may_move(agent: Agent, rule: Rule, place: int) -> bool:
    """Up only past rules the agent may change: whoever stands above takes the posts of those below."""
    if agent.is_admin:
        return True
    order = list(Rule.objects.order_by("position", "id"))
    now = next((index for index, each in enumerate(order) if each.pk == rule.pk), 0)
    return all(may_change(agent, each) for each in order[max(0, place) : now])


def _silences(rule: Rule) -> bool:
    return any(isinstance(item, dict) and item.get("do") == Ignore.name for item in rule.then or [])


def refusal(agent: Agent, actions: Sequence[Action]) -> str:
    """Why this agent may not keep a rule with these actions, in words; "" when he may."""
    if agent.is_admin:
        return ""
    teams = {team for action in actions if (team := action.team()) is not None}
    if not teams:
        return "A rule of yours gives work to one of your teams: add “Give to team”."
    if not all(agent.manages(team) for team in teams):
        return "You may give work to teams you manage only."
    if any(isinstance(action, Ignore) for action in actions):
        return "Only admins may keep posts out of every queue."
    return ""

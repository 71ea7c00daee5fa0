"""Rules in the configuration file: in their order, and with names in place of the ids they refer to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from connectors.models import Channel, Theme, Topic
from inbox.models import Agent, Team
from routing.actions import Action, read_actions
from routing.conditions import Condition
from routing.groups import read_tree
from routing.models import Rule
from socialcare.pages import is_number
from socialcare.sections import Item, Section, Unfit


class RuleSection(Section):
    """In the file's order. Rules that the file does not name keep theirs, after those it names. Several may have one
    name; they are told apart by their order."""

    name, label, order = "rules", "Rules", 6
    fields = {"name": str, "when": dict, "then": list, "stop": bool, "active": bool}

    def __init__(self) -> None:
        self.place = 0
        self.done: set[int] = set()

    @cached_property
    def ids(self) -> dict[str, dict[Any, Any]]:
        """Of what rules refer to, by its name; all of it is kept before the first rule."""
        return {kind: {name: key for key, name in _names(kind).items()} for kind in _REFERS}

    @classmethod
    def keys(cls, items: Iterable[Item]) -> list[str]:
        seen: Counter[str] = Counter()
        found = []
        for key in super().keys(items):
            seen[key] += 1
            found.append(key if seen[key] == 1 else f"{key} ({seen[key]})")
        return found

    def items(self) -> list[dict[str, Any]]:
        named = {kind: _names(kind) for kind in _REFERS}
        return [_renamed(rule.as_setting(), named, strict=False) for rule in Rule.objects.order_by("position", "id")]

    def said(self, item: Item) -> Item:
        return _renamed(item, self.ids, strict=False)

    def keep(self, item: Item, by: Agent | None) -> bool:
        alike = Rule.objects.filter(name=item["name"]).exclude(pk__in=self.done).order_by("position", "id")
        rule = alike.first() or Rule()
        given = _whole({**rule.as_setting(), **_renamed(item, self.ids)})
        done = rule._state.adding or given != _whole(rule.as_setting())
        if done:
            rule.rewrite(by, _("From a configuration file"), **given)
        order = list(Rule.objects.order_by("position", "id").values_list("pk", flat=True))
        if order.index(rule.pk) != self.place:
            rule.move_to(self.place, by)
            done = True
        self.place += 1
        self.done.add(rule.pk)
        return done


_REFERS: Mapping[str, Callable[[], Iterable[tuple[int, str]]]] = {
    "team": lambda: Team.objects.values_list("pk", "name"),
    "agent": lambda: Agent.objects.values_list("pk", "email"),
    "channel": lambda: Channel.objects.values_list("pk", "name"),
    "topic": lambda: Topic.objects.values_list("pk", "name"),
    "theme": lambda: ((each.pk, f"{each.topic.name}: {each.name}") for each in Theme.objects.select_related("topic")),
}


def _names(kind: str) -> dict[Any, Any]:
    return dict(_REFERS[kind]())


def _whole(rule: Item) -> dict[str, Any]:
    """As the editor writes it; RuleError when it cannot be read."""
    then = [{"do": action.name, **action.values()} for action in read_actions(rule["then"])]
    return {**rule, "when": read_tree(rule["when"]).data(), "then": then}


def _renamed(rule: Item, named: Mapping[str, Mapping[Any, Any]], *, strict: bool = True) -> dict[str, Any]:
    """The rule with what it refers to under other names: ids become names, or names ids. What has no other name is
    Unfit, or stays when not `strict`."""
    return {**rule, **{part: _walk(rule[part], named, strict) for part in ("when", "then") if part in rule}}


def _walk(data: Any, named: Mapping[str, Mapping[Any, Any]], strict: bool) -> Any:
    if isinstance(data, list):
        return [_walk(each, named, strict) for each in data]
    if not isinstance(data, dict):
        return data
    kinds: Mapping[str, Any] = Condition.kinds() if "is" in data else Action.kinds() if "do" in data else {}
    kind = kinds.get(str(data.get("is", data.get("do"))))
    refers = {each.name: each.kind for each in kind.fields if each.kind in named} if kind else {}
    return {
        name: _other(value, named[refers[name]], refers[name] if strict else "")
        if name in refers
        else _walk(value, named, strict)
        for name, value in data.items()
    }


def _other(value: Any, named: Mapping[Any, Any], missed: str) -> Any:
    if isinstance(value, list):
        return [_other(each, named, missed) for each in value]
    if isinstance(value, str | int):
        for key in (value, int(value) if isinstance(value, str) and is_number(value) else value):
            if key in named:
                return named[key]
    if not missed:
        return value
    raise Unfit(_("There is no %(kind)s “%(name)s”.") % {"kind": missed, "name": value})

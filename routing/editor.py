"""The rule editor without any network or page: a form's names to the tree of a rule and back, with one edit at a time
(add, group, remove), so that it works without script."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from routing.actions import Action
from routing.conditions import Condition
from routing.fields import Field
from socialcare.pages import is_number

ROOT, MANY = "w", frozenset({"choice", "network", "channel", "topic", "theme"})
OTHERS = frozenset({"topic", "theme"})  # chosen ones that the reader may not know stay chosen
DEEPEST = 3  # groups within each other that the page offers
HOWS = ("all", "any", "none")


@dataclass
class Group:
    how: str = "all"
    parts: list[Group | Leaf] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        return {self.how: [part.data() for part in self.parts]}


@dataclass
class Leaf:
    kind: str
    values: dict[str, Any] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        return {"is": self.kind, **self.values}


@dataclass
class Step:
    """An action as typed."""

    kind: str
    values: dict[str, Any] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        return {"do": self.kind, **self.values}


@dataclass
class Draft:
    """A rule as it stands in the form, perhaps not whole yet."""

    name: str = ""
    when: Group = field(default_factory=Group)
    then: list[Step] = field(default_factory=list)
    stop: bool = True
    active: bool = True
    why: str = ""
    version: int = 0

    def edit(self, verb: str, given: Mapping[str, str]) -> None:
        """`add:<path>` takes the kind from `<path>.new`; `group:<path>`, `remove:<path>`; `add-action` takes it from
        `a.new`; `remove-action:<n>`. What names nothing that is there changes nothing."""
        name, _, path = verb.partition(":")
        if name == "add-action" and given.get("a.new") in Action.kinds():
            self.then.append(Step(given["a.new"]))
        elif name == "remove-action" and is_number(path) and int(path) < len(self.then):
            del self.then[int(path)]
        elif name == "remove":
            parent, index = _parent(self.when, path)
            if parent and index < len(parent.parts):
                del parent.parts[index]
        elif name in {"add", "group"} and (group := _group_at(self.when, path)):
            kind = given.get(f"{path}.new", "")
            if name == "group" and path.count(".") < DEEPEST - 1:
                group.parts.append(Group("any"))
            elif name == "add" and kind in Condition.kinds():
                group.parts.append(Leaf(kind))


def _indexes(path: str) -> list[int]:
    return [int(part) for part in path.split(".")[1:] if is_number(part)]


def _group_at(root: Group, path: str) -> Group | None:
    place: Group | Leaf = root
    for index in _indexes(path):
        if not isinstance(place, Group) or index >= len(place.parts):
            return None
        place = place.parts[index]
    return place if isinstance(place, Group) else None


def _parent(root: Group, path: str) -> tuple[Group | None, int]:
    above, _, last = path.rpartition(".")
    return (_group_at(root, above), int(last)) if above and is_number(last) else (None, 0)


def posted(form: QueryDict) -> Draft:
    """The draft of a posted form."""
    version = form.get("version", "")
    return Draft(
        name=form.get("name", "").strip()[:80],
        when=_posted_group(form, ROOT, 1),
        then=[_posted_step(form, f"a.{index}") for index in _children(form, "a")],
        stop=form.get("stop") != "no",
        active=form.get("active") == "yes",
        why=form.get("why", "").strip(),
        version=int(version) if is_number(version) else 0,
    )


def _children(form: QueryDict, path: str) -> list[int]:
    found = re.compile(rf"{re.escape(path)}\.(\d{{1,3}})\.")
    return sorted({int(match[1]) for name in form if (match := found.match(name))})


def _posted_group(form: QueryDict, path: str, depth: int) -> Group:
    how = form.get(f"{path}.how", "all")
    group = Group(how if how in HOWS else "all")
    for index in _children(form, path):
        below = f"{path}.{index}"
        if kind := form.get(f"{below}.is"):
            if kind in Condition.kinds():
                group.parts.append(Leaf(kind, _posted_values(form, below, Condition.named(kind).fields)))
        elif depth < DEEPEST + 2:
            group.parts.append(_posted_group(form, below, depth + 1))
    return group


def _posted_step(form: QueryDict, path: str) -> Step:
    kind = form.get(f"{path}.do", "")
    fields = Action.named(kind).fields if kind in Action.kinds() else ()
    return Step(kind, _posted_values(form, path, fields))


def _posted_values(form: QueryDict, path: str, fields: Sequence[Field]) -> dict[str, Any]:
    return {
        each.name: form.getlist(f"{path}.f.{each.name}") if each.kind in MANY else form.get(f"{path}.f.{each.name}", "")
        for each in fields
    }


def stored(
    name: str, when: dict[str, Any], then: list[dict[str, Any]], *, stop: bool, active: bool, version: int
) -> Draft:
    """The draft of what is stored, as far as it can be read."""
    steps = [Step(str(item.get("do")), {key: value for key, value in item.items() if key != "do"}) for item in then]
    root = _stored(when)
    if isinstance(root, Leaf):
        root = Group("all", [root])
    return Draft(name, root or Group(), steps, stop, active, version=version)


def _stored(data: Any) -> Group | Leaf | None:
    if not isinstance(data, dict):
        return None
    for how in HOWS:
        if isinstance(data.get(how), list):
            return Group(how, [part for each in data[how] if (part := _stored(each))])
    return (
        Leaf(str(data.get("is")), {key: value for key, value in data.items() if key != "is"}) if "is" in data else None
    )


@dataclass(frozen=True)
class Choices:
    """What the fields that name something offer: (value, label) by kind of field."""

    by_kind: Mapping[str, Sequence[tuple[str, str]]]

    def names(self) -> dict[str, str]:
        """Names by `kind:id`, for sentences."""
        return {f"{kind}:{value}": label for kind, pairs in self.by_kind.items() for value, label in pairs}


def shown_group(group: Group, choices: Choices, path: str = ROOT, depth: int = 1) -> dict[str, Any]:
    """What the template draws."""
    parts = []
    for index, part in enumerate(group.parts):
        below = f"{path}.{index}"
        if isinstance(part, Group):
            parts.append(shown_group(part, choices, below, depth + 1))
        else:
            parts.append(_shown_line(below, "is", part.kind, part.values, Condition.kinds(), choices))
    return {"path": path, "how": group.how, "parts": parts, "can_group": depth < DEEPEST, "inner": depth > 1}


def shown_steps(steps: Sequence[Step], choices: Choices) -> list[dict[str, Any]]:
    return [
        {**_shown_line(f"a.{index}", "do", step.kind, step.values, Action.kinds(), choices), "index": index}
        for index, step in enumerate(steps)
    ]


def _shown_line(
    path: str, key: str, name: str, values: Mapping[str, Any], kinds: Mapping[str, Any], choices: Choices
) -> dict[str, Any]:
    kind = kinds.get(name)
    fields = [_shown_field(path, each, values.get(each.name), choices) for each in kind.fields] if kind else []
    label = kind.label if kind else f"“{name}” is not known any more"
    return {"path": path, "key": f"{path}.{key}", "kind": name, "label": label, "fields": fields, "leaf": True}


def _shown_field(path: str, each: Field, value: Any, choices: Choices) -> dict[str, Any]:
    pairs = each.choices or choices.by_kind.get(each.kind, ())
    chosen = {str(one) for one in value} if isinstance(value, list | tuple) else {str(value)}
    if each.kind in OTHERS:
        unknown = sorted(chosen - {one for one, _label in pairs} - {"", "None"})
        pairs = [*pairs, *((one, "of another team, or gone") for one in unknown)]
    text = (
        ", ".join(str(one) for one in value) if isinstance(value, list | tuple) else "" if value is None else str(value)
    )
    return {
        "name": f"{path}.f.{each.name}",
        "label": each.label,
        "hint": each.hint,
        "control": "many" if each.kind in MANY else "one" if each.kind in {"team", "agent"} else each.kind,
        "value": text,
        "options": [{"value": one, "label": label, "chosen": str(one) in chosen} for one, label in pairs],
    }

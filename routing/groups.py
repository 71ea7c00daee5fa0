"""The tree of a rule: groups (all of, any of, none of) over conditions, read from and written to plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from routing.conditions import Condition, Need, Post
from routing.fields import RuleError

DEEPEST = 5
MOST = 60
_JOINTS = {"all": " and ", "any": " or ", "none": " or "}


@dataclass(frozen=True)
class Group:
    """`how` is all, any or none."""

    how: str
    parts: tuple[Group | Condition, ...]

    def test(self, post: Post) -> bool:
        stops = self.how != "all"  # the first answer that decides; a generator would cost as much as the conditions
        for part in self.parts:
            if part.test(post) is stops:
                return self.how == "any"
        return self.how != "any"

    def need(self) -> Need | None:
        """All needs its cheapest child to wait for, any needs one of every child's needs, none needs nothing."""
        needs = [part.need() for part in self.parts]
        if self.how == "all":
            known = [need for need in needs if need is not None]
            return min(known, key=_commonness, default=None)
        if self.how == "none" or any(need is None for need in needs):
            return None
        return frozenset(token for need in needs for token in need or ())

    def decides(self) -> bool:
        alone = len(self.parts) == 1 or self.how == "any"
        return alone and self.how != "none" and all(part.decides() for part in self.parts)

    def leaves(self) -> Iterator[Condition]:
        for part in self.parts:
            if isinstance(part, Group):
                yield from part.leaves()
            else:
                yield part

    def sentence(self, names: dict[str, str]) -> str:
        said = [
            f"({part.sentence(names)})" if isinstance(part, Group) and part.runs_on() else part.sentence(names)
            for part in self.parts
        ]
        text = _JOINTS[self.how].join(said)
        return f"it is not so that {text}" if self.how == "none" else text

    def runs_on(self) -> bool:
        """Whether its sentence, beside another part, would read on into that one: “not so that a or b”."""
        return len(self.parts) > 1 or self.how == "none"

    def data(self) -> dict[str, Any]:
        return {self.how: [_data(part) for part in self.parts]}


def _commonness(need: Need) -> tuple[bool, int]:
    """Words are rarer than facts such as the network, few words rarer than many."""
    return any(token[0] != "word" for token in need), len(need)


def _data(part: Group | Condition) -> dict[str, Any]:
    return part.data() if isinstance(part, Group) else {"is": part.name, **part.values()}


def read_tree(data: Any) -> Group:
    """The tree of stored or posted data; RuleError with words for the person who wrote it."""
    tree = _read(data, 1)
    if not isinstance(tree, Group):
        tree = Group("all", (tree,))
    if sum(1 for _ in tree.leaves()) > MOST:
        raise RuleError(f"A rule holds at most {MOST} conditions.")
    return tree


def _read(data: Any, depth: int) -> Group | Condition:
    if not isinstance(data, dict):
        raise RuleError("A condition or a group of conditions is needed.")
    if depth > DEEPEST:
        raise RuleError(f"Groups nest at most {DEEPEST} deep.")
    for how in ("all", "any", "none"):
        if how in data:
            parts = data[how]
            if not isinstance(parts, list) or not parts:
                raise RuleError("A group needs at least one condition.")
            return Group(how, tuple(_read(part, depth + 1) for part in parts))
    kind = Condition.kinds().get(str(data.get("is")))
    if kind is None:
        raise RuleError(f"There is no condition called “{data.get('is')}”.")
    return kind.read(data)

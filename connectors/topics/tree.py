"""A topic's query as a tree. `str()` of a tree is a query that reads back as the same tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

NUMBERS: dict[str, Callable[[int, int], bool]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
}
_BARE = re.compile(r"[^\s()\"“”„«»:]+")
OPERATORS = re.compile(r"(?:and|or|not|near(?:/.*)?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Word:
    """One word; `*` stands for any letters, `?` for one. With a mark (#tag, @name) only what carries the mark."""

    text: str

    def __str__(self) -> str:
        bare = _BARE.fullmatch(self.text) and not OPERATORS.fullmatch(self.text) and not self.text.startswith("-")
        return self.text if bare else f'"{self.text}"'


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words side by side, in this order."""

    text: str

    def __str__(self) -> str:
        return f'"{self.text}"'


@dataclass(frozen=True, slots=True)
class Near:
    """Two things with at most `distance` steps from the end of one to the beginning of the other, in either order;
    neighbours are one step apart. `left` and `right`: words, phrases, or several of them joined by OR."""

    left: Tree
    right: Tree
    distance: int

    def __str__(self) -> str:
        return f"{_inside(self.left)} NEAR/{self.distance} {_inside(self.right)}"


@dataclass(frozen=True, slots=True)
class Field:
    """A fact of the post. `value` is text, and a number for `followers`, of which `sign` is the comparison."""

    name: str
    value: str | int
    sign: str = ""

    def __str__(self) -> str:
        if isinstance(self.value, int):
            return f"{self.name}:{self.sign}{self.value}"
        return f"{self.name}:{self.value}" if _BARE.fullmatch(self.value) else f'{self.name}:"{self.value}"'


@dataclass(frozen=True, slots=True)
class Not:
    what: Tree

    def __str__(self) -> str:
        return f"NOT {_inside(self.what)}"


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Tree, ...]

    def __str__(self) -> str:
        return " ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Tree, ...]

    def __str__(self) -> str:
        return " OR ".join(map(str, self.parts))


type Tree = Word | Phrase | Near | Field | Not | And | Or
type Leaf = Word | Phrase | Near | Field


def _inside(tree: Tree) -> str:
    return f"({tree})" if isinstance(tree, And | Or | Near) else str(tree)


def all_of(parts: list[Tree]) -> Tree:
    """One tree of the parts; a part that is itself such a tree is taken apart."""
    return _joined(And, parts)


def any_of(parts: list[Tree]) -> Tree:
    return _joined(Or, parts)


def _joined(kind: Any, parts: list[Tree]) -> Tree:
    flat = [each for part in parts for each in (part.parts if isinstance(part, kind) else (part,))]
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def negated(tree: Tree) -> Tree:
    """NOT; twice is not at all."""
    return tree.what if isinstance(tree, Not) else Not(tree)


def leaves(tree: Tree) -> Iterator[Leaf]:
    """The leaves, those inside NEAR not counted apart."""
    if isinstance(tree, Not):
        yield from leaves(tree.what)
    elif isinstance(tree, And | Or):
        for part in tree.parts:
            yield from leaves(part)
    else:
        yield tree


def spoken(tree: Tree) -> Iterator[Word | Phrase]:
    """Every word and phrase of the tree, also those inside NEAR."""
    for leaf in leaves(tree):
        if isinstance(leaf, Near):
            yield from spoken(leaf.left)
            yield from spoken(leaf.right)
        elif isinstance(leaf, Word | Phrase):
            yield leaf


def looks_for_something(tree: Tree) -> bool:
    """Whether a post must have something to match; “NOT x” alone is met by nearly everything."""
    if isinstance(tree, Not):
        return False
    if isinstance(tree, And):
        return any(map(looks_for_something, tree.parts))
    return not isinstance(tree, Or) or all(map(looks_for_something, tree.parts))

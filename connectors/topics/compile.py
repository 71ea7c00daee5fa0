"""A query in the words of a network's own search. A network understands less than we do: what it cannot be asked is
left out, so that it finds too much rather than too little, and what comes is compared with the whole query here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import field as member
from decimal import Decimal
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from connectors.topics.tree import (
    OPERATORS,
    And,
    Field,
    Near,
    Not,
    Or,
    Phrase,
    Tree,
    Word,
    all_of,
    any_of,
    negated,
)

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

MOST = 8
"""Searches one query may become on a network without OR."""
WILD = frozenset("*?")


@dataclass(frozen=True, slots=True)
class Native:
    """What a network is asked: one search a text. `exact`: it finds nothing but what the query says. `filtered`:
    parts of the query that only we compare. `lost`: alternatives it is not asked for, so that not all is found.
    `theirs`: parts it answers by what it knows itself, which may be less than we do."""

    texts: tuple[str, ...]
    exact: bool
    filtered: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    theirs: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return " · ".join(self.texts)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a network writes a query. `field` gives the text of a fact, or "" when it cannot be asked; `joined` is its OR
    with spaces, "" when it has none; `minus` stands before what must not occur, "" when nothing can be left out;
    `loose`: it also finds other forms of a word, so that no answer is exact; `longest`: characters of one search;
    `theirs`: facts that it may know otherwise than we do; `price`: what a post found with its author costs, in the
    network's currency; `quotes`: words in quotes are one phrase there; `signs`: #tag and @name are words there, and no
    place or person to search in; `shortest`: letters of a word that may be asked for; `covers`: in words, in what it
    searches where that is not all of the network."""

    field: Callable[[Field], str] = lambda _: ""
    joined: str = ""
    minus: str = ""
    loose: bool = False
    longest: int = 500
    theirs: frozenset[str] = frozenset({"lang"})
    price: Decimal = Decimal(0)
    quotes: bool = True
    signs: bool = True
    shortest: int = 1
    covers: StrPromise | str = member(default="", compare=False)

    def write(self, tree: Tree) -> str:
        if isinstance(tree, And):
            return " ".join(self._grouped(part, Or) for part in tree.parts)
        if isinstance(tree, Or):
            return self.joined.join(self._grouped(part, And) for part in tree.parts)
        if isinstance(tree, Not):
            return f"{self.minus}{self.write(tree.what)}"
        if isinstance(tree, Field):
            return self.field(tree)
        assert isinstance(tree, Word | Phrase)  # noqa: S101  relaxed trees hold no NEAR
        bare = isinstance(tree, Word) and tree.text.lstrip("#@").isalnum() and not OPERATORS.fullmatch(tree.text)
        text = tree.text if self.signs else tree.text.lstrip("#@") or tree.text
        return text if bare or not self.quotes else f'"{text}"'

    def takes(self, word: str) -> bool:
        return WILD.isdisjoint(word) and len(word.lstrip("#@")) >= self.shortest

    def _grouped(self, part: Tree, kind: type[And | Or]) -> str:
        return f"({self.write(part)})" if isinstance(part, kind) else self.write(part)


@lru_cache(maxsize=4_000)
def compiled(tree: Tree, dialect: Dialect) -> Native | None:
    """What to ask for the query; None when the network cannot be asked for any part of it that has to be there."""
    relaxing = _Relaxing(dialect)
    found = relaxing.relaxed(_inward(tree))
    if found is None or not _asks(found):
        return None
    texts, left_out, lost = _texts(found, dialect)
    if not texts:
        return None
    filtered = tuple(dict.fromkeys((*relaxing.filtered, *left_out)))
    theirs = tuple(dict.fromkeys(map(str, _fields(found, dialect.theirs))))
    return Native(texts, not filtered and not lost and not dialect.loose, filtered, lost, theirs)


def _fields(tree: Tree, names: frozenset[str]) -> Iterator[Field]:
    if isinstance(tree, Not):
        yield from _fields(tree.what, names)
    elif isinstance(tree, And | Or):
        for part in tree.parts:
            yield from _fields(part, names)
    elif isinstance(tree, Field) and tree.name in names:
        yield tree


def _asks(tree: Tree) -> bool:
    """Whether it holds a word: a search for nothing but a language is no search."""
    if isinstance(tree, Not):
        return False
    if isinstance(tree, And):
        return any(map(_asks, tree.parts))
    if isinstance(tree, Or):
        return all(map(_asks, tree.parts))
    return not isinstance(tree, Field) or tree.name == "author"


def _inward(tree: Tree, turned: bool = False) -> Tree:
    """The same query with NOT before leaves only."""
    if isinstance(tree, Not):
        return _inward(tree.what, not turned)
    if isinstance(tree, And | Or):
        join = all_of if isinstance(tree, And) is not turned else any_of
        return join([_inward(part, turned) for part in tree.parts])
    return negated(tree) if turned else tree


class _Relaxing:
    """Takes out what the network cannot be asked; notes each such part."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.filtered: list[str] = []

    def relaxed(self, tree: Tree) -> Tree | None:
        """A query that matches at least what `tree` does; None when that is everything."""
        if isinstance(tree, And):
            kept = [part for each in tree.parts if (part := self.relaxed(each)) is not None]
            return all_of(kept) if kept else None
        if isinstance(tree, Or):
            parts = [self.relaxed(each) for each in tree.parts]
            kept = [part for part in parts if part is not None]
            return any_of(kept) if len(kept) == len(parts) else None
        asked = self._leaf(tree.what, negative=True) if isinstance(tree, Not) else self._leaf(tree, negative=False)
        if asked is None or asked != tree:
            self.filtered.append(str(tree))
        return asked

    def _leaf(self, leaf: Tree, *, negative: bool) -> Tree | None:
        if negative:
            whole = self._positive(leaf)
            return Not(leaf) if self.dialect.minus and not self.dialect.loose and whole == leaf else None
        return self._positive(leaf)

    def _positive(self, leaf: Tree) -> Tree | None:
        if isinstance(leaf, Field):
            return leaf if self.dialect.field(leaf) else None
        if isinstance(leaf, Near):
            both = [part for each in (leaf.left, leaf.right) if (part := self.relaxed_quietly(each)) is not None]
            return all_of(both) if both else None
        if isinstance(leaf, Word | Phrase) and self.dialect.takes(leaf.text):
            return leaf
        split = leaf.text.split() if isinstance(leaf, Phrase) else []
        words = [Word(word) for word in split if self.dialect.takes(word)]
        return all_of(list(words)) if words else None

    def relaxed_quietly(self, tree: Tree) -> Tree | None:
        """A side of NEAR: NEAR as a whole is noted already."""
        kept, self.filtered = self.filtered, []
        try:
            return self.relaxed(tree)
        finally:
            self.filtered = kept


def _texts(tree: Tree, dialect: Dialect) -> tuple[tuple[str, ...], list[str], tuple[str, ...]]:
    """The searches, the parts that were left out to make them possible, and the alternatives there was no room for."""
    if dialect.joined and len(whole := dialect.write(tree)) <= dialect.longest:
        return (whole,), [], ()
    left_out: list[str] = []
    ways = _ways(tree, left_out)
    fitting: list[str] = []
    lost = []
    for way in ways:
        text = dialect.write(_shortened(way, dialect, left_out))
        if len(text) > dialect.longest or (text not in fitting and len(fitting) == MOST):
            lost.append(str(way))
        elif text not in fitting:
            fitting.append(text)
    return tuple(fitting), left_out, tuple(lost)


def _ways(tree: Tree, left_out: list[str]) -> list[Tree]:
    """Queries without OR that together find at least the same; of an AND with many alternatives in several parts only
    the part with the fewest is asked for."""
    if isinstance(tree, Or):
        return [way for part in tree.parts for way in _ways(part, left_out)]
    if not isinstance(tree, And):
        return [tree]
    split = [_ways(part, left_out) for part in tree.parts]
    while _product(split) > MOST and sum(len(ways) > 1 for ways in split) > 1:
        widest = max(range(len(split)), key=lambda at: len(split[at]))
        left_out.append(str(tree.parts[widest]) if len(split) == len(tree.parts) else str(any_of(split[widest])))
        split.pop(widest)
    return [all_of(list(way)) for way in product(*split)]


def _product(split: list[list[Tree]]) -> int:
    size = 1
    for ways in split:
        size *= len(ways)
    return size


def _shortened(way: Tree, dialect: Dialect, left_out: list[str]) -> Tree:
    """The way without what must not occur and without its last words, as far as one search has no room for them."""
    while isinstance(way, And) and len(dialect.write(way)) > dialect.longest:
        drop = next((part for part in reversed(way.parts) if isinstance(part, Not)), way.parts[-1])
        left_out.append(str(drop))
        way = all_of([part for part in way.parts if part is not drop])
    return way

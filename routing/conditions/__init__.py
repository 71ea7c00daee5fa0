"""Every kind of condition, one class each, in the modules of this package: its form, its sentence, its test, and what
must occur in a post for it to be worth testing. Adding a condition is adding a class (docs/adding-a-condition.md)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, ClassVar, NamedTuple, Self

from inbox.arrival import Facts
from routing.fields import Field
from routing.words import normalise
from socialcare.kinds import Kind

Need = frozenset[tuple[str, Any]]
"""Tokens of which at least one must be present: ("word", pattern) or (fact's name, value). None: nothing is needed."""


class Post(NamedTuple):
    """A post as conditions see it: its facts, its normalised text and the words of the rule set that stand in it."""

    facts: Facts
    text: str
    found: frozenset[str] | set[str]

    @classmethod
    def of(cls, facts: Facts, finder: Any) -> Post:
        text = normalise(facts.text)
        return cls(facts, text, finder.found(text))


class Condition(Kind, scan="routing.conditions"):
    """A leaf of a rule. `fields` describe its form; `read` makes it from stored or posted values or raises
    RuleError."""

    fields: ClassVar[tuple[Field, ...]] = ()

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        raise NotImplementedError

    def values(self) -> dict[str, Any]:
        """What is stored; `read` of it gives the same condition."""
        raise NotImplementedError

    def sentence(self, names: dict[str, str]) -> str:
        """Reads on after “when”. `names` has the names of channels and networks by `kind:id`."""
        raise NotImplementedError

    def test(self, post: Post) -> bool:
        raise NotImplementedError

    def need(self) -> Need | None:
        return None

    def decides(self) -> bool:
        """Whether a post that has one of the needed tokens matches for that alone, and need not be tested."""
        return False

    def words(self) -> AbstractSet[str]:
        """Patterns the word finder must know."""
        return frozenset()

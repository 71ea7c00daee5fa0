"""Conditions on what is said."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import re2

from routing.conditions import Condition, Need, Post
from routing.fields import Field, RuleError, quoted, words_of
from routing.words import pattern


@dataclass(frozen=True)
class _Words(Condition):
    chosen: tuple[str, ...]

    fields = (Field("words", "Words or phrases", "words", "refund, money back, invoice*"),)

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        chosen = words_of(values.get("words"), cls.label)
        if lost := [word for word in chosen if not pattern(word)]:
            raise RuleError(f"{cls.label}: “{lost[0]}” has no letters or digits to look for.")
        return cls(chosen)

    def values(self) -> dict[str, Any]:
        return {"words": list(self.chosen)}

    @cached_property
    def _patterns(self) -> frozenset[str]:
        return frozenset(map(pattern, self.chosen))

    def words(self) -> AbstractSet[str]:
        return self._patterns


class _AnyWords(_Words):
    """Registers nothing."""

    def test(self, post: Post) -> bool:
        return not self._patterns.isdisjoint(post.found)

    def need(self) -> Need:
        return frozenset(("word", word) for word in self.words())

    def decides(self) -> bool:
        return True


class TextContainsAny(_AnyWords):
    name = "text_any"
    label = "Text contains any of"

    def sentence(self, names: dict[str, str]) -> str:
        return f"the text contains {quoted(self.chosen, 'or')}"


class TextContainsAll(_Words):
    name = "text_all"
    label = "Text contains all of"

    def sentence(self, names: dict[str, str]) -> str:
        return f"the text contains {quoted(self.chosen, 'and')}"

    def test(self, post: Post) -> bool:
        return self._patterns <= post.found

    def need(self) -> Need:
        return frozenset({("word", max(self.words(), key=len))})


class TextContainsPhrase(_AnyWords):
    name = "text_phrase"
    label = "Text contains the phrase"
    fields = (Field("words", "Phrase", "text", "still waiting for my parcel"),)

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        given = values.get("words")
        return super().read({"words": [given] if isinstance(given, str) else given})

    def sentence(self, names: dict[str, str]) -> str:
        return f"the text contains the phrase {quoted(self.chosen, 'or')}"


_OPTIONS = re2.Options()
_OPTIONS.max_mem = 8 << 20
_OPTIONS.case_sensitive = False
_OPTIONS.log_errors = False


@dataclass(frozen=True)
class TextMatchesPattern(Condition):
    """A regular expression in RE2, which has no slow cases; at most 500 characters."""

    name = "text_pattern"
    label = "Text matches the pattern"
    fields = (Field("pattern", "Pattern", "text", r"order\s+\d{6}"),)
    given: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", re2.compile(self.given, _OPTIONS))

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        given = str(values.get("pattern") or "")
        if not given or len(given) > 500:
            raise RuleError(f"{cls.label}: a pattern of 1 to 500 characters is needed.")
        try:
            return cls(given)
        except re2.error as error:
            words = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
            raise RuleError(f"{cls.label}: {words}.") from error

    def values(self) -> dict[str, Any]:
        return {"pattern": self.given}

    def sentence(self, names: dict[str, str]) -> str:
        return f"the text matches /{self.given}/"

    def test(self, post: Post) -> bool:
        compiled: Any = self._compiled  # type: ignore[attr-defined]
        return compiled.search(post.facts.text[:20_000]) is not None

"""Every kind of condition, one class each: its form, its sentence, its test, and what must occur in a post for it to
be worth testing. Adding a condition is adding a class here (see docs/adding-a-condition.md)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self

import re2

from inbox.arrival import Facts
from routing.fields import Field, RuleError, number_of, quoted, words_of
from routing.words import normalise, pattern
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


class TextContainsAny(_Words):
    name = "text_any"
    label = "Text contains any of"

    def sentence(self, names: dict[str, str]) -> str:
        return f"the text contains {quoted(self.chosen, 'or')}"

    def test(self, post: Post) -> bool:
        return not self._patterns.isdisjoint(post.found)

    def need(self) -> Need:
        return frozenset(("word", word) for word in self.words())

    def decides(self) -> bool:
        return True


class TextContainsAll(_Words):
    name = "text_all"
    label = "Text contains all of"

    def sentence(self, names: dict[str, str]) -> str:
        return f"the text contains {quoted(self.chosen, 'and')}"

    def test(self, post: Post) -> bool:
        return self._patterns <= post.found

    def need(self) -> Need:
        return frozenset({("word", max(self.words(), key=len))})


class TextContainsPhrase(_Words):
    name = "text_phrase"
    label = "Text contains the phrase"
    fields = (Field("words", "Phrase", "text", "still waiting for my parcel"),)

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        given = values.get("words")
        return super().read({"words": [given] if isinstance(given, str) else given})

    def sentence(self, names: dict[str, str]) -> str:
        return f"the text contains the phrase {quoted(self.chosen, 'or')}"

    def test(self, post: Post) -> bool:
        return not self._patterns.isdisjoint(post.found)

    def need(self) -> Need:
        return frozenset(("word", word) for word in self.words())

    def decides(self) -> bool:
        return True


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


@dataclass(frozen=True)
class _OneOf(Condition):
    """The fact is one of the chosen values; `fact` names it, `says` begins its sentence."""

    chosen: tuple[str, ...]
    fact: ClassVar[str]
    says: ClassVar[str]

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        return cls(words_of(values.get(cls.fields[0].name), cls.label))

    def values(self) -> dict[str, Any]:
        return {self.fields[0].name: list(self.chosen)}

    def sentence(self, names: dict[str, str]) -> str:
        labels = dict(self.fields[0].choices)
        kind = self.fields[0].kind
        shown = tuple(names.get(f"{kind}:{value}") or labels.get(value, value) for value in self.chosen)
        return f"{self.says} {quoted(shown, 'or')}"

    def test(self, post: Post) -> bool:
        return str(getattr(post.facts, self.fact)).casefold() in self._folded

    @cached_property
    def _folded(self) -> frozenset[str]:
        return frozenset(value.casefold() for value in self.chosen)

    def need(self) -> Need | None:
        return frozenset((self.fact, value.casefold()) for value in self.chosen)


class NetworkIs(_OneOf):
    name = "network"
    label = "Network is"
    fact, says = "network", "the network is"
    fields = (Field("networks", "Networks", "network"),)


class ChannelIs(_OneOf):
    name = "channel"
    label = "Channel is"
    fact, says = "channel_id", "the channel is"
    fields = (Field("channels", "Channels", "channel"),)


class LanguageIs(_OneOf):
    name = "language"
    label = "Language is"
    fact, says = "language", "the language is"
    fields = (Field("languages", "Language codes", "words", "de, fr"),)


class KindIs(_OneOf):
    name = "kind"
    label = "Kind of mention is"
    fact, says = "kind", "it is a"
    fields = (
        Field(
            "kinds",
            "Kinds",
            "choice",
            choices=(
                ("mention", "mention"),
                ("reply", "reply"),
                ("quote", "quote"),
                ("comment", "comment"),
                ("direct", "private message"),
                ("review", "review"),
                ("article", "article"),
                ("mail", "mail"),
                ("result", "search result"),
            ),
        ),
    )


class VisibilityIs(_OneOf):
    name = "visibility"
    label = "Visibility is"
    fact, says = "visibility", "it is"
    fields = (
        Field(
            "visibilities",
            "Visibility",
            "choice",
            choices=(
                ("public", "public"),
                ("unlisted", "unlisted"),
                ("followers", "for followers"),
                ("direct", "private"),
            ),
        ),
    )


@dataclass(frozen=True)
class AnyOfFound(_OneOf):
    """One of the chosen ids is among those of topics or themes that found the post. What is the matter of another team
    is not named."""

    def sentence(self, names: dict[str, str]) -> str:
        kind = self.fields[0].kind
        known = tuple(names[f"{kind}:{value}"] for value in self.chosen if f"{kind}:{value}" in names)
        others = len(self.chosen) - len(known)
        said = [quoted(known, "or")] if known else []
        return f"{self.says} {' or '.join([*said, *(['one of another team'] if others else [])])}"

    def test(self, post: Post) -> bool:
        return not self._folded.isdisjoint(map(str, getattr(post.facts, self.fact)))


class TopicIs(AnyOfFound):
    name = "topic"
    label = "Topic is"
    fact, says = "topics", "it was found by the topic"
    fields = (Field("topics", "Topics", "topic"),)


class ThemeIs(AnyOfFound):
    name = "theme"
    label = "Theme is"
    fact, says = "themes", "its theme is"
    fields = (Field("themes", "Themes", "theme"),)


@dataclass(frozen=True)
class AuthorIs(Condition):
    """Handles with or without @ and host; `@carla` matches carla on every server."""

    name = "author"
    label = "Author is"
    fields = (Field("handles", "Handles", "words", "@carla, @press@example.social"),)
    chosen: tuple[str, ...]

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        return cls(words_of(values.get("handles"), cls.label))

    def values(self) -> dict[str, Any]:
        return {"handles": list(self.chosen)}

    def sentence(self, names: dict[str, str]) -> str:
        return f"the author is {quoted(self.chosen, 'or')}"

    def test(self, post: Post) -> bool:
        handle = post.facts.author_handle.casefold().lstrip("@")
        return handle in self._wanted or handle.split("@")[0] in self._wanted

    @cached_property
    def _wanted(self) -> frozenset[str]:
        return frozenset(value.casefold().lstrip("@") for value in self.chosen)


@dataclass(frozen=True)
class FollowersOver(Condition):
    """Unknown counts as not over."""

    name = "followers_over"
    label = "Author has more followers than"
    fields = (Field("followers", "Followers", "number", "10000"),)
    least: int

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        return cls(number_of(values.get("followers"), cls.label, 0, 1_000_000_000))

    def values(self) -> dict[str, Any]:
        return {"followers": self.least}

    def sentence(self, names: dict[str, str]) -> str:
        return f"the author has more than {self.least:,} followers"

    def test(self, post: Post) -> bool:
        return post.facts.followers is not None and post.facts.followers > self.least


@dataclass(frozen=True)
class RatingAtMost(Condition):
    name = "rating_at_most"
    label = "Rating is at most"
    fields = (Field("stars", "Stars", "number", "2"),)
    stars: int

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        return cls(number_of(values.get("stars"), cls.label, 1, 5))

    def values(self) -> dict[str, Any]:
        return {"stars": self.stars}

    def sentence(self, names: dict[str, str]) -> str:
        return f"the rating is at most {self.stars}"

    def test(self, post: Post) -> bool:
        return post.facts.rating is not None and post.facts.rating <= self.stars

"""Conditions on where and by whom it is said, and on what was found of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

from routing.conditions import Condition, Need, Post
from routing.fields import Field, number_of, quoted, words_of


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

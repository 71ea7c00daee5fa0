"""Words of queries against words of posts: the normal form is that of rules, read as a row of tokens, so that
neighbourhood can be counted and a wildcard may stand anywhere in a word."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import re2

from routing.words import normalise

_WILD = re.compile(r"[*?]+")
Span = tuple[int, int]


class Tokens:
    """A post's words in order, where each of them stands, and the #tags and @names among them."""

    def __init__(self, words: list[str], marks: frozenset[str]) -> None:
        self.words, self.marks = words, marks

    @cached_property
    def places(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for place, word in enumerate(self.words):
            places.setdefault(word, []).append(place)
        return places

    def of(self, part: str) -> list[int]:
        """Where words stand that fit one token's pattern, in order."""
        if not _WILD.search(part):
            return self.places.get(part, [])
        return sorted(place for word, places in self.places.items() if fits(part, word) for place in places)


def tokens_of(normalised: str) -> Tokens:
    """`normalised`: what routing.words.normalise made of a text, which has the marked ones once more at its end."""
    found = normalised.split()
    marked = next((at for at, word in enumerate(found) if word[0] in "#@"), len(found))
    return Tokens(found[:marked], frozenset(found[marked:]))


class Pattern(NamedTuple):
    """What a word or phrase of a query looks for: one pattern a token. `mark` is # or @ when only marked ones count."""

    parts: tuple[str, ...]
    mark: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether one look for a text finds it: no wildcard but one at the very end."""
        return (
            not any(map(_WILD.search, (*self.parts[:-1], self.parts[-1].removesuffix("*")))) and self.parts[-1] != "*"
        )

    @property
    def text(self) -> str:
        """What to look for in a normalised text, when it is plain."""
        said = f" {self.mark}{' '.join(self.parts)}"
        return said.removesuffix("*") if said.endswith("*") else f"{said} "


@lru_cache(maxsize=20_000)
def pattern_of(text: str) -> Pattern:
    """The tokens of a query's word or phrase, in the normal form of posts, with its wildcards kept."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    if folded[:1] in ("#", "@"):
        marked = _split(folded[1:])
        if "".join(marked) == folded[1:]:
            return Pattern(("".join(marked),), folded[0])
    return Pattern(tuple(_split(folded)))


def _split(folded: str) -> list[str]:
    """Tokens of a folded text; a wildcard belongs to the letters it touches."""
    tokens: list[str] = []
    place, glued = 0, False
    for wild in [*_WILD.finditer(folded), None]:
        before = folded[place : wild.start() if wild else len(folded)]
        words = tokens_of(normalise(before)).words
        if glued and words and has_letters(before[0]):
            tokens[-1] += words.pop(0)
        tokens += words
        if wild is None:
            break
        stars = "*" if "*" in wild[0] and "?" not in wild[0] else re.sub(r"\*+", "*", wild[0])
        if (before and has_letters(before[-1])) or (glued and not before):
            tokens[-1] += stars
        else:
            tokens.append(stars)
        place, glued = wild.end(), True
    return tokens


def has_letters(text: str) -> bool:
    """Whether there is anything to look for; wildcards alone are nothing."""
    return bool(tokens_of(normalise(_WILD.sub(" ", text))).words)


@lru_cache(maxsize=20_000)
def _compiled(part: str) -> Any:
    said = "".join({"*": ".*", "?": "."}.get(each, re2.escape(each)) for each in part)
    return re2.compile(f"(?s){said}")


def fits(part: str, word: str) -> bool:
    """One token's pattern against one token."""
    return _compiled(part).fullmatch(word) is not None if _WILD.search(part) else part == word


def stands(pattern: Pattern, tokens: Tokens) -> bool:
    if pattern.mark:
        return any(mark[0] == pattern.mark and fits(pattern.parts[0], mark[1:]) for mark in tokens.marks)
    return bool(_places(pattern.parts, tokens))


def spans(pattern: Pattern, tokens: Tokens) -> list[Span]:
    """Where it stands: (first, last) place of each occurrence."""
    if pattern.mark:
        marks = {mark for mark in tokens.marks if mark[0] == pattern.mark and fits(pattern.parts[0], mark[1:])}
        parts = [tuple(tokens_of(normalise(mark[1:])).words) for mark in marks]
        return [span for each in parts for span in _places(each, tokens)]
    return _places(pattern.parts, tokens)


def _places(parts: tuple[str, ...], tokens: Tokens) -> list[Span]:
    """Looked for from its rarest word on."""
    found = {step: tokens.of(part) for step, part in enumerate(parts) if part != "*"}
    rarest = min(found, key=lambda step: len(found[step]))
    last, words = len(parts) - 1, tokens.words
    starts = [place - rarest for place in found[rarest]]
    return [
        (at, at + last)
        for at in starts
        if at >= 0 and at + last < len(words) and all(fits(part, words[at + step]) for step, part in enumerate(parts))
    ]


def near(left: Iterable[Span], right: Iterable[Span], distance: int) -> bool:
    """Whether one of each stands within `distance` of the other without sharing a word."""
    one, other = sorted(set(left)), sorted(set(right))
    return _follows(one, other, distance) or _follows(other, one, distance)


def _follows(first: list[Span], second: list[Span], distance: int) -> bool:
    """Whether one of `second` begins within `distance` after the end of one of `first`."""
    starts = [start for start, _ in second]
    for _, end in first:
        at = bisect_left(starts, end + 1)
        if at < len(starts) and starts[at] - end <= distance:
            return True
    return False

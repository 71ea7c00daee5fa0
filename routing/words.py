"""Words as rules see them: one normal form for posts and for the words of rules, so that word boundaries are plain
spaces and one automaton finds all words of all rules in one pass."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import regex
from ahocorasick_rs import AhoCorasick, Implementation

# Scripts that write without spaces: each of their characters is a token by itself.
_TOKEN = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]|"
    r"(?:(?![\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])[\p{L}\p{M}\p{N}_])+"
)
_SIMPLE = re.compile(r"\w+")  # the same tokens where no mark and none of these scripts can occur
_FIRST_MARK = "\u0300"
_MARKED = regex.compile(r"(?<![\p{L}\p{N}_@#])[#@][\p{L}\p{M}\p{N}_]+")
LONGEST = 100_000  # characters of a post that rules look at
DFA_WORDS = 10_000


def normalise(text: str) -> str:
    """Folded tokens joined by one space with a space at both ends; #tags and @names stand once more with their mark
    at the end."""
    folded = unicodedata.normalize("NFKC", text[:LONGEST]).casefold()
    tokens = _tokens(folded)
    marked = _MARKED.findall(folded) if "#" in folded or "@" in folded else []
    return f" {' '.join(tokens + marked)} "


def _tokens(folded: str) -> list[str]:
    simple = folded.isascii() or max(folded) < _FIRST_MARK
    return _SIMPLE.findall(folded) if simple else _TOKEN.findall(folded)


def pattern(word: str) -> str:
    """What to look for in a normalised text; `refund*` finds every word that begins so. Empty when nothing is left
    to find."""
    open_end = word.rstrip().endswith("*")
    folded = unicodedata.normalize("NFKC", word).casefold().strip()
    marked = _MARKED.fullmatch(folded.rstrip("*"))
    tokens = [marked[0]] if marked else _tokens(folded)
    if not tokens:
        return ""
    return f" {' '.join(tokens)}" + ("" if open_end else " ")


class WordFinder:
    """Finds which of the patterns stand in a text, all in one pass."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = sorted({word for word in patterns if word})
        small = len(self._patterns) <= DFA_WORDS
        self._automaton = (
            AhoCorasick(self._patterns, implementation=Implementation.DFA if small else None)
            if self._patterns
            else None
        )

    def found(self, normalised: str) -> set[str]:
        if self._automaton is None:
            return set()
        found = self._automaton.find_matches_as_indexes(normalised, overlapping=True)
        return {self._patterns[index] for index, _, _ in found} if found else set()

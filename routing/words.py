"""Words as rules see them: one normal form for posts and for the words of rules, so that word boundaries are plain
spaces and one automaton finds all words of all rules in one pass."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import regex
from ahocorasick_rs import AhoCorasick, Implementation

# Scripts that write without spaces: each of their characters is a token by itself.
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_TOKEN = regex.compile(rf"[{_SPACELESS}]|(?:(?![{_SPACELESS}])[\p{{L}}\p{{M}}\p{{N}}_])+")
_MARKED = regex.compile(r"(?<![\p{L}\p{N}_@#])[#@][\p{L}\p{M}\p{N}_]+")
# The same tokens where no mark and none of these scripts occurs, which is so in most texts and quickly seen.
_SIMPLE = re.compile(r"\w+")
_NO_WORD = re.compile(r"\W")
_SIMPLE_MARKED = re.compile(r"(?<![\w@#])[#@]\w+")
_FAR = re.compile("[\u0300-\U0010ffff]+")
_NEEDS_CARE = regex.compile(rf"[\p{{M}}{_SPACELESS}]")
# What becomes of each byte of an ASCII text; a table for bytes costs a third of one for characters.
_ASCII = bytes(ord(chr(n).lower()) if chr(n).isalnum() or chr(n) == "_" else ord(" ") for n in range(128)) + bytes(128)
LONGEST = 100_000  # characters of a post that rules look at
DFA_WORDS = 2_000  # above, a dense automaton is slower than a compact one: its states lie too far apart in memory


def normalise(text: str) -> str:
    """Folded tokens joined by one space with a space at both ends; #tags and @names stand once more with their mark
    at the end."""
    text = text[:LONGEST]
    if text.isascii():
        plain = in_place(text)
        if "#" not in text and "@" not in text:
            return _spaced(plain)
        tokens, folded = plain.split(), text
    else:
        folded = unicodedata.normalize("NFKC", text).casefold()
        tokens = _tokens(folded)
    if "#" in folded or "@" in folded:
        tokens += _marked(folded)
    return f" {' '.join(tokens)} "


def in_place(text: str) -> str:
    """As long as the text: small letters, and a space for all that is no part of a word."""
    if text.isascii():
        return text.encode().translate(_ASCII).decode()
    small = text.lower()
    return _NO_WORD.sub(" ", small if len(small) == len(text) else text)


def _spaced(words: str) -> str:
    """As splitting and joining would, at a third of the cost: most texts have few double spaces."""
    while "  " in words:
        words = words.replace("  ", " ")
    return f" {words.strip(' ')} "


def _is_simple(folded: str) -> bool:
    return folded.isascii() or not _NEEDS_CARE.search("".join(_FAR.findall(folded)))


def _tokens(folded: str) -> list[str]:
    return _SIMPLE.findall(folded) if _is_simple(folded) else _TOKEN.findall(folded)


def _marked(text: str) -> list[str]:
    marked = _SIMPLE_MARKED if _is_simple(text) else _MARKED
    return [mark.casefold() for mark in marked.findall(text)]


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


Hits = Sequence[tuple[int, int, int]]
"""Where words were met: place of the word in `WordFinder.words`, begin, end."""


class WordFinder:
    """Finds which of the patterns stand in a text, all in one pass. `words` are the patterns, each once, sorted."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self.words = sorted({word for word in patterns if word})
        self.hits: Callable[[str], Hits] = self._finds() if self.words else lambda _: ()

    def _finds(self) -> Callable[[str], Hits]:
        """The automaton itself: another call around it would cost a tenth of what it takes."""
        small = len(self.words) <= DFA_WORDS
        automaton = AhoCorasick(self.words, implementation=Implementation.DFA if small else None)
        return partial(automaton.find_matches_as_indexes, overlapping=True)

    def of(self, hits: Hits) -> set[str]:
        words = self.words
        return {words[place] for place, _, _ in hits}

    def found(self, normalised: str) -> set[str]:
        return self.of(self.hits(normalised))

"""A search of Bluesky read as far as posts can be compared with it here, which have come without having been asked
for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from connectors.topics.matching import Subject, View, matches
from connectors.topics.tree import Field, Not, Phrase, Tree, all_of
from connectors.topics.words import pattern_of

_TOKEN = re.compile(r'(-?)(?:"([^"]*)"|(\S+))')
_WILD = re.compile(r"[*?]+")


def words_of(query: str) -> tuple[str, ...]:
    """The words that the normal form of a post has to hold, those of phrases too, as far as they can be read out of a
    search; () where there are none to compare, as in a search for all posts of an author."""
    said = [phrase or word for minus, phrase, word in _TOKEN.findall(query) if not minus and ":" not in word]
    parts = [part for each in said for part in pattern_of(each.strip().strip('"*')).parts]
    return tuple(dict.fromkeys(piece for part in parts for piece in _WILD.split(part) if piece))


def normal_form(text: str) -> str:
    return View(Subject(text=text)).text


@dataclass(frozen=True, slots=True)
class Search:
    """`said` is about the text, `facts` about whose it is and in which language."""

    said: Tree
    facts: Tree | None

    @classmethod
    def of(cls, query: str) -> Search | None:
        """None where the search asks something that we cannot compare, or no words."""
        return _read(query)

    def is_said_in(self, text: str) -> bool:
        return matches(self.said, View(Subject(text=text)))

    def is_by(self, handle: str, language: str) -> bool:
        if self.facts is None:
            return True
        return matches(self.facts, View(Subject(text="", handle=handle, languages=frozenset({language} - {""}))))


@lru_cache(maxsize=1_000)
def _read(query: str) -> Search | None:
    said: list[Tree] = []
    facts: list[Tree] = []
    for minus, phrase, word in _TOKEN.findall(query):
        name, colon, value = word.partition(":")
        leaf: Phrase | Field
        if not colon:
            if not pattern_of(wanted := (phrase or word).strip().strip('"*')).parts:
                continue
            leaf = Phrase(wanted)
        elif name in ("from", "lang") and value:
            leaf = Field("author", f"@{value.lstrip('@')}") if name == "from" else Field("lang", value)
        else:
            return None
        (facts if colon else said).append(Not(leaf) if minus else leaf)
    if not any(isinstance(each, Phrase) for each in said):
        return None
    return Search(all_of(said), all_of(facts) if facts else None)

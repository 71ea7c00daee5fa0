"""What somebody typed, read: words, "phrases", beginnings*, -without, from:somebody, theme:something, an id or
address of a post. Any text can be read; what cannot mean anything is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inbox.searching.words import Word, address_mark, fold, is_unspaced, quoted, words

LENGTH = 500  # characters that are read
TERMS = 32
SHORTEST = 2  # letters that a beginning needs: all that begins with one letter is nearly everything
_TERM = re.compile(
    r"""(?P<without>-?)(?:(?P<author>from:)|(?P<theme>theme:))?"""
    r"""(?:["“”„](?P<phrase>[^"“”„]*)["“”„]?|(?P<bare>[^\s"“”„]+))""",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[0-9/:]")


@dataclass(frozen=True)
class Term:
    """One thing asked for. `begins`: its last word may go on; `address`: it may be a post's id or address too; `theme`:
    the name of one, folded, which no words are compared with."""

    words: tuple[str, ...]
    begins: bool = False
    without: bool = False
    author: str = ""
    address: str = ""
    theme: str = ""

    def names(self, theme: str) -> bool:
        """Whether a theme of that name is meant."""
        name = fold(theme)
        return name.startswith(self.theme) if self.begins else name == self.theme

    @property
    def tsquery(self) -> str:
        ways = [way for way in (self._authored() if self.author else self._said(), self.address) if way]
        either = " | ".join(ways)
        return f"{'!' if self.without else ''}({either})"

    def _said(self) -> str:
        return " <-> ".join([*(quoted(word) for word in self.words[:-1]), self._last("")]) if self.words else ""

    def _authored(self) -> str:
        """All words of the name, or the handle as it is."""
        named = " & ".join([*(quoted(f"@{word}") for word in self.words[:-1]), self._last("@")]) if self.words else ""
        whole = quoted(f"@{self.author}")
        return f"{whole} | ({named})" if named else whole

    def _last(self, sign: str) -> str:
        return quoted(f"{sign}{self.words[-1]}") + (":*" if self.begins else "")

    def found_at(self, said: Sequence[Word], place: int) -> bool:
        """Whether the words stand in the text from that place on."""
        last = len(self.words) - 1
        if not self.words or place + last >= len(said):
            return False
        if any(said[place + step].text != word for step, word in enumerate(self.words[:-1])):
            return False
        word = said[place + last].text
        return word.startswith(self.words[-1]) if self.begins else word == self.words[-1]


def read(text: str) -> list[Term]:
    """The terms of what was typed, all of which must be met."""
    found = (_term(match) for match in _TERM.finditer(text[:LENGTH]))
    return [term for term in found if term is not None][:TERMS]


def _term(match: re.Match[str]) -> Term | None:
    phrase, bare = match["phrase"], match["bare"] or ""
    said = phrase if phrase is not None else bare
    begins = phrase is None and said.endswith("*")
    if match["theme"]:
        name = fold(said.strip("*").strip())[:80]
        return Term((), begins, bool(match["without"]), theme=name) if name else None
    known = [word.text for word in words(said)]
    if len(known) > 1 and is_unspaced(known[-1]) and len(known[-2]) == 2 and known[-2].endswith(known[-1]):
        known.pop()  # the pair before it says the same, and its text may go on
    goes_on = bool(known) and (is_unspaced(known[-1]) or (begins and len(known[-1]) >= SHORTEST))
    without, author = bool(match["without"]), fold(said.strip("@*").strip())[:80] if match["author"] else ""
    if not known and not author:
        return None
    address = phrase is None and not match["author"] and len(bare) > 3 and _ADDRESS.search(bare)
    return Term(tuple(known), goes_on, without, author, address_mark(bare) if address else "")


def tsquery(terms: Iterable[Term], marks: Iterable[str] = ()) -> str:
    """The text of a tsquery that no input can break; "" asks for nothing."""
    return " & ".join([*(term.tsquery for term in terms if not term.theme), *marks])

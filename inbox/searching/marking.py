"""The words that were asked for, shown in what was found: pieces of the text of which some are marked. No HTML is made
here; templates escape each piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from inbox.foreign import clean, snippet
from inbox.searching.asking import Term
from inbox.searching.words import Word, words

READ = 20_000  # characters of a text in which words are marked
BEFORE, LENGTH = 80, 280  # characters of the excerpt before its first mark, and in all


class Piece(NamedTuple):
    text: str
    marked: bool = False


def found_in(text: str, terms: Sequence[Term]) -> list[tuple[int, int]]:
    """Where the terms stand in the text, in order and without overlaps, from the first of them as far as an excerpt
    goes."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(_spans(text[:READ], terms)):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _spans(text: str, terms: Sequence[Term]) -> list[tuple[int, int]]:
    asked = [term for term in terms if not term.without and not term.author and term.words]
    longest = max((len(term.words) for term in asked), default=0)
    said: list[Word] = []
    spans: list[tuple[int, int]] = []

    def look(place: int) -> None:
        found = [term for term in asked if term.found_at(said, place)]
        spans.extend((said[place].start, said[place + len(term.words) - 1].end) for term in found)

    for word in words(text) if asked else ():
        said.append(word)
        if len(said) >= longest:
            look(len(said) - longest)
        if spans and word.start > spans[0][0] + LENGTH:
            return spans
    for place in range(max(len(said) - longest + 1, 0), len(said)):
        look(place)
    return spans


def excerpt(text: str, terms: Sequence[Term]) -> list[Piece]:
    """One paragraph of the text around the first words that were asked for, these marked."""
    text = clean(text)
    spans = found_in(text, terms)
    start = _begin(text, spans[0][0]) if spans else 0
    end = _end(text, start)
    pieces = [Piece("…")] if start else []
    at = start
    for first, last in spans:
        if first >= end:
            break
        pieces += [Piece(text[at:first]), Piece(text[first : min(last, end)], marked=True)]
        at = min(last, end)
    pieces += [Piece(text[at:end]), Piece("…" if end < len(text) else "")]
    return [Piece(_one_line(piece.text), piece.marked) for piece in pieces if piece.text]


def _begin(text: str, first: int) -> int:
    """Where the excerpt begins: at a word before the first mark, at the text's own begin when that is near."""
    if first <= BEFORE:
        return 0
    space = max(text.find(" ", first - BEFORE, first), text.find("\n", first - BEFORE, first))
    return space + 1 if space >= 0 else first


def _end(text: str, start: int) -> int:
    if len(text) - start <= LENGTH:
        return len(text)
    space = text.rfind(" ", start + LENGTH // 2, start + LENGTH)
    return space if space >= 0 else start + LENGTH


def _one_line(text: str) -> str:
    """Spaces and ends of lines as one space each, also at the ends of the piece."""
    line = snippet(text, LENGTH + 1)
    before = " " if text[:1].isspace() else ""
    after = " " if text[-1:].isspace() and text.strip() else ""
    return f"{before}{line}{after}"

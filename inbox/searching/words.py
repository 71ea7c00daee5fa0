"""Words as search knows them: one way for what is stored and for what is asked, so that neither case nor accents part
them. Scripts that put no spaces between words are cut into pairs of characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import urlsplit

import regex

LONGEST = 80  # characters of a word; longer ones are cut, on both sides
MOST = 10_000  # words of a text that are taken up
BYTES = 400_000  # of different words; a tsvector holds less than a megabyte
GAP = 10  # places between two parts of a text, so that no phrase reaches from one into the other
PLACES = 255  # of one word, as many as PostgreSQL keeps

_PLAIN = re.compile(r"[a-z0-9_]+")
_JOINERS = "\u00ad\u200c\u200d"  # soft hyphen and the joiners stand inside words and are not part of them
_WORD = regex.compile(rf"[\p{{L}}\p{{M}}\p{{N}}\p{{Pc}}{_JOINERS}]+|\p{{Extended_Pictographic}}")
_NO_SPACES = regex.compile(
    r"[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}"
    r"\p{Script=Myanmar}\u30fc]+"
)
_MARKS = (
    *range(0x0300, 0x0370),  # accents
    *range(0x0591, 0x05BE),  # points of Hebrew
    *range(0x05C1, 0x05C8),
    *range(0x064B, 0x0660),  # vowels of Arabic
    0x0640,
    0x0670,
    *map(ord, _JOINERS),
)
_LETTERS = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ı": "i", "ŧ": "t"}
_FOLD: dict[int, str | None] = {**dict.fromkeys(_MARKS), **{ord(letter): plain for letter, plain in _LETTERS.items()}}


class Word(NamedTuple):
    """A word and where it stands in the text it was found in."""

    text: str
    start: int
    end: int


def fold(text: str) -> str:
    """Without case, accents and other forms of the same letter."""
    return _kept(text) if len(text) <= LONGEST else _fold(text)  # what is no word is not kept


@lru_cache(maxsize=50_000)
def _kept(text: str) -> str:
    return _fold(text)


def _fold(text: str) -> str:
    bare = unicodedata.normalize("NFKD", text.casefold()).casefold().translate(_FOLD)
    return unicodedata.normalize("NFKC", bare)


def words(text: str) -> Iterator[Word]:
    """The words in their order."""
    if text.isascii():
        for found in _PLAIN.finditer(text.lower()):
            yield Word(found[0][:LONGEST], found.start(), found.end())
        return
    for found in _WORD.finditer(text):
        piece, start = found[0], found.start()
        if _NO_SPACES.search(piece):
            yield from _unspaced(piece, start)
        else:
            yield from _folded(piece, start)


def _texts(text: str) -> list[str]:
    """The words alone, without the places that nobody asks for."""
    if text.isascii():
        return [word[:LONGEST] for word in _PLAIN.findall(text.lower())]
    return [word.text for word in words(text)]


def _folded(piece: str, start: int) -> Iterator[Word]:
    """Mostly one word; a fraction, say, falls into two."""
    for part in _WORD.findall(fold(piece)):
        yield Word(part[:LONGEST], start, start + len(piece))


def _unspaced(piece: str, start: int) -> Iterator[Word]:
    """Runs of such scripts as overlapping pairs and the last character alone; what stands between them as it is."""
    at = 0
    for run in _NO_SPACES.finditer(piece):
        if run.start() > at:
            yield from _folded(piece[at : run.start()], start + at)
        yield from _pairs(run[0], start + run.start())
        at = run.end()
    if at < len(piece):
        yield from _folded(piece[at:], start + at)


def _pairs(run: str, start: int) -> Iterator[Word]:
    folded = fold(run)
    same = len(folded) == len(run)  # else the places of its characters are not known, and the whole run is meant
    for place in range(len(folded)):
        pair = folded[place : place + 2]
        yield Word(pair, start + place if same else start, start + (place + len(pair) if same else len(run)))


def is_unspaced(word: str) -> bool:
    """Whether this is a single character of a script without spaces, which stands for every pair it begins."""
    return len(word) == 1 and bool(_NO_SPACES.fullmatch(word))


def vector(parts: Iterable[str], marks: Iterable[str]) -> str:
    """The text of a tsvector: the words of the parts with their places, and marks (see `mark`) without."""
    places: dict[str, list[int]] = {}
    place = taken = size = 0
    for part in parts:
        for word in _texts(part):
            if taken == MOST or size > BYTES:
                break
            place += 1
            taken += 1
            if word in places:
                places[word].append(place)
            else:
                places[word] = [place]
                size += len(word) if word.isascii() else len(word.encode())
        place += GAP
    found = [
        f"{word if word.isascii() else quoted(word)}:{','.join(map(str, at[:PLACES]))}" for word, at in places.items()
    ]
    return " ".join([*found, *sorted(set(marks))])


def quoted(lexeme: str) -> str:
    """The lexeme as it stands in the text of a tsvector or tsquery, whatever is in it."""
    doubled = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


def author_marks(handle: str, name: str) -> set[str]:
    """What `from:` is compared with: the handle, its part before the server, and each word of handle and name."""
    whole = handle.lstrip("@")
    known = {fold(whole), fold(whole.partition("@")[0]), *(word.text for word in words(f"{whole} {name}"))}
    return {quoted(f"@{word[:LONGEST]}") for word in known if word}


def address_mark(text: str) -> str:
    """A short sign for an id or an address on the network, whichever way it is written."""
    return f"'={blake2b(_same_address(text).encode(errors='replace'), digest_size=6).hexdigest()}'"


def _same_address(text: str) -> str:
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return text.strip()
    if parts.scheme not in ("http", "https"):
        return text.strip()
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.netloc.lower().removeprefix('www.')}{parts.path.rstrip('/')}{query}"


def facet_mark(name: str, value: int) -> str:
    """A fact that a search may be narrowed to, beside the words: `k` kind, `c` channel, `w` writer of ours."""
    return f"'#{name}{value}'"

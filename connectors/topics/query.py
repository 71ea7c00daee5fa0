"""The query language of topics: text to tree. What cannot be read is told with the place where reading stopped and what
would be expected there."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from connectors.topics.tree import (
    And,
    Field,
    Near,
    Or,
    Phrase,
    Tree,
    Word,
    all_of,
    any_of,
    looks_for_something,
    negated,
)
from connectors.topics.words import has_letters

LONGEST = 4_000
DEEPEST = 40
FARTHEST = 100
HAS = ("link", "image", "video")
FIELDS = {
    "author": "a name or handle, as in author:carla",
    "lang": "a language code, as in lang:de",
    "network": "a network, as in network:mastodon",
    "channel": "a channel's name, as in channel:“@acme”",
    "has": f"one of {', '.join(HAS)}, as in has:link",
    "followers": "a comparison with a number, as in followers:>1000",
}
_OPEN, _CLOSED = '"“”„«»', {'"': '"“”', "“": '”"', "”": '”"', "„": '“”"', "«": "»", "»": "«"}
_BARE = re.compile(r"[^\s()\"“”„«»]+")
_FIELD = re.compile(r"([A-Za-z]+):(?!//)")
_NUMBER = re.compile(r"(>=|<=|>|<|=)?(\d{1,12})([km]?)", re.IGNORECASE)
_NEAR = re.compile(r"near(?:/(.*))?", re.IGNORECASE)
_QUOTES = re.compile(r"[\"“”„«»]")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})?", re.IGNORECASE)


class QueryError(Exception):
    """Why a query cannot be read. `start` and `end` are places in the text, counted from 0."""

    def __init__(self, words: str, start: int, end: int | None = None) -> None:
        super().__init__(words)
        self.words, self.start, self.end = words, start, max(start + 1, end or 0)

    def __str__(self) -> str:
        return f"Character {self.start + 1}: {self.words}"


class Token(NamedTuple):
    kind: str  # "(", ")", "and", "or", "not", "near", "phrase", "word", "field", "end"
    text: str
    start: int
    end: int
    field: Field | None = None
    number: int = 0


@lru_cache(maxsize=2_000)
def parse(text: str) -> Tree:
    """The tree of a query; QueryError says where and why there is none."""
    if len(text) > LONGEST:
        raise QueryError(f"a query may have at most {LONGEST:,} characters; this one has {len(text):,}.", LONGEST)
    return _Parser(text).whole()


def parse_topic(text: str) -> Tree:
    """The tree of a query that is good for a topic: it also has to look for something."""
    tree = parse(text)
    if not looks_for_something(tree):
        words = "NOT alone would find nearly everything; also say what to look for."
        raise QueryError(words, len(text) - len(text.lstrip()), len(text.rstrip()))
    return tree


def _tokens(text: str) -> list[Token]:
    tokens, place = [], 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        token = _token(text, place)
        tokens.append(token)
        place = token.end
    return [*tokens, Token("end", "", len(text.rstrip()), len(text.rstrip()) + 1)]


def _token(text: str, place: int) -> Token:
    character = text[place]
    if character in "()":
        return Token(character, character, place, place + 1)
    if character in _OPEN:
        return _phrase(text, place)
    if character == "-" and place + 1 < len(text) and not text[place + 1].isspace() and text[place + 1] != ")":
        return Token("not", "-", place, place + 1)
    if named := _FIELD.match(text, place):
        return _field(text, place, named[1], named.end())
    found = _BARE.match(text, place)
    word = found[0] if found else character
    end = place + len(word)
    if word.lower() in ("and", "or", "not"):
        return Token(word.lower(), word, place, end)
    if word.lower().startswith("near") and (near := _NEAR.fullmatch(word)):
        return Token("near", word, place, end, number=_distance(near, place, end))
    if not has_letters(word):
        raise QueryError(f"“{word}” has no letter or digit to look for.", place, end)
    return Token("word", word, place, end)


def _distance(near: re.Match[str], place: int, end: int) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", near[1] or "") or not 1 <= int(near[1]) <= FARTHEST:
        raise QueryError(f"NEAR needs a number from 1 to {FARTHEST}, as in refund NEAR/5 late.", place, end)
    return int(near[1])


def _quoted(text: str, place: int) -> tuple[str, int]:
    """What stands between the quote at `place` and the one that closes it, and the place after that."""
    closing = _CLOSED[text[place]]
    end = next((at for at in range(place + 1, len(text)) if text[at] in closing), None)
    if end is None:
        raise QueryError("a closing quote is missing for the one opened here.", place, len(text))
    return _QUOTES.sub(" ", text[place + 1 : end]).strip(), end + 1


def _phrase(text: str, place: int) -> Token:
    words, end = _quoted(text, place)
    if not has_letters(words):
        raise QueryError("between the quotes there is no letter or digit to look for.", place, end)
    return Token("phrase", " ".join(words.split()), place, end)


def _field(text: str, place: int, name: str, after: int) -> Token:
    name = name.lower()
    if name not in FIELDS:
        words = f"there is no field “{name}”. Fields are {', '.join(FIELDS)}; to look for the text, put it in quotes."
        raise QueryError(words, place, after)
    if after < len(text) and text[after] in _OPEN:
        value, end = _quoted(text, after)
    else:
        found = _BARE.match(text, after)
        value, end = (found[0], found.end()) if found else ("", after)
    if not value or (name != "followers" and not has_letters(value)):
        raise QueryError(f"{name}: needs {FIELDS[name]}.", place, max(end, after))
    return Token("field", name, place, end, _value(name, value, after, end))


def _value(name: str, value: str, start: int, end: int) -> Field:
    if name == "followers":
        number = _NUMBER.fullmatch(value)
        if not number:
            raise QueryError(f"followers: needs {FIELDS[name]}.", start, end)
        size = {"k": 1_000, "m": 1_000_000}.get(number[3].lower(), 1)
        return Field(name, int(number[2]) * size, number[1] or "=")
    if name == "has" and value.lower() not in HAS:
        raise QueryError(f"has: needs {FIELDS[name]}.", start, end)
    if name == "lang" and not _LANGUAGE.fullmatch(value):
        raise QueryError(f"lang: needs {FIELDS[name]}.", start, end)
    return Field(name, value.lower() if name in ("has", "lang") else " ".join(value.split()))


class _Parser:
    """NEAR binds closest, then NOT, then AND (which may be left out), then OR."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0
        self.depth = 0

    def whole(self) -> Tree:
        if self.now.kind == "end":
            raise QueryError("a word, a phrase or a field is expected.", 0)
        tree = self._any()
        if self.now.kind == ")":
            raise QueryError("this “)” closes nothing; remove it, or add the “(” it belongs to.", self.now.start)
        return tree

    @property
    def now(self) -> Token:
        return self.tokens[self.at]

    def _take(self) -> Token:
        token = self.now
        self.at += 1
        return token

    def _any(self) -> Tree:
        parts = [self._all()]
        while self.now.kind == "or":
            self._take()
            parts.append(self._all())
        return any_of(parts)

    def _all(self) -> Tree:
        parts = [self._not()]
        while self.now.kind not in ("or", ")", "end"):
            if self.now.kind == "and":
                self._take()
            parts.append(self._not())
        return all_of(parts)

    def _not(self) -> Tree:
        """`NOT NOT x` is x, however often: read in a loop, so that no text makes it deep."""
        times = 0
        while self.now.kind == "not":
            self._take()
            times += 1
        tree = self._near()
        return negated(tree) if times % 2 else tree

    def _near(self) -> Tree:
        start = self.now
        left = self._one()
        if self.now.kind != "near":
            return left
        near = self._take()
        _can_be_near(left, start, near.start)
        start = self.now
        right = self._one()
        _can_be_near(right, start, self.tokens[self.at - 1].end)
        if self.now.kind == "near":
            words = "NEAR joins two words or phrases; for a third write a NEAR/5 b AND b NEAR/5 c."
            raise QueryError(words, self.now.start, self.now.end)
        return Near(left, right, near.number)

    def _one(self) -> Tree:
        token = self._take()
        if token.kind == "(":
            return self._group(token)
        if token.kind in ("word", "phrase"):
            return Phrase(token.text) if any(map(str.isspace, token.text)) else Word(token.text)
        if token.field is not None:
            return token.field
        raise QueryError(self._missing(token), token.start, token.end)

    def _group(self, opened: Token) -> Tree:
        self.depth += 1
        if self.depth > DEEPEST:
            raise QueryError(f"groups stand in groups more than {DEEPEST} deep.", opened.start)
        tree = self._any()
        if self.now.kind != ")":
            raise QueryError("the “)” that closes this “(” is missing.", opened.start, self.now.start)
        self._take()
        self.depth -= 1
        return tree

    def _missing(self, token: Token) -> str:
        before = self.tokens[self.at - 2] if self.at > 1 else None
        after = f" after {before.text.upper()}" if before and before.kind in ("and", "or", "not", "near") else ""
        if before and before.kind == "(":
            after = " after “(”"
        found = {"end": "the query ends here", ")": "here is a “)”"}.get(token.kind, f"here is {token.text.upper()}")
        said = f"a word, a phrase or a field is expected{after}, but {found}."
        if token.kind in ("and", "or", "not", "near"):
            said += " To look for the word itself, put it in quotes."
        return said


def _can_be_near(tree: Tree, start: Token, end: int) -> None:
    parts = tree.parts if isinstance(tree, Or) else (tree,)
    if isinstance(tree, And) or not all(isinstance(part, Word | Phrase) for part in parts):
        words = "NEAR stands between words or phrases, or groups of them joined by OR."
        raise QueryError(words, start.start, end)

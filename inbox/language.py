"""Which language a text is in, offline: a hint for rules and for the reader, never a gate. Below twelve letters the
network's own word is all there is."""

from __future__ import annotations

import re
from functools import lru_cache

import eldc

ENOUGH = 12  # letters; shorter texts are guessed wrong too often to be worth a guess

eldc.init()
_ADDRESSES = re.compile(r"https?://\S+|[@#]\w+")
_LETTERS = re.compile(r"[^\W\d_]+")
_ASCII_LETTERS = bytes(n if n < 128 and chr(n).isalpha() else 32 for n in range(256))
_READ = 1000  # bytes; the detector looks no further


@lru_cache(maxsize=1024)  # rules, conversation and mention ask for the same post, each of them once
def language_of(text: str, hint: str = "") -> str:
    """The two-letter code of the text's language, or "" when unknown. `hint` is what the network said."""
    text = text[:2000]
    if "@" in text or "#" in text or "://" in text:
        text = _ADDRESSES.sub(" ", text)
    letters = _letters(text)
    if len(letters) - letters.count(" ") < ENOUGH:
        return _short(hint)
    found = str(eldc.detect(letters))
    return _short(hint) if found == "und" else found


def _letters(text: str) -> str:
    """The words, with blanks between them: one each where the rest may be more than the detector looks at."""
    if not text.isascii():
        return " ".join(_LETTERS.findall(text))
    # A table is much faster than the expression, and all there is for most texts.
    words = text.encode().translate(_ASCII_LETTERS).decode()
    return words if len(words) <= _READ else " ".join(words.split())


def _short(hint: str) -> str:
    return hint.lower().replace("_", "-").split("-")[0][:12]

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
_ASCII_LETTERS = "".join(chr(n) if chr(n).isalpha() else " " for n in range(128))


@lru_cache(maxsize=1024)  # rules, conversation and mention ask for the same post, each of them once
def language_of(text: str, hint: str = "") -> str:
    """The two-letter code of the text's language, or "" when unknown. `hint` is what the network said."""
    text = text[:2000]
    if "@" in text or "#" in text or "://" in text:
        text = _ADDRESSES.sub(" ", text)
    # A table is much faster than the expression, and all there is for most texts.
    words = text.translate(_ASCII_LETTERS).split() if text.isascii() else _LETTERS.findall(text)
    letters = " ".join(words)
    hint = hint.lower().replace("_", "-").split("-")[0][:12]
    if len(letters) - letters.count(" ") < ENOUGH:
        return hint
    found = str(eldc.detect(letters))
    return hint if found == "und" else found

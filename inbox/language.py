"""Which language a text is in, offline: a hint for rules and for the reader, never a gate. Below twelve letters the
network's own word is all there is."""

from __future__ import annotations

import eldc
import regex

ENOUGH = 12  # letters; shorter texts are guessed wrong too often to be worth a guess

eldc.init()
_NOISE = regex.compile(r"https?://\S+|[@#]\w+|\P{L}+")


def language_of(text: str, hint: str = "") -> str:
    """The two-letter code of the text's language, or "" when unknown. `hint` is what the network said."""
    letters = _NOISE.sub(" ", text[:2000]).strip()
    hint = hint.lower().replace("_", "-").split("-")[0][:12]
    if sum(map(len, letters.split())) < ENOUGH:
        return hint
    found = str(eldc.detect(letters))
    return hint if found == "und" else found

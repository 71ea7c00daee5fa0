"""Weighted length of a post on X (its configuration v3): NFC, a link 23, an emoji 2, code points of the light ranges 1
and all others 2. The browser counts by the same rules; a test holds the two lists of endings together."""

import unicodedata
from functools import cache

import regex

LIMIT, LINK, EMOJI, LIGHT, HEAVY = 280, 23, 2, 1, 2
LIGHT_RANGES = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
LONGEST_LINK, LONGEST_LABEL = 4096, 63
FIRST_EMOJI = 0x203C
"""Digits and signs below it are emoji by Unicode's list, but count as text while nothing follows them."""

_UNFIT = r"\s<>\u202A-\u202E\u2066-\u2069"
_LINK = regex.compile(
    r"(?i)(?<![@#$\p{L}\p{N}_/.-])(?:(https?://)|)"
    r"((?:[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?\.)+)"
    r"([\p{L}\p{M}]{2,24}|xn--[a-z0-9-]+)(?![\p{L}\p{N}@_])(?::\d+)?"
    rf"(?:/[^{_UNFIT}\"“”‘’]*)?(?:\?[^{_UNFIT}\"]*)?"
)
_SHORT = regex.compile(r"(?i)https?://t\.co/[a-z0-9]+")
_EMOJI = regex.compile(
    r"\p{RI}\p{RI}|[0-9#*]\uFE0F?\u20E3"
    r"|\p{Emoji}(?:\uFE0F|\p{EMod})?(?:[\U000E0020-\U000E007E]+\U000E007F)?(?:\u200D\p{Emoji}(?:\uFE0F|\p{EMod})?)*"
)
_CASHTAG = regex.compile(r"(?<![\p{L}\p{N}_$])\$[A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?(?![\p{L}\p{N}_])")
_AFTER_LINK = ".,;:!?'\"…)]"


@cache
def endings() -> frozenset[str]:
    """Top-level domains in lower case, those beyond ASCII also as people write them."""
    from linkify_it.tlds import TLDS

    plain = {name.lower() for name in TLDS}
    return frozenset(plain | {name[4:].encode().decode("punycode") for name in plain if name.startswith("xn--")})


def links(text: str) -> dict[int, int]:
    """Where links of an NFC text begin, and how many characters each takes."""
    found = {}
    for match in _LINK.finditer(text):
        if _is_link(match[0], *match.groups()):
            short = _SHORT.match(match[0])
            found[match.start()] = len((short[0] if short else match[0]).rstrip(_AFTER_LINK))
    return found


def _is_link(whole: str, scheme: str | None, labels: str, ending: str) -> bool:
    ending = ending.lower()
    if (ending not in endings() and not ending.startswith("xn--")) or len(whole) > LONGEST_LINK:
        return False
    if not scheme and not labels.isascii():
        return False
    try:
        return all(len(_as_dns(label)) <= LONGEST_LABEL for label in labels.split(".") if label)
    except UnicodeError:
        return False


def _as_dns(label: str) -> bytes:
    return label.encode("ascii") if label.isascii() else b"xn--" + label.lower().encode("punycode")


def weighted_length(text: str) -> int:
    text = unicodedata.normalize("NFC", text)
    within, total, place = links(text), 0, 0
    while place < len(text):
        if place in within:
            total, place = total + LINK, place + within[place]
            continue
        emoji = _EMOJI.match(text, place)
        if emoji and (len(emoji[0]) > 1 or ord(emoji[0]) >= FIRST_EMOJI):
            total, place = total + EMOJI, emoji.end()
            continue
        code = ord(text[place])
        total, place = total + (LIGHT if any(low <= code <= high for low, high in LIGHT_RANGES) else HEAVY), place + 1
    return total


def has_link(text: str) -> bool:
    return bool(links(unicodedata.normalize("NFC", text)))


def cashtags(text: str) -> int:
    return len(_CASHTAG.findall(text))

"""Foreign text made fit to be shown: what strangers wrote is kept raw in the database and cleaned here, at display.
Nothing in this file makes HTML; templates escape the results (see templatetags/care.py)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit, urlunsplit

import idna
import regex
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from linkify_it import LinkifyIt

MARKS_KEPT = 5
LINES_SHOWN = 40

# Controls other than tab and newline, overrides and isolates of direction, annotation marks, lone surrogates.
_UNWANTED = regex.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ufeff\ud800-\udfff]"
)
_BREAKS = regex.compile("\r\n?|\u2028|\u2029")
_PILED_UP = regex.compile(rf"(?:\p{{M}}\u200d?){{{MARKS_KEPT + 1}}}")
_GRAPHEME = regex.compile(r"\X")
_SPACES = regex.compile(r"\s+")
_LETTER_OR_DIGIT = regex.compile(r"[\p{L}\p{N}]")
_TWO_LETTERS = regex.compile(r"\p{L}{2}")
_SEEN = regex.compile(r"[^\s\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800]")
_SCRIPTS = (
    "Latin",
    "Cyrillic",
    "Greek",
    "Armenian",
    "Hebrew",
    "Arabic",
    "Han",
    "Hiragana",
    "Katakana",
    "Hangul",
    "Cherokee",
)
_IN_SCRIPT = tuple(regex.compile(rf"\p{{Script={name}}}") for name in _SCRIPTS)


@dataclass(frozen=True)
class Link:
    """A web address found in a text: `shown` begins with the host a click really goes to."""

    href: str
    shown: str


def clean(text: str) -> str:
    """The text without controls and overrides, with at most MARKS_KEPT combining marks on one character."""
    if text.isascii() and text.isprintable():
        return text
    text = _UNWANTED.sub("", _BREAKS.sub("\n", text))
    return _GRAPHEME.sub(_unpile, text) if _PILED_UP.search(text) else text


def visible(name: str) -> None:
    """For forms: a name of ours stands also where nothing cleans it, in mails, files and logs."""
    if "\n" in name or _UNWANTED.search(name) or _BREAKS.search(name):
        raise ValidationError(_("It contains characters that cannot be seen."))


def is_seen(text: str) -> bool:
    """Whether anything of it can be seen, beside blanks, controls and marks of direction."""
    return _SEEN.search(text) is not None


def _unpile(match: regex.Match[str]) -> str:
    kept = 0
    out: list[str] = []
    for character in match[0]:
        if regex.match(r"\p{M}", character):
            kept += 1
            if kept > MARKS_KEPT:
                continue
        out.append(character)
    return "".join(out)


def snippet(text: str, length: int = 140) -> str:
    """One line of the text for lists, at most `length` graphemes."""
    # Rows are cut by the style sheet; reading more than is needed would only cost time on hostile length.
    line: str = _SPACES.sub(" ", clean(text[: length * 20])).strip()
    if len(line) <= length:
        return line
    graphemes = _GRAPHEME.findall(line)
    return line if len(graphemes) <= length else "".join(graphemes[: length - 1]).rstrip() + "…"


def initials(name: str) -> str:
    """Two letters for the face of a person, in any script; never empty."""
    words = [word for word in _SPACES.split(clean(name)) if _LETTER_OR_DIGIT.search(word)]
    firsts = [_first(word) for word in (words[:1] + words[-1:] if len(words) > 1 else words)]
    if len(words) == 1:
        firsts += [_first(words[0][len(firsts[0]) :])] if _TWO_LETTERS.match(words[0]) else []
    return "".join(firsts).upper() or "?"


def _first(word: str) -> str:
    return next((g for g in _GRAPHEME.findall(word) if _LETTER_OR_DIGIT.match(g)), "")


def is_long(text: str) -> bool:
    """Whether a message is folded behind "show all"."""
    return text.count("\n") >= LINES_SHOWN or len(text) > LINES_SHOWN * 100


def pieces(text: str) -> Iterator[str | Link]:
    """The cleaned text cut into plain stretches and links, in order."""
    text = clean(text)
    place = 0
    for match in (_linkify().match(text) or []) if "://" in text else []:
        link = _link(match.url)
        if link:
            yield text[place : match.index]
            yield link
            place = match.last_index
    yield text[place:]


@cache
def _linkify() -> LinkifyIt:
    finder = LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    for schema in ("ftp:", "mailto:", "//"):
        finder.add(schema, None)
    return finder


def _link(url: str) -> Link | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    host = _honest(host)
    place = f"{host}:{port}" if port else host
    # "https://acme.com@evil.example" leads to evil.example: whatever stands before the @ is neither shown nor sent.
    href = urlunsplit((parts.scheme, place, parts.path, parts.query, parts.fragment))
    tail = urlunsplit(("", "", parts.path.rstrip("/"), parts.query, parts.fragment))
    return Link(href, place + (tail if len(tail) <= 48 else tail[:47] + "…"))


def _honest(host: str) -> str:
    """The host as it may be shown: in ASCII as soon as one label mixes scripts or looks like nothing we know."""
    if host.isascii():
        return host
    if all(
        sum(bool(script.search(label)) for script in _IN_SCRIPT) <= 1 for label in host.split(".")
    ) and not regex.search(r"[\p{Cyrillic}\p{Greek}\p{Armenian}\p{Cherokee}]", host):
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except UnicodeError:
        return host.encode("punycode").decode("ascii")

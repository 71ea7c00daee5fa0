"""What a network's text needs before it is kept or compared: storable characters, text out of HTML, one form for
matching."""

import codecs
import hashlib
import json
import math
import re
import unicodedata
from html import unescape
from typing import Any

import regex

DEEPEST = 100
KEY_LIMIT = 255
"""Characters of a key that goes into a unique index; Postgres refuses index rows above about 2,700 bytes."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_BLOCKS = "p div section article blockquote pre ul ol table tr h1 h2 h3 h4 h5 h6 hr figure header footer"
_BREAKS = {"br": "\n", "li": "\n• "} | dict.fromkeys(_BLOCKS.split(), "\n\n")
_NEVER_READ = "script style template noscript title iframe object svg math select textarea"
_UNSEEN = frozenset(_NEVER_READ.split())
_TAG = re.compile(r"<(?P<end>/?)(?P<name>!--|[a-zA-Z][a-zA-Z0-9]*|[!?])")
_TAG_LIMIT = 4_000
"""Characters of one tag in which attributes are looked for."""
_VALUE = r"""\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))"""
_CLASS = re.compile(r"\sclass" + _VALUE, re.IGNORECASE)
_HREF = re.compile(r"\shref" + _VALUE, re.IGNORECASE)
_LINK = re.compile(r"https?://\S+", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_TRAPS = frozenset({"punycode", "idna", "undefined", "unicode-escape", "raw-unicode-escape"})


def storable(text: str) -> str:
    """Data as it came, except that what Postgres cannot hold (NUL, lone surrogates) becomes U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable_json(value: Any, depth: int = 0) -> Any:
    """`storable` for every text of a JSON value, keys included; what is nested deeper than anything real is left
    out, because neither we nor Postgres could read it again, and numbers that are none become null."""
    if isinstance(value, str):
        return storable(value)
    if depth > DEEPEST and isinstance(value, dict | list | tuple):
        return "…"
    if isinstance(value, dict):
        return {storable(str(key)): storable_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def is_trap(charset: str) -> bool:
    """Python has codecs under names that anybody may send and nobody writes in: one takes hours for a page, others
    raise whatever they are asked to do instead."""
    try:
        return codecs.lookup(charset).name.replace("_", "-") in _TRAPS
    except (LookupError, ValueError):  # none at all
        return False


def read_json(content: str | bytes, **how: Any) -> Any:
    """JSON with null where a number is none (NaN, Infinity) or too large for one (1e999): Postgres keeps no such
    number, and nothing can be counted with it."""
    return json.loads(content, parse_constant=lambda _: None, parse_float=_finite, **how)


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def key(text: str) -> str:
    """An id a stranger chose, short enough for a unique index; equal ids stay equal, different ids stay different."""
    text = storable(text)
    if len(text) <= KEY_LIMIT:
        return text
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def normalised(text: str) -> str:
    """One form for looking back at our own posts: NFC, runs of white space as one space, links without scheme and end
    slash."""
    text = unicodedata.normalize("NFC", storable(text))
    text = _LINK.sub(lambda link: link[0].split("://", 1)[1].rstrip("/"), text)
    return _SPACE.sub(" ", text).strip()


def graphemes(text: str) -> int:
    """Characters as a person counts them: a family emoji is one."""
    return len(regex.findall(r"\X", text))


def lines(value: Any) -> list[str]:
    """A setting with one entry a line, however it was kept, without blanks and repeats."""
    given = value.splitlines() if isinstance(value, str) else (value or ())
    return list(dict.fromkeys(str(line).strip() for line in given if str(line).strip()))


class _Reader:
    """Collects the text a reader would see. A link whose address the network shortened (parts of it in
    span.invisible, as Mastodon does) comes out as the whole address; `hidden` counts the open spans that hide what is
    inside them."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.hidden = 0
        self.href, self.link_starts, self.shortened = "", 0, False

    def opened(self, tag: str, source: str) -> None:
        if tag == "span" and (self.hidden or "invisible" in _attribute(_CLASS, source).split()):
            self.hidden += 1
            self.shortened = True
        elif tag == "a":
            self.href, self.link_starts, self.shortened = _attribute(_HREF, source), len(self.parts), False
        elif tag in _BREAKS:
            self.parts.append(_BREAKS[tag])

    def closed(self, tag: str) -> None:
        if tag == "span" and self.hidden:
            self.hidden -= 1
        elif tag == "a" and self.shortened and self.href.startswith(("http://", "https://")):
            self.parts[self.link_starts :] = [self.href]
            self.href = ""
        elif tag in _BREAKS and tag not in ("br", "li"):
            self.parts.append(_BREAKS[tag])

    def said(self, text: str) -> None:
        if not self.hidden:
            self.parts.append(_SPACE.sub(" ", unescape(text)))


def plain(html: str) -> str:
    """The text of a piece of HTML as a reader sees it: paragraphs and <br> as line breaks, nothing of scripts and
    styles.

    Every character is looked at a fixed number of times. Parsers that build a tree, and Python's own, take minutes
    for a megabyte of nested or malformed markup, and the markup is a stranger's."""
    html, reader, at = storable(html), _Reader(), 0
    while tag := _TAG.search(html, at):
        reader.said(html[at : tag.start()])
        name = tag["name"].lower()
        end = html.find("-->" if name == "!--" else ">", tag.end())
        if end < 0:
            return _tidy(reader.parts)
        at = end + (3 if name == "!--" else 1)
        if tag["end"]:
            reader.closed(name)
        elif name in _UNSEEN:
            ending = re.compile(f"</{name}", re.IGNORECASE).search(html, at)
            at = html.find(">", ending.end()) + 1 if ending else 0
            if not at:
                return _tidy(reader.parts)
        else:
            reader.opened(name, html[tag.start() : min(at, tag.start() + _TAG_LIMIT)])
    reader.said(html[at:])
    return _tidy(reader.parts)


def _attribute(which: re.Pattern[str], source: str) -> str:
    found = which.search(source)
    return unescape(found[1] or found[2] or found[3] or "") if found else ""


def names(text: str, handle: str) -> bool:
    """Whether a text names this account: `@handle` as a word of its own, not in an address, a link or a longer name."""
    return re.search(rf"(?<![\w@./=-])@{re.escape(handle)}(?![\w@.-]*\w)", text, re.IGNORECASE) is not None


def _tidy(parts: list[str]) -> str:
    tidy = "\n".join(line.strip(" ") for line in "".join(parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", re.sub(" {2,}", " ", tidy)).strip()

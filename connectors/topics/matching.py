"""Whether a post matches a query. The topics of a channel are made into one set: all their plain words are found in one
pass, and only topics of which something stands in the post are looked at closely."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from connectors.topics.tree import NUMBERS, And, Field, Leaf, Near, Not, Or, Phrase, Tree, Word, leaves
from connectors.topics.words import Pattern, Span, Tokens, fits, near, pattern_of, spans, stands, tokens_of
from routing.words import WordFinder, normalise

_HOST = re.compile(r"(?:https?://(?:[^\s/@]*@)?(?:www\.)?|\bwww\.)([^\s/:?#\"'<>()]+)", re.IGNORECASE)
_LINK = re.compile(r"https?://|\bwww\.", re.IGNORECASE)
Need = frozenset[str] | None
"""Plain words of which at least one must stand in the text; None: nothing can be said beforehand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What queries may ask about a post. `text` holds subject and text, `network` its name, `channel` the name it has
    here; `languages` are what the network says and what we think; `media` are the kinds of what is shown with it; `url`
    is where it stands."""

    text: str
    network: str = ""
    channel: str = ""
    handle: str = ""
    name: str = ""
    languages: frozenset[str] = frozenset()
    followers: int | None = None
    media: frozenset[str] = frozenset()
    url: str = ""


class View:
    """A subject as the leaves look at it: each thing is worked out at most once."""

    def __init__(self, subject: Subject, finder: WordFinder | None = None) -> None:
        self.subject = subject
        self.text = normalise(subject.text)
        self.found = finder.found(self.text) if finder else None

    @cached_property
    def tokens(self) -> Tokens:
        return tokens_of(self.text)

    @cached_property
    def has(self) -> frozenset[str]:
        link = {"link"} if _LINK.search(self.subject.text) else set()
        return self.subject.media | link

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The author's handle whole and without its server, and the name."""
        handle = self.subject.handle.casefold().removeprefix("@")
        return handle, handle.partition("@")[0], self.subject.name.casefold()

    @cached_property
    def hosts(self) -> frozenset[str]:
        """Of the post itself and of the links in it, without www."""
        links = (*_HOST.findall(self.subject.url), *_HOST.findall(self.subject.text))
        return frozenset(host.casefold().rstrip(".") for host in links)

    @cached_property
    def folded(self) -> str:
        return " ".join(self.subject.text.casefold().split())

    def holds(self, text: str) -> bool:
        pattern = pattern_of(text)
        if pattern.is_plain:
            return pattern.text in (self.text if self.found is None else self.found)
        return stands(pattern, self.tokens)


def matches(tree: Tree, view: View) -> bool:
    if isinstance(tree, And):
        return all(matches(part, view) for part in tree.parts)
    if isinstance(tree, Or):
        return any(matches(part, view) for part in tree.parts)
    if isinstance(tree, Not):
        return not matches(tree.what, view)
    return _leaf(tree, view)


def _leaf(leaf: Leaf, view: View) -> bool:
    if isinstance(leaf, Word | Phrase):
        return view.holds(leaf.text)
    if isinstance(leaf, Near):
        left = _spans(leaf.left, view.tokens) if matches(leaf.right, view) else []
        return bool(left) and near(left, _spans(leaf.right, view.tokens), leaf.distance)
    return _FACTS[leaf.name](leaf, view)


def _spans(tree: Tree, tokens: Tokens) -> list[Span]:
    parts = tree.parts if isinstance(tree, Or) else (tree,)
    return [span for part in parts if isinstance(part, Word | Phrase) for span in spans(pattern_of(part.text), tokens)]


def _author(field: Field, view: View) -> bool:
    """`@carla` is a handle, `carla` a handle or a name."""
    wanted = str(field.value).casefold()
    names = view.names[:2] if wanted.startswith("@") else view.names
    return any(fits(wanted.removeprefix("@"), name) for name in names if name)


def _language(field: Field, view: View) -> bool:
    languages = {language.casefold() for language in view.subject.languages}
    return any(field.value in (language, language.partition("-")[0]) for language in languages)


def _followers(field: Field, view: View) -> bool:
    count = view.subject.followers
    return count is not None and isinstance(field.value, int) and NUMBERS[field.sign](count, field.value)


def _domain(field: Field, view: View) -> bool:
    """The domain, or one below it."""
    return any(host == field.value or host.endswith(f".{field.value}") for host in view.hosts)


def _snippet(field: Field, view: View) -> bool:
    return str(field.value).casefold() in view.folded


_FACTS = {
    "author": _author,
    "lang": _language,
    "network": lambda field, view: fits(str(field.value).casefold(), view.subject.network.casefold()),
    "channel": lambda field, view: fits(str(field.value).casefold(), view.subject.channel.casefold()),
    "has": lambda field, view: field.value in view.has,
    "followers": _followers,
    "domain": _domain,  # these two are no part of the language: exclusions are made of them
    "snippet": _snippet,
}


def need_of(tree: Tree) -> Need:
    """See Need; of the parts of AND the one that asks for the longest words is taken, because they are the rarest."""
    if isinstance(tree, And):
        known = [need for part in tree.parts if (need := need_of(part)) is not None]
        return max(known, key=lambda need: min(map(len, need)), default=None)
    if isinstance(tree, Or):
        needs = [need_of(part) for part in tree.parts]
        known = [need for need in needs if need is not None]
        return frozenset().union(*known) if len(known) == len(needs) else None
    if isinstance(tree, Near):
        return need_of(And((tree.left, tree.right)))
    if isinstance(tree, Word | Phrase) and (pattern := pattern_of(tree.text)).is_plain:
        return frozenset({pattern.text})
    return None


class TopicSet:
    """Queries by key, and which of them a post matches."""

    def __init__(self, trees: Mapping[int, Tree]) -> None:
        self.trees = dict(trees)
        self.finder = WordFinder(pattern.text for tree in self.trees.values() for pattern in _plain(tree))
        self._by_word: dict[str, list[int]] = defaultdict(list)
        self._always: list[int] = []
        for key, tree in self.trees.items():
            need = need_of(tree)
            if need is None:
                self._always.append(key)
            for word in need or ():
                self._by_word[word].append(key)

    def matching(self, subject: Subject) -> list[int]:
        """The keys of the queries that match, in order."""
        view = View(subject, self.finder)
        keys = set(self._always)
        for word in view.found or ():
            keys.update(self._by_word.get(word, ()))
        return sorted(key for key in keys if matches(self.trees[key], view))


def _plain(tree: Tree) -> Iterable[Pattern]:
    """Patterns that one look for a text finds, also those inside NEAR."""
    for leaf in leaves(tree):
        if isinstance(leaf, Near):
            yield from _plain(leaf.left)
            yield from _plain(leaf.right)
        elif isinstance(leaf, Word | Phrase) and (pattern := pattern_of(leaf.text)).is_plain:
            yield pattern


def match_one(tree: Tree, subject: Subject) -> bool:
    """One query, one post."""
    return matches(tree, View(subject))

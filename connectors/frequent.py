"""Words that stand in many of the newest posts, without those that say nothing by themselves: the database brings lists
of these for the languages it knows."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from django.db import connection

from connectors.topics.preview import SECONDS, SHORTEST
from connectors.topics.words import tokens_of
from inbox.models import Mention
from inbox.models.arrays import array
from routing.words import normalise

READ, PIECE = 2_000, 500  # newest posts
TERMS = 24
_ASIDE = 20  # times as many words are looked up as are shown
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+\.\S+")
_STOPS = {
    "da": "danish", "de": "german", "en": "english", "es": "spanish", "fi": "finnish", "fr": "french",
    "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese", "ru": "russian",
    "sv": "swedish", "tr": "turkish",
}  # fmt: skip
_STOPPED = """
    SELECT DISTINCT word FROM unnest(%s::text[]) AS w(word) CROSS JOIN unnest(%s::text[]) AS d(dict)
     WHERE ts_lexize(dict::regdictionary, word) = '{}'"""


def frequent(posts: Sequence[int], known: Sequence[str] = ()) -> list[tuple[str, int]]:
    """(word, in how many of the posts), those of `known` names left out. `posts`: ids of mentions, the newest first."""
    counts, languages = Counter[str](), set[str]()
    ends = time.monotonic() + SECONDS
    newest = Mention.objects.filter(pk__in=posts[:READ]).order_by("-pk")
    for text, language in newest.values_list("text", "language").iterator(PIECE):
        counts.update(words_of(text))
        languages.add(language)
        if time.monotonic() > ends:
            break
    often = [word for word, count in counts.most_common(_ASIDE * TERMS) if count > 1]
    ours = {token for name in known for token in tokens_of(normalise(name)).words}
    dull = ours | _stopped(often, languages)
    return [(word, counts[word]) for word in often if word not in dull][:TERMS]


def words_of(text: str) -> set[str]:
    """Words of a post, each once; neither addresses nor names of accounts nor numbers."""
    tokens = tokens_of(normalise(_ADDRESS.sub(" ", text)))
    accounts = {mark[1:] for mark in tokens.marks if mark[0] == "@"}
    return {word for word in tokens.words if len(word) >= SHORTEST and not word.isdigit()} - accounts


def _stopped(words: Sequence[str], languages: Iterable[str]) -> set[str]:
    """English is everywhere."""
    lists = {f"{_STOPS[language]}_stem" for language in {*languages, "en"} if language in _STOPS}
    with connection.cursor() as cursor:
        cursor.execute(_STOPPED, [array(words), array(sorted(lists))])
        return {word for (word,) in cursor.fetchall()}

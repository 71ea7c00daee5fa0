"""What Jetstream announces: every new post of the whole network, without a key. Which of them concern us is seen here:
those that name the account, and those with the words of a search. The public service is unverified."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from connectors.base import Source
from connectors.networks.bluesky.api import POSTS
from connectors.networks.bluesky.session import Signed
from connectors.streams import Stream
from connectors.text import read_json

PUBLIC = "wss://jetstream2.us-east.bsky.network"
AFTER = (1.0, 6.0)
"""Seconds. Jetstream is ahead of the servers we read from: most posts show there within a second, nearly all in six."""
SEARCHES = 200  # compared with each post
_TOKEN = re.compile(r'(-?)(?:"([^"]*)"|(\S+))')


class Announced(Signed):
    """Registers no network."""

    def streams(self, sources: Sequence[Source]) -> tuple[Stream, ...]:
        matcher = Matcher(self._me, sources)
        if self.settings.get("arrival") != "jetstream" or not matcher.sought:
            return ()
        base = str(self.settings.get("jetstream") or PUBLIC).rstrip("/")
        url = f"{base}/subscribe?wantedCollections={POSTS}"
        return (Stream(url, matcher.news, after=AFTER),) if urlsplit(base).scheme in ("ws", "wss") else ()


class Matcher:
    """Nearly every post is not for us, so the whole text of the frame is looked at before it is taken apart."""

    def __init__(self, me: str, sources: Sequence[Source]) -> None:
        self.me = me if any(source.name == "notifications" for source in sources) else ""
        words = {
            each.name: words_of(each.name.partition(":")[2]) for each in sources if each.name.startswith("search:")
        }
        self.searches = {name: wanted for name, wanted in list(words.items())[:SEARCHES] if wanted}

    @property
    def sought(self) -> bool:
        return bool(self.me or self.searches)

    def news(self, _event: str, data: str) -> tuple[str, ...]:
        lower = data.casefold()
        named = bool(self.me) and self.me in data
        likely = {name: words for name, words in self.searches.items() if all(word in lower for word in words)}
        if not named and not likely:
            return ()
        try:
            told: Any = read_json(data)
            author, text = told["did"], str(told["commit"]["record"]["text"]).casefold()
        except (ValueError, KeyError, TypeError, RecursionError):  # something is deleted, or it is no post
            return ()
        found = [name for name, words in likely.items() if all(word in text for word in words)]
        return (*(("notifications",) if named and author != self.me else ()), *found)


def words_of(query: str) -> tuple[str, ...]:
    """The words and phrases a post has to hold, as far as they can be read out of a search; () where there are none to
    compare, as in a search for all posts of an author."""
    found = []
    for minus, phrase, word in _TOKEN.findall(query):
        if not minus and ":" not in word and (wanted := (phrase or word).strip().strip('"*').casefold()):
            found.append(wanted)
    return tuple(found)

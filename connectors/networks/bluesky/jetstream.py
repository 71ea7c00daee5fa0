"""What Jetstream announces: every new post of the whole network, without a key. Which of them concern us is seen here:
those that name the account, and those with the words of a search. The public service is unverified."""

import re
from collections.abc import Container, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy

from connectors.base import Source
from connectors.networks.bluesky.api import POSTS
from connectors.networks.bluesky.searches import Search, normal_form, words_of
from connectors.networks.bluesky.session import Signed
from connectors.streams import Kept, Stream
from connectors.text import read_json

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

PUBLIC = "wss://jetstream2.us-east.bsky.network"
AFTER = (1.0, 6.0)
"""Seconds. Jetstream is ahead of the servers we read from: most posts show there within a second, nearly all in six."""
SEARCHES = 200  # compared with each post
SHOWS = timedelta(minutes=2)  # until then a post that Jetstream showed may still come up where we read
_TIME = re.compile(r'"time_us"\s*:\s*(\d{1,18})\b')
_DID = re.compile(r"did:[a-z]+:[A-Za-z0-9._:%-]{1,200}")
_KEY = re.compile(r"[A-Za-z0-9._:~-]{1,200}")


class Announced(Signed):
    """Registers no network."""

    def streams(self, sources: Sequence[Source]) -> tuple[Stream, ...]:
        matcher = Matcher(self._me, sources)
        if self.settings.get("arrival") != "jetstream" or not matcher.sought:
            return ()
        base = str(self.settings.get("jetstream") or PUBLIC).rstrip("/")
        if urlsplit(base).scheme not in ("ws", "wss"):
            return ()
        url = f"{base}/subscribe?wantedCollections={POSTS}"
        keeping = matcher if self.heard_alone(self.settings, self.secrets) else None
        return (Stream(url, matcher.news, after=AFTER, keeping=keeping),)

    @classmethod
    def heard_alone(cls, settings: Mapping[str, Any], secrets: Container[str], source: str = "") -> "StrPromise | str":
        """With an account the search is asked, which is more exact and knows the past."""
        if settings.get("arrival") != "jetstream" or "app_password" in secrets or "access_jwt" in secrets:
            return ""
        if source and Search.of(source.partition(":")[2]) is None:
            return ""
        return gettext_lazy(
            "The public search refuses programs without an account, so posts are heard as they are written: from now "
            "on, and none that were written before."
        )


class Matcher:
    """Nearly every post is not for us, so the words of a search are looked for in its text one by one before it is
    compared as a whole."""

    def __init__(self, me: str, sources: Sequence[Source]) -> None:
        self.me = me if any(source.name == "notifications" for source in sources) else ""
        queries = {each.name: each.name.partition(":")[2] for each in sources if each.name.startswith("search:")}
        words = {name: words_of(query) for name, query in queries.items()}
        self.searches = {name: wanted for name, wanted in list(words.items())[:SEARCHES] if wanted}
        self.exact = {name: search for name in self.searches if (search := Search.of(queries[name]))}

    @property
    def sought(self) -> bool:
        return bool(self.me or self.searches)

    def news(self, _event: str, data: str) -> tuple[str, ...]:
        named = bool(self.me) and self.me in data
        said = _said(data) if named or self.searches else None
        if said is None:
            return ()
        author, text = said
        found = [name for name, words in self.searches.items() if all(word in text for word in words)]
        return (*(("notifications",) if named and author != self.me else ()), *found)

    # What is kept of it

    def kept(self, event: str, data: str) -> Kept | None:
        """The address of a new post, for the first search that finds it: those set for the channel come first."""
        names = [name for name in self.news(event, data) if name in self.exact]
        if not names:
            return None
        told: Any = read_json(data)
        commit, did = told["commit"], str(told["did"])
        rkey = str(commit.get("rkey") or "")
        new = commit.get("operation") == "create" and commit.get("collection") == POSTS
        if not new or not _DID.fullmatch(did) or not _KEY.fullmatch(rkey):
            return None
        text = str(commit["record"]["text"])
        found = next((name for name in names if self.exact[name].is_said_in(text)), None)
        return Kept(found, f"at://{did}/{POSTS}/{rkey}") if found else None

    def place(self, data: str) -> int:
        found = _TIME.search(data)
        return int(found[1]) if found else 0

    def since(self, url: str, place: int) -> str:
        return f"{url}&cursor={place}"


@lru_cache(maxsize=8)  # each channel looks at the same frame, and at what it keeps twice
def _said(data: str) -> tuple[str, str] | None:
    """Who says what, in the normal form in which words are compared; None where something is deleted, or no post."""
    try:
        told: Any = read_json(data)
        return str(told["did"]), normal_form(str(told["commit"]["record"]["text"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None

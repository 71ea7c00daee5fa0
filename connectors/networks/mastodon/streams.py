"""What a server of the Mastodon API announces: notifications of the account, and posts with a hashtag. Servers stream
to signed-in accounts only, some from an address of their own. What the account's policy filters is not announced; the
poll finds it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from connectors.base import Connector, Source
from connectors.streams import Stream
from connectors.text import read_json

HEARD = ("mention", "quote", "update")
_SECURE = {"wss": "https", "https": "https"}
_PLAIN = {"ws": "http", "http": "http"}


class Streaming(Connector):
    """Registers no network."""

    @property
    def _streaming(self) -> str:
        """Where the server streams from: its own address, or the one it names. Never without encryption when the
        server itself has it, because the token goes there."""
        own = urlsplit(self._base)
        try:
            told = urlsplit(str(self.facts.get("streaming") or ""))
        except ValueError:
            return self._base
        schemes = _SECURE if own.scheme == "https" else {**_SECURE, **_PLAIN}
        if told.scheme not in schemes or not told.netloc or "@" in told.netloc:
            return self._base
        return f"{schemes[told.scheme]}://{told.netloc}{told.path.rstrip('/')}"

    @property
    def _base(self) -> str:
        raise NotImplementedError

    def streams(self, sources: Sequence[Source]) -> tuple[Stream, ...]:
        token = self.secrets.get("access_token", "")
        headers = {"Authorization": f"Bearer {token}"}
        found = []
        for source in sources if token else ():
            kind, _, what = source.name.partition(":")
            if kind == "notifications":
                found.append(Stream(f"{self._streaming}/api/v1/streaming/user/notification", _notified, headers, AFTER))
            elif kind == "hashtag":
                url = f"{self._streaming}/api/v1/streaming/hashtag?tag={quote(what, safe='')}"
                found.append(Stream(url, _tagged(source.name), headers, AFTER))
        return tuple(found)


AFTER = (0.3,)
"""Seconds; the server announces what it has stored."""


def _notified(event: str, data: str) -> tuple[str, ...]:
    if event != "notification":
        return ()
    try:
        told: Any = read_json(data)
    except (ValueError, RecursionError):
        return ()
    return ("notifications",) if isinstance(told, dict) and told.get("type") in HEARD else ()


def _tagged(name: str) -> Callable[[str, str], tuple[str, ...]]:
    return lambda event, _data: (name,) if event in ("update", "status.update") else ()


def streams_from(server: Mapping[str, Any]) -> str:
    """The address a server names for its streams, "" for none; the form of it changed with version 2 of the answer."""
    told = (server.get("configuration") or {}).get("urls") or {}
    address = told.get("streaming") or (server.get("urls") or {}).get("streaming_api") or ""
    return address if isinstance(address, str) and len(address) < 500 else ""

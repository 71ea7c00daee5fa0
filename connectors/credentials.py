"""Access to a network: the secrets that open it, how they are got, and who we turn out to be there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

from connectors.posts import JSON


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """Who we are there. `facts` is JSON the Channel keeps and hands back as `settings["facts"]`; `warnings` are
    sentences. `expires_at`: when our access ends, where the network says so."""

    account_id: str = ""
    account_name: str = ""
    account_url: str = ""
    server: str = ""
    scopes: tuple[str, ...] = ()
    facts: JSON = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    expires_at: datetime | None = None


class Secrets(Mapping[str, str]):
    """Credentials in the open. Shows and pickles nothing of itself."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = {name: value for name, value in (values or {}).items() if value}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return "Secrets(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("secrets are never pickled")

    def replace(self, **changed: str) -> "Secrets":
        return Secrets({**self._values, **changed})


@dataclass(frozen=True, slots=True)
class Grant:
    """The first half of OAuth: send the person to `url`; keep `secrets` (app, verifier) sealed until
    `Connector.finish`."""

    url: str
    secrets: Secrets

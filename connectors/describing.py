"""What a network says of itself before anything is connected: what it needs, its form, its sources, how it counts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


class Way(StrEnum):
    """How far it is from here to the first post."""

    NOW = "now"
    APP = "app"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True)
class Needs:
    """What an organisation must know before it begins: what the network is good for here (`does`), what to apply for
    or make there, what it costs, and what approval takes. Sentences; `approval` is empty where nobody has to agree."""

    way: Way
    does: "StrPromise"
    apply: "StrPromise"
    cost: "StrPromise"
    approval: "StrPromise | str" = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One stream of posts with its own cursor. Times in seconds; the interval adapts between `least` and `most`."""

    name: str
    label: str
    interval: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a connector's form. `kind`: text, email, url, host, password, number, lines (one a line) or choice.
    `advanced`: most never need it, so that it is folded away. `account`: whose account it is follows from it, so that
    another value is tried before it replaces the one of a channel that listens."""

    name: str
    label: str
    hint: str = ""
    secret: bool = False
    required: bool = True
    kind: str = "text"
    choices: tuple[tuple[str, str], ...] = ()
    advanced: bool = False
    account: bool = False


@dataclass(frozen=True, slots=True)
class TextRule:
    """How the composer counts. `limit` None: no limit; the server's own figure, where known, is in
    `Connector.measure`."""

    limit: int | None
    unit: str = "characters"

"""Deliveries of a network as they come in, and how each is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.posts import JSON


@dataclass(frozen=True, slots=True)
class Incoming:
    """A delivery as it arrived. Header names in lower case."""

    method: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Signature good. Keep the raw body under `delivery`, commit, answer `status` with `answer`; `Connector.unpack`
    maps it later. `proof`: the signature, where it does not cover the name of the delivery; under whatever name it
    comes again, it is the delivery it came with first."""

    delivery: str
    answer: JSON
    status: int = 202
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Withdrawn(Accepted):
    """Signature good, and no post: whoever signed in takes back the access they gave, and what we hold by it has to go.
    `account`: what the network calls them for the `app` of this number."""

    account: str = ""
    app: str = ""


@dataclass(frozen=True, slots=True)
class Challenge:
    """A handshake: answer 200 with exactly this."""

    body: str
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Rejected:
    """Store nothing and answer `status`."""

    status: int
    reason: str

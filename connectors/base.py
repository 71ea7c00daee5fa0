"""What every network keeps: the one class it subclasses, with the shapes and faults that cross its edge, all to be
had here."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from connectors.faults import (
    AuthExpired,
    AuthRevoked,
    Duplicate,
    Fault,
    Gone,
    InDoubt,
    Invalid,
    NotPermitted,
    Outcome,
    PolicyRefused,
    QuotaSpent,
    RateLimited,
    Unavailable,
    Unreadable,
)
from connectors.posts import (
    CURSOR_LIMIT,
    JSON,
    URL_LIMIT,
    Author,
    Bad,
    Budget,
    Gap,
    Media,
    Page,
    Post,
    PostKind,
    PostState,
    Rate,
    Visibility,
)
from connectors.replies import (
    Absent,
    CannotKnow,
    Capability,
    Deleted,
    Done,
    Found,
    Measure,
    Outgoing,
    Prepared,
    Sent,
    Verb,
    Withheld,
)
from connectors.topics.compile import Dialect, Native, compiled
from connectors.topics.tree import Tree
from socialcare.kinds import Kind

if TYPE_CHECKING:
    from connectors.http import Seam

__all__ = [
    "CURSOR_LIMIT", "JSON", "URL_LIMIT", "Absent", "Accepted", "AuthExpired", "AuthRevoked", "Author", "Bad",
    "Budget", "CannotKnow", "Capability", "Challenge", "Check", "Connector", "Deleted", "Done", "Duplicate",
    "Fault", "Field", "Found", "Gap", "Gone", "Grant", "InDoubt", "Incoming", "Invalid", "Measure", "Media",
    "NotPermitted", "Outcome", "Outgoing", "Page", "PolicyRefused", "Post", "PostKind", "PostState", "Prepared",
    "QuotaSpent", "Rate", "RateLimited", "Rejected", "Secrets", "Sent", "Source", "TextRule", "Unavailable",
    "Unreadable", "Verb", "Visibility", "Withheld",
]  # fmt: skip


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
class Incoming:
    """A delivery as it arrived. Header names in lower case."""

    method: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Signature good. Keep the raw body under `delivery`, commit, answer `status` with `answer`; `Connector.unpack`
    maps it later."""

    delivery: str
    answer: JSON
    status: int = 202


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
    """One line of a connector's form. `kind`: text, url, host, password, number, lines (one a line) or choice."""

    name: str
    label: str
    hint: str = ""
    secret: bool = False
    required: bool = True
    kind: str = "text"
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TextRule:
    """How the composer counts. `limit` None: no limit; the server's own figure, where known, is in
    `Connector.measure`."""

    limit: int | None
    unit: str = "characters"


@dataclass(frozen=True, slots=True)
class Grant:
    """The first half of OAuth: send the person to `url`; keep `secrets` (app, verifier) sealed until
    `Connector.finish`."""

    url: str
    secrets: Secrets


class Connector(Kind, ABC, scan="connectors.networks"):
    """One network. Works on what it is handed: no clock (`now` is an argument), no sleeping, no threads, no state of
    its module. Any method that talks to the network may raise any `Fault`, and nothing else on the network's
    account."""

    form: ClassVar[tuple[Field, ...]] = ()
    sources: ClassVar[tuple[Source, ...]] = ()
    """Every source this network has. What one Channel listens to is `listening()`."""
    scopes: ClassVar[tuple[str, ...]] = ()
    text_rule: ClassVar[TextRule] = TextRule(None)
    lag: ClassVar[float] = 15.0
    """Seconds until our own new post can be read back; a look-back before 15 s + lag proves nothing."""
    listen_only: ClassVar[bool] = False
    oauth: ClassVar[bool] = False
    pushed: ClassVar[bool] = False
    """Posts arrive by `receive`; `poll` has nothing to ask."""
    hooked: ClassVar[bool] = False
    """Deliveries may come as well; `poll` finds whatever they did not bring."""
    mergeable: ClassVar[bool] = True
    """Whether identities of this network may be joined with others into one Person."""
    keyed: ClassVar[bool] = False
    """A repeat of the same key is harmless at the network, so that in doubt may be settled by sending again."""
    dialect: ClassVar[Dialect | None] = None
    """How the network's own search is asked, by sources called `search:<text>`; None: it has no search."""
    currency: ClassVar[str] = ""
    """What `Page.cost` and `Measure.cost` count: $, or units of a quota. Empty where nothing is counted."""
    recordings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Mapping[str, Any], secrets: Secrets, seam: "Seam") -> None:
        self.settings, self.secrets, self.seam = settings, secrets, seam
        self.facts: Mapping[str, Any] = settings.get("facts") or {}

    @property
    def space(self) -> str:
        """Within which `Post.root_id` is one thread. Channels of one space that hear the same post join one
        Conversation."""
        return self.name

    def listening(self) -> tuple[Source, ...]:
        """The sources this Channel, as configured, is to be polled for."""
        return self.sources

    @classmethod
    def search_query(cls, tree: Tree) -> Native | None:
        """What the network is asked for a topic's query; None: it cannot be asked, what comes anyway is compared."""
        return compiled(tree, cls.dialect) if cls.dialect else None

    @property
    def can_search(self) -> bool:
        """Whether this Channel, as it is signed in, may use the network's search."""
        return self.dialect is not None

    def searching(self, texts: Sequence[str]) -> tuple[Source, ...]:
        """Sources that ask the network's search for each of the texts."""
        search = next(source for source in self.sources if source.name == "search")
        return tuple(replace(search, name=f"search:{text}", label=f"{search.label} {text}") for text in texts)

    @abstractmethod
    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        """Pages of one source, oldest first as far as the network allows; one request a page as a rule. Ends at the
        network's end mark, when the budget is spent, or with a Fault. A cursor it cannot use restarts 48 h back with
        a Gap."""

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        """A cursor with which `poll` gives once more all of the source since then, as an addition to where it stands.
        None where the network gives the past no second time, or asks money for it. Pure."""
        return None

    @abstractmethod
    def send(self, outgoing: Outgoing) -> Sent | Prepared:
        """One writing request, never retried inside."""

    @abstractmethod
    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        """Look back whether it was made. Reads only."""

    @abstractmethod
    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        """What may be done with this item. Pure; verbs the network lacks are left out."""

    @abstractmethod
    def check(self) -> Check:
        """Who are we there, and what is it able to do. No side effect."""

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        """Anything but a reply; `text` is for edit. Doing it twice is success. Faults as for `send`."""
        raise NotPermitted(f"{self.label} has no “{verb}”.", what=verb)

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        """How these posts stand now; ids the network did not answer for are left out."""
        return []

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        """The posts above this one, oldest first, by at most one request; [] where the network has none."""
        return []

    def measure(self, text: str, post: Post | None = None) -> Measure:
        """How `text`, as it would be sent in answer to `post`, counts. Pure."""
        limit, used = self.text_rule.limit, len(text)
        problems = (f"{used - limit} {self.text_rule.unit} too long.",) if limit is not None and used > limit else ()
        return Measure(used, limit, self.text_rule.unit, problems)

    def renew(self, secrets: Secrets) -> Secrets:
        """A new set of credentials; called under the Channel's lease, never by two processes. With `expires_in`
        (seconds) or `expires_at` (ISO or Unix seconds) among them, they are renewed before they end."""
        raise AuthRevoked(f"{self.label} has no way to renew access without a person.")

    def receive(self, incoming: Incoming, now: datetime) -> Accepted | Challenge | Rejected:
        """Check a delivery over its raw bytes."""
        return Rejected(404, f"{self.label} takes no deliveries.")

    def unpack(self, body: bytes, now: datetime) -> Page:
        """Map the raw body of an accepted delivery."""
        raise NotImplementedError(f"{self.label} takes no deliveries")

    def begin(self, redirect_uri: str, state: str) -> Grant:
        """Start OAuth (only where `oauth`)."""
        raise NotPermitted(f"{self.label} has no sign-in page.", what="oauth")

    def finish(self, code: str, redirect_uri: str, grant: Secrets) -> Secrets:
        """End OAuth: the credentials to keep for the Channel."""
        raise NotPermitted(f"{self.label} has no sign-in page.", what="oauth")

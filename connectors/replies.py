"""What answering takes and gives: a wish to post, what came of it, what may be done with an item and how a text
counts."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from connectors.media import Medium
from connectors.posts import Post

type Verb = Literal[
    "reply",
    "private_reply",
    "hide",
    "unhide",
    "like",
    "unlike",
    "edit",
    "delete",
    "approve",
    "spam",
    "unspam",
    "trash",
    "restore",
    "block",
    "mute",
    "unmute",
    "report",
    "lock",
    "unlock",
    "mark_seen",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """One wish to post, committed before the call and enough to send the very same bytes again. `bound`: ids of our
    posts that belong to other replies. `prepared`: the token a two-step network gave for this very reply. `first_at`:
    when the first try began that may have posted it, if an earlier one may. `elsewhere`: that of `Capability`, as its
    author said yes to it."""

    key: str
    text: str
    parent: Post
    sending_at: datetime
    private: bool = False
    bound: frozenset[str] = frozenset()
    prepared: str | None = None
    agent_name: str = ""
    lang: str = ""
    first_at: datetime | None = None
    elsewhere: str = ""
    media: tuple[Medium, ...] = ()

    @property
    def since(self) -> datetime:
        """Before this no byte of it had left, on our clock."""
        return self.first_at or self.sending_at


@dataclass(frozen=True, slots=True)
class Sent:
    external_id: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """First of two steps is done: commit the token, then call `send` again with it."""

    token: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the network shows an answer of ours: `below` which posts it may hang, and its `text` there."""

    below: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    external_id: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """Read back completely, and ours is not among them."""


@dataclass(frozen=True, slots=True)
class CannotKnow:
    """The network cannot tell; `reason` is a sentence for the person who has to say."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """A verb took effect, or had before. `post`: how the network shows the item now, where it answers that."""

    post: Post | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    external_id: str


@dataclass(frozen=True, slots=True)
class Withheld:
    external_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Capability:
    """`reason`: a sentence for the agent when not allowed, or allowed under a condition. `hand_off`: where to do it
    by hand. `ask`: a page of ours where somebody says that it is wanted all the same. `elsewhere`: whom an answer goes
    to although somebody else seems to have written; it leaves only if its author said yes to exactly them."""

    allowed: bool
    reason: str = ""
    until: datetime | None = None
    cost: Decimal | None = None
    hand_off: str = ""
    ask: str = ""
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """How much of the limit a text uses. `limit` None: no limit. `problems`: sentences; sending is refused while
    there are any."""

    used: int
    limit: int | None
    unit: str
    problems: tuple[str, ...] = ()
    cost: Decimal | None = None

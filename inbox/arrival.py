"""What the inbox needs to know of a post and of a routing decision, without knowing networks or rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol


class Writer(Protocol):
    """A post's author as the network gives it; `external_id` is stable, a handle is not."""

    @property
    def external_id(self) -> str: ...
    @property
    def handle(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def avatar_url(self) -> str: ...
    @property
    def bot(self) -> bool: ...
    @property
    def followers(self) -> int | None: ...


class Facts(NamedTuple):
    """What rules may ask about a post, before it is stored. `text` holds subject and text. `team_id` is the team of
    whoever asked for the post, for what no rule places; `listen_only`: it was asked for to be read, not answered;
    `hidden`: somebody excluded it, and no rule makes work of it. `topics` that found it and its `themes` are ids."""

    text: str
    network: str
    channel_id: int
    source: str = ""
    kind: str = "mention"
    language: str = ""
    visibility: str = "public"
    author_handle: str = ""
    author_name: str = ""
    followers: int | None = None
    rating: Decimal | None = None
    media: bool = False
    team_id: int | None = None
    listen_only: bool = False
    hidden: bool = False
    topics: tuple[int, ...] = ()
    themes: tuple[int, ...] = ()


class Decision(NamedTuple):
    """Where a new conversation goes. `heard_only`: a rule keeps it out of the queue for good; `listen_only`: it stays
    out until its author writes to us. `trace` is what is kept to answer “why is this here?” (see routing.engine)."""

    team_id: int
    trace: Mapping[str, Any]
    agent_id: int | None = None
    priority: int = 0
    tags: tuple[str, ...] = ()
    heard_only: bool = False
    listen_only: bool = False


Decide = Callable[[Sequence[Facts]], list[Decision]]


@dataclass(frozen=True)
class Asked:
    """Why a post was looked for: by which topics, for whom, and whether only to be read. `shown` are the topics of
    which no exclusion hides it, with its `themes` there; `hidden`: there is none, and it was not written to us."""

    topics: tuple[int, ...] = ()
    team_id: int | None = None
    listen_only: bool = False
    hidden: bool = False
    shown: tuple[int, ...] = ()
    themes: tuple[int, ...] = ()


class Stands(Protocol):
    """Where the network shows an answer of ours, and what it says there."""

    @property
    def below(self) -> tuple[str, ...]: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class Place:
    """Where posts of a channel land: the network's name, the prefix that makes thread keys global, `normalise` for
    comparing our own posts with replies, per source the time before which a new post is a late one, and per post the
    posts above it and why it was looked for. `stands` tells of replies by their ids how the network will show them,
    where that is not as an answer to what they answer."""

    channel_id: int
    network: str
    space: str
    now: datetime
    normalise: Callable[[str], str]
    late_before: Mapping[str, datetime] = field(default_factory=dict)
    context: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: Mapping[str, Asked] = field(default_factory=dict)
    stands: Callable[[Sequence[int]], Mapping[int, Stands]] | None = None

    def only_listens(self, post: Any) -> bool:
        asked = self.asked.get(post.external_id)
        return asked is not None and asked.listen_only

    def hides(self, post: Any) -> bool:
        asked = self.asked.get(post.external_id)
        return asked is not None and asked.hidden

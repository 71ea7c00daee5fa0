"""What listening brings: posts with their authors, in pages with a cursor, checked at the edge."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from connectors.text import key, storable, storable_json

type JSON = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """How a network gives what was said before we came. With `cursor` `poll` gives it, and maybe what came since;
    None: there is nothing to ask for, and `words` say why. `since`: how far back the network goes, None: as far as
    anybody wants. `newest_first`: its pages go back in time. `whole` is False where the list may end before `since`.
    `paid`: every post costs money, so that somebody has to want it."""

    cursor: JSON | None
    since: datetime | None = None
    words: str = ""
    newest_first: bool = True
    whole: bool = True
    paid: bool = False


class PostKind(StrEnum):
    MENTION = "mention"
    REPLY = "reply"
    QUOTE = "quote"
    COMMENT = "comment"
    DIRECT = "direct"
    REVIEW = "review"
    ARTICLE = "article"
    MAIL = "mail"
    RESULT = "result"


class Visibility(StrEnum):
    PUBLIC = "public"
    UNLISTED = "unlisted"
    FOLLOWERS = "followers"
    DIRECT = "direct"
    HELD = "held"


class PostState(StrEnum):
    LIVE = "live"
    EDITED = "edited"
    DELETED = "deleted"
    WITHHELD = "withheld"


@dataclass(frozen=True, kw_only=True, slots=True)
class Author:
    """`external_id` is the network's stable id, never the handle, and unique within the network whichever Channel
    heard it."""

    external_id: str
    handle: str = ""
    name: str = ""
    avatar_url: str = ""
    url: str = ""
    bot: bool = False
    followers: int | None = None
    created_at: datetime | None = None

    def __post_init__(self) -> None:
        _make_storable(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Media:
    """Something shown with a post. `kind`: image, video, audio or file. `ref`: under what the connector gives it out
    where it has no address that anybody may ask (see `Connector.enclosed`)."""

    kind: str
    url: str
    preview_url: str = ""
    description: str = ""
    ref: str = ""

    def __post_init__(self) -> None:
        _make_storable(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Post:
    """What a network gives, checked at the edge: storable text, keys that fit an index, aware times.

    `external_id` and `parent_id` share the Channel's id space; `root_id` is a key of the thread within
    `Connector.space`, and None where only the network can tell (a reply whose parent we do not hold: see
    `Connector.ancestors`). `history` marks what was older than the window when the source was first read: stored,
    never queued. `dated` is False when the network gave no usable time and `created_at` is when we first saw it.
    `version` changes with text, media or state. `whole` is False where what the network tells, by
    number, in a delivery or in a list, leaves out who may see a post or what may be done with it: what is known of
    that stays."""

    external_id: str
    kind: PostKind
    source: str
    author: Author
    text: str
    created_at: datetime
    html: str | None = None
    edited_at: datetime | None = None
    version: str = ""
    lang: str = ""
    parent_id: str | None = None
    root_id: str | None = None
    url: str = ""
    media: tuple[Media, ...] = ()
    visibility: Visibility = Visibility.PUBLIC
    state: PostState = PostState.LIVE
    ours: bool = False
    rating: Decimal | None = None
    subject: str = ""
    history: bool = False
    dated: bool = True
    whole: bool = True
    grants: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _make_storable(self)
        if self.created_at.tzinfo is None or (self.edited_at and self.edited_at.tzinfo is None):
            raise ValueError("a time without zone")
        if not self.external_id:
            raise ValueError("a post without id")
        if not self.version:
            said = json.dumps([self.text, self.subject, [m.url for m in self.media], self.state])
            object.__setattr__(self, "version", hashlib.sha256(said.encode()).hexdigest()[:32])


_KEYS = frozenset({"external_id", "parent_id", "root_id"})
_URLS = frozenset({"url", "avatar_url", "preview_url"})
URL_LIMIT = 2_000


def _make_storable(shape: Author | Media | Post) -> None:
    """Make every text of a frozen shape storable; an address longer than any browser takes is dropped, not cut."""
    for each in fields(shape):
        value = getattr(shape, each.name)
        if isinstance(value, StrEnum) or not isinstance(value, str | dict):
            continue
        if isinstance(value, dict):
            value = storable_json(value)
        elif each.name in _KEYS:
            value = key(value)
        else:
            value = storable(value)
            if each.name in _URLS and len(value) > URL_LIMIT:
                value = ""
        object.__setattr__(shape, each.name, value)


@dataclass(frozen=True, slots=True)
class Rate:
    """What is left of a window the network counts; `reset_at` is on our clock."""

    bucket: str
    limit: int | None
    remaining: int | None
    reset_at: datetime | None
    source: str = "header"


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which nothing can be read any more, and why. `since` None: from the beginning."""

    since: datetime | None
    until: datetime | None
    reason: str


MAPPING = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError, RecursionError, StopIteration)
"""What an odd item raises while it is mapped, which asks nobody anything: a field that is none of what it was, a time
beyond the calendar (OSError), lists without an end. The item is set aside, the others are kept."""


@dataclass(frozen=True, slots=True)
class Bad:
    """One item that could not be mapped. It is quarantined with its reason and never stops its page."""

    external_id: str | None
    reason: str
    raw: Any = None
    index: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "external_id", key(self.external_id) if self.external_id else None)
        object.__setattr__(self, "reason", storable(self.reason)[:500])
        object.__setattr__(self, "raw", storable_json(self.raw))


BELOW = "closed_below"
"""The one name in the raw of a `Bad` that is no item: a thing of a list, of whose inside nothing is told. It is asked
for again by itself, and `reopened` once it was read."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The network says that a post of ours, sent long ago, reached nobody. `told_by` is the post of this page that
    says so: it is kept only where no reply of ours is known by that id."""

    external_id: str
    reason: str
    told_by: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "external_id", key(self.external_id))
        object.__setattr__(self, "reason", storable(self.reason)[:300])


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page of one source. `cursor` (JSON, ≤ 32 kB) is committed with the posts. `end`: the network has nothing
    more now. `interval`: seconds until the next poll as this page suggests, within the source's `least` and `most`;
    None: no opinion. `repeats` counts items or pages the network gave again where it should have gone on. Of a delivery
    `found_by` is the search that it answers, and `later` the part of its body that the network does not show yet.
    `reopened`: things whose inside was read now, whether it was kept from us before or not, see BELOW."""

    posts: tuple[Post, ...]
    cursor: JSON
    end: bool
    rate: tuple[Rate, ...] = ()
    cost: Decimal = Decimal(0)
    gaps: tuple[Gap, ...] = ()
    bad: tuple[Bad, ...] = ()
    undelivered: tuple[Undelivered, ...] = ()
    interval: float | None = None
    repeats: int = 0
    found_by: str = ""
    later: str = ""
    reopened: tuple[str, ...] = ()


CURSOR_LIMIT = 32_000
"""Bytes of a cursor as JSON."""


@dataclass(slots=True)
class Budget:
    """What one poll may use, over all its sources. Used up is not an error: the page token stays in the cursor. `few`:
    only a sample is wanted, so that where each item costs money a page asks for no more than so many."""

    requests: int = 5
    seconds: float = 45.0
    cost: Decimal | None = None
    few: int | None = None
    clock: Callable[[], float] = time.monotonic
    ends: float = field(init=False)

    def __post_init__(self) -> None:
        self.ends = self.clock() + self.seconds

    @property
    def spent(self) -> bool:
        return self.requests <= 0 or self.clock() >= self.ends or (self.cost is not None and self.cost <= 0)

    def spend(self, requests: int = 1, cost: Decimal = Decimal(0)) -> None:
        self.requests -= requests
        if self.cost is not None:
            self.cost -= cost

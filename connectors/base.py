"""What every network keeps: the one class it subclasses, with the shapes and faults that cross its edge, all to be
had here."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext_lazy

from connectors.credentials import Check, Grant, Secrets
from connectors.deliveries import Accepted, Challenge, Incoming, Rejected
from connectors.describing import Field, Needs, Source, TextRule, Way
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
from connectors.media import IMAGES, MediaRule, Medium, Uploaded
from connectors.posts import (
    CURSOR_LIMIT,
    JSON,
    MAPPING,
    URL_LIMIT,
    Author,
    Bad,
    Budget,
    Gap,
    Media,
    Page,
    Past,
    Post,
    PostKind,
    PostState,
    Rate,
    Undelivered,
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
    Standing,
    Verb,
    Withheld,
)
from connectors.streams import Stream
from connectors.topics.compile import Dialect, Native, compiled
from connectors.topics.tree import Tree
from socialcare.kinds import Kind

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

    from connectors.http import Seam

__all__ = [
    "CURSOR_LIMIT", "IMAGES", "JSON", "MAPPING", "URL_LIMIT", "Absent", "Accepted", "AuthExpired", "AuthRevoked",
    "Author", "Bad", "Budget", "CannotKnow", "Capability", "Challenge", "Check", "Connector", "Deleted", "Done",
    "Duplicate", "Fault", "Field", "Found", "Gap", "Gone", "Grant", "InDoubt", "Incoming", "Invalid", "Measure",
    "Media", "MediaRule", "Medium", "Needs", "NotPermitted", "Outcome", "Outgoing", "Page", "Past", "PolicyRefused",
    "Post", "PostKind", "PostState", "Prepared", "QuotaSpent", "Rate", "RateLimited", "Rejected", "Secrets", "Sent",
    "Source", "Standing", "TextRule", "Unavailable", "Undelivered", "Unreadable", "Uploaded", "Verb", "Visibility",
    "Way", "Withheld",
]  # fmt: skip


type Billing = Callable[[Mapping[str, Decimal]], None]


def _free(prices: Mapping[str, Decimal]) -> None:
    """Nobody counts, as when a connection is tried."""


def _forgotten(facts: JSON) -> None:
    """No channel keeps it, as when a connection is tried."""


class Connector(Kind, ABC, scan="connectors.networks"):
    """One network. Works on what it is handed: no clock (`now` is an argument), no sleeping, no threads, no state of
    its module. Any method that talks to the network may raise any `Fault`, and nothing else on the network's
    account."""

    needs: ClassVar[Needs]
    form: ClassVar[tuple[Field, ...]] = ()
    folded: ClassVar["StrPromise | str"] = gettext_lazy("Rarely needed")
    """What the advanced lines of the form are called together."""
    sources: ClassVar[tuple[Source, ...]] = ()
    """Every source this network has. What one Channel listens to is `listening()`."""
    scopes: ClassVar[tuple[str, ...]] = ()
    text_rule: ClassVar[TextRule] = TextRule(None)
    lag: ClassVar[float] = 15.0
    """Seconds until our own new post can be read back; a look-back before 15 s + lag proves nothing."""
    listen_only: ClassVar[bool] = False
    invented: ClassVar[bool] = False
    """Nobody real writes there, so a channel may be removed with all that came through it."""
    oauth: ClassVar[bool] = False
    oauth_where: ClassVar[str] = ""
    """The field of the form that, filled in, makes of a Channel one that is signed in on the network's own page, where
    others of its kind go by password."""
    public: ClassVar[bool] = False
    """Where `oauth`: something can be read before anybody signed in."""
    pushed: ClassVar[bool] = False
    """Posts arrive by `receive`; `poll` has nothing to ask."""
    hooked: ClassVar[bool] = False
    """Deliveries may come as well; `poll` finds whatever they did not bring."""
    hook_words: ClassVar["StrPromise | str"] = ""
    """What to do at the network with the address for deliveries, and which secret they are signed with."""
    hook_secret: ClassVar[str] = ""
    """The field without which no delivery is taken."""
    mergeable: ClassVar[bool] = True
    """Whether identities of this network may be joined with others into one Person."""
    keyed: ClassVar[bool] = False
    """A repeat of the same key is harmless at the network, so that in doubt may be settled by sending again."""
    dialect: ClassVar[Dialect | None] = None
    """How the network's own search is asked, by sources called `search:<text>`; None: it has no search."""
    counts: ClassVar[Decimal | None] = None
    """What one `counted` costs; None: the network does not say beforehand how much a search would find."""
    counts_with: ClassVar[str] = ""
    """The secret without which it does not."""
    follows: ClassVar[int] = 40
    """Posts asked for in one `refresh`; fewer where each takes a request of its own."""
    follows_again: ClassVar[timedelta] = timedelta(minutes=10)
    """From one round through all open conversations to the next, at least; longer where every post costs money."""
    follows_for: ClassVar[timedelta | None] = None
    """How old a post may be to be asked for; None: as old as it likes. An older one would be taken for deleted."""
    unasked: ClassVar[tuple[str, ...]] = ()
    """How the sources begin whose posts the network tells nobody by their number: asked for, they would be taken for
    deleted."""
    at_once: ClassVar[int] = 1
    """Posts of which one request tells how they stand."""
    revisits: ClassVar[timedelta | None] = timedelta(days=1)
    """From one round through the posts of closed conversations to the next, at least; None: they are not asked for,
    because each costs money or cannot change."""
    keeps_uploads: ClassVar[float] = 0.0
    """Seconds the network keeps a file that no post names yet; 0 where files travel inside the one writing request."""
    mutes: ClassVar[str] = "author"
    """Whom or what of a post the verb `mute` silences, as the timeline says it."""
    currency: ClassVar[str] = ""
    """What `Page.cost` and `Measure.cost` count: $, or units of a quota. Empty where nothing is counted."""
    recordings: ClassVar[tuple[str, ...]] = ()
    missing: ClassVar["StrPromise | str"] = ""
    """What has to be installed before this network can be spoken, "" when nothing is. It is not offered then."""

    def __init__(self, settings: Mapping[str, Any], secrets: Secrets, seam: "Seam") -> None:
        self.settings, self.secrets, self.seam = settings, secrets, seam
        self.facts: Mapping[str, Any] = settings.get("facts") or {}
        self.bill: Billing = _free
        """Told what is read besides pages where that costs: the price of each thing, which counts once a day, and under
        "" what counts each time."""
        self.learned: Callable[[JSON], None] = _forgotten
        """Told what turned out on the way and is to stand among the facts of the Channel from now on, until `check`,
        which has to repeat it, says otherwise."""
        self.hosts: Callable[[Sequence[str]], Mapping[str, str]] = lambda roots: {}
        """Of these threads those whose first post is stored, with what it hangs on, a post or picture of ours; ""
        where it hangs on nothing."""
        self.open_roots: Callable[[], Sequence[str]] = tuple
        """Which threads, by their `root_id`, have conversations that are open, the newest first: what is new there is
        read by each poll, however old the thread is, as far as the budget goes."""

    @property
    def space(self) -> str:
        """Within which `Post.root_id` is one thread. Channels of one space that hear the same post join one
        Conversation."""
        return self.name

    @classmethod
    def guessed(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What the form left empty, as far as the rest of it tells. Pure; the test of the connection shows whether it
        holds."""
        return {}

    @classmethod
    def signs_in(cls, settings: Mapping[str, Any]) -> bool:
        """Whether a Channel with these settings is signed in on the network's own page. Pure."""
        return cls.oauth or bool(cls.oauth_where and settings.get(cls.oauth_where))

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

    @property
    def cannot_search(self) -> "StrPromise | str":
        """Why it may not, where the network has a reason of its own."""
        return ""

    def searching(self, texts: Sequence[str]) -> tuple[Source, ...]:
        """Sources that ask the network's search for each of the texts."""
        search = next(source for source in self.sources if source.name == "search")
        return tuple(replace(search, name=f"search:{text}", label=f"{search.label} {text}") for text in texts)

    def counted(self, text: str, now: datetime) -> int:
        """How many posts of the last seven days a search for the text finds, by one request that is paid."""
        raise NotPermitted(f"{self.label} does not count.", what="counts")

    @abstractmethod
    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        """Pages of one source, oldest first as far as the network allows; one request a page as a rule. Ends at the
        network's end mark, when the budget is spent, or with a Fault. A cursor it cannot use restarts 48 h back with
        a Gap."""

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        """A cursor with which `poll` gives once more all of the source since then, as an addition to where it stands.
        None where the network gives the past no second time, or asks money for it. Pure."""
        past = self.history(source, cursor, since, now)
        reaches = past.since is None or past.since <= since
        return past.cursor if reaches and not past.paid else None

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        """How to read what was said before the source was first read, back to `since` or as far as the network lets
        us. `cursor` is where ordinary reading stands. Pure."""
        return Past(cursor=None, words=f"{self.label} does not let us look back.")

    def streams(self, sources: Sequence[Source]) -> tuple[Stream, ...]:
        """Connections on which the network says that one of these sources, which this Channel is polled for, has
        something new. Pure."""
        return ()

    @classmethod
    def heard_alone(cls, settings: Mapping[str, Any], secrets: Container[str], source: str = "") -> "StrPromise | str":
        """Whether what the searches of such a Channel, or this one, find is kept from a stream, so that a network that
        refuses them refuses nothing: in words for its page, else "". `secrets`: the names of those that it has."""
        return ""

    def does_without(self, source: str, fault: str) -> bool:
        """Whether nothing is missing although the network answered so when the source was asked for."""
        return fault == "NotPermitted" and bool(self.heard_alone(self.settings, self.secrets, source))

    @property
    def unpacks(self) -> bool:
        """Whether there may be deliveries to be worked off."""
        return type(self).unpack is not Connector.unpack

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
        """Anything but a reply; `text` is for edit. Doing it twice is success, but for a report. Faults as
        for `send`."""
        raise NotPermitted(f"{self.label} has no “{verb}”.", what=verb)

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        """How these posts, at most `follows`, stand now; ids the network did not answer for are left out."""
        return []

    @property
    def audits(self) -> int:
        """Posts of closed conversations that one `audit` may name; 0 where the network has none, and they are asked for
        by `refresh`."""
        return 0

    def audit(self, ids: Sequence[str], place: str, now: datetime) -> list[Deleted | Withheld] | None:
        """Which of these posts were deleted or are kept from us now, by a job of the network that takes its time: None
        until it is done. Asked for again with the same `place`, the job is found and not begun anew. A fault of it is
        none of the channel, which is read on."""
        return []

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        """The posts above this one, oldest first, by at most one request; [] where the network has none."""
        return []

    def standing(self, text: str, post: Post) -> Standing:
        """Where a public answer with this text to this post will hang, which is elsewhere on networks that know no
        answers to answers. Pure."""
        return Standing((post.external_id,), text)

    def measure(self, text: str, post: Post | None = None, *, private: bool = False) -> Measure:
        """How `text`, as it would be sent in answer to `post`, counts. `private`: as a private message to whoever said
        it. Pure."""
        limit, used = self.text_rule.limit, len(text)
        problems = (f"{used - limit} {self.text_rule.unit} too long.",) if limit is not None and used > limit else ()
        return Measure(used, limit, self.text_rule.unit, problems)

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        """What may hang from an answer to this item. Pure."""
        return MediaRule(reason=f"{self.label} takes no files with an answer.")

    def upload(self, medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
        """One request that brings a file, or a part of it, to where nobody sees it before the answer names it (only
        where `keeps_uploads`). `so_far`: the token of the step before, or "". A step whose answer is lost is done
        again, so it is asked with `write=False`."""
        raise NotPermitted(f"{self.label} takes no files.", what="media")

    def enclosed(self, post: Post, ref: str, size: int) -> bytes:
        """A file that stands with the post: the one whose Media has this `ref`, at most `size` bytes."""
        raise NotPermitted(f"{self.label} gives out no files.", what="media")

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

    @classmethod
    def delivered(cls, settings: Mapping[str, Any]) -> bool:
        """Whether a Channel with these settings has its posts delivered instead of being asked for."""
        return cls.pushed

    def arrange(self, address: str, *, wanted: bool) -> None:
        """Has the network deliver to this address from now on, or no longer. Twice is success, and deliveries to any
        other address are left alone where they are not wanted here."""
        raise NotImplementedError(f"{self.label} is told by hand where to deliver")

    def subscribe(self) -> None:
        """Where the address for deliveries is entered by hand: has the network deliver what concerns this account.
        Called when the secret is there without which none is taken; twice is success, and what else it delivers
        stays."""

    def begin(self, redirect_uri: str, state: str) -> Grant:
        """Start OAuth (only where `signs_in`)."""
        raise NotPermitted(f"{self.label} has no sign-in page.", what="oauth")

    def finish(self, code: str, redirect_uri: str, grant: Secrets) -> Secrets:
        """End OAuth: the credentials to keep for the Channel."""
        raise NotPermitted(f"{self.label} has no sign-in page.", what="oauth")

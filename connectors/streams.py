"""What a network declares of a connection that stays open and on which it says that there is something new. As a rule
it is only a hint to read; what nobody could ask for later is kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from connectors.answers import Answer
from connectors.frames import Frame
from connectors.posts import JSON

OPENED = "opened"
"""The first frame of a `line`: what came before it was announced to nobody."""


class Announcing(Protocol):
    """A connection of a protocol of its own, opened and spoken to by a library that waits for its answers. One thread
    at a time has it, and only when there is something to do; each call ends by itself."""

    def fileno(self) -> int:
        """What the system shows as readable when something came."""

    def has_more(self) -> bool:
        """Something came that the system does not show."""

    def heard(self) -> list[Frame]:
        """What came. A Fault when the connection has ended."""

    def again(self) -> list[Frame]:
        """Asks for announcements anew, and for a sign of life; what came meanwhile. A Fault when there is none."""

    def close(self) -> None:
        """Ends it at once."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request, POSTed as JSON to `path` below the stream's `url`, which the server keeps for at most so many
    `seconds` while it has nothing to say. The path may hold a secret: nobody shows it."""

    path: str = field(repr=False)
    given: JSON = field(repr=False)
    seconds: float


class Asking(Protocol):
    """What is asked on and on, where announcements are answers. One connection has one of these; it waits for
    nothing."""

    def question(self) -> Question:
        """What to ask now. It must change nothing at the network: what is answered may get lost."""

    def answered(self, answer: Answer, seconds: float) -> tuple[list[Frame], float]:
        """What the answer, which took so long to come, announces, and the seconds until the next question. A Fault
        ends the stream; one of the first answer means that it never was open."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Of a frame: a short `item`, such as an address, which is what the search `source` looks for."""

    source: str
    item: str


class Keeping(Protocol):
    """What of a stream becomes a delivery of its channel, which `Connector.unpack` maps; one stream of a channel may
    have it. It is pure and quick, and takes any text. A place is a time in microseconds since 1970."""

    def kept(self, event: str, data: str) -> Kept | None: ...

    def place(self, data: str) -> int:
        """Where in the stream this frame stands; 0 where it does not say."""

    def since(self, url: str, place: int) -> str:
        """The address at which the stream begins there, if it still reaches back so far."""


@dataclass(frozen=True, slots=True)
class Stream:
    """`url`: https:// for server-sent events, wss:// for a websocket; never with a secret in it, since addresses are
    logged. `headers` may hold secrets. `news(event, data)` names the sources that are worth reading after this frame
    (`event` is "" on a websocket); it is pure, quick, and must take any text. `after`: seconds until what was announced
    can be read; with several the sources are read as often, because some servers announce before all of them show.
    `line`: opens a connection that is neither of the two, and `asking` begins one of questions below `url`; `url` and
    `headers` say then what it is and whose, and nothing of them is sent."""

    url: str
    news: Callable[[str, str], Iterable[str]] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    after: tuple[float, ...] = (0.0,)
    line: Callable[[], Announcing] | None = field(default=None, repr=False, compare=False)
    asking: Callable[[], Asking] | None = field(default=None, repr=False, compare=False)
    keeping: Keeping | None = field(default=None, repr=False, compare=False)

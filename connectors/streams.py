"""What a network declares of a connection that stays open and on which it says that there is something new. It is only
ever a hint to read: nothing of what it carries is stored."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from connectors.frames import Frame

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
class Stream:
    """`url`: https:// for server-sent events, wss:// for a websocket; never with a secret in it, since addresses are
    logged. `headers` may hold secrets. `news(event, data)` names the sources that are worth reading after this frame
    (`event` is "" on a websocket); it is pure, quick, and must take any text. `after`: seconds until what was announced
    can be read; with several the sources are read as often, because some servers announce before all of them show.
    `line`: opens a connection that is neither of the two; `url` and `headers` say then what it is and whose."""

    url: str
    news: Callable[[str, str], Iterable[str]] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    after: tuple[float, ...] = (0.0,)
    line: Callable[[], Announcing] | None = field(default=None, repr=False, compare=False)

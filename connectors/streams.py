"""What a network declares of a connection that stays open and on which it says that there is something new. It is only
ever a hint to read: nothing of what it carries is stored."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stream:
    """`url`: https:// for server-sent events, wss:// for a websocket; never with a secret in it, since addresses are
    logged. `headers` may hold secrets. `news(event, data)` names the sources that are worth reading after this frame
    (`event` is "" on a websocket); it is pure, quick, and must take any text. `after`: seconds until what was announced
    can be read; with several the sources are read as often, because some servers announce before all of them show."""

    url: str
    news: Callable[[str, str], Iterable[str]] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    after: tuple[float, ...] = (0.0,)

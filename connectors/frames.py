"""Frames out of the bytes of a stream, and how many of them a second may bring."""

from collections.abc import Callable
from dataclasses import dataclass

FRAME = 1_000_000
"""Bytes of one frame."""
PIECES, BYTES = 5_000, 4_000_000
"""Lines or messages, and bytes, of one connection in a second; what comes faster waits in the sender."""


@dataclass(frozen=True, slots=True)
class Frame:
    event: str
    data: str


class TooMuch(Exception):
    """One frame is larger than we read."""


class Pace:
    """Lets through what one second may bring; whoever is ahead of it waits, so that a flood costs its sender and not
    us."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.begun, self.pieces, self.bytes = clock(), 0, 0

    def wait(self, pieces: int, size: int) -> float:
        """Seconds to wait after so much came."""
        now = self.clock()
        if now - self.begun >= 1:
            self.begun, self.pieces, self.bytes = now, 0, 0
        self.pieces, self.bytes = self.pieces + pieces, self.bytes + size
        ahead = max(self.pieces / PIECES, self.bytes / BYTES)
        return max(0.0, self.begun + ahead - now) if ahead >= 1 else 0.0


class Events:
    """Server-sent events out of bytes as they come."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # of a line that has not ended: joined once, because it may come byte by byte
        self._unended, self._after_cr = 0, False
        self._event, self._data, self._size = "", list[str](), 0
        self.lines = 0
        """Whole lines so far: signs of life are comments, and no frames."""

    def feed(self, more: bytes) -> list[Frame]:
        if self._after_cr:
            more = more.removeprefix(b"\n")
        self._after_cr = more.endswith(b"\r")
        found = []
        first, *others = more.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._grow(first)
        for part in others:
            found.append(self._line(b"".join(self._parts)))
            self._parts, self._unended = [], 0
            self._grow(part)
        self.lines += len(others)
        return [frame for frame in found if frame is not None]

    def _grow(self, part: bytes) -> None:
        self._parts.append(part)
        self._unended += len(part)
        if self._unended + self._size > FRAME:
            raise TooMuch

    def _line(self, line: bytes) -> Frame | None:
        if not line:
            frame = Frame(self._event, "\n".join(self._data)) if self._data else None
            self._event, self._data, self._size = "", [], 0
            return frame
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
            self._size += len(line) + 50  # what an empty one costs as well
        return None

"""The seam for streams: what connectors.http promises for calls, for connections that stay open. Addresses are checked
and pinned, no redirect is followed, what comes is bounded in size and in speed, silence ends, faults are classed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import h11
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from connectors.addresses import WEB, Allowed, Refused, reachable
from connectors.faults import Fault, Invalid, NotPermitted, RateLimited, Unavailable, Unreadable
from connectors.http import CONNECT, READ, Seam
from connectors.streams import Stream

OPEN = CONNECT + READ  # seconds until a stream has to be open
SILENCE = 90.0
"""Seconds in which something whole has to arrive: networks that have nothing to say send a sign of life twice a
minute."""
FRAME = 1_000_000
"""Bytes of one frame."""
PIECES, BYTES = 5_000, 4_000_000
"""Lines or messages, and bytes, of one connection in a second; what comes faster waits in the sender."""
_SECURE = {"https": True, "wss": True, "http": False, "ws": False}

quiet = logging.getLogger("connectors.streaming.websocket")
quiet.setLevel(logging.ERROR)  # the library would log the head of a request, which holds our credentials


@dataclass(frozen=True, slots=True)
class Frame:
    event: str
    data: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stream is, and who asks for it."""

    parts: SplitResult
    addresses: tuple[str, ...]
    agent: str

    @property
    def host(self) -> str:
        return self.parts.hostname or ""

    @property
    def port(self) -> int:
        return self.parts.port or (443 if self.secure else 80)

    @property
    def secure(self) -> bool:
        return _SECURE[self.parts.scheme]


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


@asynccontextmanager
async def opened(stream: Stream, seam: Seam) -> AsyncIterator[AsyncIterator[Frame]]:
    """The frames of a stream, from the moment it is open. Whatever goes wrong is a Fault."""
    place = await _place(stream, seam)
    with _faults():
        opening = _websocket if place.parts.scheme in ("ws", "wss") else _events
        async with opening(stream, place) as frames:
            yield frames


async def _place(stream: Stream, seam: Seam) -> Place:
    if any(value in stream.url for value in seam.hidden):
        raise Invalid("The address of a stream holds a secret.", field="url")
    try:
        parts = urlsplit(_rewritten(stream.url, seam))
        place = Place(parts, (), str(seam.headers["User-Agent"]))
        if parts.scheme not in _SECURE or not place.host or parts.username is not None:
            raise ValueError
        port = place.port
    except ValueError as error:
        raise Invalid("The address of a stream cannot be used.", field="url") from error
    found = await _addresses(place.host, port, seam.allowed)
    return Place(parts, tuple(found), place.agent)


def _rewritten(url: str, seam: Seam) -> str:
    parts = urlsplit(url)
    stand_in = seam.rewrite.get(f"{parts.scheme}://{parts.netloc}")
    return stand_in.rstrip("/") + url.partition(parts.netloc)[2] if stand_in else url


async def _addresses(host: str, port: int, allowed: Allowed) -> list[str]:
    try:
        async with asyncio.timeout(OPEN):
            return await asyncio.to_thread(reachable, host, port, allowed, WEB)
    except Refused as error:
        words = "The address is private or special; the owner may allow it with FETCH_ALLOW."
        raise NotPermitted(words, what="address") from error
    except (OSError, UnicodeError, TimeoutError) as error:
        raise Unavailable("The name could not be resolved.") from error


class _Connect(connect):
    """Goes where it was sent and nowhere else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


@asynccontextmanager
async def _websocket(stream: Stream, place: Place) -> AsyncIterator[AsyncIterator[Frame]]:
    line = await _first(place, lambda address: _upgraded(stream, place, address))
    try:
        yield _messages(line)
    finally:
        line.transport.abort()


async def _upgraded(stream: Stream, place: Place, address: str) -> ClientConnection:
    return await _Connect(
        place.parts.geturl(),
        host=address,
        port=place.port,
        proxy=None,
        compression=None,
        additional_headers=stream.headers,
        user_agent_header=place.agent,
        open_timeout=OPEN,
        max_size=FRAME,
        max_queue=16,
        logger=quiet,
    )


async def _messages(line: ClientConnection) -> AsyncIterator[Frame]:
    pace = Pace(asyncio.get_running_loop().time)
    while True:
        async with asyncio.timeout(SILENCE):
            message = await line.recv()
        if isinstance(message, str):
            yield Frame("", message)
        if wait := pace.wait(1, len(message)):
            await asyncio.sleep(wait)


@asynccontextmanager
async def _events(stream: Stream, place: Place) -> AsyncIterator[AsyncIterator[Frame]]:
    reader, writer = await _first(place, lambda address: _connected(place, address))
    try:
        line = _Line(reader, writer)
        async with asyncio.timeout(OPEN):
            await line.ask(stream, place)
        yield line.frames()
    finally:
        writer.transport.abort()


async def _connected(place: Place, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    secure = {"ssl": True, "server_hostname": place.host} if place.secure else {}
    async with asyncio.timeout(CONNECT + CONNECT):
        return await asyncio.open_connection(address, place.port, **secure)  # type: ignore[arg-type]


class _Line:
    """One HTTP answer that does not end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.state = h11.Connection(h11.CLIENT, max_incomplete_event_size=65_536)

    async def ask(self, stream: Stream, place: Place) -> None:
        """Sends the request and reads the head of the answer."""
        target = (place.parts.path or "/") + (f"?{place.parts.query}" if place.parts.query else "")
        usual = {
            "Host": place.parts.netloc,
            "User-Agent": place.agent,
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",
            "Cache-Control": "no-store",
        }
        request = h11.Request(method="GET", target=target, headers=list({**usual, **stream.headers}.items()))
        self.writer.write((self.state.send(request) or b"") + (self.state.send(h11.EndOfMessage()) or b""))
        await self.writer.drain()
        while not isinstance(event := await self._next(), h11.Response):
            if not isinstance(event, h11.InformationalResponse):
                raise Unavailable("The server ended the stream.")
        _judge(event.status_code, dict(event.headers))

    async def frames(self) -> AsyncIterator[Frame]:
        loop = asyncio.get_running_loop()
        events, pace, alive = Events(), Pace(loop.time), loop.time()
        while True:
            async with asyncio.timeout_at(alive + SILENCE):
                event = await self._next()
            if not isinstance(event, h11.Data):
                raise Unavailable("The server ended the stream.")
            lines = events.lines
            found = events.feed(bytes(event.data))
            for frame in found:
                yield frame
            alive = loop.time() if events.lines > lines else alive
            if wait := pace.wait(1 + events.lines - lines, len(event.data)):
                await asyncio.sleep(wait)

    async def _next(self) -> object:
        while True:
            event = self.state.next_event()
            if event is not h11.NEED_DATA:
                return event
            more = await self.reader.read(65_536)
            if not more:
                raise Unavailable("The server ended the stream.")
            self.state.receive_data(more)


def _judge(status: int, headers: dict[bytes, bytes]) -> None:
    if status != 200:
        raise _refused(status)
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != b"text/event-stream" or headers.get(b"content-encoding", b"identity") != b"identity":
        raise Unreadable("It answered something else than events.", status=status)


def _refused(status: int) -> Fault:
    if status == 429:
        return RateLimited(f"The answer was {status}.", status=status)
    kind = Unavailable if status >= 500 or status < 400 else NotPermitted
    return kind(f"The answer was {status}.", what="stream", status=status)


async def _first[Line](place: Place, connect_to: Callable[[str], Coroutine[Any, Any, Line]]) -> Line:
    for address in place.addresses[:-1]:
        try:
            return await connect_to(address)
        except OSError:  # a host often has an IPv6 address that we cannot reach; its next one may do
            continue
    return await connect_to(place.addresses[-1])


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except Fault:
        raise
    except InvalidStatus as error:
        raise _refused(error.response.status_code) from error
    except (TooMuch, h11.ProtocolError) as error:
        raise Unreadable("It sent something that cannot be read.") from error
    except ConnectionClosed as error:
        raise (Unreadable if error.sent and error.sent.code == 1009 else Unavailable)(
            "The stream broke off."
        ) from error
    except WebSocketException as error:
        raise Unreadable("It does not speak as a websocket does.") from error
    except TimeoutError as error:
        raise Unavailable("Nothing came in time.") from error
    except OSError as error:
        raise Unavailable(f"The connection failed ({type(error).__name__}).") from error

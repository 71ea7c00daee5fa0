"""The seam for streams: what connectors.http promises for calls, for connections that stay open. Addresses are checked
and pinned, no redirect is followed, what comes is bounded in size and in speed, silence ends, faults are classed."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urlsplit

import h11
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from connectors.addresses import WEB, Allowed, Refused, reachable, refusal
from connectors.answers import Answer
from connectors.asking import asked
from connectors.faults import Fault, Invalid, NotPermitted, RateLimited, Unavailable, Unreadable
from connectors.frames import FRAME, Events, Frame, Pace, TooMuch
from connectors.holding import held
from connectors.http import API_SIZE, CONNECT, READ, Seam
from connectors.streams import Question, Stream

OPEN = CONNECT + READ  # seconds until a stream has to be open
SILENCE = 90.0
"""Seconds in which something whole has to arrive: networks that have nothing to say send a sign of life twice a
minute."""
_SECURE = {"https": True, "wss": True, "http": False, "ws": False}

quiet = logging.getLogger("connectors.streaming.websocket")
quiet.setLevel(logging.ERROR)  # the library would log the head of a request, which holds our credentials


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


@asynccontextmanager
async def opened(stream: Stream, seam: Seam) -> AsyncIterator[AsyncIterator[Frame]]:
    """The frames of a stream, from the moment it is open. Whatever goes wrong is a Fault."""
    if stream.line is not None:
        async with held(stream.line) as frames:
            yield frames
        return
    place = await _place(stream, seam)
    with _faults():
        async with _opening(stream, place) as frames:
            yield frames


def _opening(stream: Stream, place: Place) -> AbstractAsyncContextManager[AsyncIterator[Frame]]:
    if stream.asking is not None:
        return asked(stream.asking(), partial(_posted, place))
    return (_websocket if place.parts.scheme in ("ws", "wss") else _events)(stream, place)


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
    found = await _addresses(place.host, port, seam.allowed, bare=seam.guarded and not place.secure)
    return Place(parts, tuple(found), place.agent)


def _rewritten(url: str, seam: Seam) -> str:
    parts = urlsplit(url)
    stand_in = seam.rewrite.get(f"{parts.scheme}://{parts.netloc}")
    return stand_in.rstrip("/") + url.partition(parts.netloc)[2] if stand_in else url


async def _addresses(host: str, port: int, allowed: Allowed, *, bare: bool) -> list[str]:
    try:
        async with asyncio.timeout(OPEN):
            return await asyncio.to_thread(reachable, host, port, allowed, WEB, bare=bare)
    except Refused as error:
        raise refusal(error) from error
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
        line = _EventLine(reader, writer)
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
    """One HTTP request on a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.state = h11.Connection(h11.CLIENT, max_incomplete_event_size=65_536)

    async def head_of(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> h11.Response:
        """Sends the request and reads the head of the answer."""
        request = h11.Request(method=method, target=target, headers=list(headers.items()))
        events = [request, *([h11.Data(data=body)] if body else []), h11.EndOfMessage()]
        self.writer.write(b"".join(self.state.send(event) or b"" for event in events))
        await self.writer.drain()
        while not isinstance(event := await self.next(), h11.Response):
            if not isinstance(event, h11.InformationalResponse):
                raise Unavailable("The server ended the stream.")
        return event

    async def next(self) -> object:
        while True:
            event = self.state.next_event()
            if event is not h11.NEED_DATA:
                return event
            more = await self.reader.read(65_536)
            if not more:
                raise Unavailable("The server ended the stream.")
            self.state.receive_data(more)


async def _posted(place: Place, question: Question) -> Answer:
    """The whole answer, as connectors.http gives it."""
    reader, writer = await _first(place, lambda address: _connected(place, address))
    try:
        line, sent = _Line(reader, writer), json.dumps(question.given).encode()
        target = place.parts.path.rstrip("/") + question.path
        told = {"Accept": "application/json", "Content-Type": "application/json", "Content-Length": str(len(sent))}
        head = await line.head_of("POST", target, {**_usual(place), **told, "Connection": "close"}, sent)
        parts, left = list[bytes](), API_SIZE
        while isinstance(event := await line.next(), h11.Data):
            parts.append(bytes(event.data))
            left -= len(event.data)
            if left < 0:
                raise TooMuch
    finally:
        writer.transport.abort()
    headers = {name.decode().title(): value.decode("latin-1") for name, value in head.headers}
    return Answer(head.status_code, headers, b"".join(parts), place.parts.geturl())


def _usual(place: Place) -> dict[str, str]:
    return {"Host": place.parts.netloc, "User-Agent": place.agent, "Accept-Encoding": "identity"}


class _EventLine(_Line):
    """One HTTP answer that does not end."""

    async def ask(self, stream: Stream, place: Place) -> None:
        """Sends the request and reads the head of the answer."""
        target = (place.parts.path or "/") + (f"?{place.parts.query}" if place.parts.query else "")
        usual = {**_usual(place), "Accept": "text/event-stream", "Cache-Control": "no-store"}
        head = await self.head_of("GET", target, {**usual, **stream.headers})
        _judge(head.status_code, dict(head.headers))

    async def frames(self) -> AsyncIterator[Frame]:
        loop = asyncio.get_running_loop()
        events, pace, alive = Events(), Pace(loop.time), loop.time()
        while True:
            async with asyncio.timeout_at(alive + SILENCE):
                event = await self.next()
            if not isinstance(event, h11.Data):
                raise Unavailable("The server ended the stream.")
            lines = events.lines
            found = events.feed(bytes(event.data))
            for frame in found:
                yield frame
            alive = loop.time() if events.lines > lines else alive
            if wait := pace.wait(1 + events.lines - lines, len(event.data)):
                await asyncio.sleep(wait)


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

"""All that is known of sockets. The socket is a doorbell: it says which stream moved and to which number, never what
happened. Each web process is one hub: one subscription, the fan-out to its own sockets in memory. Once a second the
hub asks the counter rows, so Redis only makes the bell faster and its absence costs at most that second."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import Error as DatabaseError

from inbox import watch
from inbox.ringing import GROUP

log = structlog.get_logger(__name__)
TICK = 0.1  # seconds between two frames of one stream
ASK = 1.0  # seconds between two looks at the counter rows
SLICE = 200  # sockets rung before others get a turn
STALLED = 10.0  # seconds a frame may wait for a socket that does not read
FRAME_LIMIT = 4096
FRAMES_A_SECOND = 20
NO_LOGIN, NO_RIGHT, TOO_MUCH = 4401, 4403, 4408


class Hub:
    """The streams this process' sockets watch, their newest numbers, and the two loops that learn of new ones."""

    def __init__(self) -> None:
        self.sockets: dict[str, set[Bell]] = defaultdict(set)
        self.numbers: dict[str, int] = {}
        self.dirty: set[str] = set()
        self._moved = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins the loops on the running event loop; does nothing when they run."""
        if not self._loops:
            self._loops = [asyncio.create_task(loop()) for loop in (self._listen, self._ring, self._ask)]

    def watch(self, bell: Bell, streams: set[str]) -> None:
        for stream in bell.streams - streams:
            self._forget(bell, stream)
        for stream in streams:
            self.sockets[stream].add(bell)
        bell.streams = set(streams)
        self.start()

    def heard(self, numbers: dict[str, int]) -> dict[str, int]:
        """What one socket was just told: a number nobody here knew yet is where the stream stands, a newer one than
        known is news to the others. Returns the newest number of each stream."""
        for stream, number in numbers.items():
            self.numbers.setdefault(stream, number)
        self.moved(numbers)
        return {stream: self.numbers[stream] for stream in numbers}

    def leave(self, bell: Bell) -> None:
        for stream in bell.streams:
            self._forget(bell, stream)
        bell.streams = set()

    def _forget(self, bell: Bell, stream: str) -> None:
        self.sockets[stream].discard(bell)
        if not self.sockets[stream]:
            del self.sockets[stream]
            self.numbers.pop(stream, None)

    def moved(self, streams: dict[str, int]) -> None:
        """News from Redis or from the counter rows; only what is newer and watched here matters."""
        for stream, number in streams.items():
            if stream in self.sockets and number > self.numbers.get(stream, -1):
                self.numbers[stream] = number
                self.dirty.add(stream)
        if self.dirty:
            self._moved.set()

    async def _listen(self) -> None:
        """The one subscription of this process; begun again whenever it breaks."""
        while True:
            try:
                layer = get_channel_layer()
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                while True:
                    self.moved((await layer.receive(channel))["streams"])
            except Exception as error:  # noqa: BLE001  Redis may be away in many ways; the counter rows serve meanwhile
                log.warning("the bell's subscription broke", error=type(error).__name__)
                await asyncio.sleep(ASK)

    async def _ring(self) -> None:
        """Rings what moved, ten times a second; a socket that breaks in the middle must not silence the others."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            dirty, self.dirty = self.dirty, set()
            try:
                await self._ring_all(dirty)
            except Exception:
                log.exception("some sockets were not rung")  # they hear of it with their next question
            await asyncio.sleep(TICK)

    async def _ring_all(self, dirty: set[str]) -> None:
        rung = 0
        for stream in dirty:
            frame = json.dumps({"stream": stream, "n": self.numbers.get(stream, 0)})
            for bell in tuple(self.sockets.get(stream, ())):
                bell.ring(stream, frame)
                rung += 1
                if rung % SLICE == 0:
                    await asyncio.sleep(0)

    async def _ask(self) -> None:
        """Asks the counter rows once a second, whatever became of the question before."""
        while True:
            await asyncio.sleep(ASK)
            try:
                await self._ask_once()
            except DatabaseError as error:
                log.warning("the counters cannot be read", error=type(error).__name__)
            except Exception:
                log.exception("the counters were not asked")

    async def _ask_once(self) -> None:
        """Numbers of all watched streams and rights of all agents here, in three statements."""
        bells = {bell for group in self.sockets.values() for bell in group}
        if not bells:
            return
        agents = sorted({bell.agent_id for bell in bells})
        seen = await database_sync_to_async(watch.look)(sorted(self.sockets), agents)
        for bell in bells:
            bell.check(seen.rights.get(bell.agent_id))
            bell.lose({stream for stream in bell.streams if seen.teams.get(stream, -1) not in bell.teams | {-1}})
        self.moved(seen.numbers)


class Bell(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One socket. It is told only of streams its agent may watch; a frame that cannot be sent at once is replaced by
    the newest."""

    channel_layer_alias = "none"  # the hub has the one subscription of the process; a socket needs none of its own

    async def connect(self) -> None:
        self.streams: set[str] = set()
        self.teams: frozenset[int] = frozenset()
        self._missed: dict[str, str] = {}
        self._sending: asyncio.Task[None] | None = None
        self._since = 0.0
        self._count, self._window = 0, time.monotonic()
        agent = self.scope.get("user")
        if agent is None or not agent.is_authenticated:
            await self.accept()
            await self.close(NO_LOGIN)
            return
        self.agent_id: int = agent.pk
        self.rights: int = agent.rights_version
        await self.accept()

    async def disconnect(self, code: int) -> None:
        hub().leave(self)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """{"where": [stream, …]} subscribes to exactly these and is answered with one frame each; a conversation that
        is not the agent's to read is answered as gone. Anything else closes."""
        if not text_data or len(text_data) > FRAME_LIMIT or self._too_many() or not hasattr(self, "agent_id"):
            await self.close(TOO_MUCH)
            return
        try:
            wanted = {str(stream) for stream in json.loads(text_data)["where"]}
        except (ValueError, KeyError, TypeError):
            await self.close(TOO_MUCH)
            return
        answer = await database_sync_to_async(watch.allowed)(self.agent_id, wanted)
        if answer.rights is None:
            await self.close(NO_LOGIN)
        elif not answer.numbers or not wanted - answer.numbers.keys() <= answer.gone:
            await self.close(NO_RIGHT)
        else:
            self.rights, self.teams = answer.rights, answer.teams
            hub().watch(self, set(answer.numbers))
            for stream, number in hub().heard(answer.numbers).items():
                await self.send(json.dumps({"stream": stream, "n": number}))
            for stream in answer.gone:
                await self.send(_gone(stream))

    def _too_many(self) -> bool:
        now = time.monotonic()
        if now - self._window > 1:
            self._count, self._window = 0, now
        self._count += 1
        return self._count > FRAMES_A_SECOND

    def ring(self, stream: str, frame: str) -> None:
        """Sends without waiting: while a frame is under way the newest of each stream is kept for after it."""
        if self._sending is not None and not self._sending.done():
            self._missed[stream] = frame
            if time.monotonic() - self._since > STALLED:
                self._end(1013)
            return
        self._since = time.monotonic()
        self._sending = asyncio.Task(self._send(frame), loop=asyncio.get_running_loop(), eager_start=True)

    async def _send(self, frame: str) -> None:
        await self.base_send({"type": "websocket.send", "text": frame})
        while self._missed:
            self._since = time.monotonic()
            _, newest = self._missed.popitem()
            await self.base_send({"type": "websocket.send", "text": newest})

    def lose(self, streams: set[str]) -> None:
        """Conversations that moved to a team this agent does not read are watched no more."""
        if streams:
            hub().watch(self, self.streams - streams)
        for stream in streams:
            self.ring(stream, _gone(stream))

    def check(self, rights: int | None) -> None:
        """Ends the socket when the account was switched off or its rights are not those it was opened with."""
        if rights is None:
            self._end(NO_LOGIN)
        elif rights != self.rights:
            self._end(NO_RIGHT)

    def _end(self, code: int) -> None:
        hub().leave(self)
        self._closing = asyncio.create_task(self.close(code))


def _gone(stream: str) -> str:
    return json.dumps({"stream": stream, "n": 0, "gone": True})


@cache
def hub() -> Hub:
    """The hub of this process."""
    return Hub()


def same_origin(application: Any) -> Any:
    """Lets in only sockets opened by pages of PUBLIC_URL."""
    own = urlsplit(settings.PUBLIC_URL)

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        origin = urlsplit(headers.get(b"origin", b"").decode("latin-1"))
        if (origin.scheme, origin.netloc) != (own.scheme, own.netloc):
            await send({"type": "websocket.close", "code": NO_RIGHT})
            return
        await application(scope, receive, send)

    return guarded

"""All that is known of sockets. The socket is a doorbell: it says which stream moved and to which number, never what
happened. Each web process is one hub: one subscription, the fan-out to its own sockets in memory. Once a second the
hub asks the counter rows, so Redis only makes the bell faster and its absence costs at most that second."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from contextlib import suppress
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
from inbox.line import Line, frame
from inbox.ringing import GROUP

log = structlog.get_logger(__name__)
TICK = 0.1  # seconds between two frames of one stream, at least
TOGETHER = 0.005  # seconds in which bells of several streams are gathered
ASK = 1.0  # seconds between two looks at the counter rows
SLICES = 10  # in which the screens of a stream are rung
AT_ONCE = 100  # screens that are rung together where no question follows that costs anything
BUSY = 0.5  # of a core: what the questions after the bells of a stream may cost
STALLED = 8.0  # seconds a frame may wait for a socket that does not read
FRAME_LIMIT = 4096
FRAMES_A_SECOND = 20
NO_LOGIN, NO_RIGHT, TOO_MUCH = 4401, 4403, 4408


class Hub:
    """The streams this process' sockets watch, their newest numbers, and the two loops that learn of new ones."""

    def __init__(self) -> None:
        self.sockets: dict[str, set[Bell]] = defaultdict(set)
        self.numbers: dict[str, int] = {}
        self.dirty: set[str] = set()
        self.cost = 0.0  # processor seconds of the question that follows a bell
        self._due: dict[str, float] = {}
        self._ringing: set[asyncio.Task[None]] = set()
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
            self._due.pop(stream, None)

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

    def answered(self, seconds: float) -> None:
        """What one more question after a bell cost; called from the threads that answer."""
        self.cost += (seconds - self.cost) / 16

    async def _ring(self) -> None:
        """Rings what moved and whose time has come: at once where a stream has been still for a tick."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), self._rest())
            self._moved.clear()
            now = time.monotonic()
            ready = {stream for stream in self.dirty if self._due.get(stream, 0.0) <= now}
            self.dirty -= ready
            for stream in ready:
                ringing = asyncio.create_task(self._ring_one(stream, now))
                self._ringing.add(ringing)
                ringing.add_done_callback(self._ringing.discard)
            await asyncio.sleep(TOGETHER)

    def _rest(self) -> float | None:
        """Seconds until the first of the streams that moved may be rung again; None when none waits."""
        times = [self._due.get(stream, 0.0) for stream in self.dirty]
        return max(0.0, min(times) - time.monotonic()) if times else None

    async def _ring_one(self, stream: str, now: float) -> None:
        """Rings the screens of a stream in slices, no faster than their questions can be answered: the bell slows
        down before the server does. A defect in one socket must not silence the others."""
        bells = tuple(self.sockets.get(stream, ()))
        work = len(bells) * self.cost
        self._due[stream] = now + max(TICK, work / BUSY)
        told = frame(stream, self.numbers.get(stream, 0))
        slice_ = max(SLICES if work else AT_ONCE, len(bells) // SLICES)
        for place, bell in enumerate(bells):
            if place and place % slice_ == 0:
                await asyncio.sleep(work / SLICES)
            try:
                if stream in bell.streams:  # a right may have ended between two slices
                    bell.ring(stream, told)
            except Exception:
                log.exception("a socket was not rung")  # it hears of it with its next question

    async def _ask(self) -> None:
        """Asks the counter rows once a second, whatever became of the question before."""
        while True:
            await asyncio.sleep(ASK)
            try:
                for bell in self._bells():
                    bell.catch_up()
                await self._ask_once()
            except DatabaseError as error:
                log.warning("the counters cannot be read", error=type(error).__name__)
            except Exception:
                log.exception("the counters were not asked")

    def _bells(self) -> set[Bell]:
        return {bell for group in self.sockets.values() for bell in group}

    async def _ask_once(self) -> None:
        """Numbers of all watched streams and rights of all agents here, in three statements."""
        bells = self._bells()
        if not bells:
            return
        agents = sorted({bell.agent_id for bell in bells})
        seen = await database_sync_to_async(watch.look)(sorted(self.sockets), agents)
        for bell in bells:
            if seen.rights.get(bell.agent_id) != bell.rights:
                bell.check(await database_sync_to_async(watch.allowed)(bell.agent_id, bell.streams, bell.held))
            bell.lose({stream for stream in bell.streams if seen.teams.get(stream, -1) not in bell.teams | {-1}})
        self.moved(seen.numbers)


class Bell(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One socket. It is told only of streams its agent may watch; a frame that cannot be sent at once is replaced by
    the newest."""

    channel_layer_alias = "none"  # the hub has the one subscription of the process; a socket needs none of its own

    async def connect(self) -> None:
        self.streams: set[str] = set()
        self.teams: frozenset[int] = frozenset()
        self.held: frozenset[str] = frozenset()
        self.line: Line = self.scope["extensions"]["line"]  # there is none without `--ws inbox.line:Line`
        self._missed: dict[str, bytes] = {}
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
        except (ValueError, KeyError, TypeError, RecursionError):
            await self.close(TOO_MUCH)
            return
        answer = await database_sync_to_async(watch.allowed)(self.agent_id, wanted, self.held)
        if not self.check(answer):
            return
        if not answer.numbers or not wanted - answer.numbers.keys() <= answer.gone:
            await self.close(NO_RIGHT)
        else:
            hub().watch(self, set(answer.numbers))
            for stream, number in hub().heard(answer.numbers).items():
                self.ring(stream, frame(stream, number))
            for stream in answer.gone:
                self.ring(stream, frame(stream, 0, gone=True))

    def _too_many(self) -> bool:
        now = time.monotonic()
        if now - self._window > 1:
            self._count, self._window = 0, now
        self._count += 1
        return self._count > FRAMES_A_SECOND

    def ring(self, stream: str, told: bytes) -> None:
        """Writes without waiting: to a socket that does not read only the newest frame of each stream is kept."""
        if not self._missed and self.line.put(told):
            return
        self._since = self._since or time.monotonic()
        self._missed[stream] = told
        self.catch_up()

    def catch_up(self) -> None:
        """Writes what waits, as far as the socket reads; ends one that has not read for long."""
        while self._missed:
            stream = next(iter(self._missed))
            if not self.line.put(self._missed[stream]):
                if time.monotonic() - self._since > STALLED:
                    self._end(1013)
                return
            del self._missed[stream]
            self._since = time.monotonic() if self._missed else 0.0

    def lose(self, streams: set[str]) -> None:
        """Conversations that moved to a team this agent does not read are watched no more."""
        if streams:
            hub().watch(self, self.streams - streams)
        for stream in streams:
            self.ring(stream, frame(stream, 0, gone=True))

    def check(self, answer: watch.Allowed) -> bool:
        """Ends the socket when the account was switched off or a right was taken since it was opened; one that was
        given takes nothing away from the page."""
        if answer.rights is None or self.held - answer.held - answer.removed:
            self._end(NO_LOGIN if answer.rights is None else NO_RIGHT)
            return False
        self.rights, self.teams, self.held = answer.rights, answer.teams, answer.held
        return True

    def _end(self, code: int) -> None:
        hub().leave(self)
        if self._missed:
            self._missed.clear()
            self.line.cut()  # who does not read would not read a farewell either
        else:
            self._closing = asyncio.create_task(self.close(code))


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

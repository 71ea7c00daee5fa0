"""Holds the streams of all channels open in one process, and rings when they bring news. It keeps nothing: killed at
any line, the polls go on in their own time, and the next start opens the streams anew."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import structlog
from django.db import Error as DatabaseError
from django.db import close_old_connections, connections
from django.utils import timezone

from connectors.base import Connector, Fault
from connectors.bells import Bells, mark_live, ring
from connectors.faults import RateLimited, Unavailable, Unreadable
from connectors.frames import Frame
from connectors.http import Seam
from connectors.models import Channel
from connectors.opening import opened as connector_of
from connectors.streaming import opened
from connectors.streams import Stream
from connectors.topics.arrival import Topics

log = structlog.get_logger(__name__)
MOST = 10  # streams of one channel
FIRST_PAUSE, LAST_PAUSE, REFUSED = 1.0, 300.0, 3600.0  # seconds until a stream is opened again
STEADY = 60.0  # a stream that was open so long starts over with the shortest pause
LONGEST = 6 * 3600.0  # by then it is opened anew, since names move to other addresses

type Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class Wanted:
    """One connection, for all channels that ask for the same. `least`: seconds by source, as in `Source.least`."""

    stream: Stream
    seam: Seam
    channels: dict[int, Stream] = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    streams: dict[Key, Wanted] = field(default_factory=dict)
    least: dict[int, dict[str, float]] = field(default_factory=dict)
    partly: set[int] = field(default_factory=set)
    """Channels with more streams than one channel may hold: the rest of what they hear comes by polling."""

    def add(self, channel: Channel) -> None:
        connector = connector_of(channel)
        sources = Topics.of(channel).sources(connector)
        streams = connector.streams(sources)
        if len(streams) > MOST:
            self.partly.add(channel.pk)
        for stream in streams[:MOST]:
            key = (stream.url, tuple(sorted(stream.headers.items())))
            wanted = self.streams.setdefault(key, Wanted(stream, connector.seam))
            wanted.channels[channel.pk] = stream
        if streams:
            self.least[channel.pk] = {source.name: source.least for source in sources}


def plan() -> Plan:
    """What is to be held open, by the channels as they are now."""
    found = Plan()
    streamed = [name for name, kind in Connector.kinds().items() if kind.streams is not Connector.streams]
    for channel in Channel.objects.listening().filter(network__in=streamed).order_by("pk"):
        try:
            found.add(channel)
        except Fault as fault:  # its poll meets the same and tells the admins
            log.info("a channel has no stream now", channel=channel.pk, fault=fault.name)
        except Exception:  # of one channel: the streams of the others are held
            log.exception("a defect in planning a stream", channel=channel.pk)
    return found


def _rest(fault: Fault) -> float:
    """Seconds for which a stream that ended so is left alone at least."""
    if not isinstance(fault, Unavailable | Unreadable | RateLimited):
        return REFUSED
    until = fault.until or timezone.now()
    return min(max(0.0, (until - timezone.now()).total_seconds()), REFUSED)


class Attendant:
    """`look_every`: seconds between two looks at the channels."""

    def __init__(self, look_every: float = 10.0) -> None:
        self.look_every = look_every
        self.bells, self.plan = Bells(), Plan()
        self.heard = asyncio.Event()
        self.held: dict[Key, asyncio.Task[None]] = {}
        self.open: set[Key] = set()
        self.ended: dict[Key, str] = {}
        # One thread, so one connection to the database however many streams there are.
        self.database = ThreadPoolExecutor(1, thread_name_prefix="database")

    async def run(self) -> None:
        """Until it is cancelled."""
        ringing = asyncio.create_task(self._ring())
        try:
            while True:
                await self._look()
                await asyncio.sleep(self.look_every)
        finally:
            tasks = [ringing, *self.held.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.get_running_loop().run_in_executor(self.database, connections.close_all)
            self.database.shutdown()

    async def _look(self) -> None:
        """Opens what is new, ends what is gone, and says which channels are live."""
        try:
            self.plan = await self._in_database(plan)
            self.bells.watch(self.plan.least)
            for key in self.held.keys() - self.plan.streams.keys():
                self.held.pop(key).cancel()
            for key in self.plan.streams.keys() - self.held.keys():
                self.held[key] = asyncio.create_task(self._hold(key))
            await self._in_database(partial(mark_live, self._live(), self._why_ended()))
        except DatabaseError as error:  # what is open stays open
            log.warning("the database does not answer", error=type(error).__name__)

    def _live(self) -> list[int]:
        """Channels all of whose streams are open."""
        closed = {pk for key, wanted in self.plan.streams.items() if key not in self.open for pk in wanted.channels}
        return sorted(self.plan.least.keys() - closed - self.plan.partly)

    def _why_ended(self) -> dict[int, str]:
        """Of the channels of which a stream is not open because something is wrong with it."""
        self.ended = {key: words for key, words in self.ended.items() if key in self.plan.streams}
        return {pk: words for key, words in self.ended.items() for pk in self.plan.streams[key].channels}

    async def _hold(self, key: Key) -> None:
        """One stream, opened again and again with growing pauses."""
        pause, loop = FIRST_PAUSE, asyncio.get_running_loop()
        while (wanted := self.plan.streams.get(key)) is not None:
            begun = loop.time()
            try:
                async with asyncio.timeout(LONGEST * random.uniform(0.8, 1.0)):  # noqa: S311  spreading, not secrecy
                    await self._listen(key, wanted)
            except TimeoutError:
                continue
            except Fault as fault:
                log.info("a stream ended", channels=sorted(wanted.channels)[:5], fault=str(fault))
                self.ended[key], least = fault.detail or fault.words, _rest(fault)
            except Exception:
                log.exception("a defect in listening to a stream", channels=sorted(wanted.channels)[:5])
                least = LAST_PAUSE
            finally:
                self.open.discard(key)
            pause = FIRST_PAUSE if loop.time() - begun > STEADY else min(pause * 2, LAST_PAUSE)
            await asyncio.sleep(max(pause, least) * random.uniform(0.8, 1.2))  # noqa: S311

    async def _listen(self, key: Key, wanted: Wanted) -> None:
        async with opened(wanted.stream, wanted.seam) as frames:
            self.open.add(key)
            self.ended.pop(key, None)
            async for frame in frames:
                self._announce(key, frame)

    def _announce(self, key: Key, frame: Frame) -> None:
        """The channels may have changed since the stream was opened."""
        now, wanted = asyncio.get_running_loop().time(), self.plan.streams.get(key)
        for channel, stream in wanted.channels.items() if wanted else ():
            if names := tuple(stream.news(frame.event, frame.data)):
                self.bells.heard(channel, names, [now + seconds for seconds in stream.after])
                self.heard.set()

    async def _ring(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self.heard.clear()
            at = self.bells.next_at()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(at):
                    await self.heard.wait()
            if news := self.bells.take(loop.time()):
                await self._rung(news)

    async def _rung(self, news: Mapping[int, set[str]]) -> None:
        try:
            await self._in_database(partial(ring, news))
        except DatabaseError as error:  # the polls find it in their own time
            log.warning("a ring is lost", error=type(error).__name__)

    async def _in_database[Result](self, work: Callable[[], Result]) -> Result:
        """In the one thread that speaks to the database; no transaction outlives the work."""

        def job() -> Result:
            close_old_connections()
            return work()

        return await asyncio.get_running_loop().run_in_executor(self.database, job)

"""Holds the streams of all channels open in one process, and rings when they bring news. Killed at any line, the polls
go on in their own time, and the next start opens the streams anew; those that are kept, where they were."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
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
from connectors.keeping import Keeper, places, store
from connectors.models import Channel
from connectors.opening import opened as connector_of
from connectors.streaming import opened
from connectors.streams import Keeping, Stream
from connectors.topics.arrival import Topics

log = structlog.get_logger(__name__)
MOST = 10  # streams of one channel
FIRST_PAUSE, LAST_PAUSE, REFUSED = 1.0, 300.0, 3600.0  # seconds until a stream is opened again
STEADY = 60.0  # a stream that was open so long starts over with the shortest pause
GATHER = 1.0  # seconds in which what is kept is gathered; most of it can be read by then
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
        self.bells, self.plan, self.keeper = Bells(), Plan(), Keeper()
        self.heard = asyncio.Event()
        self.held: dict[Key, asyncio.Task[None]] = {}
        self.open: set[Key] = set()
        self.ended: dict[Key, str] = {}
        self.begun: dict[Key, frozenset[int]] = {}  # streams of which something is kept, and for whom
        self.storing = asyncio.Lock()  # what is not stored must not be overtaken by a later place
        # One thread, so one connection to the database however many streams there are.
        self.database = ThreadPoolExecutor(1, thread_name_prefix="database")

    async def run(self) -> None:
        """Until it is cancelled."""
        ringing = [asyncio.create_task(self._ring()), asyncio.create_task(self._keep())]
        try:
            while True:
                await self._look()
                await asyncio.sleep(self.look_every)
        finally:
            tasks = [*ringing, *self.held.values()]
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
            self._end(self.held.keys() - self.plan.streams.keys())
            # Whoever joins may have to hear what was said before.
            known = self.begun.keys() & self.plan.streams.keys()
            joined = {key for key in known if self.plan.streams[key].channels.keys() - self.begun[key]}
            self._end(joined)
            for key in self.plan.streams.keys() - self.held.keys():
                self.held[key] = asyncio.create_task(self._hold(key))
            await self._in_database(partial(mark_live, self._live(), self._why_ended()))
        except DatabaseError as error:  # what is open stays open
            log.warning("the database does not answer", error=type(error).__name__)
        await self._store()  # the places of those that hear nothing for them

    def _end(self, keys: Iterable[Key]) -> None:
        """The next look opens them anew if they are wanted."""
        for key in list(keys):
            self.begun.pop(key, None)
            if key in self.held:
                self.held.pop(key).cancel()

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
        stream = await self._where_it_was(key, wanted)
        async with opened(stream, wanted.seam) as frames:
            self.open.add(key)
            self.ended.pop(key, None)
            async for frame in frames:
                self._announce(key, frame)

    async def _where_it_was(self, key: Key, wanted: Wanted) -> Stream:
        """The stream from where it was left, if something of it is kept."""
        keeping = {pk: stream.keeping for pk, stream in wanted.channels.items() if stream.keeping}
        if not keeping:
            return wanted.stream
        try:
            found = await self._in_database(partial(places, list(keeping)))
        except DatabaseError as error:
            raise Unavailable("Our own database does not answer.") from error
        self.begun[key] = frozenset(wanted.channels)
        since = self.keeper.begin(keeping, found)
        first = next(iter(keeping.values()))
        return replace(wanted.stream, url=first.since(wanted.stream.url, since)) if since else wanted.stream

    def _announce(self, key: Key, frame: Frame) -> None:
        """The channels may have changed since the stream was opened."""
        now, wanted = asyncio.get_running_loop().time(), self.plan.streams.get(key)
        for channel, stream in wanted.channels.items() if wanted else ():
            names = tuple(stream.news(frame.event, frame.data))
            if stream.keeping and self._is_kept(channel, stream.keeping, frame, names):
                continue
            if names:
                self.bells.heard(channel, names, [now + seconds for seconds in stream.after])
                self.heard.set()

    def _is_kept(self, channel: int, keeping: Keeping, frame: Frame, names: tuple[str, ...]) -> bool:
        """Whether there is nothing to ask for: it is kept, or was heard before."""
        place = keeping.place(frame.data)
        if self.keeper.is_old(channel, place):
            return True
        kept = keeping.kept(frame.event, frame.data) if names else None
        self.keeper.heard(channel, place, kept)
        return kept is not None

    async def _keep(self) -> None:
        while True:
            await self.keeper.has_items.wait()
            await asyncio.sleep(GATHER)
            await self._store()

    async def _store(self) -> None:
        """What cannot be stored is heard again."""
        async with self.storing:
            batch = self.keeper.take()
            if batch is None:
                return
            try:
                await self._in_database(partial(store, batch))
                return
            except DatabaseError as error:
                log.warning("what was heard is not stored", error=type(error).__name__)
            except Exception:
                log.exception("a defect in storing what was heard")
            self.keeper.forget()
            self._end(self.begun)

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

"""Ringing: telling the hubs that a stream moved, and Celery that something is due. A ring is put into a bounded queue
and sent by one daemon thread of the process, the first at once and those close behind it together, so it can neither
fail nor slow a request; a lost ring is made good by a row and a sweep."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Mapping

import structlog

LIMIT = 1_000
PAUSE = 5.0  # seconds without trying after a failure
GAP = 0.1  # between two sendings; a hub rings no more than ten times a second either, and each costs a tenth of a verb
GROUP = "bell"

log = structlog.get_logger(__name__)
Ring = dict[str, int] | str


class Ringer:
    """The queue and the thread of one process; a forked child makes its own."""

    def __init__(self) -> None:
        self.dropped = 0
        self._lock = threading.Lock()
        self._pid = 0
        self._rings: queue.Queue[Ring] = queue.Queue(LIMIT)

    def put(self, ring: Ring) -> None:
        """Never waits: with a full queue the ring is dropped and counted."""
        self._ensure_thread()
        try:
            self._rings.put_nowait(ring)
        except queue.Full:
            self.dropped += 1

    def _ensure_thread(self) -> None:
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._rings = queue.Queue(LIMIT)
                threading.Thread(target=self._run, args=(self._rings,), name="ringing", daemon=True).start()
                self._pid = os.getpid()

    def _run(self, rings: queue.Queue[Ring]) -> None:
        # Waiting in this daemon thread itself: a wait in an executor's thread would keep the process from ending.
        loop = asyncio.new_event_loop()
        while True:
            streams, tasks = gather(rings.get(), rings)
            time.sleep(self._serve(loop, streams, tasks))

    def _serve(self, loop: asyncio.AbstractEventLoop, streams: dict[str, int], tasks: set[str]) -> float:
        """Sends them; how long to rest before the next."""
        try:
            loop.run_until_complete(_send(streams, tasks))
        except Exception as error:  # noqa: BLE001  whatever Redis answers, rows and sweep repair it; the thread lives on
            self.dropped += 1
            log.warning("rings are not getting through", error=type(error).__name__)
            return PAUSE
        return GAP


def gather(first: Ring, rings: queue.Queue[Ring]) -> tuple[dict[str, int], set[str]]:
    """Everything waiting, joined: the newest number of each stream, each task once."""
    streams: dict[str, int] = {}
    tasks: set[str] = set()
    ring: Ring | None = first
    while ring is not None:
        if isinstance(ring, str):
            tasks.add(ring)
        else:
            streams.update({key: max(n, streams.get(key, 0)) for key, n in ring.items()})
        try:
            ring = rings.get_nowait()
        except queue.Empty:
            ring = None
    return streams, tasks


async def _send(streams: dict[str, int], tasks: set[str]) -> None:
    from celery import current_app
    from channels.layers import get_channel_layer

    if streams:
        async with asyncio.timeout(2):
            await get_channel_layer().group_send(GROUP, {"type": "bell", "streams": streams})
    for name in tasks:
        await asyncio.to_thread(current_app.send_task, name, retry=False, expires=time.time() + 30)


ringer = Ringer()


def bell(streams: Mapping[str, int]) -> None:
    """Says which streams moved and to which number; call it on commit."""
    ringer.put(dict(streams))


def task(name: str) -> None:
    """Hints to Celery that rows for this task may be due; call it on commit."""
    ringer.put(name)

"""Ringing: telling the hubs that a stream moved, and Celery that something is due. A ring is put into a bounded queue and sent
by one daemon thread of the process, so it can neither fail nor slow a request; a lost ring is made good by a row and a sweep."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 1_000
PAUSE = 5.0  # seconds without trying after a failure
GROUP = "bell"

log = structlog.get_logger(__name__)
_queue: queue.Queue[dict[str, int] | str] = queue.Queue(LIMIT)
_lock = threading.Lock()
_started_in = 0
dropped = 0


def bell(streams: Mapping[str, int]) -> None:
    """Says which streams moved and to which number; call it on commit."""
    _put(dict(streams))


def task(name: str) -> None:
    """Hints to Celery that rows for this task may be due; call it on commit."""
    _put(name)


def _put(ring: dict[str, int] | str) -> None:
    global dropped
    _ensure_thread()
    try:
        _queue.put_nowait(ring)
    except queue.Full:
        dropped += 1


def _ensure_thread() -> None:
    global _started_in, _queue
    if _started_in != os.getpid():
        with _lock:
            if _started_in != os.getpid():
                _queue = queue.Queue(LIMIT)
                threading.Thread(target=_run, args=(_queue,), name="ringing", daemon=True).start()
                _started_in = os.getpid()


def _run(rings: queue.Queue[dict[str, int] | str]) -> None:
    asyncio.run(_serve(rings))


async def _serve(rings: queue.Queue[dict[str, int] | str]) -> None:
    global dropped
    loop = asyncio.get_running_loop()
    while True:
        streams, tasks = _gather(await loop.run_in_executor(None, rings.get), rings)
        try:
            await _send(streams, tasks)
        except Exception as error:  # whatever Redis answers, rows and sweep repair it; the thread must live on
            dropped += 1
            log.warning("rings are not getting through", error=type(error).__name__)
            await asyncio.sleep(PAUSE)


def _gather(first: dict[str, int] | str, rings: queue.Queue[dict[str, int] | str]) -> tuple[dict[str, int], set[str]]:
    """Everything waiting, joined: the newest number of each stream, each task once."""
    streams: dict[str, int] = {}
    tasks: set[str] = set()
    ring: dict[str, int] | str | None = first
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

"""Streams of questions, where a network keeps a request waiting until it has something to say: one is asked after the
other, and whatever goes wrong ends the stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from connectors.answers import Answer
from connectors.frames import Frame
from connectors.http import CONNECT, READ

if TYPE_CHECKING:
    from connectors.streams import Asking, Question

STANDS = 4.0
"""Seconds after which a question that was not answered counts as kept: whoever refuses does so sooner."""
LATE = CONNECT + READ  # seconds that a question may take besides those for which it is kept

type Post = Callable[[Question], Awaitable[Answer]]


@asynccontextmanager
async def asked(asking: Asking, post: Post) -> AsyncIterator[AsyncIterator[Frame]]:
    """Open as soon as the first question is kept, or answered with anything but a fault."""
    first = asyncio.create_task(_told(asking, post))
    try:
        await asyncio.wait({first}, timeout=STANDS)
        if first.done():
            first.result()
        yield _frames(first, asking, post)
    finally:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def _frames(first: Awaitable[tuple[list[Frame], float]], asking: Asking, post: Post) -> AsyncIterator[Frame]:
    frames, wait = await first
    while True:
        for frame in frames:
            yield frame
        await asyncio.sleep(wait)
        frames, wait = await _told(asking, post)


async def _told(asking: Asking, post: Post) -> tuple[list[Frame], float]:
    question, loop = asking.question(), asyncio.get_running_loop()
    asked_at = loop.time()
    async with asyncio.timeout(question.seconds + LATE):
        answer = await post(question)
    return asking.answered(answer, loop.time() - asked_at)

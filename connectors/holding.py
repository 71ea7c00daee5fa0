"""Holds open a connection of a library that waits for its answers, as connectors.streaming holds its own: the loop
waits for bytes, and a thread has the connection only while there is something to do with it. Silence is broken by a
question in time, so that a connection that nobody holds any more is noticed."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager

from connectors.faults import Unavailable
from connectors.frames import Frame
from connectors.streams import OPENED, Announcing

AGAIN = 540.0
"""Seconds until a sign of life is asked for. Servers may log off after 29 minutes who only listens, and what stands
between us and them forgets a silent connection sooner."""
LOOK = 0.1
"""Seconds between two looks at one connection: each costs a thread, and a byte now and then is not worth one."""
OPENING = threading.BoundedSemaphore(8)
"""Connections that are opened at one time: servers count those who sign in, and each costs a thread until it has."""


@asynccontextmanager
async def held(opening: Callable[[], Announcing]) -> AsyncIterator[AsyncIterator[Frame]]:
    """The frames of a connection, from the moment it is open. Whatever goes wrong is a Fault."""

    def one_of_few() -> Announcing:
        with OPENING:
            return opening()

    line = await _aside(one_of_few, lambda late: late.close())
    try:
        yield _frames(line)
    finally:
        line.close()


async def _frames(line: Announcing) -> AsyncIterator[Frame]:
    loop = asyncio.get_running_loop()
    yield Frame(OPENED, "")
    while True:
        due = loop.time() + AGAIN * random.uniform(0.8, 1.0)  # noqa: S311  spreading, not secrecy
        # Chatter is no answer to a question: it puts nothing off.
        while await _came(line, due):
            for frame in await _aside(line.heard):
                yield frame
            await asyncio.sleep(LOOK)
        for frame in await _aside(line.again):
            yield frame


async def _came(line: Announcing, due: float) -> bool:
    """Whether something came before it was time to ask."""
    if asyncio.get_running_loop().time() >= due:
        return False
    try:
        async with asyncio.timeout_at(due):
            await _something(line)
    except TimeoutError:
        return False
    return True


async def _something(line: Announcing) -> None:
    """Until there is something to read."""
    if line.has_more():
        return
    loop, number = asyncio.get_running_loop(), line.fileno()
    if number < 0:
        raise Unavailable("The connection was closed.")
    ready = loop.create_future()

    def came() -> None:
        loop.remove_reader(number)
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(number, came)
    try:
        await ready
    finally:
        loop.remove_reader(number)


async def _aside[Result](work: Callable[[], Result], undo: Callable[[Result], None] | None = None) -> Result:
    """In a thread that nobody waits for at the end of the process. Work whose waiter was cancelled is undone."""
    done: Future[Result] = Future()
    done.set_running_or_notify_cancel()  # from now on giving up does not stop it

    def job() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001  raised where it is awaited
            done.set_exception(error)

    def given_up(late: Future[Result]) -> None:
        if undo is not None and late.exception() is None:
            undo(late.result())

    threading.Thread(target=job, name="line", daemon=True).start()
    try:
        return await asyncio.wrap_future(done)
    except asyncio.CancelledError:
        done.add_done_callback(given_up)
        raise

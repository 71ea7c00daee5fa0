"""How a loop of ours is asked to end. Several signals come at once, as when the death of a supervisor is told once for
each of its threads: a handler that took a lock could meet itself below, and wait for ever."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """While it is entered, signals only write into a pipe, and the loop looks whether something lies there."""

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._before: dict[int, Any] = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        os.close(self._write)
        os.close(self._read)

    def _note(self, *_: object) -> None:
        with suppress(BlockingIOError):  # it is full of them
            os.write(self._write, b".")

    def asked(self, within: float = 0) -> bool:
        """Whether a signal came; waits for one so many seconds."""
        return bool(select.select([self._read], [], [], within)[0])

"""Keeps a set of child processes running as one program: one log, restarts with a growing pause, one clean end."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from types import FrameType
from typing import Protocol

from socialcare.children import end, has_ended, spawn
from socialcare.embedded import Server
from socialcare.ground import Unavailable

LONGEST_PAUSE = 30.0  # seconds between two starts of a child that keeps dying
STEADY = 60.0  # a child that lived so long starts over with the shortest pause
NOTHING = "(?!)"  # a pattern no line matches
COLOURS = (36, 32, 33, 35, 34, 31)  # of a terminal


class Stopped(BaseException):
    """Ctrl-C or SIGTERM: somebody wants the whole program to end."""


class Log:
    """One stream of lines, each headed by the name of the child that wrote it."""

    def __init__(self, width: int = 8) -> None:
        self.width = width
        self.lock = threading.Lock()
        self.colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self.names: dict[str, int] = {}

    def say(self, text: str, name: str = "") -> None:
        with self.lock:
            colour = self.names.setdefault(name, COLOURS[len(self.names) % len(COLOURS)])
            head = f"{name:<{self.width}} │ " if name else ""
            try:
                sys.stdout.write(f"\x1b[{colour}m{head}\x1b[0m{text}\n" if head and self.colour else f"{head}{text}\n")
                sys.stdout.flush()
            except BrokenPipeError:  # who read us has gone; that must not stop the servers' shutdown
                sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115

    def pipe(self, name: str, routine: str) -> "Pipe":
        return Pipe(self, name, routine)


class Pipe:
    """Reads what one child prints, in a thread of its own; routine lines are kept only for the case of trouble."""

    def __init__(self, log: Log, name: str, routine: str) -> None:
        self.log, self.name, self.routine = log, name, re.compile(routine)
        self.recent: deque[str] = deque(maxlen=20)
        self.reader, self.writer = os.pipe()  # one for all starts of the child
        threading.Thread(target=self._read, name=f"log of {name}", daemon=True).start()

    def _read(self) -> None:
        with os.fdopen(self.reader, errors="replace") as lines:
            for line in lines:
                text = line.rstrip()
                self.recent.append(text)
                if text and not self.routine.search(text):
                    self.log.say(text, self.name)

    def say_recent(self) -> None:
        """After a failed start: what was held back."""
        for text in list(self.recent):
            if self.routine.search(text):
                self.log.say(text, self.name)


class Child(Protocol):
    name: str

    def start(self) -> None: ...
    def has_ended(self) -> bool: ...
    def ask_to_stop(self) -> None: ...
    def stop(self) -> None: ...


class Program:
    """A child of ours that needs no waiting for: web, worker, beat, sweep, listen."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Log,
        *,
        env: dict[str, str],
        keep: Sequence[int] = (),
        patience: float = 8,
        routine: str = NOTHING,
    ) -> None:
        self.name, self.argv, self.env, self.keep, self.patience = name, argv, env, keep, patience
        self.pipe = log.pipe(name, routine)
        self.process: subprocess.Popen[bytes] | None = None
        self.asked_at: float | None = None

    def start(self) -> None:
        env = {**os.environ, "PYTHONUNBUFFERED": "1", **self.env}
        self.process = spawn(self.argv, output=self.pipe.writer, env=env, keep=self.keep)

    def has_ended(self) -> bool:
        return self.process is not None and has_ended(self.process)

    def ask_to_stop(self) -> None:
        self.asked_at = time.monotonic()
        if self.process is not None and not has_ended(self.process):
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Ends it; the patience counts from when it was asked, if it was."""
        if self.process is not None:
            waited = time.monotonic() - self.asked_at if self.asked_at else 0
            end(self.process, signal.SIGTERM, max(self.patience - waited, 0))


class Embedded:
    """An embedded server among the children."""

    def __init__(self, server: Server, log: Log, routine: str) -> None:
        self.name = server.name
        self.server = server
        self.pipe = log.pipe(server.name.lower()[:8], routine)
        server.output = self.pipe.writer

    def start(self) -> None:
        try:
            self.server.start()
        except Unavailable:
            time.sleep(0.1)  # its last words may still be on their way
            self.pipe.say_recent()
            raise

    def has_ended(self) -> bool:
        return self.server.process is not None and has_ended(self.server.process)

    def ask_to_stop(self) -> None:
        """The servers end last: see stop()."""

    def stop(self) -> None:
        self.server.stop()


class Keeper:
    """When a child died and when it may start again."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.started = time.monotonic()
        self.pause = 1.0
        self.again_at: float | None = None

    def look(self, log: Log) -> None:
        now = time.monotonic()
        if self.again_at is None:
            if self.child.has_ended():
                self._plan(now, log)
        elif now >= self.again_at:
            self._again(now, log)

    def _plan(self, now: float, log: Log) -> None:
        self.child.stop()  # reaps it and ends what it left
        self.pause = 1.0 if now - self.started > STEADY else min(self.pause * 2, LONGEST_PAUSE)
        self.again_at = now + self.pause
        log.say(f"{self.child.name} ended by itself; it starts again in {self.pause:.0f} s.")

    def _again(self, now: float, log: Log) -> None:
        self.again_at = None
        try:
            self.child.start()
        except (OSError, Unavailable) as error:
            log.say(str(error))
            self._plan(now, log)
        self.started = time.monotonic()


class Supervisor:
    """Children in the order of their start; they end in the opposite order, the servers last."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.keepers: list[Keeper] = []

    def start(self, child: Child) -> None:
        self.keepers.append(Keeper(child))  # first, so that stop() knows it whatever happens next
        child.start()

    def watch(self) -> None:
        """Until Stopped is raised by a signal."""
        while True:
            if _asked:  # what a signal raised in a place that ignores exceptions is raised again
                raise Stopped
            for keeper in self.keepers:
                keeper.look(self.log)
            time.sleep(0.2)

    def stop(self) -> None:
        for keeper in self.keepers:
            keeper.child.ask_to_stop()  # all at once, so that the longest patience is the whole wait
        for keeper in reversed(self.keepers):
            keeper.child.stop()


_asked: list[int] = []


def on_signals() -> None:
    """Makes the first signal that ends a program raise Stopped, wherever it is. A second one, as `timeout` sends it to
    us and to our group, would meet the end that has begun; if the first was ignored, watch() raises it again."""

    def stop(number: int, _frame: FrameType | None) -> None:
        _asked.append(number)
        if len(_asked) == 1:
            raise Stopped

    _asked.clear()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def off_signals() -> None:
    """While ending, further signals must not cut the end short: children have a limited time already."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

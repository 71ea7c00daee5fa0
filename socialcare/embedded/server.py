"""A server as our direct child: prepared, started until it answers, and stopped."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import IO, ClassVar

from socialcare.children import children_of, end, kill_group, spawn
from socialcare.ground import Ground, Unavailable

START_SECONDS = 180  # a crash recovery may take long


class Server:
    """One server as our direct child. `output` takes what it prints (a file or a pipe's number; None = ours)."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, ground: Ground, *, output: int | IO[bytes] | None = None, durable: bool = True) -> None:
        self.ground = ground
        self.output = output
        self.durable = durable  # False: a scratch server of unit tests, whose data nobody will miss
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        raise NotImplementedError

    def command(self) -> list[str | Path]:
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it takes connections now."""
        raise NotImplementedError

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Prepares, starts and returns when it answers."""
        self.prepare()
        deadline = time.monotonic() + START_SECONDS
        self._launch()
        while not self.answers():
            if not self.alive and not self._try_again(deadline):
                raise Unavailable(f"{self.name} stopped while starting; its own words are in the lines above.")
            if time.monotonic() > deadline:
                self.stop()
                raise Unavailable(f"{self.name} did not answer within {START_SECONDS} seconds.")
            time.sleep(0.02)

    def _launch(self) -> None:
        self.process = spawn(
            self.command(),
            output=self.output,
            cwd=self.ground.home,
            owner=self.ground.owner,
            on_parent_death=self.stop_signal,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
        )

    def _try_again(self, _deadline: float) -> bool:
        return False

    def stop(self, patience: float = 30) -> None:
        if self.process is not None:
            end(self.process, self.stop_signal, patience)

    def kill(self) -> None:
        """kill -9 of the server and all its processes: a power cut of the process, for tests."""
        if self.process is not None:
            parts = children_of(self.process.pid)
            kill_group(self.process)
            for pid in parts:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

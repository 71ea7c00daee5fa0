"""The folders the embedded servers stand on: whose they are, who may enter, and that only one process uses them."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import IO

from socialcare.children import Owner

SOCKET_LIMIT = 107 if sys.platform == "linux" else 103  # bytes of sockaddr_un.sun_path without the closing zero
LONGEST_SOCKET = "/.s.PGSQL.5432"
OWN_PLACE = Path("/var/lib/socialcare")


class Unavailable(Exception):
    """A server cannot be had; the text is one sentence for the person at the terminal."""


class Ground:
    """The folders of one installation's servers: `home/pg`, `home/redis` and the folder of the sockets."""

    def __init__(self, folder: Path, owner: Owner | None = None) -> None:
        self.folder = folder.resolve()
        self.owner = owner or self._owner()
        self.home = self.folder
        if not self.owner.is_us and not self._can_enter(self.folder):
            self.home = OWN_PLACE / hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        self.run = self._run()
        self._lock: IO[str] | None = None

    def _owner(self) -> Owner:
        data = self.folder / "pg"
        if os.geteuid() == 0 and data.exists() and Owner.of(data).uid:
            return Owner.of(data)  # made by another user: stay with them
        return Owner.for_servers()

    def _can_enter(self, folder: Path) -> bool:
        """Whether the servers' user gets into the folder, or into the nearest one above it that exists."""
        while not folder.exists():
            folder = folder.parent
        return runs(["/bin/sh", "-c", 'cd "$0"', folder], self.owner)

    def _run(self) -> Path:
        """The folder of the sockets: their paths must fit into a socket address."""
        if len(os.fsencode(self.home / "run")) + len(LONGEST_SOCKET) <= SOCKET_LIMIT:
            return self.home / "run"
        runtime = os.environ.get("XDG_RUNTIME_DIR") if os.geteuid() else None
        name = "socialcare-" + hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        for place in (runtime, tempfile.gettempdir(), "/tmp"):  # noqa: S108 - own() refuses what is not ours
            if place and len(os.fsencode(f"{place}/{name}{LONGEST_SOCKET}")) <= SOCKET_LIMIT:
                return Path(place, name)
        raise Unavailable("No folder with a path short enough for a socket was found: set TMPDIR to a short one.")

    def prepare(self) -> None:
        """Makes the folders and takes the lock: one owner of a data folder at a time."""
        try:
            _make_passable(self.folder)
            self.lock()
            _make_passable(self.home)
            own_folder(self.run, self.owner)
        except OSError as error:
            raise Unavailable(f"The data folder {self.folder} cannot be used: {error.strerror or error}.") from error

    def lock(self) -> None:
        file = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise Unavailable(
                f"The data folder {self.folder} is in use by another process (number {holder}): stop it, or choose "
                "another folder by DATA_DIR."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._lock = file

    def unlock(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    def reachable(self, program: Path, package: str) -> Path:
        """The program of an installed Python package; of a copy if the servers' user cannot reach the package."""
        if self.owner.is_us or runs([program, "--version"], self.owner):
            return program
        site = next(folder for folder in program.parents if (folder / package).is_dir())
        copy = OWN_PLACE / f"{package}-{version(package)}"
        try:
            if not copy.exists():
                _copy_package(site, package, copy)
        except OSError as error:
            raise Unavailable(f"{package} could not be copied to {copy}: {error.strerror or error}.") from error
        return copy / program.relative_to(site)


def _copy_package(site: Path, package: str, place: Path) -> None:
    """With the libraries beside it, which its programs look for at a place relative to their own."""
    half = place.with_name(f"{place.name}.{os.getpid()}")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    for part in (package, f"{package}.libs"):
        if (site / part).is_dir():
            shutil.copytree(site / part, half / part, symlinks=True)
    for path in (half, *half.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    half.rename(place)  # a copy cut short by a crash never gets the name


def runs(argv: Sequence[str | Path], owner: Owner) -> bool:
    switch = {} if owner.is_us else {"user": owner.uid, "group": owner.gid, "extra_groups": []}
    try:
        done = subprocess.run(argv, capture_output=True, check=False, cwd="/", **switch)  # type: ignore[call-overload]
    except PermissionError:
        return False
    return bool(done.returncode == 0)


def _make_passable(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o711)  # the servers' user must pass, not list


def own_folder(path: Path, owner: Owner) -> None:
    """Makes the folder for the servers' user alone, or makes sure that it is so."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700, parents=True)
        os.chown(path, owner.uid, owner.gid)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.uid:
        holder = Owner(found.st_uid, found.st_gid).name
        raise Unavailable(
            f"{path} belongs to the user {holder}, not to {owner.name}: start as {holder}, remove it, or choose "
            "another folder by DATA_DIR."
        )
    if found.st_mode & 0o077:
        path.chmod(0o700)

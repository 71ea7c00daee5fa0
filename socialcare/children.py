"""Child processes that cannot outlive us: the kernel signals each when its parent dies, also by kill -9 (Linux)."""

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Owner:
    """The user a server runs as. PostgreSQL refuses root, so root's servers run as another one."""

    uid: int
    gid: int

    @property
    def name(self) -> str:
        with contextlib.suppress(KeyError):
            return pwd.getpwuid(self.uid).pw_name
        return str(self.uid)

    @property
    def is_us(self) -> bool:
        return self.uid == os.geteuid()

    @classmethod
    def of(cls, path: Path) -> "Owner":
        found = path.lstat()
        return cls(found.st_uid, found.st_gid)

    @classmethod
    def present(cls) -> "Owner":
        return cls(os.geteuid(), os.getegid())

    @classmethod
    def for_servers(cls) -> "Owner":
        """The present user; for root `postgres` if there is one, else `nobody`."""
        if os.geteuid():
            return cls.present()
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(entry.pw_uid, entry.pw_gid)
        return cls(65534, 65534)


def spawn(
    argv: Sequence[str | Path],
    *,
    output: int | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    owner: Owner | None = None,
    on_parent_death: signal.Signals = signal.SIGTERM,
    keep: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Starts `argv` in a session of its own (the terminal's Ctrl-C reaches only us); `output` takes both its streams.

    The kernel's death signal belongs to the *thread* that starts the child: call this from one that lives
    as long as we do.
    """
    switch = owner is not None and not owner.is_us
    return subprocess.Popen(
        [str(part) for part in argv],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        env=env,
        cwd=cwd,
        user=owner.uid if owner and switch else None,
        group=owner.gid if owner and switch else None,
        extra_groups=[] if switch else None,
        start_new_session=True,
        pass_fds=keep,
        umask=0o077 if switch else -1,
        preexec_fn=_follow_parent(on_parent_death),  # noqa: PLW1509 - one system call, prepared beforehand
    )


def _follow_parent(number: signal.Signals) -> Callable[[], None] | None:
    if _libc is None:
        return None
    prctl, parent = _libc.prctl, os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and this line
            os._exit(1)

    return ask


def has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Like poll() but does not reap, so that the process id still names the child's group."""
    if process.returncode is not None or not hasattr(os, "waitid"):  # macOS before Python 3.13 has no waitid
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def end(process: "subprocess.Popen[bytes]", number: signal.Signals, patience: float) -> bool:
    """Asks by signal, waits `patience` seconds, kills what is left of its group; says whether asking was enough."""
    deadline = time.monotonic() + patience
    if asked := not has_ended(process):
        process.send_signal(number)
    while asked and not has_ended(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    asking_was_enough = has_ended(process)
    kill_group(process)
    return asking_was_enough


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """kill -9 of the child and of everything in its group; reaps it."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def children_of(pid: int) -> list[int]:
    """Process ids of the direct children (PostgreSQL's backends are each in a group of their own)."""
    return [child for child, parent in _all_parents() if parent == pid]


def _all_parents() -> Iterator[tuple[int, int]]:
    if sys.platform != "linux":
        listed = subprocess.run(["/bin/ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
        yield from ((int(child), int(parent)) for child, parent in map(str.split, listed.stdout.splitlines()))
        return
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield int(stat.parent.name), int(stat.read_text().rpartition(")")[2].split()[1])


def is_running(pid: int) -> bool:
    """Whether the process lives; a zombie, whose parent never asked, does not."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

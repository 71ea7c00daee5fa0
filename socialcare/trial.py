"""The demo network beside an application on trial: which port it listens on, how the other processes learn of it, and
how channels follow when it had to move. It is a child of `up`, costs nothing while nobody listens to it, and is not
there when an outside database is given."""

import errno
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from socialcare import environment
from socialcare.supervisor import Log, Program

PORT = 8790
NEIGHBOURS = 50
FILE = "demo.url"  # in the data folder: where it listens, for commands that run beside `up`


def is_wanted(*, embedded: bool) -> bool:
    """DEMO=1 or DEMO=0; when neither is said, only with a database of our own."""
    return environment.flag("DEMO", embedded)


def listen(say: Callable[[str], None]) -> socket.socket:
    """Its socket, which `up` holds, on DEMO_PORT or the next port that is free."""
    wanted = environment.number("DEMO_PORT", PORT, 1, 65535)
    for port in range(wanted, min(wanted + NEIGHBOURS, 65536)):
        try:
            listener = socket.create_server(("127.0.0.1", port), backlog=64)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            continue
        if port != wanted:
            say(f"Port {wanted} is taken: the demo network listens on {port} instead.")
        return listener
    say("No port was free for the demo network, so a random one was taken.")
    return socket.create_server(("127.0.0.1", 0), backlog=64)


def url_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def program(log: Log, listener: socket.socket, folder: Path, pace: float, seed: int) -> Program:
    """The child. Its journal lets it go on after a restart, so that no id ever means two posts."""
    fd = listener.fileno()
    argv = [sys.executable, "-m", "socialcare.demo", "--fd", str(fd), "--journal", str(folder / "demo.jsonl")]
    argv += ["--pace", str(pace), "--seed", str(seed), "--history", "40"]
    return Program("demo", argv, log, env={}, keep=[fd], patience=3, routine="^demo network on")


def before(folder: Path) -> str:
    """Where it listened at the last start; empty when it did not."""
    path = folder / FILE
    return path.read_text().strip() if path.exists() else ""


def announce(folder: Path, url: str) -> None:
    """Keeps the address for other commands and opens exactly it for the children; without one forgets it."""
    if not url:
        (folder / FILE).unlink(missing_ok=True)
        return
    half = folder / f"{FILE}.new"
    half.write_text(f"{url}\n")
    half.replace(folder / FILE)
    tell(url)


def tell(url: str) -> None:
    """Puts it into the environment that settings are read from, beside what the owner has opened."""
    os.environ["DEMO_URL"] = url
    opened = environment.words("FETCH_ALLOW")
    host = url.removeprefix("http://")
    if host not in opened:
        os.environ["FETCH_ALLOW"] = " ".join([*opened, host])


def follow(old: str, new: str) -> None:
    """Channels of the demo network read on where it listens now."""
    from connectors.models import Channel

    if old and new and old != new:
        for channel in Channel.objects.filter(network="demo", settings__base_url=old):
            Channel.objects.filter(pk=channel.pk).update(settings={**channel.settings, "base_url": new})

"""`python -m socialcare.demo --port 8790`: the demo network as a process of its own, without Django."""

import argparse
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer


def add_options(parser: Any) -> None:
    parser.add_argument("--port", type=int, default=8790)
    parser.add_argument("--fd", type=int, default=None, help="number of a socket that listens already, for the port")
    parser.add_argument("--pace", type=float, default=2.0, help="new conversations a minute; 0: only what is asked for")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--history", type=int, default=40, help="posts that are there from before")
    parser.add_argument("--journal", type=Path, default=None, help="file that lets it go on after a restart")


def run(port: int, fd: int | None, pace: float, seed: int, history: int, journal: Path | None) -> None:
    """Serve until a signal says stop."""
    listener = None if fd is None else socket.socket(fileno=fd)
    server = DemoServer(Network(seed, pace, history, journal=journal), port, listener)

    def stop(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # several come at once; the others must not cut the end short
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    sys.stdout.write(f"demo network on {server.url}\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return
    finally:
        server.closing.set()
        server.server_close()


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="socialcare.demo", description=__doc__)
    add_options(options)
    run(**vars(options.parse_args()))

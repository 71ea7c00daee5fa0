"""The whole application as a newcomer starts it: `manage.py up` in an empty data folder on a free port."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from socialcare.children import is_running
from socialcare.local import CHECKOUT
from tests.waiting import soon

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]
LONG = 180  # seconds for what takes ten on a quiet machine: it costs nothing while all is well
OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SEAL_KEYS", "TESTING", "DATABASE_IDLE_LIMIT", "PUBLIC_URL", "ROLE")
OURS += ("DEMO", "DEMO_PORT", "DEMO_URL", "FETCH_ALLOW", "HOST")


ports = count(20_000 + os.getpid() % 120 * 100)


def free_port():
    """One that nobody gets by chance before it is used: those are given from 32768 on. Every process of the tests looks
    at a hundred of its own."""
    while True:
        port = next(ports)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Up:
    def __init__(self, folder, port=None, command=("up",), **environment):
        self.folder, self.port = folder, port or free_port()
        env = {name: value for name, value in os.environ.items() if name not in OURS}
        env.update(DATA_DIR=str(folder / "var"), PORT=str(self.port), **environment)
        self.log = folder / "up.log"
        with self.log.open("ab") as log:
            argv = [sys.executable, "manage.py", *command]
            self.process = subprocess.Popen(argv, cwd=CHECKOUT, env=env, stdout=log, stderr=log, start_new_session=True)

    def said(self):
        return self.log.read_text()

    def wait_for(self, words):
        deadline = time.monotonic() + LONG
        while not (found := re.search(words, self.said())):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)
        return found

    def status(self, path="/livez"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONG)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status

    def processes(self):
        """Every process that was started with this data folder, by its environment or its arguments."""
        mark, found = os.fsencode(self.folder / "var"), {}
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes()
                if mark in words or mark in (entry / "environ").read_bytes():
                    found[int(entry.name)] = words.replace(b"\0", b" ").decode()
        return {pid: words for pid, words in found.items() if is_running(pid)}

    def find(self, words):
        return next(pid for pid, command in self.processes().items() if words in command)

    def nothing_is_left(self):
        """Without anybody's help; what was asked to end has ended, the kernel alone may be late."""
        return soon(lambda: not self.processes())

    def end(self):
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def up(folder):
    started = []

    def start(**options):
        started.append(Up(folder, **options))
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_it_runs_heals_and_ends_without_leaving_anything(up):
    first = up()
    first.wait_for(r"running at http://127\.0\.0\.1:\d+")
    first.wait_for(r"/first-run/\S+")
    assert first.status() == 200

    web = first.find("uvicorn")
    os.kill(web, signal.SIGKILL)
    while is_running(web):  # until then it may still take a connection with it
        time.sleep(0.01)
    assert first.status() == 200, "a client must wait for the new process instead of failing"
    assert first.find("uvicorn") != web

    second = up(port=first.port)
    assert second.process.wait(LONG) == 1
    assert "in use by another process" in second.said().rpartition("CommandError")[2]

    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(LONG) == 0
    assert first.nothing_is_left()


def test_nothing_outlives_it_when_it_is_killed_and_the_next_start_is_quick(up):
    began = time.monotonic()
    first = up()
    first.wait_for("running at")
    took = time.monotonic() - began
    first.process.kill()
    first.process.wait()
    began = time.monotonic()
    second = up(port=first.port)
    while second.said().count("running at") < 2:
        assert second.process.poll() is None, second.said()
        assert time.monotonic() - began < took + 20, second.said()  # the first one also made the data
        time.sleep(0.05)
    assert second.status() == 200
    second.process.terminate()
    assert second.process.wait(LONG) == 0
    assert second.nothing_is_left()


def test_a_taken_port_is_one_sentence(up):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        started = up(port=listener.getsockname()[1])
        assert started.process.wait(LONG) == 1
    assert re.search(r"CommandError: 127\.0\.0\.1:\d+ cannot be used \(Address already in use\)", started.said())
    assert "Traceback" not in started.said()
    assert started.nothing_is_left()

"""A whole installation as children of the test: servers, web, worker, beat, sweep, and networks with a ledger in the
test's own process, which is never killed."""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from socialcare.children import is_running
from socialcare.embedded import Postgres, Redis
from socialcare.ground import Ground

ROOT = Path(__file__).resolve().parents[2]


class House:
    """`networks`: names of those that are drilled, all of them when it is ["all"]."""

    def __init__(self, seed, networks=("demo",), failpoints=""):
        self.seed, self.networks, self.sides = seed, networks, []
        self.folder = Path(tempfile.mkdtemp(prefix="socialcare-chaos-"))
        self.folder.chmod(0o711)
        self.ground = Ground(self.folder)
        self.ground.prepare()
        self.log = (self.folder / "log").open("ab")
        self.postgres, self.redis = Postgres(self.ground, output=self.log), Redis(self.ground, output=self.log)
        self.children = {}
        self.keep = False
        self.environment(failpoints)

    def environment(self, failpoints):
        """Set before Django is imported, in this process and for the children."""
        os.environ.update(
            DATABASE_URL=self.postgres.url,
            REDIS_URL=self.redis.url,
            SECRET_KEY=secrets.token_urlsafe(50),
            SEAL_KEYS="k1:" + "A" * 43 + "=",
            PUBLIC_URL="http://127.0.0.1:8000",
            DATA_DIR=str(self.folder),
            DJANGO_SETTINGS_MODULE="socialcare.settings",
            FETCH_ALLOW="127.0.0.1",
            TESTING="1",
            UNDO_SECONDS="0",
            LEASE_SECONDS="6",
            SETTLE_SECONDS="3",
            ROLE="worker",
            SWEEP_INTERVAL="1",
            SWEEP_LATE="3",
            LOG_LEVEL="WARNING",
        )
        self.child_environment = {"FAILPOINTS": failpoints}

    def __enter__(self):
        self.postgres.start()
        self.redis.start()
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        argv = [sys.executable, "-m", "tests.chaos.zygote", str(self.folder)]
        self.zygote = subprocess.Popen(
            argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        if self.zygote.stdout.readline() != "ready\n":
            raise RuntimeError(f"the application does not start; see {self.folder}/log")
        self._connect()
        return self

    def _connect(self):
        """The cast, and a channel to each network."""
        from tests.chaos.side import Side, names
        from tests.conftest import make_cast

        self.cast = make_cast()
        wanted = names() if self.networks == ["all"] else self.networks
        self.sides = [Side(name, self.seed) for name in wanted]
        for side in self.sides:
            side.connect()

    def knock(self, path, headers, body):
        """A delivery to the web process: the status it answered, None when nobody opened."""
        connection = http.client.HTTPConnection("127.0.0.1", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(10)
        try:
            connection.sock.connect(f"{self.folder}/web.sock")
            connection.request("POST", f"/hooks/{path}/", body, {**headers, "Host": "127.0.0.1:8000"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def __exit__(self, *problem):
        for role in list(self.children):
            self.kill(role)
        self.zygote.kill()
        self.zygote.wait()
        from django.db import connections

        connections.close_all()
        for side in self.sides:
            side.fake.__exit__()
        self.redis.stop(5)
        self.postgres.stop(10)
        self.ground.unlock()
        self.log.close()
        if problem[0] is None and not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            sys.stderr.write(f"the log of this run is in {self.folder}/log\n")

    def start(self, role, **environment):
        """Forks the role from the zygote."""
        order = {"role": role, "environment": {**self.child_environment, **environment}}
        self.zygote.stdin.write(json.dumps(order) + "\n")
        self.zygote.stdin.flush()
        self.children[role] = int(self.zygote.stdout.readline())

    def kill(self, role):
        """kill -9 of the child and everything it started."""
        pid = self.children.pop(role, None)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def is_dead(self, role):
        return role not in self.children or not is_running(self.children[role])

    def freeze(self, role, seconds):
        with suppress(ProcessLookupError):
            os.killpg(self.children[role], signal.SIGSTOP)
            time.sleep(seconds)
            os.killpg(self.children[role], signal.SIGCONT)

    def restart_server(self, server):
        server.kill()
        server.start()


def wait_until(true, seconds, step=0.2):
    """Waits for something to become true; whether it did."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(step)
    return bool(true())

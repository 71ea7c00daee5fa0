"""A whole installation as children of the test: servers, web, worker, beat, sweep, and a network with a ledger in
the test's own process, which is never killed."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from socialcare.children import is_running
from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer
from socialcare.embedded import Postgres, Redis
from socialcare.ground import Ground

ROOT = Path(__file__).resolve().parents[2]


class Forgetful(Network):
    """A network without idempotency: the same key posts again. The ledger notes the key all the same."""

    def answer(self, text, reply_to, key, author="brand"):
        with self.lock:
            post = super().answer(text, reply_to, "", author)
            post.key = key
            return post


class House:
    def __init__(self, seed, pace=0.0, *, failpoints="", network=Forgetful):
        self.folder = Path(tempfile.mkdtemp(prefix="socialcare-chaos-"))
        self.folder.chmod(0o711)
        self.ground = Ground(self.folder)
        self.ground.prepare()
        self.log = (self.folder / "log").open("ab")
        self.postgres, self.redis = Postgres(self.ground, output=self.log), Redis(self.ground, output=self.log)
        self.demo = DemoServer(network(seed, pace))
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
        self.demo.start()
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
        return self

    def __exit__(self, *problem):
        for role in list(self.children):
            self.kill(role)
        self.zygote.kill()
        self.zygote.wait()
        from django.db import connections

        connections.close_all()
        self.demo.stop()
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

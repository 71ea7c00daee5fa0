"""A scratch PostgreSQL for the whole test run and a Redis for each of its processes, known before settings are read.

Loaded by `-p tests.servers` (see pyproject.toml), because pytest-django reads the settings before any conftest.py.
`TEST_DATABASE_URL` and `TEST_REDIS_URL` name servers to use instead. Killed test runs leave nothing: the servers follow
their parent, and the next run removes the folders.
"""

import fcntl
import gc
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from socialcare.embedded import Postgres, Redis
from socialcare.ground import Ground

PREFIX = "socialcare-test-"
WORKER = os.environ.get("PYTEST_XDIST_WORKER")
SHARED = "SOCIALCARE_TEST_DATABASE"  # set by the first process, inherited by the workers of pytest-xdist


def _scratch():
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o711)  # the servers run as another user when the tests run as root
    return Ground(folder)


def remove_leftovers():
    """Folders of earlier runs that were killed: nobody holds their lock any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError), (folder / "lock").open("r+") as lock:  # one that has none yet is just being made
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


ground = _scratch()
database = Postgres(ground, output=None, durable=False)
database.options = {"max_connections": "300", "shared_buffers": "64MB"}
redis_server = Redis(ground, output=None, durable=False)
SHARES = bool(WORKER) and "TEST_DATABASE_URL" not in os.environ
starts_database = SHARED not in os.environ and "TEST_DATABASE_URL" not in os.environ
starts_redis = "TEST_REDIS_URL" not in os.environ

if starts_database:
    os.environ[SHARED] = database.url
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL") or os.environ[SHARED]
os.environ["REDIS_URL"] = os.environ.get("TEST_REDIS_URL") or redis_server.url
os.environ["DATABASE_IDLE_LIMIT"] = "0"  # idle connections would keep the test database from being dropped
os.environ["TESTING"] = "1"
os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "0" * 40)
os.environ.setdefault("SEAL_KEYS", "k1:" + "A" * 43 + "=")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialcare.settings")


# Modules and thousands of tests come to stay. Whoever looks again and again for what of them can go, as Python does by
# itself, spends a tenth of the run on it.
gc.set_threshold(50_000, 20, 100)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    """Before pytest-xdist starts its workers (its own hook comes last)."""
    ground.prepare()
    if not WORKER:
        remove_leftovers()
    log = (ground.folder / "log").open("ab")
    for server, wanted in ((database, starts_database), (redis_server, starts_redis)):
        if wanted:
            server.output = log
            server.start()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    redis_server.stop(patience=5)
    database.stop(patience=10)
    ground.unlock()
    shutil.rmtree(ground.folder, ignore_errors=True)

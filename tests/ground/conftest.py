import tempfile
from pathlib import Path

import pytest

from socialcare.embedded import Postgres, Redis
from socialcare.ground import Ground


@pytest.fixture
def folder():
    """A folder the servers' user can enter also when the tests run as root (pytest's own folders are closed)."""
    with tempfile.TemporaryDirectory(prefix="socialcare-ground-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def ground(folder):
    ground = Ground(folder / "var")
    ground.prepare()
    yield ground
    ground.unlock()


@pytest.fixture
def server(ground, folder):
    """Makes servers on the ground, as durable as those of an installation, and stops them at the end."""
    made = []
    log = (folder / "log").open("ab")

    def make(kind, **options):
        made.append(kind(ground, output=log, **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()
    log.close()


@pytest.fixture
def postgres(server):
    postgres = server(Postgres)
    postgres.start()
    return postgres


@pytest.fixture
def redis_server(server):
    redis_server = server(Redis)
    redis_server.start()
    return redis_server

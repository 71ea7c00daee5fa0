"""A channel to the demo network, read and answered by the journey's own functions."""

import pytest

from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer
from tests.journey.steps import connected


@pytest.fixture(autouse=True)
def at_once(settings):
    """Nothing waits for the undo or the settle time, and loopback may be called."""
    settings.FETCH_ALLOW = ["127.0.0.1"]
    settings.UNDO_SECONDS = settings.SETTLE_SECONDS = 0


@pytest.fixture
def network():
    return Network(seed=7, pace=0)


@pytest.fixture
def server(network):
    server = DemoServer(network)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def channel(cast, server):
    return connected(server, team=cast.support)

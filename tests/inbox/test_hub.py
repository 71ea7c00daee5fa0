"""What a process does with the numbers its sockets and the counter rows tell it."""

import asyncio

import pytest

from inbox.live import Hub


class Bell:
    """As much of a socket as the hub sees."""

    agent_id = 1

    def __init__(self):
        self.streams = set()
        self.frames = []

    def ring(self, stream, frame):
        self.frames.append(frame)


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(Hub, "start", lambda self: None)  # the loops are asked for by hand
    return Hub()


def test_a_number_one_socket_learns_by_asking_rings_for_the_others(hub):
    first, second = Bell(), Bell()
    hub.watch(first, {"team:3"})
    hub.heard({"team:3": 812})
    assert not hub.dirty
    hub.watch(second, {"team:3"})
    assert hub.heard({"team:3": 813}) == {"team:3": 813}
    assert hub.dirty == {"team:3"}


def test_a_socket_that_asked_before_the_newest_ring_is_told_the_newest(hub):
    first, second = Bell(), Bell()
    hub.watch(first, {"team:3"})
    hub.heard({"team:3": 812})
    hub.moved({"team:3": 813})
    hub.watch(second, {"team:3"})
    assert hub.heard({"team:3": 812}) == {"team:3": 813}

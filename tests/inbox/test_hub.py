"""What a process does with the numbers its sockets and the counter rows tell it."""

import asyncio
from types import SimpleNamespace

import pytest

from inbox import live
from inbox.live import Hub


class Bell:
    """As much of a socket as the hub sees."""

    agent_id = 1

    def __init__(self):
        self.streams = set()
        self.frames = []

    def ring(self, stream, told):
        self.frames.append(told)

    def catch_up(self):
        pass


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(Hub, "start", lambda self: None)  # the loops are asked for by hand
    return Hub()


class Clockwork(asyncio.SelectorEventLoop):
    """A loop whose time passes only while everybody waits, and then at once: seconds are the same on every machine."""

    now = 0.0

    def time(self):
        return self.now

    def _run_once(self):
        if self._scheduled and not self._ready:
            self.now = max(self.now, self._scheduled[0].when())
        super()._run_once()


@pytest.fixture
def clockwork(monkeypatch):
    """Runs a coroutine by the clockwork, which the hub's own seconds follow as well."""

    def run(work):
        with asyncio.Runner(loop_factory=Clockwork) as runner:
            monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=runner.get_loop().time))
            return runner.run(work)

    return run


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


class Broken(Bell):
    """A socket with a defect."""

    def ring(self, stream, told):
        raise RuntimeError("this socket is broken")


def test_a_socket_with_a_defect_does_not_end_the_ringing(monkeypatch, clockwork):
    monkeypatch.setattr(Hub, "start", lambda self: None)

    async def run():
        hub, well = Hub(), Bell()
        hub.watch(Broken(), {"team:1"})
        hub.watch(well, {"team:2"})
        ringing = asyncio.create_task(hub._ring())
        for number in (1, 2):
            hub.moved({"team:1": number})
            await asyncio.sleep(0.15)
            hub.moved({"team:2": number})
            await asyncio.sleep(0.15)
        assert not ringing.done()
        ringing.cancel()
        return well.frames

    assert len(clockwork(run())) == 2


def test_a_stream_that_was_still_rings_at_once_though_another_has_just_rung(monkeypatch, clockwork):
    monkeypatch.setattr(Hub, "start", lambda self: None)

    async def run():
        hub, bells = Hub(), [Bell() for _ in range(4)]
        for place, bell in enumerate(bells):
            hub.watch(bell, {f"team:{place}"})
        ringing = asyncio.create_task(hub._ring())
        found = []
        for number in (1, 2):
            for place in range(4):
                hub.moved({f"team:{place}": number})
                await asyncio.sleep(0.02)
                found.append([len(bell.frames) for bell in bells])
        await asyncio.sleep(0.1)
        ringing.cancel()
        return found, [len(bell.frames) for bell in bells]

    found, last = clockwork(run())
    assert found[:4] == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert found[4] == [1, 1, 1, 1]  # the same stream waits for its tick
    assert last == [2, 2, 2, 2]


def test_a_defect_while_asking_does_not_end_the_asking(monkeypatch):
    monkeypatch.setattr(Hub, "start", lambda self: None)
    monkeypatch.setattr(live, "ASK", 0.01)

    async def run():
        hub = Hub()
        hub.watch(Bell(), {"team:1"})
        hub.sockets[None].add(Bell())  # cannot be sorted among words: a defect, not a failure of the database
        asking = asyncio.create_task(hub._ask())
        await asyncio.sleep(0.1)
        assert not asking.done()
        asking.cancel()

    asyncio.run(run())


def test_a_stream_with_dear_questions_rings_less_often_and_loses_no_number(monkeypatch, clockwork):
    monkeypatch.setattr(Hub, "start", lambda self: None)

    async def run():
        hub, bells = Hub(), [Bell() for _ in range(40)]
        for bell in bells:
            hub.watch(bell, {"team:1"})
        for _ in range(200):
            hub.answered(0.005)  # 40 screens × 5 ms: half a core answers them in 0.4 s
        ringing = asyncio.create_task(hub._ring())
        for number in range(1, 11):
            hub.moved({"team:1": number})
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.8)
        ringing.cancel()
        return bells

    for bell in clockwork(run()):
        assert 3 <= len(bell.frames) <= 5
        assert bell.frames[-1].endswith(b'"n": 10}')

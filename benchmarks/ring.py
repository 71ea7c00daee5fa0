"""BM-18: what ringing costs the one who rings: verbs with the ring, without it, and with a Redis that has stopped
answering; and whether every stream's last number reaches a listener."""

import asyncio
import os
import signal
import threading
import time
from functools import partial

from channels.layers import get_channel_layer

from benchmarks.clients import together
from benchmarks.data import count_again, wrong_tallies
from benchmarks.measure import check, interleaved, milli, row
from benchmarks.verbs import House
from inbox import ringing
from inbox.models import Conversation, Stream

WRITERS, EACH = 8, 120


def _line_opened(_job):
    """A process of the product opens its line to Redis once and keeps it."""
    ringing.bell({"bench": 0})
    time.sleep(0.3)


def _claim(ring, job):
    """Claims one after the other; without a ring nothing is put into the queue."""
    if not ring:
        ringing.ringer.put = lambda _: None
    agent, ids = job
    done = [one.pk for one in Conversation.objects.filter(pk__in=ids) if one.claim(agent)]
    if ring:
        time.sleep(0.3)  # the thread that rings gets its last turn; taken off the time again
    return done


class Listener(threading.Thread):
    """Hears the bell as a hub does."""

    def __init__(self):
        super().__init__(daemon=True)
        self.heard, self.ready = {}, threading.Event()

    def run(self):
        asyncio.run(self._listen())

    async def _listen(self):
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(ringing.GROUP, channel)
        self.ready.set()
        while True:
            for stream, number in (await layer.receive(channel))["streams"].items():
                self.heard[stream] = max(number, self.heard.get(stream, 0))


def run(options):
    house, listener = House(), Listener()
    listener.start()
    check(listener.ready.wait(10), "the listener did not get through to Redis")
    redis = int(os.environ["BENCH_REDIS_PID"])

    def verbs(_, ring, frozen=False):
        house.free(WRITERS * EACH)
        count_again()
        jobs = [(house.agents[n], house.ids_of(n, EACH)) for n in range(WRITERS)]
        if frozen:
            os.kill(redis, signal.SIGSTOP)
        try:
            ready = _line_opened if ring and not frozen else None
            results, take = together(partial(_claim, ring), jobs, ready)
        finally:
            if frozen:
                os.kill(redis, signal.SIGCONT)
        check(sum(map(len, results)) == WRITERS * EACH, "claims are missing")
        check(not wrong_tallies(), f"counters differ from the rows: {wrong_tallies()[:3]}")
        if ring:
            take.wall -= 0.3
        if ring and not frozen:
            _all_heard(listener, house.team.stream)
        return take

    candidates = {"ring": partial(verbs, ring=True), "none": partial(verbs, ring=False)}
    takes = interleaved(options.rounds, candidates | {"frozen": partial(verbs, ring=True, frozen=True)})
    ring, none, frozen = (takes.each(name) for name in candidates | {"frozen": None})
    yield row("BM-18", "verbs of 8 writers with the ring, to none", milli(ring), milli(none), ring / none, most=1.1)
    extra = (frozen - none) * WRITERS
    yield row(
        "BM-18",
        "a verb's wait more with Redis frozen, to 10 ms",
        milli(max(extra, 0)),
        "10 ms",
        max(extra, 0) / 0.010,
        most=1.0,
    )


def _all_heard(listener, stream):
    wanted, deadline = Stream.objects.get(key=stream).n, time.monotonic() + 5
    while listener.heard.get(stream, 0) < wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    check(listener.heard.get(stream) == wanted, f"the listener heard {listener.heard.get(stream)}, not {wanted}")

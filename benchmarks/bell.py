"""BM-10: one bell to many screens. Real websockets to the product under uvicorn, with sign-in and rights; beside a bare
writer of frames on uvloop, and beside the shape of the Channels tutorial."""

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time

import uvloop
from channels.layers import get_channel_layer
from channels_redis.core import RedisChannelLayer
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from benchmarks.data import make_house
from benchmarks.measure import Wrong, check, micro, milli, processor_seconds, row
from benchmarks.sockets import Socket, connect, handshake
from benchmarks.tutorial import layer_settings
from inbox.models import Agent
from inbox.ringing import GROUP

STREAM = "team:1"
PATIENCE = 60  # seconds until the last frame must be there; the tutorial's shape needs them on a busy machine
QUIET = 2.0  # seconds in which is seen what a server uses while nobody rings; it asks the counters once a second
UVICORN = [
    "--loop=uvloop",
    "--http=httptools",
    "--ws=inbox.line:Line",
    "--ws-per-message-deflate=false",
    "--no-access-log",
    "--lifespan=off",
    "--backlog=2048",
    "--log-level=warning",
]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Served:
    """A server in its own process."""

    def __init__(self, *argv, port):
        environment = {**os.environ, "ROLE": "web", "PUBLIC_URL": f"http://127.0.0.1:{port}", "TESTING": ""}
        self.port, self.name = port, " ".join(argv[:3])
        self.process = subprocess.Popen([sys.executable, *argv], env=environment)

    def __enter__(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        raise Wrong("the server did not start")

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()


def cookies():
    """A signed-in session of each agent who reads the team."""
    return [cookie_of(agent) for agent in Agent.objects.filter(memberships__team__slug="support")]


def cookie_of(agent):
    session = SessionStore()
    session[SESSION_KEY] = str(agent.pk)
    session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    session[HASH_SESSION_KEY] = agent.get_session_auth_hash()
    session.create()
    return f"sessionid={session.session_key}"


async def measured(served, sockets, ring, rings, pause, first):
    """Rings so many times; (CPU seconds a delivery, sorted delays, deliveries). What the server uses in the same time
    when nobody rings (keeping lines alive, asking the counters) belongs to no delivery."""
    await asyncio.sleep(0.5)
    quiet = processor_seconds(served.process.pid)
    await asyncio.sleep(QUIET)
    quiet = (processor_seconds(served.process.pid) - quiet) / QUIET
    started, before, began = {}, processor_seconds(served.process.pid), time.perf_counter()
    for number in range(first, first + rings):
        started[number] = time.perf_counter()
        await ring(number)
        await asyncio.sleep(pause)
    for _ in range(PATIENCE * 10):
        if all(one.newest == first + rings - 1 for one in sockets):
            break
        await asyncio.sleep(0.1)
    used = processor_seconds(served.process.pid) - before - quiet * (time.perf_counter() - began)
    late = [one for one in sockets if one.newest != first + rings - 1]
    check(not late, f"{len(late)} of {len(sockets)} sockets do not have the last number ({served.name})")
    delays = sorted(one.times[n] - at for one in sockets for n, at in started.items() if n in one.times)
    return used / len(delays), delays, len(delays)


async def product(count, rings, pause):
    port = free_port()
    sessions = cookies_of_house
    with Served("-m", "uvicorn", "socialcare.asgi:application", f"--port={port}", *UVICORN, port=port) as served:
        origin = f"http://127.0.0.1:{port}"

        def make(number):
            return Socket(handshake("/live/", origin, sessions[number % len(sessions)]), (STREAM,))

        sockets = await connect(port, count, make)
        layer = get_channel_layer()

        async def ring(number):
            await layer.group_send(GROUP, {"type": "bell", "streams": {STREAM: number}})

        return await measured(served, sockets, ring, rings, pause, 1_000)


async def tutorial(count, rings, pause):
    port = free_port()
    with Served(
        "-m", "uvicorn", "benchmarks.tutorial.bell:application", f"--port={port}", *UVICORN, port=port
    ) as served:
        origin = f"http://127.0.0.1:{port}"
        sockets = await connect(port, count, lambda _: Socket(handshake("/live/", origin)))
        layer = RedisChannelLayer(**layer_settings())

        async def ring(number):
            await layer.group_send("tutorial", {"type": "bell", "stream": STREAM, "n": number})

        return await measured(served, sockets, ring, rings, pause, 1_000)


async def bare(count, rings, pause):
    port = free_port()
    with Served("-m", "benchmarks.bare", str(port), port=port) as served:
        sockets = await connect(port, count, lambda _: Socket(bare=True))

        async def ring(number):
            sockets[0].transport.write(b"%d " % number)

        return await measured(served, sockets, ring, rings, pause, 1_000)


cookies_of_house = []


def run(options):
    make_house()
    cookies_of_house[:] = cookies()
    for count, rings in ((100, 40), (1_000, 16)):
        found = {"product": [], "bare": [], "tutorial": []}
        for _ in range(2 if count == 100 else 1):
            for name, shape in (("product", product), ("bare", bare), ("tutorial", tutorial)):
                found[name].append(uvloop.run(shape(count, rings, 0.12 if count == 100 else 0.3)))
        cpu = {name: statistics.median(take[0] for take in takes) for name, takes in found.items()}
        delays = {name: sorted(d for take in takes for d in take[1]) for name, takes in found.items()}
        p50, p99 = (delays["product"][int(len(delays["product"]) * share)] for share in (0.5, 0.99))
        named = f"bell to {count:,} sockets"
        yield row(
            "BM-10",
            f"{named}, CPU a delivery, to a bare writer",
            micro(cpu["product"]),
            micro(cpu["bare"]),
            cpu["product"] / cpu["bare"],
            most=2.2,
            note=f"p50 {milli(p50)}",
        )
        yield row(
            "BM-10",
            f"{named}, CPU of the tutorial's shape to ours",
            micro(cpu["tutorial"]),
            micro(cpu["product"]),
            cpu["tutorial"] / cpu["product"],
            least=10,
        )
        yield row(
            "BM-10",
            f"{named}, p99, to 100 ms",
            milli(p99),
            "100 ms",
            p99 / 0.1,
            most=1,
            note=f"the tutorial's {milli(delays['tutorial'][int(len(delays['tutorial']) * 0.99)])}",
        )

"""BM-10: one bell to many screens. Real websockets to the product under uvicorn, with sign-in and rights; beside a bare
writer of frames on uvloop, and beside the shape of the Channels tutorial."""

import asyncio
import contextlib
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


class Shape:
    """A server whose sockets are open, what it uses when nobody rings (keeping lines alive, asking the counters), which
    belongs to no delivery, and what ringing it took."""

    def __init__(self, served, sockets, ring):
        self.served, self.sockets, self.ring = served, sockets, ring
        self.quiet, self.taken, self.delays, self.next = 0.0, [], [], 1_000

    @property
    def used(self):
        return processor_seconds(self.served.process.pid)

    @property
    def cpu(self):
        """Processor seconds a delivery."""
        return statistics.median(self.taken)

    def share(self, part):
        self.delays.sort()
        return self.delays[int(len(self.delays) * part)]

    async def rung(self, rings, pause):
        started, before, began = {}, self.used, time.perf_counter()
        for number in range(self.next, self.next + rings):
            started[number] = time.perf_counter()
            await self.ring(number)
            await asyncio.sleep(pause)
        self.next += rings
        for _ in range(PATIENCE * 10):
            if all(one.newest == self.next - 1 for one in self.sockets):
                break
            await asyncio.sleep(0.1)
        used = self.used - before - self.quiet * (time.perf_counter() - began)
        late = [one for one in self.sockets if one.newest != self.next - 1]
        check(not late, f"{len(late)} of {len(self.sockets)} sockets do not have the last number ({self.served.name})")
        delays = [one.times[n] - at for one in self.sockets for n, at in started.items() if n in one.times]
        self.taken.append(used / len(delays))
        self.delays += delays


@contextlib.asynccontextmanager
async def product(count):
    port = free_port()
    sessions = cookies_of_house
    with Served("-m", "uvicorn", "socialcare.asgi:application", f"--port={port}", *UVICORN, port=port) as served:
        origin = f"http://127.0.0.1:{port}"

        def make(number):
            return Socket(handshake("/live/", origin, sessions[number % len(sessions)]), (STREAM,))

        layer = get_channel_layer()

        async def ring(number):
            await layer.group_send(GROUP, {"type": "bell", "streams": {STREAM: number}})

        yield Shape(served, await connect(port, count, make), ring)


@contextlib.asynccontextmanager
async def tutorial(count):
    port = free_port()
    with Served(
        "-m", "uvicorn", "benchmarks.tutorial.bell:application", f"--port={port}", *UVICORN, port=port
    ) as served:
        origin = f"http://127.0.0.1:{port}"
        layer = RedisChannelLayer(**layer_settings())

        async def ring(number):
            await layer.group_send("tutorial", {"type": "bell", "stream": STREAM, "n": number})

        yield Shape(served, await connect(port, count, lambda _: Socket(handshake("/live/", origin))), ring)


@contextlib.asynccontextmanager
async def bare(count):
    port = free_port()
    with Served("-m", "benchmarks.bare", str(port), port=port) as served:
        sockets = await connect(port, count, lambda _: Socket(bare=True))

        async def ring(number):
            sockets[0].transport.write(b"%d " % number)

        yield Shape(served, sockets, ring)


async def measured(count, rings, pause, rounds):
    """The three beside each other, rung in turn."""
    async with contextlib.AsyncExitStack() as stack:
        made = {"product": product, "bare": bare, "tutorial": tutorial}
        shapes = {name: await stack.enter_async_context(make(count)) for name, make in made.items()}
        await asyncio.sleep(0.5)
        before = {name: shape.used for name, shape in shapes.items()}
        await asyncio.sleep(QUIET)
        for name, shape in shapes.items():
            shape.quiet = (shape.used - before[name]) / QUIET
        for _ in range(rounds):
            for shape in shapes.values():
                await shape.rung(rings, pause)
    return shapes


cookies_of_house = []


def run(options):
    make_house()
    cookies_of_house[:] = cookies()
    for count, rings, pause, rounds in ((100, 40, 0.12, 2), (1_000, 16, 0.3, 1)):
        shapes = uvloop.run(measured(count, rings, pause, rounds))
        ours, limit, peer = (shapes[name] for name in ("product", "bare", "tutorial"))
        named, p99 = f"bell to {count:,} sockets", ours.share(0.99)
        yield row(
            "BM-10",
            f"{named}, CPU a delivery, to a bare writer",
            micro(ours.cpu),
            micro(limit.cpu),
            ours.cpu / limit.cpu,
            most=2.2,
            note=f"p50 {milli(ours.share(0.5))}",
        )
        yield row(
            "BM-10",
            f"{named}, CPU of the tutorial's shape to ours",
            micro(peer.cpu),
            micro(ours.cpu),
            peer.cpu / ours.cpu,
            least=10,
        )
        note = f"the tutorial's {milli(peer.share(0.99))}"
        yield row("BM-10", f"{named}, p99, to 100 ms", milli(p99), "100 ms", p99 / 0.1, most=1, note=note)

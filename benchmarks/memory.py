"""BM-23: what the processes of the product keep in memory: the web process when it has begun and with a thousand
sockets, a worker, the sweep; and how much web process and worker grow while posts come without a pause."""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks.alive import FIRST, aside, everybody_reads_everything, make_rules, product, until
from benchmarks.bell import UVICORN, Served, cookies, free_port
from benchmarks.data import load
from benchmarks.http import Line
from benchmarks.measure import check, row
from benchmarks.sockets import Socket, connect, handshake
from benchmarks.storing_task import store
from connectors.models import Channel
from inbox.models import Agent, Mention, Stream, Team

BUDGETS = {  # MB
    "web process that has begun": 220,
    "web process with 1,000 sockets": 270,
    "worker that has read a page": 200,
    "sweep": 120,
}
CONVERSATIONS, MANY, SOCKETS = 20_000, 1_000, 100
PACE, PAGE, PART = 500, 100, 5  # posts a second, a page; seconds a task lasts
LASTING = 30  # seconds of load; ten minutes in the full run
BEGUN = 40  # MB; less is a Python that has not loaded the product yet
GROWTH = 1.05
WORKER = ("celery", "--quiet", "--app", "benchmarks.storing_task", "--skip-checks", "worker", "--pool", "prefork")
WORKER += ("--concurrency", "1", "--loglevel", "WARNING", "--without-gossip", "--without-mingle")


def megabytes(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kept = next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)
    check(kept, "a process has ended that should go on")
    return kept / 1024


def child_of(pid):
    """The process that does a worker's work."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


def settled(pid):
    """What a process keeps when it has begun and stopped growing for a second."""
    before, now, patience = 0.0, megabytes(pid), time.monotonic() + 30
    while now < BEGUN or abs(now - before) > 0.5:
        check(time.monotonic() < patience, f"a process of {now:.0f} MB does not settle")
        time.sleep(1)
        before, now = now, megabytes(pid)
    return now


@contextmanager
def running(*argv, **environment):
    process = subprocess.Popen([sys.executable, *argv], env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


@dataclass
class Samples:
    """What a process kept, once a second."""

    taken: list[float] = field(default_factory=list)

    def around(self, part):
        """The middle of some samples from there on."""
        start = int(len(self.taken) * part)
        return statistics.median(self.taken[start : start + max(3, len(self.taken) // 8)])

    @property
    def growth(self):
        return self.around(0.85) / self.around(0.25)


async def with_sockets(sessions, streams):
    """A web process that has shown a page, and with its sockets."""
    port = free_port()
    argv = ("-m", "uvicorn", "socialcare.asgi:application", f"--port={port}", *UVICORN)
    with Served(*argv, port=port) as served:
        async with Line(port, sessions[0]) as line:
            status, _ = await line.get("/views/all/")
            check(status == 200, f"the first page answered {status}")
        begun = await asyncio.to_thread(settled, served.process.pid)
        origin = f"http://127.0.0.1:{port}"
        await connect(port, MANY, lambda n: Socket(handshake("/live/", origin, sessions[n % len(sessions)]), streams))
        return begun, await asyncio.to_thread(settled, served.process.pid)


async def under_load(worker, sessions, seconds):
    """Samples of the web process and of the worker while posts come, and whether everybody was told of them."""
    pids, mark = {}, await asyncio.to_thread(aside, _newest)
    async with product(SOCKETS, sessions) as (served, ears):
        pids = {"web process": served.process.pid, "worker": child_of(worker.pid)}
        samples = {name: Samples() for name in pids}
        for part in range(seconds // PART):
            await asyncio.to_thread(store.delay, PACE * PART, PAGE, PACE, 1 + part)
            wanted = PACE * PART * (part + 1)
            for _ in range(PART * 6):
                for name, pid in pids.items():
                    samples[name].taken.append(megabytes(pid))
                if await asyncio.to_thread(aside, _stored, mark) == wanted:
                    break
                await asyncio.sleep(1)
        stored = await asyncio.to_thread(aside, _stored, mark)
        check(stored == seconds // PART * PART * PACE, f"{stored} mentions of {seconds * PACE} posts")
        ends = await asyncio.to_thread(aside, _numbers)
        await until(lambda: all(ear.at(*end) for ear in ears for end in ends.items()), 30)
        check(all(ear.at(*end) for ear in ears for end in ends.items()), "a socket was not told of the last post")
    return samples


def _newest():
    return Mention.objects.order_by("-pk").values_list("pk", flat=True).first()


def _stored(mark):
    return Mention.objects.filter(pk__gt=mark).count()


def _numbers():
    return dict(Stream.objects.filter(key__startswith="team:").values_list("key", "n"))


def a_worker(worker):
    """What the worker keeps when it has read its first page."""
    mark = _newest()
    store.delay(0, PAGE, None, 1)
    patience = time.monotonic() + 60
    while _stored(mark) < FIRST and time.monotonic() < patience:
        time.sleep(0.2)
    check(_stored(mark) == FIRST, "the worker did not store its first page")
    return settled(child_of(worker.pid))


def run(options):
    load(CONVERSATIONS)
    everybody_reads_everything()
    make_rules()
    Agent.objects.filter(email="agent99@acme.example").update(is_admin=True)  # the set-up is finished
    sessions, streams = cookies(), [team.stream for team in Team.objects.all()]
    kept = dict(zip(BUDGETS, uvloop.run(with_sockets(sessions, streams)), strict=False))
    seconds = LASTING * (15 if options.full else 1)
    with running("-m", *WORKER, ROLE="worker") as worker:
        kept["worker that has read a page"] = a_worker(worker)
        samples = uvloop.run(under_load(worker, sessions, seconds))
    Channel.objects.update(paused=True)  # it would poll them
    with running("manage.py", "sweep", ROLE="sweep") as sweep:
        kept["sweep"] = settled(sweep.pid)
    for name, most in BUDGETS.items():
        yield row("BM-23", f"{name}, to {most} MB", f"{kept[name]:.0f} MB", f"{most} MB", kept[name] / most, most=1)
    for name, taken in samples.items():
        first, last = taken.around(0.25), taken.around(0.85)
        what = f"{name} after {seconds} s of {PACE} posts/s, to a quarter of them"
        note = "0 posts lost" if name == "worker" else f"{SOCKETS} sockets, each told of the last post"
        yield row("BM-23", what, f"{last:.0f} MB", f"{first:.0f} MB", taken.growth, most=GROWTH, note=note)

"""BM-13: from a page of posts that a network has ready to a frame at every socket: the worker's journey with its rules,
the ring through Redis, the product's web process; beside the shape of the tutorials, a task a post and a message to
every consumer."""

import asyncio
import contextlib

import uvloop

from benchmarks.alive import (
    Offer,
    Storing,
    Worker,
    everybody_reads_everything,
    heard,
    make_rules,
    newest_event,
    product,
    until,
)
from benchmarks.bell import UVICORN, Served, cookies, free_port
from benchmarks.data import gaps_in_numbers, load, wrong_tallies
from benchmarks.measure import Take, Takes, check, micro, milli, processor_seconds, rate, row
from benchmarks.sockets import Socket, connect, handshake
from benchmarks.tutorial.pipeline import Pipeline
from inbox.models import Mention

CONVERSATIONS, CHANNEL = 20_000, 6
SOCKETS, MANY = 100, 1_000
PACES = ((20, 1), (500, 100), (2_000, 400))  # posts a second, posts a page: webhooks bring one at a time
HELD = 500  # the pace that has a goal
LASTING = 6  # seconds
BURST, PAGE = 3_000, 200
PEER = 60  # posts by the peer in a round; it is slow


class Run:
    """One product and one peer, both with their sockets open."""

    def __init__(self, worker, seconds):
        self.worker, self.seconds, self.seed = worker, seconds, 0

    def offer(self, amount, size, pace=None):
        self.seed += 1
        return Offer(amount, size, pace, self.seed)

    async def stored(self, ears, offer):
        mark = await asyncio.to_thread(newest_event)
        stored = await self.worker.do(offer)
        delays = await heard(ears, stored, mark)
        check(not delays.lost, f"no bell led to a post {delays.lost} times, {len(ears)} sockets")
        return stored, delays

    async def paced(self, served, ears, pace, size):
        """Posts at a steady pace; the delays with processor seconds a post of the web process and of the worker."""
        pids, amount = (served.process.pid, self.worker.pid), pace * self.seconds // size * size
        before = [processor_seconds(pid) for pid in pids]
        _, delays = await self.stored(ears, self.offer(amount, size, pace))
        used = [(processor_seconds(pid) - was) / amount for pid, was in zip(pids, before, strict=True)]
        return delays, used

    async def burst(self, ears):
        """All at once, until the last socket is told of the last."""
        stored, delays = await self.stored(ears, self.offer(BURST, PAGE))
        return Take(BURST, delays.last - stored[0].due)


@contextlib.asynccontextmanager
async def tutorial(count):
    port = free_port()
    argv = ("-m", "uvicorn", "benchmarks.tutorial.bell:application", f"--port={port}", *UVICORN)
    with Served(*argv, port=port) as served:
        origin = f"http://127.0.0.1:{port}"
        yield served, await connect(port, count, lambda _: Socket(handshake("/live/", origin)))


async def by_tasks(worker, sockets, seed):
    """The peer's posts, until its last socket is told of the last; 800 million and above are its seeds."""
    began, last = await worker.do(Offer(PEER, PEER, seed=800_000_000 + seed))
    await until(lambda: all(socket.newest >= last for socket in sockets), 60)
    late = sum(socket.newest < last for socket in sockets)
    check(not late, f"{late} sockets of the tutorial's shape do not have the last number")
    return Take(PEER, max(socket.times[last] for socket in sockets) - began)


async def measured(run, peer, sessions, rounds):
    paced, takes = {}, Takes()
    async with product(SOCKETS, sessions) as (served, ears):
        for pace, size in PACES:
            paced[pace, SOCKETS] = await run.paced(served, ears, pace, size)
        async with tutorial(SOCKETS) as (_, sockets):
            for number in range(rounds):
                takes.add("ours", await run.burst(ears))
                takes.add("tasks", await by_tasks(peer, sockets, number))
    async with product(MANY, sessions) as (served, ears):
        paced[50, MANY] = await run.paced(served, ears, 50, 10)
    return paced, takes


def check_books(seeds):
    check(not wrong_tallies(), f"counters differ from the rows: {wrong_tallies()[:3]}")
    check(not gaps_in_numbers(), f"the events have gaps: {gaps_in_numbers()[:3]}")
    doubled = Mention.objects.filter(external_id__regex=r"^p[0-9]{1,3}-").count()
    check(doubled == seeds, f"{doubled} mentions of {seeds} posts")


def run(options):
    load(CONVERSATIONS)
    everybody_reads_everything()
    make_rules()
    sessions = cookies()
    with Worker(lambda: Storing(CHANNEL)) as worker, Worker(lambda: Pipeline(CHANNEL + 1)) as peer:
        run = Run(worker, LASTING * (6 if options.full else 1))
        paced, takes = uvloop.run(measured(run, peer, sessions, options.rounds))
    offered = sum(pace * run.seconds // size * size for pace, size in (*PACES, (50, 10)))
    check_books(offered + BURST * options.rounds)
    for (pace, count), (delays, used) in paced.items():
        named, most = f"{pace:,} posts/s to {count:,} sockets", 1 if pace == HELD else None
        p50, p99 = delays.share(0.5), delays.share(0.99)
        note = f"0 lost; CPU a post: web {micro(used[0])}, worker {micro(used[1])}"
        yield row("BM-13", f"{named}, p50, to 30 ms", milli(p50), "30 ms", p50 / 0.03, most=most, higher=False)
        yield row(
            "BM-13", f"{named}, p99, to 100 ms", milli(p99), "100 ms", p99 / 0.1, most=most, note=note, higher=False
        )
    ours, tasks = takes.rate("ours"), takes.rate("tasks")
    yield row(
        "BM-13",
        f"all at once to {SOCKETS} sockets, to a task and a message a post",
        rate(ours),
        rate(tasks),
        ours / tasks,
        least=25,
    )

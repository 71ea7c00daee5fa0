"""The product as it runs: its web process, the sockets of people who have it open, and a worker in a process of its own
that stores pages in their time. Shared by the figures that look at all of it together."""

import asyncio
import bisect
import contextlib
import itertools
import multiprocessing
import os
import random
import time
from dataclasses import dataclass, field

from django.db import connection, connections

from benchmarks import posts
from benchmarks.bell import UVICORN, Served, free_port
from benchmarks.clients import warm
from benchmarks.data import TEAMS, Texts
from benchmarks.journey import Journey
from benchmarks.measure import Wrong, check
from benchmarks.sockets import Socket, connect, handshake
from inbox.models import Agent, Event, Membership, Stream, Team
from routing.models import VERSION, Rule

RULES = 50
FIRST = 200  # posts that a worker stores before it is measured
LOOK = 0.02  # seconds between two looks at whether all is there
PATIENCE = 30.0  # seconds until the last frame must be there


def everybody_reads_everything():
    """A hundred agents in all four teams, so that every socket has to be led to every post."""
    teams, known = list(Team.objects.all()), set(Membership.objects.values_list("agent", "team"))
    agents = Agent.objects.values_list("pk", flat=True)
    Membership.objects.bulk_create(
        Membership(agent_id=agent, team=team) for agent in agents for team in teams if (agent, team.pk) not in known
    )


def make_rules():
    """Rules as people write them, and three whose words are so common that the teams share the posts about as they
    share the conversations."""
    teams = {team.slug: team.pk for team in Team.objects.all()}
    posts.make_rules(RULES, [teams[name.lower()] for name in TEAMS])
    words = Texts(1).words
    for place, (slug, word) in enumerate((("hr", words[200]), ("support", words[1]), ("product", words[0]))):
        when = {"all": [{"is": "text_any", "words": [word]}]}
        then = [{"do": "team", "team": teams[slug]}]
        Rule.objects.create(name=slug, position=RULES + place, version=1, when=when, then=then, stop=True)
    Stream.objects.filter(key=VERSION).update(n=Stream.objects.get(key=VERSION).n + 1)


@dataclass
class Stored:
    """A page that was stored: when the network had it ready, which posts were on it, and when it was stored."""

    due: float
    posts: list[str]
    done: float


@dataclass
class Offer:
    """Posts to be stored: `posts` in pages of `size`, a second's worth of them each second, or all at once with no
    `pace`."""

    posts: int
    size: int
    pace: float | None = None
    seed: int = 1


class Storing:
    """What the worker does with an offer: the pages lie in memory, as the network gave them, and each goes the whole
    journey when its time has come. A page that has to wait for the one before has been due all the same."""

    def __init__(self, number=0):
        self.journey = Journey(number)
        self.old = itertools.cycle(posts.answerable(self.journey.channel.pk, 5_000))
        self.journey.store(posts.Network(900_000_000 + number, []).page(FIRST))  # plans, rules, languages, Redis

    def __call__(self, offer):
        network, chance = posts.Network(offer.seed, self.old), random.Random(offer.seed)
        pages = [network.page(offer.size) for _ in range(offer.posts // offer.size)]
        apart = offer.size / offer.pace if offer.pace else 0.0
        due, stored = time.perf_counter(), []
        for page in pages:
            time.sleep(max(0.0, due - time.perf_counter()))
            new = self.journey.store(page)
            check(new == offer.size, f"{new} of {offer.size} new posts were called new")
            stored.append(Stored(due, [post.external_id for post in page.posts], time.perf_counter()))
            due += apart * chance.uniform(0.5, 1.5)
        return stored


class Worker:
    """A process that was forked before there were loops and threads. It makes what does the work by `made`, and then
    does one job after the other."""

    def __init__(self, made):
        connections.close_all()
        warm()
        fork = multiprocessing.get_context("fork")
        self.pipe, theirs = fork.Pipe()
        self.process = fork.Process(target=self._serve, args=(made, theirs), daemon=True)
        self.process.start()
        theirs.close()  # so that its end is heard here
        self.pid = self.process.pid
        self._answer()

    def _serve(self, made, pipe):
        try:
            work = made()
            pipe.send((True, os.getpid()))
            while True:
                pipe.send((True, work(pipe.recv())))
        except EOFError:
            os._exit(0)
        except Exception as error:  # noqa: BLE001  told to the process that waits
            pipe.send((False, f"{type(error).__name__}: {error}"))
            os._exit(1)

    def _answer(self):
        try:
            right, result = self.pipe.recv()
        except EOFError as error:
            raise Wrong("the worker died") from error
        if not right:
            raise Wrong(result)
        return result

    async def do(self, job):
        self.pipe.send(job)
        return await asyncio.to_thread(self._answer)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.join()


class Ear(Socket):
    """A screen that watches several streams, with the times at which it was told of their numbers."""

    def __init__(self, request, where):
        super().__init__(request, where)
        self.told = {stream: ([], []) for stream in where}

    def _heard(self, bell, now):
        numbers, times = self.told[bell["stream"]]
        if not numbers or bell["n"] > numbers[-1]:
            numbers.append(bell["n"])
            times.append(now)
        if not self.ready.done() and all(known for known, _ in self.told.values()):
            self.ready.set_result(True)

    def at(self, stream, number):
        """When it was told of this number or a later one; None when it was not."""
        numbers, times = self.told[stream]
        place = bisect.bisect_left(numbers, number)
        return times[place] if place < len(numbers) else None


@dataclass
class Delays:
    """From a page that is ready to a frame at a socket, for each post and socket; `lost` are posts that no bell led
    to."""

    by_weight: list[tuple[float, int]] = field(default_factory=list)
    lost: int = 0
    last: float = 0.0

    def share(self, part):
        self.by_weight.sort()
        wanted = part * sum(weight for _, weight in self.by_weight)
        passed = itertools.accumulate(weight for _, weight in self.by_weight)
        return next(delay for (delay, _), sum_ in zip(self.by_weight, passed, strict=True) if sum_ >= wanted)


@contextlib.asynccontextmanager
async def product(count, cookies):
    """The web process of the product and that many sockets to it, which watch all teams."""
    port, streams = free_port(), [team.stream for team in await asyncio.to_thread(_teams)]
    arguments = ("-m", "uvicorn", "socialcare.asgi:application", f"--port={port}", *UVICORN)
    with Served(*arguments, port=port) as served:
        origin = f"http://127.0.0.1:{port}"

        def make(number):
            return Ear(handshake("/live/", origin, cookies[number % len(cookies)]), streams)

        yield served, await connect(port, count, make)


def aside(work, *arguments):
    """Does it in a thread whose database connection ends with it."""
    try:
        return work(*arguments)
    finally:
        connection.close()


async def until(so, seconds):
    """Waits until it is so, that long at most."""
    for _ in range(int(seconds / LOOK)):
        if so():
            return
        await asyncio.sleep(LOOK)


def _teams():
    return aside(list, Team.objects.all())


def newest_event():
    return aside(lambda: Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0)


def _led_to(mark):
    """Stream and number of the event that tells of each post that came since."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT m.external_id, e.stream, e.number FROM inbox_event e
                 JOIN inbox_mention m ON m.id = (e.payload ->> 'mention')::bigint
                WHERE e.id > %s AND e.happening = 'received' AND NOT e.echo""",
            [mark],
        )
        return {post: (stream, number) for post, stream, number in cursor.fetchall()}


async def heard(ears, stored, mark):
    """What the sockets heard of these pages: waits for the last frame and takes the times."""
    known = await asyncio.to_thread(aside, _led_to, mark)
    lost = sum(post not in known for page in stored for post in page.posts)
    check(not lost, f"no event tells of {lost} posts")
    parts = []
    for page in stored:
        newest, weight = {}, {}
        for stream, number in (known[post] for post in page.posts):
            newest[stream] = max(number, newest.get(stream, 0))
            weight[stream] = weight.get(stream, 0) + 1
        parts += [(page.due, stream, number, weight[stream]) for stream, number in newest.items()]
    ends = {stream: number for _, stream, number, _ in sorted(parts, key=lambda part: part[2])}
    await until(lambda: all(ear.at(*end) for ear in ears for end in ends.items()), PATIENCE)
    delays = Delays()
    for due, stream, number, weight in parts:
        for ear in ears:
            at = ear.at(stream, number)
            if at is None:
                delays.lost += weight
            else:
                delays.by_weight.append((at - due, weight))
                delays.last = max(delays.last, at)
    return delays

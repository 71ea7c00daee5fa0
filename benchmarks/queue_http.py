"""BM-05: the signed-in page of the queue over HTTP from the product's web process, when none of its rows was ever shown
and when all were, by 1, 20 and 100 clients; beside a page of django-helpdesk's list on as many rows, in process."""

import asyncio
import contextlib
import re
import time
from datetime import timedelta

import uvloop
from django.db import connection

from benchmarks.alive import aside
from benchmarks.bell import UVICORN, Served, cookie_of, free_port
from benchmarks.http import Line, at_once
from benchmarks.measure import Take, Takes, check, milli, processor_seconds, rate, row, skipped
from benchmarks.peers import Absent, Tickets
from benchmarks.queue_page import plainly
from inbox import desk
from inbox.models import Agent, Conversation, Membership, Team
from inbox.queue import PAGE, Queue

PATH = "/views/all/?order=newest"
CLIENTS = {1: 40, 20: 120, 100: 200}  # how many ask at once, and how often in all
COLD = 12
_ROW = re.compile(rb'id="conversation-(\d+)" data-key=')


def house():
    """A reader of all teams but the private one, and an admin, without whom the set-up would not be finished. The
    newest conversation of all is the private team's."""
    Agent.objects.create(email="ada@acme.example", name="Ada", is_admin=True, password="!")
    reader = Agent.objects.create(email="max@acme.example", name="Max", password="!")
    Membership.objects.bulk_create(Membership(agent=reader, team=team) for team in Team.objects.filter(private=False))
    newest = Conversation.objects.open().order_by("-newest_at").values_list("newest_at", flat=True)[0]
    hidden = Conversation.objects.open().filter(team__private=True).first()
    Conversation.objects.filter(pk=hidden.pk).update(newest_at=newest + timedelta(hours=1))
    return Agent.objects.get(pk=reader.pk), hidden


class Pages:
    """A web process and what its pages cost, its backends included."""

    def __init__(self, served, cookie, expected):
        self.served, self.cookie, self.expected, self.cold_ones = served, cookie, expected, 0

    async def warm(self):
        for clients in CLIENTS:
            await at_once(self.served.port, self.cookie, PATH, clients, clients)

    async def cached(self, clients):
        requests = CLIENTS[clients]
        before, started = await self._used(), time.perf_counter()
        bodies = await at_once(self.served.port, self.cookie, PATH, clients, requests)
        take = Take(requests, time.perf_counter() - started)
        take.cpu = await self._since(before)
        self._check(bodies)
        return take

    async def cold(self):
        """Each page after all its rows have changed; the change is not measured."""
        take = Take(COLD)
        async with Line(self.served.port, self.cookie) as line:
            for _ in range(COLD):
                await asyncio.to_thread(aside, self._change)
                before, started = await self._used(), time.perf_counter()
                status, body = await line.get(PATH)
                take.wall += time.perf_counter() - started
                take.cpu += await self._since(before)
                check(status == 200 and b"changed %d " % self.cold_ones in body, "the page is not as its rows are")
                self._check([body])
        return take

    def _change(self):
        self.cold_ones += 1
        with connection.cursor() as cursor:
            words = "excerpt = left('changed ' || %s || ' ' || regexp_replace(excerpt, '^changed [0-9]+ ', ''), 140)"
            cursor.execute(
                f"UPDATE inbox_conversation SET {words} WHERE id = ANY(%s)", [str(self.cold_ones), self.expected]
            )

    def _check(self, bodies):
        for body in bodies:
            ids = [int(pk) for pk in _ROW.findall(body)]
            check(ids == self.expected, f"a page shows {len(ids)} rows that are not the first {PAGE} in order")

    async def _used(self):
        pids = [self.served.process.pid, *await asyncio.to_thread(aside, _backends)]
        return {pid: processor_seconds(pid) for pid in pids}

    async def _since(self, before):
        return sum(used - before.get(pid, 0.0) for pid, used in (await self._used()).items())


def _backends():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        return [pid for (pid,) in cursor.fetchall()]


async def measured(options, cookie, expected, peer):
    port, takes = free_port(), Takes()
    argv = ("-m", "uvicorn", "socialcare.asgi:application", f"--port={port}", *UVICORN)
    with Served(*argv, port=port) as served:
        pages = Pages(served, cookie, expected)
        async with Line(port, cookie) as line:
            status, _ = await line.get("/views/hr/")
            check(status == 404, f"the private team's page answered {status}")
        await pages.warm()
        for _ in range(options.rounds):
            takes.add("cold", await pages.cold())
            for clients in CLIENTS:
                takes.add(clients, await pages.cached(clients))
            if peer:
                takes.add("peer", await asyncio.to_thread(peer.page))
    return takes


def expected_of(reader, hidden):
    """Ids of the page by a plain sort; the private team's newest would stand first."""
    queue = Queue(desk.All, reader, slug="all", order="newest")
    check(hidden.team_id not in {team.pk for team in queue.teams}, "the reader reads the private team")
    expected = plainly(queue, PAGE)
    check(len(expected) == PAGE and hidden.pk not in expected, "there is no page to compare with")
    return expected


def run(options):
    reader, hidden = house()
    expected = expected_of(reader, hidden)
    with contextlib.ExitStack() as stack:
        try:
            peer, why = stack.enter_context(Tickets(Conversation.objects.count())), ""
        except Absent as absent:
            peer, why = None, str(absent)
        takes = uvloop.run(measured(options, cookie_of(reader), expected, peer))
        named = f"django-helpdesk {peer.version}" if peer else "django-helpdesk"
    yield from rows(takes, why, named)


def rows(takes, why, named):
    for name, what, most in (
        ("cold", "page of 50 never shown, 1 client", 0.012),
        *((clients, f"page of 50 from cache, {clients} client{'s' * (clients > 1)}", 0.004) for clients in CLIENTS),
    ):
        cpu, note = takes.cpu(name), f"{milli(takes.each(name))} each, {rate(takes.rate(name))}"
        limit = f"{most * 1e3:g} ms"
        yield row("BM-05", f"{what}: CPU, to {limit}", milli(cpu), limit, cpu / most, most=1, note=note)
    for name, what, least in (("cold", "page of 50 never shown", 40), (1, "page of 50 from cache", 100)):
        what = f"{what}, to a list of django-helpdesk"
        if why:
            yield skipped("BM-05", what, why)
            continue
        peer, ours = takes.each("peer"), takes.each(name)
        note = f"{named} without HTTP, {milli(takes.cpu('peer'))} CPU beside its database"
        yield row("BM-05", what, milli(ours), milli(peer), peer / ours, least=least, note=note)

"""BM-12: from a bell to rows on a screen. Plain clients hold sockets to the product and ask what changed over HTTP, as
the browser's list does (half a second to 0.7 between two questions, never two at once); in the end every screen holds
what a fresh page shows."""

import asyncio
import random
import re
import time
from urllib.parse import urlencode

import uvloop
from django.db import connection

from benchmarks.bell import UVICORN, Served, cookies, free_port
from benchmarks.data import load
from benchmarks.measure import check, milli, processor_seconds, row
from benchmarks.sockets import Socket, connect, handshake
from inbox.models import Agent, Conversation, Team

CONVERSATIONS, CHANGED, EVENTS, PAUSE = 4_000, 20, 60, 0.2
_ROW = re.compile(rb'id="conversation-(\d+)" data-key="(\d+)"([^>]*)>')


class Screen(Socket):
    """A desk: its list's mark and rows, and how long after each event it had them."""

    def __init__(self, port, cookie, stream, view):
        super().__init__(handshake("/live/", f"http://127.0.0.1:{port}", cookie), (stream,))
        self.port, self.cookie, self.view, self.stream = port, cookie, view, stream
        self.rows, self.at, self.asked, self.shown, self.busy = {}, None, 0, {}, None

    def _told(self, number, now):
        super()._told(number, now)
        if self.at is not None and number > self.at and (self.busy is None or self.busy.done()):
            self.busy = asyncio.ensure_future(self._ask())

    async def _ask(self):
        while self.newest > self.at:
            head, body = await self.get({"since": f"{self.stream}={self.at}", "held": 50})
            self._take(head, body)
            self.asked += 1
            await asyncio.sleep(0.5 + random.random() * 0.2)

    def _take(self, head, body):
        mark = re.search(rb"(?i)x-mark: \S+=(\d+)", head)
        check(mark, f"an answer without a mark: {head[:60]!r}")
        self.rows.update({int(pk): (key, state) for pk, key, state in _ROW.findall(body)})
        for number in range(self.at + 1, int(mark[1]) + 1):
            self.shown[number] = time.perf_counter()
        self.at = int(mark[1])

    async def get(self, query):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = (
            f"GET {self.view}?{urlencode(query)} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: {self.cookie}\r\n"
        )
        writer.write(f"{lines}HX-Request: true\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return head, body


def _aside(work, *arguments, **named):
    """Does it in a thread whose database connection ends with it."""
    try:
        return work(*arguments, **named)
    finally:
        connection.close()


async def screens_of(count, team, ids, agent, sessions):
    """(CPU seconds an answer, sorted delays from event to row, answers a screen)."""
    port = free_port()
    arguments = ("-m", "uvicorn", "socialcare.asgi:application", f"--port={port}", *UVICORN)
    with Served(*arguments, port=port) as served:
        view = f"/views/{team.slug}/"
        screens = await connect(port, count, lambda n: Screen(port, sessions[n % len(sessions)], team.stream, view))
        for screen in screens[: len(sessions)]:
            await screen.get({})  # a list stands on its page before it asks what changed
        for screen in screens:
            screen.at = screen.newest
        first, acted, before = screens[0].at, {}, processor_seconds(served.process.pid)
        for place in range(EVENTS):
            one = await asyncio.to_thread(_aside, Conversation.objects.get, pk=ids[place % len(ids)])
            await asyncio.to_thread(_aside, one.prioritise, place % 7 + 1, agent)
            acted[first + 1 + place] = time.perf_counter()
            await asyncio.sleep(PAUSE)
        for _ in range(600):
            if min(screen.at for screen in screens) >= first + EVENTS:
                break
            await asyncio.sleep(0.1)
        used = processor_seconds(served.process.pid) - before
        for screen in screens:
            if screen.busy and screen.busy.done():
                screen.busy.result()
        late = sum(screen.at < first + EVENTS for screen in screens)
        check(not late, f"{late} of {count} screens do not hold the last number")
        _head, fresh = await screens[0].get({})
        rows = {int(pk): (key, state) for pk, key, state in _ROW.findall(fresh)}
        check(all(screen.rows.keys() >= set(ids) for screen in screens), "a screen lacks a changed row")
        shown = [(pk, one) for screen in screens for pk, one in screen.rows.items() if pk in rows]
        check(shown and all(rows[pk] == one for pk, one in shown), "a screen shows other rows than a fresh page")
    delays = sorted(screen.shown[number] - at for screen in screens for number, at in acted.items())
    asked = sum(screen.asked for screen in screens)
    return used / asked, delays, asked / count


def run(options):
    load(CONVERSATIONS)
    Agent.objects.filter(email="agent99@acme.example").update(is_admin=True)  # the set-up is finished
    team = Team.objects.get(slug="support")
    agent = Agent.objects.filter(memberships__team=team).first()
    queue = Conversation.objects.open().filter(team=team, agent=None).order_by("-newest_at")
    ids = list(queue.values_list("pk", flat=True)[:CHANGED])
    sessions = cookies()
    for count, most in ((100, 1.0), (1_000, 5.0)) if options.full else ((100, 1.0),):
        cpu, delays, asked = uvloop.run(screens_of(count, team, ids, agent, sessions))
        p50, p99 = (delays[int(len(delays) * share)] for share in (0.5, 0.99))
        named = f"5 events/s to rows on {count:,} screens"
        note = f"p50 {milli(p50)}, {asked:.1f} answers a screen to {EVENTS} events"
        yield row("BM-12", f"{named}, p99", milli(p99), f"{most:g} s", p99 / most, most=1, note=note)
        yield row("BM-12", f"{named}, CPU an answer, to 4 ms", milli(cpu), "4 ms", cpu / 0.004, most=1)

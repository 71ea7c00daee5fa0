"""BM-11: fifty screens and one that has stopped reading. The product under uvicorn with frames of 20 kB one after the
other, real sockets; beside the same without the stalled one."""

import asyncio
import socket
import time
from pathlib import Path

import uvloop
from channels.layers import get_channel_layer

from benchmarks.bell import UVICORN, Served, cookies, free_port
from benchmarks.data import NOW, make_house
from benchmarks.measure import check, milli, row
from benchmarks.sockets import Socket, connect, handshake
from connectors.models import Channel
from inbox.models import Conversation, Identity, Person, Team
from inbox.ringing import GROUP

OTHERS, RINGS, PAUSE, FIRST = 50, 600, 0.03, 1_000
ALONE = 200  # rings without the stalled one, which only a note tells of
PATIENCE = 15  # seconds after the last ring
SMALL = 65_536  # bytes the stalled one's side of the line holds
ESTABLISHED = "01"


class Sleeper(Socket):
    """Reads nothing after its first frame, until it is woken."""

    def _told(self, number, now):
        super()._told(number, now)
        if number < FIRST:
            self.transport.pause_reading()


def make_streams():
    """Four that everybody in Support may watch, rung in turn, so that no bell is held back by its tick."""
    team = Team.objects.get(slug="support")
    person = Person.objects.create(id=1, name="Carla")
    carla = Identity.objects.create(network="demo", external_id="c", person=person, handle="@carla")
    channel = Channel.objects.first()
    made = [
        Conversation.objects.create(
            channel=channel, thread_key=f"t{n}", identity=carla, team=team, newest_at=NOW, waiting_since=NOW
        )
        for n in range(3)
    ]
    return [team.stream, *(one.stream for one in made)]


def is_open(server_port, client_port):
    """Whether the server's end of the line still stands: the client's own learns of a close only by reading."""
    wanted = (f":{server_port:04X}", f":{client_port:04X}")
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, state, *_ = line.split()
        if (here[-5:], there[-5:]) == wanted:
            return state == ESTABLISHED
    return False


async def sleeper(port, make):
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    line.setblocking(False)
    await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", port))
    _, made = await asyncio.get_running_loop().create_connection(make, sock=line)
    await asyncio.wait_for(made.ready, 60)
    return made


async def until(true, seconds):
    """Looks twenty times a second, so long at most; when it ended."""
    for _ in range(int(seconds * 20)):
        if true():
            break
        await asyncio.sleep(0.05)
    return time.perf_counter()


async def screens(streams, sessions, stalls):
    """(sorted delays of the others, the share of frames that reached them, seconds until the stalled one was closed or
    up to date)"""
    port = free_port()
    with Served("-m", "uvicorn", "benchmarks.large_frames:application", f"--port={port}", *UVICORN, port=port):
        origin = f"http://127.0.0.1:{port}"
        asked = [handshake("/live/", origin, session) for session in sessions]
        others = await connect(port, OTHERS, lambda n: Socket(asked[n % len(asked)], streams))
        stalled = await sleeper(port, lambda: Sleeper(asked[0], streams)) if stalls else None
        watching = asyncio.create_task(_ends(port, stalled)) if stalls else None
        started, layer = {}, get_channel_layer()
        for ring in range(RINGS if stalls else ALONE):
            started[FIRST + ring] = time.perf_counter()
            await layer.group_send(GROUP, {"type": "bell", "streams": {streams[ring % len(streams)]: FIRST + ring}})
            await asyncio.sleep(PAUSE)
        last = set(list(started)[-len(streams) :])
        await until(lambda: all(last <= one.times.keys() for one in others), PATIENCE)
        late = [one for one in others if not last <= one.times.keys()]
        check(not late, f"{len(late)} of {OTHERS} do not have the last numbers")
        delays = sorted(one.times[n] - at for one in others for n, at in started.items() if n in one.times)
        seconds = await _lateness(watching, stalled, started, last) if stalls else 0.0
        return delays, len(delays) / (len(started) * OTHERS), seconds


async def _ends(port, stalled):
    """When the server gave the stalled one up."""
    own = stalled.transport.get_extra_info("sockname")[1]
    return await until(lambda: not is_open(port, own), RINGS * PAUSE + PATIENCE)


async def _lateness(watching, stalled, started, last):
    """From the first ring that the stalled one lacks to its end; what the system kept for it is read only now."""
    ended = await watching
    stalled.transport.resume_reading()
    await until(lambda: last <= stalled.times.keys() or stalled.transport.is_closing(), 5)
    lacks = [at for number, at in started.items() if number not in stalled.times]
    check(lacks or last <= stalled.times.keys(), "the stalled one was neither closed nor told")
    check(lacks, "the stalled one lacks nothing: what the system buffers was not filled")
    return ended - min(lacks)


def run(options):
    make_house()
    streams, sessions = make_streams(), cookies()
    alone = uvloop.run(screens(streams, sessions, stalls=False))[0]
    delays, share, seconds = uvloop.run(screens(streams, sessions, stalls=True))
    p99, p99_alone = (found[int(len(found) * 0.99)] for found in (delays, alone))
    frames = f"{RINGS} frames of 20 kB"
    yield row("BM-11", f"{frames} to 50 beside one that never reads, p99, to 20 ms", milli(p99), "20 ms", p99 / 0.02,
              most=1, note=f"without it {milli(p99_alone)}")  # fmt: skip
    yield row("BM-11", "… of them reached the 50", f"{share:.1%}", "100 %", share, least=1)
    yield row("BM-11", "… the one that never reads was closed after, to 10 s", f"{seconds:.1f} s", "10 s",
              seconds / 10, most=1)  # fmt: skip

"""The doorbell over real sockets: it tells what moved, to whom it may, and ends when a right ends."""

import asyncio
import json
import socket
import time
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import websockets
from django.test import Client
from redis import Redis

from connectors.models import Channel
from inbox import live, ringing
from inbox.line import KEPT
from inbox.live import TOO_MUCH
from inbox.models import Agent, Conversation, Role
from socialcare.models import Invitation
from socialcare.people import remove_team
from tests.conftest import make_cast
from tests.inbox.test_receive import offer, post
from tests.waiting import PATIENCE, soon
from tests.web import serving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def house():
    return make_cast()


@pytest.fixture
def web(settings, house):
    with serving(settings) as web:
        yield web


def session_of(agent):
    client = Client()
    client.force_login(agent, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client.cookies["sessionid"].value


def connect(web, cookie, origin=None, **options):
    return websockets.connect(
        f"{web.url.replace('http', 'ws', 1)}/live/",
        additional_headers={"Cookie": f"sessionid={cookie}"} if cookie else {},
        origin=origin or web.url,
        **options,
    )


async def narrow(web):
    """A line to the server on whose side here the system keeps little."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    line.setblocking(False)
    await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", urlsplit(web.url).port))
    return line


async def in_thread(function, *arguments):
    from asgiref.sync import sync_to_async

    return await sync_to_async(function, thread_sensitive=False)(*arguments)


def talk(web, agent, streams, act=None):
    """Opens a socket, asks where the streams stand, does `act`, gives (first answers, what came then or the code)."""
    cookie = session_of(agent) if agent else ""

    async def run():
        async with connect(web, cookie, max_queue=None) as socket:  # else what nobody reads holds up the goodbye
            try:
                await socket.send(json.dumps({"where": streams}))
                first = [json.loads(await asyncio.wait_for(socket.recv(), PATIENCE)) for _ in streams]
                if act is None:
                    return first, None
                await in_thread(act)
                return first, json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))
            except websockets.ConnectionClosed as closed:
                return None, closed.rcvd.code

    return asyncio.run(run())


def test_a_socket_hears_that_its_team_moved_and_nothing_else(web, house):
    channel = Channel.objects.create(name="@acme", network="demo", team=house.support)
    offer(channel, post(1))
    Conversation.objects.get().assign(house.support, None, by=None)
    before = Conversation.objects.get().seen_seq
    first, then = talk(web, house.ana, [house.support.stream], lambda: Conversation.objects.get().claim(house.ana))
    assert first == [{"stream": house.support.stream, "n": 1}]
    assert then == {"stream": house.support.stream, "n": 2}
    assert Conversation.objects.get().seen_seq == before + 1


def test_without_redis_the_counter_rows_ring_within_two_seconds(web, house, monkeypatch):
    channel = Channel.objects.create(name="@acme", network="demo")
    offer(channel, post(1))
    monkeypatch.setattr(ringing.ringer, "put", lambda ring: None)  # every ring is lost, as with Redis away
    first, then = talk(web, house.mona, [house.marketing.stream], lambda: offer(channel, post(2, author="theo")))
    assert then["n"] > first[0]["n"]


def test_rings_close_behind_each_other_are_sent_together_and_the_last_number_comes_through(web, house, settings):
    redis = Redis.from_url(settings.REDIS_URL)

    def sent():
        return redis.info("commandstats").get("cmdstat_publish", {"calls": 0})["calls"]

    def ring():
        for number in range(101, 141):
            ringing.bell({house.support.stream: number})
            time.sleep(0.005)

    before = sent()
    _first, then = talk(web, house.ana, [house.support.stream], ring)
    assert then["n"] > 100
    soon(lambda: live.hub().numbers.get(house.support.stream, 140) == 140)
    assert 1 <= sent() - before <= 20


@pytest.mark.parametrize("who", ["ana", "mona", "ada", "otto"])
def test_a_private_team_has_no_bell_for_others(web, house, who):
    assert talk(web, getattr(house, who), [house.hr.stream]) == (None, 4403)


def test_a_conversation_of_a_private_team_has_no_bell_for_others(web, house):
    channel = Channel.objects.create(name="@acme", network="demo")
    offer(channel, post(1))
    conversation = Conversation.objects.get()
    conversation.assign(house.hr, None, by=None)
    assert talk(web, house.ana, [conversation.stream]) == (None, 4403)
    assert talk(web, house.hugo, [conversation.stream])[0] == [
        {"stream": conversation.stream, "n": conversation.seen_seq}
    ]


@pytest.mark.parametrize("number", ["\0", "\ud800", "", "one", "1:2", "9" * 30])
def test_a_channel_that_cannot_be_is_watched_by_nobody(web, house, number):
    channel = Channel.objects.create(name="@acme", network="demo")
    assert talk(web, house.ana, [f"channel:{number}"]) == (None, 4403)
    assert talk(web, house.ana, [f"channel:{channel.pk}"])[0] == [{"stream": f"channel:{channel.pk}", "n": 0}]


def test_nobody_without_a_login_hears_anything(web):
    assert talk(web, None, ["team:1"]) == (None, 4401)


def test_a_foreign_page_cannot_open_a_socket(web, house):
    async def run():
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with connect(web, session_of_ana, origin="http://evil.example"):
                pass
        return refused.value.response.status_code

    session_of_ana = session_of(house.ana)
    assert asyncio.run(run()) == 403


def test_a_socket_that_never_reads_is_closed_and_holds_up_nobody(web, house, monkeypatch):
    monkeypatch.setattr(live, "STALLED", 1.0)
    stream, cookie = house.support.stream, session_of(house.ana)

    async def asking(**options):
        socket = await connect(web, cookie, **options)
        await socket.send(json.dumps({"where": [stream]}))
        await asyncio.wait_for(socket.recv(), PATIENCE)
        return socket

    async def run():
        reads = await asking()
        # the client stops reading from its line when one frame waits for it, and its system keeps little for it
        stalled = await asking(max_queue=1, sock=await narrow(web))
        loop = live.hub()._loops[0].get_loop()
        bells, numbers, full = list(live.hub().sockets[stream]), [], 0
        deadline = time.monotonic() + PATIENCE
        while len(live.hub().sockets[stream]) == 2 and time.monotonic() < deadline:
            for number in range(len(numbers) + 1, len(numbers) + 501):
                for bell in bells:
                    loop.call_soon_threadsafe(bell.ring, stream, live.frame(stream, number))
            while len(numbers) < number:
                numbers.append(json.loads(await asyncio.wait_for(reads.recv(), PATIENCE))["n"])
            full = full or (number if any(bell._missed for bell in bells) else 0)
        left = live.hub().sockets[stream]
        assert numbers == list(range(1, len(numbers) + 1))  # whoever reads gets every one
        assert len(left) == 1
        assert full * len(live.frame(stream, full)) < 10 * KEPT  # else minutes of bells go into the system's memory
        stalled.transport.abort()
        await reads.close()

    asyncio.run(run())


def test_taking_a_right_away_ends_the_socket(web, house):
    _, code = talk(web, house.ana, [house.support.stream], lambda: house.ana.leave(house.support, by=None))
    assert code == 4403


@pytest.mark.parametrize("change", ["joins", "manages", "reads figures", "loses a removed team"])
def test_a_right_that_is_given_takes_no_page_away(web, house, change):
    """The line goes on, also for what it may hear from now on, until something is taken."""
    acts = {
        "joins": lambda: house.ana.join(house.product, Role.AGENT, by=None),
        "manages": lambda: house.ana.join(house.support, Role.MANAGER, by=None),
        "reads figures": lambda: house.ana.change_rights(None, is_reader=True),
        "loses a removed team": lambda: (
            remove_team(house.product, house.ada),
            house.ana.change_rights(None, is_reader=True),
        ),
    }
    if change == "loses a removed team":
        house.ana.join(house.product, Role.MANAGER, by=None)
    cookie, own = session_of(house.ana), [house.ana.stream, house.support.stream]

    async def until(socket, stream):
        while json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))["stream"] != stream:
            pass

    async def run():
        async with connect(web, cookie, max_queue=None) as socket:
            await socket.send(json.dumps({"where": own}))
            await until(socket, house.support.stream)
            [bell] = live.hub().sockets[house.support.stream]
            await in_thread(acts[change])
            version = (await Agent.objects.aget(pk=house.ana.pk)).rights_version
            await in_thread(soon, lambda: bell.rights == version)
            await socket.send(json.dumps({"where": own}))
            await until(socket, house.support.stream)
            await in_thread(house.ana.leave, house.support, None)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                while True:
                    await asyncio.wait_for(socket.recv(), PATIENCE)
            assert closed.value.rcvd.code == 4403

    asyncio.run(run())


def test_a_new_password_ends_the_socket(web, house):
    link = Invitation.make(house.ana, None).rstrip("/").rpartition("/")[2]
    accept = Invitation.objects.of_token(link).accept
    assert talk(web, house.ana, [house.support.stream], lambda: accept("another long sentence"))[1] == 4403


def test_switching_an_account_off_ends_the_socket(web, house):
    _, code = talk(web, house.ana, [house.support.stream], lambda: house.ana.change_rights(None, is_active=False))
    assert code in (4401, 4403)
    assert not Agent.objects.get(pk=house.ana.pk).is_active


def test_a_conversation_that_moves_away_rings_no_more(web, house):
    channel = Channel.objects.create(name="@acme", network="demo", team=house.support)
    offer(channel, post(1))
    conversation = Conversation.objects.get()
    conversation.assign(house.support, None, by=None)
    cookie = session_of(house.ana)

    async def run():
        async with connect(web, cookie) as socket:
            await socket.send(json.dumps({"where": [conversation.stream]}))
            await asyncio.wait_for(socket.recv(), PATIENCE)
            await in_thread(conversation.assign, house.hr, None, None)
            while not json.loads(await asyncio.wait_for(socket.recv(), PATIENCE)).get("gone"):
                pass
            await in_thread(conversation.note, house.hugo, "about a colleague", uuid4())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 2)

    asyncio.run(run())


@pytest.mark.parametrize("frame", ["[" * 4000, '{"where":' + "[" * 2000 + "]" * 2000 + "}"])
def test_a_frame_of_nothing_but_brackets_is_refused_as_any_other_nonsense(web, house, frame):
    cookie = session_of(house.ana)

    async def run():
        async with connect(web, cookie) as socket:
            await socket.send(frame)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await asyncio.wait_for(socket.recv(), PATIENCE)
        return closed.value.rcvd.code

    assert asyncio.run(run()) == TOO_MUCH


def test_a_conversation_that_moves_away_leaves_the_rest_of_the_line_alone(web, house):
    channel = Channel.objects.create(name="@acme", network="demo", team=house.support)
    offer(channel, post(1))
    conversation = Conversation.objects.get()
    conversation.assign(house.support, None, by=None)
    cookie, wanted = session_of(house.ana), [house.ana.stream, conversation.stream]
    gone = {"stream": conversation.stream, "n": 0, "gone": True}

    async def until(socket, frame):
        while json.loads(await asyncio.wait_for(socket.recv(), PATIENCE)) != frame:
            pass

    async def run():
        async with connect(web, cookie) as socket:
            await socket.send(json.dumps({"where": wanted}))
            await asyncio.wait_for(socket.recv(), PATIENCE)
            await in_thread(conversation.assign, house.hr, None, None)
            await until(socket, gone)
            await socket.send(json.dumps({"where": wanted}))
            await until(socket, gone)
            await socket.send(json.dumps({"where": [house.ana.stream, house.hr.stream]}))
            with pytest.raises(websockets.ConnectionClosed) as closed:
                while True:
                    await asyncio.wait_for(socket.recv(), PATIENCE)
        return closed.value.rcvd.code

    assert asyncio.run(run()) == 4403


def test_who_may_read_a_conversation_hears_who_is_there_and_nobody_else(web, house):
    channel = Channel.objects.create(name="@acme", network="demo", team=house.support)
    offer(channel, post(1))
    conversation = Conversation.objects.get()
    conversation.assign(house.support, None, by=None)
    stream = f"presence:{conversation.pk}"

    def beats():
        for number in range(1, 31):  # no row keeps the number: the subscription may only just begin
            ringing.bell({stream: number})
            time.sleep(0.1)

    first, then = talk(web, house.ana, [stream], beats)
    assert first == [{"stream": stream, "n": 0}]
    assert then["stream"] == stream
    assert then["n"] > 0
    assert talk(web, house.hugo, [stream]) == (None, 4403)

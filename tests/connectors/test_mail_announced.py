"""New mail at once: the line on which a mail server announces what lies in the inbox, how it ends, and that nothing
depends on it."""

import asyncio
import logging
import threading
import time

import pytest

from connectors import holding
from connectors.base import AuthRevoked, Fault, NotPermitted, Unavailable, Unreadable
from connectors.frames import Frame
from connectors.streaming import opened
from connectors.streams import OPENED
from tests.fakes.mail import CANARY, Fake
from tests.waiting import PATIENCE, soon


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def stream_of(fake, whole=8.0, **facts):
    connector = fake.connector(whole=whole)
    connector.facts = {**connector.facts, **facts}
    (stream,) = connector.streams(connector.listening())
    return stream, connector.seam


def heard(fake, count, say=lambda: None, whole=8.0):
    """The first frames; `say` is called when the line is open."""

    async def listen():
        found, saying = [], None
        async with opened(*stream_of(fake, whole)) as frames:
            async for frame in frames:
                found.append(frame)
                if frame.event == OPENED:
                    saying = asyncio.create_task(asyncio.to_thread(say))
                if len(found) == count:
                    break
        await saying
        return found

    async def in_time():
        async with asyncio.timeout(PATIENCE):
            return await listen()

    return asyncio.run(in_time())


def test_a_mail_is_announced_and_rings_for_the_inbox(fake):
    found = heard(fake, 3, lambda: fake.say("Where is my tea?"))
    assert found == [Frame(OPENED, ""), Frame("EXISTS", "1"), Frame("RECENT", "1")]
    stream, _ = stream_of(fake)
    assert [stream.news(frame.event, frame.data) for frame in found] == [("inbox",)] * 3
    assert stream.news("EXPUNGE", "1") == stream.news("", "") == ()


def test_the_line_is_asked_for_a_sign_of_life_and_goes_on(fake, monkeypatch):
    monkeypatch.setattr(holding, "AGAIN", 0.05)

    def say():
        soon(lambda: fake.commands.count("IDLE") >= 3)
        fake.say("still there?")

    assert Frame("EXISTS", "1") in heard(fake, 2, say)


def test_chatter_puts_no_sign_of_life_off(fake, monkeypatch):
    monkeypatch.setattr(holding, "AGAIN", 0.3)
    monkeypatch.setattr(holding, "LOOK", 0.01)

    def say():
        while fake.commands.count("IDLE") < 3:
            fake.announce(b"* OK still here\r\n")
            time.sleep(0.02)
        fake.say("still there?")

    assert Frame("EXISTS", "1") in heard(fake, 2, say)


def test_what_comes_together_with_the_servers_consent_is_heard(fake):
    fake.say("before")
    fake.consent = b"+ idling\r\n* 1 EXISTS\r\n"
    assert heard(fake, 2)[1] == Frame("EXISTS", "1")


def test_a_connection_that_nobody_holds_any_more_is_noticed(fake, monkeypatch):
    monkeypatch.setattr(holding, "AGAIN", 0.05)
    fake.deaf = True
    with pytest.raises(Unavailable):
        heard(fake, 2, whole=1.0)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (b"* BYE too long\r\n", Unavailable),
        (b"x" * 1_100_000, Unreadable),
    ],
)
def test_a_line_that_ends_or_says_nothing_sensible_is_a_fault(fake, said, fault):
    with pytest.raises(fault):
        heard(fake, 2, lambda: fake.announce(said))


def test_a_server_that_goes_away_is_noticed_at_once(fake):
    def gone():
        soon(lambda: fake.idling)
        fake.announce(b"")
        fake.loop.call_soon_threadsafe(lambda: [each.transport.abort() for each in fake.writers])

    with pytest.raises(Unavailable):
        heard(fake, 2, gone)


def test_what_is_no_news_rings_for_nothing_and_a_flood_rings_once(fake):
    def say():
        fake.announce(b"* OK still here\r\n* 3 FETCH (FLAGS (\\Seen))\r\n* 2 EXPUNGE\r\n\xff\x00\r\n* 7 EXI")
        fake.announce(b"STS\r\n" + b"* 8 EXISTS\r\n" * 5_000)

    found = heard(fake, 2, say)
    assert found[1].event == "EXISTS"


def test_a_server_that_announces_nothing_is_left_alone_and_the_channel_says_so(fake):
    fake.idles = False
    check = fake.connector().check()
    assert check.facts["idle"] is False
    assert [words for words in check.warnings if "IDLE" in words]
    connector = fake.connector()
    connector.facts = check.facts
    assert connector.streams(connector.listening()) == ()
    with pytest.raises(NotPermitted):  # a channel that was connected before it was asked
        heard(fake, 1)


def test_a_server_that_announces_is_known_by_the_check(fake):
    check = fake.connector().check()
    assert check.facts["idle"] is True
    assert not check.warnings


def test_only_the_first_folder_costs_a_connection(fake):
    connector = fake.connector()
    connector.settings = {**connector.settings, "folders": ["Support/1", "INBOX"]}
    (stream,) = connector.streams(connector.listening())
    assert stream.url.endswith("/Support%2F1")
    assert stream.news("EXISTS", "3") == ("inbox:Support/1",)
    assert connector.streams([source for source in connector.sources if source.name == "sent"]) == ()


def test_a_new_token_is_another_connection_and_no_secret_is_shown(fake):
    one, seam = stream_of(fake)
    two, _ = stream_of(fake)
    assert (one.url, one.headers) == (two.url, two.headers)
    assert CANARY in str(one.headers)
    assert CANARY not in repr(one) + one.url + repr(seam)


def test_a_wrong_password_is_refused_and_stands_in_no_log(fake, caplog):
    caplog.set_level(logging.DEBUG)
    connector = fake.connector({"password": "wrong-4f1c9e77"})
    (stream,) = connector.streams(connector.listening())

    async def listen():
        async with opened(stream, connector.seam):
            pytest.fail("it is open")

    with pytest.raises(AuthRevoked) as raised:
        asyncio.run(listen())
    assert "wrong-4f1c9e77" not in caplog.text + str(raised.value)


def test_a_line_that_is_given_up_while_it_is_opened_is_closed(fake):
    fake.greeting = b""  # the server keeps us waiting

    async def impatient():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), opened(*stream_of(fake, whole=1.0)):
                pytest.fail("it is open")

    asyncio.run(impatient())
    soon(lambda: not [each for each in threading.enumerate() if each.name == "line"])


def test_leaving_a_line_ends_its_connection(fake):
    assert heard(fake, 1) == [Frame(OPENED, "")]
    soon(lambda: not fake.idling)


def test_every_fault_of_the_mail_server_ends_the_line_as_a_fault(fake):
    for fault in ("401", "500", "reset", "cut", "sign-in page"):
        fake.order(fault)
        with pytest.raises(Fault):
            heard(fake, 1, whole=2.0)

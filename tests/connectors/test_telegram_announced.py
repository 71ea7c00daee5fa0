"""A bot's messages at once: the question that Telegram keeps until somebody writes, how it gets on with reading and
with other programs, and that nothing gets lost by it."""

import asyncio
import json
import logging
import threading
from datetime import UTC, datetime, timedelta

import pytest
import requests

from connectors import asking, attending
from connectors.answers import Answer
from connectors.base import AuthRevoked, Budget, Fault, NotPermitted, RateLimited, Secrets, Unavailable, Unreadable
from connectors.frames import Frame
from connectors.http import Seam
from connectors.networks.telegram import announcing
from connectors.networks.telegram.announcing import HELD, LAST_PAUSE, SOON, TAKEN, LongPoll
from connectors.streaming import opened
from tests.fakes.telegram import BOT, CANARY, TOKEN, Fake
from tests.waiting import PATIENCE, by_itself, soon


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(announcing, "SOON", 0.05)
    monkeypatch.setattr(announcing, "TAKEN", 0.05)
    monkeypatch.setattr(asking, "STANDS", 0.1)


def stream_of(connector):
    (stream,) = connector.streams(connector.listening())
    return stream


def heard(fake, count, say=lambda: None, connector=None):
    """The first frames; `say` is called when the stream is open."""
    connector = connector or fake.connector()

    async def listen():
        found = []
        async with opened(stream_of(connector), connector.seam) as frames:
            saying = asyncio.create_task(asyncio.to_thread(say))
            async for frame in frames:
                found.append(frame)
                if len(found) == count:
                    break
        await saying
        return found

    async def in_time():
        async with asyncio.timeout(PATIENCE):
            return await listen()

    return asyncio.run(in_time())


def read(fake, cursor=None):
    """As one who has read before."""
    now = datetime.now(UTC).isoformat()
    cursor = cursor or {"update": None, "at": now, "asked": now, "moves": {}}
    posts, bad, cursor, _ = fake.read(fake.connector(), cursor)
    assert not bad
    return [post.text for post in posts], cursor


def told(*numbers):
    items = [{"update_id": number, "message": {}} for number in numbers]
    return Answer(200, {}, json.dumps({"ok": True, "result": items}).encode(), "")


def refused(code, **more):
    return Answer(code, {}, json.dumps({"ok": False, "error_code": code, **more}).encode(), "")


def test_what_somebody_writes_is_announced_and_rings_for_the_queue(fake):
    found = heard(fake, 1, lambda: fake.say("Is anybody there?"))
    assert found == [Frame("updates", "1001")]
    stream = stream_of(fake.connector())
    assert stream.news("updates", "1001") == ("updates",)
    assert stream.news("", "{") == ()


def test_what_was_written_before_it_was_open_is_announced_as_well(fake):
    fake.say("one")
    fake.say("two")
    assert heard(fake, 1) == [Frame("updates", "1002")]


def test_the_question_confirms_nothing_so_what_it_was_told_is_there_to_be_read(fake):
    for number in range(3):
        fake.say(str(number))
    heard(fake, 1)
    assert len(fake.updates) == 3
    assert read(fake)[0] == ["0", "1", "2"]


def test_once_it_is_read_the_next_message_is_announced_and_nothing_twice(fake):
    def say():
        fake.say("one")
        soon(lambda: fake.requests() > 1)  # it was told and asks again
        texts, cursor = read(fake)
        assert texts == ["one"]
        assert fake.updates == [], "read means confirmed, or the question would be answered on and on"
        soon(lambda: fake.asker)
        fake.say("two")
        seen.append(cursor)

    seen = []
    assert heard(fake, 2, say) == [Frame("updates", "1001"), Frame("updates", "1002")]
    assert read(fake, seen[0])[0] == ["two"]


def test_reading_beside_it_is_neither_refused_nor_does_it_end_the_question(fake):
    def say():
        soon(lambda: fake.asker)
        kept = fake.asker
        _, cursor = read(fake)
        assert fake.asker is kept
        fake.say("one")
        soon(lambda: fake.asker is not kept)
        cursor = read(fake, cursor)[1]
        soon(lambda: fake.asker)
        kept = fake.asker
        read(fake, cursor)
        assert fake.asker is kept
        fake.say("two")

    assert heard(fake, 2, say) == [Frame("updates", "1001"), Frame("updates", "1002")]


def test_a_reading_that_is_kept_waiting_takes_the_place_and_is_left_alone_until_it_is_done(fake, monkeypatch):
    """Who asks from the same number twice within three seconds is kept waiting by the service."""
    monkeypatch.setattr(announcing, "TAKEN", TAKEN)

    def say():
        soon(lambda: fake.requests() > 1)
        _, cursor = read(fake)
        soon(lambda: fake.asker)
        kept = fake.asker
        fake.last_asked = (cursor["update"] + 1, fake.last_asked[1])  # as if it was read at this moment
        assert read(fake, cursor)[0] == [], "it is not refused"
        assert fake.asker is not kept
        fake.say("after it")

    fake.say("before it")
    assert heard(fake, 2, say) == [Frame("updates", "1001"), Frame("updates", "1002")]


def test_another_program_that_waits_for_the_same_bot_ends_it_in_words(fake):
    def elsewhere():
        while not done.is_set():
            body = {"timeout": 30, "limit": 1}
            requests.post(f"{fake.server.url}/bot{TOKEN}/getUpdates", json=body, timeout=PATIENCE)

    done = threading.Event()
    program = threading.Thread(target=elsewhere)
    try:
        with pytest.raises(Unavailable, match="Another program"):
            heard(fake, 1, program.start)
    finally:
        done.set()
        fake.server.stop.set()
        program.join(PATIENCE)


def test_messages_that_are_delivered_elsewhere_are_no_stream_and_that_is_said_in_words(fake):
    fake.hook = "https://elsewhere.example"
    with pytest.raises(Unavailable, match="sent to an address elsewhere"):
        heard(fake, 1, lambda: pytest.fail("it is open"))


def test_a_webhook_that_is_set_meanwhile_ends_it(fake):
    def say():
        soon(lambda: fake.asker)
        fake.hook = "https://elsewhere.example"

    with pytest.raises(Unavailable, match="sent to an address elsewhere"):
        heard(fake, 1, say)


@pytest.mark.parametrize(
    ("ordered", "fault"),
    [
        ("401", AuthRevoked), ("404", AuthRevoked), ("429 with wait", RateLimited), ("500", Unavailable),
        ("502 page", Unavailable), ("redirect", Unavailable), ("sign-in page", Unreadable), ("wrong type", Unreadable),
        ("error in 200", Unreadable), ("cut", Unavailable), ("huge", Unreadable), ("reset", Unavailable),
    ],
)  # fmt: skip
def test_whatever_goes_wrong_is_a_fault_and_the_stream_was_never_open(fake, ordered, fault):
    fake.order(ordered)
    with pytest.raises(fault):
        heard(fake, 1, lambda: pytest.fail("it is open"))


def test_a_server_that_goes_silent_is_noticed(fake, monkeypatch):
    monkeypatch.setattr(announcing, "HELD", 0.2)
    monkeypatch.setattr(asking, "LATE", 0.3)
    fake.order("hang")
    with by_itself(), pytest.raises(Unavailable, match="in time"):
        heard(fake, 1)


def test_a_wait_that_was_told_is_kept_to_before_it_is_opened_again():
    until = datetime.now(UTC) + timedelta(seconds=77)
    assert 70 < attending._rest(RateLimited(until=until)) <= 77
    assert attending._rest(RateLimited(until=until - timedelta(days=1))) == 0
    assert attending._rest(RateLimited(until=until + timedelta(days=1))) == attending.REFUSED
    assert attending._rest(Unavailable()) == 0
    assert attending._rest(AuthRevoked()) == attending.REFUSED


def test_leaving_it_ends_the_connection(fake):
    heard(fake, 1, lambda: fake.say("x"))
    soon(lambda: fake.asker is None)


def test_giving_it_up_before_it_is_open_ends_the_connection(fake, monkeypatch):
    monkeypatch.setattr(asking, "STANDS", PATIENCE)
    connector = fake.connector()

    async def impatient():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), opened(stream_of(connector), connector.seam):
                pytest.fail("it is open")

    asyncio.run(impatient())
    assert fake.requests() == 1
    soon(lambda: fake.asker is None)


def test_a_private_address_is_refused_before_anything_is_sent(fake):
    connector = fake.connector()
    connector.seam = Seam()
    with pytest.raises(NotPermitted, match="FETCH_ALLOW"):
        heard(fake, 1, connector=connector)
    assert fake.requests() == 0


def test_a_stand_in_is_asked_in_place_of_the_service(fake):
    connector = fake.connector()
    connector.settings = {}
    connector.seam = Seam(allow=["127.0.0.1"], rewrite={"https://api.telegram.org": fake.server.url})
    assert heard(fake, 1, lambda: fake.say("x"), connector) == [Frame("updates", "1001")]


def test_the_token_stands_in_no_log_no_fault_and_nothing_that_is_shown(fake, caplog):
    caplog.set_level(logging.DEBUG)
    stream = stream_of(fake.connector())
    long_poll = stream.asking()
    for ordered in ("401", "reset", "sign-in page"):
        fake.order(ordered)
        with pytest.raises(Fault) as raised:
            heard(fake, 1)
        shown = str(raised.value) + raised.value.words + raised.value.body
        assert CANARY not in shown + caplog.text
    assert CANARY not in repr(stream) + stream.url + repr(long_poll.question())


def test_a_new_token_is_another_stream_and_who_needs_none_has_none(fake):
    one, two = stream_of(fake.connector()), stream_of(fake.connector(Secrets({"token": f"{BOT}:another-one"})))
    assert one.url == two.url
    assert one.headers != two.headers
    assert fake.connector(Secrets({"token": "1:x/../../getMe"})).streams(fake.connector().listening()) == ()
    delivered = fake.connector()
    delivered.settings = {**delivered.settings, "arrival": "delivered"}
    assert delivered.streams(delivered.listening()) == ()


# The questions, one by one


def test_it_asks_from_a_number_that_confirms_nothing_and_from_which_reading_never_asks(fake):
    question = LongPoll(TOKEN).question()
    assert question.given["offset"] == 1
    assert question.given["timeout"] == HELD <= 50
    read(fake)
    fake.say("x")
    list(fake.connector().poll("updates", None, Budget(), datetime.now(UTC)))
    asked = [each.json() for each in fake.server.asked]
    assert question.given["offset"] not in [each.get("offset") for each in asked]
    assert {tuple(each["allowed_updates"]) for each in asked} == {tuple(question.given["allowed_updates"])}


@pytest.fixture
def long_poll(monkeypatch):
    monkeypatch.undo()
    return LongPoll(TOKEN)


def test_what_is_not_read_yet_is_announced_once_and_asked_for_more_and_more_rarely(long_poll):
    assert long_poll.answered(told(7, 8), 0.1) == ([Frame("updates", "8")], SOON)
    waits = [long_poll.answered(told(7, 8), 0.1) for _ in range(7)]
    assert waits == [([], seconds) for seconds in (2, 4, 8, 16, LAST_PAUSE, LAST_PAUSE, LAST_PAUSE)]
    assert long_poll.answered(told(7, 8, 9), 0.1) == ([Frame("updates", "9")], SOON)
    assert long_poll.answered(told(9), 0.1) == ([], 2), "what is read in part is no news"


def test_numbers_that_begin_anew_from_below_are_announced(long_poll):
    long_poll.answered(told(900), 1)
    assert long_poll.answered(told(3), 1) == ([Frame("updates", "3")], SOON)


def test_a_kept_question_is_asked_again_at_once_and_a_server_that_keeps_none_is_spared(long_poll):
    assert [long_poll.answered(told(), HELD + 0.1) for _ in range(3)] == [([], 0.0)] * 3
    assert [long_poll.answered(told(), 0.1)[1] for _ in range(6)] == [2, 4, 8, 16, LAST_PAUSE, LAST_PAUSE]
    assert long_poll.answered(told(), HELD) == ([], 0.0)
    assert long_poll.answered(told(), 0.1) == ([], 2)


def test_who_takes_its_place_once_was_reading_and_twice_is_somebody_else(long_poll):
    long_poll.answered(told(), HELD)
    for _ in range(2):
        assert long_poll.answered(refused(409), 5) == ([], TAKEN)
        long_poll.answered(told(), HELD)
    assert long_poll.answered(refused(409), 5) == ([], TAKEN)
    with pytest.raises(Unavailable, match="Another program"):
        long_poll.answered(refused(409), 5)


@pytest.mark.parametrize("body", [b'{"ok": true, "result": {}}', b'{"ok": true}', b"[]", b"{", b"[" * 100_000])
def test_what_is_no_list_of_updates_is_unreadable(long_poll, body):
    with pytest.raises(Unreadable):
        long_poll.answered(Answer(200, {}, body, ""), 1)


def test_odd_updates_are_left_to_reading(long_poll):
    odd = {"ok": True, "result": [None, 3, {"update_id": "7"}, {"update_id": 5}]}
    assert long_poll.answered(Answer(200, {}, json.dumps(odd).encode(), ""), 1) == ([Frame("updates", "5")], SOON)

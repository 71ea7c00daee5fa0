"""Connections that stay open: the seam against servers of both kinds and bad ones, and how often it is rung."""

import asyncio
import itertools
import json
import logging
import time
import unicodedata
from contextlib import contextmanager

import pytest

from connectors import frames, streaming
from connectors.bells import GAP, SHARE, Bells
from connectors.faults import Invalid, NotPermitted, RateLimited, Unavailable, Unreadable
from connectors.frames import Events, Frame, Pace
from connectors.http import Seam
from connectors.networks.bluesky.searches import Search
from connectors.streaming import opened
from connectors.streams import Kept, Stream
from tests.fakes.streams import EventServer, SocketServer
from tests.waiting import PATIENCE, by_itself

TOKEN = "canary-4f1c9e77"
OPEN = {"allow": ["127.0.0.1"], "hidden": [TOKEN]}


@pytest.fixture
def events():
    with EventServer() as server:
        yield server


@pytest.fixture
def sockets():
    with SocketServer() as server:
        yield server


def stream_of(server, path="/api/v1/streaming/user", headers=None):
    return Stream(f"{server.url}{path}", lambda event, data: (), headers or {"Authorization": f"Bearer {TOKEN}"})


def heard(stream, count, say=lambda: None, seam=None):
    """The first frames; `say` is called when the stream is open."""

    async def listen():
        found = []
        async with opened(stream, seam or Seam(**OPEN)) as frames:
            await asyncio.to_thread(say)
            async for frame in frames:
                found.append(frame)
                if len(found) == count:
                    return found
        return found

    async def in_time():
        async with asyncio.timeout(PATIENCE):
            return await listen()

    return asyncio.run(in_time())


def say(server, text):
    server.put(f"data: {text}\n\n".encode() if isinstance(server, EventServer) else text)


@contextmanager
def shorter(monkeypatch, **limits):
    for name, value in limits.items():
        for module in (frames, streaming):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    with by_itself():
        yield


def test_events_are_heard_with_our_credentials_and_our_name(events):
    def say():
        events.put(b": thump\n")
        events.say("notification", '{"type": "mention"}')
        events.put(b"event: up")
        events.put(b"date\r\ndata: a\r")
        events.put(b"\ndata:b\r\n\r\n")

    found = heard(stream_of(events), 2, say, Seam(**OPEN, user_agent="SocialCare/1"))
    assert found == [Frame("notification", '{"type": "mention"}'), Frame("update", "a\nb")]
    path, headers = events.asked[0]
    assert path == "/api/v1/streaming/user"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["user-agent"] == "SocialCare/1"
    assert headers["host"] == events.url.removeprefix("http://")


def test_a_websocket_is_heard_with_our_credentials_and_our_name(sockets):
    found = heard(stream_of(sockets, "/subscribe?a=b"), 2, lambda: [sockets.say("one"), sockets.say("zwei ☕")])
    assert found == [Frame("", "one"), Frame("", "zwei ☕")]
    path, headers = sockets.asked[0]
    assert path == "/subscribe?a=b"
    assert headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("scheme", ["http", "ws"])
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:9", "localhost", "10.0.0.8", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]", "93.184.216.34:22"],
)
def test_a_private_address_or_a_strange_port_is_refused_before_anything_is_sent(scheme, host):
    with pytest.raises(NotPermitted, match="FETCH_ALLOW"):
        heard(Stream(f"{scheme}://{host}/", lambda event, data: ()), 1, seam=Seam())


def test_a_name_that_leads_to_a_private_address_is_refused_and_the_checked_address_is_the_one_called(
    events, monkeypatch
):
    from connectors import addresses

    port = int(events.url.rpartition(":")[2])

    def leads_to(address):
        answer = [(2, 1, 6, "", (address, port))]
        monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *args, **kwargs: answer)

    named = Stream(f"http://streams.example:{port}/x", lambda event, data: ())
    leads_to("10.1.2.3")
    with pytest.raises(NotPermitted):
        heard(Stream("http://streams.example/x", lambda event, data: ()), 1, seam=Seam())
    leads_to("127.0.0.1")
    allowed = Seam(allow=[f"streams.example:{port}"])
    assert heard(named, 1, lambda: events.say("update", "x"), allowed) == [Frame("update", "x")]
    assert events.asked[0][1]["host"] == f"streams.example:{port}"


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_stream_of_a_channel_with_secrets_is_opened_over_no_line_that_others_read(scheme):
    with pytest.raises(NotPermitted, match="https://"):
        heard(Stream(f"{scheme}://8.8.8.8/", lambda event, data: ()), 1, seam=Seam(hidden=["secret"]))


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "http:///x", "http://ana:pass@127.0.0.1/", "http://127.0.0.1:99999/"]
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(Invalid):
        heard(Stream(url, lambda event, data: ()), 1)


def test_a_secret_in_an_address_is_a_defect_that_leaves_nothing(events):
    with pytest.raises(Invalid) as refused:
        heard(Stream(f"{events.url}/?access_token={TOKEN}", lambda event, data: ()), 1)
    assert TOKEN not in str(refused.value)
    assert events.asked == []


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (401, NotPermitted),
        (403, NotPermitted),
        (404, NotPermitted),
        (429, RateLimited),
        (503, Unavailable),
        (302, Unavailable),
    ],
)
def test_a_refusal_is_named_and_no_redirect_is_followed(events, sockets, status, fault):
    events.status = status
    events.headers = {"Location": f"{events.url}/elsewhere"}
    with pytest.raises(fault):
        heard(stream_of(events), 1)
    as_socket = Stream(events.url.replace("http", "ws") + "/s", lambda event, data: ())
    with pytest.raises(fault):
        heard(as_socket, 1)
    assert {path for path, _ in events.asked} == {"/api/v1/streaming/user", "/s"}


def test_what_is_no_stream_of_events_is_unreadable(events):
    events.headers = {"Content-Type": "text/html"}
    with pytest.raises(Unreadable):
        heard(stream_of(events), 1)


def test_a_frame_that_is_too_large_or_never_ends_is_not_read_to_its_end(events, sockets, monkeypatch):
    with shorter(monkeypatch, FRAME=50_000):
        for text in ("x" * 60_000, "data: x\n" * 3_000):
            with pytest.raises(Unreadable):
                heard(stream_of(events), 1, lambda text=text: events.put(text.encode()))
        with pytest.raises(Unreadable):
            heard(stream_of(sockets), 1, lambda: sockets.say("x" * 60_000))


def test_silence_and_a_line_that_drips_end_the_stream(events, sockets, monkeypatch):
    def drip():
        for _ in range(30):
            events.put(b"x")
            time.sleep(0.02)

    with shorter(monkeypatch, SILENCE=0.3):
        for server in (events, sockets):
            with pytest.raises(Unavailable, match="in time"):
                heard(stream_of(server), 1)
        with pytest.raises(Unavailable, match="in time"):
            heard(stream_of(events), 1, drip)


def test_signs_of_life_keep_it_open(events, monkeypatch):
    monkeypatch.setattr(streaming, "SILENCE", 2.0)  # twenty times what lies between two signs

    def alive():
        for _ in range(23):
            events.put(b": thump\n")
            time.sleep(0.1)
        events.say("update", "late")

    async def listen():
        async with opened(stream_of(events), Seam(**OPEN)) as frames:
            saying = asyncio.create_task(asyncio.to_thread(alive))
            first = await anext(frames)
            await saying
            return first

    assert asyncio.run(listen()) == Frame("update", "late")


@pytest.mark.parametrize("kind", ["events", "sockets"])
def test_a_server_that_goes_away_is_unavailable(request, kind):
    server = request.getfixturevalue(kind)
    with pytest.raises(Unavailable):
        heard(stream_of(server), 2, lambda: [say(server, "x"), server.drop()])
    server.close()
    with pytest.raises(Unavailable):
        heard(stream_of(server), 1)


def test_what_is_no_http_at_all_is_unreadable(events, monkeypatch):
    monkeypatch.setattr(events, "_serve", lambda handler, line: handler.wfile.write(b"220 mail.example ESMTP\r\n\r\n"))
    for url in (events.url, events.url.replace("http", "ws")):
        with pytest.raises((Unreadable, Unavailable)):
            heard(Stream(url, lambda event, data: ()), 1)


def test_a_flood_waits_in_its_sender():
    clock = [0.0]
    pace = Pace(lambda: clock[0])
    assert pace.wait(frames.PIECES - 1, 10) == 0
    assert pace.wait(1, 10) == pytest.approx(1.0)
    clock[0] = 1.0
    assert pace.wait(1, 3 * frames.BYTES) == pytest.approx(3.0)
    clock[0] = 5.0
    assert pace.wait(1, 1) == 0


def test_events_read_the_same_however_they_are_cut():
    text = "\ufeff: hi\r\nevent: a\rdata: 1\ndata:  2\n\n\ndata\n\nid: 7\nevent: b\ndata: ☕\r\n\r\n".encode()
    whole = Events().feed(text)
    assert [frame.event for frame in whole][-1] == "b"
    for size in (1, 2, 3, 7):
        events = Events()
        cut = [frame for start in range(0, len(text), size) for frame in events.feed(text[start : start + size])]
        assert cut == whole


def test_nothing_of_a_request_is_logged(events, sockets, caplog):
    caplog.set_level(logging.DEBUG)
    heard(stream_of(events), 1, lambda: events.say("a", "b"))
    heard(stream_of(sockets), 1, lambda: sockets.say("a"))
    events.status = 401
    with pytest.raises(NotPermitted):
        heard(stream_of(events), 1)
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(stream_of(events))


# Ringing


def watching(**least):
    bells = Bells()
    bells.watch({1: least, 2: {"mentions": 15}})
    return bells


def test_the_first_news_ring_at_once_and_what_follows_is_joined():
    bells = watching(mentions=10)
    assert bells.next_at() is None
    bells.heard(1, ["mentions"], [100.0])
    assert bells.take(99.9) == {}
    assert bells.take(100.0) == {1: {"mentions"}}
    assert bells.next_at() is None
    for at in (100.1, 100.2, 101.9):
        bells.heard(1, ["mentions"], [at])
    assert bells.take(101.99) == {}
    assert bells.next_at() == 102.0
    assert bells.take(102.0) == {1: {"mentions"}}


def test_a_minute_of_news_rings_a_channel_no_more_often_than_agreed():
    bells, rings = watching(mentions=5, hashtag=60), []
    for tenth in range(600):
        at = 1_000 + tenth / 10
        bells.heard(1, ["mentions", "hashtag"], [at])
        if found := bells.take(at):
            rings.append((at, found[1]))
    assert all(later - sooner >= GAP for (sooner, _), (later, _) in itertools.pairwise(rings))
    assert len(rings) == 30
    assert sum("hashtag" in names for _, names in rings) == pytest.approx(60 / (60 / SHARE), abs=1)


def test_one_busy_channel_does_not_hold_back_another():
    bells = watching(mentions=10)
    bells.heard(1, ["mentions"], [10.0])
    assert bells.take(10.0)
    bells.heard(1, ["mentions"], [10.5])
    bells.heard(2, ["mentions"], [10.5])
    assert bells.take(10.5) == {2: {"mentions"}}


def test_news_that_cannot_be_read_yet_are_rung_for_again_when_they_can():
    bells = watching(search=10)
    bells.heard(1, ["search"], [11.0, 16.0])
    assert bells.take(11.0) == {1: {"search"}}
    assert bells.next_at() == 16.0
    bells.heard(1, ["search"], [15.5, 20.5])
    assert bells.take(15.5) == {1: {"search"}}
    assert bells.take(20.4) == {}
    assert bells.take(20.5) == {1: {"search"}}
    assert bells.next_at() is None


def test_what_nobody_listens_to_is_not_rung_for_and_takes_no_room():
    bells = watching(mentions=10)
    bells.heard(1, ["of another time"], [1.0])
    bells.heard(3, ["mentions"], [1.0])
    bells.heard(1, ["mentions"], [1.0])
    bells.watch({2: {"mentions": 15}})
    assert bells.next_at() is None


# What networks announce


def sources_of(connector):
    return connector.listening()


def network(name, settings, secrets=None):
    from connectors.base import Connector, Secrets

    return Connector.named(name)(settings, Secrets(secrets or {}), Seam())


def test_a_mastodon_account_and_its_hashtags_have_a_stream_each():
    settings = {"server": "social.example", "hashtags": ["#tea", "grüner tee"], "searches": ["acme"]}
    connector = network("mastodon", settings, {"access_token": TOKEN})
    user, tea, green = connector.streams(connector.listening())
    assert user.url == "https://social.example/api/v1/streaming/user/notification"
    assert tea.url == "https://social.example/api/v1/streaming/hashtag?tag=tea"
    assert green.url.endswith("?tag=gr%C3%BCner%20tee")
    assert {stream.headers["Authorization"] for stream in (user, tea, green)} == {f"Bearer {TOKEN}"}
    assert user.news("notification", '{"type": "mention"}') == ("notifications",)
    assert user.news("notification", '{"type": "follow"}') == ()
    assert user.news("update", '{"type": "mention"}') == ()
    assert tea.news("update", "whatever") == ("hashtag:tea",)
    assert tea.news("delete", "17") == ()


@pytest.mark.parametrize("data", ["", "{", "[1]", "17", '"x"', "[" * 100_000, '{"type": ["mention"]}'])
def test_what_is_no_notification_is_no_news(data):
    connector = network("mastodon", {"server": "social.example"}, {"access_token": TOKEN})
    assert connector.streams(connector.listening())[0].news("notification", data) == ()


def test_without_an_account_mastodon_has_no_stream():
    connector = network("mastodon", {"server": "social.example", "hashtags": ["tea"]})
    assert connector.streams(connector.listening()) == ()


@pytest.mark.parametrize(
    ("told", "used"),
    [
        ("wss://streaming.social.example", "https://streaming.social.example"),
        ("https://streaming.social.example/x/", "https://streaming.social.example/x"),
        ("ws://streaming.social.example", "https://social.example"),
        ("wss://ana@evil.example", "https://social.example"),
        ("wss://[", "https://social.example"),
        (17, "https://social.example"),
        ("", "https://social.example"),
    ],
)
def test_a_server_may_stream_from_another_address_but_not_without_encryption(told, used):
    settings = {"server": "social.example", "facts": {"streaming": told}}
    connector = network("mastodon", settings, {"access_token": TOKEN})
    stream = connector.streams(connector.listening())[0]
    assert stream.url == f"{used}/api/v1/streaming/user/notification"


ME = "did:plc:brand"


def announced(text, author="did:plc:carla", *, escaped=True, **record):
    record = {"$type": "app.bsky.feed.post", "text": text, **record}
    commit = {"operation": "create", "collection": "app.bsky.feed.post", "rkey": "3k", "record": record}
    return json.dumps({"did": author, "time_us": 1, "kind": "commit", "commit": commit}, ensure_ascii=escaped)


def jetstream(searches=(), account=True, **settings):
    settings = {"arrival": "jetstream", "searches": list(searches), "facts": {"account_id": ME}, **settings}
    connector = network("bluesky", settings, {"app_password": "pass-word-1"} if account else {})
    return connector.streams(connector.listening())


def test_bluesky_hears_who_names_us_and_what_holds_the_words_of_a_search():
    (stream,) = jetstream(["acme tea", '"cold brew" -coffee from:carla.test'])
    assert stream.url.startswith("wss://")
    assert "wantedCollections=app.bsky.feed.post" in stream.url
    assert stream.headers == {}
    assert stream.news("", announced("hello", reply={"parent": {"uri": f"at://{ME}/app.bsky.feed.post/3j"}})) == (
        "notifications",
    )
    assert stream.news("", announced(f"I am {ME}", author=ME)) == ()
    assert stream.news("", announced("TEA of Acme")) == ("search:acme tea",)
    assert stream.news("", announced("Cold tea")) == ()
    assert stream.news("", announced("cold BREW, anyone?")) == ('search:"cold brew" -coffee from:carla.test',)
    assert stream.news("", announced("tea", langs=["acme"])) == ()


def test_bluesky_is_not_listened_to_unless_that_was_chosen_and_there_is_something_to_hear():
    assert jetstream(arrival="") == ()
    assert jetstream(account=False) == ()
    assert jetstream(["from:carla.test"], account=False) == ()
    assert jetstream(["acme"], account=False, jetstream="https://x.example") == ()
    (stream,) = jetstream(["acme"], account=False, facts={})
    assert stream.news("", announced("acme")) == ("search:acme",)


@pytest.mark.parametrize(
    ("search", "text", "is_kept"),
    [
        ("tea", "A cup of TEA!", True),
        ("tea", "All steam", False),
        ("お茶", "美味しいお茶です", True),
        ('"cold brew" -coffee', "cold brew, no sugar", True),
        ('"cold brew" -coffee', "cold brew coffee", False),
        ('"cold brew"', "a cold\nbrew", True),
        ('"cold brew"', "COLD  brew", True),
        ('"cold brew"', "#cold #brew, cold-brew", True),
        ('"cold  brew"', "cold brew", True),
        ('"cold brew"', "brew, cold", False),
        ("café", unicodedata.normalize("NFD", "The café is closed"), True),
        (unicodedata.normalize("NFD", "café"), "The café is closed", True),
        ("don't", "I don’t get it", True),
        ("#tea", "a cup of tea", False),
        ("#tea", "a cup of #Tea", True),
        ("k?ttle", "two kettles, one kettle", True),
        ("tea lang:de", "tea", True),  # whose it is and how it is written is compared with the post itself
        ("tea mentions:carla.test", "tea", False),
        ("!!!", "tea!!!", False),
        ("*", "tea", False),
        ("-tea", "coffee", False),
    ],
)
def test_without_an_account_what_a_search_would_find_is_kept(search, text, is_kept):
    (stream,) = jetstream([search, "other"], account=False, facts={})
    for escaped in (True, False):
        shown = announced(text, author="did:plc:carla", escaped=escaped)
        rings = stream.news("", shown)  # nothing else is looked at closely
        kept = stream.keeping.kept("", shown) if rings else None
        assert (kept == Kept(f"search:{search}", "at://did:plc:carla/app.bsky.feed.post/3k")) is is_kept


def test_what_is_kept_is_new_and_has_an_address():
    keeping = jetstream(["tea"], account=False, facts={})[0].keeping
    good = announced("tea", author="did:plc:carla")
    assert keeping.kept("", good)
    for old, odd in (("create", "update"), ("3k", "../x"), ("did:plc:carla", "carla"), ("feed.post", "feed.like")):
        assert keeping.kept("", good.replace(f'"{old}"', f'"{odd}"').replace(f'bsky.{old}"', f'bsky.{odd}"')) is None
    assert (keeping.place(good), keeping.place("[]"), keeping.place('{"time_us": "x"}')) == (1, 0, 0)
    assert jetstream(["tea"])[0].keeping is None, "with an account its search is asked"


@pytest.mark.parametrize(
    ("query", "handle", "language", "fits"),
    [
        ("tea from:carla.test", "carla.test", "en", True),
        ("tea from:@carla.test", "theo.test", "en", False),
        ("tea -from:carla.test", "carla.test", "en", False),
        ("tea lang:de", "carla.test", "de", True),
        ("tea lang:de", "carla.test", "en", False),
        ("tea", "", "", True),
    ],
)
def test_whose_a_post_is_and_its_language_are_compared_when_it_was_read(query, handle, language, fits):
    assert Search.of(query).is_by(handle, language) is fits


@pytest.mark.parametrize(
    "data", ["", "acme", '["acme"]', '{"did": "acme"}', '{"commit": {"record": "acme"}}', "acme" + "[" * 100_000]
)
def test_frames_that_are_no_posts_are_no_news(data):
    (stream,) = jetstream(["acme"])
    assert stream.news("", data) == ()
    assert stream.news("", data + ME) == ()


def test_a_post_that_is_not_for_us_is_looked_at_in_a_blink():
    """Against reading the same posts as JSON, in one run: the whole network comes by."""
    (stream,) = jetstream([f"word{number} other{number}" for number in range(20)])
    frames = [announced(f"an ordinary post number {number} " + "about the day " * 20) for number in range(2_000)]
    started = time.thread_time()
    for frame in frames:
        json.loads(frame)
    reading = time.thread_time() - started
    started = time.thread_time()
    assert not any(stream.news("", frame) for frame in frames)
    assert time.thread_time() - started < 4 * reading + 0.05

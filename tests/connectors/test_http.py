"""The one HTTP seam: what it refuses, how long it waits, how much it reads, what it calls a fault and what it keeps."""

import gzip
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest

from connectors.addresses import is_public
from connectors.base import AuthRevoked, Gone, InDoubt, Invalid, NotPermitted, RateLimited, Unavailable, Unreadable
from connectors.http import Seam
from tests.fakes.server import FakeServer, Reply
from tests.waiting import by_itself, costs

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LOOPBACK = ["127.0.0.0/8"]

INTERNAL = [
    *("127.0.0.1", "127.1", "0.0.0.0", "0", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001"),
    *(
        "localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[::7f00:1]",
        "[fec0::1]",
    ),
    *(
        "[fe80::1]",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::1]",
        "[2002:7f00:1::]",
        "[2001::1]",
    ),
    *("[3fff::1]", "[5f00::1]", "[ff02::1]", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("192.0.0.1", "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1"),
]


def seam(**given):
    return Seam(**({"guard": lambda: None} | given))


@pytest.fixture
def connected(monkeypatch):
    """Every address a connection is tried to; none of them is reached."""
    tried = []

    def connect(self, address):
        tried.append(address)
        raise OSError("not in a test")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


@pytest.mark.parametrize("host", INTERNAL)
def test_no_spelling_of_an_internal_address_is_called(host, connected):
    with pytest.raises((NotPermitted, Invalid, Unavailable)):
        seam().answer("GET", f"http://{host}/secret", now=NOW)
    assert connected == []


@pytest.mark.parametrize("given", [{"hidden": ["secret"]}, {"hidden": ["pin"]}, {"guarded": True}])
def test_who_has_secrets_speaks_only_over_lines_that_nobody_else_reads(given, connected):
    with pytest.raises(NotPermitted, match="https://") as refused:
        seam(**given).answer("GET", "http://8.8.8.8/", now=NOW)
    assert (refused.value.what, connected) == ("encryption", [])
    for url, how in [("https://8.8.8.8/", given), ("http://8.8.8.8/", {**given, "allow": ["8.8.8.8"]})]:
        with pytest.raises(Unavailable):
            seam(**how).answer("GET", url, now=NOW)
    with pytest.raises(Unavailable):
        seam(hidden=[""]).answer("GET", "http://8.8.8.8/", now=NOW)  # a blog's feed, which has no secret
    assert len(connected) == 3


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://127.0.0.1/", "http:///x", "http://[::1", "ftp://8.8.8.8/"]
)
def test_other_schemes_and_broken_addresses_are_refused(url, connected):
    with pytest.raises((Invalid, NotPermitted)):
        seam().answer("GET", url, now=NOW)
    assert connected == []


def test_a_public_host_on_another_port_is_refused(connected):
    with pytest.raises(NotPermitted):
        seam().answer("GET", "http://8.8.8.8:6379/", now=NOW)
    assert connected == []


def test_a_name_that_resolves_differently_the_second_time_is_called_at_the_address_checked(monkeypatch, connected):
    answers = iter(["8.8.8.8", "127.0.0.1", "127.0.0.1"])

    def getaddrinfo(host, port, *args, **kwargs):
        if host[0].isdigit():
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(Unavailable):
        seam().answer("GET", "http://rebind.example/", now=NOW)
    assert connected == [("8.8.8.8", 80)]


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_ordinary_public_addresses_pass(address):
    from ipaddress import ip_address

    assert is_public(ip_address(address))


def test_a_proxy_in_the_environment_is_not_used(monkeypatch):
    with (
        FakeServer(lambda asked: Reply(200, "direct")) as server,
        FakeServer(lambda asked: Reply(200, "proxy")) as proxy,
    ):
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert seam(allow=LOOPBACK).answer("GET", server.url, now=NOW).content == b"direct"
        assert proxy.asked == []


@pytest.mark.parametrize("allow", [["127.0.0.1"], ["127.0.0.0/8"], ["localhost", "127.0.0.1/32"]])
def test_the_owner_can_open_a_private_host(allow):
    with FakeServer(lambda asked: Reply(200, "ours")) as server:
        assert seam(allow=allow).answer("GET", server.url, now=NOW).content == b"ours"


def test_one_port_can_be_opened_and_opens_no_other(connected):
    for url in ("http://127.0.0.1:8080/", "http://127.0.0.1/", "http://127.0.0.2:8790/"):
        with pytest.raises(NotPermitted):
            seam(allow=["127.0.0.1:8790"]).answer("GET", url, now=NOW)
    assert connected == []
    with pytest.raises(Unavailable):
        seam(allow=["127.0.0.1:8790"]).answer("GET", "http://127.0.0.1:8790/", now=NOW)
    assert connected == [("127.0.0.1", 8790)]


def test_what_is_told_of_a_bad_address_names_no_account_and_no_class(connected, monkeypatch):
    with pytest.raises(NotPermitted) as refused:
        seam().answer("GET", "http://127.0.0.1/feed", now=NOW)
    assert refused.value.words == "The address is private or special; the owner may allow it with FETCH_ALLOW."
    with pytest.raises(NotPermitted) as denied:
        raise NotPermitted("Ask its owner.", what="post")
    assert denied.value.words == "This account is not permitted to do that. Ask its owner."

    def nobody(*asked, **more):
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    for allow in ([], LOOPBACK):
        with pytest.raises(Unavailable) as unknown:
            seam(allow=allow).answer("GET", "http://nobody.example/feed", now=NOW)
        assert unknown.value.words.endswith(" No server of that name was found.")


def test_an_opened_host_opens_no_other(connected):
    with pytest.raises(NotPermitted):
        seam(allow=["10.1.2.3", "10.9.0.0/16"]).answer("GET", "http://127.0.0.1/", now=NOW)
    assert connected == []


def test_redirects_are_not_followed_unless_asked_for():
    with FakeServer(lambda asked: Reply(302, headers={"Location": "/other"})) as server:
        with pytest.raises(Unavailable):
            seam(allow=LOOPBACK).answer("GET", server.url, now=NOW)
        assert len(server.asked) == 1


def test_a_redirect_to_an_internal_address_is_refused():
    with FakeServer(lambda asked: Reply(302, headers={"Location": "http://127.0.0.2:9/"})) as server:
        with pytest.raises(NotPermitted):
            seam(allow=["127.0.0.1"]).answer("GET", server.url, now=NOW, follow=3)
        assert len(server.asked) == 1


def test_credentials_do_not_go_along_with_a_redirect():
    def answer(asked):
        return (
            Reply(301, headers={"Location": f"http://127.0.0.1:{second.port}/b"})
            if asked.path == "/a"
            else Reply(200, "b")
        )

    with FakeServer(lambda asked: Reply(200, "b")) as second, FakeServer(answer) as first:
        got = seam(allow=LOOPBACK).answer(
            "GET", f"{first.url}/a", now=NOW, follow=3, headers={"Authorization": "Bearer x"}, auth=("me", "pass")
        )
        assert got.content == b"b"
        assert got.moved_to == f"{second.url}/b"
        assert "authorization" not in second.asked[0].headers
        assert "authorization" in first.asked[0].headers


def test_four_redirects_are_one_too_many():
    with FakeServer(lambda asked: Reply(302, headers={"Location": asked.path + "x"})) as server:
        with pytest.raises(Unavailable):
            seam(allow=LOOPBACK).answer("GET", f"{server.url}/", now=NOW, follow=3)
        assert len(server.asked) == 4


def test_all_redirects_of_a_call_share_its_seconds():
    def slowly(asked):
        time.sleep(0.4)  # of the stranger's server
        step = int(asked.path.strip("/"))
        return Reply(302, headers={"Location": f"/{step + 1}"}) if step < 3 else Reply(200, "there")

    with FakeServer(slowly) as server, by_itself(), pytest.raises(Unavailable, match="in time"):
        seam(allow=LOOPBACK).answer("GET", f"{server.url}/0", now=NOW, follow=3, whole=1.0)


def test_a_gzip_bomb_is_cut_at_the_limit():
    bomb = gzip.compress(b"\0" * 200_000_000, 9)
    told = Reply(200, bomb, {"Content-Encoding": "gzip"})
    with FakeServer(lambda asked: told) as server, costs(2), pytest.raises(Unreadable, match="larger"):
        seam(allow=LOOPBACK, size=1_000_000).answer("GET", server.url, now=NOW)


@pytest.mark.parametrize(("method", "fault"), [("GET", Unavailable), ("POST", InDoubt)])
@pytest.mark.parametrize("manner", ["trickle", "hang"])
def test_a_call_ends_in_time_whatever_the_server_does(manner, method, fault):
    with FakeServer(lambda asked: Reply(200, "x" * 1000, manner=manner)) as server:
        started = time.monotonic()
        with by_itself(), pytest.raises(fault):
            seam(allow=LOOPBACK, whole=0.4).answer(method, server.url, now=NOW)
        assert time.monotonic() - started > 0.3


@pytest.mark.parametrize(("method", "fault"), [("GET", Unavailable), ("POST", InDoubt)])
@pytest.mark.parametrize("manner", ["reset", "cut"])
def test_a_broken_connection_leaves_a_write_in_doubt_and_a_read_to_be_tried_again(manner, method, fault):
    with FakeServer(lambda asked: Reply(200, {"id": "1"}, manner=manner)) as server, pytest.raises(fault):
        seam(allow=LOOPBACK).answer(method, server.url, now=NOW)


def test_a_refused_connection_is_never_in_doubt():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unavailable):
        seam(allow=LOOPBACK).answer("POST", f"http://127.0.0.1:{port}/", now=NOW)


def test_a_failed_handshake_is_never_in_doubt():
    with FakeServer(lambda asked: Reply(200)) as server, pytest.raises(Unavailable):
        seam(allow=LOOPBACK).answer("POST", server.url.replace("http:", "https:"), now=NOW)


@pytest.mark.parametrize(
    ("status", "method", "fault"),
    [(401, "GET", AuthRevoked), (403, "GET", NotPermitted), (404, "GET", Gone), (410, "POST", Gone), (422, "POST",
    Invalid),
     (429, "POST", RateLimited), (500, "GET", Unavailable), (502, "POST", InDoubt), (302, "GET", Unavailable)],
)  # fmt: skip
def test_every_status_has_a_named_fault(status, method, fault):
    with FakeServer(lambda asked: Reply(status, "<html>")) as server, pytest.raises(fault) as raised:
        seam(allow=LOOPBACK).answer(method, server.url, now=NOW)
    assert raised.value.status == status
    assert raised.value.words


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry-After": "37"}, 37), ({"Retry-After": "Sun, 22 Nov 2026 12:05:00 GMT"}, 300), ({}, 60),
     ({"Retry-After": "0"}, 5),
     ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2026-11-22T12:04:00.5Z"}, 240.5),
     ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW.timestamp()) + 90)}, 90),
     ({"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": str(int(NOW.timestamp()) + 80)}, 80),
     ({"RateLimit-Remaining": "0", "RateLimit-Reset": str(int(NOW.timestamp()) + 70)}, 70),
     ({"X-RateLimit-Reset": "2026-11-22T13:02:00Z", "Date": "Sun, 22 Nov 2026 13:00:00 GMT"}, 120),
     ({"X-RateLimit-Reset": "2026-11-22T11:02:00Z", "Date": "Sun, 22 Nov 2026 11:00:00 GMT"}, 120)],
)  # fmt: skip
def test_a_wait_lasts_until_the_stated_time_on_our_clock(headers, seconds):
    given = {"Date": "Sun, 22 Nov 2026 12:00:00 GMT"} | headers

    class Dated(FakeServer):
        pass

    with Dated(lambda asked: Reply(429, "", given)) as server:
        server.server.RequestHandlerClass.date_time_string = lambda self, *a: given["Date"]
        with pytest.raises(RateLimited) as raised:
            seam(allow=LOOPBACK).answer("GET", server.url, now=NOW, bucket="reads")
    assert raised.value.until == NOW + timedelta(seconds=seconds)
    assert raised.value.bucket == "reads"


def test_html_where_json_was_expected_is_unreadable_and_shown():
    with FakeServer(lambda asked: Reply(200, "<html>Please sign in</html>")) as server:
        got = seam(allow=LOOPBACK).answer("GET", server.url, now=NOW)
        with pytest.raises(Unreadable) as raised:
            got.json()
        assert "Please sign in" in raised.value.body
        with pytest.raises(InDoubt):
            seam(allow=LOOPBACK).answer("POST", server.url, now=NOW).json()


def test_a_call_inside_a_transaction_is_our_own_defect():
    def guard():
        raise RuntimeError("a network call inside a database transaction")

    with pytest.raises(RuntimeError, match="transaction"):
        seam(guard=guard).answer("GET", "http://8.8.8.8/", now=NOW)


def test_a_stand_in_server_gets_what_was_meant_for_the_network():
    with FakeServer(lambda asked: Reply(200, asked.path)) as server:
        asked = seam(allow=LOOPBACK, rewrite={"https://api.example": server.url})
        assert asked.answer("GET", "https://api.example/v1/x?y=1", now=NOW).content == b"/v1/x"
        assert server.asked[0].one("y") == "1"


def test_what_people_wrote_is_not_kept_and_a_refusal_is():
    answers = [Reply(200, [{"text": "my manager shouts at me"}]), Reply(500, {"error": "out of order"})]
    kept = []
    with FakeServer(lambda asked: answers[len(kept)]) as server:
        asked = seam(allow=LOOPBACK, record=kept.append)
        asked.answer("GET", server.url, now=NOW)
        with pytest.raises(Unavailable):
            asked.answer("GET", server.url, now=NOW)
    assert [exchange.status for exchange in kept] == [200, 500]
    assert kept[0].body == ""
    assert "out of order" in kept[1].body


def test_what_is_kept_of_an_exchange_holds_no_secret():
    canary, kept = "canary-7f3a9c", []
    body = {"access_token": canary, "note": canary, "ok": 1}
    with FakeServer(lambda asked: Reply(400, body, {"X-RateLimit-Canary": canary})) as server:
        asked = seam(allow=LOOPBACK, hidden=[canary], record=kept.append)
        with pytest.raises(Invalid) as raised:
            asked.answer("POST", f"{server.url}/x?access_token={canary}&q=1", now=NOW,
                         headers={"Authorization": f"Bearer {canary}"}, json={"client_secret": canary})  # fmt: skip
    assert canary not in repr(kept) + str(raised.value) + repr(raised.value.__dict__)
    assert kept[0].status == 400
    assert "q=1" in kept[0].url
    assert asked.count == 1


@pytest.mark.parametrize(
    "text",
    ["https://me:canary-x@h/", "https://h/bot12:canary-x/getMe", "Authorization: Bearer canary-x",
    "refresh_token=canary-x&a=1",
     '{"client_secret": "canary-x"}', '{"accessJwt":"canary-x"}', "Cookie: a=canary-x"],
)  # fmt: skip
def test_things_named_like_secrets_are_taken_out_even_when_unknown(text):
    from connectors.redaction import redacted

    assert "canary-x" not in redacted(text)


def test_a_write_follows_no_redirect():
    with pytest.raises(ValueError, match="another host"):
        Seam().answer("POST", "http://127.0.0.1:9/", follow=1, json={"text": "hello"})

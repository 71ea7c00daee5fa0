"""The demo network talks believably, the same way for the same seed, and goes on where it stopped."""

import json
import resource
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.time = START

    def __call__(self):
        return self.time

    def on(self, **time):
        self.time += timedelta(**time)


def talk(seed, minutes=30, **given):
    clock = Clock()
    network = Network(seed, pace=6, now=clock, **given)
    for _ in range(minutes):
        clock.on(minutes=1)
        network.advance()
    return network


def test_the_same_seed_says_the_same():
    assert talk(3).ledger() == talk(3).ledger()
    assert talk(3).ledger() != talk(4).ledger()


def test_it_speaks_of_everything_in_several_languages_and_edits_and_removes():
    ledger = talk(1, minutes=120)
    posts = list(ledger.posts.values())
    assert {"support", "defect", "praise_nadia", "job", "expectation", "chatter", "idea"} <= {
        post.topic for post in posts
    }
    assert {"en", "de", "fr", "es"} <= {post.lang for post in posts}
    assert {"carla", "theo", "ines", "rob"} <= {post.author["id"] for post in posts}
    assert any(post.edited_at for post in posts)
    assert any(post.deleted for post in posts)
    assert 500 < len(posts) < 1_000


def test_a_customer_answers_our_reply():
    clock = Clock()
    network = Network(1, pace=2, now=clock)
    asked = network.say("Carla", "the refund page is blank")
    ours = network.answer("Please try again now.", asked.id, "key-1")
    for _ in range(3):
        clock.on(minutes=1)
        network.advance()
    (back,) = [post for post in network.posts.values() if post.reply_to == ours.id]
    assert back.author["id"] == "carla"
    assert back.root == asked.id


def test_it_does_not_flood_after_nobody_asked_for_a_day():
    clock = Clock()
    network = Network(1, pace=6, now=clock)
    clock.on(days=1)
    network.advance()
    assert len(network.posts) <= 1


def test_a_journal_lets_it_go_on_and_a_cut_last_line_never_happened(tmp_path):
    journal = tmp_path / "journal"
    before = talk(1, journal=journal)
    before.answer("hi", "d1", "key-1")
    whole = before.ledger()
    with journal.open("a") as file:
        file.write('{"id": "d9999", "au')
    again = Network(1, pace=0, now=Clock(), journal=journal)
    assert again.ledger()["posts"] == whole["posts"]
    assert again.answer("hi", "d1", "key-1").id == before.keys["key-1"]
    assert again.say("Rob", "new").id == f"d{len(whole['posts']) + 1}"


def ask(server, path, body=None, headers=None):
    data = json.dumps(body).encode() if body is not None else None
    given = {"Content-Type": "application/json", "Authorization": "Bearer demo"} | (headers or {})
    request = urllib.request.Request(server.url + path, data, given)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture
def server():
    server = DemoServer(Network(1, pace=0))
    server.start()
    yield server
    server.stop()


def test_the_control_desk_makes_people_speak_and_things_break(server):
    assert ask(server, "/control/say", {"person": "Carla", "text": "hello <b>"})[0] == 201
    assert ask(server, "/control/burst", {"count": 20, "text": "same"})[0] == 201
    assert len(json.loads(ask(server, "/api/changes?after=0")[1])["posts"]) == 21
    assert ask(server, "/control/posts/d1", {"deleted": True})[0] == 200
    ask(server, "/control/settings", {"token_broken": True})
    assert ask(server, "/api/me")[0] == 401
    ask(server, "/control/settings", {"token_broken": False, "token": "second"})
    assert ask(server, "/api/me")[0] == 401
    assert ask(server, "/api/me", headers={"Authorization": "Bearer second"})[0] == 200
    assert json.loads(ask(server, "/control/ledger")[1])["changes"] == 22


def test_a_web_page_somewhere_cannot_drive_it(server):
    assert ask(server, "/control/ledger", headers={"Host": "evil.example"})[0] == 403
    assert ask(server, "/control/say", {"person": "x", "text": "y"}, {"Content-Type": "text/plain"})[0] == 415


def test_a_thread_has_a_page_without_live_markup(server):
    post = server.network.say("Carla", "<script>alert(1)</script>")
    body = ask(server, f"/posts/{post.id}")[1]
    assert b"&lt;script&gt;" in body
    assert b"<script" not in body


def test_it_starts_as_a_process_within_a_second_and_stops_when_told():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = subprocess.Popen(
        [sys.executable, "-m", "socialcare.demo", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert "demo network on http://127.0.0.1:" in child.stdout.readline()
    finally:
        child.terminate()
        assert child.wait(60) == 0
        child.stdout.close()
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert spent.ru_utime + spent.ru_stime - before.ru_utime - before.ru_stime < 3

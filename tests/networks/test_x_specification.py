"""What we ask of X, and what our fake of X answers, against X's own specification: a checker stands between the two and
says what breaks it. Skipped where the checker or the specification is missing; the reason says which."""

import json
import os
import random
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from connectors.base import (
    Absent,
    Connector,
    Deleted,
    Duplicate,
    Found,
    Gone,
    Medium,
    Outgoing,
    Post,
    Secrets,
    Sent,
)
from connectors.http import Seam
from tests.fakes.server import FakeServer
from tests.fakes.x import ME, Fake

ROOT = Path(__file__).parents[2]
PRISM = ROOT / ".tools" / "x" / "node_modules" / ".bin" / "prism"
SPECS = Path(os.environ.get("SPECS_DIR") or ROOT.parent / "shared" / "specs") / "x"
SPECIFICATION = max(SPECS.glob("x-api-v2-*.json"), default=SPECS / "x-api-v2.json")
PATIENCE = 60  # seconds until the checker has read the specification
pytestmark = [
    pytest.mark.networks,
    pytest.mark.skipif(
        not PRISM.exists() or not shutil.which("node"), reason="the checker is missing: make test-networks brings it"
    ),
    pytest.mark.skipif(not SPECIFICATION.is_file(), reason=f"the specification of X was not found at {SPECIFICATION}"),
]


class Checked(Fake):
    """The fake behind the checker. `violations` are of our requests, and of those answers that are no refusal: X's own
    refusals do not fit its specification either."""

    def __init__(self, at):
        super().__init__()
        self.at, self.violations, self.seen = at, [], 0

    def settings(self):
        return super().settings() | {"base_url": self.at}

    def connector(self, secrets=None, whole=15, guard=lambda: None):
        seam = Seam(allow=["127.0.0.1"], guard=guard, whole=whole)
        seam.hooks["response"].append(self.look)
        settings = {**self.settings(), "facts": self.facts()}
        return Connector.named("x")(settings, Secrets(self.secrets if secrets is None else secrets), seam)

    def look(self, response, **_):
        self.seen += 1
        for each in json.loads(response.headers.get("sl-violations", "[]")):
            if response.url.endswith("/append") and each["location"][:2] == ["request", "body"]:
                continue  # of a form, it takes the bytes of a file for text and a number for two things
            if each["location"][0] == "request" or response.status_code < 300:
                self.violations.append((response.request.method, response.url, each["location"], each["message"]))


def started(behind, specification=SPECIFICATION):
    """A checker in front of this address. Its port is none that the system gives out by itself, because it takes
    seconds until the checker holds it."""
    for _ in range(3):
        port = random.randrange(20_000, 32_000)
        command = [PRISM, "proxy", "-h", "127.0.0.1", "-p", str(port), specification, behind]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.2)
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                if process.poll() is None:
                    return process, f"http://127.0.0.1:{port}"
        process.kill()
    raise RuntimeError("the checker did not start")


@pytest.fixture(scope="module")
def checker():
    """One checker for all tests, with a server behind it that answers as the fake of the running test does."""
    house = SimpleNamespace(fake=None)
    with FakeServer(lambda asked: house.fake._answer(asked)) as behind:
        process, house.url = started(behind.url)
        yield house
        process.terminate()
        process.wait(10)


@pytest.fixture
def fake(checker):
    with Checked(checker.url) as fake:
        checker.fake = fake
        yield fake
        assert fake.seen, "nothing came by the checker"
        assert fake.violations == []


def now():
    return datetime.now(UTC)


def heard(fake, identity):
    return next(post for post in fake.read(fake.connector())[0] if post.external_id == identity)


def outgoing(parent, text="We are on it", **more):
    return Outgoing(key="key-1", text=text, parent=parent, sending_at=now(), **more)


def test_what_x_tells_the_app_alone(fake):
    fake.counts = {"kettle": 1_240}
    connector = fake.connector({**fake.secrets, "bearer_token": fake.bearer})
    assert connector.counted("kettle OR teapot", now()) == 1_240
    assert connector.check().facts["quota"] == {"used": 1_200, "limit": 3_000_000, "days": 9}


def test_a_look_for_what_has_to_go_fits(fake):
    connector, one = fake.connector({**fake.secrets, "bearer_token": fake.bearer}), fake.say("hello")
    assert connector.audit([one], "here", now()) is None
    fake.delete(one)
    for job in fake.jobs.values():
        job["status"] = "complete"
    assert connector.audit([one], "here", now()) == [Deleted(one)]


def test_the_checker_sees_what_breaks_the_specification(fake):
    """Else the other tests could not fail."""
    headers = {"Authorization": f"Bearer {fake.access}"}
    answer = requests.get(f"{fake.at}/2/users/{ME['id']}/mentions?max_results=1000", headers=headers, timeout=10)
    assert "max_results" in answer.headers["sl-violations"]
    fake.post(fake.person("carla"), "a day without shape", created_at=7)
    fake.connector().check()
    answer = requests.get(f"{fake.at}/2/users/{ME['id']}/mentions", headers=headers, timeout=10)
    assert "created_at" in answer.headers["sl-violations"]


def test_pages_of_each_source_fit(fake):
    for number in range(120):
        fake.say(f"post {number}")
    quoted = fake.post(ME, "our news")
    fake.post(fake.person("theo"), "look", quoted=quoted)
    for number in range(3):
        fake.message(f"hello {number}")
    fake.posts[max(fake.posts)] |= fake.film()
    fake.messages[-1] |= fake.film("animated_gif")
    connector = fake.connector()
    for source, wanted in (("mentions", 121), ("search:acme tea", 121), ("direct", 3)):
        fake.source = source
        posts, bad, cursor, _ = fake.read(connector)
        assert len([post for post in posts if not post.ours]) == wanted
        assert not bad
        fake.read(connector, cursor)


def test_nothing_to_read_fits_too(fake):
    for fake.source in ("mentions", "search:acme", "direct"):
        assert fake.read(fake.connector())[0] == []


def test_how_posts_stand_and_what_is_above_them_fits(fake):
    first = fake.say("first")
    second = fake.say("second", parent=first)
    third = fake.say("third", parent=second)
    fake.edit(second, "second thoughts")
    fake.delete(third)
    connector = fake.connector()
    one, two, three = connector.refresh([first, second, third], now())
    assert isinstance(one, Post)
    assert two.text == "second thoughts"
    assert three == Deleted(third)
    fourth = fake.say("fourth", parent=second)
    assert [post.external_id for post in connector.ancestors(heard(fake, fourth), now())] == [first, second]


def test_answers_and_looking_back_fit(fake):
    parent = heard(fake, fake.say("Help!"))
    connector = fake.connector()
    assert isinstance(connector.find(outgoing(parent)), Absent)
    sent = connector.send(outgoing(parent))
    assert isinstance(sent, Sent)
    with pytest.raises(Duplicate):
        connector.send(outgoing(parent))
    assert connector.find(outgoing(parent)) == Found(sent.external_id, f"https://x.com/acme/status/{sent.external_id}")
    connector.do("delete", connector.refresh([sent.external_id], now())[0])
    fake.delete(parent.external_id)
    with pytest.raises(Gone):
        connector.send(outgoing(parent, "once more"))


def test_messages_fit(fake):
    parent = heard(fake, fake.say("Help!"))
    connector = fake.connector()
    privately = outgoing(parent, "Your number, please?", private=True)
    sent = connector.send(privately)
    assert connector.find(privately) == Found(sent.external_id)
    fake.message("Theo here", "theo")
    fake.source = "direct"
    theirs = next(post for post in fake.read(connector)[0] if not post.ours)
    connector.send(outgoing(theirs, "Hello Theo"))


def test_hiding_and_who_we_are_fit(fake):
    ours = fake.post(ME, "our news")
    rude = heard(fake, fake.say("rude", parent=ours))
    connector = fake.connector()
    connector.do("hide", rude)
    connector.do("mute", rude)
    connector.do("unmute", rude)
    assert fake.hidden == {rude.external_id}
    connector.do("unhide", rude)
    assert connector.check().account_name == "@acme"


@pytest.mark.parametrize(
    ("kind", "type"), [("image", "image/jpeg"), ("animation", "image/gif"), ("video", "video/mp4")]
)
def test_files_that_hang_from_an_answer_fit(fake, kind, type):
    parent = heard(fake, fake.say("Help!"))
    connector, body = fake.connector(), b"\1" * 5_000
    hanging = Medium(
        key="f", kind=kind, type=type, size=len(body), name="f", read=lambda: body, description="A receipt"
    )
    wish, token, whole = replace(outgoing(parent), media=(hanging,)), "", False
    while not whole:
        step = connector.upload(hanging, wish, token)
        token, whole = step.token, step.whole
    connector.send(replace(wish, media=(replace(hanging, token=token),)))
    (made,) = fake.made()
    assert fake.attached(made) == [(body, None if kind == "video" else "A receipt")]

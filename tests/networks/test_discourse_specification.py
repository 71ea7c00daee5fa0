"""What we ask of a Discourse forum for reading, and what our fake of one answers, against the forum's specification. It
knows the lists and posts by their own number, and not those by their number in a topic."""

import json
from types import SimpleNamespace

import pytest

from connectors.base import Connector, Secrets
from connectors.http import Seam
from tests.fakes.discourse import PRIVATE, USER, Fake
from tests.fakes.network import CANARY
from tests.fakes.server import FakeServer
from tests.networks import test_x_specification as x

SPECS = x.SPECS.parent / "discourse"
SPECIFICATION = max(SPECS.glob("discourse-openapi-*.json"), default=SPECS / "discourse-openapi.json")
pytestmark = [
    x.pytestmark[0],
    x.pytestmark[1],
    pytest.mark.skipif(
        not SPECIFICATION.is_file(), reason=f"the specification of Discourse was not found at {SPECIFICATION}"
    ),
]


class Checked(Fake):
    """The fake behind the checker. What it says of other things than posts is left to the other tests."""

    def __init__(self, address):
        self.address, self.violations, self.seen = address, [], 0
        super().__init__()

    def settings(self):
        return {"site": self.address, "user": USER}

    def connector(self, secrets=None, whole=15, guard=lambda: None):
        seam = Seam(allow=["127.0.0.1"], guard=guard, whole=whole)
        seam.hooks["response"].append(self.look)
        settings = {**self.settings(), "facts": self.facts()}
        return Connector.named("discourse")(settings, Secrets({"api_key": CANARY}), seam)

    def look(self, response, **_):
        self.seen += 1
        for each in json.loads(response.headers.get("sl-violations", "[]")):
            self.violations.append((response.request.method, response.url, each["location"], each["message"]))


@pytest.fixture(scope="module")
def checker():
    house = SimpleNamespace(fake=None)
    with FakeServer(lambda asked: house.fake._answer(asked)) as behind:
        process, house.url = x.started(behind.url, SPECIFICATION)
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


def test_the_checker_sees_what_breaks_the_specification(fake):
    """Else the other test could not fail."""
    fake.say("a day without shape", created_at=7)
    fake.read(fake.connector())
    assert any("created_at" in str(each) for each in fake.violations)
    fake.violations.clear()


def test_lists_and_single_posts_fit(fake):
    for number in range(60):
        fake.say(f"post {number}")
    fake.tell(fake.say("Where is my parcel?", topic=PRIVATE), 6)
    connector = fake.connector()
    posts, bad, _, _ = fake.read(connector)
    assert len(posts) == 61
    assert not bad
    fake.source = "notifications"
    posts, bad, _, _ = fake.read(connector)
    assert [post.text for post in posts] == ["Where is my parcel?"]
    assert not bad


def test_searches_fit(fake):
    fake.say("Where is the kettle?")
    fake.source = "search:kettle"
    posts, bad, _, _ = fake.read(fake.connector())
    assert [post.text for post in posts] == ["Where is the kettle?"]
    assert not bad

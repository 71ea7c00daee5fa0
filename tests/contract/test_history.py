"""What each network gives of the time before we came, tried on its fake."""

import json
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest

from connectors.base import CURSOR_LIMIT, Budget, Connector

NETWORKS = sorted(Connector.kinds())
YEAR = timedelta(days=365)


@pytest.fixture(params=NETWORKS)
def fake(request):
    with import_module(f"tests.fakes.{request.param}").Fake() as fake:
        yield fake


def past_of(fake, source=""):
    """What the network says of a source's past after everything there is was read once."""
    connector, now = fake.connector(), datetime.now(UTC)
    _, _, cursor, _ = fake.read(connector)
    return connector.history(source or fake.source, cursor or {}, now - YEAR, now)


def polled(fake, cursor):
    """One poll that may ask for no more than a page."""
    budget = Budget(requests=fake.page_requests)
    return list(fake.connector().poll(fake.source, cursor, budget, datetime.now(UTC)))


def test_a_network_gives_its_past_or_says_in_words_why_not(fake):
    fake.say("here")
    for source in fake.connector().listening():
        past = past_of(fake, source.name)
        assert past.cursor is not None or past.words
        assert len(json.dumps(past.cursor)) <= CURSOR_LIMIT
        if past.since:
            assert past.since >= datetime.now(UTC) - YEAR - timedelta(minutes=1)


def test_the_past_is_read_piece_by_piece_and_comes_to_an_end(fake):
    for number in range(60):
        fake.say(f"post {number}")
    past = past_of(fake)
    if past.cursor is None:
        pytest.skip(f"{fake.name} gives no past")
    seen, cursor, ended = set(), past.cursor, False
    for _ in range(60):
        pages = polled(fake, json.loads(json.dumps(cursor)))
        seen |= {post.external_id for page in pages for post in page.posts}
        cursor, ended = pages[-1].cursor, pages[-1].end
        if ended:
            break
    assert ended
    assert seen >= fake.ids()


def test_asking_how_far_back_a_network_goes_asks_it_nothing(fake):
    fake.say("here")
    connector, now = fake.connector(), datetime.now(UTC)
    _, _, cursor, _ = fake.read(connector)
    before = fake.requests()
    connector.history(fake.source, cursor or {}, now - YEAR, now)
    assert fake.requests() == before

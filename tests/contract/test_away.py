"""A channel that was broken for a week: it catches up completely, and with news, not with history that is in nobody's
queue; or it says in words what it cannot have."""

import json
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
import time_machine

from connectors.base import Connector

NETWORKS = sorted(Connector.kinds())
WEEK, DAY = timedelta(days=7, hours=3), timedelta(days=1)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_channel_that_was_broken_for_a_week_catches_up_or_says_what_is_missing(network):
    now = datetime.now(UTC)
    with time_machine.travel(now - WEEK - DAY):
        fake = import_module(f"tests.fakes.{network}").Fake()
    with fake:
        for number in range(5):
            fake.say(f"before {number}")
        with time_machine.travel(now - WEEK):
            before, _, cursor, _ = fake.read(fake.connector())
        talk(fake, now)
        late, gaps = catch_up(fake, cursor, {post.external_id for post in before})
        found = {post.external_id for post in late}
        assert not any(post.history for post in late)
        found |= {post.external_id for post in before}
    if fake.forgets:
        assert found < fake.ids()
        assert said_so(gaps, now)
    else:
        assert found >= fake.ids()
        assert not gaps


def talk(fake, now):
    """Twenty posts on each of the days, the first of them more than a week ago."""
    for day in range(8):
        fake.start = now - WEEK + DAY * day + timedelta(hours=1)
        for number in range(20):
            fake.say(f"day {day}, number {number}")
    fake.holds = 20


def catch_up(fake, cursor, known):
    late, gaps = [], []
    for _ in range(fake.most_polls):
        posts, bad, cursor, told = fake.read(fake.connector(), json.loads(json.dumps(cursor)))
        assert not bad
        late += [post for post in posts if post.external_id not in known]
        gaps += told
    return late, gaps


def said_so(gaps, now):
    return any(gap.reason and gap.until > now - WEEK for gap in gaps)

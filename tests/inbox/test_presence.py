"""In which conversations somebody is replying, for whole lists: told to the readers of the team alone, at no cost for
the database, and forgotten."""

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inbox import presence, watch
from inbox.models import Agent
from socialcare import people
from tests.world import make_channel, write

ALIVE = {"HX-Request": "true"}


@pytest.fixture
def channel(cast):
    return make_channel()


def told(client, agent):
    client.force_login(agent)
    return client.get("/replying/", headers=ALIVE).content.decode()


def say(client, agent, conversation, doing):
    client.force_login(agent)
    assert client.post(f"/conversations/{conversation.pk}/presence/", {"doing": doing}).status_code == 204


def test_who_replies_is_told_in_the_lists_of_the_others(cast, channel, client):
    one = write(channel, "hello", cast.support)
    say(client, cast.max, one, "viewing")
    assert told(client, cast.ana).strip() == ""
    say(client, cast.max, one, "replying")
    assert f'data-of="{one.pk}"' in told(client, cast.ana)
    assert "Max is replying" in told(client, cast.ana)
    assert told(client, cast.max).strip() == ""
    say(client, cast.max, one, "")
    assert told(client, cast.ana).strip() == ""


def test_who_is_disabled_replies_nowhere_at_once(cast, channel, client, django_capture_on_commit_callbacks):
    one = write(channel, "hello", cast.support)
    say(client, cast.max, one, "replying")
    say(client, cast.ada, one, "replying")
    with django_capture_on_commit_callbacks(execute=True):
        people.disable(Agent.objects.get(pk=cast.max.pk), cast.ada)
    assert "Max is" not in told(client, cast.ana)
    assert "Ada is replying" in told(client, cast.ana)
    assert "Max is" not in client.get(f"/conversations/{one.pk}/presence/", headers=ALIVE).content.decode()


def test_several_who_reply_are_one_line(cast, channel, client):
    one = write(channel, "hello", cast.marketing)
    say(client, cast.max, one, "replying")
    say(client, cast.mona, one, "replying")
    assert told(client, cast.ada).count("<li") == 1
    assert "and 1 more are replying" in told(client, cast.ada)


def test_nobody_outside_a_private_team_hears_that_somebody_replies_there(cast, channel, client):
    one = write(channel, "I was treated badly", cast.hr)
    say(client, cast.hugo, one, "replying")
    assert told(client, cast.ana).strip() == ""
    stream = presence.stream_of(cast.hr.pk)
    assert stream not in watch.allowed(cast.ana.pk, [stream]).numbers
    assert stream in watch.allowed(cast.hugo.pk, [stream]).numbers


def test_many_who_reply_cost_no_statement_more(cast, channel, client):
    rows = [write(channel, f"case {n}", cast.support, author=f"a{n}") for n in range(12)]
    costs = []
    for some in (rows[:1], rows):
        for one in some:
            say(client, cast.max, one, "replying")
        client.force_login(cast.ana)
        with CaptureQueriesContext(connection) as seen:
            assert client.get("/replying/", headers=ALIVE).content.count(b"<li") == len(some)
        costs.append(len([one for one in seen if not one["sql"].startswith(("SAVEPOINT", "RELEASE"))]))
    assert costs[0] == costs[1] <= 4


def test_without_redis_nobody_is_seen_and_nothing_fails(cast, channel, client, monkeypatch):
    one = write(channel, "hello", cast.support)
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    presence._redis.cache_clear()
    try:
        say(client, cast.max, one, "replying")
        assert told(client, cast.ana).strip() == ""
    finally:
        monkeypatch.undo()
        presence._redis.cache_clear()

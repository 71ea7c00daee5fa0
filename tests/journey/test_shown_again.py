"""What a network does not show for a while is not gone: it is asked for again, and stands again when it is shown."""

from importlib import import_module

import pytest

from inbox.models import Mention
from tests.fakes.server import Reply
from tests.journey.steps import of_fake, read

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard(cast, settings):
    """A network and a channel that heard one post there, with its id."""
    settings.FETCH_ALLOW = ["127.0.0.1"]
    running = []

    def start(network):
        running.append(import_module(f"tests.fakes.{network}").Fake())
        fake = running[-1].__enter__()
        one = fake.say("my kettle burns")
        return fake, read(of_fake(fake, team=cast.support)), one

    yield start
    for fake in running:
        fake.__exit__(None, None, None)


def state_after_a_look(channel):
    read(channel, refresh=True)
    return Mention.objects.get().state


def test_a_post_that_was_for_followers_only_for_a_day_comes_back(heard, monkeypatch):
    fake, channel, one = heard("x")
    kept, look_up = fake.posts.pop(one), fake._look_up

    def protected(ids):
        answer = look_up(ids)
        for each in answer.body.get("errors", []):
            each["type"] = "https://api.twitter.com/2/problems/not-authorized-for-resource"
        return answer

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(fake, "_look_up", protected)
        assert state_after_a_look(channel) == "withheld"
    fake.posts[one] = kept
    assert state_after_a_look(channel) == "live"


def test_what_a_server_that_lags_leaves_out_of_many_is_not_called_deleted(heard, monkeypatch):
    fake, channel, one = heard("mastodon")
    answer = fake.answer

    def lagging(asked):
        batch = asked.path == "/api/v1/statuses" and asked.method == "GET"
        return Reply(200, []) if batch else answer(asked)

    monkeypatch.setattr(fake, "answer", lagging)
    assert state_after_a_look(channel) == "live"
    fake.edit(one, "my kettle burns, help!")
    assert state_after_a_look(channel) == "edited"
    fake.delete(one)
    assert state_after_a_look(channel) == "deleted"

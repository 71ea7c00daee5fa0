"""The journey against a server of the Mastodon API that is not ours: what our own fake only says is true here too."""

from datetime import timedelta

import pytest
import requests
from django.utils import timezone

from connectors import connecting, listening, sending, trying
from connectors.bells import live
from connectors.models import Channel
from inbox.models import Conversation, Mention, Reply
from tests.fakes.server import FakeServer
from tests.fakes.server import Reply as Answer
from tests.journey.attended import attended
from tests.journey.steps import answer, read, sealed, send
from tests.waiting import soon

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def mastodon():
    from mastodon_mock.testing import MockServer

    with MockServer() as server:
        yield server


@pytest.fixture
def alice(mastodon):
    """A customer; the brand is bob."""
    yield mastodon.client("alice")
    requests.delete(f"{mastodon.base_url}/api/v1/_mock/faults", timeout=5)


@pytest.fixture
def channel(cast, mastodon, alice):
    token = next(each.access_token for each in mastodon.config.seed.accounts if each.username == "bob")
    channel = sealed("@bob", "mastodon", {"server": mastodon.base_url}, {"access_token": token}, team=cast.support)
    trial = trying.test(channel)
    assert trial.ok, trial.words
    connecting.keep_facts(channel, trial.check)
    read(channel)
    Mention.objects.all().delete()
    Conversation.objects.all().delete()
    return channel


def order(mastodon, effect, method="GET", path="*", count=1, **more):
    rule = {"match": {"methods": [method], "path": path}, "effect": {"type": effect, **more}, "count": count}
    answer = requests.post(f"{mastodon.base_url}/api/v1/_mock/faults", json=rule, timeout=5)
    assert answer.ok, answer.text


def theirs(alice):
    """What bob answered, as the server has it."""
    bob = alice.account_lookup("bob")
    return [status for status in alice.account_statuses(bob.id) if status.in_reply_to_id]


def written(alice, channel, text, **more):
    status = alice.status_post(f"@bob {text}", **more)
    read(channel)
    return status, Conversation.objects.get(mentions__external_id=str(status.id))


def test_a_mention_arrives_and_its_edit_and_deletion_are_followed(alice, channel):
    status, conversation = written(alice, channel, "where is my order?")
    assert "where is my order?" in conversation.mentions.get().text
    alice.status_update(status.id, "@bob where is my second order?")
    read(channel, refresh=True)
    assert "second" in Mention.objects.get(external_id=str(status.id)).text
    alice.status_delete(status.id)
    read(channel, refresh=True)
    assert Mention.objects.get(external_id=str(status.id)).state == "deleted"


def test_a_reply_is_posted_once_and_its_answer_returns(cast, alice, channel):
    _, conversation = written(alice, channel, "still waiting")
    before = len(theirs(alice))
    reply = send(answer(cast.ana, conversation, "We look into it."))
    assert reply.state == "sent"
    assert len(theirs(alice)) == before + 1
    alice.status_post("@bob thank you", in_reply_to_id=reply.external_id)
    read(channel)
    assert conversation.mentions.count() == 2


def test_a_reply_that_was_answered_with_nonsense_is_posted_once(cast, alice, channel, mastodon):
    _, conversation = written(alice, channel, "and my refund?")
    before = len(theirs(alice))
    reply = answer(cast.ana, conversation, "Your refund is on its way.")
    order(mastodon, "malformed", "POST", "/api/v1/statuses")
    Reply.objects.update(not_before=timezone.now())
    assert sending.send(reply)
    reply.refresh_from_db()
    assert reply.state == "in_doubt"
    for _ in range(3):
        send(reply)
    assert reply.state == "sent"
    assert len(theirs(alice)) == before + 1


def test_a_reply_that_was_made_but_not_answered_is_found_and_not_repeated(cast, alice, channel, mastodon):
    _, conversation = written(alice, channel, "and my parcel?")
    before = len(theirs(alice))
    reply = answer(cast.ana, conversation, "Your parcel is on its way.")
    with FakeServer(lambda asked: swallowed(mastodon, asked)) as between:
        Channel.objects.update(settings=channel.settings | {"server": between.url})
        Reply.objects.update(not_before=timezone.now())
        assert sending.send(Reply.objects.get(pk=reply.pk))
        Channel.objects.update(settings=channel.settings)
    reply.refresh_from_db()
    assert reply.state == "in_doubt"
    assert len(theirs(alice)) == before + 1
    reply = Reply.objects.get(pk=reply.pk)
    assert send(reply).state == "sent"
    assert send(reply).external_id == str(theirs(alice)[0].id)
    assert len(theirs(alice)) == before + 1


def swallowed(mastodon, asked):
    """Hands a request on; the answer to what was written never comes back."""
    headers = {name: value for name, value in asked.headers.items() if name not in ("host", "accept-encoding")}
    url = mastodon.base_url + asked.path
    got = requests.request(asked.method, url, params=asked.query, data=asked.body, headers=headers, timeout=5)
    if asked.method == "POST":
        return Answer(manner="reset")
    return Answer(got.status_code, got.content, {"Content-Type": "application/json"})


def test_the_same_key_posts_once_at_the_server(cast, alice, channel):
    _, conversation = written(alice, channel, "hello?")
    before = len(theirs(alice))
    reply = send(answer(cast.ana, conversation, "Hello!"))
    first = reply.external_id
    Reply.objects.update(state="queued", external_id=None, not_before=timezone.now())
    reply.refresh_from_db()
    assert send(reply).external_id == first
    assert len(theirs(alice)) == before + 1


def test_a_refused_token_asks_for_reconnecting(alice, channel, mastodon, cast):
    order(mastodon, "status", status=401)
    read(channel)
    assert channel.state == "reconnect"
    channel.reconnected(channel.sealed, cast.ada)
    read(channel)
    assert channel.state == "ok"


def test_a_rate_limit_is_waited_for(alice, channel, mastodon):
    order(mastodon, "ratelimit")
    now = timezone.now()
    read(channel)
    assert channel.fault == "RateLimited"
    assert channel.next_poll_at >= now + timedelta(seconds=298)


def test_a_mention_is_announced_by_the_server_before_it_would_be_asked_for(alice, channel):
    with attended():
        soon(lambda: live() == {channel.pk})
        assert not listening.listen(channel.pk)
        alice.status_post("@bob is anybody there?")
        soon(lambda: listening.listen(channel.pk))
    assert Mention.objects.filter(text__contains="is anybody there?").exists()

"""Deliveries of X at the door of a channel that is polled as well: X's question, the signature, nothing twice, and a
delivery that never came."""

import json

import pytest
from django.test import Client

from connectors import connecting
from connectors.models import Delivery
from connectors.networks.x.access import signature
from inbox.models import Mention
from tests.fakes.network import CANARY
from tests.fakes.x import ME, Fake
from tests.journey.steps import read

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "the app's own key secret"


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


@pytest.fixture
def account(cast, fake, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    secrets = {"access_token": CANARY, "refresh_token": "again", "consumer_secret": SECRET}
    return connecting.connect("x", "@acme", {**fake.settings(), "facts": fake.facts()}, secrets, None)


def told(fake, identity, **data):
    """What X delivers of a post of Carla's."""
    known = {"users": [fake.person("carla")]}
    event = {"data": {"event_type": "post.mention.create", "payload": fake.posts[identity], **data}, "includes": known}
    return json.dumps(event)


def deliver(channel, body, secret=SECRET):
    headers = {"X-Twitter-Webhooks-Signature": signature(secret, body.encode())}
    return Client().post(f"/hooks/{channel.path}/", body, content_type="application/json", headers=headers).status_code


def test_the_question_x_asks_each_hour_is_answered_without_a_person(account):
    answer = Client().get(f"/hooks/{account.path}/", {"crc_token": "token-1"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == {"response_token": signature(SECRET, b"token-1")}
    assert Client().get(f"/hooks/{account.path}/").status_code == 400


def test_a_delivery_is_stored_before_it_is_answered_and_once(fake, account):
    body = told(fake, fake.say("Where is my parcel?"))
    assert deliver(account, body, "wrong") == 403
    assert not Delivery.objects.exists()
    assert deliver(account, body) == 200
    assert Delivery.objects.get().body == body
    assert not Mention.objects.exists()
    read(account)
    assert deliver(account, body) == 200  # somebody plays it again
    read(account)
    assert (Delivery.objects.count(), Mention.objects.count()) == (1, 1)
    assert not Delivery.objects.filter(done_at=None).exists()


def test_what_is_played_again_does_not_undo_an_edit(fake, account):
    post = fake.say("Where is my parcel?")
    old = told(fake, post)
    assert deliver(account, old) == 200
    read(account)
    fake.edit(post, "Found it")
    read(account, refresh=True)
    assert deliver(account, old) == 200
    read(account)
    assert Mention.objects.get().text.startswith("Found it")


def test_a_delivery_that_never_came_is_found_by_the_poll(fake, account):
    fake.say("Where is my parcel?")
    assert deliver(account, told(fake, fake.say("And the other one?"))) == 200
    read(account)
    assert {mention.text.split(" @")[0] for mention in Mention.objects.all()} == {
        "Where is my parcel?",
        "And the other one?",
    }


@pytest.mark.parametrize(
    "other", [{"filter": {"user_id": "4711"}}, {"payload": {"id": "9", "text": "x", "dm_conversation_id": "12-13"}}]
)
def test_what_is_for_another_account_of_the_same_app_is_none_of_ours(fake, account, other):
    post = fake.say("Where is my parcel?", names_us="payload" not in other)
    fake.posts[post]["entities"] = {"mentions": [{"id": "4711", "username": "else"}]}
    body = told(fake, post, **other)
    del fake.posts[post]
    assert deliver(account, body) == 200
    read(account)
    assert not Mention.objects.exists()


def test_what_says_that_it_is_for_us_is_taken_whatever_it_names(fake, account):
    body = told(fake, fake.say("Quoted you", names_us=False), filter={"user_id": ME["id"]})
    assert deliver(account, body) == 200
    read(account)
    assert Mention.objects.exists()


@pytest.mark.parametrize(("secret", "said"), [("", True), (SECRET, False)])
@pytest.mark.parametrize("page", ["", "connect/"])
def test_admins_see_where_x_delivers_and_what_it_needs(client, cast, fake, settings, secret, said, page):
    secrets = {"consumer_secret": secret} if secret else {}
    channel = connecting.connect("x", "@acme", fake.settings(), secrets, None)
    client.force_login(cast.ada)
    shown = client.get(f"/set-up/channels/{channel.pk}/{page}").content.decode()
    assert f"/hooks/{channel.path}/" in shown
    assert "developer.x.com" in shown
    assert ("No delivery is taken as long as “API key secret” is empty" in shown) is said

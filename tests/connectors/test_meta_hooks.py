"""Deliveries of Meta at the door of a channel that is polled as well: the handshake, the signature, and that what was
delivered is worked off."""

import hashlib
import hmac
import json

import pytest
from django.test import Client

from connectors import connecting
from connectors.listening import listen
from connectors.models import Channel, Delivery
from inbox.models import Mention
from tests.fakes.facebook import OURS, Fake
from tests.fakes.graph import SECRET
from tests.fakes.network import CANARY

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


@pytest.fixture
def page(cast, fake, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    secrets = {"access_token": CANARY, "app_secret": SECRET, "verify_token": "our word"}
    values = {**fake.settings(), "facts": fake.facts()}
    return connecting.connect("facebook", "Acme on Facebook", values, secrets, None)


def test_a_delivered_comment_is_in_the_inbox_before_the_poll_finds_it(fake, page):
    assert page.path
    address = f"/hooks/{page.path}/"
    asked = {"hub.mode": "subscribe", "hub.verify_token": "our word", "hub.challenge": "42"}
    answer = Client().get(address, asked)
    assert (answer.status_code, answer.content) == (200, b"42")
    assert Client().get(address, asked | {"hub.verify_token": "x"}).status_code == 403
    value = {"item": "comment", "verb": "add", "comment_id": "555_9001", "post_id": OURS, "parent_id": OURS,
             "from": {"id": "u-carla", "name": "Carla"}, "message": "Is it green?",
             "created_time": 1_760_000_000}  # fmt: skip
    body = json.dumps({"object": "page", "entry": [{"id": "1", "changes": [{"field": "feed", "value": value}]}]})
    good = "sha256=" + hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
    for signature, status in ((good, 200), (good, 200), ("sha256=0", 403)):
        headers = {"X-Hub-Signature-256": signature}
        assert Client().post(address, body, content_type="application/json", headers=headers).status_code == status
    assert Delivery.objects.count() == 1
    listen(page.pk)
    assert [(mention.external_id, mention.text) for mention in Mention.objects.all()] == [("555_9001", "Is it green?")]
    assert not Delivery.objects.filter(done_at=None).exists()


def test_a_page_that_takes_deliveries_is_polled_too(fake, page):
    fake.say("Is it green?")
    fake.visit("You never answer")
    fake.message("Hello?")
    for _ in range(4):  # a poll has five requests for all sources together
        listen(page.pk)
    texts = set(Mention.objects.values_list("text", flat=True))
    assert texts == {"Is it green?", "You never answer", "Hello?"}
    assert Channel.objects.get(pk=page.pk).state == "ok"

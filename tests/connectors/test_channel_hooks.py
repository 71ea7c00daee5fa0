"""The door for webhooks: stored and committed before it is answered, once, and only with a good signature."""

import json
import time
from datetime import UTC, datetime

import pytest

from connectors import listening
from connectors.arriving import quarantine
from connectors.base import Bad
from connectors.connecting import connect
from connectors.models import Channel, Delivery, Quarantined
from connectors.networks.webhook import signature
from inbox.models import Mention

POST = {
    "id": "1",
    "kind": "mention",
    "text": "where is my order",
    "author": {"id": "carla", "name": "Carla"},
    "created_at": "2026-11-01T10:00:00+00:00",
}


@pytest.fixture
def channel(cast):
    return connect("webhook", "Shop", {"target": ""}, {"secret": "s3cret"}, cast.ada)


def deliver(client, channel, body, delivery="d1", secret="s3cret", at=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    stamp = str(int(at if at is not None else time.time()))
    headers = {
        "X-Care-Timestamp": stamp,
        "X-Care-Delivery": delivery,
        "X-Care-Signature": signature(secret, stamp, raw),
    }
    return client.post(f"/hooks/{channel.path}/", raw, content_type="application/json", headers=headers)


def test_a_delivery_is_stored_answered_and_worked_off_like_a_page(client, channel):
    answer = deliver(client, channel, POST)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "bad": []}
    assert Channel.objects.due().filter(pk=channel.pk).exists()
    listening.listen(channel.pk)
    assert Mention.objects.get().text == "where is my order"
    assert Delivery.objects.get().done_at


def test_the_same_delivery_again_gets_the_same_answer_and_nothing_twice(client, channel):
    first = deliver(client, channel, [POST, {"id": "2"}])
    again = deliver(client, channel, POST)
    assert (again.status_code, again.json()) == (202, first.json())
    assert Delivery.objects.count() == 1


def test_a_delivery_that_was_caught_on_its_way_is_taken_under_no_other_name(client, channel):
    now = time.time()
    first = deliver(client, channel, {**POST, "text": "I paid 10"}, "d1", at=now - 60)
    assert deliver(client, channel, [{**POST, "text": "I paid 100"}, {"id": "2"}], "d2", at=now).status_code == 202
    for name in ("another", "d2", "d1"):
        again = deliver(client, channel, {**POST, "text": "I paid 10"}, name, at=now - 60)
        assert (again.status_code, again.json()) == (202, first.json())
    listening.listen(channel.pk)
    assert Delivery.objects.count() == 2
    assert Mention.objects.get().text == "I paid 100"
    # Who has the secret may say the same again.
    deliver(client, channel, {**POST, "text": "I paid 10"}, "d3", at=now - 30)
    listening.listen(channel.pk)
    assert Mention.objects.get().text == "I paid 10"


def test_nothing_is_stored_without_a_good_signature(client, channel):
    assert deliver(client, channel, POST, secret="wrong").status_code == 403
    assert deliver(client, channel, POST, at=time.time() - 400).status_code == 403
    assert client.post(f"/hooks/{channel.path}/", POST, content_type="application/json").status_code == 403
    assert not Delivery.objects.exists()


def test_unknown_paths_and_channels_without_one_are_not_there(client, channel):
    assert client.post("/hooks/nothing/", POST, content_type="application/json").status_code == 404
    assert client.post("/hooks/None/", POST, content_type="application/json").status_code == 404


def test_a_body_over_a_megabyte_is_refused(client, channel):
    assert deliver(client, channel, b"[" + b" " * 2**20 + b"]").status_code == 413
    assert not Delivery.objects.exists()


def test_a_paused_channel_still_stores(client, channel, cast):
    channel.pause(cast.ada)
    assert deliver(client, channel, POST).status_code == 202
    assert not listening.listen(channel.pk)
    channel.resume(cast.ada)
    listening.listen(channel.pk)
    assert Mention.objects.exists()


def test_the_address_is_shown_to_admins(client, cast, channel):
    client.force_login(cast.ada)
    assert f"/hooks/{channel.path}/" in client.get(f"/set-up/channels/{channel.pk}/").content.decode()


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity"])
@pytest.mark.parametrize("item", [POST, {"id": "1"}], ids=["readable", "unreadable"])
def test_a_number_that_is_none_holds_up_no_other_delivery(client, channel, item, number):
    body = json.dumps([{**item, "x": "here"}]).replace('"here"', number)
    deliver(client, channel, body.encode())
    deliver(client, channel, {**POST, "id": "2", "text": "second"}, delivery="d2")
    listening.listen(channel.pk)
    channel.refresh_from_db()
    assert (channel.state, channel.failures) == ("ok", 0)
    assert Mention.objects.filter(text="second").exists()
    assert Mention.objects.filter(external_id="1").exists() == (item is POST)


STRANGE = {"object": {"a": object()}, "digits": [10**5_000], "time": {"at": datetime(2026, 1, 1, tzinfo=UTC)}}


@pytest.mark.parametrize("raw", STRANGE.values(), ids=STRANGE)
def test_an_item_that_is_no_json_is_set_aside_too(channel, raw):
    quarantine(channel, "deliveries", [Bad("1", "It is none.", raw), Bad("2", "Nor this.", {})])
    assert Quarantined.objects.count() == 2

"""Deliveries: who may make one, when, of what shape; and what is said about each item that is wrong."""

import json
from datetime import UTC, datetime

import pytest

from connectors.base import Accepted, Rejected
from tests.fakes.network import CANARY
from tests.fakes.webhook import Fake

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp())
ITEM = {"id": "1", "text": "Hilfe 🫖", "author": {"id": "c", "name": "Carla"}, "created_at": "2026-11-22T11:00:00Z"}
BODY = json.dumps(ITEM).encode()


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def status(answer):
    return 202 if isinstance(answer, Accepted) else answer.status


@pytest.mark.parametrize(("off", "expected"), [(-301, 403), (-299, 202), (0, 202), (299, 202), (301, 403)])
def test_a_delivery_is_taken_within_five_minutes_of_its_timestamp(fake, off, expected):
    assert status(fake.connector().receive(fake.delivery(BODY, stamp=STAMP + off), NOW)) == expected


@pytest.mark.parametrize("change", [
    {"x-care-signature": ""}, {"x-care-signature": "v1=" + "0" * 64}, {"x-care-signature": "v1=é"},
    {"x-care-timestamp": "x"}, {"x-care-timestamp": str(STAMP + 1)}, {"x-care-timestamp": "١٢٣"},
])  # fmt: skip
def test_a_delivery_without_a_true_signature_is_refused(fake, change):
    delivery = fake.delivery(BODY, stamp=STAMP, **change)
    assert status(fake.connector().receive(delivery, NOW)) == 403


def test_one_changed_byte_breaks_the_signature(fake):
    delivery = fake.delivery(BODY, stamp=STAMP)
    changed = type(delivery)("POST", delivery.headers, BODY.replace(b"1", b"2", 1))
    assert status(fake.connector().receive(changed, NOW)) == 403


def test_two_secrets_are_valid_while_they_are_changed_over(fake):
    both = fake.connector({"secret": "new-secret", "secret_before": CANARY})
    for secret, expected in (("new-secret", 202), (CANARY, 202), ("other", 403)):
        assert status(both.receive(fake.delivery(BODY, secret=secret, stamp=STAMP), NOW)) == expected


def test_a_channel_without_a_secret_takes_nothing(fake):
    assert status(fake.connector({}).receive(fake.delivery(BODY, secret="", stamp=STAMP), NOW)) == 403


@pytest.mark.parametrize(("body", "expected"), [
    (b"x" * 1_000_001, 413), (b"\xff", 400), (b"{", 400), (b'{"id": "1", "id": "2"}', 400), (b"[]", 400),
    (json.dumps([ITEM] * 101).encode(), 400), (json.dumps([ITEM] * 100).encode(), 202), (b"[" * 100_000, 400),
], ids=range(8))  # fmt: skip
def test_a_body_of_the_wrong_shape_is_refused_whole(fake, body, expected):
    assert status(fake.connector().receive(fake.delivery(body, stamp=STAMP), NOW)) == expected


@pytest.mark.parametrize(("headers", "expected"), [
    ({"content-type": "text/plain"}, 415), ({"content-type": "application/json; charset=utf-8"}, 202),
    ({"x-care-delivery": ""}, 400), ({"x-care-delivery": "d" * 129}, 400),
])  # fmt: skip
def test_headers_say_what_it_is(fake, headers, expected):
    assert status(fake.connector().receive(fake.delivery(BODY, stamp=STAMP, **headers), NOW)) == expected


def test_only_post_delivers(fake):
    delivery = fake.delivery(BODY, stamp=STAMP)
    assert fake.connector().receive(type(delivery)("GET", delivery.headers, BODY), NOW) == Rejected(
        405, "Deliveries are POSTed."
    )


@pytest.mark.parametrize(("wrong", "reason"), [
    ({"author": "carla"}, "author is not an object"), ({"author": None}, "author is missing"),
    ({"author": {"id": 1.5}}, "author.id is neither text nor a whole number"), ({"id": ""}, "id is missing"),
    ({"id": True}, "id is neither text nor a whole number"),
    ({"media": "x"}, "media is not a list of objects with url"),
    ({"media": [{"kind": "image"}]}, "media is not a list of objects with url"),
    ({"rating": "five"}, "rating is no number of stars"), ({"rating": {}}, "rating is no number of stars"),
    ({"created_at": 5}, "created_at is not a time such as 2026-11-22T21:17:00Z"),
    ({"created_at": "soon"}, "created_at is not a time such as 2026-11-22T21:17:00Z"),
    ({"state": 3}, "state is none of live, edited, deleted, withheld"), ({"lang": 3}, "lang is not text"),
    ({"visibility": ["x"]}, "visibility is none of public, unlisted, followers, direct, held"),
])  # fmt: skip
def test_what_is_wrong_with_an_item_names_the_field_and_what_it_is_to_be(fake, wrong, reason):
    answer = fake.connector().receive(fake.delivery(json.dumps(ITEM | wrong).encode(), stamp=STAMP), NOW)
    assert answer.answer["bad"] == [{"index": 0, "reason": reason}]


def test_a_kind_that_is_none_is_refused_with_those_there_are(fake):
    body = json.dumps(ITEM | {"kind": "nonsense"}).encode()
    reason = fake.connector().receive(fake.delivery(body, stamp=STAMP), NOW).answer["bad"][0]["reason"]
    assert reason.startswith("kind is none of mention, reply, quote")


@pytest.mark.parametrize("wrong", [
    {"author": None}, {"author": {"name": "x"}}, {"created_at": None}, {"created_at": "soon"}, {"id": None},
    {"id": True}, {"text": 7}, {"text": ""}, {"kind": "rumour"}, {"state": "lost"}, {"rating": "NaN"},
    {"rating": [1]}, {"media": [{}]},
])  # fmt: skip
def test_a_wrong_item_is_named_and_stops_no_other(fake, wrong):
    body = json.dumps([ITEM, ITEM | wrong, "text", ITEM | {"id": "2"}]).encode()
    answer = fake.connector().receive(fake.delivery(body, stamp=STAMP), NOW)
    assert answer.answer["accepted"] == 2
    assert [each["index"] for each in answer.answer["bad"]] == [1, 2]
    assert all(each["reason"] for each in answer.answer["bad"])


def test_identities_of_two_webhooks_do_not_meet(fake):
    ours = fake.connector()
    (post,) = ours.unpack(BODY, NOW).posts
    other = type(ours)({"path": "other-path"}, ours.secrets, ours.seam)
    (same,) = other.unpack(BODY, NOW).posts
    assert post.author.external_id != same.author.external_id
    assert ours.space != other.space
    assert "secret-path" not in post.author.external_id + ours.space


def test_a_link_that_is_no_web_address_is_dropped(fake):
    body = json.dumps(
        ITEM | {"url": "javascript:alert(1)", "author": {"id": "c", "avatar": "data:x", "url": "ftp://x"}}
    ).encode()
    (post,) = fake.connector().unpack(body, NOW).posts
    assert (post.url, post.author.url, post.author.avatar_url) == ("", "", "")

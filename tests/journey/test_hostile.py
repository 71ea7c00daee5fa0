"""Whatever strangers send is stored as text or set aside with a reason; nothing is lost, nobody else is held up and
everything ends in time."""

import gzip
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from connectors.models import Channel, Delivery, Quarantined
from connectors.networks.webhook import signature
from connectors.text import storable_json
from inbox.models import Conversation, Mention
from tests.fakes.server import FakeServer, Reply
from tests.journey.steps import read, sealed
from tests.waiting import costs

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "bidi": "harmless \u202e txt.exe \u2066\u2069",
    "marks": "e" + "\u0301" * 50_000,
    "javascript": "javascript:alert(1) [x](javascript:alert(1))",
    "nul": "a\x00b",
    "surrogate": "lone \ud800 surrogate",
    "word": "x" * 1_000_000,
    "array": '{"},{",NULL,\\" \\\\ \'; DROP TABLE inbox_mention; --',
    "template": "{{ 7*7 }} {% load x %} %s %(x)s ${7*7}",
    "separators": "a\u2028b\u2029c\ufeff\u200b",
}


def item(network, name, text="hello", **fields):
    """A post on the demo network with whatever fields."""
    said = network.say(name, text)
    for field, value in fields.items():
        setattr(said, field, value)
    return said


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_is_stored_as_text_and_its_neighbours_too(network, channel, name):
    network.say("carla", "before")
    hostile = network.say("theo", TEXTS[name])
    network.say("wes", "after")
    with costs(5):
        read(channel)
    assert channel.state == "ok"
    assert Mention.objects.count() == 3
    stored = Mention.objects.get(external_id=hostile.id).text
    assert stored == TEXTS[name].replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert len(Conversation.objects.get(mentions__external_id=hostile.id).excerpt) <= 140


@pytest.mark.parametrize(
    "at",
    [
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00+00:00",
        "1066-10-14T09:00:00+00:00",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:59.999999+00:00",
        "2126-01-01T00:00:00+00:00",
    ],
)
@pytest.mark.parametrize("field", ["created_at", "edited_at"])
def test_an_impossible_time_neither_stops_a_page_nor_stands_on_top_of_the_queue(network, channel, field, at):
    item(network, "carla", **{field: at})
    network.say("theo", "after")
    read(channel)
    now = timezone.now() + timedelta(seconds=1)
    mentions = list(Mention.objects.all())
    assert len(mentions) == 2, [*Quarantined.objects.values_list("reason", flat=True)]
    assert all(datetime(1970, 1, 1, tzinfo=UTC) <= mention.posted_at <= now for mention in mentions)
    assert all(mention.edited_at is None or mention.edited_at <= now for mention in mentions)
    assert all(conversation.newest_at <= now for conversation in Conversation.objects.all())


@pytest.mark.parametrize(
    "author",
    [
        {"id": "x" * 5_000, "handle": "h" * 5_000, "name": "n\x00" * 5_000},
        {"id": "a", "followers": 10**30},
        {"id": "b", "followers": -5},
        {"id": 'q"\\{}', "name": "NULL", "handle": "{NULL}"},
    ],
)
def test_an_impossible_author_is_stored_as_far_as_possible(network, channel, author):
    item(network, "carla", author=author)
    network.say("theo", "after")
    read(channel)
    assert Mention.objects.count() == 2, [*Quarantined.objects.values_list("reason", flat=True)]


def test_ids_of_any_length_stay_different_and_are_stored_once(network, channel):
    first, second = network.say("carla", "one"), network.say("carla", "two")
    first.id, second.id = "x" * 5_000, "x" * 4_999 + "y"
    for _ in range(2):
        read(channel)
    assert Mention.objects.count() == 2


def test_what_is_nested_deeper_than_anything_real_is_kept_to_a_depth():
    nested = []
    for _ in range(5_000):
        nested = [nested]
    assert len(json.dumps(storable_json(nested))) < 1_000


def deliver(client, channel, body, delivery="d1", secret="s3cret", at=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    stamp = str(int(at if at is not None else time.time()))
    signed = {
        "X-Care-Timestamp": stamp,
        "X-Care-Delivery": delivery,
        "X-Care-Signature": signature(secret, stamp, raw),
    }
    return client.post(f"/hooks/{channel.path}/", raw, content_type="application/json", headers=signed)


def said(number, **fields):
    author = {"id": f"a{number}", "name": "Carla"}
    return {"id": str(number), "text": "hello", "author": author, "created_at": "2026-11-01T10:00:00Z"} | fields


@pytest.fixture
def shop(cast):
    return sealed("Shop", "webhook", {"target": ""}, {"secret": "s3cret"}, path="p" * 32, team=cast.support)


def test_ten_thousand_pictures_and_deep_nesting_are_one_post_like_any_other(client, shop):
    deep = '{"a":' * 700 + "1" + "}" * 700
    media = [{"kind": "image", "url": f"https://x.example/{n}"} for n in range(10_000)]
    posts = json.dumps([said(1, media=media), said(2, extra="DEEP"), said(3)]).replace('"DEEP"', deep).encode()
    with costs(5):
        assert deliver(client, shop, posts).status_code == 202
        read(shop)
    assert Mention.objects.count() == 3, [*Quarantined.objects.values_list("reason", flat=True)]


@pytest.mark.parametrize("rating", ["999.99", 1000, "1e3", "NaN", -1000])
def test_an_impossible_rating_is_set_aside_and_its_neighbours_are_stored(client, shop, rating):
    assert deliver(client, shop, [said(1), said(2, rating=rating), said(3)]).status_code == 202
    read(shop)
    assert set(Mention.objects.values_list("external_id", flat=True)) == {"1", "3"}
    assert Quarantined.objects.get().reason
    assert shop.state == "ok"


def test_deliveries_that_are_forged_stale_replayed_or_too_large_store_nothing(client, shop, cast):
    other = sealed("Other", "webhook", {"target": ""}, {"secret": "0ther"}, path="q" * 32, team=cast.support)
    assert deliver(client, shop, said(1), secret="0ther").status_code == 403
    assert deliver(client, other, said(1), secret="s3cret").status_code == 403
    assert deliver(client, shop, said(1), at=time.time() - 301).status_code == 403
    assert deliver(client, shop, said(1), at=time.time() + 400).status_code == 403
    assert deliver(client, shop, b" " * (2**20 + 1)).status_code == 413
    assert deliver(client, shop, b"[" * 200_000).status_code == 400
    assert not Delivery.objects.exists()
    assert deliver(client, shop, said(1)).status_code == 202
    assert deliver(client, shop, said(1)).status_code == 202
    assert Delivery.objects.count() == 1
    read(shop)
    assert Mention.objects.count() == 1


# Feeds

GOOD = (
    b"<?xml version='1.0' encoding='utf-8'?><rss version='2.0'><channel><title>Blog</title>"
    b"<item><guid>1</guid><title>Acme is late</title></item></channel></rss>"
)
ENTITIES = (
    "<?xml version='1.0'?><!DOCTYPE r [<!ENTITY a 'lollollollollol'>"
    + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9))
    + "]><rss version='2.0'><channel><title>B</title><item><guid>1</guid><title>&j;</title></item></channel></rss>"
).encode()
OUTSIDE = (
    b"<?xml version='1.0'?><!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
    b"<rss version='2.0'><channel><title>B</title><item><guid>1</guid><title>&x;</title></item></channel></rss>"
)


@pytest.fixture
def site():
    answers = {}
    with FakeServer(lambda asked: answers.get(asked.path, Reply(404))) as server:
        server.answers = answers
        yield server


def feed(site, answer, path="/feed", **fields):
    site.answers[path] = answer
    return sealed("Blog", "feed", {"url": f"{site.url}{path}"}, {}, **fields)


def test_a_feed_cut_in_the_middle_loses_nothing(cast, site):
    channel = feed(site, Reply(200, GOOD, manner="cut"), team=cast.support)
    read(channel)
    assert (channel.state, channel.fault) == ("slow", "Unavailable")
    site.answers["/feed"] = Reply(200, GOOD)
    read(channel)
    assert channel.state == "ok"
    assert Mention.objects.count() == 1


FEEDS = {
    "huge": (Reply(200, GOOD + b" " * 11_000_000), "MB"),
    "gzip bomb": (Reply(200, gzip.compress(b"<" * 200_000_000), {"Content-Encoding": "gzip"}), "MB"),
    "broken gzip": (Reply(200, b"\x1f\x8bnonsense", {"Content-Encoding": "gzip"}), "compression"),
    "no feed": (Reply(200, b"hello"), "no feed"),
    "a page": (Reply(200, b"<!doctype html><html><body>Sign in</body></html>"), "page"),
    "empty": (Reply(200, b""), "no feed"),
    "gone": (Reply(410), "no longer there"),
}


@pytest.mark.parametrize("kind", FEEDS)
def test_a_feed_that_cannot_be_read_says_why_in_words_and_rests(cast, site, network, channel, kind):
    answer, words = FEEDS[kind]
    blog = feed(site, answer, team=cast.support)
    with costs(10):
        read(blog)
    assert blog.state == "slow"
    assert words in blog.fault_words
    assert blog.next_poll_at > timezone.now()
    network.say("carla", "hello")
    read(channel)
    assert Mention.objects.count() == 1


@pytest.mark.parametrize("body", [ENTITIES, OUTSIDE], ids=["bomb", "outside"])
def test_entities_of_a_feed_are_neither_blown_up_nor_fetched(cast, site, body):
    blog = feed(site, Reply(200, body), team=cast.support)
    with costs(5):
        read(blog)
    for mention in Mention.objects.all():
        assert len(mention.text) < 10_000
        assert "root:" not in mention.text


def test_a_feed_that_lies_about_its_alphabet_is_read(cast, site):
    body = GOOD.replace(b"utf-8", b"utf-16").replace(b"late", "spät".encode())
    blog = feed(site, Reply(200, body, {"Content-Type": "text/xml; charset=ascii"}), team=cast.support)
    read(blog)
    assert Mention.objects.count() == 1
    assert blog.state == "ok"


def test_a_feed_on_a_private_address_is_not_asked_for(cast, site, settings):
    settings.FETCH_ALLOW = []
    blog = feed(site, Reply(200, GOOD), team=cast.support)
    read(blog)
    assert not site.asked
    assert blog.fault == "NotPermitted"
    assert "FETCH_ALLOW" in blog.fault_words


@pytest.mark.parametrize("target", ["http://127.0.0.2:1/", "http://[::1]:1/", "http://169.254.169.254/latest/"])
def test_a_feed_that_leads_to_a_private_address_is_not_followed(cast, site, target):
    blog = feed(site, Reply(302, b"", {"Location": target}), team=cast.support)
    read(blog)
    assert len(site.asked) == 1
    assert blog.fault == "NotPermitted"


def test_a_wrong_token_is_told_in_words_and_shows_nowhere(cast, server):
    channel = sealed("@acme", "demo", {"base_url": server.url}, {"token": "a-wrong-secret"}, team=cast.support)
    read(channel)
    assert channel.state == "reconnect"
    assert "connect the channel again" in channel.fault_words
    assert "a-wrong-secret" not in json.dumps(list(Channel.objects.values()), default=str)

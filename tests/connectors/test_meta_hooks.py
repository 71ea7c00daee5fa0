"""Deliveries of Meta at the door of a channel that is polled as well: the handshake, the signature, and that what was
delivered is worked off."""

import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from connectors import connecting, hooking
from connectors.listening import listen
from connectors.models import Channel, Delivery, Quarantined
from connectors.retrying import retry
from inbox.models import Mention
from tests.fakes import instagram
from tests.fakes.facebook import OURS, Fake
from tests.fakes.graph import SECRET, refused
from tests.fakes.network import CANARY
from tests.journey.steps import read

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


def test_meta_is_asked_to_deliver_once_the_word_for_the_webhook_is_there(fake, page, settings):
    settings.PUBLIC_URL = "https://care.example.com"
    fake.subscribed = [{"id": "another"}, {"id": "app-1", "subscribed_fields": ["leadgen"]}]
    assert hooking.arrange(page) == ""
    assert fake.subscribed == [{"id": "app-1", "subscribed_fields": ["feed", "leadgen", "mention", "messages"]}]
    before = fake.writings()
    hooking.arrange(page)
    hooking.withdraw(page)  # the same app may deliver for another channel of this page
    assert fake.writings() == before
    Channel.objects.filter(pk=page.pk).update(sealed={**page.sealed, "verify_token": ""})
    page.refresh_from_db()
    asked = fake.requests()
    hooking.arrange(page)
    assert fake.requests() == asked


def test_a_missing_right_to_deliveries_is_told_and_stops_no_look_at_the_account(fake, page, settings):
    settings.PUBLIC_URL = "https://care.example.com"
    written = fake.written_to_page
    fake.written_to_page = lambda edge, given: refused(200) if edge == "subscribed_apps" else written(edge, given)
    assert "lacks a permission" in hooking.arrange(page)
    read(page)
    page.sources.update(next_at=timezone.now() + timedelta(hours=1))
    Channel.objects.filter(pk=page.pk).update(check_at=timezone.now(), next_poll_at=timezone.now())
    assert listen(page.pk)
    page.refresh_from_db()
    assert page.check_at > timezone.now() + timedelta(hours=23)


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


@pytest.fixture
def gram():
    with instagram.Fake() as fake:
        yield fake


@pytest.fixture
def mentioned(cast, gram, settings):
    """A channel to which a mention was delivered; the network is asked what it says."""
    settings.FETCH_ALLOW = ["127.0.0.1"]
    gram.say("Is it green?")
    given = {"access_token": CANARY, "app_secret": SECRET, "verify_token": "our word", "user_token": "a-person"}
    channel = connecting.connect("instagram", "Acme", {**gram.settings(), "facts": gram.facts()}, given, None)
    value = {"media_id": "5", "comment_id": gram.comment("Look, @acme", "theo", medium="5")}
    body = {"object": "instagram", "entry": [{"id": "178", "changes": [{"field": "mentions", "value": value}]}]}
    Delivery.objects.create(channel=channel, delivery_id="d1", body=json.dumps(body))
    return channel


def answers_badly(gram, monkeypatch, *bad):
    """Meta answers this when it is asked about a comment that mentions us."""
    real = gram.answered

    def answered(method, path, given):
        return refused(*bad) if "mentioned_comment" in str(given.get("fields")) else real(method, path, given)

    monkeypatch.setattr(gram, "answered", answered)


def test_a_delivery_that_the_network_cannot_explain_waits_and_stops_nothing_else(gram, mentioned, monkeypatch):
    with monkeypatch.context() as meanwhile:
        answers_badly(gram, meanwhile, 1, None, 500)
        for _ in range(3):
            read(mentioned)
        assert set(Mention.objects.values_list("text", flat=True)) == {"Is it green?"}
        waiting = Delivery.objects.get()
        assert waiting.done_at is None
        assert waiting.not_before > timezone.now()
        assert mentioned.next_poll_at > timezone.now()  # not again and again without a pause
        Delivery.objects.update(not_before=None, at=timezone.now() - timedelta(days=4))
        read(mentioned)
    assert Delivery.objects.get().done_at
    item = Quarantined.objects.get()
    assert "cannot be reached" in item.reason
    assert retry(item) == ""
    assert Mention.objects.filter(text="Look, @acme").exists()


def test_a_picture_that_is_closed_to_us_stands_aside_until_its_comments_are_read(gram, cast, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    gram.say("Is it green?")
    gram.close_off()
    gram.comment("And this one?", "theo", medium="17901")
    secrets = {"access_token": CANARY, "app_secret": SECRET}
    channel = connecting.connect("instagram", "Acme", {**gram.settings(), "facts": gram.facts()}, secrets, None)
    for _ in range(5):  # the past is read to its end too
        read(channel)
    item = Quarantined.objects.get()
    assert item.external_id == "17901"
    asked = gram.requests()
    assert "kept from us" in retry(item)
    assert gram.requests() == asked
    assert Quarantined.objects.filter(pk=item.pk).exists()
    gram.forbidden.clear()
    source = channel.sources.get(name="comments")
    del source.cursor["posts"]["17901"]  # as if another cursor was reading when it was refused, or this one forgot it
    source.save(update_fields=["cursor"])
    for _ in range(2):
        read(channel)
    assert Mention.objects.filter(text="And this one?").exists()
    assert not Quarantined.objects.exists()


def test_a_page_all_of_whose_comments_are_kept_from_us_says_so(fake, page, monkeypatch):
    fake.say("Is it green?")
    fake.close_off()
    monkeypatch.setattr(fake, "is_forbidden", lambda asked: asked.path.endswith("/comments"))
    for _ in range(3):
        channel = read(page)
        assert (channel.state, page.sources.get(name="comments").fault) == ("slow", "NotPermitted")
    assert not Quarantined.objects.exists()


def test_access_that_ran_out_is_renewed_although_a_delivery_waits(gram, mentioned, monkeypatch):
    gram.pages = ({"id": "1", "name": "Acme", "access_token": "fresh-token-1"},)
    monkeypatch.setattr(gram, "known_tokens", lambda: {"fresh-token-1", "a-person"})
    real = gram.answer

    def answer(asked):
        ran_out = asked.headers.get("authorization", "").removeprefix("Bearer ") == CANARY
        return refused(190, 463) if ran_out else real(asked)

    monkeypatch.setattr(gram, "answer", answer)
    for _ in range(2):
        read(mentioned)
    assert set(Mention.objects.values_list("text", flat=True)) == {"Is it green?", "Look, @acme"}
    assert mentioned.state == "ok"

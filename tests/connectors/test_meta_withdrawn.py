"""Whoever signed in takes the access back at Meta, or wants deleted what the app holds of them."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from connectors import connecting
from connectors.connecting import keep_facts
from connectors.listening import listen
from connectors.models import Channel, Delivery
from connectors.opening import opened, opened_secrets
from inbox.models import Event
from tests.fakes import instagram, threads
from tests.fakes.facebook import Fake
from tests.fakes.graph import SECRET, refused
from tests.fakes.network import CANARY
from tests.journey.steps import read

pytestmark = pytest.mark.django_db(transaction=True)
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def fake(settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with Fake() as fake:
        yield fake


def connected(fake, name, **more):
    secrets = {"access_token": CANARY, "user_token": "person-long-token", "app_secret": SECRET}
    values = {**fake.settings(), "app_id": "app-1", "facts": fake.facts()} | more
    channel = connecting.connect(fake.name, name, values, secrets, None)
    assert keep_facts(channel, opened(channel).check())
    return channel


@pytest.fixture
def page(cast, fake):
    return connected(fake, "Acme on Facebook")


def plain(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def request(user="10158000000004711", secret=SECRET, **more):
    told = {"user_id": user, "algorithm": "HMAC-SHA256", "issued_at": 1_795_000_000} | more
    payload = plain(json.dumps(told).encode())
    return f"{plain(hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest())}.{payload}"


def asked(channel, signed):
    return Client().post(f"/hooks/{channel.path}/", f"signed_request={signed}", content_type=FORM)


def shown(told):
    """What the page of the confirmation code says."""
    answer = Client().get(f"/deletions/{told['confirmation_code']}/")
    assert answer.status_code == 200
    return answer.content.decode()


def unknown(page):
    """A channel of which nobody knows who signed in for it."""
    facts = {name: value for name, value in page.settings["facts"].items() if name != "signed_in_as"}
    later = timezone.now() + timedelta(days=1)
    Channel.objects.filter(pk=page.pk).update(settings={**page.settings, "facts": facts}, check_at=later)
    return Channel.objects.get(pk=page.pk)


def test_what_was_held_by_that_access_goes_and_whoever_asked_can_read_so(page):
    assert page.settings["facts"]["signed_in_as"] == "10158000000004711"
    answer = asked(page, request())
    assert answer.status_code == 200
    told = answer.json()
    assert set(told) == {"url", "confirmation_code"}
    assert told["url"].endswith(f"/deletions/{told['confirmation_code']}/")
    page.refresh_from_db()
    assert dict(opened_secrets(page)) == {"app_secret": SECRET}
    assert "10158000000004711" not in json.dumps([page.settings, page.exchanges]) + repr(
        list(Delivery.objects.values())
    )
    assert (page.state, page.fault) == ("reconnect", "AuthRevoked")
    assert Event.objects.filter(stream="admin").count()
    assert "The access to the network" in shown(told)
    assert "the number by which the network knows you there, were deleted here" in shown(told)


def test_the_same_request_once_more_gets_the_same_answer_and_takes_no_new_access(page):
    first, signed = asked(page, request()).json(), request()
    page.refresh_from_db()
    connecting.reconnect(page, {"access_token": CANARY}, None)
    assert asked(page, signed).json() == first
    page.refresh_from_db()
    assert opened_secrets(page)["access_token"] == CANARY
    assert asked(page, request(issued_at=1_795_000_001)).json() != first


def test_all_channels_of_the_app_that_live_by_it_let_go_and_no_other(fake, page):
    with instagram.Fake() as other:
        same, another = connected(other, "Acme on Instagram"), connected(fake, "Another app", app_id="app-2")
    others = connected(fake, "Somebody else's")
    facts = {**others.settings["facts"], "signed_in_as": "9999"}
    Channel.objects.filter(pk=others.pk).update(settings={**others.settings, "facts": facts})
    asked(page, request())
    held = {one.name: "access_token" in one.sealed for one in Channel.objects.all()}
    assert held == {page.name: False, same.name: False, another.name: True, others.name: True}


def test_where_nobody_knows_who_signed_in_nothing_is_taken_before_the_network_refuses_it(fake, page):
    page = unknown(page)
    told = asked(page, request(user="anybody")).json()
    assert "no access was held here that is known to be yours" in shown(told)
    assert "were deleted" not in shown(told)
    page.refresh_from_db()
    assert opened_secrets(page)["access_token"] == CANARY
    assert page.state == Channel.State.OK
    assert page.check_at <= timezone.now()
    fake.order("401")
    page = read(page)
    assert (page.state, dict(opened_secrets(page))) == ("reconnect", {"app_secret": SECRET})


def test_what_the_network_still_grants_was_not_taken_back(fake, page):
    page = read(unknown(page))
    asked(page, request(user="anybody"))
    assert listen(page.pk)
    page.refresh_from_db()
    assert page.settings["facts"]["signed_in_as"] == "10158000000004711"
    fake.order("401")
    page = read(page)
    assert (page.state, "access_token" in page.sealed) == ("reconnect", True)


def test_what_the_network_refused_before_goes_too_where_nobody_knows_who_signed_in(page):
    page = unknown(page)
    page.broken("reconnect", "AuthRevoked", "Sign in again.")
    asked(page, request(user="anybody"))
    page.refresh_from_db()
    assert dict(opened_secrets(page)) == {"app_secret": SECRET}


def test_who_signed_in_stays_known_when_it_cannot_be_looked_up_again(fake, page, monkeypatch):
    monkeypatch.setattr(fake, "token_info", lambda given: refused(1, status=500))
    assert keep_facts(page, opened(page).check())
    page.refresh_from_db()
    assert page.settings["facts"]["signed_in_as"] == "10158000000004711"


@pytest.mark.parametrize("how", ["signed in again", "keys entered"])
def test_who_signed_in_before_is_not_taken_for_whoever_signed_in_since(fake, page, monkeypatch, how):
    fresh = {"access_token": CANARY, "user_token": "another-person"}
    if how == "keys entered":
        connecting.change(page, {"settings": {"page": "1"}}, None, fresh)
    else:
        connecting.reconnect(page, fresh, None)
    monkeypatch.setattr(fake, "token_info", lambda given: refused(1, status=500))
    page.refresh_from_db()
    assert keep_facts(page, opened(page).check())
    asked(page, request())
    page.refresh_from_db()
    assert ("access_token" in page.sealed, "signed_in_as" in page.settings["facts"]) == (True, False)
    assert page.settings["facts"]["page_id"] == "1"
    assert page.check_at <= timezone.now()


def test_a_poll_under_way_does_not_call_a_channel_well_that_has_let_go(page):
    began = Channel.objects.get(pk=page.pk)
    asked(page, request())
    began.healed(began.cursor_version)
    page.refresh_from_db()
    assert page.state == "reconnect"


@pytest.mark.parametrize(
    ("signed", "status"),
    [(request(secret="another"), 403), ("x", 403), ("", 403), (request().split(".")[1], 403),
     ("é." + request().split(".")[1], 403), (request(algorithm="none"), 400), (request(user=""), 400)],
)  # fmt: skip
def test_what_is_not_signed_by_meta_or_names_nobody_changes_nothing(page, signed, status):
    assert asked(page, signed).status_code == status
    page.refresh_from_db()
    assert "access_token" in page.sealed
    assert not Delivery.objects.exists()


def test_without_the_apps_secret_nobody_is_believed(page):
    Channel.objects.filter(pk=page.pk).update(sealed={})
    assert asked(page, request(secret="")).status_code == 403


def test_threads_hears_it_of_its_own_app_and_for_the_account_that_signed_in(page):
    with threads.Fake() as other:
        channel, others = (connected(other, name) for name in ("Acme on Threads", "Another account"))
        facts = {**others.settings["facts"], "signed_in_as": "78"}
        Channel.objects.filter(pk=others.pk).update(settings={**others.settings, "facts": facts})
        assert asked(channel, request(user="77", secret="another")).status_code == 403
        told = asked(channel, request(user="77")).json()
    assert "The access to your account" in shown(told)
    assert "Number and name of the account stay" in shown(told)
    held = {one.name: "access_token" in one.sealed for one in Channel.objects.all()}
    assert held == {page.name: True, channel.name: False, others.name: True}


@pytest.mark.parametrize("code", ["x", "1-x", f"1-{'a' * 32}", f"{'9' * 15}-{'a' * 32}", f"1-{'a' * 33}"])
def test_a_code_that_nobody_gave_is_not_known(page, code):
    assert Client().get(f"/deletions/{code}/").status_code == 404


def test_a_channel_that_was_left_goes_on_where_it_stood_after_another_sign_in(fake, page):
    fake.say("one")
    read(page)
    asked(page, request())
    page.refresh_from_db()
    fake.say("two")
    connecting.reconnect(page, {"access_token": CANARY}, None)
    assert read(page).state == Channel.State.OK
    assert page.mentions.count() == 2

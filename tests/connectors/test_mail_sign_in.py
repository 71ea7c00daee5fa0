"""A mailbox that is signed in to at its provider: by an app of the organisation's own, without a password, renewed
before it ends."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.utils import timezone

from connectors import access, connecting
from connectors.base import AuthExpired, AuthRevoked, Connector, Invalid, Outgoing, Secrets
from connectors.models import Channel
from connectors.opening import opened_secrets
from tests.fakes.authority import CLIENT, SECRET, Authority
from tests.fakes.mail import US, Fake
from tests.fakes.network import CANARY
from tests.journey.steps import of_fake, read

BACK, NOW = "https://desk.example/back/", datetime.now(UTC)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


@pytest.fixture
def provider(fake):
    with Authority(fake) as provider:
        yield provider


def mailbox(fake, provider, secrets=None, **settings):
    connector = fake.connector(Secrets({"client_secret": SECRET} if secrets is None else secrets))
    connector.settings = {**connector.settings, **provider.settings(), **settings}
    return connector


def signed_in(fake, provider, **settings):
    connector = mailbox(fake, provider, **settings)
    grant = connector.begin(BACK, "a-state")
    assert requests.get(grant.url, timeout=10).ok
    return mailbox(fake, provider, connector.finish("the-code", BACK, grant.secrets), **settings)


def test_a_mailbox_signed_in_to_at_its_provider_is_read_and_answered_without_a_password(fake, provider):
    connector = signed_in(fake, provider)
    asked = provider.asked
    assert (asked["code_challenge_method"], asked["state"], asked["client_id"]) == ("S256", "a-state", CLIENT)
    assert (asked["scope"], asked["login_hint"]) == ("mail offline", US)
    assert {"password", "code_verifier"}.isdisjoint(connector.secrets)
    assert connector.check().account_id == US
    fake.say("My lid is broken")
    [post] = fake.read(connector)[0]
    wish = Outgoing(key="5b1f5cde-0000-4000-8000-000000000001", text="We look", parent=post, sending_at=NOW)
    connector.send(wish)
    assert len(fake.sent) == 1
    assert set(fake.authenticated) == {f"user={US}\1auth=Bearer {CANARY}-access-1\1\1".encode()}
    assert "LOGIN" not in fake.commands


def test_whoever_brings_the_code_without_the_proof_gets_nothing(fake, provider):
    connector = mailbox(fake, provider)
    grant = connector.begin(BACK, "a-state")
    requests.get(grant.url, timeout=10)
    with pytest.raises(AuthRevoked):
        connector.finish("the-code", BACK, grant.secrets.replace(code_verifier="another"))
    assert provider.count == 0


def test_a_sign_in_that_cannot_be_renewed_is_none(fake, provider):
    provider.forgetful = True
    with pytest.raises(AuthRevoked, match="renew"):
        signed_in(fake, provider)


def test_access_that_ended_is_renewed_and_a_spent_refresh_token_asks_a_person(fake, provider):
    connector = signed_in(fake, provider)
    fake.token = b"another"
    with pytest.raises(AuthExpired):
        connector.check()
    fresh = connector.renew(connector.secrets)
    assert fresh["refresh_token"] != connector.secrets["refresh_token"]
    assert mailbox(fake, provider, fresh).check().account_id == US
    with pytest.raises(AuthRevoked):
        connector.renew(connector.secrets)


def test_before_anybody_signed_in_and_without_an_app_it_says_what_is_missing(fake, provider):
    with pytest.raises(AuthRevoked, match="Nobody has signed in"):
        mailbox(fake, provider).check()
    for missing in ("client_id", "token_url", "sign_in_url"):
        with pytest.raises(Invalid) as raised:
            mailbox(fake, provider, **{missing: ""}).begin(BACK, "s")
        assert raised.value.field == missing


def test_a_password_counts_again_for_who_no_longer_signs_in_there(fake, provider):
    both = {"password": CANARY, "access_token": "old", "refresh_token": "r"}
    connector = mailbox(fake, provider, both)
    connector.settings["provider"] = ""
    assert connector.check().account_id == US


@pytest.mark.parametrize(
    ("provider", "page", "rights", "imap"),
    [("google", "accounts.google.com", "https://mail.google.com/", "imap.gmail.com"),
     ("microsoft", "login.microsoftonline.com", "offline_access", "outlook.office365.com")],
)  # fmt: skip
def test_the_addresses_and_servers_of_the_large_providers_are_known(fake, provider, page, rights, imap):
    kind, given = Connector.named("mail"), {"provider": provider, "client_id": CLIENT, "address": "care@acme.example"}
    assert kind.guessed(given)["imap_host"] == imap
    connector = fake.connector()
    connector.settings = given
    url = urlsplit(connector.begin(BACK, "s").url)
    assert url.netloc == page
    assert rights in parse_qs(url.query)["scope"][0].split()
    assert parse_qs(url.query)["code_challenge_method"] == ["S256"]


# From the wizard to a channel that listens


@pytest.fixture
def ada(client, cast, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    client.force_login(cast.ada)
    return client


@pytest.mark.django_db(transaction=True)
def test_the_wizard_leads_to_the_provider_and_back_and_access_is_renewed_ahead_of_its_end(fake, provider, ada):
    page = "/set-up/channels/connect/mail/"
    assert "/set-up/channels/callback/mail/" in ada.get(page).content.decode()
    typed = {**fake.settings(), **provider.settings(), "client_secret": SECRET, "channel_name": "Post"}
    assert ada.post(page, typed).status_code == 303
    channel = Channel.objects.get()
    at = f"/set-up/channels/{channel.pk}/"
    before = ada.get(f"{at}connect/").content.decode()
    assert "Sign in there" in before
    assert "Test the connection" not in before
    begun = unescape(ada.post(f"{at}sign-in/").content.decode())
    assert requests.get(re.search(rf"{re.escape(provider.server.url)}/authorize[^\"]+", begun)[0], timeout=10).ok
    assert provider.asked["redirect_uri"].endswith("/set-up/channels/callback/mail/")
    state = ada.session["oauth"]["state"]
    assert ada.get("/set-up/channels/callback/mail/", {"code": "the-code", "state": state}).status_code == 302
    channel.refresh_from_db()
    assert channel.renew_at < channel.access_until <= timezone.now() + timedelta(hours=1)
    assert CANARY not in str(channel.sealed)
    assert ada.post(f"{at}connect/").status_code == 303
    assert "signed in as" in ada.get(f"{at}connect/").content.decode()
    old = opened_secrets(channel)["access_token"]
    Channel.objects.filter(pk=channel.pk).update(renew_at=timezone.now(), paused=False)
    assert access.renew_ahead(channel.pk)
    channel.refresh_from_db()
    assert opened_secrets(channel)["access_token"] != old
    assert channel.renew_at > timezone.now()


@pytest.mark.django_db(transaction=True)
def test_a_mailbox_whose_access_was_taken_reads_on_from_where_it_stood(fake, provider, cast, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    connector = signed_in(fake, provider)
    typed = {**fake.settings(), **provider.settings()}
    fake.settings = lambda: typed
    fake.secrets = dict(connector.secrets)
    channel = of_fake(fake, team=cast.support)
    fake.say("one")
    read(channel)
    fake.token = b"another"
    fake.say("two")
    assert read(channel).state == Channel.State.OK
    assert channel.mentions.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("provider_name", ["other", "google"])
def test_the_wizard_connects_a_mailbox_by_a_refresh_token_that_somebody_gave(fake, provider, ada, provider_name):
    provider.refresh = f"{CANARY}-given"
    typed = {**fake.settings(), **provider.settings(provider_name), "sign_in_url": "", "client_secret": SECRET}
    typed |= {"refresh_token": provider.refresh, "channel_name": "Post"}
    assert ada.post("/set-up/channels/connect/mail/", typed).status_code == 303
    channel = Channel.objects.get()
    at = f"/set-up/channels/{channel.pk}/connect/"
    assert "Test the connection" in ada.get(at).content.decode()
    assert ada.post(at).status_code == 303
    tested = ada.get(at).content.decode()
    assert "signed in as" in tested
    assert f"/set-up/channels/{channel.pk}/connect/place/" in tested
    channel.refresh_from_db()
    kept = opened_secrets(channel)
    assert kept["access_token"].encode() == fake.token
    assert kept["refresh_token"] == provider.refresh


@pytest.mark.django_db(transaction=True)
def test_a_mailbox_whose_way_in_is_changed_back_is_read_on(fake, provider, cast, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    channel = of_fake(fake, team=cast.support)
    connecting.change(channel, {"settings": provider.settings()}, cast.ada)
    assert read(channel).state == Channel.State.RECONNECT
    connecting.change(channel, {"settings": {"sender": "Acme"}}, cast.ada)
    assert Channel.objects.get().state == Channel.State.RECONNECT
    connecting.change(channel, {"settings": {"provider": ""}}, cast.ada)
    fake.say("one")
    assert read(channel).state == Channel.State.OK
    assert channel.mentions.count() == 1

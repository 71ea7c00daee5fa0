"""Keys and names typed into the settings of a channel that listens: tried before they are kept, so that its cursor, its
history and its answers stay those of one account."""

import pytest
from django.db import transaction

from connectors import access, connecting, rekeying, trying
from connectors.base import Secrets
from connectors.connecting import connect
from connectors.models import Channel
from connectors.opening import opened_secrets
from inbox import ringing
from inbox.models import Event
from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer
from tests.fakes import bluesky, discourse, matrix, youtube
from tests.world import as_shown


@pytest.fixture
def demo(settings, transactional_db):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    server = DemoServer(Network(seed=3, pace=0, history=0))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ada(cast, client):
    client.force_login(cast.ada)
    return client


@pytest.fixture
def channel(cast, demo):
    channel = connect("demo", "@acme", {"base_url": demo.url}, {"token": "demo"}, cast.ada)
    connecting.keep_facts(channel, trying.test(channel).check)
    return channel


def of_fake(fake, settings):
    """A channel that listens and knows who it is."""
    settings.FETCH_ALLOW = ["127.0.0.1"]
    channel = connect(fake.name, "@acme", fake.settings(), fake.secrets, None)
    connecting.keep_facts(channel, trying.test(channel).check)
    return channel


def typed(ada, channel, **more):
    given = {"channel_name": "@acme", "base_url": channel.settings["base_url"], "token": "demo", **more}
    form = as_shown(channel, **given)
    answer = ada.post(f"/set-up/channels/{channel.pk}/settings/", form)
    return answer.status_code, answer.content.decode()


def pretend(channel, **account):
    Channel.objects.filter(pk=channel.pk).update(settings={**channel.settings, "account": account})


def test_the_settings_refuse_keys_of_another_account_and_lead_to_a_channel_for_it(ada, channel):
    pretend(channel, id="somebody else", name="@somebody")
    status, text = typed(ada, channel)
    assert status == 422
    assert "but this channel is @somebody. Nothing was changed." in text
    assert 'href="/set-up/channels/connect/demo/"' in text
    assert opened_secrets(channel)["token"] == "demo"


def test_connecting_again_leads_there_too(ada, channel):
    pretend(channel, id="somebody else", name="@somebody")
    answer = ada.post(f"/set-up/channels/{channel.pk}/secrets/", {"token": "demo"})
    assert answer.status_code == 422
    assert 'href="/set-up/channels/connect/demo/"' in answer.content.decode()
    stands = Channel.objects.get()
    assert (opened_secrets(stands)["token"], stands.settings["account"]["name"]) == ("demo", "@somebody")


def test_keys_of_an_account_that_has_a_channel_lead_to_that_channel(ada, demo, channel):
    other = connect("demo", "second", {"base_url": demo.url}, {"token": "demo"}, None)
    pretend(other, id="somebody else", name="@somebody")
    other.refresh_from_db()
    status, text = typed(ada, other, channel_name="second")
    assert status == 422
    assert f'href="/set-up/channels/{channel.pk}/"' in text
    assert "Open its channel, @acme" in text


def test_keys_the_network_does_not_take_leave_the_old_ones(ada, channel):
    status, text = typed(ada, channel, token="mistyped")
    assert status == 422
    assert "The network does not accept what you entered." in text
    assert "mistyped" not in text
    channel.refresh_from_db()
    assert opened_secrets(channel)["token"] == "demo"
    assert not Event.objects.filter(happening="set_up_changed", payload__what__contains="reconnected").exists()


def test_keys_are_not_kept_while_nobody_can_say_whose_they_are(ada, demo, channel):
    demo.stop()
    status, text = typed(ada, channel, token="of anybody")
    assert status == 422
    assert "It could not be tried." in text
    assert "The channel goes on with its old keys." in text
    channel.refresh_from_db()
    assert opened_secrets(channel)["token"] == "demo"


def test_a_channel_that_waited_for_keys_reads_on_when_they_come(ada, demo, channel):
    demo.token = "changed"
    Channel.objects.filter(pk=channel.pk).update(state="reconnect", fault="AuthRevoked")
    assert typed(ada, channel, token="changed")[0] == 303
    channel.refresh_from_db()
    assert (channel.state, channel.fault) == ("ok", "")
    assert Channel.objects.due().filter(pk=channel.pk).exists()
    assert opened_secrets(channel)["token"] == "changed"


def test_what_opens_no_account_is_changed_while_the_network_is_away(ada, demo, channel):
    demo.stop()
    assert typed(ada, channel, channel_name="@acme care", token="")[0] == 303
    channel.refresh_from_db()
    assert channel.name == "@acme care"


def test_what_was_changed_during_the_test_is_not_written_over(channel, monkeypatch):
    usual = trying.try_new_secrets

    def slow(*args, **kwargs):
        connecting.change(channel, {"settings": {"hashtags": ["tea"]}}, None)
        return usual(*args, **kwargs)

    monkeypatch.setattr(trying, "try_new_secrets", slow)
    refusal = rekeying.change(channel, {"name": "mine", "settings": {}}, {"token": "demo"}, None)
    assert "Somebody changed this channel meanwhile." in refusal.words
    assert Channel.objects.get().name == "@acme"


def test_a_session_of_the_old_password_does_not_outlive_it(transactional_db, settings):
    """It would go on reading as whoever that was."""
    with bluesky.Fake() as fake:
        channel = of_fake(fake, settings)
        access.renew(channel)
        old = dict(opened_secrets(channel))
        assert "refresh_jwt" in old
        assert rekeying.change(channel, {"settings": {}}, {"app_password": fake.secrets["app_password"]}, None) is None
        channel.refresh_from_db()
        new = dict(opened_secrets(channel))
        assert new.get("refresh_jwt") != old["refresh_jwt"]
        assert channel.settings["account"]["id"]


def test_another_user_of_the_same_key_is_another_account(transactional_db, settings):
    with discourse.Fake() as fake:
        channel = of_fake(fake, settings)
        pretend(channel, id="forum/user/1", name="somebody")
        channel.refresh_from_db()
        refusal = rekeying.change(channel, {"settings": {"user": "else"}}, {}, None)
        assert refusal
        assert Channel.objects.get().settings["user"] == fake.settings()["user"]


def test_a_key_of_the_account_stands_alone_and_the_page_says_so(ada, transactional_db, settings):
    """An old refresh token would bring the old session back."""
    with matrix.Fake() as fake:
        channel = of_fake(fake, settings)
        page = ada.get(f"/set-up/channels/{channel.pk}/settings/").content.decode()
        assert page.count("it goes when another key of the account is entered") == 2
        fresh = dict(fake.connector().renew(Secrets(fake.secrets)))
        assert rekeying.change(channel, {"settings": {}}, {"access_token": fresh["access_token"]}, None) is None
        channel.refresh_from_db()
        assert dict(opened_secrets(channel)) == {"access_token": fresh["access_token"]}


def test_whoever_reads_as_soon_as_new_keys_are_there_takes_them_to_the_new_address(
    transactional_db, settings, monkeypatch
):
    with matrix.Fake() as before, matrix.Fake() as fake:
        channel, led = of_fake(before, settings), []
        monkeypatch.setattr(ringing, "task", lambda name: led.append(Channel.objects.get().settings["facts"]["base"]))
        given = {"settings": {"homeserver": fake.server.url}}
        assert rekeying.change(channel, given, {"access_token": fake.secrets["access_token"]}, None) is None
        assert set(led) == {fake.server.url}


def test_the_secret_of_an_app_is_kept_untried_because_it_is_nobodys_account(transactional_db, settings):
    with youtube.Fake() as fake:
        channel = of_fake(fake, settings)
        before = dict(opened_secrets(channel))
        asked = fake.requests()
        assert rekeying.change(channel, {"settings": {}}, {"client_secret": "fresh"}, None) is None
        assert fake.requests() == asked
        channel.refresh_from_db()
        assert dict(opened_secrets(channel)) == {**before, "client_secret": "fresh"}


def test_access_that_an_apps_new_secret_renews_is_stored_even_if_nothing_else_comes_of_it(
    transactional_db, settings, monkeypatch
):
    """A network may take a refresh token once only."""
    with youtube.Fake() as fake:
        channel = of_fake(fake, settings)
        assert fake.expire()
        trial = trying.try_new_secrets(channel, {"client_secret": fake.secrets["client_secret"]})
        assert trial.ok
        assert trial.renewed == {}
        channel.refresh_from_db()
        fresh = opened_secrets(channel)["access_token"]
        assert Secrets(fake.secrets).get("access_token") != fresh


def test_nothing_is_asked_of_the_network_within_a_transaction(channel):
    with transaction.atomic(), pytest.raises(RuntimeError):
        rekeying.change(channel, {"settings": {}}, {"token": "demo"}, None)

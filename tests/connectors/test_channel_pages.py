"""Connecting a network through the pages, its health in words, and connecting again."""

import re

import pytest
from django.test import Client

from connectors import listening
from connectors.base import Connector, Secrets
from connectors.connecting import connect
from connectors.models import Channel, Gap, Quarantined
from connectors.opening import opened_secrets
from connectors.storing import Overtaken, claim, release, seize
from connectors.trying import try_out
from inbox.models import Event, Mention
from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer, Fault
from tests.fakes import facebook, instagram, reddit, x, youtube
from tests.fakes import mastodon as mastodon_fake
from tests.fakes.server import FakeServer, Reply
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
    return connect("demo", "@acme", {"base_url": demo.url}, {"token": "demo"}, cast.ada)


def connected(ada, demo, token="demo"):
    given = {"channel_name": "@acme", "base_url": demo.url, "token": token}
    answer = ada.post("/set-up/channels/connect/demo/", given)
    return Channel.objects.get(), answer


def test_connecting_goes_from_keys_over_a_test_to_listening(cast, ada, demo):
    demo.network.say("carla", "where is my parcel")
    assert "Demo network" in ada.get("/set-up/channels/connect/").content.decode()
    channel, answer = connected(ada, demo)
    assert answer.headers["Location"] == f"/set-up/channels/{channel.pk}/connect/"
    assert channel.paused
    answer = ada.post(f"/set-up/channels/{channel.pk}/connect/", follow=True)
    assert "1 post at the first look" in answer.content.decode()
    assert "where is my parcel" in answer.content.decode()
    assert not Mention.objects.exists()
    ada.post(f"/set-up/channels/{channel.pk}/connect/place/", {"team": cast.support.pk})
    channel.refresh_from_db()
    assert not channel.paused
    listening.listen(channel.pk)
    assert Mention.objects.get().conversation.team == cast.support


def test_secrets_are_sealed_and_on_no_page(ada, demo):
    demo.token = "a-token-nobody-sees"
    channel, _ = connected(ada, demo, "a-token-nobody-sees")
    ada.post(f"/set-up/channels/{channel.pk}/connect/")
    listening.listen(channel.pk)
    assert "a-token-nobody-sees" not in str(Channel.objects.values_list("sealed", "settings", "exchanges").get())
    for page in ("", "settings/", "log/", "connect/", "connect/place/", "secrets/"):
        assert "a-token-nobody-sees" not in ada.get(f"/set-up/channels/{channel.pk}/{page}").content.decode(), page
    assert opened_secrets(channel)["token"] == "a-token-nobody-sees"


def test_a_test_that_fails_says_why_and_does_not_go_on(ada, demo):
    channel, _ = connected(ada, demo, "wrong")
    text = ada.post(f"/set-up/channels/{channel.pk}/connect/", follow=True).content.decode()
    assert "The network does not accept the access: look at what is entered here, or sign in again." in text
    assert "/connect/place/" not in text


def test_two_channels_cannot_have_one_name(ada, demo, channel):
    answer = ada.post(
        "/set-up/channels/connect/demo/", {"channel_name": "@acme", "base_url": demo.url, "token": "demo"}
    )
    assert answer.status_code == 422
    assert Channel.objects.count() == 1


def test_a_refused_token_is_told_in_words_and_new_keys_end_it(ada, demo, channel):
    demo.token = "changed"
    listening.listen(channel.pk)
    text = ada.get("/set-up/channels/").content.decode()
    assert "reconnect" in text
    assert f"/set-up/channels/{channel.pk}/poll/" not in ada.get(f"/set-up/channels/{channel.pk}/").content.decode()
    assert f"/set-up/channels/{channel.pk}/secrets/" in text
    demo.network.say("carla", "while you were away")
    answer = ada.post(f"/set-up/channels/{channel.pk}/secrets/", {"token": "still wrong"})
    assert answer.status_code == 422
    assert Channel.objects.get().state == "reconnect"
    ada.post(f"/set-up/channels/{channel.pk}/secrets/", {"token": "changed"})
    listening.listen(channel.pk)
    channel.refresh_from_db()
    assert (channel.state, channel.fault) == ("ok", "")
    assert Mention.objects.get().text == "while you were away"


def test_an_empty_secret_in_the_settings_keeps_the_stored_one(ada, demo, channel):
    form = as_shown(channel, channel_name="@acme2", base_url=demo.url, token="")
    ada.post(f"/set-up/channels/{channel.pk}/settings/", form)
    channel.refresh_from_db()
    assert channel.name == "@acme2"
    assert opened_secrets(channel)["token"] == "demo"


def test_pause_resume_and_reading_now(ada, channel):
    ada.post(f"/set-up/channels/{channel.pk}/pause/")
    assert Channel.objects.get().paused
    assert "paused" in ada.get("/set-up/channels/").content.decode()
    ada.post(f"/set-up/channels/{channel.pk}/resumption/")
    assert not Channel.objects.get().paused
    listening.listen(channel.pk)
    assert not Channel.objects.due().exists()
    ada.post(f"/set-up/channels/{channel.pk}/poll/")
    assert Channel.objects.due().exists()
    sentences = [event.payload["what"] for event in Event.objects.filter(happening="set_up_changed")]
    assert "paused the channel @acme" in sentences
    assert "resumed the channel @acme" in sentences


def test_gaps_and_quarantine_stand_on_the_page(ada, demo, channel):
    post = demo.network.say("carla", "odd")
    Gap.objects.create(channel=channel, source="mentions", until="2026-01-01T00:00Z", why="The window had passed.")
    item = Quarantined.objects.create(channel=channel, source="mentions", external_id=post.id, digest="1", reason="bad")
    gone = Quarantined.objects.create(
        channel=channel, source="mentions", external_id="999", digest="2", reason="KeyError: 'author'"
    )
    text = ada.get(f"/set-up/channels/{channel.pk}/").content.decode()
    assert "The window had passed." in text
    assert "&#x27;author&#x27; is missing in it." in text
    base = f"/set-up/channels/{channel.pk}/quarantined"
    ada.post(f"{base}/{item.pk}/retry/")
    assert Mention.objects.get().text == "odd"
    ada.post(f"{base}/{gone.pk}/retry/")
    assert Quarantined.objects.get() == gone
    ada.post(f"{base}/{gone.pk}/drop/")
    assert not Quarantined.objects.exists()


def test_a_channel_can_be_removed_only_while_nothing_came_through_it(ada, demo, cast, channel):
    other = connect("demo", "second", {"base_url": demo.url}, {"token": "demo"}, cast.ada)
    demo.network.say("carla", "hello")
    listening.listen(channel.pk)
    Channel.objects.filter(pk=channel.pk).update(network="feed")  # real customers
    assert ada.post(f"/set-up/channels/{channel.pk}/removal/").status_code == 404
    ada.post(f"/set-up/channels/{other.pk}/removal/")
    assert Channel.objects.get() == channel


@pytest.mark.parametrize("network", [facebook, instagram, youtube, x, mastodon_fake])
def test_the_first_test_reads_with_what_it_has_found_out_about_the_account(settings, network):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with network.Fake() as fake:
        trial = try_out(fake.name, fake.settings(), Secrets(fake.secrets))
    assert trial.looks
    assert (trial.words, [look.words for look in trial.looks if look.words]) == ("", [])


def test_a_slow_network_ends_the_test_at_its_deadline(demo, settings):
    demo.faults.append(Fault("hang", seconds=2))
    trial = try_out("demo", {"base_url": demo.url}, Secrets({"token": "demo"}), deadline=0.3)
    assert "within 0 seconds" in trial.words


PAGES = [
    "/set-up/channels/",
    "/set-up/channels/alarm/",
    "/set-up/channels/connect/",
    "/set-up/channels/connect/demo/",
    "/set-up/channels/{pk}/",
    "/set-up/channels/{pk}/settings/",
    "/set-up/channels/{pk}/log/",
    "/set-up/channels/{pk}/heard/",
    "/set-up/channels/{pk}/secrets/",
    "/set-up/agents/",
    "/set-up/health/",
]


@pytest.mark.parametrize("name", ["ana", "max", "hugo", "eva", "otto"])
def test_pages_of_admins_do_not_exist_for_others(cast, client, channel, name):
    client.force_login(getattr(cast, name))
    for page in PAGES:
        address = page.format(pk=channel.pk)
        assert client.get(address).status_code == 404, address
    for verb in ("pause", "resumption", "poll", "trial", "removal", "sign-in", "listening"):
        assert client.post(f"/set-up/channels/{channel.pk}/{verb}/").status_code == 404, verb


def test_without_a_login_there_is_the_sign_in(client, channel):
    for page in PAGES:
        answer = client.get(page.format(pk=channel.pk))
        assert answer.status_code == 302
        assert "/account/login/" in answer.headers["Location"]


def oauth_server(asked):
    if asked.path == "/api/v1/apps":
        return Reply(body={"client_id": "app", "client_secret": "app-secret"})
    if asked.path == "/oauth/token":
        return Reply(body={"access_token": "fresh-token" if asked.json()["code"] == "good" else ""})
    if asked.path == "/api/v1/accounts/verify_credentials":
        return Reply(body={"id": "7", "acct": "other", "uri": "https://elsewhere.example/users/other", "url": ""})
    if asked.path in ("/api/v2/instance", "/api/v1/instance"):
        return Reply(body={"version": "4.5.0", "domain": "elsewhere.example", "configuration": {}})
    return Reply(404)


@pytest.fixture
def mastodon(transactional_db, cast, client, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    client.force_login(cast.ada)
    with FakeServer(oauth_server) as server:
        yield connect("mastodon", "@acme", {"server": server.url}, {}, cast.ada, listening=False)


def begun(client, channel):
    """The state of a sign-in that was begun."""
    text = client.post(f"/set-up/channels/{channel.pk}/sign-in/").content.decode()
    return re.search(r"/oauth/authorize[^\"]*state=([^&\"]+)", text)[1]


BACK = "/set-up/channels/callback/mastodon/"


def test_signing_in_at_the_network_keeps_the_access_sealed(client, mastodon):
    answer = client.get(BACK, {"state": begun(client, mastodon), "code": "good"})
    assert answer.headers["Location"] == f"/set-up/channels/{mastodon.pk}/connect/"
    mastodon.refresh_from_db()
    assert opened_secrets(mastodon)["access_token"] == "fresh-token"
    assert "fresh-token" not in str(mastodon.sealed)


def test_the_way_back_is_good_once_and_for_its_own_state(client, mastodon):
    state = begun(client, mastodon)
    assert client.get(BACK, {"state": "other", "code": "good"}).status_code == 403
    assert client.get(BACK, {"state": state, "code": "good"}).status_code == 403
    mastodon.refresh_from_db()
    assert mastodon.sealed == {}


def test_the_way_back_is_no_good_in_another_login(client, cast, mastodon):
    state = begun(client, mastodon)
    other = Client()
    other.force_login(cast.ada)
    assert other.get(BACK, {"state": state, "code": "good"}).status_code == 403


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"error": "access_denied"}, "No access was given: whoever signed in said no."),
        (
            {"error": "invalid_scope", "error_description": "no write:media"},
            "Your app may not ask for all of these rights",
        ),
        ({"error": "unauthorized_client"}, "does not accept your app, or not the address"),
        ({"error": "server_error"}, "Sign in again in some minutes."),
        ({"error": "<b>odd</b>"}, "sent you back without access."),
        ({"code": "bad"}, "The network did not take the sign-in"),
    ],
)
def test_a_sign_in_in_vain_says_why_in_words_and_offers_the_next_try(client, mastodon, given, words):
    text = client.get(BACK, {"state": begun(client, mastodon), **given}).content.decode()
    assert words in text
    assert f'action="/set-up/channels/{mastodon.pk}/sign-in/"' in text
    assert "<b>odd" not in text
    mastodon.refresh_from_db()
    assert mastodon.sealed == {}


def test_where_something_is_public_a_channel_can_be_connected_without_signing_in(transactional_db, ada, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with reddit.Fake() as fake:
        given = {"client_secret": fake.secrets["client_secret"]}
        channel = connect("reddit", "r/acme", fake.settings() | {"subreddits": "acme"}, given, None, listening=False)
        address = f"/set-up/channels/{channel.pk}/connect/"
        assert "Test without signing in" in ada.get(address).content.decode()
        assert f"{address}place/" in ada.post(address, follow=True).content.decode()


def test_only_who_has_made_an_app_is_told_the_address_to_come_back_to(ada):
    for network, told in (("reddit", True), ("mastodon", False)):
        page = ada.get(f"/set-up/channels/connect/{network}/").content.decode()
        assert (f"/set-up/channels/callback/{network}/" in page) == told


def test_a_sign_in_that_we_refuse_ourselves_is_no_fault_of_a_server(ada):
    channel = connect("facebook", "@acme", {}, {}, None, listening=False)
    answer = ada.post(f"/set-up/channels/{channel.pk}/sign-in/")
    assert answer.status_code == 422
    assert "Signing in needs the number and the secret of your app." in answer.content.decode()


def test_a_second_click_on_the_way_back_leads_where_the_first_one_led(client, mastodon):
    state = begun(client, mastodon)
    client.get(BACK, {"state": state, "code": "good"})
    again = client.get(BACK, {"state": state, "code": "bad"})
    assert again.headers["Location"] == f"/set-up/channels/{mastodon.pk}/connect/"
    mastodon.refresh_from_db()
    assert opened_secrets(mastodon)["access_token"] == "fresh-token"


def test_a_channel_is_not_turned_into_that_of_another_account(client, mastodon):
    """Whoever signs in again may be signed in there as somebody else."""
    account = {"account": {"id": "https://elsewhere.example/users/acme", "name": "@acme"}}
    Channel.objects.filter(pk=mastodon.pk).update(paused=False, settings=mastodon.settings | account)
    answer = client.get(BACK, {"state": begun(client, mastodon), "code": "good"})
    assert answer.status_code == 409
    assert "That is the account @other, but this channel is @acme. Nothing was changed." in answer.content.decode()
    mastodon.refresh_from_db()
    assert mastodon.sealed == {}


def test_new_keys_of_another_account_are_not_taken(ada, demo, channel):
    Channel.objects.update(settings=channel.settings | {"account": {"id": "another", "name": "@another"}})
    answer = ada.post(f"/set-up/channels/{channel.pk}/secrets/", {"token": "demo"})
    assert answer.status_code == 422
    assert "but this channel is @another" in answer.content.decode()


def test_an_account_that_another_channel_listens_to_is_said_before_it_is_heard_twice(ada, demo, channel):
    ada.post(f"/set-up/channels/{channel.pk}/connect/")
    ada.post("/set-up/channels/connect/demo/", {"channel_name": "second", "base_url": demo.url, "token": "demo"})
    second = Channel.objects.get(name="second")
    text = ada.post(f"/set-up/channels/{second.pk}/connect/", follow=True).content.decode()
    assert "The channel @acme listens to this account already" in text


def test_connecting_that_was_left_is_gone_on_with(ada, demo):
    channel, _ = connected(ada, demo)
    text = ada.get(f"/set-up/channels/{channel.pk}/").content.decode()
    assert f'href="/set-up/channels/{channel.pk}/connect/"' in text
    assert "resumption" not in text
    assert "connecting it was not finished" in ada.get("/set-up/channels/").content.decode()
    form = as_shown(channel, channel_name="@acme", base_url=demo.url, token="")
    answer = ada.post(f"/set-up/channels/{channel.pk}/settings/", form)
    assert answer.headers["Location"] == f"/set-up/channels/{channel.pk}/connect/"


def test_a_stored_token_goes_to_no_other_address(ada, demo):
    channel = connect("demo", "@acme", {"base_url": "http://127.0.0.1:8790"}, {"token": "a secret token"}, None)
    address = f"/set-up/channels/{channel.pk}/settings/"
    form = as_shown(channel, channel_name="@acme", base_url=demo.url)
    answer = ada.post(address, form)
    assert answer.status_code == 422
    assert "The address changed: enter this again." in answer.content.decode()
    channel.refresh_from_db()
    assert channel.settings["base_url"] == "http://127.0.0.1:8790"
    assert ada.post(address, form | {"token": "demo"}).status_code == 303


def test_a_channel_whose_network_is_gone_is_still_shown(cast, client):
    client.force_login(cast.ada)
    Channel.objects.create(name="@acme", network="myspace")
    assert client.get("/set-up/channels/").status_code == 200
    assert client.get("/set-up/health/").status_code == 200


def test_an_item_that_is_tried_again_while_the_channel_is_read_does_not_overwrite_what_is_newer(
    ada, demo, channel, monkeypatch
):
    post = demo.network.say("carla", "odd")
    item = Quarantined.objects.create(channel=channel, source="mentions", external_id=post.id, digest="1", reason="bad")
    usual, polled = Connector.named("demo").refresh, []

    def slow(self, ids, now):
        """What the network said before it was edited, arriving after the poll that read the edit."""
        found = usual(self, ids, now)
        demo.network.edit(post.id, "corrected")
        polled.append(listening.listen(channel.pk))
        return found

    monkeypatch.setattr(Connector.named("demo"), "refresh", slow)
    ada.post(f"/set-up/channels/{channel.pk}/quarantined/{item.pk}/retry/")
    monkeypatch.undo()
    listening.listen(channel.pk)
    mention = Mention.objects.get()
    assert polled == [False]
    assert mention.text == "corrected"
    assert [revision.text for revision in mention.revisions.all()] == ["odd"]


def test_a_poll_under_way_stores_nothing_over_an_item_that_was_tried_again(channel, demo):
    demo.network.say("carla", "one")
    held = claim(channel.pk)
    seize(Channel.objects.get(pk=channel.pk))
    listener = listening.Listener(held)
    with pytest.raises(Overtaken):
        listener.run()
    assert not Mention.objects.exists()
    channel.refresh_from_db()
    release(channel)
    assert listening.listen(channel.pk)
    assert Mention.objects.get().text == "one"

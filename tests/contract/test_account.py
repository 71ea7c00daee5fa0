"""New keys for a channel that listens, tried on each network against its fake: those of another account are refused in
words, where nobody can say whose they are the old ones stay, and what they allow is known while they are sealed."""

import base64
from datetime import UTC, datetime
from importlib import import_module

import pytest

from connectors import connecting, rekeying, signing_in, trying
from connectors.base import Connector, Secrets
from connectors.faults import AuthExpired, AuthRevoked, Gone
from connectors.models import Channel
from connectors.opening import opened, opened_secrets

NETWORKS = sorted(Connector.kinds())
TOKENS = {"access_token", "refresh_token"}


@pytest.fixture(params=NETWORKS)
def fake(request, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with import_module(f"tests.fakes.{request.param}").Fake() as fake:
        yield fake


@pytest.fixture
def channel(fake, transactional_db):
    """One that listens and knows who it is."""
    channel = connecting.connect(fake.name, "@acme", fake.settings(), fake.secrets, None)
    connecting.keep_facts(channel, trying.test(channel).check)
    return channel


def opening(fake):
    """What an admin would type to open the account."""
    fields = {field.name for field in Connector.named(fake.name).form if field.secret and field.account}
    return {name: value for name, value in fake.secrets.items() if name in fields}


def of_another(channel):
    """The same channel, as if it had listened to somebody else."""
    account = {"id": "somebody else", "name": "@somebody"}
    Channel.objects.filter(pk=channel.pk).update(settings={**channel.settings, "account": account}, state="reconnect")
    channel.refresh_from_db()
    return channel


def changed(channel, fresh):
    given = {"name": "@acme 2", "settings": {**channel.settings}}
    return rekeying.change(channel, given, fresh, None)


@pytest.mark.parametrize("fault", ["401", "404"])
def test_whoever_connects_is_told_of_what_is_entered_and_never_of_a_post(fake, fault):
    if Connector.named(fake.name).pushed:
        pytest.skip(f"{fake.name} asks for nothing")
    for _ in range(4):
        fake.order(fault)
    trial = trying.try_out(fake.name, fake.settings(), Secrets(fake.secrets))
    words = [trial.words, *(look.words for look in trial.looks)]
    assert any(words)
    assert not any(kind.meaning in each for each in words for kind in (AuthExpired, AuthRevoked, Gone))


@pytest.mark.parametrize(
    ("network", "typed", "words"),
    [
        ("app_store", {"apps": ["60019999"]}, "Apps: There is no app “60019999” in this account."),
        ("google_play", {"apps": ["com.acme.tae"]}, "Apps: There is no app “com.acme.tae” that the service account "),
        ("mail", {"folders": ["INBOX", "Suport"]}, "Folders: There is no folder “Suport” in this mailbox."),
        ("mail", {"sent_folder": "Snet"}, "Folder for sent mail: There is no folder “Snet” in this mailbox."),
    ],
)
def test_what_was_mistyped_is_said_with_its_field(settings, network, typed, words):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with import_module(f"tests.fakes.{network}").Fake() as fake:
        trial = trying.try_out(network, {**fake.settings(), **typed}, Secrets(fake.secrets))
    assert trial.words.startswith(words)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_declares_which_keys_open_an_account(network):
    kind = Connector.named(network)
    secrets = {field.name: field for field in kind.form if field.secret}
    assert all(secrets[name].account for name in TOKENS & secrets.keys())
    if secrets and not kind.oauth and not kind.pushed:
        assert any(field.account for field in secrets.values())


def test_new_keys_are_kept_only_for_the_account_the_channel_listens_to(fake, channel):
    fresh = opening(fake)
    if not fresh:
        pytest.skip(f"{fake.name} is opened by no key that is typed")
    of_another(channel)
    sealed = channel.sealed
    refusal = changed(channel, fresh)
    assert "but this channel is @somebody. Nothing was changed." in refusal.words
    assert refusal.url == f"/set-up/channels/connect/{fake.name}/"
    stands = Channel.objects.get()
    assert (stands.sealed, stands.name, stands.state) == (sealed, "@acme", "reconnect")
    connecting.keep_facts(channel, trying.test(channel).check)
    assert changed(channel, fresh) is None
    stands.refresh_from_db()
    assert (stands.name, stands.state) == ("@acme 2", "ok")
    assert fresh.items() <= dict(opened_secrets(stands)).items()


def test_new_keys_that_cannot_be_tried_leave_the_old_ones_in_use(fake, channel):
    fresh = opening(fake)
    if not fresh:
        pytest.skip(f"{fake.name} is opened by no key that is typed")
    fake.vanish()
    refusal = changed(channel, fresh)
    assert "The channel goes on with its old keys." in refusal.words
    stands = Channel.objects.get()
    assert (stands.sealed, stands.name) == (channel.sealed, "@acme")


def test_whoever_signs_in_again_as_somebody_else_changes_nothing(fake, channel):
    if not Connector.named(fake.name).oauth:
        pytest.skip(f"nobody signs in at {fake.name}")
    fresh = Secrets(fake.secrets)
    assert signing_in.looked_at(channel, fresh) == ""
    assert "but this channel is @somebody. Nothing was changed." in signing_in.looked_at(of_another(channel), fresh)


def allowed(connector, posts, now):
    return [
        (connector.can(post, now), connector.media_rule(post), connector.measure("Hello https://acme.example", post))
        for post in posts
    ]


def test_what_a_sign_in_allows_is_known_without_opening_what_is_secret(fake, channel, settings):
    fake.say("Where is my order?")
    posts, now = fake.read(fake.connector())[0], datetime.now(UTC)
    asked = channel.kind.scopes
    for scopes in ([], asked, *([one for one in asked if one != lacking] for lacking in asked)):
        connecting.keep_secrets(channel, {**fake.secrets, "scope": " ".join(scopes)})
        closed, known = channel.offline(), opened(channel)
        assert allowed(closed, posts, now) == allowed(known, posts, now)
        assert {value for name, value in closed.secrets.items() if name != "scope"} <= {"sealed"}
        if scopes == asked:
            assert all(closed.can(post, now)["reply"].allowed is fake.writes for post in posts)
    settings.SEAL_KEYS = ["k2:" + base64.b64encode(bytes(32)).decode()]
    assert channel.offline().can(posts[0], now)["reply"].allowed is fake.writes

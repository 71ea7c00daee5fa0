"""New seal keys: everything stored moves to the newest, whatever happens meanwhile, and no secret is shown."""

import base64
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from connectors import access
from connectors.base import Connector, Secrets
from connectors.management.commands.seal import rotated
from connectors.models import Channel
from connectors.opening import opened, opened_secrets
from connectors.secrets import key_of, ring
from tests.journey.steps import sealed

pytestmark = pytest.mark.django_db(transaction=True)
OLD = "old:" + base64.b64encode(b"o" * 32).decode()
NEW = "new:" + base64.b64encode(b"n" * 32).decode()
CANARY = "canary-77aa01"


@pytest.fixture
def channels(db, settings):
    settings.SEAL_KEYS = [OLD]
    made = [sealed(f"@acme {n}", "demo", {}, {"token": f"{CANARY} {n}", "other": CANARY}) for n in range(5)]
    settings.SEAL_KEYS = [NEW, OLD]
    return made


def seal(verb):
    out = StringIO()
    try:
        call_command("seal", verb, stdout=out, stderr=out)
    except CommandError as error:
        out.write(str(error))
    return out.getvalue()


def keys_in_use():
    rows = Channel.objects.values_list("sealed", flat=True)
    return {key_of(value) for row in rows for value in row.values()}


def test_every_secret_moves_to_the_newest_key_and_none_is_shown(channels, settings):
    assert "older: needed" in seal("status")
    words = seal("rotate")
    assert "5 channels sealed again" in words
    assert CANARY not in words + seal("status")
    assert "older: may be taken out" in seal("status")
    assert keys_in_use() == {"new"}
    settings.SEAL_KEYS = [NEW]
    assert {opened_secrets(one)["token"] for one in Channel.objects.all()} == {f"{CANARY} {n}" for n in range(5)}
    assert "0 channels" in seal("rotate")


def test_a_rotation_that_was_stopped_goes_on_where_it_was(channels):
    for one in channels[:2]:
        assert rotated(one, ring())
    assert keys_in_use() == {"new", "old"}
    assert "3 channels" in seal("rotate")
    assert keys_in_use() == {"new"}


def test_secrets_entered_meanwhile_are_kept(channels):
    stale = Channel.objects.get(pk=channels[0].pk)
    fresh = sealed("@other", "demo", {}, {"token": "x"})
    Channel.objects.filter(pk=stale.pk).update(sealed={})
    assert not rotated(stale, ring())
    assert Channel.objects.get(pk=stale.pk).sealed == {}
    assert opened_secrets(fresh)["token"] == "x"


def test_a_key_that_is_gone_stops_no_other_channel(channels, settings):
    settings.SEAL_KEYS = ["third:" + base64.b64encode(b"t" * 32).decode()]
    sealed("@lost", "demo", {}, {"token": "x"})
    settings.SEAL_KEYS = [NEW, OLD]
    assert "missing from SEAL_KEYS" in seal("status")
    words = seal("rotate")
    assert "@lost" in words
    assert "1 channels were not sealed again" in words
    assert keys_in_use() == {"new", "third"}


def test_a_renewal_under_way_is_not_disturbed(channels, monkeypatch):
    one = Channel.objects.get(pk=channels[0].pk)

    def renew(self, given):
        assert "renewed at this moment" in seal("rotate")
        return Secrets({"token": "renewed"})

    monkeypatch.setattr(Connector.named("demo"), "renew", renew)
    access.renew(one)
    assert opened(Channel.objects.get(pk=one.pk)).secrets["token"] == "renewed"
    assert keys_in_use() == {"new"}


def test_a_renewal_that_began_before_the_rotation_renews_all_the_same(channels, monkeypatch):
    monkeypatch.setattr(Connector.named("demo"), "renew", lambda self, given: Secrets({"token": "renewed"}))
    stale = Channel.objects.get(pk=channels[0].pk)
    seal("rotate")
    access.renew(stale)
    assert opened(stale).secrets["token"] == "renewed"


def test_a_lease_somebody_died_with_holds_up_nothing(channels):
    Channel.objects.update(renewing_until=timezone.now() - timedelta(seconds=1))
    assert "5 channels" in seal("rotate")

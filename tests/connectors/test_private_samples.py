"""Setting up a channel shows nobody what a private team gets through it."""

import pytest

from connectors import listening, samples
from connectors.connecting import connect
from connectors.models import Quarantined
from inbox.models import Conversation
from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer
from tests.routing.test_rule_pages import make

pytestmark = pytest.mark.django_db(transaction=True)
SECRET, OPEN = "my manager shouts at me", "where is my parcel"


@pytest.fixture
def demo(settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    server = DemoServer(Network(seed=3, pace=0, history=0))
    server.start()
    server.network.say("carla", OPEN)
    server.network.say("nadia", SECRET)
    yield server
    server.stop()


@pytest.fixture
def channel(cast, demo):
    make("People", ["manager"], cast.hr)
    return connect("demo", "@acme", {"base_url": demo.url}, {"token": "demo"}, cast.ada, team=cast.support)


def shown_by_the_test(client, agent, channel):
    client.force_login(agent)
    return client.post(f"/set-up/channels/{channel.pk}/trial/", follow=True).content.decode()


def test_the_live_test_shows_no_text_that_a_rule_gives_to_a_team_the_admin_is_not_in(cast, client, channel):
    page = shown_by_the_test(client, cast.ada, channel)
    assert OPEN in page
    assert SECRET not in page
    assert "is for a team you are not in" in page
    cast.ada.join(cast.hr, "agent", by=cast.ada)
    assert SECRET in shown_by_the_test(client, type(cast.ada).objects.get(pk=cast.ada.pk), channel)


def test_the_wizards_test_of_a_new_channel_shows_none_either(cast, client, demo, channel):
    client.force_login(cast.ada)
    given = {"channel_name": "@two", "base_url": demo.url, "token": "demo"}
    client.post("/set-up/channels/connect/demo/", given)
    pk = channel.pk + 1
    page = client.post(f"/set-up/channels/{pk}/connect/", follow=True).content.decode()
    assert OPEN in page
    assert SECRET not in page


def test_a_thread_that_a_person_gave_to_a_private_team_is_not_shown_by_a_later_test(cast, client, channel):
    listening.listen(channel.pk)
    Conversation.objects.filter(mentions__text=OPEN).update(team=cast.hr)
    page = shown_by_the_test(client, cast.ada, channel)
    assert OPEN not in page
    assert SECRET not in page


def test_a_channel_of_a_private_team_shows_ids_only(cast, client, demo):
    theirs = connect("demo", "@people", {"base_url": demo.url}, {"token": "demo"}, cast.ada, team=cast.hr)
    page = shown_by_the_test(client, cast.ada, theirs)
    assert OPEN not in page
    assert "2 posts at the first look" in page


def test_quarantine_says_why_and_not_what(cast, client, channel):
    reason = f"ValueError: invalid literal for int() with base 10: '{SECRET}', of the field 'rating'"
    Quarantined.objects.create(channel=channel, source="mentions", external_id="77", digest="1", reason=reason)
    client.force_login(cast.ada)
    page = client.get(f"/set-up/channels/{channel.pk}/").content.decode()
    assert SECRET not in page
    assert "77" in page
    assert "of the field &#x27;rating&#x27;" in page


def test_what_is_quoted_of_an_item_is_cut_and_names_stay():
    assert samples.shown_reason("KeyError: 'created_at'") == "KeyError: 'created_at'"
    assert samples.shown_reason('TypeError: "a b" is no time') == 'TypeError: "…" is no time'

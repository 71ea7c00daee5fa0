"""A channel that needs a person says so once, loudly, to those who can help, and is complete again afterwards."""

from datetime import timedelta

import pytest
from django.utils import timezone

from connectors import access, alarm, listening
from connectors.connecting import connect
from connectors.models import Channel
from inbox.models import Event, Mention
from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer

pytestmark = pytest.mark.django_db(transaction=True)
PAGES = ("/", "/set-up/channels/", "/set-up/teams/", "/search/?q=parcel")


@pytest.fixture
def demo(settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    server = DemoServer(Network(seed=3, pace=0, history=0))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def channel(cast, demo):
    return connect("demo", "@acme", {"base_url": demo.url}, {"token": "demo"}, cast.ada, team=cast.support)


def seen(client, agent, pages=PAGES):
    client.force_login(agent)
    return [client.get(page, follow=True).content.decode().count('class="banner" data-mood="danger"') for page in pages]


def poll(channel):
    Channel.objects.filter(pk=channel.pk).update(next_poll_at=timezone.now() - timedelta(seconds=1))
    channel.sources.update(next_at=timezone.now() - timedelta(seconds=1))
    return listening.listen(channel.pk)


def test_admins_see_it_on_every_page_from_the_first_poll_on_and_nobody_else_does(cast, client, demo, channel):
    demo.token = "changed"
    poll(channel)
    assert seen(client, cast.ada) == [1, 1, 1, 1]
    page = client.get("/", follow=True).content.decode()
    assert f'href="/set-up/channels/{channel.pk}/secrets/"' in page
    assert "@acme: The network no longer accepts our access" in page
    assert seen(client, cast.ana, ("/",)) == [0]
    for _ in range(3):
        poll(channel)
    told = Event.objects.filter(stream=cast.ada.stream, happening="channel_moved")
    assert [event.payload["state"] for event in told] == ["reconnect"]


def test_after_it_is_connected_again_all_that_was_said_meanwhile_is_there_and_the_banner_goes(
    cast, client, demo, channel
):
    poll(channel)
    demo.token = "changed"
    poll(channel)
    for number in range(50):
        demo.network.say("carla", f"while you were away {number}")
    poll(channel)
    client.force_login(cast.ada)
    client.post(f"/set-up/channels/{channel.pk}/secrets/", {"token": "changed"})
    for _ in range(4):
        poll(channel)
    assert Mention.objects.filter(text__startswith="while you were away").count() == 50
    assert not channel.gaps.exists()
    assert seen(client, cast.ada, ("/",)) == [0]


def test_another_fault_or_another_time_is_another_trouble(cast, client, channel):
    def key():
        return alarm.standing()["key"]

    channel.broken("reconnect", "AuthRevoked", "No access.")
    first = key()
    assert key() == first
    client.force_login(cast.ada)
    assert "No access." in client.get("/set-up/channels/alarm/").content.decode()
    assert "No access." not in client.get(f"/set-up/channels/alarm/?shown={first}").content.decode()
    channel.broken("reconnect", "NotPermitted", "No right.")
    assert "No right." in client.get(f"/set-up/channels/alarm/?shown={first}").content.decode()
    second = key()
    channel.reconnected({}, None)
    channel.broken("reconnect", "NotPermitted", "No right.")
    assert len({first, second, key()}) == 3


def test_a_paused_channel_alarms_nobody(cast, client, demo, channel):
    demo.token = "changed"
    poll(channel)
    Channel.objects.get().pause(cast.ada)
    assert seen(client, cast.ada, ("/",)) == [0]


def test_access_that_ends_is_told_at_14_7_and_1_days_once_each_and_shown_in_the_last_week(cast, client, channel):
    now = timezone.now()
    Channel.objects.update(access_since=now - timedelta(days=46), access_until=now + timedelta(days=14))
    client.force_login(cast.ada)
    shown = []
    for days in (0, 1, 7, 8, 13):
        Channel.objects.update(access_until=now + timedelta(days=14 - days) - timedelta(minutes=5))
        access.warn(timezone.now())
        access.warn(timezone.now())
        alarm.is_calm.cache_clear()  # the days go by faster here than its seconds
        shown.append('class="banner" data-mood="warn"' in client.get("/", follow=True).content.decode())
    told = Event.objects.filter(stream=cast.ada.stream, happening="channel_moved").order_by("number")
    assert [event.payload["words"].split(",")[0] for event in told] == [
        "Access ends in 14 days", "Access ends in 7 days", "Access ends within a day",
    ]  # fmt: skip
    assert shown == [False, False, True, True, True]

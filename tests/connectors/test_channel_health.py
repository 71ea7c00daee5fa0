"""The figures of a channel: what they count, what they say, and what they cost to show."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors import health, metering
from connectors.arriving import quarantine
from connectors.base import Bad, Connector, Rate
from connectors.models import Channel, Gap, Reread, Source, Usage
from inbox.models import Mention, Role
from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer
from tests.journey.steps import connected, read
from tests.world import as_shown, make_channel, write

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)


@pytest.fixture
def network(settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    return Network(seed=7, pace=0)


@pytest.fixture
def channel(cast, network):
    server = DemoServer(network)
    server.start()
    network.say("carla", "written before anybody listened")
    post = next(iter(network.posts.values()))
    post.created_at = (timezone.now() - timedelta(hours=5)).isoformat()
    yield connected(server, team=cast.support)
    server.stop()


@pytest.fixture
def ada(cast, client):
    client.force_login(cast.ada)
    return client


def page(ada, channel):
    answer = ada.get(f"/set-up/channels/{channel.pk}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_what_the_first_read_brings_is_not_late(channel, network, cast):
    network.say("theo", "written now")
    read(channel)
    assert Mention.objects.count() == 2
    figure = health.lateness([channel], timezone.now(), cast.ada)[channel.pk]
    assert figure.count == 1
    assert figure.p99 < 60


def test_lateness_is_told_with_its_extremes(channel, network, cast):
    for number in range(100):
        network.say("theo", f"{number}")
    read(channel)
    slow = Mention.objects.order_by("pk").last()
    Mention.objects.filter(pk=slow.pk).update(seen_at=slow.posted_at + timedelta(hours=2))
    figure = health.lateness([channel], timezone.now() + timedelta(hours=1), cast.ada)[channel.pk]
    assert (figure.count, figure.p95 < 60, figure.p99 > 60) == (100, True, True)
    assert "99 % within" in figure.in_words


@pytest.mark.parametrize("address", ["/set-up/channels/{}/", "/set-up/health/"])
def test_what_a_private_team_got_and_how_late_is_not_counted_for_others(cast, client, address):
    channel = make_channel()
    Channel.objects.filter(pk=channel.pk).update(created_at=timezone.now() - 2 * DAY)
    write(channel, "my parcel", cast.support, ago=60)

    def shown(agent):
        client.force_login(agent)
        page = client.get(address.format(channel.pk)).content.decode()
        return re.findall(r"(?:[^<>]*<span[^>]*>)?[^<>]*n = \d+", page)

    before = shown(cast.ada)
    assert len(before) == 1
    write(channel, "a colleague was rude", cast.hr, author="ines", ago=9_000)
    assert shown(cast.ada) == before
    cast.ada.join(cast.hr, Role.AGENT, by=None)
    assert "n = 2" in shown(cast.ada)[0]


def furnished(channel):
    now = timezone.now()
    Channel.objects.filter(pk=channel.pk).update(
        monthly_cap=Decimal(50), access_since=now - 55 * DAY, access_until=now + 5 * DAY, warnings=["It lacks a right."]
    )
    metering.count(channel, now, requests=7, read_cost=Decimal("41.5"))
    metering.note(f"channel:{channel.pk}", [Rate("search", 75, 0, now + timedelta(minutes=9))], now)
    Reread.objects.create(
        channel=channel,
        source="mentions",
        since=now - DAY,
        until=now,
        begun_at=now,
        done_at=now,
        found=10_000,
        late=3,
        missing=1,
    )
    channel.refresh_from_db()


def test_the_page_says_all_of_it_in_words(ada, channel, monkeypatch):
    monkeypatch.setattr(Connector.named("demo"), "currency", "$")
    read(channel)
    furnished(channel)
    shown, asked = " ".join(page(ada, channel).split()), Usage.objects.get().requests
    assert asked > 7
    for words in (
        "99.99 % complete, 3 late, 1 missing (n = 10000)",
        "$41.50 today, $41.50 this month of $50.00",
        f"{asked} today, {asked} this month",
        "0 of 75",
        "Access ends in 5 days",
        "It lacks a right.",
        "Complete since",
    ):
        assert words in shown, words
    assert "access ends" in ada.get("/set-up/channels/").content.decode()


def test_the_page_costs_as_many_statements_with_much_as_with_little(ada, channel):
    read(channel)
    page(ada, channel)
    with CaptureQueriesContext(connection) as few:
        page(ada, channel)
    furnished(channel)
    now = timezone.now()
    for number in range(30):
        Source.objects.create(channel=channel, name=f"hashtag:{number}", begun_at=now)
        Gap.objects.create(channel=channel, source="mentions", until=now, why="the network was away")
        quarantine(channel, "mentions", [Bad(f"{number}", "not understood", {"n": number})])
        connected_fields = {"network": "demo", "settings": {}}
        Channel.objects.create(name=f"channel {number}", **connected_fields)
    with CaptureQueriesContext(connection) as many:
        page(ada, channel)
    assert len(many) <= len(few)
    assert len(few) <= 30
    with CaptureQueriesContext(connection) as all_of_them:
        health.of_all(now)
    assert len(all_of_them) <= 7


def test_a_monthly_limit_is_set_on_the_settings_page_where_something_costs(ada, channel, monkeypatch):
    address = f"/set-up/channels/{channel.pk}/settings/"
    assert "At most in a month" not in ada.get(address).content.decode()
    monkeypatch.setattr(Connector.named("demo"), "currency", "$")
    assert "At most in a month, in $" in ada.get(address).content.decode()
    given = {"channel_name": channel.name, "base_url": channel.settings["base_url"], "monthly_cap": "12.50"}
    assert ada.post(address, as_shown(channel, **given)).status_code == 303
    channel.refresh_from_db()
    assert channel.monthly_cap == Decimal("12.50")
    ada.post(address, as_shown(channel, **{**given, "monthly_cap": ""}))
    channel.refresh_from_db()
    assert channel.monthly_cap is None

"""What was said before a channel was connected comes in the background, is history, and holds up nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from connectors import looking_back
from connectors.base import Past
from connectors.faults import Unavailable
from connectors.metering import account_of
from connectors.models import Channel, Lookback, Topic, Usage, Window
from connectors.networks.mastodon.connector import Mastodon
from inbox import ringing
from inbox.models import Conversation, Event, Mention
from inbox.models.conversation import State
from routing.models import Rule
from tests.fakes.bluesky import Fake as Bluesky
from tests.fakes.feed import Fake as Feed
from tests.fakes.mastodon import Fake
from tests.journey.steps import of_fake, read

pytestmark = pytest.mark.django_db(transaction=True)
PAST = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


@pytest.fixture
def channel(cast, fake):
    """Without hashtags: only what is said to us. The first page holds the newest 80 of 200 posts."""
    for number in range(200):
        fake.say(f"post {number}", f"person{number % 7}")
    channel = of_fake(fake, team=cast.support)
    Channel.objects.filter(pk=channel.pk).update(settings=channel.settings | {"hashtags": ""})
    channel.refresh_from_db()
    return channel


def look_back(channel):
    Channel.objects.filter(pk=channel.pk).update(history_at=PAST)
    return read(channel)


def until_it_is_done(channel, polls=12):
    for _ in range(polls):
        look_back(channel)
        if not Lookback.objects.unfinished().exists():
            return
    pytest.fail("it comes to no end")


def texts():
    return set(Mention.objects.values_list("text", flat=True))


def test_all_that_was_said_before_is_fetched_and_is_history(channel, fake):
    until_it_is_done(channel)
    assert texts() == {f"post {number}" for number in range(200)}
    old = Mention.objects.filter(history=True)
    assert old.count() == 120
    assert (
        not Conversation.objects.filter(mentions__history=True)
        .exclude(mentions__history=False)
        .exclude(state=State.HEARD)
        .exists()
    )
    assert not Mention.objects.filter(text="post 0").exclude(conversation__state=State.HEARD).exists()


def test_the_date_from_which_it_is_complete_goes_back_with_each_piece(channel, fake, monkeypatch):
    monkeypatch.setattr(looking_back, "REQUESTS", 2)
    look_back(channel)
    row = Lookback.objects.get()
    first = row.reached_at
    assert row.before > first > row.since
    look_back(channel)
    assert Lookback.objects.get().reached_at < first
    until_it_is_done(channel)
    row.refresh_from_db()
    assert row.reached_at == row.since
    assert row.done_at


def test_a_post_under_a_date_of_long_ago_does_not_make_it_complete_since_then(cast, monkeypatch):
    monkeypatch.setattr(looking_back, "REQUESTS", 2)
    with Bluesky() as fake:
        for number in range(350):
            fake.say(f"post {number}")
        fake.say("imported", createdAt="2016-01-01T00:00:00.000Z")
        for number in range(120):
            fake.say(f"later {number}")
        channel = of_fake(fake, team=cast.support)
        Channel.objects.filter(pk=channel.pk).update(settings=channel.settings | {"searches": ""})
        read(channel)
        look_back(channel)
        row = Lookback.objects.get(source="notifications")
        assert row.done_at is None
        assert Mention.objects.filter(text="imported").exists()
        assert row.reached_at is None or row.reached_at > timezone.now() - timedelta(days=300)
        until_it_is_done(channel)
        row.refresh_from_db()
        assert row.reached_at == row.since


def test_what_is_new_is_read_before_anything_old(channel, fake, monkeypatch):
    asked = []
    page = Mastodon._page
    monkeypatch.setattr(
        Mastodon, "_page", lambda self, source, place, now: asked.append(place[0]) or page(self, source, place, now)
    )
    read(channel)
    asked.clear()
    fake.say("this is new")
    look_back(channel)
    assert asked[0] == "min_id"
    assert asked.count("max_id") <= looking_back.REQUESTS
    new = Mention.objects.get(text="this is new")
    assert not new.history
    assert new.conversation.state == State.NEW


def test_a_poll_that_dies_between_storing_and_noting_goes_on_and_doubles_nothing(channel, fake, monkeypatch):
    reached, times = Lookback.reached, []

    def dies(row, *args):
        times.append(1)
        if len(times) == 2:
            raise KeyboardInterrupt
        reached(row, *args)

    monkeypatch.setattr(Lookback, "reached", dies)
    with pytest.raises(KeyboardInterrupt):
        look_back(channel)
    Channel.objects.update(polling_until=None)
    until_it_is_done(channel)
    assert Mention.objects.count() == 200


def test_no_cursor_of_ordinary_reading_moves(channel, fake):
    read(channel)
    read(channel)
    marks = [mark[0] for mark in channel.sources.get().cursor["marks"]]
    until_it_is_done(channel)
    assert {mark[0] for mark in channel.sources.get().cursor["marks"]} >= {marks[-1]}
    assert "below" not in channel.sources.get().cursor


def test_history_that_joins_an_open_conversation_moves_it_nowhere(channel, fake):
    """Person 0 has written within the first page and long before it."""
    monday = fake.say("is anybody there?", "person0")
    read(channel)
    one = Conversation.objects.get(mentions__external_id__endswith=monday)
    before = (one.state, one.waiting_since, one.newest_at, one.inbound_seq)
    until_it_is_done(channel)
    one.refresh_from_db()
    assert (one.state, one.waiting_since, one.newest_at, one.inbound_seq) == before


def test_a_window_that_is_half_used_leaves_the_rest_to_what_is_new(channel, fake):
    read(channel)
    Lookback.objects.all().delete()
    reset = timezone.now() + timedelta(minutes=5)
    Window.objects.create(
        account=account_of(channel), bucket="mastodon", limit=300, remaining=149, reset_at=reset, seen_at=timezone.now()
    )
    look_back(channel)
    assert not Lookback.objects.get().oldest_at
    assert Channel.objects.get().history_at > timezone.now()
    Window.objects.update(remaining=200)
    look_back(channel)
    assert Lookback.objects.get().oldest_at


def test_a_network_that_gives_no_past_says_so_and_is_asked_nothing(cast):
    with Feed() as feed:
        feed.say("an entry")
        channel = of_fake(feed, team=cast.support)
        read(channel)
        before = feed.requests()
        look_back(channel)
        assert feed.requests() - before <= 1
    row = Lookback.objects.get()
    assert row.done_at
    assert row.reached_at is None
    assert "newest entries only" in row.words


def test_a_past_that_costs_money_waits_until_somebody_wants_it(channel, fake, cast, monkeypatch):
    free = Mastodon.history

    def paid(self, source, cursor, since, now):
        return Past(cursor=free(self, source, cursor, since, now).cursor, paid=True)

    monkeypatch.setattr(Mastodon, "history", paid)
    look_back(channel)
    assert Mention.objects.count() == 80
    assert Lookback.objects.get().waits_for_consent
    assert looking_back.allow(channel, cast.ada)
    assert not looking_back.allow(channel, cast.ada)
    assert [event.actor for event in Event.objects.filter(happening="set_up_changed")] == [cast.ada]
    until_it_is_done(channel)
    assert Mention.objects.count() == 200


def test_a_past_that_is_paid_stops_at_half_of_the_months_limit(channel, fake, cast, monkeypatch):
    free, back = Mastodon.history, Mastodon._back

    def paid(self, source, cursor, since, now):
        return Past(cursor=free(self, source, cursor, since, now).cursor, paid=True)

    def dear(self, source, cursor, budget, now):
        for page in back(self, source, cursor, budget, now):
            budget.spend(0, Decimal(6))
            yield replace(page, cost=Decimal(6))

    monkeypatch.setattr(Mastodon, "history", paid)
    monkeypatch.setattr(Mastodon, "_back", dear)
    Channel.objects.update(monthly_cap=Decimal(10))
    look_back(channel)
    looking_back.allow(channel, cast.ada)
    look_back(channel)
    look_back(channel)
    row = Lookback.objects.get()
    assert row.oldest_at
    assert not row.done_at
    assert Usage.objects.get().read_cost == 6
    assert Channel.objects.get().history_at > timezone.now()


def test_a_past_that_cannot_be_had_harms_the_channel_in_nothing(channel, fake, monkeypatch):
    monkeypatch.setattr(Mastodon, "_back", refused)
    look_back(channel)
    channel.refresh_from_db()
    assert (channel.state, channel.failures) == ("ok", 0)
    assert Lookback.objects.get().done_at is None
    assert channel.history_at > timezone.now() + timedelta(minutes=50)
    Lookback.objects.update(moved_at=timezone.now() - timedelta(days=4))
    look_back(channel)
    row = Lookback.objects.get()
    assert row.done_at
    assert "closed for the night" in row.words
    assert Mention.objects.count() == 80


def refused(self, source, cursor, budget, now):
    budget.spend()
    raise Unavailable("It is closed for the night.")
    yield


def test_a_source_that_comes_later_is_looked_back_too(channel, fake):
    until_it_is_done(channel)
    fake.mutter("long ago a kettle broke", "theo")
    fake.notified.append({"id": str(len(fake.notified) + 1), "type": "moon", "status": None})
    topic = Topic(name="Kettles")
    topic.rewrite(None, [], query="kettle")
    until_it_is_done(channel)
    assert set(Lookback.objects.values_list("source", flat=True)) == {"notifications", "search:kettle"}


def test_a_piece_rings_once_for_the_team_and_tells_nobody_in_person(channel, fake, cast, monkeypatch):
    give = [{"do": "agent", "agent": cast.ana.pk}]
    Rule().rewrite(cast.ada, name="all of it", when={"all": [{"is": "text_any", "words": ["post"]}]}, then=give)
    read(channel)
    assert Event.objects.filter(stream=cast.ana.stream, happening="received").exists()
    Event.objects.filter(stream=cast.ana.stream).delete()
    rung = []
    monkeypatch.setattr(ringing, "bell", lambda touched: rung.append(set(touched)))
    monkeypatch.setattr(looking_back, "REQUESTS", 2)
    look_back(channel)
    assert Mention.objects.filter(history=True).exists()
    assert len([one for one in rung if any(stream.startswith("team:") for stream in one)]) <= 2
    assert not Event.objects.filter(stream__startswith="agent:", happening="received").exists()

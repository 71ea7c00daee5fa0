"""Once a day the last two days are read again: what is missing is fetched and counted, and no cursor moves."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

from connectors import listening, metering, rereading
from connectors.base import Connector
from connectors.models import Channel, Reread
from inbox.models import Conversation, Event, Mention
from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer, Fault
from tests.fakes.feed import Fake as Feed
from tests.fakes.x import Fake as X
from tests.journey.steps import connected, of_fake

pytestmark = pytest.mark.django_db(transaction=True)
PAST, START = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def network(settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    return Network(seed=7, pace=0)


@pytest.fixture
def server(network):
    server = DemoServer(network)
    server.start()
    yield server
    server.stop()


def read(channel):
    channel.sources.update(next_at=PAST)
    Channel.objects.filter(pk=channel.pk).update(next_poll_at=PAST)
    assert listening.listen(channel.pk)
    channel.refresh_from_db()
    return channel


@pytest.fixture
def channel(cast, server, network):
    """Twenty hours old, with eight posts of its first hours; nothing was read again yet."""
    with time_machine.travel(START, tick=True):
        channel = connected(server, team=cast.support)
    for number in range(8):
        with time_machine.travel(START + (number + 1) * HOUR, tick=True):
            network.say(f"person{number}", f"post {number}")
            read(channel)
    return channel


def travelled(hours):
    return time_machine.travel(START + hours * HOUR, tick=True)


def lose(text):
    Event.objects.filter(conversation__mentions__text=text).delete()
    Conversation.objects.filter(mentions__text=text).delete()


def figure(channel):
    [last, *_] = rereading.completeness(channel)
    return last.found, last.late, last.missing, last.percent


def test_what_is_all_there_is_complete_and_no_cursor_moves(channel):
    before = channel.sources.get().cursor
    with travelled(23):
        read(channel)
        assert not Reread.objects.exists()
    with travelled(25):
        read(channel)
        assert figure(channel) == (8, 0, 0, "100.00")
        assert channel.reread_at > timezone.now() + 23 * HOUR
        read(channel)
    assert Reread.objects.count() == 1
    assert channel.sources.get().cursor == before
    assert Mention.objects.count() == 8


def test_a_missing_post_is_fetched_and_counted_and_a_late_one_told(channel):
    lose("post 3")
    late = Mention.objects.get(text="post 5")
    Mention.objects.filter(pk=late.pk).update(seen_at=late.posted_at + timedelta(minutes=40))
    with travelled(25):
        read(channel)
    assert figure(channel) == (8, 1, 1, "87.50")
    found = Mention.objects.get(text="post 3")
    assert Reread.objects.get().missing_ids == [found.external_id]
    assert found.conversation.team == channel.team


def test_an_edit_that_nobody_looked_for_is_found(channel, network):
    post = next(post for post in network.posts.values() if post.text == "post 2")
    post.text, post.edited_at = "post 2, corrected", (START + 9 * HOUR).isoformat()
    with travelled(25):
        read(channel)
    assert Mention.objects.get(external_id=post.id).text == "post 2, corrected"


def test_what_is_read_again_in_many_polls_is_counted_once(channel, network, monkeypatch):
    with travelled(10):
        for number in range(450):
            network.say("theo", f"more {number}")
        read(channel)
    with travelled(25):
        for _ in range(6):
            read(channel)
    assert figure(channel)[0] == Mention.objects.count() == 458


def test_a_poll_that_dies_between_storing_and_counting_counts_once(channel, monkeypatch):
    lose("post 3")
    counted = rereading.Rereading._counted
    with travelled(25):
        with monkeypatch.context() as dying:
            dying.setattr(rereading.Rereading, "_counted", lambda *args: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                read(channel)
        assert rereading.Rereading._counted is counted
        read(channel)
    assert figure(channel) == (8, 0, 1, "87.50")


def test_posts_from_before_the_channel_are_no_fault_of_ours(cast, server, network):
    with travelled(-5):
        network.say("carla", "before you came")
    with travelled(0):
        channel = connected(server, team=cast.support)
        read(channel)
    with travelled(25):
        read(channel)
        [figure] = rereading.completeness(channel)
    assert (figure.found, figure.share, figure.percent) == (0, None, "")


def test_a_network_that_cannot_be_read_again_says_so(cast, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with Feed() as feed:
        with travelled(0):
            channel = of_fake(feed, "a blog", team=cast.support)
            read(channel)
        with travelled(25):
            read(channel)
    [figure] = rereading.completeness(channel)
    assert figure.words == "It cannot be checked. A feed holds its newest entries only."
    assert channel.state == "ok"


def test_what_is_cheap_is_compared_and_counted_and_what_is_dear_is_named(cast, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with X() as x:
        with travelled(0):
            channel = of_fake(x, "@acme", team=cast.support)
            read(channel)
        with travelled(2):
            x.live, x.start = True, timezone.now()
            missed = x.say("said before")
            read(channel)
        lose("said before @acme")
        before = metering.cost_of_month(channel, START)
        with travelled(25):
            read(channel)
    [figure] = rereading.completeness(channel)
    assert (figure.found, figure.missing, figure.percent) == (1, 1, "0.00")
    assert "asks money" in figure.words
    assert Mention.objects.get(external_id=missed).text == "said before @acme"
    assert metering.cost_of_month(channel, START + 25 * HOUR) - before >= Decimal("0.011")


def test_a_network_that_is_away_is_read_again_when_it_is_back(channel, server):
    lose("post 1")
    with travelled(25):
        server.faults = [Fault("error", 1)]
        read(channel)
        assert channel.state == "slow"
        read(channel)
    assert figure(channel) == (8, 0, 1, "87.50")
    assert channel.state == "ok"


def test_a_refusal_ends_the_comparing_and_not_the_reading(channel, monkeypatch):
    from connectors.base import NotPermitted

    kind = Connector.named("demo")
    usual = kind.poll

    def poll(self, source, cursor, budget, now):
        if cursor and cursor.get("since"):
            raise NotPermitted("not that far back")
        yield from usual(self, source, cursor, budget, now)

    monkeypatch.setattr(kind, "poll", poll)
    with travelled(25):
        read(channel)
        [figure] = rereading.completeness(channel)
    assert "not that far back" in figure.words
    assert channel.state == "ok"


def test_the_share_is_never_rounded_up_to_the_whole():
    figure = rereading.Completeness(START, START, START, found=100_000, late=3, missing=1)
    assert figure.percent == "99.99"

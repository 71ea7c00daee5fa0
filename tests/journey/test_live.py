"""Streams: a post is in the inbox because its network announced it, and nothing depends on that."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone

from connectors import attending, health, listening
from connectors.attending import plan
from connectors.bells import LIVE, live, mark_live, ring
from connectors.models import Channel
from inbox.models import Mention
from socialcare.local import CHECKOUT
from tests.fakes.mastodon import Fake
from tests.fakes.streams import EventServer, SocketServer
from tests.journey.attended import attended
from tests.journey.steps import of_fake, read
from tests.waiting import PATIENCE, soon

pytestmark = pytest.mark.django_db(transaction=True)
MENTION = '{"type": "mention"}'


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(attending, "FIRST_PAUSE", 0.05)
    cache.clear()


@pytest.fixture
def streams():
    with EventServer() as server:
        yield server


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


@pytest.fixture
def talk(cast, fake, streams):
    """A channel that was read and is not due for an hour."""
    return settled(of_fake(fake, team=cast.support), streams)


def settled(channel, streams):
    facts = {**channel.settings["facts"], "streaming": streams.url}
    Channel.objects.filter(pk=channel.pk).update(settings={**channel.settings, "facts": facts})
    channel = read(channel)
    later = timezone.now() + timedelta(hours=1)
    channel.sources.update(next_at=later)
    Channel.objects.filter(pk=channel.pk).update(next_poll_at=later)
    return channel


def texts():
    return set(Mention.objects.values_list("text", flat=True))


def test_a_post_is_in_the_inbox_because_it_was_announced(talk, fake, streams):
    with attended():
        soon(lambda: streams.open == 2)
        assert not listening.listen(talk.pk)
        fake.say("Is anybody there?")
        streams.say("notification", MENTION, "notification")
        soon(lambda: listening.listen(talk.pk))
    assert "Is anybody there?" in texts()
    hashtag = talk.sources.get(name="hashtag:tea")
    assert hashtag.next_at > timezone.now() + timedelta(minutes=50), "only what has news is read"


def test_news_that_come_while_the_channel_is_read_are_read_after_it(talk, fake, streams, monkeypatch):
    Channel.objects.filter(pk=talk.pk).update(next_poll_at=timezone.now())
    talk.sources.filter(name="notifications").update(next_at=timezone.now())
    kept = listening.Listener._pages

    def announced_meanwhile(self, connector, source):
        result = kept(self, connector, source)
        fake.say("Too late for this page.")
        ring({talk.pk: {"notifications"}})
        monkeypatch.undo()
        return result

    monkeypatch.setattr(listening.Listener, "_pages", announced_meanwhile)
    assert listening.listen(talk.pk)
    assert "Too late for this page." not in texts()
    assert listening.listen(talk.pk)
    assert "Too late for this page." in texts()
    assert not listening.listen(talk.pk)


@pytest.mark.parametrize(
    "fields", [{"paused": True}, {"state": "reconnect"}, {"state": "slow", "fault": "RateLimited"}]
)
def test_a_channel_that_rests_is_not_woken(talk, fields):
    Channel.objects.filter(pk=talk.pk).update(**fields)
    ring({talk.pk: {"notifications"}})
    assert not listening.listen(talk.pk)


def test_a_source_with_a_fault_waits_as_it_was_told_to(talk):
    talk.sources.filter(name="notifications").update(fault="NotPermitted")
    ring({talk.pk: {"notifications", "hashtag:tea"}})
    due = talk.sources.filter(next_at__lte=timezone.now())
    assert list(due.values_list("name", flat=True)) == ["hashtag:tea"]


def test_a_ring_for_one_channel_touches_no_other_and_costs_the_same_for_many(talk, fake, cast, streams):
    from django.test.utils import CaptureQueriesContext

    others = [settled(of_fake(fake, name=f"@{number}", team=cast.support), streams) for number in range(3)]
    with CaptureQueriesContext(connection) as few:
        ring({talk.pk: {"notifications"}})
    assert not any(listening.listen(other.pk) for other in others)
    with CaptureQueriesContext(connection) as many:
        ring({channel.pk: {"notifications", "hashtag:tea"} for channel in [talk, *others]})
    assert len(many) == len(few)
    assert all(listening.listen(channel.pk) for channel in [talk, *others])


def test_a_channel_of_which_a_part_is_polled_is_not_live(talk):
    """Every stream that is held is open, and still it is not live."""
    tags = "\n".join(f"#tea{number}" for number in range(attending.MOST))
    Channel.objects.filter(pk=talk.pk).update(settings={**talk.settings, "hashtags": tags})
    with attended() as attendant:
        soon(lambda: len(attendant.open) == attending.MOST)
        assert attendant._live() == []


def test_a_ring_during_a_poll_waits_for_it(talk):
    """Both lock the channel before its sources; in the other order one of them would be ended as a deadlock."""
    with transaction.atomic():
        Channel.objects.select_for_update().get(pk=talk.pk)
        ringing = threading.Thread(target=rung, args=(talk.pk,))
        ringing.start()
        soon(waits_for_a_lock)
        talk.sources.update(interval=7)
    ringing.join(PATIENCE)
    assert talk.sources.get(name="notifications").next_at <= timezone.now()


def rung(channel):
    try:
        ring({channel: {"notifications"}})
    finally:
        connection.close()


def waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


def test_streams_follow_the_channels(talk, fake, cast, streams):
    with attended():
        soon(lambda: streams.open == 2)
        Channel.objects.filter(pk=talk.pk).update(paused=True)
        soon(lambda: streams.open == 0)
        Channel.objects.filter(pk=talk.pk).update(paused=False, settings={**talk.settings, "hashtags": ["a", "b"]})
        soon(lambda: streams.open == 3)
        settled(of_fake(fake, name="@other", team=cast.support), streams)
        soon(lambda: streams.open == 4)  # notifications and hashtag a, b of the first; the other one's hashtag


def test_one_connection_serves_all_channels_that_ask_for_the_same(cast, fake):
    with SocketServer() as jet:
        settings = {"arrival": "jetstream", "jetstream": jet.url}
        pair = [
            Channel.objects.create(name=name, network="bluesky", settings={**settings, "searches": [name]})
            for name in ("acme", "tea")
        ]
        found = plan()
        assert len(found.streams) == 1
        with attended() as attendant:
            soon(lambda: jet.open == 1)
            soon(lambda: live() == {channel.pk for channel in pair})
            jet.say('{"did": "x", "commit": {"record": {"text": "a cup of tea"}}}')
            soon(lambda: attendant.bells.next_at())
            assert set(attendant.bells._due) == {(pair[1].pk, "search:tea")}


def test_a_stream_that_breaks_is_opened_again_and_its_channel_is_live_only_meanwhile(talk, streams, monkeypatch):
    with attended() as attendant:
        soon(lambda: live() == {talk.pk})
        assert health.of(talk, timezone.now()).arrival == "live"
        before = len(streams.asked)
        streams.drop()
        soon(lambda: len(streams.asked) >= before + 2)
        soon(lambda: live() == {talk.pk})
        streams.status = 503
        streams.drop()
        soon(lambda: live() == frozenset())
        assert health.of(talk, timezone.now()).arrival == "polling"
        assert attendant.held


def test_a_refused_stream_is_left_alone_for_long(talk, streams):
    streams.status = 403
    with attended():
        soon(lambda: len(streams.asked) == 2)
        time.sleep(0.5)
        assert len(streams.asked) == 2


def test_pauses_grow_while_a_server_stays_away(talk, streams, monkeypatch):
    streams.status = 503
    with attended():
        time.sleep(1.5)
        soon(lambda: len(streams.asked) >= 4)
        assert len(streams.asked) <= 12


def test_a_channel_whose_secrets_cannot_be_opened_keeps_no_other_from_its_stream(talk, fake, cast, streams):
    broken = settled(of_fake(fake, name="@broken", team=cast.support), streams)
    Channel.objects.filter(pk=broken.pk).update(sealed={"access_token": "v1:none:x:y"})
    assert plan().least.keys() == {talk.pk}


def test_what_a_hostile_server_sends_neither_ends_the_loop_nor_rings(talk, streams):
    with attended() as attendant:
        soon(lambda: streams.open == 2)
        for junk in (
            b"\x00\xff" * 500 + b"\n\n",
            b"event: notification\ndata: [" + b"[" * 50_000 + b"\n\n",
            b"data\n\n",
        ):
            streams.put(junk)
        streams.put(b"x" * 1_100_000)
        soon(lambda: len(streams.asked) >= 4)
        assert attendant.bells.next_at() is None
        soon(lambda: streams.open == 2)


def test_who_says_nothing_any_more_is_not_live():
    mark_live([3, 1])
    assert live() == {1, 3}
    cache.delete(LIVE)
    assert live() == frozenset()


def started():
    target = {**os.environ, "DATABASE_URL": _test_database(), "ROLE": "listen", "FETCH_ALLOW": "127.0.0.1"}
    argv = [sys.executable, "manage.py", "listen", "--interval", "0.2"]
    return subprocess.Popen(argv, cwd=CHECKOUT, env=target, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _test_database():
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path="/" + connection.settings_dict["NAME"]))


def open_transactions():
    with connection.cursor() as cursor:
        mine = "datname = current_database() AND pid <> pg_backend_pid()"
        cursor.execute(f"SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND {mine}")
        return cursor.fetchone()[0]


@pytest.mark.slow
def test_the_process_may_be_killed_and_started_again_and_ends_when_asked(talk, fake, streams):
    process = started()
    try:
        soon(lambda: streams.open == 2)
        soon(lambda: open_transactions() == 0)  # one that were open while it waits would stay
        process.send_signal(signal.SIGKILL)
        process.wait()
        streams.drop()
        fake.say("Said while nobody listened.")
        assert not listening.listen(talk.pk)
        process = started()
        soon(lambda: streams.open == 2)
        streams.say("notification", MENTION, "notification")
        soon(lambda: listening.listen(talk.pk))
        assert "Said while nobody listened." in texts()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert fake.secrets["access_token"] not in process.stderr.read().decode()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()

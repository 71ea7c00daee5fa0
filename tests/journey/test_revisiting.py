"""Posts of conversations that are closed, asleep or only heard are asked for again as well, on every network that says
how its posts stand, with what is left of a poll's budget; whoever dies on the way leaves none of them out."""

from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors import listening, metering, revisiting
from connectors.base import Connector, Deleted, Rate, Unavailable, Unreadable
from connectors.metering import Window, account_of
from connectors.models import Channel, Revisit
from inbox.models import Conversation, Mention
from inbox.models import receive as receiving
from tests.fakes.instagram import Fake as Instagram
from tests.fakes.server import Reply
from tests.fakes.x import Fake as X
from tests.journey.steps import of_fake, read

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 10
ASKED = sorted(name for name, kind in Connector.kinds().items() if kind.refresh is not Connector.refresh)


@pytest.fixture
def demo(monkeypatch):
    kind = Connector.named("demo")
    monkeypatch.setattr(kind, "at_once", AT_ONCE)
    return kind


def put_away():
    """All is done, was read some time ago, and nothing was asked for since."""
    Conversation.objects.update(state=4)
    Mention.objects.update(seen_at=timezone.now() - timedelta(hours=2))
    Revisit.objects.all().delete()


def closed(network, channel, count):
    """Posts of as many people in conversations that are done, in the order of the round."""
    at = network.now()
    for number in range(count):
        network.say(f"Person {number}", f"my order {number}", at=at)
    wanted = Mention.objects.count() + count
    for _ in range(4):
        if Mention.objects.count() < wanted:
            read(channel)
    assert Mention.objects.count() == wanted
    put_away()
    return list(Mention.objects.order_by("external_id").values_list("external_id", flat=True))


def revisit(channel):
    """One look, with nothing else to read."""
    now = timezone.now()
    fields = {"refresh_at": now, "next_poll_at": now, "reread_at": now + timedelta(days=1), "polling_until": None}
    Channel.objects.filter(pk=channel.pk).update(history_at=now + timedelta(days=1), **fields)
    channel.sources.update(next_at=now + timedelta(hours=1))
    Revisit.objects.filter(channel=channel, due_at__gt=now, due_at__lt=now + timedelta(hours=1)).update(due_at=now)
    assert listening.listen(channel.pk)
    channel.refresh_from_db()


def deleted():
    return set(Mention.objects.filter(state="deleted").values_list("external_id", flat=True))


def delete(network, *ids):
    for each in ids:
        network.delete(each)


@pytest.mark.parametrize("name", ASKED)
def test_what_is_deleted_or_changed_after_the_conversation_was_closed_is_so_here_too(name, cast, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with import_module(f"tests.fakes.{name}").Fake() as fake:
        gone, changed = fake.say("my order is late"), fake.say("where is it?", "theo")
        channel = read(of_fake(fake, team=cast.support))
        put_away()
        Channel.objects.filter(pk=channel.pk).update(history_at=timezone.now() + timedelta(days=1))
        assert set(Mention.objects.values_list("external_id", flat=True)) >= {gone, changed}
        if fake.tells_edits:
            fake.edit(changed, "found it")
        if fake.tells_deletions:
            fake.delete(gone)
        told = {each.external_id: each for each in fake.connector().refresh([gone, changed], datetime.now(UTC))}
        asked = fake.requests()
        revisit(channel)
        mentions = {each.external_id: each for each in Mention.objects.all()}
        if fake.connector().revisits is None:
            assert fake.requests() == asked
            return
        assert not fake.tells_others or changed in told
        if gone in told:
            assert (mentions[gone].state == "deleted") == isinstance(told[gone], Deleted)
        if changed in told:
            assert mentions[changed].text == told[changed].text
        assert set(Conversation.objects.values_list("state", flat=True)) == {4}


def test_where_it_is_read_every_quarter_of_an_hour_only_closed_ones_have_their_turn_too(network, channel, demo):
    ids = closed(network, channel, 5)
    delete(network, *ids)
    now = timezone.now()
    fields = {"refresh_at": now - timedelta(minutes=13), "next_poll_at": now, "reread_at": now + timedelta(days=1)}
    Channel.objects.filter(pk=channel.pk).update(polling_until=None, **fields)
    assert listening.listen(channel.pk)
    assert deleted() == set(ids)


def test_those_that_sleep_are_spam_or_only_heard_are_asked_for_and_open_ones_are_not(network, channel, demo):
    ids = closed(network, channel, 7)
    for state, one in enumerate(ids):
        Conversation.objects.filter(mentions__external_id=one).update(state=state)
    asked, kept = [], demo.refresh

    def refresh(self, wanted, now):
        asked.append(set(wanted))
        return kept(self, wanted, now)

    demo.refresh = refresh
    try:
        revisit(channel)
    finally:
        demo.refresh = kept
    assert set(ids[3:]) in asked


def test_however_many_are_closed_each_has_its_turn_and_the_next_round_begins_a_day_later(network, channel, demo):
    ids = closed(network, channel, 45)
    delete(network, *ids[::2])
    found = []
    for _ in range(2):
        revisit(channel)
        found.append(len(deleted()))
    assert found == [20, 23]
    row = Revisit.objects.get()
    assert (row.at, row.due_at) == ("", row.begun_at + timedelta(days=1))
    delete(network, ids[1])
    revisit(channel)
    assert ids[1] not in deleted()
    Revisit.objects.update(due_at=timezone.now())
    revisit(channel)
    assert ids[1] in deleted()


def test_nothing_is_asked_for_beyond_what_a_poll_and_the_account_may_ask_for(network, channel, demo, monkeypatch):
    ids = closed(network, channel, 25)
    delete(network, *ids)
    monkeypatch.setattr(revisiting, "REQUESTS", 1)
    revisit(channel)
    assert deleted() == set(ids[:AT_ONCE])
    account, later = account_of(channel), timezone.now() + timedelta(hours=1)
    metering.note(account, [Rate("demo", 100, 50, later)], timezone.now())
    revisit(channel)
    assert deleted() == set(ids[:AT_ONCE])
    Window.objects.update(remaining=70)
    revisit(channel)
    assert deleted() == set(ids[: 2 * AT_ONCE])
    Channel.objects.update(monthly_cap=10)
    monkeypatch.setattr("connectors.metering.cost_of_month", lambda channel, now: 6)
    revisit(channel)
    assert deleted() == set(ids[: 2 * AT_ONCE])


def dies(*args, **kwargs):
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["asking", "storing"])
def test_whoever_dies_leaves_no_post_out(network, channel, demo, monkeypatch, where):
    ids = closed(network, channel, 25)
    delete(network, *ids)
    with monkeypatch.context() as patch:
        if where == "asking":
            patch.setattr(demo, "refresh", dies)
        else:
            patch.setattr(receiving, "record_page", dies)
        with pytest.raises(KeyboardInterrupt):
            revisit(channel)
        assert (deleted(), Revisit.objects.get().at) == (set(), "")
    revisit(channel)
    assert deleted() == set(ids)


def test_what_nobody_can_cope_with_is_passed_over_in_the_end(network, channel, demo, monkeypatch):
    ids = closed(network, channel, 25)
    kept = demo.refresh

    def refresh(self, wanted, now):
        if ids[0] in wanted:
            raise RecursionError
        return kept(self, wanted, now)

    monkeypatch.setattr(demo, "refresh", refresh)
    delete(network, *ids)
    for _ in range(revisiting.PATIENCE):
        with pytest.raises(RecursionError):
            revisit(channel)
    revisit(channel)
    assert deleted() == set(ids[AT_ONCE:])


def test_a_network_that_is_away_costs_nobody_a_turn_and_one_that_refuses_is_left_alone(
    network, server, channel, demo, monkeypatch
):
    ids = closed(network, channel, 5)
    delete(network, *ids)
    with monkeypatch.context() as patch:
        patch.setattr(demo, "refresh", lambda self, wanted, now: (_ for _ in ()).throw(Unavailable("away")))
        for _ in range(revisiting.PATIENCE + 1):
            revisit(channel)
        assert channel.state == "slow"
        patch.setattr(demo, "refresh", lambda self, wanted, now: (_ for _ in ()).throw(Unreadable("odd")))
        revisit(channel)
    row = Revisit.objects.get()
    assert (channel.state, row.tried) == ("ok", 1)
    assert row.due_at > timezone.now() + timedelta(hours=5)
    Revisit.objects.update(due_at=timezone.now())
    revisit(channel)
    assert deleted() == set(ids)


def test_a_slow_twin_moves_nothing(network, channel, demo, monkeypatch):
    ids = closed(network, channel, 5)
    delete(network, *ids)
    kept = demo.refresh

    def refresh(self, wanted, now):
        Channel.objects.update(cursor_version=F("cursor_version") + 1)
        return kept(self, wanted, now)

    monkeypatch.setattr(demo, "refresh", refresh)
    revisit(channel)
    assert (deleted(), Revisit.objects.get().at) == (set(), "")


def test_more_closed_conversations_cost_no_more_statements_a_request(network, channel, demo, monkeypatch):
    monkeypatch.setattr(revisiting, "REQUESTS", 1)
    counts = []
    for number in (AT_ONCE, 30):
        closed(network, channel, number)
        with CaptureQueriesContext(connection) as seen:
            revisit(channel)
        counts.append(len(seen))
    assert counts[1] <= counts[0]


def test_where_a_network_looks_itself_it_is_asked_for_once_and_its_word_is_waited_for(cast, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with X() as fake:
        fake.secrets = {**fake.secrets, "bearer_token": fake.bearer}
        gone, shy, there = (fake.say(f"@acme {text}") for text in ("gone", "shy", "there"))
        channel = read(of_fake(fake, team=cast.support))
        put_away()
        fake.delete(gone)
        fake.reasons[shy] = "protected"
        for _ in range(2):
            revisit(channel)
        [(job, ids)] = fake.audited.items()
        assert (sorted(ids), deleted(), Revisit.objects.get().tried) == (sorted([gone, shy, there]), set(), 0)
        fake.jobs[job]["status"] = "complete"
        revisit(channel)
        states = dict(Mention.objects.values_list("external_id", "state"))
        assert states == {gone: "deleted", shy: "withheld", there: "live"}
        row = Revisit.objects.get()
        assert (row.at, row.due_at, channel.state) == ("", row.begun_at + timedelta(days=1), "ok")


@pytest.mark.parametrize("trouble", ["token", "storage", "wait"])
def test_where_the_networks_own_look_fails_the_channel_is_read_on_and_it_is_tried_later(cast, settings, trouble):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with X() as fake:
        fake.secrets = {**fake.secrets, "bearer_token": fake.bearer}
        fake.say("@acme hello")
        channel = read(of_fake(fake, team=cast.support))
        put_away()
        if trouble == "token":
            fake.bearer = "another"
        fake._stored = fake._stored if trouble != "storage" else lambda *_asked: Reply(503, "")
        fake._job = fake._job if trouble != "wait" else lambda _asked: Reply(429, "{}")
        for _ in range(revisiting.PATIENCE + 1):
            revisit(channel)
            assert (channel.state, channel.fault) == ("ok", "")
            Revisit.objects.update(due_at=timezone.now())
        fake.say("@acme and this?")
        channel.sources.update(next_at=timezone.now())
        assert Mention.objects.count() == 1
        read(channel)
        assert Mention.objects.count() == 2


@pytest.mark.parametrize("state", [0, 4])
def test_what_a_network_tells_nobody_by_its_number_is_not_taken_for_deleted(cast, settings, state):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with Instagram() as fake:
        fake.tagged = [{"id": "301", "caption": "nice @acme", "media_type": "IMAGE", "username": "carla",
                        "permalink": "https://www.instagram.com/p/y/", "timestamp": fake.now()}]  # fmt: skip
        comment = fake.say("gone")
        channel = read(of_fake(fake, team=cast.support))
        put_away()
        Conversation.objects.update(state=state)
        fake.delete(comment)
        revisit(channel)
        assert dict(Mention.objects.values_list("external_id", "state")) == {"301": "live", comment: "deleted"}

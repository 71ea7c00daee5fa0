"""Listening to Bluesky without an account: what Jetstream shows is stored before anything is rung for, and arrives
although the public search refuses us."""

import json
import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import DatabaseError
from django.utils import timezone

from connectors import attending, health, keeping, listening, unpacking
from connectors.arriving import quarantine
from connectors.base import Bad, Budget, Unavailable
from connectors.bells import live, mark_live
from connectors.keeping import Batch, Keeper, place_of, places, store
from connectors.models import Channel, Delivery, Gap, Quarantined, Source, Topic, TopicMention
from connectors.networks.bluesky.connector import Bluesky
from connectors.retrying import retry
from connectors.streams import Kept
from connectors.trying import try_out
from inbox.models import Mention
from tests.fakes.bluesky import Fake
from tests.fakes.streams import SocketServer
from tests.journey.attended import attended
from tests.journey.steps import of_fake, read
from tests.waiting import soon

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(attending, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(attending, "GATHER", 0.05)
    cache.clear()


@pytest.fixture
def jet():
    with SocketServer() as jet:
        yield jet


@pytest.fixture
def fake():
    with Fake() as fake:
        fake.search_refused = True
        yield fake


@pytest.fixture
def keyless(cast, fake, jet):
    return without_account(fake, jet, cast)


def without_account(fake, jet, cast, **settings):
    """A channel that was read once and is not due for an hour."""
    told = {**settings_of(fake, jet), **settings}
    name = told.get("searches") or "@topics"
    channel = read(Channel.objects.create(name=name, network="bluesky", settings=told, team=cast.support))
    Channel.objects.filter(pk=channel.pk).update(next_poll_at=timezone.now() + timedelta(hours=1))
    return channel


def settings_of(fake, jet):
    return {"appview": fake.server.url, "searches": "tea", "arrival": "jetstream", "jetstream": jet.url}


def frame(fake, uri, at=None, **commit):
    """What Jetstream shows of a record of the fake network."""
    one = fake.records[uri]
    told = {"operation": "create", "collection": "app.bsky.feed.post", "rkey": uri.rpartition("/")[2]}
    told |= {"record": one["record"], "cid": one["cid"]} | commit
    return json.dumps({"did": one["did"], "time_us": at or place_of(timezone.now()), "kind": "commit", "commit": told})


def kept(channel, *uris, source="search:tea"):
    return Batch({(channel.pk, source): list(uris)}, {channel.pk: place_of(timezone.now())}, ())


def texts():
    return sorted(Mention.objects.values_list("text", flat=True))


def test_a_post_arrives_although_the_search_refuses_us(keyless, fake, jet):
    assert keyless.state == "ok"
    with attended():
        soon(lambda: jet.open == 1)
        jet.say(frame(fake, fake.say("A cup of tea, please.")))
        jet.say(frame(fake, fake.say("All steam and no cup.")))
        soon(lambda: listening.listen(keyless.pk))
        soon(lambda: live() == {keyless.pk})
        shown = health.of(Channel.objects.get(pk=keyless.pk), timezone.now())
    assert texts() == ["A cup of tea, please."]
    assert Mention.objects.get().source == "search:tea"
    assert not Delivery.objects.filter(done_at=None).exists()
    assert (shown.mood, shown.arrival) == ("good", "live")
    assert "refuses" in shown.why_polled


def test_a_refused_search_that_cannot_be_compared_is_still_a_fault(keyless):
    settings = keyless.settings
    Channel.objects.filter(pk=keyless.pk).update(settings={**settings, "searches": "tea\ntea url:acme.test"})
    channel = read(keyless)
    assert (channel.state, channel.fault) == ("slow", "NotPermitted")
    Channel.objects.filter(pk=keyless.pk).update(settings=settings)
    assert read(keyless).state == "ok"


def test_a_refused_channel_without_its_stream_is_not_called_good(keyless):
    shown = health.of(keyless, timezone.now())
    assert shown.mood == "warn"
    assert "not open" in shown.why
    (row,) = health.of_all(timezone.now())
    assert row.mood == "warn"


def test_what_was_stored_when_we_died_is_rung_for_as_well(keyless, fake, monkeypatch):
    """Both are one transaction: after it nothing else has to happen, and before it the stream is heard again."""
    uri = fake.say("A cup of tea, please.")

    def die(news):
        raise RuntimeError

    with monkeypatch.context() as dying:
        dying.setattr(keeping, "ring", die)
        with pytest.raises(RuntimeError):
            store(kept(keyless, uri))
    assert not Delivery.objects.exists()
    assert places([keyless.pk]) == {}
    store(kept(keyless, uri))
    assert listening.listen(keyless.pk)
    assert texts() == ["A cup of tea, please."]


def test_the_same_frame_twice_is_one_post_and_asked_for_once(keyless, fake):
    uri = fake.say("A cup of tea, please.")
    keeper = Keeper()
    for _ in range(2):
        keeper.heard(keyless.pk, place_of(timezone.now()), Kept("search:tea", uri))
    store(keeper.take())
    store(kept(keyless, uri))
    assert Delivery.objects.count() == 1
    store(kept(keyless, uri, fake.say("More tea.")))
    read(keyless)
    assert texts() == ["A cup of tea, please.", "More tea."]


def test_an_account_that_is_connected_later_doubles_nothing_and_asks_the_search(cast, keyless, fake, jet):
    uri = fake.say("A cup of tea, please.")
    store(kept(keyless, uri))
    store(kept(keyless, fake.say("tea again")))
    read(keyless)
    assert Mention.objects.count() == 2
    waiting = fake.say("tea for two")
    store(kept(keyless, waiting))
    signed = of_fake(fake, name="@signed")
    sealed = signed.settings | settings_of(fake, jet)
    Channel.objects.filter(pk=signed.pk).update(settings=sealed)
    signed.refresh_from_db()
    with attended() as attendant:
        soon(lambda: attendant._live())
        assert [
            pk for wanted in attendant.plan.streams.values() for pk, one in wanted.channels.items() if one.keeping
        ] == [keyless.pk]
    store(kept(signed, waiting))  # as if it had been kept before the account was there
    read(signed)
    read(signed)
    ids = Mention.objects.filter(channel=signed).values_list("external_id", flat=True)
    assert len(ids) == len(set(ids)) == 3


def test_a_post_that_does_not_show_yet_is_asked_for_again_and_the_others_do_not_wait(keyless, fake):
    early, late = fake.say("tea at once"), fake.say("tea later")
    fake.hidden.add(late)
    store(kept(keyless, early, late))
    read(keyless)
    assert texts() == ["tea at once"]
    delivery = Delivery.objects.get()
    assert delivery.done_at is None
    assert json.loads(delivery.body)["items"] == [late]
    assert Channel.objects.get(pk=keyless.pk).next_poll_at <= delivery.not_before
    fake.hidden.clear()
    Delivery.objects.update(not_before=None)
    read(keyless)
    assert texts() == ["tea at once", "tea later"]
    assert Delivery.objects.get().done_at


def test_a_post_that_never_shows_is_given_up(keyless, fake):
    uri = fake.say("tea")
    fake.delete(uri)
    store(kept(keyless, uri))
    told = json.loads(Delivery.objects.get().body) | {"at": time.time() - 200}
    Delivery.objects.update(body=json.dumps(told))
    read(keyless)
    assert Delivery.objects.get().done_at


def test_a_topic_without_a_search_of_the_channel_hears_and_sorts_as_ever(cast, fake, jet):
    topic = Topic.objects.create(name="Cups", query="cup AND tea NOT decaf", team=cast.support)
    channel = without_account(fake, jet, cast, searches="")
    with attended():
        soon(lambda: jet.open == 1)
        jet.say(frame(fake, fake.say("tea in a decaf cup")))
        jet.say(frame(fake, fake.say("a cup of tea")))
        soon(lambda: Delivery.objects.filter(channel=channel).exists())
        soon(lambda: listening.listen(channel.pk) and Mention.objects.exists())
    assert texts() == ["a cup of tea"]
    assert TopicMention.objects.get().topic_id == topic.pk


def test_what_a_search_found_that_is_listened_to_no_more_is_not_stored(keyless, fake):
    store(kept(keyless, fake.say("coffee"), source="search:coffee"))
    read(keyless)
    assert texts() == []
    assert Delivery.objects.get().done_at


def test_a_stream_that_was_closed_goes_on_from_where_it_was(keyless, fake, jet):
    with attended():
        soon(lambda: jet.open == 1)
        assert "cursor" not in jet.asked[-1][0]
        at = place_of(timezone.now())
        jet.say(frame(fake, fake.say("nothing for us"), at=at))
        soon(lambda: places([keyless.pk]) == {keyless.pk: at})
        jet.drop()
        soon(lambda: len(jet.asked) == 2)
        assert jet.asked[-1][0].endswith(f"&cursor={at - keeping.OVERLAP}")
    with attended():  # another process
        soon(lambda: len(jet.asked) == 3)
        assert jet.asked[-1][0].endswith(f"&cursor={at - keeping.OVERLAP}")


def test_a_stream_goes_back_some_hours_and_the_rest_is_a_gap_that_is_said_once(keyless):
    long_ago = place_of(timezone.now() - timedelta(days=2))
    Source.objects.create(channel=keyless, name=keeping.PLACE, cursor={"place": long_ago})
    (place,) = places([keyless.pk]).values()
    assert place_of(timezone.now() - keeping.BACK) - place < 60 * keeping.SECOND
    places([keyless.pk])
    assert Gap.objects.get().until - Gap.objects.get().since > timedelta(hours=40)


def test_who_joins_an_open_stream_hears_what_it_missed_and_the_others_hear_nothing_again(cast, keyless, fake, jet):
    other = without_account(fake, jet, cast, searches="mate")
    missed = timezone.now() - timedelta(minutes=10)
    Source.objects.create(channel=other, name=keeping.PLACE, cursor={"place": place_of(missed)})
    Channel.objects.filter(pk=other.pk).update(paused=True)
    with attended() as attendant:
        soon(lambda: jet.open == 1)
        soon(lambda: attendant.begun)
        Channel.objects.filter(pk=other.pk).update(paused=False)
        soon(lambda: f"&cursor={place_of(missed) - keeping.OVERLAP}" in jet.asked[-1][0])
        jet.say(frame(fake, fake.say("tea and mate"), at=place_of(missed) + keeping.SECOND))
        soon(lambda: Delivery.objects.exists())
    assert set(Delivery.objects.values_list("channel", flat=True)) == {other.pk}


def test_what_cannot_be_stored_is_heard_again(keyless, fake, jet, monkeypatch):
    failed = []

    def fails_once(batch):
        if not failed and batch.items:
            failed.append(batch)
            raise DatabaseError
        store(batch)

    monkeypatch.setattr(attending, "store", fails_once)
    with attended():
        soon(lambda: jet.open == 1)
        uri = fake.say("tea")
        jet.say(frame(fake, uri))
        soon(lambda: len(jet.asked) == 2)
        assert not Delivery.objects.exists()
        jet.say(frame(fake, uri))
        soon(lambda: Delivery.objects.exists())


def test_too_many_posts_of_a_minute_are_left_out_and_that_is_said(keyless, monkeypatch):
    monkeypatch.setattr(keeping, "MOST", 3)
    keeper, at = Keeper(), place_of(timezone.now() - timedelta(hours=1))
    for number in range(10):
        keeper.heard(keyless.pk, at, Kept("search:tea", f"at://a/b/{number}"))
    keeper.heard(keyless.pk, at + 60 * keeping.SECOND, Kept("search:tea", "at://a/b/next"))
    batch = keeper.take()
    assert sum(map(len, batch.items.values())) == 4
    store(batch)
    store(batch)
    assert "left out" in Gap.objects.get().why


@pytest.mark.parametrize("stored", [True, False])
def test_what_is_heard_again_counts_once(keyless, monkeypatch, stored):
    """A minute with as many posts as may be, in which the connection breaks, or what it showed cannot be stored."""
    monkeypatch.setattr(keeping, "MOST", 30)
    minute = place_of(timezone.now() - timedelta(hours=1)) // (60 * keeping.SECOND) * 60 * keeping.SECOND
    said = [(minute + number * 2 * keeping.SECOND, Kept("search:tea", f"at://{number}")) for number in range(30)]
    keeper, kept = Keeper(), []
    for place, item in said[:20]:
        keeper.heard(keyless.pk, place, item)
    if stored:
        kept += keeper.take().items[keyless.pk, "search:tea"]
    keeper.forget()
    keeper.begin([keyless.pk], {keyless.pk: said[19][0] if stored else minute})
    for place, item in said:
        if not keeper.is_old(keyless.pk, place):
            keeper.heard(keyless.pk, place, item)
    batch = keeper.take()
    assert not batch.left_out
    assert {*kept, *batch.items[keyless.pk, "search:tea"]} == {item.item for _, item in said}


def test_what_a_stream_showed_goes_a_week_after_it_was_worked_off(keyless, fake):
    """With its row: nobody sends it again. What was set aside may be tried again, and stays known."""
    keep(keyless, fake, 3)
    rows = list(Delivery.objects.order_by("pk"))
    quarantine(keyless, "deliveries", [Bad(rows[2].delivery_id, "It is none.", json.loads(rows[2].body))])
    long_ago = timezone.now() - unpacking.KEPT - timedelta(minutes=1)
    Delivery.objects.filter(pk__in=[rows[1].pk, rows[2].pk]).update(done_at=long_ago)
    assert not unpacking.forget(timezone.now())
    assert list(Delivery.objects.order_by("pk").values_list("pk", "body")) == [
        (rows[0].pk, rows[0].body),
        (rows[2].pk, ""),
    ]
    assert retry(Quarantined.objects.get()) == ""
    assert Mention.objects.count() == 1


def test_what_was_set_aside_is_tried_again_whole_or_not_at_all(keyless, fake):
    shown, hidden = fake.say("tea at once"), fake.say("tea later")
    fake.hidden.add(hidden)
    store(kept(keyless, shown, hidden))
    row = Delivery.objects.get()
    quarantine(keyless, "deliveries", [Bad(row.delivery_id, "It is none.", json.loads(row.body))])
    Delivery.objects.update(done_at=timezone.now())
    assert "not show all" in retry(Quarantined.objects.get())
    assert texts() == []
    fake.hidden.clear()
    assert retry(Quarantined.objects.get()) == ""
    assert texts() == ["tea at once", "tea later"]


def test_a_channel_that_is_gone_keeps_no_other_from_being_stored(keyless, fake):
    uri = fake.say("tea")
    batch = kept(keyless, uri)
    store(Batch({**batch.items, (keyless.pk + 999, "search:tea"): [uri]}, {**batch.places, keyless.pk + 999: 1}, ()))
    assert Delivery.objects.get().channel_id == keyless.pk


@pytest.mark.parametrize("arrival", ["jetstream", ""])
def test_the_test_of_a_refused_connection_says_what_that_means(fake, jet, arrival):
    trial = try_out("bluesky", settings_of(fake, jet) | {"arrival": arrival}, {})
    assert trial.works == bool(arrival)
    if arrival:
        assert "from now" in trial.check.warnings[0]
    else:
        assert trial.fault == "NotPermitted"


@pytest.fixture
def away(monkeypatch):
    """away() is how often the network was asked what posts are, which it does not say until away.ends()."""
    asked = []

    def refuse(self, wanted, **how):
        asked.append(wanted)
        raise Unavailable("The answer was 503.", status=503)

    with monkeypatch.context() as trouble:
        counted = lambda: len(asked)  # noqa: E731
        counted.begins, counted.ends = lambda: trouble.setattr(Bluesky, "_views", refuse), trouble.undo
        counted.begins()
        yield counted


def keep(channel, fake, count):
    for number in range(count):
        store(kept(channel, fake.say(f"A cup of tea, please {number}.")))


def due_again(channel):
    ago = timezone.now() - timedelta(seconds=1)
    Channel.objects.update(next_poll_at=ago)
    Source.objects.filter(name="deliveries").update(next_at=ago)
    Delivery.objects.filter(done_at=None).update(not_before=ago)


def test_a_channel_that_can_read_nothing_of_its_stream_says_so_until_it_can(keyless, fake, away):
    keep(keyless, fake, 5)
    for _ in range(2):
        due_again(keyless)
        assert listening.listen(keyless.pk)
    mark_live([keyless.pk])
    told = Channel.objects.get(pk=keyless.pk)
    assert (told.state, told.fault, told.failures) == ("slow", "Unavailable", 2)
    assert health.of(told, timezone.now()).mood == "warn"
    Channel.objects.update(next_poll_at=timezone.now())  # rung for while it rests
    assert listening.listen(keyless.pk)
    assert (away(), Channel.objects.get(pk=keyless.pk).state) == (6, "slow")
    away.ends()
    due_again(keyless)
    assert listening.listen(keyless.pk)
    assert Channel.objects.get(pk=keyless.pk).state == "ok"
    assert len(texts()) == 5


def test_one_post_that_cannot_be_read_for_long_is_trouble_as_well(keyless, fake, away):
    keep(keyless, fake, 1)
    assert listening.listen(keyless.pk)
    assert Channel.objects.get(pk=keyless.pk).state == "ok"
    Delivery.objects.update(at=timezone.now() - timedelta(hours=1))
    due_again(keyless)
    assert listening.listen(keyless.pk)
    assert Channel.objects.get(pk=keyless.pk).state == "slow"


def test_one_post_that_cannot_be_read_for_long_holds_up_none_that_comes_after_it(keyless, fake, away):
    keep(keyless, fake, 1)
    Delivery.objects.update(at=timezone.now() - timedelta(hours=1))
    due_again(keyless)
    assert listening.listen(keyless.pk)
    assert Channel.objects.get(pk=keyless.pk).state == "slow"
    away.ends()
    store(kept(keyless, fake.say("More tea, please.")))
    Channel.objects.update(next_poll_at=timezone.now())  # rung for
    assert listening.listen(keyless.pk)
    assert texts() == ["More tea, please."]
    assert Channel.objects.get(pk=keyless.pk).state == "ok"


def test_one_post_that_cannot_be_read_while_others_can_is_no_trouble_of_the_channel(keyless, fake, away):
    keep(keyless, fake, 1)
    poison = Delivery.objects.get()
    Delivery.objects.update(at=timezone.now() - timedelta(hours=1), not_before=timezone.now() + timedelta(hours=1))
    away.ends()
    store(kept(keyless, fake.say("More tea, please.")))
    assert listening.listen(keyless.pk)
    away.begins()
    due_again(keyless)
    assert listening.listen(keyless.pk)
    assert (away(), Channel.objects.get(pk=keyless.pk).state) == (1, "ok")
    assert Delivery.objects.get(done_at=None) == poison


def test_trouble_with_posts_that_were_all_given_up_is_over(keyless, fake, away):
    keep(keyless, fake, 3)
    Delivery.objects.update(at=timezone.now() - timedelta(days=4))
    assert listening.listen(keyless.pk)
    assert not Delivery.objects.filter(done_at=None).exists()
    assert Channel.objects.get(pk=keyless.pk).state == "slow"
    due_again(keyless)
    assert listening.listen(keyless.pk)
    assert Channel.objects.get(pk=keyless.pk).state == "ok"


def test_a_network_that_says_nothing_of_its_posts_is_asked_again_after_a_pause(keyless, fake, away):
    keep(keyless, fake, 10)
    assert listening.listen(keyless.pk)
    assert not listening.listen(keyless.pk)
    Channel.objects.update(next_poll_at=timezone.now())
    assert listening.listen(keyless.pk)
    assert away() == 3
    assert Channel.objects.get(pk=keyless.pk).next_poll_at > timezone.now()
    assert Delivery.objects.filter(done_at=None).count() == 10


@pytest.mark.parametrize("answers", [True, False])
def test_what_was_kept_takes_half_the_seconds_of_a_poll(keyless, fake, monkeypatch, answers):
    keep(keyless, fake, 40)
    clock, asked, real = [1000.0], [], Bluesky._views

    def slowly(self, wanted, **how):
        asked.append(clock[0])
        clock[0] += 3.0 if answers else 15.0
        if not answers:
            raise Unavailable("The answer did not end in time.")
        return real(self, wanted, **how)

    monkeypatch.setattr(Bluesky, "_views", slowly)
    monkeypatch.setattr(listening, "Budget", lambda: Budget(clock=lambda: clock[0]))
    assert listening.listen(keyless.pk)
    assert asked[-1] - 1000 < 22.5
    assert len(asked) == (8 if answers else 2)
    told = Channel.objects.get(pk=keyless.pk)
    assert (told.state, told.next_poll_at > timezone.now()) == (("ok", False) if answers else ("slow", True))

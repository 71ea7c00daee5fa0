"""Edits and deletions that no page tells of: posts of all open conversations are asked for, the newest each time, the
others in rounds that the channel's row remembers."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors import following, listening
from connectors.base import Budget, Connector, Unavailable, Unreadable
from connectors.models import Channel
from connectors.opening import opened
from connectors.storing import Claim, Overtaken, release, seize
from inbox.models import Conversation, Mention
from tests.fakes.facebook import OURS
from tests.fakes.facebook import Fake as Facebook
from tests.journey.steps import connected, fails, of_fake, read

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def demo():
    return Connector.named("demo")


def said(network, count, ago=timedelta(0)):
    """Posts of as many people, oldest first."""
    at = network.now() - ago
    return [network.say(f"Person {number}", f"my order {number}", at=at).id for number in range(count)]


def all_read(channel, count):
    for _ in range(4):
        if Mention.objects.count() < count:
            read(channel)
    assert Mention.objects.count() == count


def listened(network, channel, count, ago=timedelta(0)):
    ids = said(network, count, ago)
    all_read(channel, Mention.objects.count() + count)
    Mention.objects.update(posted_at=timezone.now() - ago, history=False)
    Conversation.objects.update(newest_at=timezone.now() - ago, state=0)
    return ids


def follow(channel):
    """One look at how posts stand, with nothing else to read."""
    now = timezone.now()
    Channel.objects.filter(pk=channel.pk).update(refresh_at=now, next_poll_at=now, reread_at=now + timedelta(days=1))
    channel.sources.update(next_at=now + timedelta(hours=1))
    assert listening.listen(channel.pk)
    channel.refresh_from_db()


def pause_is_over(channel):
    Channel.objects.filter(pk=channel.pk).update(following={"at": None, "since": "2026-01-01T00:00:00+00:00"})


def edited(**of):
    return set(Mention.objects.filter(state="edited", **of).values_list("external_id", flat=True))


def edit(network, *ids):
    for each in ids:
        network.edit(each, "corrected")


def test_every_open_conversation_has_its_turn_however_many_there_are(network, channel):
    ids = listened(network, channel, 130, ago=timedelta(days=5))
    pause_is_over(channel)
    edit(network, *ids)
    found = []
    for _ in range(7):
        follow(channel)
        found.append(len(edited()))
    assert found == [20, 40, 60, 80, 100, 120, 130]


def test_the_newest_are_asked_for_each_time(network, channel):
    ids = listened(network, channel, 60, ago=timedelta(days=5))
    fresh = Conversation.objects.filter(mentions__external_id=ids[0])
    fresh.update(newest_at=timezone.now())
    pause_is_over(channel)
    for words in ("one", "two"):
        network.edit(ids[0], words)
        follow(channel)
        assert Mention.objects.get(external_id=ids[0]).text == words


def test_who_writes_again_and_again_does_not_lose_their_turn(network, channel):
    ids = listened(network, channel, 50, ago=timedelta(days=5))
    pause_is_over(channel)
    edit(network, ids[0])
    for number in range(3):
        network.say("Person 0", f"hello? {number}", reply_to=ids[0])
        channel.sources.update(next_at=timezone.now())
        read(channel)
        follow(channel)
    assert ids[0] in edited()


def test_a_long_conversation_is_asked_for_to_its_end(network, channel):
    first = network.say("carla", "hello").id
    said_then = [network.say("carla", f"and {number}", reply_to=first).id for number in range(70)]
    all_read(channel, 71)
    pause_is_over(channel)
    edit(network, first, *said_then)
    for _ in range(4):
        follow(channel)
    assert edited() == {first, *said_then}


def test_a_round_begins_anew_after_a_pause_only(network, channel, demo, monkeypatch):
    ids = listened(network, channel, 5, ago=timedelta(days=5))
    pause_is_over(channel)
    follow(channel)
    edit(network, *ids)
    follow(channel)
    assert not edited()
    monkeypatch.setattr(demo, "follows_again", timedelta(0))
    follow(channel)
    assert edited() == set(ids)


def test_a_network_asked_post_by_post_is_asked_for_as_many_as_it_says(network, channel, demo, monkeypatch):
    ids = listened(network, channel, 12)
    monkeypatch.setattr(demo, "follows", 5)
    pause_is_over(channel)
    edit(network, *ids)
    follow(channel)
    assert len(edited()) <= 5
    for _ in range(3):
        follow(channel)
    assert edited() == set(ids)


def test_what_a_network_gives_for_a_week_only_is_not_taken_for_deleted_later(network, channel, demo, monkeypatch):
    ids = listened(network, channel, 2, ago=timedelta(days=5))
    Mention.objects.filter(external_id=ids[0]).update(posted_at=timezone.now() - timedelta(days=8))
    monkeypatch.setattr(demo, "follows_for", timedelta(days=7))
    pause_is_over(channel)
    for each in ids:
        network.delete(each)
    follow(channel)
    states = dict(Mention.objects.values_list("external_id", "state"))
    assert states == {ids[0]: "live", ids[1]: "deleted"}


def test_a_network_that_is_away_costs_nobody_a_turn(network, server, channel):
    listened(network, channel, 50, ago=timedelta(days=5))
    pause_is_over(channel)
    follow(channel)
    stood = channel.following
    fails(server, "error", count=9)
    follow(channel)
    assert channel.following == stood
    assert channel.state == "slow"


def test_what_cannot_be_asked_for_does_not_hold_up_the_others(network, channel, demo, monkeypatch):
    listened(network, channel, 30, ago=timedelta(days=5))
    ids = list(Mention.objects.order_by("-conversation").values_list("external_id", flat=True))
    kept = demo.refresh

    def refresh(self, wanted, now):
        if ids[0] in wanted:
            raise Unreadable("one of them is odd")
        return kept(self, wanted, now)

    monkeypatch.setattr(demo, "refresh", refresh)
    pause_is_over(channel)
    edit(network, *ids)
    follow(channel)
    assert not edited()
    follow(channel)
    assert edited() == set(ids[20:])


def test_whoever_dies_between_two_looks_leaves_what_was_due_to_the_next_round(network, channel, demo, monkeypatch):
    ids = listened(network, channel, 30, ago=timedelta(days=5))
    pause_is_over(channel)
    for each in ids:
        network.delete(each)
    kept = demo.refresh

    def killed(self, wanted, now):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "refresh", killed)
    with pytest.raises(KeyboardInterrupt):
        follow(channel)
    Channel.objects.update(polling_until=None)  # the claim of who died runs out
    monkeypatch.setattr(demo, "refresh", kept)
    follow(channel)
    assert Mention.objects.filter(state="deleted").count() == 10
    pause_is_over(channel)
    follow(channel)
    assert set(Mention.objects.filter(state="deleted").values_list("external_id", flat=True)) == set(ids)


def test_more_open_conversations_cost_no_more_statements(network, channel):
    counts = []
    for number in (5, 100):
        listened(network, channel, number, ago=timedelta(days=5))
        pause_is_over(channel)
        with CaptureQueriesContext(connection) as seen:
            follow(channel)
        counts.append(len(seen))
    assert counts[1] <= counts[0]


def overtaken(channel):
    """Somebody else claims the channel and moves its round on; where that stands then."""
    onward = {"at": [7, 7], "since": timezone.now().isoformat()}
    Channel.objects.filter(pk=channel.pk).update(cursor_version=F("cursor_version") + 1, following=onward)
    return onward


@pytest.mark.parametrize("fault", [None, Unavailable("away"), Unreadable("odd")])
@pytest.mark.parametrize("when", ["before it asks", "while it asks"])
def test_a_slow_twin_does_not_put_the_round_back(network, channel, demo, monkeypatch, when, fault):
    listened(network, channel, 30, ago=timedelta(days=5))
    pause_is_over(channel)
    now = timezone.now()
    Channel.objects.filter(pk=channel.pk).update(refresh_at=now, next_poll_at=now, reread_at=now + timedelta(days=1))
    channel.sources.update(next_at=now + timedelta(hours=1))
    slow, onward, kept = listening.Listener(listening.claim(channel.pk)), {}, demo.refresh

    def refresh(self, wanted, now):
        onward.update(onward or overtaken(channel))
        if fault is not None:
            raise fault
        return kept(self, wanted, now)

    monkeypatch.setattr(demo, "refresh", refresh)
    if when == "before it asks":
        onward.update(overtaken(channel))
    with pytest.raises(Overtaken):
        slow.run()
    channel.refresh_from_db()
    assert channel.following == onward
    assert (channel.state, channel.failures) == ("ok", 0)


@pytest.fixture
def other(network, server, channel):
    """Another channel that hears what the first one has heard, in its conversations."""
    return connected(server, name="@other")


def heard_again(network, channel, other, count, ago):
    """Posts that both channels heard, in conversations of the first."""
    ids = listened(network, channel, count, ago)
    while Mention.objects.filter(channel=other).count() < count:
        read(other)
    Mention.objects.update(posted_at=timezone.now() - ago, history=False)
    Conversation.objects.update(newest_at=timezone.now() - ago, state=0)
    assert not other.conversations.exists()
    return ids


@pytest.mark.parametrize("ago", [timedelta(hours=1), timedelta(days=5)])
def test_what_was_heard_in_a_conversation_of_another_channel_is_followed_by_who_heard_it(
    network, channel, other, ago, monkeypatch
):
    ids = heard_again(network, channel, other, 30, ago)
    monkeypatch.setattr(following, "ABROAD", 7)  # looked at in one turn
    pause_is_over(other)
    edit(network, *ids)
    for _ in range(7):
        follow(other)
    assert edited(channel=other) == set(ids)
    assert not edited(channel=channel)


def test_a_round_that_goes_abroad_comes_to_its_end_and_begins_at_home(network, channel, other, demo, monkeypatch):
    heard_again(network, channel, other, 3, timedelta(days=5))
    pause_is_over(other)
    stood = []
    for _ in range(4):
        follow(other)
        stood.append((other.following["at"] is None, other.following.get("abroad", False)))
    assert stood == [(False, True), (True, False), (True, False), (True, False)]
    since = other.following["since"]
    monkeypatch.setattr(demo, "follows_again", timedelta(0))
    follow(other)
    assert other.following["since"] > since
    assert other.following["abroad"]


def test_what_others_hear_takes_no_turn_from_our_own(network, channel, other):
    ids = heard_again(network, channel, other, 50, timedelta(hours=1))
    Mention.objects.filter(channel=other).delete()
    own = network.say("Somebody else", "hello").id
    while not Mention.objects.filter(channel=other, external_id=own).exists():
        read(other)
    Mention.objects.filter(channel=other).exclude(external_id=own).delete()
    Conversation.objects.filter(mentions__external_id=own).update(newest_at=timezone.now() - timedelta(hours=5))
    pause_is_over(other)
    edit(network, own, *ids)
    follow(other)
    assert edited(channel=other) == {own}


def test_a_poll_is_told_which_threads_have_open_conversations(network, channel, cast):
    first, second, closed = listened(network, channel, 3)
    Conversation.objects.filter(thread_key=f"demo:{first}").update(newest_at=timezone.now() - timedelta(days=40))
    Conversation.objects.filter(thread_key=f"demo:{closed}").update(state=4)
    assert following.open_roots(channel, opened(channel)) == [second, first]
    other = Channel.objects.create(name="@other", network="demo", team=cast.support)
    assert following.open_roots(other, opened(other)) == []
    Mention.objects.filter(external_id=first).update(parent_id="our-post")
    assert following.hosts(channel, [first, second, "unknown"]) == {first: "our-post", second: ""}
    assert following.hosts(other, [first]) == {}


def test_what_tells_of_a_post_in_part_takes_nothing_from_what_may_be_done_with_it(cast, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with Facebook() as fake:
        rude = fake.say("rude")
        channel = read(of_fake(fake, team=cast.support))
        Mention.objects.filter(external_id=rude).update(grants={"can_hide": True, "is_hidden": True})
        told = {"item": "comment", "verb": "edited", "comment_id": rude, "post_id": OURS, "message": "ruder",
                "created_time": int(timezone.now().timestamp()), "from": {"id": "u-carla"}}  # fmt: skip
        entry = {"id": "1", "time": told["created_time"], "changes": [{"field": "feed", "value": told}]}
        body = json.dumps({"object": "page", "entry": [entry]}).encode()
        connector = opened(channel)
        seize(channel)
        claim = Claim(channel, timezone.now(), Budget())
        claim.store(connector, channel.sources.get(name="comments"), connector.unpack(body, timezone.now()), None)
        release(channel)
        mention = Mention.objects.get(external_id=rude)
        assert (mention.text, mention.grants) == ("ruder", {"can_hide": True, "is_hidden": True})

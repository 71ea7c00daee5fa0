"""Verbs change a conversation once, say so in one event, and keep the counters."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors.models import Channel
from inbox import happenings
from inbox.models import Conversation, Draft, Event, Reply, Stream
from inbox.models.answerable import Stale
from inbox.models.assignable import deal
from inbox.models.change import change
from tests.inbox.test_receive import counted, offer, post


@pytest.fixture
def channel(cast):
    return Channel.objects.create(name="@acme", network="demo", team=cast.support)


@pytest.fixture
def conversation(channel):
    offer(channel, post(1, "my refund"))
    return Conversation.objects.get()


def test_a_claim_is_won_once(cast, conversation):
    mine, theirs = Conversation.objects.get(), Conversation.objects.get()
    assert mine.claim(cast.mona)
    assert not theirs.claim(cast.max)
    assert theirs.agent_id == cast.mona.pk
    assert mine.claim(cast.mona)
    assert Event.objects.filter(happening="claimed", echo=False).count() == 1
    kept, true = counted()
    assert kept == true


def test_an_assignment_needs_a_member_and_tells_both_teams(cast, conversation):
    with pytest.raises(ValueError, match="Ana is not a member of Product"):
        conversation.assign(cast.product, cast.ana, by=cast.max)
    assert conversation.assign(cast.support, cast.ana, by=cast.max, because="she knows refunds")
    streams = set(Event.objects.filter(happening="assigned").values_list("stream", flat=True))
    assert streams == {cast.support.stream, cast.marketing.stream, cast.ana.stream}
    assert not Conversation.objects.visible_to(cast.mona).exists()
    assert Conversation.objects.visible_to(cast.ana).get() == conversation
    kept, true = counted()
    assert kept == true


def test_an_old_assignment_loses_against_a_newer_one(cast, conversation):
    slow = Conversation.objects.get()
    conversation.assign(cast.support, None, by=cast.max)
    assert not slow.assign(cast.product, None, by=cast.mona)


def test_work_in_a_private_team_exists_for_its_members_only(cast, conversation):
    conversation.assign(cast.hr, None, by=cast.max)
    assert [
        name
        for name in vars(cast)
        if hasattr(getattr(cast, name), "readable_teams")
        and Conversation.objects.visible_to(getattr(cast, name)).exists()
    ] == ["hugo"]


def test_dealing_gives_the_top_of_the_queue_once(cast, channel):
    offer(channel, post(1), post(2, author="theo"))
    Conversation.objects.get(identity__external_id="theo").prioritise(10, by=None)
    first = deal(cast.mona, [cast.marketing.pk])
    assert Conversation.objects.get(pk=first).identity.external_id == "theo"
    assert deal(cast.max, [cast.marketing.pk]) != first
    assert deal(cast.max, [cast.marketing.pk]) is None


def test_dealing_takes_the_top_of_several_teams_in_one_statement(cast, channel):
    offer(channel, post(1), post(2, author="theo"))
    theirs = Conversation.objects.get(identity__external_id="theo")
    theirs.assign(cast.support, None, by=None)
    theirs.prioritise(10, by=None)
    teams = [cast.marketing.pk, cast.support.pk]
    with CaptureQueriesContext(connection) as seen:
        assert deal(cast.max, teams) == theirs.pk
    assert len(seen) == 1
    claimed = Event.objects.filter(happening="claimed").order_by("number").last()
    assert (claimed.stream, claimed.actor_id, claimed.echo) == (cast.support.stream, cast.max.pk, False)
    assert Conversation.objects.get(pk=theirs.pk).agent_id == cast.max.pk
    assert deal(cast.mona, [cast.support.pk]) is None
    kept, true = counted()
    assert kept == true


def test_a_reply_waits_and_then_its_key_gives_the_same_reply(cast, conversation):
    key = uuid4()
    reply = conversation.reply(cast.mona, "we look", key, conversation.seen_seq, parent=conversation.last_inbound())
    again = conversation.reply(cast.mona, "we look", key, 0)
    assert again == reply
    assert reply.state == "queued"
    assert reply.not_before > timezone.now()
    conversation.refresh_from_db()
    assert conversation.agent == cast.mona


def test_a_reply_that_did_not_see_the_newest_message_is_refused_with_it(cast, channel, conversation):
    seen = conversation.seen_seq
    offer(channel, post(5, "never mind", parent_id="1"))
    with pytest.raises(Stale) as stale:
        conversation.reply(cast.mona, "we look", uuid4(), seen)
    assert [event.happening for event in stale.value.news] == ["received"]
    reply = conversation.reply(cast.mona, "we look", uuid4(), seen, anyway=True)
    assert reply.anyway
    assert conversation.events.filter(happening="sent_anyway").exists()


def test_a_new_message_holds_a_reply_that_has_not_left(cast, channel, conversation):
    conversation.reply(cast.mona, "we look", uuid4(), conversation.seen_seq, parent=conversation.last_inbound())
    offer(channel, post(5, "never mind", parent_id="1"))
    reply = Reply.objects.get()
    assert reply.state == "held"
    conversation.refresh_from_db()
    assert conversation.trouble == "held"
    assert reply.undo(cast.mona)
    assert Draft.objects.get().text == "we look"


def test_a_sent_reply_waits_for_the_customer_unless_they_wrote_meanwhile(cast, channel, conversation):
    reply = conversation.reply(cast.mona, "we look", uuid4(), conversation.seen_seq, parent=conversation.last_inbound())
    Reply.objects.update(not_before=timezone.now())
    assert reply.take()
    assert not Reply.objects.get().take()
    assert reply.sent("77", "https://network.example/77")
    conversation.refresh_from_db()
    assert conversation.state == 1
    offer(channel, post(8, "thanks", parent_id="77"))
    conversation.refresh_from_db()
    assert (conversation.state, conversation.mentions.count()) == (0, 2)


def test_our_own_post_settles_the_doubtful_reply_it_is(cast, channel, conversation):
    from connectors.storing import bind

    reply = conversation.reply(cast.mona, "we look", uuid4(), conversation.seen_seq, parent=conversation.last_inbound())
    Reply.objects.update(not_before=timezone.now())
    reply.take()
    reply.doubted("InDoubt", "the answer was lost")
    came = {"parent_id": "1", "ours": True, "url": "u", "created_at": timezone.now()}
    received = offer(channel, post(9, " we  look ", author="acme", **came))
    bind(received.bound)
    reply.refresh_from_db()
    assert (reply.state, reply.external_id) == ("sent", "9")
    assert conversation.mentions.count() == 1


def test_an_answer_given_outside_stands_in_the_thread_and_ends_the_waiting(channel, conversation):
    offer(channel, post(9, "hello from the app", author="acme", parent_id="1", ours=True))
    conversation.refresh_from_db()
    assert conversation.state == 1
    assert conversation.mentions.filter(ours=True).exists()


def test_a_doubt_of_an_older_try_cannot_move_a_newer_one(cast, conversation):
    reply = conversation.reply(cast.mona, "we look", uuid4(), conversation.seen_seq, parent=conversation.last_inbound())
    Reply.objects.update(not_before=timezone.now())
    reply.take()
    slept = Reply.objects.get()
    reply.again(timezone.now())
    fresh = Reply.objects.get()
    assert fresh.take()
    assert not slept.doubted("InDoubt", "late")
    assert Reply.objects.get().state == "sending"


def test_snooze_returns_when_its_time_has_come(cast, conversation):
    from inbox.tasks import wake

    with pytest.raises(ValueError, match="passed"):
        conversation.snooze(datetime(2020, 1, 1, tzinfo=UTC), by=cast.mona)
    conversation.snooze(timezone.now() + timedelta(hours=1), by=cast.mona)
    assert wake() == 0
    Conversation.objects.update(snoozed_until=timezone.now())
    assert wake() == 1
    conversation.refresh_from_db()
    assert conversation.state == 0
    kept, true = counted()
    assert kept == true


def test_tags_are_kept_once_in_small_letters(cast, conversation):
    assert conversation.retag(["Refund", " refund", "VIP"], by=cast.mona)
    assert conversation.tags == ["refund", "vip"]
    assert not conversation.retag(["vip", "refund"], by=cast.mona)


def test_a_verb_touches_and_expects_only_what_verbs_may(cast, conversation):
    for given in ({"values": {"excerpt": "no"}}, {"values": {}, "expect": {"priority": 1}}):
        with pytest.raises(ValueError, match="not columns"):
            change(conversation, happenings.Claimed(), by=cast.mona, **given)


@pytest.mark.parametrize(
    ("expect", "is_so"),
    [
        ({"state": 0}, True),
        ({"state": [1, 2]}, False),
        ({"state": range(3)}, True),
        ({"agent_id": None}, True),
        ({"agent_id": 1_000_000}, False),
        ({"team_id": 1_000_000}, False),
        ({"snoozed_until": None}, True),
        ({"snoozed_until": datetime(2030, 1, 1, tzinfo=UTC)}, False),
    ],
)
def test_a_change_happens_only_if_the_row_is_as_expected(cast, conversation, expect, is_so):
    before = (conversation.seen_seq, Event.objects.count())
    assert change(conversation, happenings.Noted(note=1), by=cast.mona, values={}, expect=expect) is is_so
    assert (Conversation.objects.get().seen_seq, Event.objects.count()) == (before[0] + is_so, before[1] + is_so)


def test_what_a_change_does_not_name_stays_as_it_is(cast, conversation):
    until = timezone.now() + timedelta(hours=1, microseconds=7)
    conversation.retag(["Late", 'says "now"', "a,b"], cast.mona)
    conversation.snooze(until, cast.mona)
    before = Conversation.objects.values().get()
    assert conversation.prioritise(20, cast.mona)
    changed = {"priority": 20, "rank": -20, "seen_seq": before["seen_seq"] + 1}
    assert Conversation.objects.values().get() == before | changed
    assert before["snoozed_until"] == until
    assert before["tags"] == ["a,b", "late", 'says "now"']


def test_two_happenings_of_one_change_are_numbered_in_their_order_for_all_who_hear_them(cast, conversation):
    first, second = happenings.Noted(note=1), happenings.Noted(note=2)
    values = {"team_id": cast.support.pk, "agent_id": cast.ana.pk}
    at = conversation.seen_seq
    assert change(conversation, first, by=cast.max, values=values, also=(second,))
    for stream in (cast.support.stream, cast.marketing.stream, cast.ana.stream):
        told = list(Event.objects.filter(stream=stream, happening="noted").order_by("number"))
        assert [one.payload["note"] for one in told] == [1, 2]
        assert [one.seq for one in told] == [at + 1, at + 2]
        assert told[1].number == told[0].number + 1 == Stream.objects.get(key=stream).n
        assert {one.echo for one in told} == {stream != cast.support.stream}
    kept, true = counted()
    assert kept == true

"""Verbs change a conversation once, say so in one event, and keep the counters."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from connectors.models import Channel
from inbox.models import Conversation, Draft, Event, Reply
from inbox.models.answerable import Stale
from inbox.models.assignable import deal
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

"""A reply leaves once: whoever slept while another one went on with it moves nothing."""

import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from connectors import turns
from connectors.models import Channel
from inbox.models import Conversation, Draft, Note, Reply
from inbox.models.answerable import KeyUsed
from tests.inbox.test_receive import offer, post


@pytest.fixture
def channel(cast):
    return Channel.objects.create(name="@acme", network="demo", team=cast.support)


@pytest.fixture
def conversation(channel):
    offer(channel, post(1, "my refund"))
    return Conversation.objects.get()


def due():
    """The undo time of every reply is over."""
    Reply.objects.update(not_before=timezone.now() - timedelta(seconds=5))


@pytest.fixture
def reply(cast, conversation):
    made = conversation.reply(cast.mona, "hi", uuid4(), conversation.seen_seq, parent=conversation.last_inbound())
    due()
    return Reply.objects.get(pk=made.pk)


def other(reply):
    """The row as somebody else reads it now."""
    return Reply.objects.get(pk=reply.pk)


def test_a_sender_that_slept_moves_nothing_after_a_person_said_send_it_again(cast, reply):
    slow = other(reply)
    assert slow.take()
    other(reply).doubted("InDoubt", "the lease ran out")
    other(reply).settle("again", cast.mona)
    due()
    second = other(reply)
    assert second.take()
    assert not slow.again(None, "Unavailable", "the connection failed")
    assert not slow.doubted("InDoubt", "no answer came")
    assert other(reply).state == "sending"
    assert second.sent("77")


def test_a_sender_that_slept_moves_nothing_after_a_wait_that_did_not_count(reply):
    slow = other(reply)
    assert slow.take()
    other(reply).again(timezone.now(), "RateLimited", "wait", counts=False)
    due()
    assert other(reply).take()
    assert not slow.again(timezone.now(), "RateLimited", "wait", counts=False)
    assert other(reply).state == "sending"


def test_a_wait_that_does_not_count_leaves_all_five_tries(reply):
    for _ in range(8):
        due()
        mine = other(reply)
        assert mine.take()
        assert mine.again(timezone.now(), "RateLimited", "wait", counts=False)
    assert other(reply).takes == 8
    assert other(reply).state == "queued"


def test_a_reply_that_waits_for_the_network_is_held_when_the_customer_writes_again(channel, reply):
    mine = other(reply)
    assert mine.take()
    mine.again(timezone.now() + timedelta(hours=2), "RateLimited", "The network asks us to wait.", counts=False)
    offer(channel, post(2, "forget it, solved", parent_id="1"))
    assert other(reply).state == "held"
    assert Conversation.objects.get().trouble == "held"


def test_replies_that_wait_behind_a_channel_that_hangs_hide_nobody_elses(cast, channel, monkeypatch):
    monkeypatch.setattr(turns, "SLOW", 0.005)
    well = Channel.objects.create(name="@well", network="demo", team=cast.support)
    offer(channel, *(post(number, author=f"person{number}") for number in range(turns.BATCH + 2)))
    offer(well, post(100, author="zoe"))
    for each in Conversation.objects.order_by("channel", "id"):
        each.reply(cast.mona, "hi", uuid4(), each.seen_seq, parent=each.last_inbound())
    due()
    Reply.objects.filter(channel=channel).update(not_before=timezone.now() - timedelta(minutes=1))
    asked = []

    def work(reply):
        asked.append(reply.channel_id)
        if reply.channel_id == channel.pk:
            time.sleep(0.01)
        return True

    assert turns.in_turn(Reply.objects.due(), work) == 2
    assert asked == [channel.pk, well.pk]


def test_undo_keeps_what_the_author_began_since(cast, conversation, reply):
    Draft.objects.create(agent=cast.mona, conversation=conversation, kind="reply", text="half a second answer")
    assert reply.undo(cast.ana)
    draft = Draft.objects.get()
    assert draft.text == "hi\n\nhalf a second answer"
    assert draft.version == 2


def test_the_key_of_one_text_takes_no_other(cast, channel, conversation, reply):
    say = {"seen_seq": 99, "parent": conversation.last_inbound()}
    assert conversation.reply(cast.mona, "hi", reply.key, **say) == reply
    offer(channel, post(50, author="theo"))
    elsewhere = Conversation.objects.latest("pk")
    for where, who, text, kind in [
        (conversation, cast.mona, "another text", "reply"),
        (conversation, cast.max, "hi", "reply"),
        (conversation, cast.mona, "hi", "direct"),
        (elsewhere, cast.mona, "hi", "reply"),
    ]:
        with pytest.raises(KeyUsed):
            where.reply(who, text, reply.key, kind=kind, **say)
    assert Reply.objects.count() == 1


def test_the_key_of_one_note_takes_no_other(cast, channel, conversation):
    key = uuid4()
    note = conversation.note(cast.mona, "call her", key)
    assert conversation.note(cast.mona, "call her", key) == note
    offer(channel, post(50, author="theo"))
    elsewhere = Conversation.objects.latest("pk")
    for where, who, text in [
        (conversation, cast.mona, "do not"),
        (conversation, cast.max, "call her"),
        (elsewhere, cast.mona, "call her"),
    ]:
        with pytest.raises(KeyUsed):
            where.note(who, text, key)
    assert Note.objects.count() == 1


def test_an_answer_removes_the_draft_it_was_written_in_and_no_other(cast, conversation):
    for kind in ("reply", "private", "note"):
        Draft.objects.create(agent=cast.mona, conversation=conversation, kind=kind, text=kind)
    conversation.reply(cast.mona, "hi", uuid4(), 99, parent=conversation.last_inbound(), kind="direct")
    assert set(Draft.objects.values_list("kind", flat=True)) == {"reply", "note"}
    conversation.reply(cast.mona, "hi", uuid4(), 99, parent=conversation.last_inbound())
    assert set(Draft.objects.values_list("kind", flat=True)) == {"note"}


def test_a_snooze_that_was_made_longer_is_not_ended_by_the_old_one(cast, conversation):
    assert conversation.snooze(timezone.now() + timedelta(hours=1), cast.mona)
    stale = Conversation.objects.get()
    assert conversation.snooze(timezone.now() + timedelta(days=3), cast.mona)
    assert not stale.wake()
    assert Conversation.objects.get().wake()

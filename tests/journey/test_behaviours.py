"""Behaviours under fault that comparable systems got wrong in public, as far as other tests here do not hold them."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from connectors import listening, sending
from connectors.models import Channel, Window
from connectors.storing import Claim
from inbox.models import Conversation, Event, Identity, Mention, Person, Reply, Tally
from tests.fakes.mastodon import ME
from tests.fakes.mastodon import Fake as Mastodon
from tests.journey.steps import answer, connected, fails, make_due, of_fake, our_posts, read, send
from tests.journey.threads import in_threads
from tests.world import make_channel, post, store

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_same_event_three_times_at_once_is_one_mention_one_arrival_and_one_count(cast):
    channel = make_channel(team=cast.support)
    one = post("hello", external_id="1")
    results = in_threads(*[lambda: store(channel, one, team=cast.support)] * 3)
    assert not any(isinstance(result, Exception) for result in results)
    assert Mention.objects.count() == Conversation.objects.count() == 1
    assert Event.objects.filter(happening="received", echo=False).count() == 1
    assert Tally.objects.get(scope=cast.support.stream, state=0).n == 1


def test_three_first_messages_of_a_new_person_in_parallel_are_one_conversation_in_order(cast):
    channel = make_channel(team=cast.support)
    posts = [post(f"message {number}", "carla", root_id="r", ago=30 - number) for number in range(3)]
    results = in_threads(*[lambda one=one: store(channel, one, team=cast.support) for one in posts])
    assert not any(isinstance(result, Exception) for result in results)
    assert Identity.objects.count() == Person.objects.count() == Conversation.objects.count() == 1
    texts = [mention.text for mention in Mention.objects.timeline()]
    assert texts == ["message 0", "message 1", "message 2"]


@pytest.mark.parametrize("first", ["poll", "send"])
def test_our_own_reply_that_comes_back_is_its_reply_and_no_second_message(cast, server, network, channel, first):
    network.say("carla", "my refund")
    read(channel)
    conversation = Conversation.objects.get()
    reply = answer(cast.ana, conversation)
    if first == "poll":
        fails(server, "made_hang", method="POST")
        Reply.objects.update(not_before=timezone.now())
        sending.send(reply)
    else:
        send(reply)
    waiting = Conversation.objects.get().waiting_since
    read(channel)
    reply.refresh_from_db()
    assert (reply.state, reply.external_id) == ("sent", our_posts(network)[0].id)
    assert conversation.mentions.count() == 1
    assert Conversation.objects.get().waiting_since == waiting
    assert not Event.objects.filter(happening="answered_outside").exists()


def test_a_reply_that_shows_up_late_after_it_was_thought_absent_is_not_posted_again(cast, server, network, channel):
    network.say("carla", "my refund")
    read(channel)
    reply = answer(cast.ana, Conversation.objects.get())
    fails(server, "hang", method="POST")
    Reply.objects.update(not_before=timezone.now())
    sending.send(reply)
    assert send(reply).state == "queued", "looked for and not found"
    network.answer(reply.text, "d1", "")
    read(channel)
    assert send(reply).state == "sent"
    assert len(our_posts(network)) == 1


def test_reactions_boosts_follows_and_our_own_posts_are_no_mentions(cast):
    with Mastodon() as fake:
        channel = of_fake(fake, team=cast.support)
        said = fake.statuses[fake.say("hello")]
        for kind in ("favourite", "follow", "follow_request", "reblog", "poll", "status", "admin.report"):
            fake.notified.append({"id": str(len(fake.notified) + 1), "type": kind, "status": said})
        fake._status("buy #tea", ME)
        fake._status("boosted", ME | {"id": "2", "uri": "https://fake.example/users/x"}, reblog=said)
        read(channel)
        assert Mention.objects.count() == Conversation.objects.count() == 1


def test_a_message_in_a_closed_conversation_reopens_it_with_a_new_clock(cast, network, channel):
    first = network.say("carla", "my refund", at=timezone.now() - timedelta(hours=5))
    read(channel)
    conversation = Conversation.objects.get()
    assert conversation.close(cast.ana)
    again = network.say("carla", "still nothing", reply_to=first.id)
    read(channel)
    conversation.refresh_from_db()
    assert conversation.state == 0
    assert conversation.waiting_since.isoformat() == again.created_at
    assert conversation.closed_at is None
    told = list(conversation.events.filter(echo=False).order_by("seq").values_list("happening", flat=True))
    assert told[-3:] == ["closed", "reopened", "received"], "what was before stays in the timeline"


def test_an_older_message_of_a_slower_source_is_not_skipped_by_a_newer_comment(cast):
    with Mastodon() as fake:
        channel = of_fake(fake, team=cast.support)
        read(channel)
        hidden = fake.say("older, but told later", "wes")
        notified = fake.notified.pop()
        fake.say("newer", "theo")
        read(channel)
        fake.notified.append(notified | {"id": str(len(fake.notified) + 1)})
        read(channel)
        assert Mention.objects.filter(external_id=hidden).exists()


def test_what_is_delivered_late_stands_at_its_time_and_is_marked(cast, network, channel):
    first = network.say("carla", "first", at=timezone.now() - timedelta(minutes=30))
    network.say("carla", "third", reply_to=first.id, at=timezone.now() - timedelta(minutes=1))
    read(channel)
    network.say("carla", "second", reply_to=first.id, at=timezone.now() - timedelta(minutes=20))
    read(channel)
    conversation = Conversation.objects.get()
    assert [mention.text for mention in conversation.mentions.timeline()] == ["first", "second", "third"]
    assert [mention.late for mention in conversation.mentions.timeline()] == [False, True, False]
    assert conversation.excerpt == "third"


def test_more_than_one_poll_takes_is_all_there_after_as_many_polls_as_it_takes(network, channel):
    for number in range(1_150):
        network.say(f"Customer {number % 300}", f"post {number}")
    polls = 0
    make_due(channel)
    while listening.listen(channel.pk):
        polls += 1
    assert polls > 1
    assert Mention.objects.count() == 1_150


def test_the_cursor_never_passes_what_is_not_stored(network, channel, monkeypatch):
    for number in range(250):
        network.say(f"Customer {number}", "hello")
    Channel.objects.update(history_at=timezone.now() + timedelta(days=1))  # looking back would fetch the rest
    store_page, pages = Claim.store, []

    def dies_at_the_second(self, *args):
        pages.append(1)
        if len(pages) == 2:
            raise RuntimeError("the poll dies")
        return store_page(self, *args)

    monkeypatch.setattr(Claim, "store", dies_at_the_second)
    read(channel)
    assert channel.sources.get().cursor["number"] == Mention.objects.count() == 100
    monkeypatch.undo()
    read(channel)
    assert Mention.objects.count() == 250


def test_a_channel_told_to_wait_is_not_asked_a_second_before_and_others_go_on(cast, server, network, channel):
    other = connected(server, "@other", team=cast.product)
    read(channel)
    fails(server, "rate", seconds=90)
    before = timezone.now()
    read(channel)
    assert channel.fault == "RateLimited"
    assert before + timedelta(seconds=90) <= channel.next_poll_at <= timezone.now() + timedelta(seconds=100)
    assert not listening.listen(channel.pk)
    network.say("carla", "hello")
    read(other)
    assert Mention.objects.get().channel == other
    Window.objects.update(reset_at=timezone.now())
    read(channel)
    assert channel.state == "ok"


def test_the_same_key_sent_twice_at_once_is_one_reply(cast, network, channel):
    network.say("carla", "hello")
    read(channel)
    conversation, key = Conversation.objects.get(), uuid4()

    def click():
        mine = Conversation.objects.get(pk=conversation.pk)
        return mine.reply(cast.ana, "Hi", key, mine.seen_seq, parent=mine.last_inbound()).pk

    first, second = in_threads(click, click)
    assert first == second
    send()
    send()
    assert len(our_posts(network)) == 1


def test_two_senders_at_once_post_a_reply_once(cast, network, channel):
    network.say("carla", "hello")
    read(channel)
    reply = answer(cast.ana, Conversation.objects.get())
    Reply.objects.update(not_before=timezone.now())
    in_threads(*[lambda: sending.send(Reply.objects.get(pk=reply.pk))] * 4)
    reply.refresh_from_db()
    assert reply.state == "sent"
    assert len(our_posts(network)) == 1


def test_a_token_that_broke_stops_only_its_own_channel(cast, server, network, channel):
    broken = connected(server, "@other", token="expired", team=cast.product)
    network.say("carla", "hello")
    read(broken)
    read(channel)
    assert (broken.state, channel.state) == ("reconnect", "ok")
    assert Mention.objects.get().channel == channel

"""A reply whose answer was lost: what is looked through for it, from when, and who may still post it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from connectors import sending
from connectors.base import Absent, CannotKnow, Connector, Found, Outgoing, Post, PostKind
from connectors.finding import Sought
from connectors.posts import Author
from inbox.models import Conversation, Reply
from tests.fakes.bluesky import Fake as Bluesky
from tests.journey.steps import answer, fails, of_fake, our_posts, read, send

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = timedelta(days=3)


def said(number, text="We are on it.", minutes=0.0, ours=True):
    at = NOW + timedelta(minutes=minutes)
    author = Author(external_id="brand" if ours else "carla")
    return Post(external_id=f"d{number}", kind=PostKind.REPLY, source="own", author=author, text=text, created_at=at,
                ours=ours)  # fmt: skip


def sought(**more):
    parent = said(1, "late!", ours=False)
    wish = Outgoing(key="k", text="We are on it.", parent=parent, sending_at=NOW, **more)
    return Sought(wish, lambda post: post.text == wish.text)


def test_a_post_of_the_first_try_is_the_reply_however_late_the_second_one_comes():
    assert isinstance(sought().verdict(whole=True), Absent)
    late = sought(first_at=NOW - timedelta(hours=2))
    late.among([said(7, minutes=-119)])
    assert late.verdict(whole=True) == Found("d7", "")
    alone = sought()
    alone.among([said(7, minutes=-119)])
    assert alone.passed
    assert isinstance(alone.verdict(whole=True), Absent)


def test_a_post_on_two_pages_is_one_and_two_posts_are_for_a_person():
    looked = sought()
    looked.among([said(7)])
    looked.among([said(7)])
    assert looked.verdict(whole=False) == Found("d7", "")
    looked.among([said(8)])
    assert isinstance(looked.verdict(whole=True), CannotKnow)


@pytest.mark.parametrize("other", [said(7, ours=False), said(7, "Thanks"), said(9)])
def test_what_others_said_or_what_belongs_to_another_reply_is_not_it(other):
    looked = sought(bound=frozenset({"d9"}))
    looked.among([other])
    assert isinstance(looked.verdict(whole=True), Absent)


def test_what_was_not_read_to_its_end_or_not_understood_is_never_called_absent():
    assert isinstance(sought().verdict(whole=False), CannotKnow)
    looked = sought()
    looked.among([], bad=["an item"])
    assert isinstance(looked.verdict(whole=True), CannotKnow)


def test_the_clock_of_the_network_is_taken_into_account():
    looked = sought()
    looked.among([said(7, minutes=-10)], skew=timedelta(minutes=-10))
    assert looked.verdict(whole=True) == Found("d7", "")


@pytest.mark.django_db(transaction=True)
def test_a_reply_is_found_below_everything_we_said_meanwhile(cast, server, network, channel, settings):
    settings.SETTLE_SECONDS = 30
    network.say("carla", "hello")
    read(channel)
    reply = answer(cast.ana, Conversation.objects.get())
    fails(server, "made_hang", method="POST")
    assert send(reply).state == "in_doubt"
    parent = Conversation.objects.get().last_inbound().external_id
    for number in range(250):
        network.answer(f"Thank you, number {number}.", parent, f"other {number}")
    assert send(reply).state == "sent"
    assert [post.text for post in our_posts(network)].count(reply.text) == 1


@pytest.mark.django_db(transaction=True)
def test_a_second_try_hours_later_finds_the_first_one(cast, network, channel):
    network.say("carla", "hello")
    read(channel)
    reply = answer(cast.ana, Conversation.objects.get())
    earlier = timezone.now() - timedelta(hours=3)
    network.now = lambda: earlier
    network.answer(reply.text, Conversation.objects.get().last_inbound().external_id, "lost")
    network.now = timezone.now
    Reply.objects.filter(pk=reply.pk).update(takes=1, tries=1, first_at=earlier, sending_at=earlier)
    assert send(reply).state == "sent"
    assert len(our_posts(network)) == 1
    assert reply.first_at == earlier < reply.sending_at


@pytest.mark.django_db(transaction=True)
def test_only_a_try_that_ended_in_doubt_is_remembered_as_the_first(cast, server, network, channel):
    network.say("carla", "hello")
    read(channel)
    reply = answer(cast.ana, Conversation.objects.get())
    fails(server, "rate", method="POST")
    assert (send(reply).state, reply.fault, reply.first_at) == ("queued", "RateLimited", None)
    refused_at = reply.sending_at
    for _ in range(2):
        fails(server, "hang", method="POST")
        Reply.objects.update(not_before=timezone.now())
        assert sending.send(reply)
        reply.refresh_from_db()
        assert reply.state == "in_doubt"
        began_at = reply.first_at
        assert sending.settle(reply)
        reply.refresh_from_db()
    assert refused_at < began_at < reply.sending_at
    assert send(reply).state == "sent"
    assert reply.first_at == began_at


@pytest.mark.django_db(transaction=True)
def test_whoever_died_while_sending_may_have_sent_it(cast, network, channel):
    network.say("carla", "hello")
    read(channel)
    reply = answer(cast.ana, Conversation.objects.get())
    Reply.objects.update(not_before=timezone.now())
    assert reply.take()
    assert reply.first_at is None
    Reply.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert sending.send_due()
    began_at = reply.sending_at
    reply.refresh_from_db()
    assert reply.doubted_at
    assert reply.first_at == began_at


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_could_not_leave_for_days_is_dated_when_it_leaves(cast):
    with Bluesky() as fake:
        channel = of_fake(fake, team=cast.support)
        fake.say("where is my refund?")
        read(channel)
        reply = answer(cast.ana, Conversation.objects.get())
        fake.order("429", writing=True)
        assert (send(reply).state, fake.made()) == ("queued", [])
        Reply.objects.update(first_at=F("first_at") - DAYS, sending_at=F("sending_at") - DAYS)
        assert send(reply).state == "sent"
        (made,) = fake.made()
        assert timezone.now() - datetime.fromisoformat(made["record"]["createdAt"]) < timedelta(hours=1)


@pytest.mark.django_db(transaction=True)
def test_who_looked_longer_than_the_lease_posts_no_more(cast, network, channel, monkeypatch):
    network.say("carla", "hello")
    read(channel)
    reply = answer(cast.ana, Conversation.objects.get())

    def slow(self, outgoing):
        Reply.objects.filter(pk=reply.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        return Absent()

    monkeypatch.setattr(Connector.named("demo"), "find", slow)
    Reply.objects.filter(pk=reply.pk).update(takes=1, tries=1)
    assert send(reply).state == "queued"
    assert our_posts(network) == []

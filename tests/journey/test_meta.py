"""Facebook, Instagram and Threads from the network to the inbox and back, through the functions that tasks and the
sweep call."""

from importlib import import_module

import pytest
from django.utils import timezone

from connectors import sending
from inbox.models import Conversation, Mention, Reply
from tests.fakes.facebook import OURS
from tests.fakes.network import MADE
from tests.journey.steps import answer, make_due, of_fake, read, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["facebook", "instagram", "threads"])
def fake(request):
    with import_module(f"tests.fakes.{request.param}").Fake() as fake:
        yield fake


@pytest.fixture
def channel(cast, fake):
    return of_fake(fake, team=cast.support)


def read_all(channel):
    for _ in range(4):  # a poll has five requests for all sources together
        make_due(channel)
        read(channel)


def test_a_reply_is_posted_once_and_stands_in_the_conversation_it_answers(cast, fake, channel):
    first = fake.say("Is it green?")
    read_all(channel)
    conversation = Conversation.objects.get()
    reply = send(answer(cast.ana, conversation))
    assert reply.state == "sent"
    assert len(fake.made()) == 1
    fake.say("Thanks", parent=first)
    fake.say("Is it hot?", person="theo")
    read_all(channel)
    assert sorted(each.mentions.count() for each in Conversation.objects.all()) == [1, 2]
    assert Mention.objects.filter(ours=True).count() == 0
    assert len(fake.made()) == 1


@pytest.mark.parametrize("fake", ["facebook"], indirect=True)
def test_who_writes_again_below_an_old_post_is_heard_while_the_conversation_is_open(fake, channel):
    first = fake.say("Is it green?")
    read_all(channel)
    fake.posts[OURS]["created_time"] = "2026-01-01T00:00:00+0000"
    fake.say("Hello?", parent=first)
    read_all(channel)
    assert Conversation.objects.get().mentions.count() == 2


def test_a_reply_whose_answer_was_lost_is_found_and_not_repeated(cast, fake, channel):
    fake.say("Is it green?")
    read_all(channel)
    reply = answer(cast.ana, Conversation.objects.get())
    fake.order(MADE, writing=True)
    Reply.objects.update(not_before=timezone.now())
    assert sending.send(reply)
    reply.refresh_from_db()
    assert reply.state == "in_doubt"
    assert send(reply).state == "sent"
    assert len(fake.made()) == 1


def test_a_reply_that_never_arrived_is_posted_once_after_looking(cast, fake, channel):
    fake.say("Is it green?")
    read_all(channel)
    reply = answer(cast.ana, Conversation.objects.get())
    fake.order("reset", writing=True)
    Reply.objects.update(not_before=timezone.now())
    assert sending.send(reply)
    reply.refresh_from_db()
    assert reply.state == "in_doubt"
    assert send(reply).state == "queued"
    assert send(reply).state == "sent"
    assert len(fake.made()) == 1

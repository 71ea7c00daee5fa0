"""Two people are answered in the same words, as with a text that is kept for it: what reached one of them is never
taken for the answer to the other."""

from importlib import import_module

import pytest
from django.utils import timezone

from connectors import sending
from inbox.models import Mention, Reply
from tests.fakes.facebook import PAGE
from tests.fakes.linkedin import ME
from tests.journey.steps import answer, of_fake, read, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fake(request):
    with import_module(f"tests.fakes.{request.param}").Fake() as fake:
        yield fake


@pytest.fixture
def channel(cast, fake):
    return of_fake(fake, team=cast.support)


def on(*networks):
    return pytest.mark.parametrize("fake", networks, indirect=True)


def conversation_about(channel, text):
    for _ in range(4):
        if not Mention.objects.filter(text=text):
            read(channel)
    return Mention.objects.get(text=text).conversation


def never_made(fake, reply):
    """The connection breaks before the network has done anything."""
    fake.order("reset", True)
    Reply.objects.filter(pk=reply.pk).update(not_before=timezone.now())
    assert sending.send(reply)
    reply.refresh_from_db()
    assert reply.state == "in_doubt"
    return reply


@on("facebook")
def test_an_answer_that_a_colleague_gave_above_is_not_taken_for_ours(cast, fake, channel):
    top = fake.say("mine is broken", "carla")
    fake.say("mine too", "theo", parent=top)
    reply = never_made(fake, answer(cast.ana, conversation_about(channel, "mine too"), "We are on it"))
    fake.comment("We are on it", PAGE, top, fake.now())
    send(reply)
    assert (reply.state, bool(reply.flagged_at)) == ("in_doubt", True)


@on("linkedin")
def test_an_answer_below_a_thread_of_several_is_left_to_a_person(cast, fake, channel):
    top = fake.say("mine is broken", "carla")
    fake.say("mine too", "theo", parent=top)
    reply = never_made(fake, answer(cast.ana, conversation_about(channel, "mine too"), "We are on it"))
    fake.keep("We are on it", ME, top, timezone.now())
    send(reply)
    assert (reply.state, bool(reply.flagged_at)) == ("in_doubt", True)


@on("facebook", "instagram")
def test_a_private_answer_is_looked_for_only_among_what_its_person_was_written(cast, fake, channel):
    fake.say("mine is broken", "theo")
    talk = conversation_about(channel, "mine is broken")
    reply = never_made(fake, answer(cast.ana, talk, "Please send us your order number", kind="direct"))
    fake.message("Hello", "carla")
    fake.message("Please send us your order number", "carla", ours=True, at=fake.now())
    assert send(reply).state == "queued"
    assert send(reply).state == "sent"
    assert fake.talks["t_theo"][-1]["id"] == reply.external_id


@on("facebook", "linkedin")
def test_what_left_for_somebody_else_is_known_not_to_be_the_answer_that_was_never_made(cast, fake, channel):
    top = fake.say("mine is broken", "carla")
    fake.say("mine too", "theo", parent=top)
    for_theo = answer(cast.ana, conversation_about(channel, "mine too"), "We are on it")
    for_carla = answer(cast.ana, conversation_about(channel, "mine is broken"), "We are on it")
    Reply.objects.filter(pk=for_carla.pk).update(state="held")
    never_made(fake, for_theo)
    Reply.objects.filter(pk=for_theo.pk).update(state="held")
    Reply.objects.filter(pk=for_carla.pk).update(state="queued")
    assert send(for_carla).state == "sent"
    Reply.objects.filter(pk=for_theo.pk).update(state="in_doubt")
    assert send(for_theo).state == "queued"
    assert send(for_theo).state == "sent"
    assert len(fake.made()) == 2
    assert for_theo.external_id != for_carla.external_id

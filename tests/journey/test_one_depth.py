"""Where a network knows no answers to answers, ours hangs from the first comment, which somebody else wrote: it is the
answer to whom we answered nevertheless."""

from importlib import import_module

import pytest
from django.utils import timezone

from connectors import sending
from connectors.base import Outgoing
from connectors.opening import opened
from connectors.stored import post_of
from inbox.models import Mention
from inbox.models.conversation import State
from tests.fakes.network import MADE
from tests.journey.steps import answer, of_fake, read, send

pytestmark = pytest.mark.django_db(transaction=True)
WORDS = "We are on it"


@pytest.fixture(params=["facebook", "instagram", "linkedin", "youtube"])
def fake(request, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with import_module(f"tests.fakes.{request.param}").Fake() as fake:
        yield fake


@pytest.fixture
def thread(cast, fake):
    """The channel, the conversation of Carla, who wrote the first comment, and that of Theo, who answered her."""
    top = fake.say("mine is broken", "carla")
    fake.say("mine too", "theo", parent=top)
    channel = of_fake(fake, team=cast.support)
    for _ in range(3):
        read(channel)
    found = [Mention.objects.get(text__contains=text).conversation for text in ("mine is broken", "mine too")]
    return channel, *found


def hang_from_the_top(fake):
    """As Facebook may show it; the others do by themselves."""
    if fake.name == "facebook":
        made = next(each for each in fake.comments.values() if each["message"] == WORDS)
        top = next(one for one, each in fake.comments.items() if each["message"] == "mine is broken")
        made["parent"] = {"id": top.split("_")[-1]}


def is_theos_alone(reply, carla, theo):
    for each in (reply, carla, theo):
        each.refresh_from_db()
    assert reply.state == "sent"
    assert reply.external_id
    assert not Mention.objects.filter(ours=True).exists()
    assert (carla.state, theo.state) == (State.NEW, State.WAITING_CUSTOMER)


def test_an_answer_whose_receipt_was_lost_is_no_answer_to_whoever_wrote_the_first_comment(cast, settings, fake, thread):
    channel, carla, theo = thread
    settings.SETTLE_SECONDS = 30
    reply = answer(cast.ana, theo, WORDS)
    fake.order(MADE, True)
    assert send(reply).state == "in_doubt"
    hang_from_the_top(fake)
    for _ in range(2):
        read(channel)
    carla.refresh_from_db()
    assert carla.state == State.NEW
    assert not Mention.objects.filter(ours=True).exists()
    if send(reply).state == "in_doubt":  # where the network does not tell whom it is for, a person says it
        assert reply.settle("sent", cast.ana)
        channel.sources.update(cursor=None)  # it comes again with the daily look at two days
    for _ in range(2):
        read(channel)
    is_theos_alone(reply, carla, theo)


def test_an_answer_that_a_poll_sees_before_it_is_recorded_is_no_answer_to_somebody_else(
    cast, fake, thread, monkeypatch
):
    channel, carla, theo = thread
    reply = answer(cast.ana, theo, WORDS)
    recorded = sending._record_sent

    def late(*given):
        hang_from_the_top(fake)
        for _ in range(2):
            read(channel)
        recorded(*given)

    monkeypatch.setattr(sending, "_record_sent", late)
    send(reply)
    read(channel)
    is_theos_alone(reply, carla, theo)


def test_what_somebody_of_us_said_to_the_author_of_the_first_comment_is_an_answer_to_them(cast, fake, thread):
    channel, carla, _theo = thread
    said = Mention.objects.select_related("identity").get(conversation=carla)
    written = Outgoing(key="k", text="Said in the app", parent=post_of(said), sending_at=timezone.now())
    opened(channel).send(written)
    for _ in range(2):
        read(channel)
    carla.refresh_from_db()
    assert carla.state == State.WAITING_CUSTOMER

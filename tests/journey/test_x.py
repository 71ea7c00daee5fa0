"""X through the whole product: tokens that change with each use, replies that only some may get, lost answers."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from connectors import sending, trying
from connectors.models import Billed, Channel, Usage, Window
from connectors.opening import opened, opened_secrets
from connectors.paying import found
from inbox.composer import Composer
from inbox.models import Conversation, Mention, Reply
from tests.fakes import app_store
from tests.fakes.network import MADE
from tests.fakes.x import ME, Fake
from tests.journey.steps import answer, of_fake, read, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


@pytest.fixture
def channel(cast, fake):
    return of_fake(fake, "@acme", team=cast.support)


def test_a_mention_is_answered_once_although_the_answer_was_lost(cast, fake, channel):
    fake.say("where is my parcel?")
    read(channel)
    conversation = Conversation.objects.get()
    fake.order(MADE, writing=True)
    reply = send(answer(cast.ana, conversation))
    assert reply.state == "sent"
    assert fake.writings() == len(fake.made()) == 1


def test_a_private_answer_may_be_as_long_as_a_message_and_costs_as_much(cast, fake, channel):
    fake.say("where is my parcel?")
    read(channel)
    conversation = Conversation.objects.get()
    composer = Composer(conversation, cast.ana, conversation.last_inbound(), ())
    limits = {form["kind"]: form["counter"].limit for form in composer.forms if "counter" in form}
    assert limits == {"reply": 280, "private": 10_000}
    reply = send(answer(cast.ana, conversation, "x" * 400, kind="direct"))
    assert reply.state == "sent"
    assert Usage.objects.get(channel=channel).sent_cost == Decimal("0.015")


def test_access_that_ran_out_is_renewed_and_both_tokens_are_kept(fake, channel):
    fake.say("hello")
    fake.access = "another by now"
    read(channel)
    assert channel.fault == ""
    kept = opened_secrets(channel)
    assert (kept["access_token"], kept["refresh_token"]) == (fake.access, fake.refresh)
    assert kept["client_secret"] == fake.secrets["client_secret"]
    assert Mention.objects.count() == 1


def test_looking_up_a_lost_answer_renews_access_too(cast, fake, channel):
    fake.say("where is my parcel?")
    read(channel)
    fake.order(MADE, writing=True)
    reply = answer(cast.ana, Conversation.objects.get())
    Reply.objects.update(not_before=timezone.now())
    assert sending.send(reply)
    fake.expire()
    assert send(reply).state == "sent"
    assert len(fake.made()) == 1
    assert fake.misused == []


def test_waiting_for_a_renewal_that_died_fails_no_reply(cast, fake, channel):
    """Its lease holds for half a minute, in which a reply is tried more often than it may fail."""
    fake.say("where is my parcel?")
    read(channel)
    fake.expire()
    Channel.objects.update(renewing_until=timezone.now() + timedelta(minutes=1))
    reply = answer(cast.ana, Conversation.objects.get())
    for _ in range(7):
        assert send(reply).state == "queued"
    Channel.objects.update(renewing_until=None)
    assert send(reply).state == "sent"
    assert len(fake.made()) == 1


def test_a_network_that_shows_us_our_posts_late_is_looked_at_later(cast):
    with app_store.Fake() as late:
        late.say("Weak tea")
        read(of_fake(late, "Apple", team=cast.support))
        late.order(MADE, writing=True)
        reply = answer(cast.ana, Conversation.objects.get())
        Reply.objects.update(not_before=timezone.now())
        assert sending.send(reply)
        reply.refresh_from_db()
        assert reply.state == "in_doubt"
        assert reply.not_before - timezone.now() > timedelta(seconds=40)  # of a minute that Apple may take


def test_a_message_and_a_mention_of_one_person_come_from_one_identity(fake, channel):
    fake.say("where is my parcel?")
    fake.message("my number is 88213")
    read(channel)
    assert set(Mention.objects.values_list("kind", flat=True)) == {"mention", "direct"}
    assert Mention.objects.values("identity").distinct().count() == 1
    assert Conversation.objects.count() == 2


def test_what_a_search_found_cannot_be_answered_and_nothing_is_sent(cast, fake, channel):
    fake.say("acme is slow", names_us=False)
    read(channel)
    reply = send(answer(cast.ana, Conversation.objects.get()))
    assert reply.state == "failed"
    assert fake.made() == []
    assert ME["id"] not in {post["author_id"] for post in fake.posts.values()}


@pytest.mark.parametrize("brought_back", [False, True])
def test_an_answer_that_was_found_is_paid_as_one_that_was_confirmed(cast, fake, channel, brought_back):
    fake.say("where is my parcel?")
    read(channel)
    fake.order(MADE, writing=True)
    reply = answer(cast.ana, Conversation.objects.get())
    Reply.objects.update(not_before=timezone.now())
    assert sending.send(reply)
    assert paid_for_answers() == 0
    if brought_back:
        [made] = fake.made()
        found(reply, made["id"], "")
        found(reply, made["id"], "")
    reply.refresh_from_db()
    assert (reply if brought_back else send(reply)).state == "sent"
    assert paid_for_answers() == Decimal("0.010")


def paid_for_answers():
    return sum(Usage.objects.values_list("sent_cost", flat=True))


def test_a_live_test_reads_a_sample_and_is_paid(fake, channel):
    for number in range(30):
        fake.say(f"tea {number}")
    trial = trying.test(channel)
    assert [look.count for look in trial.looks] == [5, 0, 10]
    people = 3 * Decimal("0.010")  # we ourselves, and Carla for either source
    assert Usage.objects.get().read_cost == 5 * Decimal("0.001") + 10 * Decimal("0.005") + people


def test_a_live_test_without_money_signs_in_and_reads_nothing(fake, channel):
    fake.say("tea")
    Channel.objects.update(monthly_cap=Decimal(0))
    channel.refresh_from_db()
    trial = trying.test(channel)
    assert trial.check.account_id == ME["id"]
    assert [look.count for look in trial.looks] == [0, 0, 0]
    assert all("spending limit" in look.words for look in trial.looks)
    assert not any("mentions" in asked.path for asked in fake.server.asked)


def test_an_answer_waits_where_x_said_that_no_more_may_be_written_now(cast, fake, channel):
    for person in ("carla", "theo"):
        fake.say("where is my parcel?", person)
    fake.message("my number is 88213")
    read(channel)
    reset = timezone.now().replace(microsecond=0) + timedelta(minutes=10)
    told = {"limit": "100", "remaining": "0", "reset": str(int(reset.timestamp()))}
    headers, real = {f"x-rate-limit-{name}": value for name, value in told.items()}, fake.answer

    def used_up(asked):
        reply, posted = real(asked), (asked.method, asked.path) == ("POST", "/2/tweets")
        return replace(reply, headers=reply.headers | headers) if posted else reply

    fake.answer = used_up
    talks = sorted(Conversation.objects.all(), key=lambda talk: talk.mentions.get().kind, reverse=True)
    first, second, message = talks
    assert send(answer(cast.ana, first)).state == "sent"
    waiting = send(answer(cast.ana, second, "Your parcel is on its way."))
    assert (waiting.state, waiting.fault, waiting.not_before) == ("queued", "RateLimited", reset)
    assert len(fake.made()) == 1
    assert send(answer(cast.ana, message)).state == "sent", "messages have a window of their own"
    fake.say("and what about my parcel?", "ines")
    read(channel)
    assert Mention.objects.filter(text__startswith="and what").exists()
    Window.objects.update(reset_at=timezone.now())
    assert send(waiting).state == "sent"


def test_looking_how_posts_stand_and_for_a_lost_answer_is_counted_as_x_bills_it(cast, fake, channel):
    fake.say("where is my parcel?")
    read(channel)
    post = Mention.objects.get().external_id  # the poll asked already how it stands
    paid = Usage.objects.get().read_cost
    assert paid >= Decimal("0.001") + Decimal("0.005")
    assert Billed.objects.filter(thing=post).count() == 1
    opened(channel).refresh([post], timezone.now())
    assert Usage.objects.get().read_cost == paid
    fake.order(MADE, writing=True)
    send(answer(cast.ana, Conversation.objects.get()))
    looked = Usage.objects.get().read_cost - paid
    assert looked >= Decimal("0.001")
    assert str(Reply.objects.get().external_id) in Billed.objects.values_list("thing", flat=True)

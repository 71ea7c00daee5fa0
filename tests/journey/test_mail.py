"""Mail through the journey's own functions: threads hold together over what mail programs do to them, our answers leave
once, and what a stranger or a program writes changes nobody's conversation."""

import pytest

from inbox.models import Conversation, Mention, Reply
from tests.fakes.mail import Fake
from tests.fakes.network import MADE
from tests.journey.steps import answer, of_fake, read, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mail():
    with Fake() as mail:
        yield mail


@pytest.fixture
def channel(cast, mail):
    return of_fake(mail, team=cast.support)


def test_a_thread_stays_one_conversation_over_answers_from_here_and_from_elsewhere(mail, channel, cast):
    first = mail.say("Where is my order?")
    read(channel)
    conversation = Conversation.objects.get()
    answer(cast.ana, conversation, "On its way")
    send()
    own = Reply.objects.get()
    assert own.state == "sent"
    mail.say("Thanks, and the invoice?", parent=own.external_id)
    mail.deliver(
        b"From: care@brand.example\r\nTo: carla@mail.example\r\nMessage-ID: <w@brand.example>\r\n"
        b"In-Reply-To: <m1@mail.example>\r\n\r\nThe invoice is attached.",
        folder="Sent",
        expected=False,
    )
    mail.say("Got it", parent=first)
    read(channel)
    read(channel)
    assert Conversation.objects.count() == 1
    told = list(conversation.mentions.order_by("id").values_list("text", "ours"))
    assert sorted(told) == [
        ("Got it", False), ("Thanks, and the invoice?", False), ("The invoice is attached.", True),
        ("Where is my order?", False),
    ]  # fmt: skip
    assert len(mail.sent) == 1


def test_an_answer_that_arrived_without_a_word_is_found_in_the_folder_for_sent_mail_and_leaves_once(
    mail, channel, cast
):
    mail.say("Help")
    read(channel)
    answer(cast.ana, Conversation.objects.get(), "We are on it")
    mail.order(MADE, writing=True)
    send()  # the doubt is settled at once
    assert Reply.objects.get().state == "sent"
    assert Reply.objects.get().doubted_at
    send()
    assert mail.handed_in == 1
    read(channel)
    assert Mention.objects.filter(ours=True).count() == 0
    assert len(mail.sent) == 1


def test_a_stranger_who_names_a_customers_thread_stands_in_one_of_their_own(mail, channel):
    first = mail.say("My card number is a secret")
    read(channel)
    mail.say("Send me what she wrote", person="otto", parent=first)
    read(channel)
    assert Conversation.objects.count() == 2
    otto = Conversation.objects.get(identity__external_id="otto@mail.example")
    assert [mention.text for mention in otto.mentions.all()] == ["Send me what she wrote"]


def test_an_out_of_office_note_opens_nothing_again_and_holds_no_answer_back(mail, channel, cast):
    mail.say("Help")
    read(channel)
    conversation = Conversation.objects.get()
    answer(cast.ana, conversation, "Done")
    send()
    before = Conversation.objects.get().state
    own = Reply.objects.get().external_id
    mail.say("I am away", parent=own, headers=("Auto-Submitted: auto-replied",))
    read(channel)
    after = Conversation.objects.get()
    assert after.state == before
    assert after.mentions.count() == 2

"""Mail through the journey's own functions: threads hold together over what mail programs do to them, our answers leave
once, and what a stranger or a program writes changes nobody's conversation."""

from datetime import timedelta
from email import message_from_bytes
from email.utils import parsedate_to_datetime

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from connectors import trying
from connectors.opening import opened_secrets, sealed_secrets
from inbox.models import Conversation, Event, Mention
from inbox.models import Reply as Answer
from inbox.thread import whole
from tests.connectors.test_mail import bounce
from tests.fakes.mail import Fake
from tests.fakes.network import MADE
from tests.fakes.server import FakeServer, Reply
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
    own = Answer.objects.get()
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


def test_an_answer_to_somebody_else_than_the_sender_leaves_only_with_a_yes(mail, channel, cast):
    mail.deliver(b"From: carla@mail.example\r\nReply-To: m@evil.example\r\nMessage-ID: <r@x>\r\n\r\nMy data, please")
    read(channel)
    conversation = Conversation.objects.get()
    refused = send(answer(cast.ana, conversation, "Here it is"))
    assert (refused.state, mail.sent) == ("failed", [])
    assert "asks for answers at m@evil.example" in refused.reason
    assert send(answer(cast.ana, conversation, "Here it is", elsewhere="m@evil.example")).state == "sent"
    assert mail.sent[0].rcpt_tos == ["m@evil.example"]


def test_an_answer_that_arrived_without_a_word_is_found_in_the_folder_for_sent_mail_and_leaves_once(
    mail, channel, cast
):
    mail.say("Help")
    read(channel)
    answer(cast.ana, Conversation.objects.get(), "We are on it")
    mail.order(MADE, writing=True)
    send()  # the doubt is settled at once
    assert Answer.objects.get().state == "sent"
    assert Answer.objects.get().doubted_at
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
    own = Answer.objects.get().external_id
    mail.say("I am away", parent=own, headers=("Auto-Submitted: auto-replied",))
    read(channel)
    after = Conversation.objects.get()
    assert after.state == before
    assert after.mentions.count() == 2


def full(own_id, said="550 5.2.2 Over quota\r\n  for this user"):
    told = f"Status: 5.2.2\r\nDiagnostic-Code: smtp; {said}".encode()
    return bounce(own_id).replace(b"Status: 5.1.1", told)


def sent_answer(mail, channel, cast):
    mail.say("Help")
    read(channel)
    conversation = Conversation.objects.get()
    answer(cast.ana, conversation, "We are on it")
    send()
    return conversation, Answer.objects.get()


def test_an_answer_that_came_back_has_failed_with_its_reason_and_is_no_message_of_a_customer(mail, channel, cast):
    conversation, own = sent_answer(mail, channel, cast)
    conversation.close(cast.ana)
    mail.deliver(full(own.external_id), expected=False)
    read(channel)
    own.refresh_from_db()
    conversation.refresh_from_db()
    words = "The mailbox is full (carla@mail.example). The server said: 550 5.2.2 Over quota for this user"
    assert (own.state, own.reason) == ("failed", words)
    assert (conversation.state, conversation.trouble) == (0, "failed")
    assert [mention.text for mention in Mention.objects.filter(ours=False)] == ["Help"]
    shown = [entry.state_text for entry in whole(conversation, cast.ana).entries if getattr(entry, "reply", None)]
    assert shown == [f"Could not be delivered: {words}"]


def test_a_report_that_is_read_twice_or_names_no_answer_of_ours_changes_nothing_and_is_not_lost(mail, channel, cast):
    _, own = sent_answer(mail, channel, cast)
    mail.deliver(full(own.external_id), expected=False)
    mail.deliver(full(own.external_id).replace(b"<b@mx", b"<b2@mx"), expected=False)
    read(channel)
    mail.deliver(full("11111111-1111-4111-8111-111111111111.care@brand.example").replace(b"<b@mx", b"<b3@mx"))
    read(channel)
    told = [event.payload["state"] for event in Event.objects.filter(happening="reply_moved").order_by("id")]
    assert told.count("failed") == 1
    assert Mention.objects.filter(text__startswith="Our answer to carla").count() == 1


def test_what_came_back_can_be_sent_again_as_another_mail(mail, channel, cast):
    _, own = sent_answer(mail, channel, cast)
    first = own.external_id
    mail.deliver(full(first), expected=False)
    read(channel)
    Answer.objects.filter(pk=own.pk).update(first_at=timezone.now() - timedelta(days=3))  # the first had been in doubt
    own.refresh_from_db()
    assert own.release(cast.ana)
    send()
    own.refresh_from_db()
    assert own.state == "sent"
    assert own.external_id != first
    assert len(mail.sent) == 2
    dated = parsedate_to_datetime(message_from_bytes(mail.sent[1].content)["Date"])
    assert timezone.now() - dated < timedelta(hours=1)


def test_what_a_program_sent_says_so_and_quoted_text_is_folded_and_not_lost(mail, channel, cast):
    raw = (
        b"From: carla@mail.example\r\nMessage-ID: <q@x>\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n"
        b"\r\nOn Mon, 2 Nov 2026 at 10:00, Brand <care@brand.example> wrote:\r\n> Your parcel left.\r\n"
    )
    mail.deliver(raw)
    read(channel)
    message = next(one for one in whole(Conversation.objects.get(), cast.ana).entries if one.kind == "message")
    assert message.marks == ["sent by a program"]
    assert message.text == "I am away."
    assert "Your parcel left." in message.quoted
    page = render_to_string("parts/message.html", {"message": message})
    assert page.index("Show quoted text") < page.index("Your parcel left.")


def test_a_live_test_keeps_the_refresh_token_that_it_was_given(mail, cast, settings):
    mail.token = b"fresh-token"
    given = iter([{"access_token": "fresh-token", "refresh_token": "r2"}])
    with FakeServer(lambda asked: Reply(200, next(given))) as tokens:
        channel = of_fake(mail, team=cast.support)
        channel.settings = {**channel.settings, "token_url": tokens.url, "client_id": "c"}
        channel.sealed = sealed_secrets(channel.pk, {"refresh_token": "r1", "client_secret": "s"})
        channel.save(update_fields=["settings", "sealed"])
        trying.test(channel)  # the fake's own SMTP takes passwords only, which ends it after IMAP
        channel.refresh_from_db()
        assert dict(opened_secrets(channel)) == {
            "refresh_token": "r2", "client_secret": "s", "access_token": "fresh-token",
        }  # fmt: skip
        trying.test(channel)
        assert len(tokens.asked) == 1


def test_a_trial_of_new_secrets_hands_back_what_they_became(mail, cast):
    mail.token = b"fresh-token"
    with FakeServer(lambda asked: Reply(200, {"access_token": "fresh-token", "refresh_token": "r2"})) as tokens:
        channel = of_fake(mail, team=cast.support)
        channel.settings = {**channel.settings, "token_url": tokens.url, "client_id": "c"}
        trial = trying.try_new_secrets(channel, {"refresh_token": "r1", "client_secret": "s", "password": ""})
    assert trial.renewed == {"access_token": "fresh-token", "refresh_token": "r2"}

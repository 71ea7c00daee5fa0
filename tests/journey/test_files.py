"""Files on their way out: from the draft into the outbox, to the network, and there once."""

import io
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from PIL import Image

from connectors import bringing, sending
from inbox.files import judged
from inbox.models import Attachment, Conversation, Reply
from inbox.models.answerable import KeyUsed
from inbox.models.attachment import FilesGone, TooMany, forget_unsent
from tests.fakes import linkedin, threads
from tests.fakes.mastodon import Fake
from tests.fakes.network import MADE
from tests.journey.steps import answer, of_fake, read, send

pytestmark = pytest.mark.django_db(transaction=True)


def picture(color="red", kind="PNG", size=(40, 30)):
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, kind)
    return out.getvalue()


@pytest.fixture
def fake(settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with Fake() as fake:
        yield fake


@pytest.fixture
def talk(cast, fake):
    channel = of_fake(fake, name="@acme@fake.example", team=cast.support)
    fake.say("Where is my parcel?")
    read(channel)
    return Conversation.objects.get()


def add(agent, talk, *colors, kind="reply"):
    """Keys of pictures in the agent's draft."""
    made = [Attachment.add(agent, talk, kind, judged(picture(color), f"{color}.png")) for color in colors]
    for one in made:
        one.describe(f"a {one.name} picture")
    return [one.key for one in made]


def test_a_picture_leaves_with_its_reply_and_its_description(cast, fake, talk):
    reply = send(answer(cast.ana, talk, "Here it is", files=add(cast.ana, talk, "red", "blue")))
    assert (reply.state, reply.reason) == ("sent", "")
    (made,) = fake.made()
    assert [text for _, text in fake.attached(made)] == ["a red.png picture", "a blue.png picture"]
    assert [body for body, _ in fake.attached(made)] == [bytes(one.body) for one in reply.attachments.order_by("place")]


@pytest.mark.parametrize("fault", ["reset", "500", "sign-in page", MADE])
def test_an_upload_that_was_lost_is_repeated_and_what_arrived_is_not(cast, fake, talk, fault):
    first, second = add(cast.ana, talk, "red", "blue")
    reply = answer(cast.ana, talk, "Here it is", files=[first, second])
    fake.order(fault, writing="upload")
    send(reply)
    assert reply.state == "queued"
    fake.faults.clear()
    assert send(reply).state == "sent"
    (made,) = fake.made()
    assert len(fake.attached(made)) == 2
    uploads = [one for one in fake.server.asked if one.path == "/api/v2/media"]
    assert len(uploads) == 3


def test_a_reply_lost_after_its_upload_stands_there_once_and_brings_nothing_again(cast, fake, talk):
    reply = answer(cast.ana, talk, "Here it is", files=add(cast.ana, talk, "red"))
    fake.order("reset", writing=True)
    send(reply)
    assert reply.state == "queued"  # looked for and not there
    assert send(reply).state == "sent"
    assert len(fake.made()) == 1
    assert len([one for one in fake.server.asked if one.path == "/api/v2/media"]) == 1


def test_a_sender_that_died_after_an_upload_is_followed_by_another(cast, fake, talk, monkeypatch):
    reply = answer(cast.ana, talk, "Here it is", files=add(cast.ana, talk, "red"))

    class Death(BaseException):
        """Nothing of ours catches it, as nothing catches a kill."""

    def die(name):
        if name == "reply.after_upload":
            raise Death

    with monkeypatch.context() as dying:
        dying.setattr("connectors.bringing.failpoint", die)
        with pytest.raises(Death):
            send(reply)
    reply.refresh_from_db()
    assert reply.state == "sending"
    Reply.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    for _ in range(3):
        send(reply)
    assert reply.state == "sent"
    assert len(fake.made()) == 1


def test_a_file_the_network_still_works_on_is_waited_for(cast, fake, talk):
    fake.slow_files = 2
    reply = answer(cast.ana, talk, "Here it is", files=add(cast.ana, talk, "red"))
    send(reply)
    assert reply.state == "queued"
    assert reply.not_before > timezone.now()
    for _ in range(3):
        send(reply)
    assert reply.state == "sent"
    assert len([one for one in fake.server.asked if one.path == "/api/v2/media"]) == 1


def test_a_file_the_network_never_gets_ready_with_fails_in_words(cast, fake, talk, monkeypatch):
    fake.slow_files = 10_000
    monkeypatch.setattr(bringing, "LOOKS", 3)
    reply = answer(cast.ana, talk, "Here it is", files=add(cast.ana, talk, "red"))
    for _ in range(5):
        send(reply)
    assert reply.state == "failed"
    assert "does not get ready" in reply.reason
    assert fake.made() == []


def test_what_the_network_no_longer_takes_is_refused_before_anything_leaves(cast, fake, talk):
    reply = answer(cast.ana, talk, "Here it is", files=add(cast.ana, talk, "red"))
    talk.channel.settings = {**talk.channel.settings, "facts": {**fake.facts(), "media": {"image": 10}}}
    talk.channel.save(update_fields=["settings"])
    asked = len(fake.server.asked)
    send(reply)
    assert reply.state == "failed"
    assert "too large" in reply.reason
    assert len(fake.server.asked) == asked


def test_undo_gives_the_files_back_to_the_draft(cast, fake, talk):
    files = add(cast.ana, talk, "red")
    reply = answer(cast.ana, talk, "Here it is", files=files)
    assert not Attachment.objects.drafted(cast.ana, talk).exists()
    assert reply.undo(cast.ana)
    assert [one.key for one in Attachment.objects.drafted(cast.ana, talk, "reply")] == files
    reply.refresh_from_db()
    assert reply.attachments.count() == 0


def test_a_file_leaves_with_one_reply_only_and_only_its_authors(cast, fake, talk):
    files = add(cast.ana, talk, "red")
    with pytest.raises(FilesGone):
        answer(cast.mona, talk, "mine now", files=files)
    assert Reply.objects.count() == 0
    answer(cast.ana, talk, "Here it is", files=files)
    with pytest.raises(FilesGone):
        answer(cast.ana, talk, "and again", files=files)
    assert Reply.objects.count() == 1


def test_the_same_key_with_other_files_is_not_taken_for_the_same(cast, talk):
    one, two = add(cast.ana, talk, "red", "blue")
    reply = answer(cast.ana, talk, "Here", files=[one])
    say = {"seen_seq": 99, "parent": talk.last_inbound()}
    assert talk.reply(cast.ana, "Here", reply.key, files=[one], **say) == reply
    with pytest.raises(KeyUsed):
        talk.reply(cast.ana, "Here", reply.key, files=[two], **say)
    with pytest.raises(KeyUsed):
        talk.reply(cast.ana, "Here", reply.key, **say)


def test_a_draft_holds_the_same_file_once_and_not_more_than_ten(cast, talk):
    one, again = add(cast.ana, talk, "red"), add(cast.ana, talk, "red")
    assert one == again
    for number in range(9):
        Attachment.add(cast.ana, talk, "reply", judged(picture((number, 0, 0)), "n.png"))
    with pytest.raises(TooMany):
        add(cast.ana, talk, "blue")


def test_what_nobody_sent_for_a_month_is_thrown_away_and_what_was_sent_stays(cast, fake, talk):
    sent, _old = add(cast.ana, talk, "red", "blue")
    answer(cast.ana, talk, "Here it is", files=[sent])
    Attachment.objects.update(at=timezone.now() - timedelta(days=31))
    (fresh,) = add(cast.ana, talk, "green")
    assert forget_unsent(timezone.now()) == 1
    assert set(Attachment.objects.values_list("key", flat=True)) == {sent, fresh}


def test_without_files_nothing_is_asked_about_them(cast, talk, django_assert_max_num_queries):
    reply = answer(cast.ana, talk)
    with django_assert_max_num_queries(0):
        assert sending.media_of(reply) == ()


class Fetching(dict):
    """What a network finds at the addresses that it is told: it fetches, from a thread of its server, as anybody."""

    def get(self, where):
        try:
            answer = Client(headers={"host": "care.example"}).get(
                where.removeprefix("https://care.example"), secure=True
            )
            self[where] = answer.status_code
            return answer.content if answer.status_code == 200 else None
        finally:
            connections.close_all()


@pytest.mark.parametrize("fault", ["", "reset", MADE])
def test_a_network_that_takes_no_bytes_fetches_them_and_the_answer_stands_there_once(cast, settings, fault):
    settings.FETCH_ALLOW, settings.PUBLIC_URL = ["127.0.0.1"], "https://care.example"
    settings.ALLOWED_HOSTS = ["care.example"]
    with threads.Fake() as fake:
        fake.web = Fetching()
        channel = of_fake(fake, name="@acme", team=cast.support)
        fake.say("Where is my parcel?")
        read(channel)
        talk = Conversation.objects.get()
        reply = answer(cast.ana, talk, "Here it is", files=add(cast.ana, talk, "red"))
        if fault:
            fake.order(fault, writing=True)
        for _ in range(5):
            send(reply)
        assert (reply.state, reply.reason) == ("sent", "")
        (made,) = fake.made()
        assert fake.attached(made) == [(bytes(reply.attachments.get().body), "a red.png picture")]
        assert len(fake.containers) == 1
        ((where, status),) = fake.web.items()
    assert status == 200
    assert Client(headers={"host": "care.example"}).get(where.removeprefix("https://care.example")).status_code != 200


@pytest.mark.parametrize("place", ["reply.after_upload", "reply.before_post", "reply.after_post", "reply.after_record"])
@pytest.mark.parametrize("network", [threads, linkedin])
def test_wherever_a_sender_dies_with_a_file_the_answer_stands_there_once(cast, settings, monkeypatch, network, place):
    settings.FETCH_ALLOW, settings.PUBLIC_URL = ["127.0.0.1"], "https://care.example"
    settings.ALLOWED_HOSTS = ["care.example"]

    class Death(BaseException):
        """Nothing of ours catches it, as nothing catches a kill."""

    died = []

    def die(name):
        if name == place and not died:
            died.append(name)
            raise Death

    monkeypatch.setattr("connectors.bringing.failpoint", die)
    monkeypatch.setattr("connectors.sending.failpoint", die)
    with network.Fake() as fake:
        fake.web = Fetching()
        channel = of_fake(fake, name="@acme", team=cast.support)
        fake.say("Where is my parcel?")
        read(channel)
        talk = Conversation.objects.get()
        reply = answer(cast.ana, talk, "Here it is", files=add(cast.ana, talk, "red"))
        for _ in range(8):
            try:
                send(reply)
            except Death:
                Reply.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        reply.refresh_from_db()
        assert (died, reply.state, reply.reason) == ([place], "sent", "")
        (made,) = fake.made()
        assert [body for body, _ in fake.attached(made)] == [bytes(reply.attachments.get().body)]

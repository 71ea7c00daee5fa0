"""What is special about Telegram: a queue that forgets what is confirmed, groups that change their number, a token in
the address, and answers that cannot be read back."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import (
    Accepted,
    AuthRevoked,
    Budget,
    CannotKnow,
    Gone,
    Incoming,
    Invalid,
    NotPermitted,
    Outgoing,
    PostKind,
    Prepared,
    RateLimited,
    Rejected,
    Secrets,
    Sent,
    Unavailable,
    Unreadable,
    Visibility,
)
from tests.fakes.server import Reply
from tests.fakes.telegram import BOT, CANARY, TOKEN, Fake, no, yes

NOW = datetime.now(UTC)
GROUP = {"id": -456, "type": "group", "title": "Tea"}


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def answer(post, text="We are on it", **more):
    return Outgoing(key="key-1", text=text, parent=post, sending_at=NOW, **more)


def only(fake, **how):
    posts, bad, _, _ = fake.read(fake.connector(), **how)
    assert not bad
    assert len(posts) == 1
    return posts[0]


def test_nothing_is_confirmed_before_the_page_it_came_with_was_taken(fake):
    for number in range(150):
        fake.say(str(number))
    pages = fake.connector().poll("updates", None, Budget(), datetime.now(UTC))
    first = next(pages)
    assert len(fake.updates) == 150, "what is not committed is still there"
    second = next(pages)
    assert len(fake.updates) == 50, "the second page was asked for: the first one is committed"
    assert (len(first.posts), len(second.posts)) == (100, 50)
    assert (first.end, second.end) == (False, True), "a first look says that there is more when there is"
    assert next(pages, None) is None


def test_what_was_committed_is_confirmed_at_once_although_the_page_was_not_full(fake):
    _, _, cursor, _ = fake.read(fake.connector())
    fake.say("one")
    pages = fake.connector().poll("updates", cursor, Budget(), datetime.now(UTC))
    first = next(pages)
    assert (len(first.posts), first.end, len(fake.updates)) == (1, False, 1)
    last = next(pages)
    assert fake.updates == []
    assert (last.posts, last.end, last.cursor["update"]) == ((), True, first.cursor["update"])
    assert next(pages, None) is None


def test_a_page_that_was_not_committed_comes_again(fake):
    identity = fake.say("once more")
    next(fake.connector().poll("updates", None, Budget(), datetime.now(UTC)))
    assert only(fake).external_id == identity


def test_numbers_that_begin_anew_after_a_quiet_week_are_read(fake):
    fake.say("before")
    _, _, cursor, _ = fake.read(fake.connector())
    fake.number_of_update, fake.updates = 5, []
    _, _, cursor, _ = fake.read(fake.connector(), cursor, now=datetime.now(UTC) + timedelta(days=6, hours=12))
    new = fake.say("after a week")
    posts, _, cursor, gaps = fake.read(fake.connector(), cursor, now=datetime.now(UTC) + timedelta(days=7))
    assert [post.external_id for post in posts] == [new]
    assert not gaps
    assert cursor["update"] == 6


def test_a_private_chat_is_one_conversation_and_each_bot_has_its_own(fake):
    fake.say("one")
    fake.say("two")
    posts = fake.read(fake.connector())[0]
    assert len({post.root_id for post in posts}) == 1
    assert {post.kind for post in posts} == {PostKind.DIRECT}
    assert {post.visibility for post in posts} == {Visibility.DIRECT}
    assert fake.connector().space == f"telegram:{BOT}"
    assert CANARY not in fake.connector().space


def test_a_group_its_topics_and_its_visibility(fake):
    fake.say("plain", chat=GROUP)
    fake.say("topic", chat={"id": -1009, "type": "supergroup"}, message_thread_id=3, is_topic_message=True)
    fake.say("open", chat={"id": -1008, "type": "supergroup", "username": "teahouse"})
    plain, topic, public = fake.read(fake.connector())[0]
    assert (plain.root_id, plain.kind, plain.visibility) == ("-456", PostKind.MENTION, Visibility.FOLLOWERS)
    assert topic.root_id == "-1009/3"
    assert (public.visibility, public.url) == (Visibility.PUBLIC, "https://t.me/teahouse/3")
    fake.connector().send(answer(topic))
    assert fake.written[0]["message_thread_id"] == 3


def test_a_group_that_became_another_keeps_its_conversation(fake):
    fake.say("before", chat=GROUP)
    before, _, cursor, _ = fake.read(fake.connector())
    fake.update("message", {"message_id": 99, "date": 1, "chat": GROUP, "migrate_to_chat_id": -100456})
    fake.say("after", chat={"id": -100456, "type": "supergroup"})
    after, _, cursor, _ = fake.read(fake.connector(), json.loads(json.dumps(cursor)))
    assert [post.root_id for post in before + after] == ["-456", "-456"]
    fake.say("later", chat={"id": -100456, "type": "supergroup"})
    assert fake.read(fake.connector(), cursor)[0][0].root_id == "-456"


def test_a_group_that_became_another_keeps_its_conversation_where_messages_are_delivered(fake):
    moves = {"message_id": 99, "date": 1, "chat": GROUP, "migrate_to_chat_id": -100456}
    message = {"message_id": 1, "date": 2, "chat": {"id": -100456, "type": "supergroup"}, "text": "after",
               "from": {"id": 7, "first_name": "Carla"}}  # fmt: skip
    bodies = [
        json.dumps({"update_id": number, "message": each}).encode() for number, each in enumerate((moves, message))
    ]
    connector, learned = hooked(fake), {}
    connector.learned = learned.update
    assert connector.unpack(bodies[0], NOW).posts == ()
    connector.facts = {**fake.facts(), **learned}
    assert connector.check().facts["moves"] == {"-100456": "-456"}
    later = hooked(fake)
    later.facts = connector.facts
    assert [post.root_id for each in (connector, later) for post in each.unpack(bodies[1], NOW).posts] == ["-456"] * 2
    later.settings = {**later.settings, "arrival": "asked"}
    fake.update("message", message)
    assert [post.root_id for post in fake.read(later)[0]] == ["-456"]


def test_an_answer_into_a_group_that_moved_is_one_refused_request_and_then_one_that_counts(fake):
    fake.say("Help", chat=GROUP)
    post = only(fake)
    fake.moved[-456] = -100456
    prepared = fake.connector().send(answer(post))
    assert prepared == Prepared("-100456")
    assert fake.writings() == 1
    sent = fake.connector().send(answer(post, prepared=prepared.token))
    assert isinstance(sent, Sent)
    assert sent.external_id.startswith("-100456:")
    assert len(fake.written) == 1


def test_an_answer_names_what_it_answers_and_is_plain_text(fake):
    identity = fake.say("Help")
    sent = fake.connector().send(answer(only(fake), "*not bold* <b>"))
    chat, number = identity.split(":")
    assert sent.external_id.startswith(f"{chat}:")
    assert fake.written == [
        {
            "chat_id": int(chat),
            "text": "*not bold* <b>",
            "reply_parameters": {"message_id": int(number), "allow_sending_without_reply": True},
        }
    ]


def test_who_blocked_the_bot_is_gone(fake):
    fake.say("Help")
    post = only(fake)
    fake.blocked.add(int(post.external_id.split(":")[0]))
    with pytest.raises(Gone):
        fake.connector().send(answer(post))


def test_what_a_bot_wrote_is_for_a_person_to_look_up(fake):
    fake.say("Help")
    found = fake.connector().find(answer(only(fake)))
    assert isinstance(found, CannotKnow)
    assert found.reason.endswith(".")


def test_another_reader_of_the_queue_is_told_in_words(fake):
    fake.hook = "https://elsewhere.example"
    with pytest.raises(Unavailable, match="Another program"):
        fake.read(fake.connector())
    assert "deleteWebhook" in fake.connector().check().warnings[0]


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (no(401), AuthRevoked), (no(403), NotPermitted), (no(400), Invalid), (no(400, 200), Invalid),
        (no(500, 200), Unavailable), (no(429, retry_after="soon"), RateLimited), (no(420), NotPermitted),
    ],
)  # fmt: skip
def test_a_refusal_is_classed_by_the_code_in_its_body(fake, monkeypatch, reply, fault):
    monkeypatch.setattr(fake, "answer", lambda asked: reply)
    with pytest.raises(fault):
        fake.read(fake.connector())


def test_a_wait_is_as_long_as_told(fake, monkeypatch):
    monkeypatch.setattr(fake, "answer", lambda asked: no(429, retry_after=77))
    with pytest.raises(RateLimited) as raised:
        fake.read(fake.connector(), now=NOW)
    assert raised.value.until == NOW + timedelta(seconds=77)


@pytest.mark.parametrize("token", ["", "123", "1:x/../../getMe", "1:aaaaaa\r\nX: y"])
def test_what_is_no_token_becomes_no_address(fake, token):
    with pytest.raises(AuthRevoked):
        fake.connector(Secrets({"token": token})).check()
    assert fake.requests() == 0


def test_the_token_in_the_address_is_redacted_even_when_it_is_not_known_as_a_secret(fake):
    from connectors.http import Seam

    kept = []
    connector = fake.connector()
    connector.seam = Seam(allow=["127.0.0.1"], guard=lambda: None, record=kept.append)
    connector.check()
    assert TOKEN not in repr(kept)
    assert "/bot[redacted]/getMe" in kept[0].url


def test_files_have_a_name_and_no_address(fake):
    fake.say(None, caption="Look", document={"file_id": "AgAD", "file_name": "bill.pdf"}, photo=[{"file_id": "B"}])
    post = only(fake)
    assert post.text == "Look"
    assert [(medium.kind, medium.url, medium.description, medium.ref) for medium in post.media] == [
        ("file", "", "bill.pdf", "AgAD"),
        ("image", "", "a picture", "B"),
    ]


def test_a_file_is_given_out_by_its_id(fake):
    fake.files["AgAD"] = b"%PDF-1.7 what it costs"
    fake.say(None, document={"file_id": "AgAD", "file_name": "bill.pdf"})
    post = only(fake)
    assert fake.connector().enclosed(post, post.media[0].ref, 1_000) == b"%PDF-1.7 what it costs"
    with pytest.raises(Unreadable):
        fake.connector().enclosed(post, post.media[0].ref, 10)  # larger than was asked for
    with pytest.raises(Invalid):
        fake.connector().enclosed(post, "gone", 1_000)


@pytest.mark.parametrize(("text", "used"), [("a", 1), ("字", 1), ("👋", 2), ("  a \n", 1)])
def test_a_text_counts_in_units_of_utf16_without_the_space_around_it(fake, text, used):
    assert fake.connector().measure(text).used == used


# Delivered instead of asked for


def delivered(fake, secret="hook-secret", body=None, method="POST"):
    headers = {"x-telegram-bot-api-secret-token": secret, "content-type": "application/json"}
    return Incoming(method, headers, json.dumps(fake.updates[-1]).encode() if body is None else body)


def hooked(fake):
    connector = fake.connector(Secrets({"token": TOKEN, "webhook_secret": "hook-secret"}))
    connector.settings = {**connector.settings, "arrival": "delivered"}
    return connector


def test_a_delivery_with_the_secret_is_taken_once_and_mapped_like_a_poll(fake):
    identity = fake.say("Help")
    verdict = hooked(fake).receive(delivered(fake), NOW)
    assert verdict == Accepted("update:1001", {"accepted": 1}, 200)
    page = hooked(fake).unpack(delivered(fake).body, NOW)
    assert [post.external_id for post in page.posts] == [identity]
    assert hooked(fake).listening() == ()


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"secret": "wrong"}, 403),
        ({"secret": ""}, 403),
        ({"method": "GET"}, 405),
        ({"body": b"[]"}, 400),
        ({"body": b"{"}, 400),
    ],
)
def test_other_deliveries_are_refused(fake, given, status):
    fake.say("x")
    verdict = hooked(fake).receive(delivered(fake, **given), NOW)
    assert isinstance(verdict, Rejected)
    assert verdict.status == status


def test_without_a_secret_every_delivery_is_refused(fake):
    fake.say("x")
    assert isinstance(fake.connector().receive(delivered(fake, secret=""), NOW), Rejected)


def refusing(words):
    return Reply(400, {"ok": False, "error_code": 400, "description": f"Bad Request: {words}"})


def acted(fake, verb, text="", **answers):
    """What a verb asks of the service, which gives these answers."""
    asked = []
    for method, reply in answers.items():
        setattr(fake, method, lambda given, method=method, reply=reply: asked.append((method, given)) or reply)
    fake.say("hi")
    connector = fake.connector()
    connector.do(verb, replace(only(fake), ours=True, created_at=NOW), text)
    return [(method, given.get("text") or given.get("caption")) for method, given in asked]


def test_the_words_of_a_file_are_corrected_as_its_caption(fake):
    no_text = refusing("there is no text in the message to edit")
    asked = acted(fake, "edit", "better", editMessageText=no_text, editMessageCaption=yes(True))
    assert asked == [("editMessageText", "better"), ("editMessageCaption", "better")]


@pytest.mark.parametrize("captioned", [True, False])
def test_a_correction_that_was_made_before_is_made(fake, captioned):
    same = refusing("message is not modified: specified new message content")
    first = refusing("there is no text in the message to edit") if captioned else same
    assert len(acted(fake, "edit", "better", editMessageText=first, editMessageCaption=same)) == 1 + captioned


def test_what_was_deleted_before_is_deleted(fake):
    assert acted(fake, "delete", deleteMessage=refusing("message to delete not found"))


@pytest.mark.parametrize("answer", [refusing("message can't be deleted"), Reply(400, {"ok": False, "error_code": 400})])
def test_what_cannot_be_deleted_does_not_count_as_deleted(fake, answer):
    with pytest.raises(Invalid):
        acted(fake, "delete", deleteMessage=answer)


def test_a_correction_that_the_service_takes_in_no_way_is_refused(fake):
    with pytest.raises(Invalid):
        acted(fake, "edit", "x", editMessageText=refusing("message to edit not found"),
              editMessageCaption=refusing("message to edit not found"))  # fmt: skip

"""What is special about mail: its cursor, threads that only headers tell of, programs that write, and answers that
lie in the folder for sent mail or nowhere."""

import base64
import email
import email.message
import email.policy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from connectors.access import dated, given_until
from connectors.base import (
    Absent,
    AuthExpired,
    AuthRevoked,
    Budget,
    CannotKnow,
    Found,
    Gone,
    Invalid,
    NotPermitted,
    Outgoing,
    PolicyRefused,
    QuotaSpent,
    Secrets,
    Sent,
    Unavailable,
)
from connectors.networks.mail import folder
from connectors.networks.mail.answer import letter
from connectors.networks.mail.smtp import refused
from connectors.sending import refused_before_sending
from tests.fakes.mail import CANARY, US, Fake
from tests.fakes.network import MADE
from tests.fakes.server import FakeServer, Reply
from tests.waiting import costs

NOW = datetime.now(UTC)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def only(fake, **how):
    posts, bad, _, _ = fake.read(fake.connector(), **how)
    assert not bad
    assert len(posts) == 1
    return posts[0]


def answer(post, text="We are on it", key="key-1", **more):
    return Outgoing(key=key, text=text, parent=post, sending_at=NOW, **more)


def sent_mail(fake):
    return email.message_from_bytes(fake.sent[-1].content)


def read_sent(fake):
    connector = fake.connector()
    pages = connector.poll("sent", None, Budget(), datetime.now(UTC))
    return [post for page in pages for post in page.posts]


# Reading


def test_a_poll_without_news_asks_for_nothing_and_the_last_mail_is_not_read_again(fake):
    fake.say("one")
    _, _, cursor, _ = fake.read(fake.connector())
    fake.commands.clear()
    assert fake.read(fake.connector(), cursor)[0] == []
    assert "SEARCH" not in fake.commands
    fake.folders["INBOX"].following += 1  # somebody moved a mail in and away again
    assert fake.read(fake.connector(), cursor)[0] == []


def test_a_folder_numbered_anew_is_read_again_by_date_with_the_same_ids_and_says_so(fake):
    identity = fake.say("one")
    _, _, cursor, _ = fake.read(fake.connector())
    fake.folders["INBOX"].validity = 8
    posts, _, cursor, gaps = fake.read(fake.connector(), cursor)
    assert [post.external_id for post in posts] == [identity]
    assert "numbered the folder anew" in gaps[0].reason
    assert cursor["validity"] == 8


def test_mail_older_than_two_days_is_history_and_older_still_is_not_read(fake):
    fake.start = NOW - timedelta(days=2, hours=5)
    fake.say("old")
    fake.start = NOW - timedelta(days=9)
    fake.say("older", expected=False)
    fake.start = NOW - timedelta(hours=1)
    fake.say("new")
    posts = fake.read(fake.connector())[0]
    assert [(post.text, post.history) for post in posts] == [("old", True), ("new", False)]


def test_what_waited_when_a_mailbox_was_connected_is_history_on_every_page_of_it(fake, monkeypatch):
    monkeypatch.setattr(folder, "ITEMS", 2)
    fake.start = NOW - timedelta(days=2, hours=5)
    for number in range(5):
        fake.say(f"old {number}")
    fake.start = NOW - timedelta(hours=1)
    fake.say("new")
    posts, _, cursor, _ = fake.read(fake.connector(), requests=1)
    while cursor.get("since"):
        more, _, cursor, _ = fake.read(fake.connector(), cursor, requests=1)
        posts += more
    assert [(post.text[:3], post.history) for post in posts] == [("old", True)] * 5 + [("new", False)]
    fake.start = NOW - timedelta(days=2, hours=4)
    fake.say("late")
    assert [post.history for post in fake.read(fake.connector(), cursor)[0]] == [False]


def test_a_server_that_does_not_say_its_next_number_is_not_read_from_the_beginning(fake):
    fake.tells_next, fake.start = False, NOW - timedelta(days=30)
    for number in range(5):
        fake.say(f"old {number}")
    posts, _, cursor, _ = fake.read(fake.connector())
    assert (posts, cursor["uid"]) == ([], 5)
    fake.start = NOW - timedelta(hours=1)
    fake.say("new")
    assert [post.text for post in fake.read(fake.connector(), cursor)[0]] == ["new"]


def test_reading_marks_nothing_and_only_ever_examines(fake):
    fake.say("x")
    fake.read(fake.connector())
    assert "SELECT" not in fake.commands
    assert "STORE" not in fake.commands


def test_a_page_holds_two_megabytes_and_the_next_goes_on_behind_it(fake):
    for _ in range(3):
        fake.say("y" * 700_000)
    connector = fake.connector(whole=10)
    pages = list(connector.poll("inbox", None, Budget(), datetime.now(UTC)))
    assert [len(page.posts) for page in pages] == [2, 1]
    assert [page.cursor["uid"] for page in pages] == [2, 3]


def test_of_a_large_mail_the_beginning_is_read_and_the_rest_is_named(fake):
    boundary, letters = "b", base64.encodebytes(b"z" * 3_000_000)
    body = (
        f"--{boundary}\r\nContent-Type: text/plain\r\n\r\nSee the film\r\n--{boundary}\r\n"
        'Content-Type: video/mp4; name="a.mp4"\r\n'
        "Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    ).encode() + letters
    kind = f"Content-Type: multipart/mixed; boundary={boundary}"
    head = f"From: carla@mail.example\r\nMessage-ID: <film@x>\r\n{kind}\r\n\r\n"
    fake.deliver(head.encode() + body)
    posts, bad, _, _ = fake.read(fake.connector(whole=10))
    assert not bad
    assert posts[0].text == "See the film"
    assert [medium.kind for medium in posts[0].media] == ["file", "file"]
    assert posts[0].media[0].description.startswith("a.mp4 (video/mp4, ")
    assert posts[0].media[1].description.startswith("The rest of the mail (2.")


def test_attachments_are_named_and_never_fetched_from_anywhere(fake):
    raw = (
        b"From: carla@mail.example\r\nMessage-ID: <f@x>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/html\r\n\r\n<p>Look <img src='cid:1'><script>x()</script></p>\r\n--b\r\n"
        b"Content-Type: application/pdf\r\n"
        b'Content-Disposition: attachment; filename="=?utf-8?q?Rechnung_=C3=BC.pdf?="\r\n\r\n%PDF\r\n'
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\n\r\nnever mine\r\n--b--\r\n"
    )
    fake.deliver(raw)
    post = only(fake)
    assert post.text == "Look"
    assert [medium.description.partition(" (")[0] for medium in post.media] == ["Rechnung ü.pdf", "part 2"]
    assert {medium.url for medium in post.media} == {""}


def test_a_mail_in_any_charset_or_none_is_readable(fake):
    head = b"From: =?iso-8859-1?q?Carla_M=FCller?= <Carla@Mail.Example>\r\nMessage-ID: <%s@x>\r\nSubject: %s\r\n"
    fake.deliver(
        head % (b"a", b"=?utf-8?b?R3LDvMOfZQ==?=") + b"Content-Type: text/plain; charset=latin-1\r\n\r\nGr\xfc\xdfe"
    )
    post = only(fake)
    assert (post.author.external_id, post.author.name) == ("carla@mail.example", "Carla Müller")
    assert (post.subject, post.text) == ("Grüße", "Grüße")


def test_a_report_in_a_charset_nobody_knows_holds_up_no_other(fake):
    fake.say("before")
    inner = b"Content-Type: text/plain; charset=x-foo\r\n\xff\xfe grr\r\n\r\n"
    fake.deliver(
        b"From: mailer-daemon@mail.example\r\nMessage-ID: <r@x>\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\n" + inner + b"--b--\r\n"
    )
    fake.say("after")
    posts, bad, _, _ = fake.read(fake.connector())
    assert len(posts) == 3
    assert not bad


REFUSALS = [b"NO System Error (Failure)", b"NO [SERVERBUG] Internal error."]


def read_on(fake, cursor=None, now=None):
    """What came until the server was in trouble, if it was."""
    now, posts, bad, fault = now or datetime.now(UTC), [], [], None
    try:
        for page in fake.connector().poll("inbox", cursor, Budget(requests=50), now):
            cursor, posts, bad = page.cursor, [*posts, *page.posts], [*bad, *page.bad]
    except Unavailable as error:
        fault = error
    return [post.text for post in posts], [each.external_id for each in bad], cursor, fault


@pytest.mark.parametrize("said", REFUSALS)
@pytest.mark.parametrize("stops", [False, True], ids=["others come", "it ends there"])
def test_a_mail_that_the_server_cannot_give_is_set_aside_after_an_hour_and_holds_up_no_other(fake, said, stops):
    for number in range(9):
        fake.say(f"mail {number}")
    uids = [uid for uid, _raw, _at in fake.folders["INBOX"].mails]
    fake.stops_at_broken, fake.broken = stops, {uids[4]: said, uids[5]: said}
    now = datetime.now(UTC)
    posts, bad, cursor, fault = read_on(fake, now=now)
    assert (set(posts), bad) == ({f"mail {number}" for number in (0, 1, 2, 3, 6, 7, 8)}, [])
    assert fault
    assert cursor["uid"] == uids[3]
    fake.say("the next")
    posts, bad, cursor, fault = read_on(fake, cursor, now + timedelta(minutes=59))
    assert ("the next" in posts, bad, bool(fault)) == (True, [], True)
    posts, bad, cursor, fault = read_on(fake, cursor, now + timedelta(hours=1))
    assert ("the next" in posts, bad, fault) == (True, [f"inbox:{uids[4]}", f"inbox:{uids[5]}"], None)
    assert read_on(fake, cursor) == ([], [], cursor, None)
    assert "refused" not in cursor


@pytest.mark.parametrize("said", REFUSALS)
@pytest.mark.parametrize("which", [slice(None), slice(2, None)], ids=["from the start", "in the middle of a page"])
def test_a_server_in_trouble_for_a_moment_costs_no_mail(fake, said, which):
    texts = [f"mail {number}" for number in range(5)]
    for each in texts:
        fake.say(each)
    fake.broken = dict.fromkeys([uid for uid, _raw, _at in fake.folders["INBOX"].mails][which], said)
    before, bad, cursor, fault = read_on(fake)
    assert (before, bad, bool(fault)) == (texts[: which.start or 0], [], True)
    assert read_on(fake, cursor, datetime.now(UTC) + timedelta(hours=23))[1] == [], "it gives nothing at all"
    left, bad, _, fault = read_on(fake, cursor, datetime.now(UTC) + timedelta(hours=25))
    assert (left, len(bad), fault) == ([], len(texts[which]), None)
    fake.broken = {}
    after, bad, cursor, fault = read_on(fake, cursor)
    assert (after, bad, fault) == (texts[which.start or 0 :], [], None)
    back = fake.connector().again("inbox", cursor, datetime.now(UTC) - timedelta(days=2), datetime.now(UTC))
    fake.broken = {fake.folders["INBOX"].mails[1][0]: said}
    _, bad, back, fault = read_on(fake, back)
    assert (bad, bool(fault)) == ([], True)
    fake.broken = {}
    assert "mail 1" in read_on(fake, back)[0]


def test_an_answer_goes_to_the_domain_that_wrote_whatever_an_older_rule_made_of_it(fake):
    """ß was "ss" in the first rules for such names, which is a domain of somebody else today."""
    fake.deliver("From: Carla <carla@straße.example>\r\nMessage-ID: <s@x>\r\n\r\nHi".encode())
    fake.connector().send(answer(only(fake)))
    assert fake.sent[0].rcpt_tos == ["carla@xn--strae-oqa.example"]


@pytest.mark.parametrize("date", ["", "soon", "Mon, 99 Foo 2020 99:99:99 +0000", "Fri, 1 Jan 2999 00:00:00 +0000"])
def test_a_clock_that_cannot_be_right_is_not_believed(fake, date):
    arrived = datetime.now(UTC) - timedelta(minutes=30)
    fake.deliver(f"From: c@mail.example\r\nDate: {date}\r\n\r\nx".encode(), arrived)
    assert abs(only(fake).created_at - arrived) < timedelta(seconds=1)


# Threads


def test_two_mails_with_one_message_id_are_two_posts(fake):
    fake.deliver(b"From: carla@mail.example\r\nMessage-ID: <same@x>\r\n\r\nThe true one")
    fake.deliver(b"From: otto@elsewhere.example\r\nMessage-ID: <same@x>\r\n\r\nA forged one")
    posts = fake.read(fake.connector())[0]
    assert len({post.external_id for post in posts}) == 2
    assert {post.external_id.partition("#")[0] for post in posts} == {"same@x"}


def test_a_customers_next_mail_stands_in_the_thread_of_the_first(fake):
    first = fake.say("first")
    fake.say("second", parent=first)
    posts = fake.read(fake.connector())[0]
    assert len({post.root_id for post in posts}) == 1


def test_an_answer_to_ours_names_ours_as_its_parent_whatever_stands_between(fake):
    fake.say("Help")
    made = fake.connector().send(answer(only(fake)))
    fake.deliver(
        f"From: carla@mail.example\r\nMessage-ID: <late@x>\r\nIn-Reply-To: <lost@x>\r\n"
        f"References: <m1@mail.example> <{made.external_id}> <lost@x>\r\n\r\nThanks".encode()
    )
    post = fake.read(fake.connector())[0][-1]
    assert post.parent_id == made.external_id
    assert post.root_id == "m1@mail.example"


def test_a_program_that_drops_all_ids_is_followed_by_the_mark_in_the_subject_but_never_by_the_subject(fake):
    fake.say("Help")
    made = fake.connector().send(answer(only(fake)))
    subject = email.header.make_header(email.header.decode_header(sent_mail(fake)["Subject"]))
    _, _, cursor, _ = fake.read(fake.connector())
    fake.say("Thanks", subject=f"AW: {subject}")
    fake.say("Me too", subject="Re: Help", person="theo")
    thanks, other = fake.read(fake.connector(), cursor)[0]
    assert thanks.parent_id == made.external_id
    assert thanks.root_id == "m1@mail.example"
    assert other.parent_id is None
    assert other.root_id == "m3@mail.example"


def test_an_answer_given_elsewhere_comes_in_as_ours_under_what_it_answers(fake):
    identity = fake.say("Help")
    fake.say("Somebody else's mail with the same words", person="theo")
    fake.deliver(
        f"From: {US}\r\nTo: carla@mail.example\r\nMessage-ID: <out@brand.example>\r\nIn-Reply-To: <m1@mail.example>\r\n"
        f"\r\nDone.\r\n\r\nOn Monday 2, Carla wrote:\r\n> Help\r\n".encode(),
        folder="Sent",
    )
    (post,) = read_sent(fake)
    assert post.ours
    assert post.parent_id == identity
    assert post.text == "Done."
    assert post.external_id == "out@brand.example"


def test_our_own_answer_comes_back_word_for_word_under_its_parent(fake):
    identity = fake.say("Help")
    text = "Hello,\n\n> you asked\n\n-- \nnot a signature, we wrote it"
    made = fake.connector().send(answer(only(fake), text))
    (post,) = read_sent(fake)
    assert (post.external_id, post.parent_id, post.ours) == (made.external_id, identity, True)
    assert post.text == text


def test_who_writes_in_our_name_from_outside_is_not_us(fake):
    fake.deliver(f"From: Brand <{US}>\r\nMessage-ID: <x@brand.example>\r\n\r\nPay here".encode())
    assert not only(fake).ours


def test_a_form_on_our_website_writes_for_the_customer_it_names(fake):
    fake.deliver(
        f"From: {US}\r\nReply-To: Carla <carla@mail.example>\r\nMessage-ID: <w@x>\r\n\r\nFrom the form".encode()
    )
    post = only(fake)
    assert post.author.external_id == "carla@mail.example"
    fake.connector().send(answer(post))
    assert fake.sent[0].rcpt_tos == ["carla@mail.example"]


@pytest.mark.parametrize("asked", ["otto@evil.example", "otto@mail.example", "carla@mail.example, m@e.example"])
def test_an_answer_to_anybody_but_the_sender_is_somebodys_to_say_yes_to(fake, asked):
    fake.deliver(f"From: carla@mail.example\r\nReply-To: {asked}\r\nMessage-ID: <r@x>\r\n\r\nMy data?".encode())
    post = only(fake)
    may = fake.connector().can(post, NOW)["reply"]
    assert (may.allowed, may.elsewhere) == (True, asked)
    assert "carla@mail.example wrote it" in may.reason
    assert "Nobody said yes" in refused_before_sending(fake.connector(), answer(post))
    assert "Nobody said yes" in refused_before_sending(fake.connector(), answer(post, elsewhere="theo@mail.example"))
    assert refused_before_sending(fake.connector(), answer(post, elsewhere=asked)) == ""


@pytest.mark.parametrize("asked", ["", "Reply-To: Carla <CARLA@mail.example>\r\n"])
def test_an_answer_to_the_sender_says_whom_it_goes_to_and_asks_nothing(fake, asked):
    fake.deliver(f"From: carla@mail.example\r\n{asked}Message-ID: <r@x>\r\n\r\nHi".encode())
    post = only(fake)
    may = fake.connector().can(post, NOW)["reply"]
    assert (may.reason, may.elsewhere) == ("Goes to carla@mail.example.", "")
    assert refused_before_sending(fake.connector(), answer(post)) == ""


def test_two_of_our_addresses_never_share_a_conversation(fake):
    other = type(fake.connector())({"address": "hr@brand.example"}, Secrets(), None)
    assert other.space != fake.connector().space


# Programs


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied", "Precedence: bulk", "X-Auto-Response-Suppress: All",
        "List-Id: <news.shop.example>",
        "Return-Path: <>", "Content-Type: multipart/report; boundary=b", "X-Autoreply: yes",
    ],
)  # fmt: skip
def test_what_a_program_sent_is_kept_waits_for_nobody_and_is_not_answered(fake, header):
    fake.deliver(f"From: carla@mail.example\r\nMessage-ID: <p@x>\r\n{header}\r\n\r\nI am away".encode())
    post = only(fake)
    assert post.history
    able = fake.connector().can(post, NOW)["reply"]
    assert not able.allowed
    assert able.reason


@pytest.mark.parametrize("header", ["Auto-Submitted: no", "List-Id: Care <care.brand.example>\r\nPrecedence: list"])
def test_a_person_behind_our_own_list_is_a_person(fake, header):
    fake.deliver(f"From: carla@mail.example\r\nMessage-ID: <p@x>\r\n{header}\r\n\r\nHelp".encode())
    assert not only(fake).history


def bounce(own_id, action="failed"):
    return (
        "From: Mail Delivery <mailer-daemon@mx.example>\r\nMessage-ID: <b@mx.example>\r\nReturn-Path: <>\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: text/plain\r\n\r\nSorry.\r\n--b\r\n"
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; carla@mail.example\r\nAction: {action}\r\nStatus: 5.1.1\r\n\r\n--b\r\n"
        f"Content-Type: message/rfc822\r\n\r\nMessage-ID: <{own_id}>\r\nSubject: Re: x\r\n\r\nWe are on it\r\n--b--\r\n"
    ).encode()


def test_an_answer_of_ours_that_was_returned_is_news_in_its_thread(fake):
    fake.say("Help")
    made = fake.connector().send(answer(only(fake)))
    fake.deliver(bounce(made.external_id))
    post = fake.read(fake.connector())[0][-1]
    assert not post.history
    assert post.parent_id == made.external_id
    assert post.text == "Our answer to carla@mail.example could not be delivered (5.1.1).\n\nSorry."
    assert not fake.connector().can(post, NOW)["reply"].allowed


def test_a_made_up_return_costs_nobody_seconds(fake):
    head = b"From: postmaster@mail.example\r\nReturn-Path: <>\r\n"
    fake.deliver(head + b"Message-ID: <a@x>\r\n\r\n" + b".care" * 380_000)
    fake.deliver(head + b"Message-ID: <b@x>\r\n\r\n" + b" .care@brand.example" * 90_000)
    with costs(5):
        assert [post.parent_id for post in fake.read(fake.connector())[0]] == [None, None]


@pytest.mark.parametrize(
    "raw",
    [
        bounce("spam@elsewhere.example"),
        bounce("key-1.care@brand.example", "delayed").replace(b"Return-Path: <>", b"X: y"),
    ],
)
def test_returned_mail_that_is_not_ours_and_mail_that_is_only_late_wait_for_nobody(fake, raw):
    fake.deliver(raw)
    assert only(fake).history


# Answering


def test_an_answer_carries_every_mark_of_its_thread_and_goes_where_it_was_asked_to(fake):
    raw = (
        b"From: carla@mail.example\r\nReply-To: Home <home@mail.example>\r\n"
        b"Subject: =?utf-8?q?Caf=C3=A9?=\r\nMessage-ID: <c@x>\r\n"
        b"References: <a@x>\r\n <b@x>\r\nIn-Reply-To: <b@x>\r\n\r\nHi"
    )
    fake.deliver(raw)
    post = only(fake)
    made = fake.connector().send(answer(post, "Grüße – 👋", lang="de"))
    mail, (envelope,) = sent_mail(fake), fake.sent
    assert envelope.rcpt_tos == ["home@mail.example"]
    assert envelope.mail_from == US
    assert mail["From"] == f"Brand <{US}>"
    assert mail["Message-ID"] == f"<{made.external_id}>" == "<key-1.care@brand.example>"
    assert mail["In-Reply-To"] == "<c@x>"
    assert mail["References"].split() == ["<a@x>", "<b@x>", "<c@x>"]
    assert str(email.header.make_header(email.header.decode_header(mail["Subject"]))).startswith("Re: Café [#")
    assert mail.get_payload(decode=True).decode().strip() == "Grüße – 👋"
    assert all(len(line) <= 998 for line in envelope.content.split(b"\r\n"))


def test_the_same_answer_is_the_same_bytes_and_leaves_once(fake):
    fake.say("Help")
    outgoing = answer(only(fake))
    assert fake.connector().send(outgoing) == fake.connector().send(outgoing) == Sent("key-1.care@brand.example")
    assert len(fake.sent) == 1
    later = replace(outgoing, sending_at=NOW + timedelta(minutes=5), first_at=NOW)
    assert letter(later, US, "Brand") == letter(outgoing, US, "Brand")


def test_a_stranger_writes_no_header_of_ours(fake):
    fake.deliver(
        b"From: carla@mail.example\r\nMessage-ID: <a@x>\r\nSubject: =?utf-8?q?x=0D=0ABcc:_otto@elsewhere.example?=\r\n"
        b"References: <a@x=0D=0ABcc:otto> <\xc3\xa9@x>\r\n\r\nHi"
    )
    fake.connector().send(answer(only(fake)))
    assert "Bcc" not in sent_mail(fake)
    assert fake.sent[0].rcpt_tos == ["carla@mail.example"]


def test_a_long_thread_keeps_its_beginning_and_its_newest_ids(fake):
    chain = " ".join(f"<{number}@x>" for number in range(60))
    fake.deliver(f"From: carla@mail.example\r\nMessage-ID: <last@x>\r\nReferences: {chain}\r\n\r\nHi".encode())
    fake.connector().send(answer(only(fake)))
    ids = sent_mail(fake)["References"].split()
    assert (len(ids), ids[0], ids[-1]) == (20, "<0@x>", "<last@x>")


def test_where_the_provider_files_nothing_we_do_and_what_is_not_there_is_for_a_person(fake):
    fake.files_itself = False
    fake.say("Help")
    outgoing = answer(only(fake))

    def connector():
        one = fake.connector()
        one.settings = {**one.settings, "filed_by": "us"}
        return one

    assert isinstance(connector().find(outgoing), CannotKnow)
    fake.order(MADE, writing=True)
    with pytest.raises(Exception, match="InDoubt"):
        connector().send(outgoing)
    assert isinstance(connector().find(outgoing), CannotKnow)
    connector().send(answer(outgoing.parent, key="key-2"))
    assert fake.appended[0].strip() == fake.sent[-1].content.strip()
    assert connector().find(answer(outgoing.parent, key="key-2")) == Found("key-2.care@brand.example")


def test_a_folder_for_sent_mail_that_was_renamed_keeps_no_answer_back(fake):
    fake.say("Help")
    outgoing, connector = answer(only(fake)), fake.connector()
    connector.settings = {**connector.settings, "sent_folder": "Gone"}
    assert connector.send(outgoing).external_id
    assert len(fake.sent) == 1
    assert isinstance(connector.find(outgoing), CannotKnow)


def test_an_answer_that_could_not_be_filed_is_sent_all_the_same(fake):
    fake.files_itself, fake.refuses_filing = False, True
    fake.say("Help")
    connector = fake.connector()
    connector.settings = {**connector.settings, "filed_by": "us"}
    assert isinstance(connector.send(answer(only(fake))), Sent)
    assert "OVERQUOTA" in fake.kept[-1].fault


def test_a_recipient_that_nobody_knows_is_gone_and_nothing_was_handed_in(fake):
    fake.refused["carla@mail.example"] = "550 5.1.1 who"
    fake.say("Help")
    with pytest.raises(Gone):
        fake.connector().send(answer(only(fake)))
    assert fake.handed_in == 0
    assert isinstance(fake.connector().find(answer(only(fake))), Absent)


@pytest.mark.parametrize(
    ("code", "said", "fault"),
    [
        (421, "", Unavailable), (450, "4.7.1 grey", Unavailable), (451, "", Unavailable), (452, "4.2.2", QuotaSpent),
        (530, "5.7.0", AuthRevoked), (535, "5.7.8", AuthRevoked), (550, "5.1.1", Gone), (550, "5.7.1", PolicyRefused),
        (551, "", Gone), (552, "", Invalid), (553, "", NotPermitted), (554, "", PolicyRefused), (554, "5.3.4", Invalid),
        (500, "", Invalid), (454, "4.7.0", Unavailable),
    ],
)  # fmt: skip
def test_a_refusal_is_classed_by_its_codes(code, said, fault):
    assert type(refused(code, f"{said} some words")) is fault


def test_a_wrong_password_asks_for_a_person_and_shows_nowhere(fake):
    wrong = "wrong-canary-88"
    connector = fake.connector(Secrets({"password": wrong}))
    with pytest.raises(AuthRevoked) as raised:
        connector.check()
    assert wrong not in repr(fake.kept) + str(raised.value)


def test_a_token_of_oauth_is_renewed_when_it_is_no_longer_taken(fake):
    fake.token = b"fresh-token"
    old = Secrets({"access_token": "old-token", "refresh_token": "r"})
    with pytest.raises(AuthExpired):
        fake.connector(old).check()
    fake.say("x")
    assert fake.read(fake.connector(old.replace(access_token="fresh-token")))[0]
    assert fake.authenticated[-1] == f"user={US}\1auth=Bearer fresh-token\1\1".encode()


def test_a_refresh_token_alone_is_enough_to_connect_and_one_that_is_refused_is_for_a_person(fake):
    answers = [
        Reply(200, {"access_token": "fresh-token", "refresh_token": "r2", "expires_in": 3600}),
        Reply(400, {"error": "invalid_grant"}),
    ]
    with FakeServer(lambda asked: answers.pop(0)) as tokens:
        connector = fake.connector(Secrets({"refresh_token": "r1", "client_secret": "s"}))
        connector.settings = {**connector.settings, "token_url": tokens.url, "client_id": "c"}
        with pytest.raises(AuthExpired):
            fake.read(connector)
        renewed = connector.renew(connector.secrets)
        until = given_until(renewed, NOW)
        assert until - NOW == timedelta(hours=1)
        assert until > dated(type(connector), until, NOW)["renew_at"]  # so that no mail waits for a refusal
        fresh = {"refresh_token": "r2", "client_secret": "s", "access_token": "fresh-token", "expires_in": "3600"}
        assert dict(renewed) == fresh
        assert tokens.asked[0].body == b"grant_type=refresh_token&refresh_token=r1&client_id=c&client_secret=s"
        with pytest.raises(AuthExpired):  # whoever asks renews it where the new tokens are kept
            connector.check()
        with pytest.raises(AuthRevoked):
            connector.renew(connector.secrets)


def test_an_app_that_has_no_secret_sends_none(fake):
    with FakeServer(lambda asked: Reply(200, {"access_token": "fresh-token"})) as tokens:
        connector = fake.connector(Secrets({"refresh_token": "r1"}))
        connector.settings = {**connector.settings, "token_url": tokens.url, "client_id": "c"}
        connector.renew(connector.secrets)
        assert parse_qs(tokens.asked[0].body.decode(), keep_blank_values=True).keys() == {
            "grant_type", "refresh_token", "client_id",
        }  # fmt: skip


@pytest.mark.parametrize(
    "broken", [Reply(manner="reset"), Reply(500, ""), Reply(200, {"access_token": "x"}, manner="cut")]
)
def test_a_token_address_in_trouble_leaves_nothing_in_doubt(fake, broken):
    with FakeServer(lambda asked: broken) as tokens:
        connector = fake.connector(Secrets({"refresh_token": "r1", "client_secret": "s"}))
        connector.settings = {**connector.settings, "token_url": tokens.url}
        with pytest.raises(Unavailable):
            connector.renew(connector.secrets)


def test_a_password_with_a_line_break_writes_no_command(fake):
    with pytest.raises(Invalid):
        fake.connector(Secrets({"password": 'x"\r\nA1 DELETE INBOX'})).check()
    assert "DELETE" not in fake.commands


def test_a_check_signs_in_on_both_sides_and_finds_the_folder_for_sent_mail(fake):
    connector = fake.connector()
    connector.settings, connector.facts = {**connector.settings, "facts": {}}, {}
    check = connector.check()
    assert check.facts == {"account_id": US, "sent": "Sent", "idle": True}
    assert not check.warnings
    assert [exchange.method for exchange in fake.kept][-1] == "SMTP sign in"
    del fake.folders["Sent"]
    assert connector.check().warnings


def test_a_password_with_an_umlaut_reads_and_sends(fake):
    fake.password = "Grüße-an-alle"
    fake.say("hello")
    connector = fake.connector(secrets=Secrets({"password": fake.password}))
    assert connector.check().account_id == US
    post = fake.read(connector)[0][0]
    connector.send(answer(post))
    assert len(fake.sent) == 1
    fake.password = "another"
    with pytest.raises(AuthRevoked):
        connector.send(answer(post, key="key-2"))


def test_several_folders_are_sources_of_their_own(fake):
    connector = fake.connector()
    connector.settings = {**connector.settings, "folders": ["INBOX", "Shop/Returns"]}
    assert [source.name for source in connector.listening()] == ["inbox", "inbox:Shop/Returns", "sent"]
    with pytest.raises(Gone):
        list(connector.poll("inbox:Shop/Returns", None, Budget(), NOW))
    assert CANARY not in repr(fake.kept)


def with_files(*files, identity="<bill-1@customers.example>"):
    mail = email.message.EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Carla <carla@customers.example>", US, "The bill"
    mail["Message-ID"] = identity
    mail.set_content("See what came with it")
    for name, kind, content in files:
        mail.add_attachment(content, maintype=kind.split("/")[0], subtype=kind.split("/")[1], filename=name)
    return mail.as_bytes(policy=email.policy.SMTP)


def test_what_is_attached_is_given_out_by_its_number(fake):
    large = bytes(range(256)) * 20_000  # more than a page of the mailbox holds
    fake.deliver(with_files(("bill.pdf", "application/pdf", large), ("kettle.png", "image/png", b"\x89PNG")))
    post = only(fake)
    assert [(medium.kind, medium.ref) for medium in post.media[:1]] == [("file", "0")]
    assert fake.connector().enclosed(post, "0", 10_000_000) == large
    assert fake.connector().enclosed(post, "1", 10_000_000) == b"\x89PNG"
    with pytest.raises(Invalid):
        fake.connector().enclosed(post, "0", 1_000)


def test_a_file_is_given_out_whatever_signs_stand_in_the_id_of_its_mail(fake):
    fake.deliver(with_files(("bill.pdf", "application/pdf", b"%PDF"), identity="<bill#1#a@customers.example>"))
    assert fake.connector().enclosed(only(fake), "0", 1_000) == b"%PDF"


def test_a_mail_that_left_its_folder_gives_out_nothing(fake):
    fake.deliver(with_files(("bill.pdf", "application/pdf", b"%PDF")))
    post = only(fake)
    fake.folders["INBOX"].mails.clear()
    with pytest.raises(Gone):
        fake.connector().enclosed(post, "0", 1_000)

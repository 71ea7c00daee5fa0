"""Reddit against its fake: what only this network has, and what its library must not do."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from connectors.base import (
    Absent,
    AuthExpired,
    AuthRevoked,
    Budget,
    Connector,
    Deleted,
    Found,
    Gone,
    InDoubt,
    Invalid,
    NotPermitted,
    Outgoing,
    PolicyRefused,
    PostKind,
    RateLimited,
    Secrets,
    Unavailable,
    Visibility,
    Withheld,
)  # fmt: skip
from connectors.http import Seam
from connectors.networks.reddit import Reddit, library
from connectors.networks.reddit.api import post_of
from tests.fakes.network import CANARY, MADE
from tests.fakes.reddit import ME, POST, Fake, no
from tests.fakes.server import FakeServer, Reply

NOW = datetime.now(UTC)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def answer(parent, text="We look into it.", **more):
    return Outgoing(key="key-1", text=text, parent=parent, sending_at=datetime.now(UTC), **more)


def only(fake):
    return fake.read(fake.connector())[0][-1]


def poll(fake, source):
    return [post for page in fake.connector().poll(source, None, Budget(), NOW) for post in page.posts]


def test_the_inbox_tells_mentions_answers_and_messages_apart(fake):
    fake.say("Hello u/AcmeCare")
    fake.say("An answer", type="comment_reply")
    first = fake.write("May I ask?")
    fake.write("Still there?", parent=first)
    mention, reply, message, second = fake.read(fake.connector())[0]
    assert [mention.kind, reply.kind, message.kind] == [PostKind.MENTION, PostKind.REPLY, PostKind.DIRECT]
    assert mention.root_id == POST
    assert message.visibility is Visibility.DIRECT
    assert message.subject == "Hello"
    assert second.root_id == message.root_id == first
    assert mention.url == f"https://www.reddit.com/r/acme/comments/tea/our_new_tea/{mention.external_id[3:]}/"


def test_an_entry_of_the_inbox_finds_its_thread_by_its_context(fake):
    fake.say("Hi", link_id=None, permalink=None, context="/r/acme/comments/1j7g9uj/words/myngt77/?context=3")
    post = only(fake)
    assert post.root_id == "t3_1j7g9uj"
    assert post.url.endswith("/1j7g9uj/words/myngt77/?context=3")


def test_a_subreddit_is_read_whole_and_our_own_posts_are_no_mentions(fake):
    fake.say("Good tea")
    names = [source.name for source in fake.connector().listening()]
    assert names == ["inbox", "comments:acme", "posts:acme"]
    assert [post.text for post in poll(fake, "comments:acme")] == ["Good tea"]
    assert poll(fake, "posts:acme") == []
    asked = fake.server.asked[-1]
    assert asked.path == "/r/acme/new"
    assert asked.one("raw_json") == "1"


def test_reading_marks_nothing_as_read(fake):
    fake.read(fake.connector())
    assert fake.server.asked[-1].one("mark") == "false"


def test_what_its_author_deleted_and_what_moderators_removed_are_two_things(fake):
    gone, removed = fake.say("gone"), fake.say("removed")
    fake.delete(gone)
    fake.things[removed]["data"] |= {"body": "[removed]"}
    message = fake.write("private")
    standing = fake.connector().refresh([gone, removed, message], NOW)
    assert standing[0] == Deleted(gone)
    assert isinstance(standing[1], Withheld)
    assert len(standing) == 2


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("THREAD_LOCKED", PolicyRefused), ("TOO_OLD", PolicyRefused), ("DELETED_COMMENT", Gone), ("TOO_LONG", Invalid),
        ("RATELIMIT", RateLimited), ("SOMETHING_NEW", Invalid),
    ],
)  # fmt: skip
def test_a_refusal_within_a_success_is_classed_by_its_code(fake, monkeypatch, code, fault):
    fake.say("Help")
    post = only(fake)
    monkeypatch.setattr(fake, "commented", lambda parent, text: no(code))
    with pytest.raises(fault) as raised:
        fake.connector().send(answer(post))
    assert "traduit" not in str(raised.value)


def test_a_wait_is_as_long_as_reddit_says_in_seconds(fake, monkeypatch):
    fake.say("Help")
    post = only(fake)
    monkeypatch.setattr(fake, "commented", lambda parent, text: no("RATELIMIT", ratelimit=539.4))
    with pytest.raises(RateLimited) as raised:
        fake.connector().send(answer(post))
    assert 500 < (raised.value.until - datetime.now(UTC)).total_seconds() < 540


@pytest.mark.parametrize("fault", ["500", "502 page", "reset", MADE])
def test_the_library_neither_repeats_a_write_nor_waits(fake, fault):
    fake.say("Help")
    post = only(fake)
    fake.order(fault, writing=True)
    before, started = fake.writings(), time.process_time()
    with pytest.raises(InDoubt):
        fake.connector().send(answer(post))
    assert fake.writings() == before + 1
    found = fake.connector().find(answer(post))
    assert isinstance(found, Found if fault == MADE else Absent)
    assert time.process_time() - started < 2


def test_the_library_waits_for_no_window(fake, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail(f"it slept {seconds} s"))
    fake.page = 5
    for number in range(40):
        fake.say(f"post {number}")
    assert len(fake.read(fake.connector())[0]) == 40


def test_whoever_lost_the_channel_stops_before_the_next_request(fake):
    class Overtaken(Exception):
        pass

    def guard():
        raise Overtaken

    with pytest.raises(Overtaken):
        fake.read(fake.connector(guard=guard))
    assert not fake.server.asked


def test_a_message_is_answered_and_found_again(fake):
    fake.write("May I ask?")
    post = only(fake)
    connector = fake.connector()
    sent = connector.send(answer(post))
    assert sent.external_id.startswith("t4_")
    assert connector.find(answer(post)).external_id == sent.external_id
    assert connector.can(post, NOW)["reply"].allowed


def test_what_was_answered_may_be_gone_or_locked(fake):
    post = as_it_is(fake, fake.say("Help", locked=True))
    connector = fake.connector()
    connector.facts = {"name": ME}  # a moderator may answer there
    assert not connector.can(post, NOW)["reply"].allowed
    fake.things[post.external_id]["data"] |= {"body": "[removed]"}
    with pytest.raises(Gone):
        fake.connector().send(answer(post))
    assert fake.made() == []


def test_an_ended_session_is_renewed_for_the_account(fake):
    stale = Secrets({**fake.secrets, "access_token": "stale-token"})
    with pytest.raises(AuthExpired):
        fake.read(fake.connector(stale))
    fresh = fake.connector(stale).renew(stale)
    assert fresh["access_token"] == CANARY
    assert fresh["expires_in"] == "86400"
    assert fake.server.asked[-1].headers["authorization"].startswith("Basic ")


def test_without_an_account_the_application_may_only_read(fake):
    given = {"client_secret": f"s-{CANARY}"}
    connector = fake.connector(given)
    assert [source.name for source in connector.listening()] == ["comments:acme", "posts:acme"]
    fresh = connector.renew(Secrets(given))
    assert "refresh_token" not in fresh
    fake.say("Good tea")
    reader = fake.connector(fresh)
    (page,) = reader.poll("comments:acme", None, Budget(), NOW)
    assert "only listens" in reader.can(page.posts[0], NOW)["reply"].reason


def test_the_account_signs_in_at_reddit(fake):
    connector = fake.connector({"client_secret": f"s-{CANARY}"})
    grant = connector.begin("https://care.example.com/back/", "state-1")
    assert grant.url.startswith(f"{fake.server.url}/api/v1/authorize?")
    assert "duration=permanent" in grant.url
    assert CANARY not in grant.url
    secrets = connector.finish("good", "https://care.example.com/back/", grant.secrets)
    assert secrets["refresh_token"] == f"r-{CANARY}"
    with pytest.raises(AuthRevoked):
        connector.finish("stale", "https://care.example.com/back/", grant.secrets)


@pytest.mark.parametrize(("status", "fault"), [(401, AuthRevoked), (400, AuthRevoked), (500, Unavailable)])
def test_a_refused_application_needs_a_person_and_a_broken_server_does_not(fake, monkeypatch, status, fault):
    monkeypatch.setattr(fake, "signed", lambda given, asked: Reply(status, {"error": status}))
    with pytest.raises(fault):
        fake.connector().renew(Secrets(fake.secrets))


def test_who_we_are_is_told_by_name(fake):
    check = fake.connector().check()
    assert (check.account_name, check.facts) == (f"u/{ME}", {"name": ME, "moderates": ["acme"]})


def test_the_rate_headers_with_fractions_are_read(fake):
    (page,) = fake.connector().poll("inbox", None, Budget(), NOW)
    (rate,) = page.rate
    assert rate.remaining == 599
    assert 290 < (rate.reset_at - datetime.now(UTC)).total_seconds() <= 300


def test_two_accounts_that_were_deleted_are_not_one_person():
    def comment(one):
        told = {"name": f"t1_{one}", "created_utc": 1_760_000_000, "author": None, "body": "[deleted]",
                "parent_id": "t3_a", "link_id": "t3_a"}  # fmt: skip
        return post_of({"kind": "t1", "data": told}, "comments:tea", "")

    authors = [comment(one).author for one in ("a", "b", "a")]
    assert authors[0] == authors[2]
    assert authors[0].external_id != authors[1].external_id
    assert {(author.name, author.url) for author in authors} == {("[deleted]", "")}


def test_people_of_reddit_are_never_matched_with_others():
    assert Reddit.mergeable is False


# Without the extra


@pytest.fixture
def without(monkeypatch):
    monkeypatch.setattr(library, "prawcore", None)
    monkeypatch.setattr(Reddit, "missing", library.MISSING)


def test_without_the_extra_a_channel_says_what_to_install(fake, without):
    with pytest.raises(NotPermitted, match="extra"):
        fake.read(fake.connector())
    assert not fake.server.asked


@pytest.mark.django_db(transaction=True)
def test_without_the_extra_it_is_shown_but_not_offered(cast, client, without):
    client.force_login(cast.ada)
    shown = client.get("/set-up/channels/connect/").content.decode()
    assert "the extra “reddit”" in shown
    assert "/set-up/channels/connect/reddit/" not in shown
    assert client.get("/set-up/channels/connect/reddit/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_with_the_extra_it_is_offered(cast, client):
    client.force_login(cast.ada)
    assert "/set-up/channels/connect/reddit/" in client.get("/set-up/channels/connect/").content.decode()


# Recordings of the library's own tests


RECORDINGS = Path(os.environ.get("RECORDINGS_DIR") or Path(__file__).parents[3] / "shared" / "recordings") / "reddit"


def recorded(name):
    """The answer of the last request of one recording."""
    told = json.loads((RECORDINGS / "cassettes" / f"{name}.json").read_text())["interactions"][-1]["response"]
    body = told["body"]["string"] if isinstance(told["body"], dict) else told["body"]
    return Reply(told["status"]["code"], body, {"Content-Type": "application/json"})


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"recordings for reddit not found at {RECORDINGS}")
@pytest.mark.parametrize(
    ("name", "source", "prefixes"),
    [
        ("TestInbox.test_unread", "inbox", {"t1", "t4"}),
        ("TestInbox.test_comment_replies", "inbox", {"t1"}),
        ("TestSubredditListings.test_comments", "comments:askreddit", {"t1"}),
        ("TestSubreddit.test_search", "search:praw", {"t3"}),
    ],
)
def test_what_reddit_really_answered_is_read_without_a_bad_item(name, source, prefixes):
    reply = recorded(name)
    with FakeServer(lambda asked: reply) as server:
        seam = Seam(allow=["127.0.0.1"], guard=lambda: None)
        secrets = Secrets({"access_token": "recorded", "refresh_token": "recorded"})
        connector = Connector.named("reddit")({"base_url": server.url}, secrets, seam)
        page = next(iter(connector.poll(source, None, Budget(), NOW)))
    assert page.bad == ()
    things = json.loads(reply.bytes())["data"]["children"]
    assert {post.external_id for post in page.posts} == {thing["data"]["name"] for thing in things}
    assert {post.external_id[:2] for post in page.posts} <= prefixes
    assert all(post.root_id and post.url and post.author.handle for post in page.posts)


# Modmail


@pytest.fixture
def moderated(fake):
    fake.scope, fake.source = "identity read submit modmail", "modmail:acme"
    told = fake.settings
    fake.settings = lambda: {**told(), "modmail": ["r/acme"]}
    return fake


def mails(fake, cursor=None, requests=50, now=None):
    return fake.read(fake.connector(), cursor, requests, now)


def test_what_people_write_to_the_moderators_is_a_private_conversation(moderated):
    first = moderated.ask_moderators("May I post my tea?")
    talk = first.split("/")[1]
    note = moderated.ask_moderators("spammer?", "mod1", talk, mod=True, isInternal=True)
    answered = moderated.ask_moderators("You may", "mod1", talk, mod=True)
    again = moderated.ask_moderators("Thank you", "carla", talk)
    moderated.ask_moderators("We begin this one", "mod1", mod=True)
    assert [source.name for source in moderated.connector().listening()][-1] == "modmail:acme"
    posts, bad, _, _ = mails(moderated)
    assert [post.external_id for post in posts] == [first, answered, again]
    assert note not in {post.external_id for post in posts}
    assert bad == []
    assert {(post.kind, post.visibility, post.root_id) for post in posts} == {
        (PostKind.DIRECT, Visibility.DIRECT, f"modmail/{talk}")
    }
    assert [(post.ours, post.parent_id) for post in posts] == [(False, None), (True, first), (False, None)]
    assert (posts[0].subject, posts[0].author.handle, posts[0].text) == ("Hello", "carla", "May I post my tea?")


def test_only_conversations_with_something_new_are_read_again_and_all_of_many_are(moderated):
    moderated.page = 100
    talks = [moderated.ask_moderators(f"number {number}").split("/")[1] for number in range(130)]
    posts, _, cursor, _ = mails(moderated, requests=20)
    while len(posts) < 130:
        more, _, cursor, _ = mails(moderated, cursor, requests=20)
        assert more
        posts += more
    assert len({post.external_id for post in posts}) == 130
    mails(moderated, cursor)
    before, moderated.live = moderated.requests(), True
    late = moderated.ask_moderators("one more", talk=talks[0])
    again, _, cursor, _ = mails(moderated, cursor)
    assert late in {post.external_id for post in again}
    assert moderated.requests() - before <= 4
    odd = moderated.ask_moderators("odd", author=None)
    assert [bad.external_id for bad in mails(moderated, cursor)[1]] == [odd]


@pytest.mark.parametrize("fault", ["reset", "500", "sign-in page", MADE])
def test_an_answer_to_modmail_that_was_lost_is_looked_for(moderated, fault):
    moderated.ask_moderators("May I?")
    outgoing = answer(mails(moderated)[0][0])
    moderated.order(fault, writing=True)
    with pytest.raises(InDoubt):
        moderated.connector().send(outgoing)
    found = moderated.connector().find(outgoing)
    assert isinstance(found, Found if fault == MADE else Absent)
    if fault != MADE:
        sent = moderated.connector().send(outgoing)
        found = moderated.connector().find(outgoing)
        assert sent.external_id == found.external_id
    ours = [post for post in mails(moderated)[0] if post.ours]
    assert [(post.external_id, post.text) for post in ours] == [(found.external_id, "We look into it.")]
    assert set(moderated.connector().can(ours[0], NOW)) == {"reply"}


def test_a_conversation_that_takes_no_answer_says_so_and_one_that_closed_since_refuses(moderated):
    talk = moderated.ask_moderators("May I?").split("/")[1]
    post = mails(moderated)[0][0]
    assert moderated.connector().can(post, NOW)["reply"].allowed
    moderated.talks[talk]["conversation"]["isRepliable"] = False
    with pytest.raises(PolicyRefused):
        moderated.connector().send(answer(post))
    assert not moderated.connector().can(mails(moderated)[0][0], NOW)["reply"].allowed


def test_modmail_needs_a_right_of_its_own_which_is_asked_for_and_missed_in_words(moderated):
    connector = moderated.connector()
    assert "modmail" in connector.begin("https://care.example/back/", "state").url
    moderated.scope = "identity read submit"
    connector.secrets = connector.renew(connector.secrets)
    assert "Modmail is not read" in connector.check().warnings[0]
    with pytest.raises(NotPermitted):
        mails(moderated)
    with Fake() as plain:
        assert "modmail" not in plain.connector().begin("https://care.example/back/", "state").url


# Moderating


def as_it_is(fake, name):
    return fake.connector().refresh([name], NOW)[0]


def offered(fake, post):
    return {verb for verb, can in fake.connector().can(post, NOW).items() if can.allowed}


@pytest.mark.parametrize(
    ("verb", "path", "given", "back"),
    [
        ("hide", "/api/remove", {"spam": "false"}, "unhide"),
        ("spam", "/api/remove", {"spam": "true"}, "unspam"),
        ("lock", "/api/lock", {}, "unlock"),
    ],
)
def test_a_moderator_removes_locks_and_takes_it_back(fake, verb, path, given, back):
    name = fake.say("Buy my watches")
    before = only(fake)
    assert offered(fake, before) == {"reply", "hide", "spam", "lock"}
    for _ in range(2):  # twice is success
        done = fake.connector().do(verb, before).post
    asked = fake.server.asked[-1]
    assert asked.path == path
    assert dict(parse_qsl(asked.body.decode())) == {"api_type": "json", "id": name, **given}
    for post in (done, as_it_is(fake, name)):
        assert post.text == "Buy my watches"
        assert back in offered(fake, post)
        assert verb not in offered(fake, post)
        assert ("reply" in offered(fake, post)) == (verb == "lock")  # who moderates may answer in what is locked
    again = fake.connector().do(back, done).post
    for post in (again, as_it_is(fake, name)):
        assert offered(fake, post) == {"reply", "hide", "spam", "lock"}


@pytest.mark.parametrize("filtered_by", [True, "AutoModerator"])
def test_what_a_filter_holds_back_waits_to_be_approved(fake, filtered_by):
    name = fake.say("a first post")
    fake.things[name]["data"] |= {"removed": True, "banned_by": filtered_by, "removed_by_category": "automod_filtered"}
    post = as_it_is(fake, name)
    assert post.visibility is Visibility.HELD
    assert offered(fake, post) == {"approve", "hide", "spam"}
    assert "waits" in fake.connector().can(post, NOW)["reply"].reason
    done = fake.connector().do("approve", post).post
    assert fake.server.asked[-1].path == "/api/approve"
    assert done.visibility is as_it_is(fake, name).visibility is Visibility.PUBLIC


def test_what_was_reported_is_approved_and_then_no_more_to_approve(fake):
    name = fake.say("rude")
    fake.things[name]["data"]["num_reports"] = 2
    post = as_it_is(fake, name)
    assert "approve" in offered(fake, post)
    done = fake.connector().do("approve", post).post
    assert "approve" not in offered(fake, done) | offered(fake, as_it_is(fake, name))


def test_what_was_removed_before_it_was_read_is_heard_and_nobodys_work(fake):
    names = [fake.say(text) for text in ("rude", "kind", "a first post")]
    fake.things[names[0]]["data"] |= {"removed": True, "banned_by": "hugo"}
    fake.things[names[2]]["data"] |= {"removed": True, "banned_by": "AutoModerator"}
    assert {post.text: post.history for post in poll(fake, "comments:acme")} == {
        "rude": True, "kind": False, "a first post": False}  # fmt: skip


def test_what_moderators_removed_is_withheld_from_everybody_else(fake):
    name = fake.say("rude")
    fake.things[name]["data"] |= {"body": "[removed]", "removed_by_category": "moderator", "num_reports": None}
    assert isinstance(as_it_is(fake, name), Withheld)


def test_who_may_not_moderate_there_is_told_why(fake):
    post = only(fake) if fake.say("Buy my watches") else None
    connector = fake.connector()
    connector.facts = {"name": ME, "moderates": ["other"]}
    refused = connector.can(post, NOW)
    assert {*refused} == {"reply", "hide"}
    assert (refused["hide"].allowed, "r/acme" in refused["hide"].reason) == (False, True)
    connector.secrets = connector.secrets.replace(scope="identity read submit")
    assert "Sign in again" in connector.can(post, NOW)["hide"].reason
    assert "Nothing can be moderated" in connector.check().warnings[0]
    connector.settings = {**connector.settings, "moderation": ""}
    assert {*connector.can(post, NOW)} == {"reply"}
    fake.moderates = None
    with pytest.raises(PolicyRefused):
        fake.connector().do("hide", post)


@pytest.mark.parametrize(("rights", "found"), [(["all"], ["acme"]), (["posts"], ["acme"]), (["wiki"], []), (None, [])])
def test_the_test_finds_where_the_account_may_moderate_and_asks_for_the_right_to(fake, rights, found):
    fake.moderates = rights
    connector = fake.connector()
    assert connector.check().facts["moderates"] == found
    url = connector.begin("https://care.example/back/", "state").url
    assert "modposts" in url
    connector.settings = {**connector.settings, "moderation": ""}
    asked = fake.requests()
    assert connector.check().facts["moderates"] == []
    assert fake.requests() == asked + 1
    assert "modposts" not in connector.begin("https://care.example/back/", "state").url


def test_private_messages_and_modmail_are_moderated_by_nobody(fake):
    assert offered(fake, only(fake) if fake.write("Hello") else None) == {"reply"}

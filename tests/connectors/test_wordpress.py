"""What is special about WordPress: held comments, times without a zone, its own words for errors, equal text refused,
and reading by time while comments are deleted."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import (
    AuthRevoked,
    Budget,
    Deleted,
    Duplicate,
    Found,
    Gone,
    InDoubt,
    Invalid,
    NotPermitted,
    Outgoing,
    PolicyRefused,
    PostState,
    RateLimited,
    Visibility,
    Withheld,
)
from tests.fakes.network import CANARY
from tests.fakes.wordpress import ME, Fake, told

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def heard(fake, identity):
    return next(post for post in fake.read(fake.connector())[0] if post.external_id == identity)


def outgoing(fake, text="We are on it", key="key-1", **more):
    return Outgoing(key=key, text=text, parent=heard(fake, fake.say("Help!")), sending_at=datetime.now(UTC), **more)


# Listening


def test_held_comments_are_heard_and_may_be_approved_but_not_answered(fake):
    held = heard(fake, fake.say("is this shown?", status="hold"))
    assert held.visibility is Visibility.HELD
    able = fake.connector().can(held, NOW)
    assert not able["reply"].allowed
    assert able["approve"].allowed
    assert able["spam"].allowed
    approved = fake.connector().do("approve", held).post
    assert approved.visibility is Visibility.PUBLIC
    assert approved.version == held.version, "nobody has edited it"
    assert fake.connector().can(approved, NOW)["reply"].allowed


def test_what_was_read_by_an_older_program_is_not_taken_for_edited(fake):
    post = heard(fake, fake.say("Where is my lid?"))
    assert post.version == hashlib.sha256(b"approved\nWhere is my lid?").hexdigest()[:32]


def test_what_happened_on_the_site_is_seen_when_asked(fake):
    approved, spam, gone = fake.say("a", status="hold"), fake.say("b"), fake.say("c")
    fake.read(fake.connector())
    fake.comments[int(approved)]["status"], fake.comments[int(spam)]["status"] = "approved", "spam"
    fake.delete(gone)
    answers = {one.external_id: one for one in fake.connector().refresh([approved, spam, gone], NOW)}
    assert answers[approved].visibility is Visibility.PUBLIC
    assert (answers[spam].grants["away"], type(answers[gone])) == ("spam", Deleted)
    fake.able = False
    fake.facts = lambda: dict(fake.connector().check().facts) if fake.able else {"user_id": str(ME), "moderates": False}
    assert [type(one) for one in fake.connector().refresh([spam], NOW)] == [Withheld]


def test_what_was_approved_on_the_site_can_be_answered_though_it_was_stored_as_held(fake):
    identity = fake.say("shown?", status="hold")
    stored = heard(fake, identity)
    fake.comments[int(identity)]["status"] = "approved"
    [now] = fake.connector().refresh([identity], NOW)
    able = fake.connector().can(replace(stored, visibility=now.visibility, grants=now.grants), NOW)
    assert able["reply"].allowed


def put_away(fake, source, cursor=None):
    pages = list(fake.connector().poll(source, cursor, Budget(), datetime.now(UTC)))
    return {post.external_id: post for page in pages for post in page.posts}, pages[-1].cursor


@pytest.mark.parametrize(
    ("status", "back", "words"), [("spam", "unspam", "took it for spam"), ("trash", "restore", "in the trash")]
)
def test_what_the_site_put_away_is_heard_without_becoming_work_and_can_be_brought_back(fake, status, back, words):
    identity = fake.say("My lid is broken, see http://acme.example", status=status)
    fake.say("another", status="hold")
    posts, cursor = put_away(fake, status)
    assert list(posts) == [identity]
    away = posts[identity]
    assert (away.kind, away.history, away.state) == ("result", True, PostState.LIVE)
    able = fake.connector().can(away, NOW)
    assert not able["reply"].allowed
    assert words in able["reply"].reason
    assert able[back].allowed
    assert "approve" not in able
    for _ in range(2):
        shown = fake.connector().do(back, away).post
        assert (shown.visibility, shown.grants["away"]) == (Visibility.HELD, "")
    assert fake.connector().can(shown, NOW)["approve"].allowed
    assert put_away(fake, status, cursor)[0] == {}
    assert heard(fake, identity).kind == "comment"


def test_what_was_shown_before_it_was_put_away_is_shown_again_and_stays_so(fake):
    post = heard(fake, fake.say("buy pills"))
    for away, back in (("spam", "unspam"), ("trash", "restore")):
        assert fake.connector().do(away, post).post.grants["away"] == away
        for _ in range(2):  # the site would hold back what is brought out of a spam in which it no longer is
            assert fake.connector().do(back, post).post.visibility is Visibility.PUBLIC


def test_of_what_was_put_away_before_us_only_two_days_are_read(fake):
    fake.start = datetime.now(UTC) - timedelta(days=5)
    old = fake.say("old", status="spam")
    fake.start = datetime.now(UTC) - timedelta(hours=20)
    new = fake.say("new", status="spam")
    posts, cursor = put_away(fake, "spam")
    assert list(posts) == [new]
    now = datetime.now(UTC)
    past = fake.connector().history("spam", cursor, now - timedelta(days=365), now)
    assert old not in put_away(fake, "spam", past.cursor)[0]
    assert fake.connector().again("spam", cursor, now - timedelta(hours=48), now)


def test_our_own_answer_in_the_trash_is_nothing_that_was_said_to_us(fake):
    wish = outgoing(fake)
    sent = fake.connector().send(wish)
    [own] = fake.connector().refresh([sent.external_id], NOW)
    fake.connector().do("delete", own)
    assert put_away(fake, "trash")[0] == {}
    [own] = fake.connector().refresh([sent.external_id], NOW)
    assert list(fake.connector().can(own, NOW)) == ["reply", "restore"]


def test_spam_and_trash_are_read_by_who_moderates_and_wants_it(fake):
    names = {tuple(each.name for each in fake.connector(secrets).listening()) for secrets in (None, {})}
    assert names == {("comments", "spam", "trash"), ("comments",)}
    fake.settings = lambda: {"site": fake.server.url, "user": "care", "away": "no"}
    assert [each.name for each in fake.connector().listening()] == ["comments"]


def test_without_a_user_the_public_comments_are_read_and_answered_on_the_site(fake):
    public, _ = fake.say("public"), fake.say("held", status="hold")
    connector = fake.connector({})
    posts, bad, _, _ = fake.read(connector)
    assert ([post.external_id for post in posts], bad) == ([public], [])
    reply = connector.can(posts[0], NOW)["reply"]
    assert not reply.allowed
    assert reply.hand_off == posts[0].url
    assert connector.check().account_id == ""
    assert all("authorization" not in asked.headers for asked in fake.server.asked)


def test_a_user_who_may_not_moderate_reads_what_is_public_and_is_told_so(fake):
    fake.able = False
    check = fake.connector().check()
    assert check.warnings
    assert check.scopes == ()
    fake.facts = lambda: dict(check.facts)
    public, _ = fake.say("public"), fake.say("held", status="hold")
    posts = fake.read(fake.connector())[0]
    assert [post.external_id for post in posts] == [public]
    assert not fake.connector().can(posts[0], NOW)["reply"].allowed


def test_a_comment_deleted_between_two_pages_pushes_no_other_over_the_edge(fake):
    identities = [fake.say(f"comment {number}") for number in range(230)]
    seen, cursor = set(), None
    posts, _, cursor, _ = fake.read(fake.connector(), cursor, requests=1)
    seen |= {post.external_id for post in posts}
    for identity in identities[:20]:
        fake.delete(identity)
    for _ in range(3):
        posts, _, cursor, _ = fake.read(fake.connector(), cursor, requests=1)
        seen |= {post.external_id for post in posts}
    assert set(identities[20:]) <= seen


def test_more_comments_in_one_second_than_fit_a_page_are_all_read(fake):
    fake.next = lambda: (0, fake.start)
    identities = {fake.say(f"comment {number}") for number in range(250)}
    posts, _, _, _ = fake.read(fake.connector())
    assert {post.external_id for post in posts} == identities


def test_old_comments_are_history_but_old_held_ones_still_wait(fake):
    fake.start = datetime.now(UTC) - timedelta(days=5)
    old, held = fake.say("old"), fake.say("held", status="hold")
    posts, _, cursor, _ = fake.read(fake.connector())
    assert {post.external_id: post.history for post in posts} == {old: True, held: False}
    fake.start = datetime.now(UTC)
    new = fake.say("new")
    posts, _, _, _ = fake.read(fake.connector(), cursor)
    assert {post.external_id: post.history for post in posts if post.external_id == new} == {new: False}


def test_guests_are_told_apart_by_their_address_and_nothing_else(fake):
    first, second = fake.say("one", person="carla"), fake.say("two", person="carla")
    other = fake.say("three", person="carla", author_email="somebody@acme.example")
    member = fake.say("four", author=3)
    posts = {post.external_id: post for post in fake.read(fake.connector())[0]}
    author = {identity: post.author.external_id for identity, post in posts.items()}
    assert author[first] == author[second] != author[other]
    assert author[member].endswith("/user/3")
    assert all(one.startswith(fake.server.url.removeprefix("http://")) for one in author.values())
    assert "acme.example" not in "".join(author.values())
    assert "203.0.113.9" not in repr([post.raw for post in posts.values()])


def test_guests_without_an_address_are_told_apart_by_their_picture_else_not_joined(fake):
    picture = {"24": f"https://pictures.example/avatar/{'a1' * 16}?s=24"}
    first = fake.say("one", author_avatar_urls=picture)
    second = fake.say("two", person="theo", author_avatar_urls=picture)
    bare, bare_too = fake.say("three"), fake.say("four")
    posts = {post.external_id: post.author.external_id for post in fake.read(fake.connector({}))[0]}
    assert posts[first] == posts[second]
    assert posts[bare] != posts[bare_too]


def test_markup_comes_as_text(fake):
    identity = fake.say("x")
    fake.edit(identity, "First <b>line</b></p><p>second &amp; <a href='https://evil.example'>here</a>")
    assert heard(fake, identity).text == "First line\n\nsecond & here"


# Errors


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(401, "incorrect_password", AuthRevoked), (401, "rest_forbidden_context", AuthRevoked),
     (404, "rest_no_route", NotPermitted), (404, "rest_comment_invalid_id", Gone), (400, "comment_flood", RateLimited),
     (400, "rest_invalid_param", Invalid), (403, "rest_comment_closed", PolicyRefused),
     (403, "a_plugin", NotPermitted)],
)  # fmt: skip
def test_errors_are_told_by_their_word_before_their_status(fake, status, code, kind):
    fake.answer = lambda asked: told(status, code)
    with pytest.raises(kind) as raised:
        fake.read(fake.connector())
    assert type(raised.value) is kind


def test_a_page_past_the_end_is_the_end(fake):
    fake.say("x")
    _, _, cursor, _ = fake.read(fake.connector())
    late = cursor | {"after": (datetime.now(UTC) + timedelta(days=1)).isoformat(), "page": 3}
    pages = list(fake.connector().poll("comments", late, Budget(), datetime.now(UTC)))
    assert [(page.posts, page.end) for page in pages] == [((), True)]


# Answering


def test_a_reply_is_plain_text_that_survives_the_sites_markup(fake):
    text = "Prices < 5 & > 3:\nhttps://acme.example/?a=1&b=2"
    wish = outgoing(fake, text)
    sent = fake.connector().send(wish)
    [made] = fake.made()
    assert made["content"]["raw"] == "Prices &lt; 5 &amp; &gt; 3:\nhttps://acme.example/?a=1&amp;b=2"
    assert (made["parent"], made["post"]) == (int(wish.parent.external_id), 11)
    assert fake.connector().find(wish) == Found(sent.external_id, sent.url)
    [back] = fake.connector().refresh([sent.external_id], NOW)
    assert back.ours
    assert "Prices < 5 & > 3" in back.text


def test_the_same_text_again_is_a_reason_to_look_and_finds_the_first(fake):
    wish = outgoing(fake)
    sent = fake.connector().send(wish)
    with pytest.raises(Duplicate):
        fake.connector().send(wish)
    assert fake.connector().find(wish).external_id == sent.external_id
    assert len(fake.made()) == 1


def test_a_lost_answer_is_found_by_its_text_under_its_parent(fake):
    wish = outgoing(fake)
    fake.order("made, unanswered", writing=True)
    with pytest.raises(InDoubt):
        fake.connector().send(wish)
    assert isinstance(fake.connector().find(wish), Found)
    assert not isinstance(fake.connector().find(outgoing(fake, "We are on it", key="key-2")), Found)


@pytest.mark.parametrize(("status", "kind"), [("trash", Gone), ("spam", Gone), ("hold", PolicyRefused)])
def test_what_nobody_can_see_any_more_is_not_answered(fake, status, kind):
    wish = outgoing(fake)
    fake.comments[int(wish.parent.external_id)]["status"] = status
    with pytest.raises(kind):
        fake.connector().send(wish)
    assert fake.made() == []


def test_a_closed_discussion_refuses_with_the_way_to_the_site(fake):
    wish = outgoing(fake)
    fake.open = False
    with pytest.raises(PolicyRefused) as raised:
        fake.connector().send(wish)
    assert raised.value.url == wish.parent.url


@pytest.mark.parametrize(
    ("verb", "status"), [("hide", "hold"), ("spam", "spam"), ("trash", "trash"), ("delete", "trash")]
)
def test_doing_it_twice_is_success(fake, verb, status):
    post = heard(fake, fake.say("buy pills"))
    fake.connector().do(verb, post)
    fake.connector().do(verb, post)
    assert fake.comments[int(post.external_id)]["status"] == status


def test_a_hidden_comment_can_be_shown_again(fake):
    post = heard(fake, fake.say("hm"))
    hidden = fake.connector().do("hide", post).post
    assert hidden.visibility is Visibility.HELD
    assert fake.connector().do("unhide", hidden).post.visibility is Visibility.PUBLIC


def test_our_own_comment_can_be_edited(fake):
    sent = fake.connector().send(outgoing(fake))
    [own] = fake.connector().refresh([sent.external_id], NOW)
    edited = fake.connector().do("edit", own, "Done & dusted").post
    assert edited.text == "Done & dusted"
    assert edited.version != own.version


def test_bytes_are_counted_as_they_are_sent(fake):
    connector = fake.connector()
    assert connector.measure("&ü").used == len("&amp;ü".encode())
    assert not connector.measure("x" * 65_525).problems
    assert connector.measure("x" * 65_526).problems


# Connecting


@pytest.mark.parametrize("pretty", [True, False])
def test_the_interface_is_found_with_and_without_pretty_links(fake, pretty):
    fake.pretty, fake.facts = pretty, dict
    check = fake.connector().check()
    assert (check.account_name, check.facts["user_id"]) == ("Care (Acme & Co)", str(ME))
    assert ("wp-json" in check.facts["root"]) is pretty
    fake.facts = lambda: dict(check.facts)
    identity = fake.say("x")
    assert [post.external_id for post in fake.read(fake.connector())[0]] == [identity]


def test_an_interface_on_another_site_gets_no_password(fake):
    with Fake() as other:
        fake.answer, theirs = told_of(other, fake.answer), other.server.asked
        check = fake.connector().check()
        assert check.facts["root"].startswith(fake.server.url)
        assert theirs == []


def told_of(other, answer):
    def misled(asked):
        reply = answer(asked)
        if "Link" in reply.headers:
            reply.headers["Link"] = f'<{other.server.url}/wp-json/>; rel="https://api.w.org/"'
        return reply

    return misled


def test_a_wrong_password_asks_for_a_person(fake):
    with pytest.raises(AuthRevoked):
        fake.connector({"app_password": "wrong"}).check()
    assert CANARY not in repr(fake.kept)

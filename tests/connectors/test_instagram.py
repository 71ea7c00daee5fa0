"""What is special about Instagram: comments below media, one depth of answers, mentions by delivery, hashtags."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import Absent, Budget, CannotKnow, Deleted, Found, Outgoing, PostKind, PostState, Secrets
from connectors.faults import NotPermitted, PolicyRefused
from connectors.networks.instagram.connector import Instagram
from tests.fakes.graph import SECRET, stamp
from tests.fakes.instagram import MEDIUM, Fake
from tests.fakes.network import CANARY
from tests.fakes.server import Reply

NOW = datetime.now(UTC)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def read(fake, source="comments", cursor=None, requests=50, now=None):
    fake.source = source
    return fake.read(fake.connector(), cursor, requests, now)


def one(fake, identity, source="comments"):
    return next(post for post in read(fake, source)[0] if post.external_id == identity)


def answering(post, text="We are on it", **more):
    return Outgoing(key="k", text=text, parent=post, sending_at=datetime.now(UTC), **more)


def shown(fake, identity, caption, username="theo", **more):
    item = {"id": identity, "caption": caption, "media_type": "IMAGE", "media_url": "https://cdn.example/1",
            "timestamp": stamp(fake.start), "permalink": f"https://www.instagram.com/p/{identity}/"}  # fmt: skip
    return item | ({"username": username} if username else {}) | more


def delivery(field, **value):
    entry = {"id": "178", "time": int(NOW.timestamp()), "changes": [{"field": field, "value": value}]}
    return json.dumps({"object": "instagram", "entry": [entry]}).encode()


def test_what_is_said_below_a_picture_older_than_a_month_is_read_while_a_conversation_is_open_there(fake):
    fake.media[MEDIUM]["timestamp"] = stamp(fake.start - timedelta(days=40))
    first = fake.say("When does it come?")  # told of by delivery
    connector = fake.connector()
    posts, _, cursor, _ = fake.read(connector)
    assert posts == []
    connector.open_roots = lambda: [first, "t_carla"]
    connector.hosts = lambda roots: {first: MEDIUM}
    more = fake.say("hello?", parent=first)
    posts, bad, cursor, _ = fake.read(connector, cursor)
    assert ({post.external_id for post in posts}, bad) == ({first, more}, [])
    again = fake.say("anybody?", parent=first)
    posts, _, cursor, _ = fake.read(connector, cursor, now=NOW + timedelta(minutes=2))
    assert again in {post.external_id for post in posts}


def test_below_an_old_busy_picture_comments_are_read_each_time_until_a_whole_page_is_old(fake):
    fake.media[MEDIUM]["timestamp"] = stamp(fake.start - timedelta(days=40))
    for number in range(190):
        fake.say(f"{number}", at=stamp(fake.start - timedelta(days=30, minutes=number)))
    first = fake.say("Is it green?")
    connector, cursor, asked = fake.connector(), None, []
    connector.open_roots, connector.hosts = lambda: [first], lambda roots: {first: MEDIUM}
    for minute in (0, 2, 4):
        before = len(fake.server.asked)
        posts, _, cursor, _ = fake.read(connector, cursor, now=NOW + timedelta(minutes=minute))
        assert first in {post.external_id for post in posts}
        asked.append(sum(each.path.endswith("/comments") for each in fake.server.asked[before:]))
    assert asked == [2, 2, 2], "of four pages"


def test_media_whose_number_of_comments_changed_are_read_and_the_others_not(fake):
    fake.media["17901"] = fake.media[MEDIUM] | {"id": "17901"}
    fake.say("x")
    _, _, cursor, _ = read(fake)
    before = fake.requests()
    read(fake, cursor=cursor)
    assert fake.requests() - before == 1
    late = fake.say("y", medium="17901")
    before = len(fake.server.asked)
    assert [post.external_id for post in read(fake, cursor=cursor)[0]] == [late]
    assert [asked.path for asked in fake.server.asked[before:]] == ["/v26.0/178/media", "/v26.0/17901/comments"]


def test_a_comment_that_replaced_a_deleted_one_is_found_within_a_day(fake):
    first = fake.say("x")
    _, _, cursor, _ = read(fake)
    fake.delete(first)
    second = fake.say("y")
    assert read(fake, cursor=cursor)[0] == []
    tomorrow = datetime.now(UTC) + timedelta(hours=24, minutes=1)
    assert second in {post.external_id for post in read(fake, cursor=cursor, now=tomorrow)[0]}


def test_an_answer_below_an_old_comment_is_found(fake):
    first = fake.say("old", at=stamp(fake.start - timedelta(days=5)))
    for number in range(60):
        fake.say(f"x {number}")
    _, _, cursor, _ = read(fake)
    answer = fake.say("and now?", person="theo", parent=first)
    assert answer in {post.external_id for post in read(fake, cursor=cursor)[0]}


def test_a_bad_answer_below_a_good_comment_spoils_neither(fake):
    first = fake.say("x")
    fake.say("y", parent=first, timestamp="soon")
    posts, bad, _, _ = read(fake)
    assert [post.external_id for post in posts] == [first]
    assert len(bad) == 1


def test_media_older_than_a_month_are_not_listed_further(fake):
    for number in range(120):
        at = stamp(fake.start - timedelta(days=number))
        fake.media[str(20_000 + number)] = fake.media[MEDIUM] | {"id": str(20_000 + number), "timestamp": at}
    _, _, cursor, _ = read(fake)
    assert 25 < len(cursor["posts"]) < 35


def test_a_person_without_a_number_is_known_by_the_name(fake):
    post = one(fake, fake.say("x", **{"from": None}))
    assert (post.author.external_id, post.author.handle) == ("name:carla", "carla")
    assert one(fake, fake.comment("ours", "acme", **{"from": None})).ours


def test_an_answer_to_an_answer_stands_below_the_top_and_names_the_person(fake):
    first = fake.say("x")
    second = one(fake, fake.say("y", person="theo", parent=first))
    connector, outgoing = fake.connector(), answering(second)
    assert connector.measure("We are on it", second).used == len("@theo We are on it")
    sent = connector.send(outgoing)
    made = fake.comments[sent.external_id]
    assert (made["text"], made["parent_id"]) == ("@theo We are on it", first)
    assert connector.find(outgoing) == Found(sent.external_id, second.url)
    assert connector.measure("hello @Theo", second).used == len("hello @Theo")


def test_of_an_answer_that_names_nobody_it_is_not_known_whom_it_is_for(fake):
    first = fake.say("x")
    second = one(fake, fake.say("y", person="theo", parent=first))
    nameless = replace(second, author=replace(second.author, handle=""))
    fake.comment("We are on it", "acme", first, fake.now())
    assert isinstance(fake.connector().find(answering(nameless)), CannotKnow)
    assert isinstance(fake.connector().find(answering(second)), Absent)


def test_a_private_answer_to_somebody_without_a_number_cannot_be_looked_for(fake):
    post = one(fake, fake.say("call me", **{"from": None}))
    assert isinstance(fake.connector().find(answering(post, private=True)), CannotKnow)


def test_what_may_be_done_with_a_comment(fake):
    connector, post = fake.connector(), one(fake, fake.say("x"))
    assert set(connector.can(post, NOW)) == {"reply", "private_reply", "hide", "delete"}
    hidden = connector.do("hide", post).post
    assert fake.comments[post.external_id]["hidden"] is True
    assert "unhide" in connector.can(hidden, NOW)
    connector.do("unhide", hidden)
    assert fake.comments[post.external_id]["hidden"] is False
    connector.do("delete", post)
    connector.do("delete", post)
    assert fake.comments == {}
    with pytest.raises(NotPermitted):
        connector.do("like", post)


def test_a_message_takes_a_thousand_bytes(fake):
    connector, post = fake.connector(), one(fake, fake.say("call me"))
    assert not connector.measure("x" * 2_200, post).problems
    assert not connector.measure("ü" * 500, post, private=True).problems
    measured = connector.measure("ü" * 501, post, private=True)
    assert (measured.used, measured.unit, bool(measured.problems)) == (1_002, "bytes", True)
    below = one(fake, fake.say("y", person="theo", parent=post.external_id))
    assert connector.measure("x", below, private=True).used == 1


@pytest.mark.parametrize(("sign", "most"), [("#", 30), ("@", 20)])
def test_hashtags_and_names_of_a_comment_are_counted(fake, sign, most):
    connector = fake.connector()
    assert not connector.measure(" ".join(f"{sign}a{n}" for n in range(most))).problems
    assert connector.measure(" ".join(f"{sign}a{n}" for n in range(most + 1))).problems
    post = one(fake, fake.say("x"))
    many = " ".join(f"{sign}a{n}" for n in range(most + 1))
    assert not connector.measure(many, post, private=True).problems


def test_a_comment_takes_one_private_reply(fake):
    post, connector = one(fake, fake.say("call me")), fake.connector()
    connector.send(answering(post, private=True))
    assert isinstance(connector.find(answering(post, private=True)), Found)
    with pytest.raises(PolicyRefused):
        connector.send(answering(post, private=True))


def test_messages_are_those_of_instagram(fake):
    fake.message("Hello?")
    (post,) = read(fake, "messages")[0]
    asked = [asked for asked in fake.server.asked if asked.path.endswith("/conversations")]
    assert [each.one("platform") for each in asked] == ["instagram"]
    sent = fake.connector().send(answering(post))
    assert fake.connector().find(answering(post)) == Found(sent.external_id)


def test_tags_are_read_and_answered_only_where_we_are_named(fake):
    fake.tagged = [shown(fake, "301", "nice"), shown(fake, "302", "thanks @Acme"), shown(fake, "303", "", "acme")]
    plain, naming = sorted(read(fake, "tags")[0], key=lambda post: post.external_id)
    may = fake.connector().can(plain, NOW)["reply"]
    assert (may.allowed, may.hand_off) == (False, plain.url)
    connector = fake.connector()
    assert connector.can(naming, NOW)["reply"].allowed
    connector.send(answering(naming))
    assert fake.mentioned[0]["media_id"] == "302"
    assert isinstance(connector.find(answering(naming)), CannotKnow)


def test_a_hashtag_is_looked_up_once(fake):
    fake.hashtags = [shown(fake, "401", "#tea", username="")]
    posts, _, cursor, _ = read(fake, "hashtag:tea")
    assert [(post.kind, post.author.external_id) for post in posts] == [(PostKind.RESULT, "unknown:401")]
    assert not fake.connector().can(posts[0], NOW)["reply"].allowed
    read(fake, "hashtag:tea", cursor)
    assert sum(asked.path.endswith("ig_hashtag_search") for asked in fake.server.asked) == 1
    channel = Instagram({"hashtags": ["#tea", "cake"]}, Secrets(), fake.connector().seam)
    assert [source.name for source in channel.listening()][3:] == ["hashtag:tea", "hashtag:cake"]


def test_a_mention_is_asked_for_when_a_delivery_tells_its_number(fake):
    said = fake.comment("@acme look", "theo", medium="elsewhere")
    page = fake.connector().unpack(delivery("mentions", media_id="elsewhere", comment_id=said), NOW)
    (post,) = page.posts
    assert (post.text, post.parent_id, post.author.handle) == ("@acme look", "elsewhere", "theo")
    assert fake.connector().can(post, NOW)["reply"].allowed
    fake.connector().send(answering(post))
    assert (fake.mentioned[0]["media_id"], fake.mentioned[0]["comment_id"]) == ("elsewhere", said)
    fake.tagged = [shown(fake, "301", "hey @acme")]
    (post,) = fake.connector().unpack(delivery("mentions", media_id="301"), NOW).posts
    assert (post.kind, post.external_id) == (PostKind.MENTION, "301")


@pytest.mark.parametrize(
    ("words", "named"),
    [("love @acmecorp", False), ("@acme.tea is better", False), ("write to care@acme.example", False),
     ("Thank you, @acme.", True), ("(@ACME)", True), ("Hallo @acme-Team", True), ("@acme素敵", True)],
)  # fmt: skip
def test_a_post_of_others_is_answered_only_where_our_own_name_stands_in_it(fake, words, named):
    fake.tagged = [shown(fake, "301", words)]
    assert fake.connector().can(one(fake, "301", "tags"), NOW)["reply"].allowed is named


def test_a_mention_deleted_meanwhile_is_set_aside(fake):
    page = fake.connector().unpack(delivery("mentions", media_id="1", comment_id="2"), NOW)
    assert (page.posts, len(page.bad)) == ((), 1)


def test_a_delivered_comment_is_the_one_the_poll_finds(fake):
    identity = fake.say("Is it green?")
    polled = one(fake, identity)
    sender = {"id": polled.author.external_id, "username": "carla"}
    value = {"id": identity, "text": "Is it green?", "from": sender, "media": {"id": MEDIUM}}
    (pushed,) = fake.connector().unpack(delivery("comments", **value), NOW).posts
    same = ("external_id", "author", "text", "root_id", "parent_id", "kind", "ours", "version")
    assert [getattr(pushed, name) for name in same] == [getattr(polled, name) for name in same]


def test_deleted_comments_are_told_apart_from_living_ones_and_our_media_tell_nothing(fake):
    here, gone = fake.say("here"), fake.say("gone")
    fake.delete(gone)
    standing = fake.connector().refresh([here, gone], NOW)
    assert [each.external_id for each in standing] == [here, gone]
    assert isinstance(standing[1], Deleted)
    assert fake.connector().refresh([MEDIUM, here], NOW) == []
    assert fake.connector().refresh([MEDIUM, gone], NOW) == [Deleted(gone)]
    assert fake.connector().refresh(["m_1", "t_2"], NOW) == []


def test_a_deleted_comment_allows_nothing(fake):
    post = replace(one(fake, fake.say("x")), state=PostState.DELETED)
    assert not fake.connector().can(post, NOW)["reply"].allowed
    assert isinstance(fake.connector().find(answering(one(fake, fake.say("z")))), Absent)


def test_checking_finds_the_account_behind_the_page(fake, monkeypatch):
    check = fake.connector().check()
    assert (check.account_id, check.account_name, check.warnings) == ("178", "@acme", ())
    assert check.facts == {"account_id": "178", "username": "acme", "page_id": "1", "signed_in_as": fake.who}
    monkeypatch.setattr(fake, "read_edge", lambda head, edge, given: Reply(200, {"id": "1", "name": "Acme"}))
    with pytest.raises(NotPermitted, match="linked to this page"):
        fake.connector().check()
    secrets = Secrets({"access_token": CANARY, "app_secret": SECRET})
    fresh = Instagram(fake.settings(), secrets, fake.connector().seam)
    with pytest.raises(NotPermitted, match="Run the test first"):
        list(fresh.poll("tags", None, Budget(), NOW))


def test_a_comment_elsewhere_that_names_us_stays_one_when_it_is_looked_at_again(fake):
    mention = fake.comment("look @acme", "carla", medium="elsewhere")
    connector, here = fake.connector(), fake.say("here")
    (post,) = connector.unpack(delivery("mentions", comment_id=mention, media_id="elsewhere"), NOW).posts
    assert set(connector.can(post, NOW)) == {"reply"}
    again = {each.external_id: each for each in connector.refresh([here, mention], NOW)}
    assert {one: (each.text, each.whole) for one, each in again.items()} == {
        here: ("here", False),
        mention: ("look @acme", False),
    }
    fake.delete(mention)
    assert Deleted(mention) in connector.refresh([here, mention], NOW)

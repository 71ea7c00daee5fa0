"""What is special about X: who may be answered, what a refusal means, edits with new ids, renamed fields, money, the
weighted counter, rotating tokens, signed deliveries."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.base import (
    Absent,
    Accepted,
    AuthExpired,
    AuthRevoked,
    CannotKnow,
    Challenge,
    Deleted,
    Duplicate,
    Gone,
    Incoming,
    Invalid,
    Medium,
    NotPermitted,
    Outgoing,
    PolicyRefused,
    Post,
    PostKind,
    PostState,
    QuotaSpent,
    RateLimited,
    Rejected,
    Secrets,
    Unreadable,
    Visibility,
    Withheld,
)
from connectors.networks.x.access import signature
from connectors.networks.x.api import Includes, Reader, author_of, id_at, time_of_id
from connectors.networks.x.calls import Walk
from connectors.networks.x.weighted import cashtags, endings, has_link, weighted_length
from connectors.sending import refused_before_sending
from tests.fakes.network import CANARY
from tests.fakes.server import Reply
from tests.fakes.x import ME, Fake, problem

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
READER = Reader(ME["id"], ME["username"])


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def now():
    return datetime.now(UTC)


def heard(fake, identity):
    return next(post for post in fake.read(fake.connector())[0] if post.external_id == identity)


def outgoing(parent, text="We are on it", **more):
    return Outgoing(key="key-1", text=text, parent=parent, sending_at=now(), **more)


def reply_allowed(fake, post):
    return fake.connector().can(post, now())["reply"]


# Who may be answered


def test_who_named_us_may_be_answered(fake):
    able = reply_allowed(fake, heard(fake, fake.say("help me")))
    assert (able.allowed, able.reason, able.cost) == (True, "", Decimal("0.010"))


def test_who_quoted_us_may_be_answered(fake):
    ours = fake.post(ME, "our news")
    post = heard(fake, fake.post(fake.person("theo"), "look at that", quoted=ours))
    assert post.kind is PostKind.QUOTE
    assert reply_allowed(fake, post).allowed


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"referenced_tweets": [{"type": "replied_to", "id": "7"}], "in_reply_to_user_id": "9"}, PostKind.RESULT),
        ({"referenced_tweets": [{"type": "quoted", "id": "7"}]}, PostKind.RESULT),
        ({"referenced_tweets": [{"type": "replied_to", "id": "7"}], "in_reply_to_user_id": ME["id"]}, PostKind.REPLY),
        ({"entities": {"mentions": [{"start": 4, "end": 9, "username": ME["username"]}]}}, PostKind.MENTION),
    ],
)
def test_what_a_search_finds_is_to_us_only_where_it_answers_or_names_us(told, kind):
    item = {"id": "1850000000000000000", "author_id": "5", "text": f"tea @{ME['username']}", "lang": "en", **told}
    assert READER.post(item, Includes(), "search:tea").kind is kind


def test_who_quoted_somebody_else_may_not(fake):
    theirs = fake.say("help me")
    post = heard(fake, fake.post(fake.person("theo"), "look at that", quoted=theirs))
    able = reply_allowed(fake, post)
    assert not able.allowed
    assert able.reason.endswith("Answer it on X.")
    assert able.hand_off == f"https://x.com/theo/status/{post.external_id}"


def test_names_that_the_network_puts_before_a_reply_are_no_summons(fake):
    ours = fake.post(ME, "our news")
    names = {"mentions": [{"start": 0, "end": 5, "username": "Acme", "id": ME["id"]}]}
    post = heard(fake, fake.post(fake.person("theo"), "@Acme nice", ours, entities=names))
    able = reply_allowed(fake, post)
    assert able.allowed
    assert "may refuse" in able.reason
    later = {"mentions": [*names["mentions"], {"start": 18, "end": 23, "username": "acme", "id": ME["id"]}]}
    again = heard(fake, fake.post(fake.person("theo"), "@Acme nice, I say @acme", ours, entities=later))
    assert reply_allowed(fake, again).reason == ""


@pytest.mark.parametrize(("opens", "allowed", "told"), [(True, True, False), (None, True, True), (False, False, True)])
def test_a_private_message_depends_on_what_its_author_takes(fake, opens, allowed, told):
    carla = {"id": "9", "username": "carla", "receives_your_dm": opens}
    post = READER.post(fake.posts[fake.say("help")] | {"author_id": "9"}, Includes(users={"9": carla}), "mentions")
    able = fake.connector().can(post, now())["private_reply"]
    assert (able.allowed, bool(able.reason)) == (allowed, told)
    assert able.hand_off == "https://x.com/carla"


def test_replies_are_hidden_only_in_threads_that_we_began(fake):
    ours, theirs = fake.post(ME, "our news"), fake.say("hello")
    under_ours, under_theirs = fake.say("rude", parent=ours), fake.say("rude", "theo", parent=theirs)
    connector = fake.connector()
    assert connector.can(heard(fake, under_ours), now()).keys() >= {"hide", "unhide"}
    assert "hide" not in connector.can(heard(fake, under_theirs), now())
    for _ in range(2):
        assert connector.do("hide", heard(fake, under_ours)).post.grants["hidden"]
        connector.do("mute", heard(fake, under_ours))
        assert fake.muted == {heard(fake, under_ours).author.external_id}
    connector.do("unmute", heard(fake, under_ours))
    assert not fake.muted
    assert fake.hidden == {under_ours}
    connector.do("unhide", heard(fake, under_ours))
    assert fake.hidden == set()
    with pytest.raises(PolicyRefused):
        connector.do("hide", heard(fake, under_theirs))


def test_an_answer_to_an_answer_in_our_thread_can_be_hidden_too(fake):
    ours, theirs = fake.post(ME, "our news"), fake.say("hello")
    below = fake.say("rude", "theo", parent=fake.say("nice", parent=ours))
    elsewhere = fake.say("rude", "theo", parent=fake.post(ME, "our answer", parent=theirs))
    connector = fake.connector()
    assert connector.can(heard(fake, below), now()).keys() >= {"hide", "unhide"}
    [again] = connector.refresh([below], now())
    assert "hide" in connector.can(again, now())
    assert "hide" not in connector.can(heard(fake, elsewhere), now())


def test_a_sign_in_that_lacks_a_scope_says_so(fake):
    granted = {**fake.secrets, "scope": "tweet.read users.read offline.access"}
    post = heard(fake, fake.say("hello"))
    connector = fake.connector(granted)
    assert not connector.can(post, now())["reply"].allowed
    assert [source.name for source in connector.listening()] == ["mentions", "search:acme"]
    warnings = connector.check().warnings
    assert len(warnings) == 6
    assert any("dm.read" in warning for warning in warnings)
    assert any("media.write" in warning for warning in warnings)
    assert "connect the channel again" in connector.media_rule(post).reason
    assert fake.connector().check().warnings == ()
    assert fake.connector({"client_secret": "app"}).listening() == ()


# What a refusal means


@pytest.mark.parametrize(
    ("reply", "raised"),
    [(problem(401), AuthExpired), (problem(403, "client-forbidden"), NotPermitted), (problem(402), QuotaSpent),
     (problem(403, "not-authorized-for-resource"), NotPermitted), (problem(429, "usage-capped"), QuotaSpent),
     (problem(403, "unsupported-authentication"), NotPermitted), (problem(429, "rate-limit-exceeded"), RateLimited),
     (problem(403, detail="You are not allowed to create a Tweet with duplicate content."), Duplicate),
     (problem(403, detail="You can only reply when mentioned."), PolicyRefused),
     (problem(400, "invalid-request"), Invalid),
     (problem(403, detail="Your account is suspended."), PolicyRefused), (problem(404, "resource-not-found"), Gone)],
)  # fmt: skip
def test_a_refused_reply_has_its_class(fake, reply, raised):
    parent = heard(fake, fake.say("Help!"))
    fake.fault = lambda name: reply
    fake.order("x", writing=True)
    with pytest.raises(raised) as fault:
        fake.connector().send(outgoing(parent))
    assert type(fault.value) is raised
    assert fault.value.url in ("", parent.url)


def test_without_a_refresh_token_a_refused_token_needs_a_person(fake):
    with pytest.raises(AuthRevoked):
        fake.read(fake.connector({"access_token": "wrong"}))
    with pytest.raises(AuthRevoked):
        fake.read(fake.connector({}))


def test_a_refusal_for_a_post_that_is_gone_is_told_from_the_others(fake):
    there, gone = heard(fake, fake.say("one")), heard(fake, fake.say("two"))
    fake.delete(gone.external_id)
    fake.fault = lambda name: problem(403, detail="You cannot do that.")
    for parent, raised in ((there, PolicyRefused), (gone, Gone)):
        fake.order("x", writing=True)
        with pytest.raises(raised):
            fake.connector().send(outgoing(parent))


def test_a_window_that_is_used_up_is_waited_for_until_it_opens(fake):
    fake.order("429 with wait")
    before = now()
    with pytest.raises(RateLimited) as raised:
        fake.read(fake.connector())
    assert before + timedelta(seconds=40) <= raised.value.until <= now() + timedelta(seconds=46)
    assert raised.value.bucket == "x:mentions"


def test_a_list_that_holds_only_problems_is_not_an_empty_one(fake):
    for kind, raised in (("resource-not-found", Gone), ("not-authorized-for-resource", NotPermitted)):
        only = Reply(200, {"errors": [{"type": f"https://api.twitter.com/2/problems/{kind}", "title": "x"}]})
        fake.fault = lambda name, only=only: only
        fake.order("x")
        with pytest.raises(raised):
            fake.read(fake.connector())


# How posts read


def test_ids_carry_their_time():
    assert time_of_id(id_at(NOW)) == NOW
    assert time_of_id("20") is None


def test_both_names_of_the_fields_are_read():
    old = {
        "id": "1900000000000000002", "author_id": "5", "text": "short", "in_reply_to_user_id": ME["id"],
        "conversation_id": "1900000000000000001", "note_tweet": {"text": "long &amp; whole"},
        "referenced_tweets": [{"type": "replied_to", "id": "1900000000000000001"}],
        "edit_history_tweet_ids": ["1900000000000000000", "1900000000000000002"],
    }  # fmt: skip
    new = {name.replace("tweet", "post"): value for name, value in old.items()}
    first = {"id": "1900000000000000001", "author_id": ME["id"]}
    one = READER.post(old, Includes.of({"includes": {"tweets": [first]}}), "mentions")
    two = READER.post(new, Includes.of({"includes": {"posts": [first]}}), "mentions")
    for post in (one, two):
        assert (post.external_id, post.parent_id) == ("1900000000000000000", "1900000000000000001")
        assert (post.text, post.state, post.kind) == ("long & whole", PostState.EDITED, PostKind.REPLY)
        assert post.grants["root_ours"]
    assert one.version == two.version


@pytest.fixture
def remembering(fake):
    """Connectors of one channel, which keeps what they learn."""
    facts = fake.facts()
    fake.facts = lambda: facts

    def connector():
        made = fake.connector()
        made.learned = facts.update
        return made

    return connector


def looked_up(connector, fake, parent):
    [post] = connector.refresh([parent], now())
    assert post.root_id == parent


def read_mentions(connector, fake, parent):
    posts, bad, _, _ = fake.read(connector)
    assert [post.parent_id for post in posts] == [None, parent]
    assert not bad


def read_messages(connector, fake, parent):
    fake.source = "direct"
    posts, bad, _, _ = fake.read(connector)
    assert [post.text for post in posts] == ["in private"]
    assert not bad
    fake.source = "mentions"


ASKED = (read_mentions, read_messages, looked_up)


@pytest.mark.parametrize("first", ASKED)
def test_a_server_with_the_new_names_refuses_a_channel_one_request_in_all(fake, remembering, first):
    parent = fake.say("hello")
    fake.say("and more", parent=parent)
    fake.message("in private")
    fake.asked_names = "new"
    first(remembering(), fake, parent)
    assert fake.requests() == 2
    for asked in ASKED:
        before = fake.requests()
        asked(remembering(), fake, parent)
        assert fake.requests() - before == 1
    assert remembering().check().facts["renamed"]


def test_a_server_that_goes_back_to_the_old_names_is_followed(fake, remembering):
    parent = fake.say("hello")
    fake.say("and more", parent=parent)
    for names, facts in (("new", True), ("old", False)):
        fake.asked_names = names
        read_mentions(remembering(), fake, parent)
        assert fake.facts()["renamed"] is facts


def test_what_is_wrong_by_both_names_is_refused_and_nothing_learned(fake, remembering):
    fake.fault = lambda name: problem(400, errors=[{"parameters": {"dm_event.fields": ["?"]}, "message": "unknown"}])
    fake.order("x")
    fake.order("x")
    fake.source = "direct"
    with pytest.raises(Invalid):
        fake.read(remembering())
    assert fake.requests() == 2
    assert "renamed" not in fake.facts()


def test_what_people_search_for_is_not_renamed(fake, remembering):
    fake.asked_names, fake.source = "new", "search:note_tweet"
    fake.read(remembering())
    assert fake.server.asked[-1].one("query").startswith("(note_tweet)")


@pytest.mark.parametrize(
    "wrong", [problem(400, "invalid-request"), problem(400, errors=[{"parameters": {"query": []}}])]
)
def test_another_refusal_is_not_taken_for_new_names(fake, wrong):
    fake.fault = lambda name: wrong
    fake.order("x")
    with pytest.raises(Invalid):
        fake.read(fake.connector())
    assert fake.requests() == 1


def test_links_are_whole_and_those_to_own_pictures_are_left_out():
    links = [{"url": "https://t.co/a", "expanded_url": "https://acme.example/t?a=1&b=2"},
             {"url": "https://t.co/b", "expanded_url": "https://x.com/i/photo/1", "media_key": "3_1"}]  # fmt: skip
    item = {"id": "1900000000000000002", "author_id": "5", "text": "see https://t.co/a &gt; https://t.co/b",
            "entities": {"urls": links}, "attachments": {"media_keys": ["3_1", "3_2"]}}  # fmt: skip
    media = [{"media_key": "3_1", "type": "photo", "url": "https://pbs.example/1.jpg", "alt_text": "a shoe"}]
    post = READER.post(item, Includes.of({"includes": {"media": media}}), "mentions")
    assert post.text == "see https://acme.example/t?a=1&b=2 >"
    assert [(each.kind, each.description) for each in post.media] == [("image", "a shoe")]


@pytest.mark.parametrize("source", ["mentions", "direct"])
@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({}, ("video", "https://video.example/high.mp4")),
        ({"kind": "animated_gif"}, ("video", "https://video.example/high.mp4")),
        (
            {"variants": [
                {"bit_rate": "12", "content_type": "video/mp4", "url": "https://video.example/12.mp4"},
                {"bit_rate": 9, "content_type": "video/mp4", "url": "https://video.example/9.mp4"},
                {"bit_rate": 99, "content_type": "video/mp4"}, None,
            ]},
            ("video", "https://video.example/12.mp4"),
        ),
        (
            {"variants": [{"content_type": "application/x-mpegURL", "url": "https://video.example/all.m3u8"}]},
            ("image", "https://pbs.example/still.jpg"),
        ),
        ({"variants": None}, ("image", "https://pbs.example/still.jpg")),
        ({"variants": None, "url": "https://video.example/a.mp4"}, ("video", "https://video.example/a.mp4")),
    ],
)  # fmt: skip
def test_a_film_is_its_best_file_and_without_one_the_picture_before_it(fake, source, told, shown):
    fake.source, film = source, fake.film(**told)
    if source == "mentions":
        fake.say("look", **film)
    else:
        fake.message("look")
        fake.messages[-1] |= film
    [post] = fake.read(fake.connector())[0]
    [medium] = post.media
    assert (medium.kind, medium.url) == shown
    assert (medium.preview_url, medium.description) == ("https://pbs.example/still.jpg", "a kettle that boils")


def test_links_keep_what_looks_like_an_entity():
    whole = "https://shop.example/?id=1&section=2&param=3&copy=4"
    item = {"id": "1900000000000000002", "author_id": "5", "text": "&quot;look&quot; https://t.co/a &amp;amp; more",
            "entities": {"urls": [{"url": "https://t.co/a", "expanded_url": whole}]}}  # fmt: skip
    assert READER.post(item, Includes(), "mentions").text == f'"look" {whole} &amp; more'


@pytest.mark.parametrize(
    "told", ["Wed Jan 06 18:40:40 +0000 2021", "2021-01-06T18:40:40Z", "2021-01-06T18:40:40.000Z", None, 7]
)
def test_a_time_is_read_however_it_is_written(told):
    item = {
        "id": id_at(datetime(2021, 1, 6, 18, 40, 40, tzinfo=UTC)),
        "author_id": "5",
        "text": "x",
        "created_at": told,
    }
    assert READER.post(item, Includes(), "mentions").created_at == datetime(2021, 1, 6, 18, 40, 40, tzinfo=UTC)


def test_reposts_are_no_mentions_and_protected_accounts_are_not_public(fake):
    theirs = fake.say("hello")
    fake.posts[fake.say("RT hello", "theo")]["referenced_tweets"] = [{"type": "retweeted", "id": theirs}]
    fake.person("ines", protected=True)
    fake.users[fake.posts[fake.say("in private", "wes")]["author_id"]]["protected"] = True
    posts = fake.read(fake.connector())[0]
    assert [(post.text.split(" @")[0], post.visibility) for post in posts] == [
        ("hello", Visibility.PUBLIC), ("in private", Visibility.FOLLOWERS),
    ]  # fmt: skip


def test_an_account_without_details_still_has_its_address():
    author = author_of({}, "77")
    assert (author.external_id, author.url, author.followers) == ("77", "https://x.com/i/user/77", None)


def test_an_edit_is_followed_to_its_newest_version(fake):
    identity = fake.say("I paid 10")
    fake.edit(identity, "I paid 100")
    fake.edit(identity, "I paid 1000")
    before = fake.requests()
    post = fake.connector().refresh([identity], now())[0]
    assert (post.external_id, post.text, post.state) == (identity, "I paid 1000", PostState.EDITED)
    assert post.url.endswith(post.version)
    assert fake.requests() - before == 2
    assert heard(fake, identity).version == post.version


def test_how_posts_stand_is_said_for_those_the_network_answered_for(fake):
    there, gone = fake.say("one"), fake.say("two")
    fake.delete(gone)
    locked = {"resource_id": "5", "type": "https://api.twitter.com/2/problems/not-authorized-for-resource"}
    answer = fake._look_up([there, gone]).body
    fake.fault = lambda name: Reply(200, answer | {"errors": [*answer["errors"], locked]})
    fake.order("x")
    standing = fake.connector().refresh([there, gone, "5", "6", "dm:9"], now())
    assert isinstance(standing[0], Post)
    assert standing[1] == Deleted(gone)
    assert isinstance(standing[2], Withheld)
    assert len(standing) == 3


# Walking back


def test_a_walk_that_was_cut_goes_on_to_the_same_end(fake):
    for number in range(130):
        fake.say(f"post {number}")
    _, _, cursor, _ = fake.read(fake.connector(), None, requests=1)
    began = cursor["walk"]["since"]
    posts, _, cursor, _ = fake.read(fake.connector(), cursor, requests=1)
    assert len(posts) == 30
    assert fake.server.asked[-1].one("since_id") == id_at(datetime.fromisoformat(began))
    assert "walk" not in cursor


def test_a_page_token_that_ran_out_begins_the_walk_anew(fake):
    for number in range(130):
        fake.say(f"post {number}")
    _, _, cursor, _ = fake.read(fake.connector(), None, requests=1)
    cursor["walk"]["token"] = "a token of yesterday"
    posts, _, cursor, gaps = fake.read(fake.connector(), cursor)
    assert len(posts) == 130
    assert not gaps


def test_what_is_older_than_a_search_reaches_is_a_gap(fake):
    fake.source = "search:acme"
    cursor = {"read": (now() - timedelta(days=9)).isoformat()}
    _, _, _, gaps = fake.read(fake.connector(), cursor)
    assert len(gaps) == 1
    assert gaps[0].until - gaps[0].since > timedelta(days=2)
    fake.source = "mentions"
    assert fake.read(fake.connector(), cursor)[3] == []


@pytest.mark.parametrize(("away", "gap"), [(timedelta(days=8), True), (timedelta(minutes=6), False)])
def test_a_search_that_was_cut_goes_on_however_long_it_was_away(fake, away, gap):
    """X refuses to search for what is older than a week, also behind a page that it gave before."""
    fake.source = "search:tea"
    for number in range(250):
        fake.say(f"tea {number}")
    first, _, cursor, gaps = fake.read(fake.connector(), {"read": (now() - timedelta(days=9)).isoformat()}, requests=1)
    assert (len(first), len(gaps)) == (100, 1)
    fake.passed = away
    posts, _, cursor, gaps = fake.read(fake.connector(), cursor, now=now() + away)
    assert bool(gaps) == gap
    assert "walk" not in cursor
    assert len(posts) == (0 if gap else 150)


def test_messages_that_are_no_longer_kept_are_a_gap(fake):
    fake.source = "direct"
    cursor = {"read": (now() - timedelta(days=45)).isoformat()}
    assert len(fake.read(fake.connector(), cursor)[3]) == 1
    assert fake.read(fake.connector(), {"read": (now() - timedelta(days=20)).isoformat()})[3] == []


def test_a_search_leaves_our_own_posts_and_reposts_out(fake):
    fake.source = "search:acme OR tea"
    fake.read(fake.connector())
    assert fake.server.asked[-1].one("query") == "(acme OR tea) -is:retweet -from:acme"


def test_a_clock_that_was_wrong_does_not_make_us_read_from_the_future():
    walk, _ = Walk.of({"read": (NOW + timedelta(days=3)).isoformat()}, NOW)
    assert walk.since == NOW - timedelta(minutes=15)


def test_messages_are_read_to_where_they_are_known(fake):
    for number in range(3):
        fake.message(f"hello {number}")
    fake.messages[0] |= {"id": id_at(now() - timedelta(days=3)), "created_at": (now() - timedelta(days=3)).isoformat()}
    fake.messages.append({"id": "1900000000000000002", "event_type": "ParticipantsJoin"})
    fake.source = "direct"
    posts, bad, _, _ = fake.read(fake.connector())
    assert [post.kind for post in posts] == [PostKind.DIRECT] * 3
    assert len({post.root_id for post in posts}) == 1
    assert not bad


# Answering privately


def test_a_message_answers_a_mention_or_a_message(fake):
    mention = heard(fake, fake.say("help me"))
    sent = fake.connector().send(outgoing(mention, "Your number, please?", private=True))
    assert fake.messages[-1]["text"] == "Your number, please?"
    fake.message("here it is: 88213")
    fake.source = "direct"
    posts = fake.read(fake.connector())[0]
    ours = next(post for post in posts if post.ours)
    assert ours.external_id == sent.external_id
    theirs = next(post for post in posts if not post.ours)
    assert theirs.root_id == ours.root_id
    for parent in (theirs, ours):
        fake.connector().send(outgoing(parent, f"Thank you, {parent.ours}"))
    assert len(fake.made()) == 3


def test_who_takes_no_messages_gets_none(fake):
    mention = heard(fake, fake.say("help me"))
    fake.users[mention.author.external_id]["receives_your_dm"] = False
    with pytest.raises(PolicyRefused):
        fake.connector().send(outgoing(mention, private=True))


def test_a_message_that_was_made_is_found(fake):
    mention = heard(fake, fake.say("help me"))
    wish = outgoing(mention, "Your number, please?", private=True)
    sent = fake.connector().send(wish)
    assert fake.connector().find(wish).external_id == sent.external_id


@pytest.mark.parametrize(
    ("said", "shown"),
    [("@carla it is on its way", "@carla it is on its way"), ("see acme.com/t", "@carla see https://t.co/a")],
)
def test_a_reply_is_found_however_the_network_dresses_it(fake, said, shown):
    parent = heard(fake, fake.say("Help!"))
    links = {"urls": [{"url": "https://t.co/a", "expanded_url": "http://acme.com/t", "start": 11, "end": 25}]}
    made = fake.post(ME, shown, parent.external_id, entities=links)
    assert fake.connector().find(outgoing(parent, said)).external_id == made


@pytest.mark.parametrize("told", [True, False])
def test_a_reply_is_found_by_its_words_and_own_links_when_pictures_hang_from_it(fake, told):
    parent = heard(fake, fake.say("Help!"))
    own = {"url": "https://t.co/a", "expanded_url": "https://acme.example/help"}
    links = [own, {"url": "https://t.co/b", "media_key": "3_1"}] if told else [own]
    shown = "@carla See https://t.co/a https://t.co/b"
    made = fake.post(ME, shown, parent.external_id, entities={"urls": links})
    hanging = Medium(key="f", kind="image", type="image/png", size=3, name="a.png", read=lambda: b"png")
    wish = outgoing(parent, "See https://acme.example/help", media=(hanging,))
    assert fake.connector().find(wish).external_id == made


@pytest.mark.parametrize(
    ("text", "verdict"), [("see https://acme.com/help", CannotKnow), ("see acme.com", CannotKnow), ("hi", Absent)]
)
def test_a_message_whose_links_the_network_shortens_is_never_called_absent(fake, text, verdict):
    wish = outgoing(heard(fake, fake.say("help me")), text, private=True)
    assert isinstance(fake.connector().find(wish), verdict)


def test_a_list_that_goes_on_is_not_all_there_is_however_few_of_it_are_posts(fake):
    wish = outgoing(heard(fake, fake.say("Help!")))
    for number in range(100):
        fake.post(ME, f"post {number}")
    reposted = {"referenced_tweets": [{"type": "retweeted", "id": fake.say("look")}]}
    fake.post(ME, "RT @carla: look", **reposted)
    assert isinstance(fake.connector().find(wish), CannotKnow)


def test_two_posts_of_ours_that_look_alike_are_for_a_person(fake):
    parent = heard(fake, fake.say("Help!"))
    wish = outgoing(parent)
    for _ in range(2):
        fake.post(ME, f"@carla {wish.text}", parent.external_id)
    assert isinstance(fake.connector().find(wish), CannotKnow)


# Money


def test_each_thing_read_is_paid_once_a_day(fake):
    for number in range(3):
        fake.say(f"post {number}")
    connector, at = fake.connector(), now()
    pages = list(connector.poll("mentions", None, _budget(), at))
    assert sum(page.cost for page in pages) == 3 * Decimal("0.001") + Decimal("0.010")
    fake.say("one more", "theo")
    pages = list(connector.poll("mentions", pages[-1].cursor, _budget(), at))
    assert sum(page.cost for page in pages) == Decimal("0.001") + Decimal("0.010")
    kept = pages[-1].cursor
    kept["bill"]["day"] = "2026-01-01"
    pages = list(connector.poll("mentions", kept, _budget(), at))
    assert sum(page.cost for page in pages) == 4 * Decimal("0.001") + 2 * Decimal("0.010")


def test_mentions_are_read_again_and_what_was_paid_today_is_not_counted_twice(fake):
    at, ids = now(), {fake.say(f"post {number}") for number in range(3)}
    connector = fake.connector()
    cursor = list(connector.poll("mentions", None, _budget(), at))[-1].cursor
    missed = fake.say("said while nobody was told", "theo")
    start = connector.again("mentions", cursor, at - timedelta(hours=48), at)
    pages = list(connector.poll("mentions", start, _budget(), at))
    assert {post.external_id for page in pages for post in page.posts} == ids | {missed}
    assert sum(page.cost for page in pages) == Decimal("0.001") + Decimal("0.010")
    tomorrow = at + timedelta(days=1)
    start = connector.again("mentions", cursor, at - timedelta(hours=24), tomorrow)
    pages = list(connector.poll("mentions", start, _budget(), tomorrow))
    assert sum(page.cost for page in pages) == 4 * Decimal("0.001") + 2 * Decimal("0.010")


@pytest.mark.parametrize("source", ["search:acme", "direct"])
def test_what_is_dear_is_not_read_again(fake, source):
    cursor = list(fake.connector().poll(source, None, _budget(), now()))[-1].cursor
    assert fake.connector().again(source, cursor, now() - timedelta(hours=48), now()) is None


def test_what_others_found_costs_more_than_our_mentions(fake):
    fake.say("acme")
    fake.message("hello")
    costs = {}
    for source in ("search:acme", "direct"):
        costs[source] = sum(page.cost for page in fake.connector().poll(source, None, _budget(), now()))
    assert costs == {"search:acme": Decimal("0.015"), "direct": Decimal("0.020")}


@pytest.mark.parametrize(("source", "most"), [("mentions", 5), ("search:tea", 10), ("direct", 5)])
def test_a_sample_is_as_small_as_x_lets_it_be(fake, source, most):
    for number in range(20):
        fake.say(f"tea {number}")
        fake.message(f"tea {number}")
    page = next(fake.connector().poll(source, None, _budget(few=5), now()))
    assert len(page.posts) == most


def test_a_budget_of_money_ends_a_poll(fake):
    for number in range(130):
        fake.say(f"post {number}")
    pages = list(fake.connector().poll("mentions", None, _budget(cost=Decimal("0.05")), now()))
    assert len(pages) == 1
    assert not pages[0].end


def _budget(**more):
    from connectors.base import Budget

    return Budget(**more)


def test_a_reply_tells_its_price(fake):
    connector = fake.connector()
    assert connector.measure("We are on it").cost == Decimal("0.010")
    assert connector.measure("See acme.com/help").cost == Decimal("0.20")
    summoned = heard(fake, fake.say("help"))
    assert connector.measure("We are on it", summoned).cost == connector.can(summoned, now())["reply"].cost
    own = replace(summoned, ours=True, grants={})
    assert connector.can(own, now())["reply"].cost == Decimal("0.015")
    assert connector.measure("And one thing more", own).cost == Decimal("0.015")
    assert connector.measure("See acme.com/help", own).cost == Decimal("0.20")
    fake.message("hello")
    fake.source = "direct"
    message = fake.read(connector)[0][0]
    measured = connector.measure("x" * 300, message)
    assert (measured.limit, measured.unit, measured.cost) == (10_000, "characters", Decimal("0.015"))


def test_a_private_answer_counts_and_costs_as_a_message(fake):
    fake.say("help")
    connector, post = fake.connector(), fake.read(fake.connector())[0][0]
    measured = connector.measure("see https://shop.test/ " + "x" * 400, post, private=True)
    assert (measured.limit, measured.problems) == (10_000, ())
    assert measured.cost == connector.can(post, now())["private_reply"].cost == Decimal("0.015")
    wish = Outgoing(key="k", text="x" * 400, parent=post, sending_at=now(), private=True)
    assert refused_before_sending(connector, wish) == ""
    assert refused_before_sending(connector, replace(wish, private=False))


# Counting


@pytest.mark.parametrize(
    ("text", "length"),
    [("Hi Carla", 8), ("https://acme.com/t/88213 ok", 26), ("日本語👍🏽", 8), ("foo.zz https://acme.example/", 28),
     ("acme.com, and b.de.", 23 + 6 + 23 + 1), ("e\u0301", 1), ("👨‍👩‍👧‍👦", 2), ("3️⃣", 2), ("12", 2), ("", 0),
     ("🇩🇪🇫🇷", 4), ("me@acme.com", 11), ("@acme.com", 9), ("http://t.co/abc+more", 23 + 5), ("x" * 300, 300),
     ("\u2014", 1), ("™", 2)],
)  # fmt: skip
def test_characters_have_their_weight(text, length):
    assert weighted_length(text) == length


def test_the_browser_knows_the_same_endings():
    listed = Path(__file__).parents[2] / "static" / "tlds.txt"
    assert set(listed.read_text().split()) == endings()


def test_one_cashtag_a_post(fake):
    assert [cashtags(text) for text in ("$ACME", "$ACME and $TEA", "US$20 $5", "a$b")] == [1, 2, 0, 0]
    assert fake.connector().measure("$ACME and $TEA").problems
    assert not fake.connector().measure("$ACME").problems
    assert has_link("acme.com")
    assert not has_link("acme.invalidending")


def test_a_premium_account_may_write_more(fake):
    me = Reply(200, {"data": ME | {"subscription_type": "Premium"}})
    fake.fault = lambda name: me
    fake.order("x")
    assert fake.connector().check().facts["longest"] == 25_000
    assert fake.connector().check().facts["longest"] == 280


# Signing in


def test_signing_in_and_renewing_keep_what_the_network_gave_last(fake):
    connector = fake.connector({"client_secret": "app-secret-1", "consumer_secret": "hook-secret"})
    grant = connector.begin("https://care.example/callback/", "state-1")
    asked = {name: value[0] for name, value in parse_qs(urlsplit(grant.url).query).items()}
    assert grant.url.startswith(f"{fake.server.url}/2/oauth2/authorize?")
    assert "offline.access" in asked["scope"].split()
    assert (asked["state"], asked["client_id"], asked["code_challenge_method"]) == ("state-1", "app-1", "S256")
    connector = fake.connector(dict(grant.secrets))
    fresh = connector.finish("code-1", "https://care.example/callback/", grant.secrets)
    hashed = hashlib.sha256(fake.token_asked["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(hashed).decode().rstrip("=") == asked["code_challenge"]
    assert fake.token_asked["authorization"] == "Basic " + base64.b64encode(b"app-1:app-secret-1").decode()
    assert "code_verifier" not in fresh
    renewed = fake.connector(dict(fresh)).renew(fresh)
    assert renewed["refresh_token"] != fresh["refresh_token"]
    assert renewed["consumer_secret"] == "hook-secret"
    with pytest.raises(AuthRevoked):
        fake.connector(dict(fresh)).renew(fresh)
    assert fake.read(fake.connector(dict(renewed)))[1] == []


def test_a_refresh_token_that_is_not_replaced_stays(fake):
    fake.answer = lambda asked: Reply(200, {"access_token": "new-access"})
    renewed = fake.connector().renew(Secrets(fake.secrets))
    assert renewed["refresh_token"] == fake.secrets["refresh_token"]


@pytest.mark.parametrize(
    ("told", "fault"), [({"token_type": "bearer"}, Unreadable), ({"error": "invalid_grant"}, AuthRevoked)]
)
def test_only_a_plain_no_costs_a_sign_in(fake, told, fault):
    fake.answer = lambda asked: Reply(200, told)
    with pytest.raises(fault):
        fake.connector().renew(Secrets(fake.secrets))


def test_without_a_client_id_nobody_is_sent_to_sign_in(fake):
    fake.settings = lambda: {"base_url": fake.server.url}
    with pytest.raises(Invalid):
        fake.connector().begin("https://care.example/callback/", "state-1")


# Deliveries


def hook(fake, body=b"{}", secret=CANARY, method="POST", **query):
    signed = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    headers = {"x-twitter-webhooks-signature": f"sha256={signed}"}
    connector = fake.connector({**fake.secrets, "consumer_secret": CANARY})
    return connector.receive(Incoming(method, headers, body, query), now())


def test_the_handshake_is_answered_with_its_token_signed(fake):
    challenge = hook(fake, method="GET", crc_token="token-1")
    assert isinstance(challenge, Challenge)
    assert challenge.content_type == "application/json"
    assert json.loads(challenge.body) == {"response_token": signature(CANARY, b"token-1")}
    assert isinstance(hook(fake, method="GET"), Rejected)


def test_only_what_is_well_signed_is_taken(fake):
    taken = hook(fake, b'{"data": {}}')
    assert isinstance(taken, Accepted)
    assert (taken.status, len(taken.delivery)) == (200, 64)
    assert hook(fake, secret="wrong").status == 403
    assert hook(fake, method="DELETE").status == 405
    assert hook(fake, b"x" * 1_000_001).status == 413
    assert fake.connector().receive(Incoming("POST", {}, b"{}"), now()).status == 404


def test_a_delivered_post_is_mapped_and_what_is_strange_left_to_the_poll(fake):
    identity = fake.say("hello")
    known = {"users": [fake.person("carla")]}
    event = {"data": {"event_type": "post.mention.create", "payload": fake.posts[identity]}, "includes": known}
    page = fake.connector().unpack(json.dumps(event).encode(), now())
    assert [(post.external_id, post.author.handle) for post in page.posts] == [(identity, "carla")]
    fake.message("hello")
    event = {"data": {"event_type": "dm.received", "payload": fake.messages[0]}}
    page = fake.connector().unpack(json.dumps(event).encode(), now())
    assert page.posts[0].kind is PostKind.DIRECT
    for strange in ({"data": {"event_type": "follow.follow", "payload": {}}}, {"data": 7}, [], {"data": {"payload": 7}},
                    {"data": {"event_type": "post.mention.create", "payload": {"id": 7}}}):  # fmt: skip
        page = fake.connector().unpack(json.dumps(strange).encode(), now())
        assert (page.posts, page.bad) == ((), ())

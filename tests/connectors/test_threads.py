"""What is special about Threads: answers in two steps, tokens renewed by schedule, answers below own threads."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import (
    Absent,
    Accepted,
    Budget,
    CannotKnow,
    Deleted,
    Found,
    Incoming,
    Medium,
    Outgoing,
    PostKind,
    Prepared,
    Secrets,
    Sent,
)
from connectors.faults import AuthExpired, AuthRevoked, Gone, InDoubt, Invalid, NotPermitted, RateLimited, Unavailable
from connectors.networks.threads.connector import Threads
from tests.fakes.graph import SECRET, refused, stamp
from tests.fakes.network import CANARY
from tests.fakes.server import Reply
from tests.fakes.threads import OURS, Fake

NOW = datetime.now(UTC)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def plain(fake, **secrets):
    """The connector itself, which stops between the two steps."""
    given = {"access_token": CANARY, "app_secret": SECRET, **secrets}
    return Threads({**fake.settings(), "facts": fake.facts()}, Secrets(given), fake.connector().seam)


def read(fake, source="replies", cursor=None, requests=50, now=None):
    fake.source = source
    return fake.read(fake.connector(), cursor, requests, now)


def one(fake, identity, source="replies"):
    return next(post for post in read(fake, source)[0] if post.external_id == identity)


def answering(post, text="We are on it", **more):
    return Outgoing(key="k", text=text, parent=post, sending_at=datetime.now(UTC), **more)


def test_an_answer_takes_two_calls_and_the_first_shows_nothing(fake):
    post, connector = one(fake, fake.say("Help!")), plain(fake)
    prepared = connector.send(answering(post))
    assert isinstance(prepared, Prepared)
    assert fake.made() == []
    sent = connector.send(answering(post, prepared=prepared.token))
    assert isinstance(sent, Sent)
    assert [made["text"] for made in fake.made()] == ["We are on it"]
    first = [asked for asked in fake.server.asked if asked.path.endswith("/me/threads") and asked.method == "POST"]
    assert f"reply_to_id={post.external_id}" in first[0].body.decode()


def test_a_container_lost_on_the_way_is_made_anew(fake):
    outgoing, connector = answering(one(fake, fake.say("Help!"))), plain(fake)
    real = fake.answer

    def lost(asked):
        real(asked)
        return Reply(manner="reset")

    fake.answer = lambda asked: lost(asked) if asked.method == "POST" else real(asked)
    with pytest.raises(InDoubt):
        connector.send(outgoing)
    assert isinstance(connector.find(outgoing), Absent)
    fake.answer = real
    again = connector.send(outgoing)
    connector.send(answering(outgoing.parent, prepared=again.token))
    assert len(fake.made()) == 1


def test_a_publishing_lost_on_the_way_is_settled_by_looking(fake):
    post, connector = one(fake, fake.say("Help!")), plain(fake)
    prepared = connector.send(answering(post))
    outgoing = answering(post, prepared=prepared.token)
    assert isinstance(connector.find(outgoing), Absent)
    fake.order("made, unanswered", writing=True)
    with pytest.raises(InDoubt):
        connector.send(outgoing)
    found = connector.find(outgoing)
    assert isinstance(found, Found)
    fake.delete(found.external_id)
    assert isinstance(connector.find(outgoing), CannotKnow)


CODES = [
    (190, None, 400, AuthRevoked), (190, 463, 400, AuthExpired), (2, None, 500, Unavailable),
    (10, None, 400, NotPermitted), (4, None, 400, RateLimited), (100, 33, 400, Gone), (100, None, 400, Invalid),
]  # fmt: skip


@pytest.mark.parametrize(("code", "subcode", "status", "fault"), CODES)
def test_a_refusal_is_what_its_code_says(fake, code, subcode, status, fault):
    fake.answer = lambda asked: refused(code, subcode, status)
    with pytest.raises(fault) as raised:
        read(fake, "mentions")
    assert type(raised.value) is fault


def test_each_answer_to_our_thread_begins_a_conversation_and_may_be_hidden(fake):
    first = one(fake, fake.say("Is it green?"))
    assert (first.kind, first.parent_id, first.root_id) == (PostKind.REPLY, OURS, first.external_id)
    assert first.subject == "Our new tea is here"
    below = one(fake, fake.say("I wonder too", person="theo", parent=first.external_id))
    assert (below.parent_id, below.root_id, below.subject) == (first.external_id, None, "")
    connector = fake.connector()
    assert set(connector.can(first, NOW)) == {"reply", "hide"}
    hidden = connector.do("hide", first).post
    assert fake.posts[first.external_id]["hide_status"] == "HIDDEN"
    assert set(connector.can(hidden, NOW)) == {"reply", "unhide"}
    assert set(connector.can(one(fake, first.external_id), NOW)) == {"reply", "unhide"}
    connector.do("unhide", first)
    assert fake.posts[first.external_id]["hide_status"] == "UNHUSHED"


def test_an_older_thread_is_read_with_each_round_while_somebody_is_answered_there(fake):
    fake.posts[OURS]["timestamp"] = stamp(NOW - timedelta(days=5))
    first, connector = fake.say("Is it green?"), fake.connector()
    posts, _, cursor, _ = fake.read(connector, now=NOW)
    assert [post.external_id for post in posts] == [first]
    fake.say("more", parent=first)
    assert fake.read(connector, cursor, now=NOW + timedelta(minutes=5))[0] == []
    connector.open_roots, connector.hosts = lambda: [first], lambda roots: {first: OURS}
    posts, _, cursor, _ = fake.read(connector, cursor, now=NOW + timedelta(minutes=5))
    assert [post.text for post in posts] == ["Is it green?", "more"]
    assert all("hide" in connector.can(post, NOW) for post in posts)


def test_what_is_said_to_our_answer_below_a_mention_is_read_and_cannot_be_hidden(fake):
    mention = fake.post("8001", "@acme is it good?", "carla", stamp(NOW - timedelta(minutes=30)))
    ours = fake.post("8002", "Yes", "acme", stamp(NOW - timedelta(minutes=20)), "8001", root_post={"id": "8001"})
    theirs = fake.post("8003", "And the price?", "carla", stamp(NOW), "8002", root_post={"id": "8001"})
    fake.posts |= {"8001": mention, "8002": ours, "8003": theirs}
    connector = fake.connector()
    connector.open_roots, connector.hosts = lambda: ["8001"], lambda roots: {"8001": ""}
    posts, bad, cursor, _ = fake.read(connector)
    assert [(post.external_id, post.parent_id, post.ours) for post in posts] == [
        ("8002", "8001", True),
        ("8003", "8002", False),
    ]
    assert set(connector.can(posts[1], NOW)) == {"reply"}
    fake.forbid("8001")
    for _ in range(2):
        _, bad, cursor, _ = fake.read(connector, cursor)
        assert bad == []
    before = fake.requests()
    fake.read(connector, cursor)
    assert fake.requests() - before == 2  # the list and our thread of today


def test_our_own_answer_can_be_deleted_twice_and_not_liked(fake):
    connector = fake.connector()
    sent = connector.send(answering(one(fake, fake.say("x"))))
    ours = one(fake, sent.external_id)
    assert set(connector.can(ours, NOW)) == {"reply", "delete"}
    connector.do("delete", ours)
    connector.do("delete", ours)
    assert fake.made() == []
    assert connector.refresh([ours.external_id], NOW) == [Deleted(ours.external_id)]
    with pytest.raises(NotPermitted):
        connector.do("like", ours)


def test_mentions_and_searches_are_read_and_cannot_be_hidden(fake):
    at = stamp(fake.start)
    fake.found = [
        fake.post("801", "@acme hello", "theo", at),
        fake.post("802", "@acme see", "ines", at, is_quote_post=True),
    ]
    posts = {post.external_id: post for post in read(fake, "mentions")[0]}
    assert (posts["801"].kind, posts["802"].kind) == (PostKind.MENTION, PostKind.QUOTE)
    assert (posts["801"].author.external_id, posts["801"].author.handle) == ("name:theo", "theo")
    assert set(fake.connector().can(posts["801"], NOW)) == {"reply"}
    found = {post.external_id: post.kind for post in read(fake, "search:tea")[0]}
    assert found == {"801": PostKind.RESULT, "802": PostKind.RESULT}
    assert [source.name for source in fake.connector().listening()] == ["replies", "mentions", "search:tea"]


@pytest.mark.parametrize("count", [1, 2, 8, 30])
def test_searches_keep_to_what_a_day_has_room_for_whatever_they_find(fake, count):
    words = [f"word{number}" for number in range(count)]
    topics = fake.connector().searching(words)
    settings = {**fake.settings(), "searches": words}
    fake.settings = lambda: settings
    own = [source for source in fake.connector().listening() if source.name.startswith("search:")]
    assert [source.name for source in topics] == [source.name for source in own] == [f"search:{one}" for one in words]
    for searches, room in ((topics, 1_500), (own, 500)):
        assert len(searches) * 2 * 86_400 <= room * min(source.least for source in searches)
        assert all(source.least <= source.interval <= source.most for source in searches)
    assert min(source.least for source in topics) >= 900


def test_the_rights_of_the_token_are_told(fake):
    check = fake.connector().check()
    assert "threads_keyword_search" in check.scopes
    assert check.facts["searches"] is True
    fake.scopes = ["threads_basic"]
    assert fake.connector().check().facts["searches"] is False
    fake.scopes = None  # it does not say
    check = fake.connector().check()
    assert (check.scopes, "searches" in check.facts) == ((), False)


def test_an_old_thread_is_looked_into_once_a_day(fake):
    fake.posts[OURS]["timestamp"] = stamp(fake.start - timedelta(days=10))
    fake.say("x")
    _, _, cursor, _ = read(fake)
    late = fake.say("y")
    assert read(fake, cursor=cursor)[0] == []
    tomorrow = datetime.now(UTC) + timedelta(hours=24, minutes=1)
    assert late in {post.external_id for post in read(fake, cursor=cursor, now=tomorrow)[0]}


def test_a_token_tells_its_end_so_that_it_is_renewed_ahead_of_that(fake):
    connector = Threads(fake.settings(), Secrets({"app_secret": SECRET}), fake.connector().seam)
    grant = connector.begin("https://care.example/back/", "state-1")
    assert "threads_basic%2Cthreads_content_publish" in grant.url
    assert SECRET not in grant.url
    kept = connector.finish("the-code", "https://care.example/back/", grant.secrets)
    assert kept["access_token"] == CANARY
    assert abs(int(kept["expires_at"]) - datetime.now(UTC).timestamp() - 5183944) < 60
    signed_in = plain(fake, **kept)
    list(signed_in.poll("mentions", None, Budget(), datetime.now(UTC) + timedelta(days=50)))
    assert int(signed_in.renew(kept)["expires_at"]) >= int(kept["expires_at"])


def test_a_token_that_cannot_be_renewed_says_so_however_long_it_lasts(fake):
    now = int(datetime.now(UTC).timestamp())
    kept = Secrets({"access_token": CANARY, "expires_at": str(now + 30 * 86_400)})
    fake.answer = lambda asked: Reply(500, {})
    with pytest.raises(Unavailable):
        plain(fake).renew(kept)
    fake.answer = lambda asked: refused(190)
    with pytest.raises(AuthRevoked):
        plain(fake).renew(kept)


def test_checking_says_who_we_are_and_when_few_replies_are_left(fake, monkeypatch):
    check = plain(fake, expires_at="4000000000").check()
    assert (check.account_id, check.account_name, check.warnings) == ("77", "@acme", ())
    limit = {"data": [{"reply_quota_usage": 950, "reply_config": {"quota_total": 1000}}]}
    monkeypatch.setattr(fake, "mine", lambda edge, given: limit)
    first, second = plain(fake).check().warnings
    assert "not renewed" in first
    assert "50 replies" in second


def test_a_signed_delivery_is_mapped_in_both_forms(fake):
    value = fake.posts[fake.say("Is it green?")] | {"root_post": {"id": OURS, "owner_id": "77", "username": "acme"}}
    for whole in ({"values": {"field": "replies", "value": value}},
                  {"entry": [{"id": "77", "changes": [{"field": "replies", "value": value}]}]}):  # fmt: skip
        body = json.dumps(whole).encode()
        good = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        connector = plain(fake)
        taken = connector.receive(Incoming("POST", {"x-hub-signature-256": good}, body), NOW)
        assert isinstance(taken, Accepted)
        assert connector.receive(Incoming("POST", {"x-hub-signature-256": "sha256=0"}, body), NOW).status == 403
        (post,) = connector.unpack(body, NOW).posts
        assert (post.text, post.root_id, post.grants["under_ours"]) == ("Is it green?", post.external_id, True)
        elsewhere = body.replace(b'"77"', b'"78"')  # another account of the same app
        assert connector.unpack(elsewhere, NOW).posts == ()


def files(*named):
    kinds = {"jpg": ("image", "image/jpeg"), "mp4": ("video", "video/mp4"), "gif": ("animation", "image/gif")}
    for name in named:
        kind, of = kinds[name.rpartition(".")[2]]
        where = f"https://care.example/lent/{name}"
        yield Medium(key=name, kind=kind, type=of, size=3, name=name, read=lambda: b"abc", address=lambda at=where: at)


def test_one_file_is_the_answers_own_container_which_is_published_when_it_was_looked_through(fake):
    (clip,) = files("clip.mp4")
    fake.web = {clip.address(): clip.read()}
    outgoing, connector = answering(one(fake, fake.say("Broken?")), media=(clip,)), plain(fake)
    first = connector.upload(clip, outgoing, "")
    assert (first.whole, first.wait) == (False, 15)
    assert not connector.upload(clip, outgoing, first.token).whole
    assert connector.upload(clip, outgoing, first.token).whole
    there = replace(outgoing, media=(replace(clip, token=first.token),))
    assert connector.send(there) == Prepared(first.token)
    connector.send(replace(there, prepared=first.token))
    assert list(fake.containers) == [first.token]
    (made,) = fake.made()
    assert (made["text"], fake.attached(made)) == ("We are on it", [(b"abc", None)])


def test_several_files_are_published_together_and_not_before_they_are_put_together(fake):
    media = tuple(files("a.jpg", "b.mp4"))
    fake.web = {each.address(): each.name.encode() for each in media}
    outgoing, connector = answering(one(fake, fake.say("Broken?")), media=media), plain(fake)
    tokens = [connector.upload(each, outgoing, "").token for each in media]
    there = replace(
        outgoing, media=tuple(replace(each, token=token) for each, token in zip(media, tokens, strict=True))
    )
    held = connector.send(there).token
    fake.containers[held]["status"] = "IN_PROGRESS"
    with pytest.raises(Unavailable):
        connector.send(replace(there, prepared=held))
    assert fake.made() == []
    del fake.containers[held]["status"]
    connector.send(replace(there, prepared=held))
    (made,) = fake.made()
    assert [body for body, _ in fake.attached(made)] == [b"a.jpg", b"b.mp4"]


def test_a_file_that_it_cannot_fetch_or_that_ended_unpublished_is_said_or_made_anew(fake):
    (clip,) = files("clip.mp4")
    outgoing, connector = answering(one(fake, fake.say("Broken?")), media=(clip,)), plain(fake)
    first = connector.upload(clip, outgoing, "").token
    with pytest.raises(Invalid, match="could not fetch from us “clip"):
        connector.upload(clip, outgoing, first)
    fake.containers[first]["status"] = "EXPIRED"
    again = connector.upload(clip, outgoing, first)
    assert (again.token, again.whole) == ("", False)
    assert again.wait  # asked for so often and no more
    assert connector.upload(clip, outgoing, "12345").token == ""


def test_files_need_an_installation_that_is_reached_and_no_gif_is_taken(fake):
    post = one(fake, fake.say("x"))
    (wave,) = files("wave.gif")
    assert "library of its own" in plain(fake).media_rule(post).problems([wave], "Threads")[0]
    settings = {**fake.settings(), "reached": False}
    rule = Threads(settings, Secrets({}), fake.connector().seam).media_rule(post)
    assert "PUBLIC_URL" in rule.problems([wave], "Threads")[0]

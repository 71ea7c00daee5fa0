"""What is special about Discourse: posts named by their number in a topic, pages with holes, private messages, and
refusals that do not say what they are about."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import Budget, Deleted, Medium, Outgoing, PostKind, PostState, Sent, Visibility, Withheld
from connectors.faults import (
    AuthRevoked,
    Duplicate,
    Gone,
    Invalid,
    NotPermitted,
    PolicyRefused,
    RateLimited,
    Unavailable,
    Unreadable,
)
from connectors.networks.discourse.api import place_of
from tests.fakes.discourse import ME, PRIVATE, TOPIC, USER, Fake, no
from tests.fakes.server import Reply

NOW = datetime.now(UTC)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def read(fake, source="posts", cursor=None, now=None):
    fake.source = source
    return fake.read(fake.connector(), cursor, now=now)


def one(fake, identity, source="posts"):
    return next(post for post in read(fake, source)[0] if post.external_id == identity)


def answering(post, text="We are on it"):
    return Outgoing(key="k", text=text, parent=post, sending_at=datetime.now(UTC))


def test_a_topic_is_a_thread_and_each_post_names_what_it_answers(fake):
    first = fake.say("Is it green?")
    second = fake.say("It is", "theo", first)
    top, below = one(fake, first), one(fake, second)
    assert (top.kind, top.parent_id, below.parent_id) == (PostKind.COMMENT, f"{TOPIC}/1", first)
    assert top.root_id == below.root_id
    assert top.url == f"{fake.server.url}/t/{TOPIC}/2"
    assert (top.author.handle, top.author.name) == ("carla", "Carla")
    assert top.author.avatar_url == f"{fake.server.url}/letter_avatar/carla/96/1.png"
    assert (one(fake, f"{TOPIC}/1").subject, one(fake, f"{TOPIC}/1").ours) == ("Our tea", True)


def test_holes_in_the_list_are_no_end(fake):
    first = fake.say("public")
    for number in range(120):
        fake.say(f"private {number}", topic=PRIVATE)
    last = fake.say("public again")
    assert {first, last} <= {post.external_id for post in read(fake)[0]}


def test_many_holes_are_an_end(fake):
    for number in range(300):
        fake.say(f"private {number}", topic=PRIVATE)
    before = fake.requests()
    read(fake)
    assert fake.requests() - before <= 4


def test_only_the_wanted_categories_are_heard(fake):
    wanted, other = fake.say("here", category_id=5), fake.say("there")
    connector = fake.connector()
    connector.settings = {**connector.settings, "categories": ["5"]}
    heard = {post.external_id for post in fake.read(connector)[0]}
    assert wanted in heard
    assert other not in heard


def test_a_private_message_is_heard_by_its_notification(fake):
    told = fake.tell(fake.say("Where is my parcel?", topic=PRIVATE), 6)
    fake.tell(fake.say("a badge", topic=PRIVATE), 12)
    posts, bad, cursor, _ = read(fake, "notifications")
    assert [(post.external_id, post.kind, post.visibility) for post in posts] == [
        (told, PostKind.DIRECT, Visibility.DIRECT)
    ]
    assert not bad
    assert told not in {post.external_id for post in read(fake)[0]}
    before = fake.requests()
    assert read(fake, "notifications", cursor)[0] == []
    assert fake.requests() - before == 1
    sent = fake.connector().send(answering(posts[0]))
    assert fake.at(sent.external_id)["topic_id"] == PRIVATE


def test_a_text_is_measured_by_what_the_forum_takes(fake):
    facts = fake.connector().check().facts
    assert (facts["least"], facts["least_private"], facts["most"]) == (5, 2, 1_000)
    connector = fake.connector()
    public = one(fake, fake.say("Is it green?"))
    private = one(fake, fake.tell(fake.say("Where is it?", topic=PRIVATE), 6), "notifications")
    connector.facts = facts
    assert connector.measure(" yes ", public).problems == ("The forum takes 5 characters at least.",)
    assert connector.measure("yes", private).problems == ()
    assert connector.measure("x" * 1_001, public).problems == ("1 characters too long.",)
    connector.facts = {}  # a forum that keeps it to itself
    assert [connector.measure(text, public).problems for text in ("ok", "x" * 32_000)] == [(), ()]
    assert connector.measure("x" * 32_001, public).problems


@pytest.mark.parametrize("told", [None, "20", True])
def test_a_forum_that_says_its_lengths_oddly_says_none(fake, told):
    real = fake.answer
    fake.answer = lambda asked: (
        Reply(200, {"min_post_length": told}) if asked.path == "/site/settings.json" else real(asked)
    )
    assert "least" not in fake.connector().check().facts


@pytest.mark.parametrize("kind", [1, 2, 3, 9, 15])
def test_whoever_names_or_answers_us_within_a_private_message_did_so_in_private(fake, kind):
    first = fake.say("Where is my parcel?", topic=PRIVATE)
    told = fake.tell(fake.say("@care my IBAN is 1", parent=first, topic=PRIVATE), kind)
    fake.tell(fake.say("@care and again", parent=told, topic=PRIVATE), kind)
    public = fake.tell(fake.say("@care is it green?"), kind)
    before = fake.requests()
    heard = {post.external_id: post for post in read(fake, "notifications")[0]}
    assert [(heard[told].kind, heard[told].visibility)] == [(PostKind.DIRECT, Visibility.DIRECT)]
    assert (heard[public].kind, heard[public].visibility) == (PostKind.COMMENT, Visibility.PUBLIC)
    assert fake.requests() - before == 1 + 3 + 2  # the list, each post, each topic once
    (above,) = fake.connector().ancestors(heard[told], NOW)
    assert (above.external_id, above.visibility) == (first, Visibility.DIRECT)


def test_what_stands_in_a_topic_that_is_not_shown_to_us_is_taken_for_private(fake):
    told = fake.tell(fake.say("@care is it green?"), 1)
    shown = fake.topic
    fake.topic = lambda *asked: no(403, "invalid_access")
    assert one(fake, told, "notifications").visibility is Visibility.DIRECT
    fake.topic = lambda *asked: Reply(200, {**shown(*asked).body, "archetype": None})
    assert one(fake, told, "notifications").visibility is Visibility.DIRECT


def test_notifications_cut_by_the_budget_are_worked_off_later(fake):
    told = [fake.tell(fake.say(f"hello {number}", topic=PRIVATE), 6) for number in range(7)]
    seen, cursor = [], None
    for _ in range(4):
        posts, _, cursor, _ = fake.read(source(fake), cursor, requests=3)
        seen += [post.external_id for post in posts]
    assert seen == told


def source(fake):
    fake.source = "notifications"
    return fake.connector()


def test_what_was_said_to_us_in_a_week_without_reading_is_news_and_before_the_first_reading_is_not(fake):
    fake.start = NOW - timedelta(days=10)
    before = fake.tell(fake.say("Long ago", topic=PRIVATE), 6)
    posts, _, cursor, _ = read(fake, "notifications", now=NOW - timedelta(days=7))
    assert [(post.external_id, post.history) for post in posts] == [(before, True)]
    fake.start = NOW - timedelta(days=5)
    late = fake.tell(fake.say("Where is my order?", topic=PRIVATE), 6)
    posts, _, cursor, _ = read(fake, "notifications", cursor, NOW)
    assert [(post.external_id, post.history) for post in posts] == [(late, False)]


def test_more_notifications_than_the_list_holds_are_a_gap(fake):
    fake.tell(fake.say("first"), 1)
    _, _, cursor, _ = read(fake, "notifications")
    for number in range(40):
        fake.tell(fake.say(f"hello {number}"), 1)
    assert read(fake, "notifications", cursor)[3][0].reason


@pytest.mark.parametrize("cursor", [{}, {"seen": "soon", "todo": []}, {"seen": 1, "todo": [1]}])
def test_a_place_among_notifications_that_cannot_be_used_begins_again(fake, cursor):
    told = fake.tell(fake.say("hello"), 1)
    posts, _, _, gaps = read(fake, "notifications", cursor)
    assert [post.external_id for post in posts] == [told]
    assert len(gaps) == 1


def test_a_post_shown_as_deleted_to_who_may_see_it_is_deleted(fake):
    first, second = fake.say("first"), fake.say("second")
    fake.at(first)["deleted_at"] = "2026-01-01T00:00:00Z"
    fake.at(second)["hidden"] = True
    connector = fake.connector()
    found = connector.refresh([first, second, "x"], NOW)
    assert found[0] == Deleted(first)
    assert not isinstance(found[1], Withheld)
    assert found[1].state is PostState.WITHHELD
    assert found[2] == Deleted("x")
    fake.at(second)["hidden"] = False
    with pytest.raises(Gone):
        connector.send(answering(one(fake, first)))
    assert fake.writings() == 0


def test_a_text_like_one_that_is_there_is_a_reason_to_look(fake):
    post, connector = one(fake, fake.say("Help!")), fake.connector()
    first = connector.send(answering(post))
    assert isinstance(first, Sent)
    with pytest.raises(Duplicate):
        connector.send(answering(post))
    with pytest.raises(Invalid) as raised:
        connector.send(answering(post, "No"))
    assert raised.value.field == "text"


def test_our_answer_is_found_in_a_long_topic(fake):
    post, connector = one(fake, fake.say("Help!")), fake.connector()
    for number in range(30):
        fake.say(f"me too {number}")
    sent = connector.send(answering(post))
    assert connector.find(answering(post)).external_id == sent.external_id


def test_an_answer_with_a_picture_of_its_writers_own_is_found(fake):
    post, connector = one(fake, fake.say("Help!")), fake.connector()
    words = "Look:\n\n![our shop](https://acme.example/shop.png)\n\nWe open at nine."
    sent = connector.send(answering(post, words))
    (made,) = fake.made()
    made["cooked"] = '<p>Look:</p><p><img src="/shop.png" alt="our shop"></p><p>We open at nine.</p>'
    assert connector.find(answering(post, words)).external_id == sent.external_id
    hanging = Medium(
        key="f", kind="image", type="image/png", size=3, name="a.png", read=lambda: b"png", token="upload://x"
    )
    made["raw"] += "\n\n![a.png](upload://x)"
    wish = replace(answering(post, words), media=(hanging,))
    assert connector.find(wish).external_id == sent.external_id


def test_a_closed_topic_is_answered_by_hand(fake):
    post = one(fake, fake.say("Help!"))
    fake.closed = True
    with pytest.raises(PolicyRefused) as raised:
        fake.connector().send(answering(post))
    assert raised.value.url == post.url


def test_a_post_is_reported_to_the_moderators_once(fake):
    post, connector = one(fake, fake.say("Buy pills")), fake.connector()
    assert connector.can(post, NOW)["report"].allowed
    connector.do("report", post)
    connector.do("report", post)
    now = one(fake, post.external_id)
    assert "report" not in connector.can(now, NOW)
    assert "like" in connector.can(now, NOW)


def test_what_is_liked_here_can_be_taken_back_here_though_looking_at_it_again_tells_nothing_new(fake):
    post, connector = one(fake, fake.say("Nice shoes")), fake.connector()
    liked = connector.do("like", post).post
    assert "unlike" in connector.can(liked, NOW)
    assert "like" in connector.can(connector.do("unlike", liked).post, NOW)


def test_a_corrected_answer_keeps_its_pictures(fake):
    connector = fake.connector()
    post = one(fake, fake.say("Where is it?"))
    raw = "It is there ![map](upload://a.jpg)\n\nHere:\n\n![left|24x18](upload://b.jpg)\n\n![right](upload://c.jpg)"
    sent = connector.send(Outgoing(key="k", text=raw, parent=post, sending_at=NOW))
    own = replace(post, external_id=sent.external_id, ours=True)
    connector.do("edit", own, "It was there ![right](upload://c.jpg)")
    assert fake.made()[0]["raw"] == "It was there ![right](upload://c.jpg)\n\n![left|24x18](upload://b.jpg)"
    connector.do("edit", own, "It was there ![right](upload://c.jpg)")
    assert fake.made()[0]["raw"] == "It was there ![right](upload://c.jpg)\n\n![left|24x18](upload://b.jpg)"


def test_a_post_is_liked_once_and_the_like_taken_back(fake):
    post, connector = one(fake, fake.say("Great tea")), fake.connector()
    assert connector.can(post, NOW)["like"].allowed
    connector.do("like", post)
    connector.do("like", post)
    assert one(fake, post.external_id).grants["liked"]
    assert "unlike" in connector.can(one(fake, post.external_id), NOW)
    connector.do("unlike", post)
    connector.do("unlike", post)
    assert not one(fake, post.external_id).grants["liked"]
    with pytest.raises(NotPermitted):
        connector.do("hide", post)


def test_an_own_answer_can_be_corrected_and_taken_back(fake):
    post, connector = one(fake, fake.say("Help!")), fake.connector()
    sent = connector.send(answering(post))
    own = one(fake, sent.external_id)
    assert {"edit", "delete"} <= set(connector.can(own, NOW))
    connector.do("edit", own, "We were on it")
    assert fake.at(sent.external_id)["raw"] == "We were on it"
    connector.do("delete", own)
    connector.do("delete", own)
    assert fake.at(sent.external_id)["deleted_at"]
    assert sum(asked.method == "DELETE" for asked in fake.server.asked) == 1


def test_a_wrong_key_is_told_from_a_thing_we_may_not_see(fake):
    with pytest.raises(AuthRevoked):
        fake.connector(secrets={"api_key": "another-key"}).check()
    identity = fake.say("Help!")
    real = fake.answer
    fake.answer = lambda asked: no(403, "invalid_access") if "by_number" in asked.path else real(asked)
    with pytest.raises(NotPermitted):
        fake.connector().refresh([identity], NOW)


@pytest.mark.parametrize("source", ["posts", "notifications"])
def test_a_page_of_whoever_stands_before_the_forum_is_no_refusal_of_the_key(fake, source):
    fake.say("Help!")
    fake.answer = lambda asked: Reply(403, "<html>Just a moment…</html>", {"Content-Type": "text/html"})
    fake.source = source
    with pytest.raises(Unavailable):
        fake.read(fake.connector())


def test_the_wait_is_the_one_the_forum_names(fake):
    fake.answer = lambda asked: no(429, "rate_limit", extras={"wait_seconds": 300})
    with pytest.raises(RateLimited) as raised:
        read(fake, now=NOW)
    assert raised.value.until == NOW + timedelta(seconds=300)


def test_a_check_says_who_we_are(fake):
    check = fake.connector().check()
    assert check.facts == fake.facts()
    assert check.account_name.startswith("Care (127.0.0.1:")


@pytest.mark.parametrize("name", ["", "7", "40/x", "../1", "40/-1"])
def test_what_is_no_post_is_asked_for_nowhere(name):
    with pytest.raises(Gone):
        place_of(name)


@pytest.mark.parametrize(
    ("extensions", "videos"),
    [("", set()), ("jpg|png", set()), ("jpg|.MP4", {"video/mp4"}), ("*", {"video/mp4", "video/quicktime"})],
)
def test_videos_may_hang_from_an_answer_where_the_forum_lets_them(fake, extensions, videos):
    fake.extensions = extensions
    facts = dict(fake.connector().check().facts)
    fake.facts = lambda: facts
    rule = fake.connector().media_rule(None)
    assert {each for each in rule.types if each.startswith("video")} == videos


# Searching


def hits(fake):
    return [each.path for each in fake.server.asked if each.path.startswith("/posts/")]


def test_a_search_names_posts_which_are_then_read_once(fake):
    for number in range(7):
        fake.say(f"kettle {number}", topic=77)
    fake.say("the kettle in private", topic=PRIVATE)
    fake.say("a teapot")
    fake.hits = 3  # a page
    posts, bad, cursor, _ = read(fake, "search:kettle")
    assert sorted(post.text for post in posts) == [f"kettle {number}" for number in range(7)]
    assert {(post.kind, post.visibility) for post in posts} == {(PostKind.RESULT, Visibility.PUBLIC)}
    assert not bad
    fake.say("kettle 7")
    before = len(hits(fake))
    assert [post.text for post in read(fake, "search:kettle", cursor)[0]] == ["kettle 7"]
    assert len(hits(fake)) == before + 1


def test_a_search_that_is_cut_goes_on_where_it_was(fake):
    for number in range(7):
        fake.say(f"kettle {number}")
    fake.hits, fake.source, cursor, found = 3, "search:kettle", None, []
    for _ in range(6):
        posts, _, cursor, _ = fake.read(fake.connector(), cursor, requests=2)
        found += [post.text for post in posts]
    assert sorted(found) == [f"kettle {number}" for number in range(7)]
    assert cursor["todo"] == []


def test_what_was_found_and_is_gone_or_closed_keeps_nothing_else(fake):
    told = {text: fake.say(f"kettle {text}", topic=77) for text in ("gone", "closed", "there")}
    closed = fake.at(told["closed"])["id"]
    fake.searched, searched = lambda *asked: gone(fake, told["gone"], searched(*asked)), fake.searched
    fake.forbid(str(closed))
    posts, bad, _, _ = read(fake, "search:kettle")
    assert [post.text for post in posts] == ["kettle there"]
    assert [each.external_id for each in bad] == [str(closed)]


@pytest.mark.parametrize("source", ["search:kettle", "notifications"])
def test_a_post_that_is_told_oddly_is_set_aside_and_the_others_are_read(fake, source):
    said = [fake.tell(fake.say(f"kettle {number}", topic=77), 1) for number in range(3)]
    odd = str(fake.at(said[1])["id"])
    answer_oddly(fake, f"/posts/{odd}.json")
    posts, bad, cursor, _ = read(fake, source)
    assert sorted(post.external_id for post in posts) == [said[0], said[2]]
    assert ([each.external_id for each in bad], cursor["todo"]) == ([odd], [])


@pytest.mark.parametrize("source", ["search:kettle", "notifications"])
def test_a_page_of_whoever_stands_before_the_forum_sets_nothing_aside_and_passes(fake, source):
    said = {fake.tell(fake.say(f"kettle {number}", topic=77), 1) for number in range(3)}
    lists, real, bad, cursor = ("/search.json", "/notifications.json"), fake.answer, (), None
    fake.answer = lambda asked: real(asked) if asked.path in lists else Reply(200, "<html>Just a moment…</html>")
    with pytest.raises(Unreadable):
        for page in fake.connector().poll(source, None, Budget(requests=50), NOW):
            bad, cursor = (*bad, *page.bad), deepcopy(page.cursor)
    assert not bad
    fake.answer = real
    assert {post.external_id for post in read(fake, source, cursor)[0]} == said


@pytest.mark.parametrize(("topic", "shown"), [(77, Visibility.PUBLIC), (PRIVATE, Visibility.DIRECT)])
def test_what_was_set_aside_is_read_again_by_its_number_and_its_topic_says_for_whom_it_is(fake, topic, shown):
    said = fake.say("a kettle", topic=topic)
    [post] = fake.connector().refresh([str(fake.at(said)["id"])], NOW)
    assert (post.external_id, post.visibility) == (said, shown)
    assert fake.connector().refresh(["9" * 7], NOW) == [Deleted("9" * 7)]


@pytest.mark.parametrize("odd", ["<html>Just a moment…</html>", {"errors": ["no"], "error_type": "moon_landing"}])
def test_what_is_not_known_to_be_public_since_its_topic_is_told_oddly_is_not_and_a_hit_is_set_aside(fake, odd):
    said = [fake.tell(fake.say(f"kettle {topic}", category_id=5, topic=topic), 1) for topic in (77, 78)]
    answer_oddly(fake, "/t/78.json", odd)
    shown = {post.external_id: post.visibility for post in read(fake, "notifications")[0]}
    assert shown == {said[0]: Visibility.PUBLIC, said[1]: Visibility.DIRECT}
    kept = fake.settings()
    fake.settings = lambda: kept | {"categories": ["5"]}
    posts, bad, _, _ = read(fake, "search:kettle")
    assert ([post.external_id for post in posts], [each.external_id for each in bad]) == ([said[0]], [said[1]])


def answer_oddly(fake, path, told="<html>Just a moment…</html>"):
    odd = Reply(200, told, {"Content-Type": "text/html"}) if isinstance(told, str) else Reply(422, told)
    real = fake.answer
    fake.answer = lambda asked: odd if asked.path == path else real(asked)


def gone(fake, identity, reply):
    if fake.at(identity):
        fake.delete(identity)
    return reply


def test_a_hit_that_cannot_be_read_is_set_aside_and_a_place_that_is_none_begins_anew(fake):
    fake.say("a kettle")
    fake.say("a kettle of no time", created_at="soon")
    _, _, cursor, _ = read(fake, "search:kettle")
    posts, bad, _, _ = read(fake, "search:kettle", cursor | {"at": "nowhere", "seen": []})
    assert [post.text for post in posts] == ["a kettle"]
    assert len(bad) == 1


def test_a_search_keeps_to_the_wanted_categories_and_to_what_others_say(fake):
    fake.say("a kettle here", category_id=5, topic=77)
    fake.say("a kettle there", topic=78)
    fake.say("our kettle", USER, category_id=5, topic=77, user_id=ME)
    kept = fake.settings()
    fake.settings = lambda: kept | {"categories": ["5"]}
    assert [post.text for post in read(fake, "search:kettle")[0]] == ["a kettle here"]


def test_a_search_of_the_past_brings_what_is_older_than_the_first_reading(fake):
    fake.start -= timedelta(days=20)
    fake.say("an old kettle")
    assert read(fake, "search:kettle")[0] == []
    past = fake.connector().history("search:kettle", {}, NOW - timedelta(days=30), NOW)
    [post] = read(fake, "search:kettle", past.cursor)[0]
    assert post.text == "an old kettle"
    assert not past.whole


def test_words_that_a_forum_does_not_search_for_are_refused(fake):
    with pytest.raises(NotPermitted):
        read(fake, "search:tv")
    fake.searches = False
    with pytest.raises(NotPermitted):
        read(fake, "search:kettle")

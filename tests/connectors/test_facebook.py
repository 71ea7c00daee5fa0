"""What is special about Facebook pages and the Graph API: codes instead of statuses, usage, comments under many posts,
messages and their windows, what each comment allows, signing in, deliveries."""

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
    Challenge,
    Found,
    Incoming,
    Outgoing,
    PostKind,
    PostState,
    Rejected,
    Secrets,
)
from connectors.faults import (
    AuthExpired,
    AuthRevoked,
    Duplicate,
    Gone,
    InDoubt,
    Invalid,
    NotPermitted,
    PolicyRefused,
    RateLimited,
    Unavailable,
)
from connectors.meta.graph import bare, slower, time_of, usage
from connectors.networks.facebook import api as facebook_api
from connectors.networks.facebook.connector import Facebook
from tests.fakes.facebook import OURS, Fake
from tests.fakes.graph import SECRET, refused, stamp
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


def answering(fake, post, text="We are on it", **more):
    return Outgoing(key="k", text=text, parent=post, sending_at=datetime.now(UTC), **more)


CODES = [
    (190, 460, AuthRevoked, AuthRevoked), (190, None, AuthRevoked, AuthRevoked), (190, 463, AuthExpired, AuthExpired),
    (190, 467, AuthExpired, AuthExpired), (102, None, AuthRevoked, AuthRevoked), (1, None, Unavailable, InDoubt),
    (2, None, Unavailable, InDoubt), (3, None, NotPermitted, NotPermitted), (10, None, NotPermitted, NotPermitted),
    (200, None, NotPermitted, NotPermitted), (299, None, NotPermitted, NotPermitted),
    (4, None, RateLimited, RateLimited), (17, None, RateLimited, RateLimited), (32, None, RateLimited, RateLimited),
    (341, None, RateLimited, RateLimited), (613, None, RateLimited, RateLimited),
    (80_001, None, RateLimited, RateLimited), (368, None, PolicyRefused, PolicyRefused),
    (506, None, Duplicate, Duplicate), (100, 33, Gone, Gone), (803, None, Gone, Gone), (100, None, Invalid, Invalid),
    (10, 2_018_278, PolicyRefused, PolicyRefused), (99_999, None, Invalid, Invalid),
]  # fmt: skip


@pytest.mark.parametrize(("code", "subcode", "of_a_read", "of_a_write"), CODES)
def test_a_refusal_is_what_its_code_says(fake, monkeypatch, code, subcode, of_a_read, of_a_write):
    outgoing = answering(fake, one(fake, fake.say("Help!")))
    monkeypatch.setattr(fake, "answer", lambda asked: refused(code, subcode))
    with pytest.raises(of_a_read) as raised:
        fake.connector().check()
    assert type(raised.value) is of_a_read
    assert "texte traduit" not in raised.value.words
    with pytest.raises(of_a_write) as raised:
        fake.connector().send(outgoing)
    assert type(raised.value) is of_a_write


def test_a_code_in_a_200_is_a_refusal_too(fake, monkeypatch):
    monkeypatch.setattr(fake, "answer", lambda asked: refused("4", status=200))
    with pytest.raises(RateLimited) as raised:
        read(fake, now=NOW)
    assert raised.value.until >= NOW + timedelta(minutes=5)


def test_usage_headers_become_rates():
    uses = {"17": [{"type": "pages", "call_count": 28, "total_cputime": 80, "total_time": "12",
                    "estimated_time_to_regain_access": 7}, None], "18": {}}  # fmt: skip
    headers = {"X-App-Usage": '{"call_count":28,"total_time":25,"total_cputime":25}',
               "X-Business-Use-Case-Usage": json.dumps(uses)}  # fmt: skip
    app, pages = usage(headers, NOW)
    assert (app.bucket, app.limit, app.remaining, app.reset_at) == ("app", 100, 72, None)
    assert (pages.bucket, pages.remaining, pages.reset_at) == ("pages 17", 20, NOW + timedelta(minutes=7))
    assert slower((app,), 60, NOW) is None
    assert slower((app, pages), 60, NOW) == 120
    assert slower((replace(pages, remaining=3),), 60, NOW) == 420
    assert usage({"X-App-Usage": "[", "X-Business-Use-Case-Usage": "7"}, NOW) == ()


def test_a_limit_nearly_reached_stops_the_asking_and_keeps_what_was_read(fake, monkeypatch):
    fake.say("hello")
    full = {"X-Business-Use-Case-Usage": json.dumps({"1": [{"call_count": 96, "estimated_time_to_regain_access": 9}]})}
    real = fake.answer

    def nearly_full(asked):
        answer = real(asked)
        return Reply(answer.status, answer.body, full)

    monkeypatch.setattr(fake, "answer", nearly_full)
    pages = fake.connector().poll("visitor_posts", None, Budget(), NOW)
    page = next(pages)
    assert page.rate[0].remaining == 4
    assert page.interval == 600
    with pytest.raises(RateLimited) as raised:
        next(pages)
    assert raised.value.until == NOW + timedelta(minutes=9)


def test_no_address_holds_a_token_and_every_call_is_proved(fake):
    fake.say("x")
    fake.connector().do("like", one(fake, "555_9001"))
    fake.connector().do("unlike", one(fake, "555_9001"))
    for asked in fake.server.asked:
        assert CANARY not in str(asked.query)
        assert asked.headers["authorization"] == f"Bearer {CANARY}"
        assert "appsecret_proof" in str(asked.query) + asked.body.decode()


# Reading


def test_a_quiet_page_costs_one_request(fake):
    fake.say("x")
    _, _, cursor, _ = read(fake)
    before = fake.requests()
    read(fake, cursor=cursor)
    assert fake.requests() - before == 1


def test_posts_with_something_new_are_read_and_the_others_not(fake):
    for number in range(600, 603):
        fake.posts[f"1_{number}"] = fake.posts[OURS] | {"id": f"1_{number}"}
    fake.say("x")
    _, _, cursor, _ = read(fake)
    late = fake.say("y", under="1_601")
    before = len(fake.server.asked)
    assert [post.external_id for post in read(fake, cursor=cursor)[0]] == [late]
    assert [asked.path for asked in fake.server.asked[before:]] == ["/v26.0/1/feed", "/v26.0/1_601/comments"]


def test_once_a_day_all_posts_are_read_two_days_back(fake):
    fake.say("x")
    _, _, cursor, _ = read(fake)
    hidden = fake.comment(
        "late and out of order", {"id": "u-x", "name": "X"}, at=stamp(fake.start - timedelta(hours=12))
    )
    assert hidden not in {post.external_id for post in read(fake, cursor=cursor)[0]}
    tomorrow = datetime.now(UTC) + timedelta(hours=24, minutes=1)
    assert hidden in {post.external_id for post in read(fake, cursor=cursor, now=tomorrow)[0]}


def test_an_older_post_is_read_as_long_as_somebody_is_answered_there(fake):
    first, visit = fake.say("first"), fake.visit("You never answer")
    _, _, cursor, _ = read(fake)
    for post in fake.posts.values():
        post["created_time"] = stamp(NOW - timedelta(days=31))
    late = [fake.say("second", parent=first), fake.say("me too", under=visit)]
    assert read(fake, cursor=cursor)[0] == []
    connector = fake.connector()
    connector.open_roots = lambda: [first, "t_carla", visit]
    posts, _, cursor, _ = fake.read(connector, cursor)
    assert [post.external_id for post in posts if post.external_id in late] == late
    connector.open_roots = lambda: ["777_1"]  # of a post that is none of ours
    assert fake.read(connector, cursor)[:2] == ([], [])


def test_what_is_said_below_a_post_elsewhere_that_tags_the_page_is_read_while_a_conversation_is_open_there(fake):
    tagged = fake.visit("I like @Acme", edge="tagged")
    assert one(fake, tagged, "tagged").kind is PostKind.MENTION
    more = fake.say("and now?", person="theo", under=tagged)
    connector, cursor, seen = fake.connector(), None, {}
    connector.open_roots = lambda: [tagged]
    fake.source = "comments"
    for _ in range(3):
        posts, bad, cursor, _ = fake.read(connector, cursor)
        seen |= {post.external_id: post.parent_id for post in posts}
        assert bad == []
    assert seen == {more: tagged}
    fake.posts[tagged]["message"] = "I do not like @Acme"
    again = {post.external_id: post.text for post in connector.refresh([more, tagged], NOW)}
    assert again == {more: "and now?", tagged: "I do not like @Acme"}


def test_what_an_open_conversation_hangs_on_is_not_guessed_where_it_is_stored(fake):
    connector, (_, _, cursor, _) = fake.connector(), read(fake)
    connector.open_roots = lambda: ["77_900", "601_9001"]
    connector.hosts = lambda roots: {"77_900": "", "601_9001": "1_601"}
    before = len(fake.server.asked)
    fake.read(connector, cursor)
    asked = [each.path.split("/")[2] for each in fake.server.asked[before:] if each.path.endswith("/comments")]
    assert asked == ["77_900", "1_601"]


def test_posts_that_are_kept_from_us_are_asked_for_once_a_day_and_not_in_each_round(fake):
    connector, (_, _, cursor, _) = fake.connector(), read(fake, now=NOW)
    connector.open_roots = lambda: ["771_1", "772_2"]
    asked = []
    for minute in (0, 2, 4, 6, 24 * 60 + 1, 24 * 60 + 3):
        before = fake.requests()
        _, _, cursor, _ = fake.read(connector, cursor, now=NOW + timedelta(minutes=minute))
        asked.append(fake.requests() - before - 1)
    assert asked[:4] == [2, 2, 0, 0]
    assert asked[4] >= 2
    assert asked[5] == 0


def test_of_many_older_posts_each_has_its_turn_and_no_round_asks_for_more_than_a_few(fake):
    fake.posts[OURS]["created_time"] = stamp(NOW - timedelta(days=40))
    for number in range(600, 612):
        fake.posts[f"1_{number}"] = fake.posts[OURS] | {"id": f"1_{number}"}
    roots = [fake.say("x", under=f"1_{number}") for number in range(600, 612)]
    connector, seen, cursor = fake.connector(), set(), None
    connector.open_roots = lambda: roots
    for _ in range(12):
        before = fake.requests()
        posts, _, cursor, _ = fake.read(connector, cursor)
        seen |= {post.external_id for post in posts}
        assert fake.requests() - before <= 1 + 5
    assert seen == set(roots)


def test_a_post_deleted_between_the_list_and_its_comments_stops_no_other(fake):
    fake.posts["1_600"] = fake.posts[OURS] | {"id": "1_600"}
    fake.say("gone", under="1_600")
    here = fake.say("here")
    _, _, cursor, _ = read(fake, requests=1)
    del fake.posts["1_600"]
    posts, bad, _, _ = read(fake, cursor=cursor)
    assert [post.external_id for post in posts] == [here]
    assert bad == []


def test_what_we_say_ourselves_on_our_page_is_ours(fake):
    question = fake.say("Is it green?")
    fake.comment("Yes", {"id": "1", "name": "Acme"}, parent=question)
    ours = [post for post in read(fake)[0] if post.ours]
    assert [(post.text, post.parent_id) for post in ours] == [("Yes", question)]


def test_a_comment_under_our_post_begins_a_thread_and_says_what_it_is_about(fake):
    first = one(fake, fake.say("Is it green?"))
    assert (first.root_id, first.parent_id, first.subject) == (first.external_id, OURS, "Our new tea is here")
    answer = one(fake, fake.say("I wonder too", person="theo", parent=first.external_id))
    assert (answer.root_id, answer.parent_id, answer.subject) == (None, first.external_id, "")


def test_a_visitors_post_is_heard_before_its_comments(fake):
    visit = fake.visit("You never answer")
    below = fake.say("me too", person="theo", under=visit)
    posts = [(post.external_id, post.kind, post.parent_id) for post in read(fake)[0]]
    assert posts == [(visit, PostKind.MENTION, None), (below, PostKind.COMMENT, visit)]
    assert [post.external_id for post in read(fake, "visitor_posts")[0]] == [visit]
    tagged = fake.visit("I like @Acme", edge="tagged")
    assert [post.external_id for post in read(fake, "tagged")[0]] == [tagged]


def test_what_was_said_long_before_the_first_reading_is_history(fake):
    fake.comment("old", {"id": "u-x", "name": "X"}, at=stamp(fake.start - timedelta(days=3)))
    fake.comment("new", {"id": "u-x", "name": "X"}, at=stamp(fake.start))
    assert {post.text: post.history for post in read(fake)[0]} == {"old": True, "new": False}


def test_somebody_facebook_does_not_name_is_a_person_of_that_comment(fake):
    first, second = (one(fake, fake.say("x", **{"from": None})) for _ in range(2))
    assert first.author.external_id != second.author.external_id
    assert "block" not in fake.connector().can(first, NOW)


@pytest.mark.parametrize("given", ["10", "555_10", "1_555_10"])
def test_ids_of_comments_come_into_one_form(given):
    assert facebook_api.comment_id(given, "1_555") == "555_10"


def test_times_are_read_in_every_form_graph_writes():
    wanted = datetime(2021, 7, 23, 9, 50, 48, tzinfo=UTC)
    for given in ("2021-07-23T09:50:48+0000", "2021-07-23T09:50:48Z", 1627033848, "1627033848", 1627033848000):
        assert time_of(given) == wanted


def test_what_is_kept_of_an_item_holds_no_page_and_no_token():
    item = {"id": "1", "attachments": {"data": [{"id": "2"}], "paging": {"next": f"x?access_token={CANARY}"}},
            "from": {"id": "3", "email": "3@example"}, "access_token": CANARY}  # fmt: skip
    assert bare(item) == {"id": "1", "attachments": {"data": [{"id": "2"}]}, "from": {"id": "3"}}


def test_a_deleted_comment_is_found_among_many_without_asking_for_each(fake):
    ids = [fake.say(f"x {number}") for number in range(40)]
    fake.delete(ids[17])
    before = fake.requests()
    standing = fake.connector().refresh(ids, NOW)
    assert [type(each).__name__ for each in standing].count("Deleted") == 1
    assert len(standing) == 40
    assert fake.requests() - before < 15


def test_recommendations_are_reviews(fake):
    at = stamp(fake.start)
    fake.ratings = [
        {"created_time": at, "has_rating": True, "recommendation_type": "negative", "review_text": "Cold tea",
         "open_graph_story": {"id": "1_77"}, "reviewer": {"id": "u-carla", "name": "Carla"}, "rating": 2},
        {"created_time": at, "recommendation_type": "positive", "reviewer": {"id": "u-theo", "name": "Theo"}},
        {"created_time": at, "recommendation_type": "positive"},
    ]  # fmt: skip
    posts, bad, _, _ = read(fake, "ratings")
    first, second = sorted(posts, key=lambda post: post.external_id)
    assert (first.kind, first.external_id, first.rating, first.text) == (PostKind.REVIEW, "1_77", 2, "Cold tea")
    assert first.subject == "Does not recommend the page"
    assert not fake.connector().can(second, NOW)["reply"].allowed
    assert len(bad) == 1


def test_looking_again_makes_no_new_version(fake):
    picture = {"type": "photo", "media": {"image": {"src": "https://cdn.example/1?signed=1"}}}
    polled = one(fake, fake.say("look", attachment=picture))
    fake.comments[polled.external_id]["attachment"] = {"media": {"image": {"src": "https://cdn.example/1?signed=2"}}}
    (again,) = fake.connector().refresh([polled.external_id], NOW)
    assert again.media != polled.media
    assert again.version == polled.version


# Messages


def test_messages_stand_in_one_thread_and_ours_under_what_they_answer(fake):
    first = fake.message("Where is my order?")
    ours = fake.message("On its way", ours=True)
    posts = {post.external_id: post for post in read(fake, "messages")[0]}
    assert {post.root_id for post in posts.values()} == {"t_carla"}
    assert posts[first].kind is PostKind.DIRECT
    assert (posts[ours].ours, posts[ours].parent_id) == (True, first)


def test_a_conversation_with_more_messages_than_the_list_shows_is_read_to_the_end(fake):
    said = {fake.message(f"message {number}") for number in range(130)}
    seen, cursor = set(), None
    for _ in range(6):
        posts, _, cursor, _ = read(fake, "messages", cursor, requests=1)
        seen |= {post.external_id for post in posts}
    assert seen == said


def test_a_message_is_answered_within_a_day_and_later_only_with_leave(fake):
    post = one(fake, fake.message("Hello?"), "messages")
    connector = fake.connector()
    may = connector.can(post, post.created_at + timedelta(hours=23))["reply"]
    assert (may.allowed, may.until) == (True, post.created_at + timedelta(hours=24))
    later = post.created_at + timedelta(hours=25)
    assert not connector.can(post, later)["reply"].allowed
    trusted = Facebook({"human_agent": "yes"}, Secrets(), connector.seam)
    assert trusted.can(post, later)["reply"].until == post.created_at + timedelta(days=7)
    assert not trusted.can(post, post.created_at + timedelta(days=8))["reply"].allowed


def test_an_answer_to_a_message_goes_to_the_person_and_is_found_again(fake):
    outgoing = answering(fake, one(fake, fake.message("Hello?"), "messages"))
    assert isinstance(fake.connector().find(outgoing), Absent)
    sent = fake.connector().send(outgoing)
    assert fake.connector().find(outgoing) == Found(sent.external_id)
    twin = answering(fake, outgoing.parent)
    fake.connector().send(twin)
    assert isinstance(fake.connector().find(outgoing), CannotKnow)


@pytest.mark.parametrize("minutes", [-5, 0, 5])
def test_an_answer_below_a_comment_is_found_again_however_far_our_clocks_are_apart(fake, minutes):
    fake.skew = timedelta(minutes=minutes)
    top = fake.say("Hello?")
    for number in range(8):
        fake.say(f"{number}?", parent=top)
    outgoing = answering(fake, one(fake, top))
    assert isinstance(fake.connector().find(outgoing), Absent)
    sent = fake.connector().send(outgoing)
    assert fake.connector().find(outgoing) == Found(sent.external_id, sent.url)


def test_an_answer_with_twenty_newer_messages_above_it_is_not_called_absent(fake):
    wish = answering(fake, one(fake, fake.message("Hello?"), "messages"))
    for number in range(25):
        fake.message(f"{number}?")
    assert isinstance(fake.connector().find(wish), Absent), "the twentieth is older than the answer"
    made = fake.message(wish.text, ours=True, at=stamp(wish.sending_at + timedelta(seconds=1)))
    for second in range(2, 21):
        fake.message("Hello??", at=stamp(wish.sending_at + timedelta(seconds=second)))
    assert fake.connector().find(wish) == Found(made)
    fake.message("Anybody there?", at=stamp(wish.sending_at + timedelta(seconds=30)))
    assert isinstance(fake.connector().find(wish), CannotKnow)


def test_a_message_is_shorter_than_a_comment(fake):
    comment, message = one(fake, fake.say("Call me")), one(fake, fake.message("Hello?"), "messages")
    connector = fake.connector()
    assert not connector.measure("x" * 8_000, comment).problems
    for measured in (connector.measure("x" * 2_001, comment, private=True), connector.measure("x" * 2_001, message)):
        assert (measured.limit, measured.problems) == (2_000, ("1 characters too long.",))
    assert not connector.measure("ü" * 2_000, message).problems


def test_a_comment_takes_one_private_reply(fake):
    post = one(fake, fake.say("Call me"))
    connector = fake.connector()
    may = connector.can(post, NOW)["private_reply"]
    assert (may.allowed, may.until) == (True, post.created_at + timedelta(days=7))
    assert not connector.can(post, post.created_at + timedelta(days=7, seconds=1))["private_reply"].allowed
    sent = connector.send(answering(fake, post, private=True))
    assert sent.external_id == "m_2"
    with pytest.raises(PolicyRefused) as raised:
        connector.send(answering(fake, post, private=True))
    assert raised.value.rule == "private reply"
    assert raised.value.url == post.url
    assert isinstance(connector.find(answering(fake, post, private=True)), Found)


# What may be done


def test_a_comment_allows_what_it_says(fake):
    connector = fake.connector()
    free = connector.can(one(fake, fake.say("x")), NOW)
    assert set(free) == {"reply", "private_reply", "hide", "like", "delete", "block"}
    closed = dict.fromkeys(("can_comment", "can_hide", "can_like", "can_remove", "can_reply_privately"), False)
    tight = connector.can(one(fake, fake.say("x", **closed)), NOW)
    assert set(tight) == {"reply", "private_reply", "block"}
    assert not tight["reply"].allowed
    assert tight["reply"].hand_off
    assert not tight["private_reply"].allowed
    done = connector.can(one(fake, fake.say("x", is_hidden=True, user_likes=True)), NOW)
    assert {"unhide", "unlike"} <= set(done)
    silent = dict.fromkeys(("can_comment", "can_hide", "can_like", "can_remove", "can_reply_privately"))
    assert {"reply", "private_reply", "hide", "like"} <= set(connector.can(one(fake, fake.say("x", **silent)), NOW))


@pytest.mark.parametrize(
    ("verb", "opposite", "state"), [("hide", "unhide", "is_hidden"), ("like", "unlike", "user_likes")]
)
def test_a_verb_does_it_once_and_again_and_back(fake, verb, opposite, state):
    post, connector = one(fake, fake.say("x")), fake.connector()
    for _ in range(2):
        assert connector.do(verb, post).post.grants[state] is True
        assert fake.comments[post.external_id][state] is True
    assert connector.do(opposite, post).post.grants[state] is False
    assert fake.comments[post.external_id][state] is False


def test_our_own_comment_can_be_edited_and_deleted_twice(fake):
    question, connector = one(fake, fake.say("x")), fake.connector()
    ours = one(fake, connector.send(answering(fake, question)).external_id)
    assert set(connector.can(ours, NOW)) == {"reply", "edit", "delete"}
    edited = connector.do("edit", ours, "Better").post
    assert (edited.text, edited.state, fake.comments[ours.external_id]["message"]) == (
        "Better",
        PostState.EDITED,
        "Better",
    )
    assert edited.version != ours.version
    connector.do("delete", ours)
    connector.do("delete", ours)
    assert ours.external_id not in fake.comments
    with pytest.raises(Gone):
        connector.do("hide", ours)


def test_what_visitors_write_is_liked_hidden_and_deleted_as_their_comments_are(fake):
    connector, visit = fake.connector(), fake.visit("You never answer")
    post = one(fake, visit, "visitor_posts")
    assert set(connector.can(post, NOW)) == {"reply", "like", "hide", "delete", "block"}
    done = connector.do("hide", connector.do("like", post).post).post
    back = one(fake, visit, "visitor_posts")
    for each in (done, back):
        assert set(connector.can(each, NOW)) == {"reply", "unlike", "unhide", "delete", "block"}
    assert back.version == post.version
    connector.do("unlike", back)
    connector.do("unhide", back)
    assert one(fake, visit, "visitor_posts").grants == post.grants
    connector.do("delete", post)
    connector.do("delete", post)
    assert visit not in fake.posts


def test_posts_elsewhere_are_only_answered(fake):
    fake.posts["9_1"] = fake.posts[fake.visit("I like @Acme", edge="tagged")] | {"id": "9_1"}
    assert set(fake.connector().can(one(fake, "9_1", "tagged"), NOW)) == {"reply"}


def test_a_person_is_blocked_on_the_page(fake):
    fake.connector().do("block", one(fake, fake.say("x")))
    assert fake.blocked == ["u-carla"]


def test_where_meta_does_not_name_the_conversation_of_a_private_answer_a_person_is_asked(fake, monkeypatch):
    wish = answering(fake, one(fake, fake.say("Call me")), private=True)
    assert isinstance(fake.connector().find(wish), Absent)
    monkeypatch.setattr(fake, "read_edge", lambda head, edge, given: refused(100))
    assert isinstance(fake.connector().find(wish), CannotKnow)


@pytest.mark.parametrize("others", [False, True])
def test_an_answer_to_an_answer_is_known_on_top_only_where_nobody_else_talks_there(fake, others):
    first = fake.say("x", person="carla" if others else "theo")
    second = one(fake, fake.say("y", person="theo", parent=first))
    outgoing = answering(fake, second)
    made = fake.connector().send(outgoing)
    assert fake.connector().find(outgoing) == Found(made.external_id, made.url)
    fake.comments[made.external_id]["parent"] = {"id": first}  # Facebook hangs it under the comment on top
    found = fake.connector().find(outgoing)
    assert isinstance(found, CannotKnow) if others else found == Found(made.external_id, made.url)


def test_in_a_thread_too_long_to_be_shown_whole_others_may_talk(fake):
    first = fake.say("x", person="theo")
    fake.say("me too", parent=first)
    for number in range(100):
        fake.say(f"{number}", person="theo", parent=first)
    outgoing = answering(fake, one(fake, fake.say("y", person="theo", parent=first)))
    made = fake.connector().send(outgoing)
    fake.comments[made.external_id]["parent"] = {"id": first}
    assert isinstance(fake.connector().find(outgoing), CannotKnow)


def test_what_stands_below_another_answer_is_not_ours(fake):
    first = fake.say("x")
    second = one(fake, fake.say("y", person="theo", parent=first))
    fake.comment("We are on it", {"id": "1", "name": "Acme"}, fake.say("z", person="wes", parent=first), fake.now())
    assert isinstance(fake.connector().find(answering(fake, second)), Absent)


# Connecting


def test_checking_says_who_we_are_and_what_is_missing(fake):
    fake.scopes = fake.scopes[:-1]
    check = fake.connector().check()
    assert (check.account_id, check.account_name, check.facts["page_id"]) == ("1", "Acme", "1")
    assert check.warnings == ("Messages are neither read nor answered: the permission pages_messaging is missing.",)
    secrets = {"access_token": CANARY}
    alone = Facebook({"base_url": fake.server.url}, Secrets(secrets), fake.connector().seam)
    assert "nobody can see" in " ".join(alone._token_says()[1])


def test_an_access_that_ends_soon_and_an_older_graph_are_told(fake, monkeypatch):
    soon = int((datetime.now(UTC) + timedelta(days=3)).timestamp())
    told = {"data": {"type": "USER", "scopes": list(fake.scopes), "expires_at": soon}}
    monkeypatch.setattr(fake, "token_info", lambda given: Reply(200, told))
    monkeypatch.setattr(fake, "app", fake.app | {"version": "v27.0"})
    real = fake.answer

    def older(asked):
        asked.path = asked.path.replace("v27.0", "v26.0")
        return real(asked)

    monkeypatch.setattr(fake, "answer", older)
    words = " ".join(fake.connector().check().warnings)
    assert "belongs to a person" in words
    assert "The token ends on" in words
    assert "Graph answers as v26.0 and not as v27.0" in words


def signed_in(fake, **settings):
    secrets = {"app_secret": SECRET}
    connector = Facebook({**fake.settings(), **settings}, Secrets(secrets), fake.connector().seam)
    grant = connector.begin("https://care.example/back/", "state-1")
    return grant, connector.finish("the-code", "https://care.example/back/", grant.secrets)


def test_signing_in_ends_with_the_token_of_the_page(fake):
    grant, kept = signed_in(fake)
    assert "dialog/oauth" in grant.url
    assert "state=state-1" in grant.url
    assert SECRET not in grant.url
    assert dict(kept) == {"app_secret": SECRET, "access_token": CANARY, "user_token": "person-long-token"}
    again = Facebook(fake.settings(), kept, fake.connector().seam).renew(kept)
    assert again["access_token"] == CANARY
    with pytest.raises(AuthRevoked):
        fake.connector().renew(Secrets({"access_token": CANARY}))


def test_access_is_renewed_for_the_page_the_channel_has_whatever_the_settings_say_since(fake):
    fake.other_pages = [{"id": "2", "name": "Acme Tea", "access_token": "other-token"}]
    kept = Secrets({"app_secret": SECRET, "access_token": "old", "user_token": "person-long-token"})
    for wanted in ("2", "Acme Tea", ""):
        settings = {**fake.settings(), "facts": fake.facts(), "page": wanted}
        assert Facebook(settings, kept, fake.connector().seam).renew(kept)["access_token"] == CANARY


def test_of_several_pages_the_one_named_is_taken(fake):
    fake.other_pages = [{"id": "2", "name": "Acme Tea", "access_token": "other-token"}]
    for wanted in ("2", "acme tea"):
        assert signed_in(fake, page=wanted)[1]["access_token"] == "other-token"
    with pytest.raises(NotPermitted, match="Acme, Acme Tea"):
        signed_in(fake)
    with pytest.raises(NotPermitted):
        signed_in(fake, page="Nobody")


# Deliveries


def delivered(body, secret=SECRET, **headers):
    good = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Incoming("POST", {"x-hub-signature-256": good, **headers}, body)


def change(**value):
    return json.dumps({"object": "page", "entry": [
        {"id": "1", "time": 1, "changes": [{"field": "feed", "value": value}]}]}).encode()  # fmt: skip


def test_the_handshake_is_answered_to_whoever_knows_the_word(fake):
    asked = {"hub.mode": "subscribe", "hub.verify_token": "our word", "hub.challenge": "1158201444"}
    connector = fake.connector()
    assert connector.receive(Incoming("GET", {}, b"", asked), NOW) == Challenge("1158201444")
    for wrong in ({"hub.verify_token": "their word"}, {"hub.mode": "x"}, {"hub.verify_token": ""}):
        assert isinstance(connector.receive(Incoming("GET", {}, b"", asked | wrong), NOW), Rejected)
    unset = fake.connector(secrets={"access_token": CANARY})
    assert isinstance(unset.receive(Incoming("GET", {}, b"", asked | {"hub.verify_token": ""}), NOW), Rejected)


def test_a_delivery_is_taken_only_with_metas_signature(fake):
    connector, body = fake.connector(), change(item="like", verb="add")
    taken = connector.receive(delivered(body), NOW)
    assert isinstance(taken, Accepted)
    assert (taken.delivery, taken.status) == (hashlib.sha256(body).hexdigest(), 200)
    for wrong in (delivered(body, "x"), delivered(body, **{"x-hub-signature-256": ""}), Incoming("POST", {}, body)):
        assert connector.receive(wrong, NOW).status == 403
    assert connector.receive(delivered(b"[]"), NOW).status == 400
    unset = fake.connector(secrets={"access_token": CANARY})
    assert unset.receive(delivered(body, ""), NOW).status == 403


def test_a_delivered_comment_is_the_one_the_poll_finds(fake):
    identity = fake.say("Is it green?")
    polled = one(fake, identity)
    value = {"item": "comment", "verb": "add", "comment_id": identity, "post_id": OURS, "parent_id": OURS,
             "from": {"id": "u-carla", "name": "Carla"}, "message": "Is it green?",
             "created_time": int(polled.created_at.timestamp())}  # fmt: skip
    page = fake.connector().unpack(change(**value), NOW)
    (pushed,) = page.posts
    same = ("external_id", "author", "text", "created_at", "root_id", "parent_id", "kind", "ours", "version")
    assert [getattr(pushed, name) for name in same] == [getattr(polled, name) for name in same]
    (gone,) = fake.connector().unpack(change(**value | {"verb": "remove"}), NOW).posts
    assert gone.state is PostState.DELETED


@pytest.mark.parametrize("verb", ["hide", "unhide", "edited", "add"])
def test_a_delivery_without_words_takes_none_away(fake, verb):
    """As of a comment that was hidden, or of a picture without words, which the poll brings whole."""
    value = {"item": "comment", "verb": verb, "comment_id": fake.say("x"), "post_id": OURS, "parent_id": OURS,
             "from": {"id": "u-carla"}, "created_time": 1_760_000_000}  # fmt: skip
    page = fake.connector().unpack(change(**value), NOW)
    assert (page.posts, page.bad) == ((), ())


def test_what_a_delivery_tells_of_others_or_of_likes_is_left(fake):
    connector = fake.connector()
    assert connector.unpack(change(item="reaction", verb="add", post_id=OURS), NOW).posts == ()
    other = change(item="comment", verb="add").replace(b'"id": "1"', b'"id": "2"')
    assert connector.unpack(other, NOW).posts == ()
    bad = connector.unpack(change(item="comment", verb="add", post_id=OURS, message="x"), NOW)
    assert (bad.posts, len(bad.bad)) == ((), 1)

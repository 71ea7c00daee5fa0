"""What is special about YouTube: units, held comments, answers to old threads and below the first comment, the reasons
Google gives, signing in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.base import Absent, Budget, CannotKnow, Outgoing, PostKind, Secrets, Sent, Visibility
from connectors.faults import (
    AuthExpired,
    AuthRevoked,
    Gone,
    InDoubt,
    Invalid,
    NotPermitted,
    PolicyRefused,
    QuotaSpent,
    RateLimited,
    Unavailable,
)
from connectors.google import midnight_pacific
from connectors.networks.youtube.api import Reading
from connectors.networks.youtube.connector import SCOPE
from tests.fakes.network import CANARY
from tests.fakes.server import Reply
from tests.fakes.youtube import ME, VIDEO, Fake, refused

NOW = datetime.now(UTC)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def read(fake, source="comments", cursor=None, now=None):
    fake.source = source
    return fake.read(fake.connector(), cursor, now=now)


def one(fake, identity, source="comments"):
    return next(post for post in read(fake, source)[0] if post.external_id == identity)


def answering(post, text="We are on it"):
    return Outgoing(key="k", text=text, parent=post, sending_at=datetime.now(UTC))


def test_a_thread_has_a_link_an_author_and_its_answers(fake):
    first = fake.say("Where can I buy it?")
    second = fake.say("In the shop", "theo", first)
    top, below = (one(fake, each) for each in (first, second))
    assert (top.kind, top.parent_id, top.root_id) == (PostKind.COMMENT, None, first)
    assert (below.parent_id, below.root_id) == (first, first)
    assert below.url == f"https://www.youtube.com/watch?v={VIDEO}&lc={second}"
    assert (below.author.external_id, below.author.handle) == ("UCtheo", "theo")


def test_more_answers_than_a_thread_shows_are_listed(fake):
    first = fake.say("Who wants one?")
    below = [fake.say(f"Me {number}", "theo", first) for number in range(8)]
    posts, _, cursor, _ = read(fake)
    assert {post.external_id for post in posts} == {first, *below}
    before = fake.units
    read(fake, cursor=cursor)
    assert fake.units - before == 1, "nothing is new, so nothing but the list is asked for"


def test_a_new_answer_to_a_thread_that_is_no_longer_on_top_is_found(fake):
    first = fake.say("An old one")
    _, _, cursor, _ = read(fake)
    fake.start += timedelta(minutes=40)
    fake.say("A newer one")
    _, _, cursor, _ = read(fake, cursor=cursor)
    fake.start += timedelta(minutes=20)
    late = fake.say("Still there?", "theo", first)
    real, fake.threads = fake.threads, lambda asked: without(real(asked), first, asked)
    posts, _, _, _ = read(fake, cursor=cursor)
    assert late in {post.external_id for post in posts}


def test_a_new_answer_in_an_open_conversation_is_found_at_once_however_old_its_thread(fake):
    long_ago = (NOW - timedelta(days=40)).strftime("%Y-%m-%dT%H:%M:%SZ")
    old, held = fake.say("An old one"), fake.say("Buy cheap tea", held="heldForReview")
    closed = fake.say("As old, and done")
    for each in (old, closed):
        fake.comments[each] |= {"publishedAt": long_ago, "updatedAt": long_ago}
    fake.say("A newer one")
    _, _, cursor, _ = read(fake)
    many = [fake.say(f"{number}?", "theo", old) for number in range(7)]
    fake.say("Hello?", "theo", closed)
    real = fake.threads
    fake.threads = lambda asked: without(without(real(asked), old, asked), closed, asked)
    connector, before = fake.connector(), fake.units
    connector.open_roots = lambda: [held, old, "gone"]
    posts, _, cursor, _ = fake.read(connector, cursor)
    assert {post.external_id for post in posts if "?" in post.text} == set(many)
    assert held not in {post.external_id for post in posts}, "it would be called public"
    assert fake.units - before == 3, "the list, the threads by number, the answers of one of them"
    connector, before = fake.connector(), fake.units
    connector.open_roots = lambda: [held, old, "gone"]
    fake.read(connector, cursor)
    assert fake.units - before == 2, "no answer is new"


def test_of_many_open_conversations_in_old_threads_each_has_its_turn():
    talks, seen, cursor = [f"t{number}" for number in range(190)], [], None
    for minutes in (5, 10):
        reading = Reading.read(cursor, NOW + timedelta(minutes=minutes))
        reading.begin()
        reading.walked_to_the_end(NOW, talks)
        assert len(reading.rest) == 100
        seen += reading.rest
        reading.looked_at(reading.rest, [])
        reading.end()
        cursor = reading.kept()
    assert set(seen) == set(talks)
    reading.begin()
    reading.walked_to_the_end(NOW, talks[:100])
    assert reading.rest == talks[:100], "as many as have room are looked at each time"


def without(reply, thread, asked):
    """The list has more than a page meanwhile: the old thread is not on it."""
    if not asked.one("id"):
        reply.body["items"] = [each for each in reply.body["items"] if each["id"] != thread]
    return reply


def test_after_a_day_all_threads_of_a_month_are_looked_at_again(fake):
    first = fake.say("An old one")
    _, _, cursor, _ = read(fake)
    late = fake.say("Hello?", "theo", first)
    real, fake.threads = fake.threads, lambda asked: without(real(asked), first, asked)
    posts, _, _, _ = read(fake, cursor=cursor, now=NOW + timedelta(days=4))
    assert late in {post.external_id for post in posts}


def test_a_thread_that_is_gone_when_its_answers_are_asked_for_is_dropped(fake):
    first = fake.say("Who wants one?")
    for number in range(8):
        fake.say(f"Me {number}", "theo", first)
    fake.replies = lambda asked: refused(404, "parentCommentNotFound")
    posts, bad, cursor, _ = read(fake)
    assert len(posts) == 6
    assert not bad
    assert cursor["todo"] == []


def test_a_page_token_that_ran_out_begins_again_at_the_newest(fake):
    fake.say("first")
    _, _, cursor, _ = read(fake)
    cursor["walk"]["at"] = "outdated"
    fake.say("second")
    posts, _, _, _ = read(fake, cursor=cursor)
    assert {post.text for post in posts} == {"first", "second"}


@pytest.mark.parametrize(("source", "status"), [("held", "heldForReview"), ("spam", "likelySpam")])
def test_what_is_held_waits_in_the_queue_and_can_be_let_through(fake, source, status):
    identity = fake.say("Buy cheap tea", held=status)
    assert read(fake)[0] == []
    post, connector = one(fake, identity, source), fake.connector()
    able = connector.can(post, NOW)
    assert (post.visibility, post.history) == (Visibility.HELD, False)
    assert not able["reply"].allowed
    assert {verb for verb, each in able.items() if each.allowed} == {"approve", "spam", "block"}
    assert connector.do("approve", post).post.visibility is Visibility.PUBLIC
    assert one(fake, identity).visibility is Visibility.PUBLIC


def test_what_was_read_can_be_read_once_more(fake):
    first, connector = fake.say("Who wants one?"), fake.connector()
    _, _, cursor, _ = read(fake)
    again = connector.again("comments", cursor, NOW - timedelta(days=3), NOW)
    posts, _, _, gaps = read(fake, cursor=again)
    assert [post.external_id for post in posts] == [first]
    assert not gaps
    assert not posts[0].history


def test_asked_by_number_youtube_says_less_and_what_is_known_stays(fake):
    identity = fake.say("Buy cheap tea", held="heldForReview")
    assert one(fake, identity, "held").whole
    assert [post.whole for post in fake.connector().refresh([identity], NOW)] == [False]


def test_moderating_does_what_its_name_says(fake):
    hidden, junk, rude = (one(fake, fake.say(text, text)) for text in ("dull", "junk", "rude"))
    connector = fake.connector()
    assert set(connector.can(hidden, NOW)) == {"reply", "hide", "spam", "block"}
    assert connector.do("hide", hidden).post.visibility is Visibility.HELD
    for verb, post in (("spam", junk), ("block", rude), ("block", rude)):
        after = connector.do(verb, post).post
        able = connector.can(after, NOW)
        assert after.visibility is Visibility.HELD
        assert {verb for verb, each in able.items() if each.allowed} == {"block"}
        assert "rejected" in able["reply"].reason
    assert fake.comments[hidden.external_id]["moderationStatus"] == "heldForReview"
    assert set(fake.rejected) == {junk.external_id, rude.external_id}
    assert fake.banned == {"UCrude"}


def test_an_own_answer_can_be_corrected_and_taken_back(fake):
    post, connector = one(fake, fake.say("Help!")), fake.connector()
    sent = connector.send(answering(post))
    assert isinstance(sent, Sent)
    assert sent.url.endswith(f"lc={sent.external_id}")
    own = one(fake, sent.external_id)
    assert {"edit", "delete"} <= set(connector.can(own, NOW))
    assert connector.do("edit", own, "We were on it").post.text == "We were on it"
    connector.do("delete", own)
    connector.do("delete", own)
    assert fake.made() == []
    with pytest.raises(NotPermitted):
        connector.do("like", post)


def test_an_answer_to_an_answer_goes_below_the_first_comment_and_names_whom_it_is_for(fake):
    first = fake.say("Is it green?")
    second = one(fake, fake.say("It is not", "theo", first))
    connector, outgoing = fake.connector(), answering(second, "It is")
    connector.send(outgoing)
    assert fake.made()[0] | {"textDisplay": "@theo It is", "parentId": first} == fake.made()[0]
    assert connector.find(outgoing).external_id.startswith(first)
    assert connector.measure("It is", second).used == len("@theo It is")
    assert connector.measure("@theo It is", second).used == len("@theo It is")
    assert connector.measure("@theodore It is", second).used == len("@theo @theodore It is")


def test_the_same_words_to_somebody_else_in_the_thread_are_not_this_answer_where_no_name_tells(fake):
    first = fake.say("Is it green?", authorDisplayName="Carla Roe")
    theo = one(fake, fake.say("It is not", "theo", first, authorDisplayName="Theo Roe"))
    fake.say("Is it blue?", "wes", first, authorDisplayName="Wes Roe")
    connector, outgoing = fake.connector(), answering(theo, "It is")
    assert isinstance(connector.find(outgoing), Absent)
    fake.keep("It is", ME, "@acme", first, datetime.now(UTC), 99)  # a colleague, to Wes, in the network's own app
    assert isinstance(connector.find(outgoing), CannotKnow)


def test_where_answers_are_off_it_says_so_before_and_after(fake):
    open_one = one(fake, fake.say("open"))
    closed = one(fake, fake.say("closed", canReply=False))
    connector = fake.connector()
    assert not connector.can(closed, NOW)["reply"].allowed
    assert connector.can(open_one, NOW)["reply"].cost == 50
    with pytest.raises(PolicyRefused) as raised:
        connector.send(answering(closed))
    assert raised.value.url == closed.url


REASONS = [
    (403, "quotaExceeded", QuotaSpent, QuotaSpent), (403, "dailyLimitExceeded", QuotaSpent, QuotaSpent),
    (403, "rateLimitExceeded", RateLimited, RateLimited), (403, "commentsDisabled", PolicyRefused, PolicyRefused),
    (403, "forbidden", NotPermitted, NotPermitted), (403, "accessNotConfigured", NotPermitted, NotPermitted),
    (403, "SERVICE_UNAVAILABLE", NotPermitted, NotPermitted), (400, "processingFailure", Unavailable, InDoubt),
    (404, "parentCommentNotFound", Gone, Gone), (404, "videoNotFound", Gone, Gone), (401, "authError", AuthExpired,
    AuthExpired), (400, "keyInvalid", AuthRevoked, AuthRevoked), (400, "commentTextTooLong", Invalid, Invalid),
    (400, "invalidValue", Invalid, Invalid), (503, "backendError", Unavailable, InDoubt),
]  # fmt: skip


@pytest.mark.parametrize(("status", "reason", "reading", "writing"), REASONS)
def test_a_refusal_is_what_its_reason_says(fake, status, reason, reading, writing):
    outgoing = answering(one(fake, fake.say("Help!")))
    fake.answer = lambda asked: refused(status, reason)
    with pytest.raises(reading) as raised:
        read(fake)
    assert type(raised.value) is reading
    with pytest.raises(writing) as raised:
        fake.connector().send(outgoing)
    assert type(raised.value) is writing


def test_a_spent_quota_waits_for_midnight_in_california(fake):
    fake.answer = lambda asked: refused(403, "quotaExceeded")
    summer = datetime(2026, 7, 1, 12, tzinfo=UTC)
    with pytest.raises(QuotaSpent) as raised:
        read(fake, now=summer)
    assert raised.value.until == datetime(2026, 7, 2, 7, tzinfo=UTC)
    assert midnight_pacific(datetime(2026, 12, 1, 7, tzinfo=UTC)) == datetime(2026, 12, 1, 8, tzinfo=UTC)


def test_an_error_that_is_only_a_sentence_is_read_by_its_status(fake):
    fake.answer = lambda asked: Reply(403, {"error": "not today"})
    with pytest.raises(NotPermitted):
        read(fake)


def test_units_are_counted_and_some_are_left_for_answers(fake):
    fake.say("x")
    connector = fake.connector()
    connector.settings = {**connector.settings, "quota": 2_010}
    cursor, pages = None, 0
    midnight = midnight_pacific(NOW)
    share = int(1005 * 0.6)
    page = next(connector.poll("comments", None, Budget(), NOW))
    rate = page.rate[0]
    assert (rate.bucket, rate.limit, rate.remaining, rate.reset_at) == ("youtube:comments", share, share - 1, midnight)
    assert page.cost == 1
    cursor = {**page.cursor, "units": share - 2}
    while pages < 2:
        page = next(connector.poll("comments", cursor, Budget(), NOW))
        cursor, pages = page.cursor, pages + 1
    with pytest.raises(RateLimited) as raised:
        next(connector.poll("comments", cursor, Budget(), NOW))
    assert (raised.value.until, raised.value.bucket) == (midnight, "youtube:comments")
    assert next(connector.poll("comments", cursor, Budget(), midnight)).cursor["units"] == 1


def test_every_request_besides_pages_is_told_with_its_unit(fake):
    first = fake.say("Help!")
    below = one(fake, fake.say("And me", "theo", first))
    connector, told = fake.connector(), []
    connector.bill = told.append
    before = fake.units
    connector.refresh([first], NOW)
    connector.ancestors(below, NOW)
    connector.find(answering(below))
    connector.check()
    fake.delete(below.external_id)
    with pytest.raises(Gone):
        fake.answer = lambda asked: refused(404, "parentCommentNotFound")
        connector.find(answering(below))
    assert told == [{"": Decimal(1)}] * 5
    assert fake.units - before == 4


def test_signing_in_keeps_what_is_needed_to_renew(fake):
    connector = fake.connector(secrets={"client_secret": fake.secrets["client_secret"]})
    grant = connector.begin("https://care.example/back", "state-1")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(grant.url).query).items()}
    assert asked | {"access_type": "offline", "prompt": "consent", "scope": SCOPE, "state": "state-1"} == asked
    assert asked["code_challenge_method"] == "S256"
    kept = connector.finish("the-code", "https://care.example/back", grant.secrets)
    assert (kept["access_token"], kept["refresh_token"], kept["expires_in"]) == (CANARY, f"{CANARY}-again", "3599")
    assert "code_verifier" not in kept
    sent = parse_qs(fake.server.asked[-1].body.decode())
    assert sent["code_verifier"] == [grant.secrets["code_verifier"]]
    fake.access = "fresh-token-1"
    renewed = connector.renew(kept)
    assert (renewed["access_token"], renewed["refresh_token"]) == ("fresh-token-1", f"{CANARY}-again")
    with pytest.raises(AuthRevoked):
        connector.renew(kept.replace(refresh_token="stolen"))
    with pytest.raises(AuthRevoked):
        connector.renew(Secrets({"access_token": CANARY}))


def test_a_check_says_who_we_are_and_what_was_not_granted(fake):
    check = fake.connector(secrets={**fake.secrets, "scope": "openid"}).check()
    assert (check.account_id, check.account_name, check.facts) == ("UCacme", "Acme", {"account_id": "UCacme"})
    assert check.warnings == (f"Nothing can be read or answered: at the sign-in {SCOPE} was not ticked.",)
    assert fake.connector().check().warnings == ()
    assert "an hour" in fake.connector(secrets={"access_token": CANARY}).check().warnings[0]
    fake.answer = lambda asked: Reply(200, {"items": []})
    with pytest.raises(NotPermitted):
        fake.connector().check()


def test_an_account_that_was_deleted_is_nobody_else(fake):
    posts = [one(fake, fake.say(text, authorChannelId=None, authorDisplayName="")) for text in ("a", "b")]
    assert len({post.author.external_id for post in posts}) == 2


def test_history_is_told_from_what_came_since(fake):
    fake.start = NOW - timedelta(hours=48, minutes=10)
    old = fake.say("older than two days")
    assert one(fake, old).history
    assert replace(one(fake, old)).created_at < NOW - timedelta(hours=48)

"""What is special about LinkedIn: names in brackets, answers that hang on comments, limits of a day, versions that end,
and access that mostly a person alone can renew."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.base import Absent, CannotKnow, Medium, Outgoing, PostKind, Secrets
from connectors.faults import (
    AuthExpired,
    AuthRevoked,
    Duplicate,
    Gone,
    Invalid,
    NotPermitted,
    RateLimited,
    Unreadable,
)
from connectors.networks.linkedin.api import months_old, place_of
from tests.fakes.linkedin import ME, POST, Fake, no
from tests.fakes.network import CANARY
from tests.fakes.server import Reply

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


def test_a_comment_begins_a_conversation_and_answers_belong_to_it(fake):
    first = fake.say("Is it green?")
    second = fake.say("It is", "theo", first)
    top, below = one(fake, first), one(fake, second)
    assert (top.kind, top.parent_id, top.root_id) == (PostKind.COMMENT, None, first)
    assert (below.parent_id, below.root_id) == (first, first)
    assert top.url.startswith(f"https://www.linkedin.com/feed/update/{POST}?commentUrn=urn%3Ali%3Acomment%3A%28")
    assert top.author.external_id == "urn:li:person:carla"


def test_names_are_shown_where_linkedin_gives_them(fake):
    known = fake.say("Hello", **{"actor~": {"localizedFirstName": "Carla", "localizedLastName": "C."}})
    unknown = fake.say("Hello", "theo")
    assert one(fake, known).author.name == "Carla C."
    assert one(fake, unknown).author.name == "LinkedIn member"


def test_nothing_but_the_list_is_asked_for_while_nothing_is_new(fake):
    first = fake.say("Is it green?")
    fake.say("It is", "theo", first)
    _, _, cursor, _ = read(fake)
    before = fake.requests()
    posts, _, cursor, _ = read(fake, cursor=cursor)
    assert (posts, fake.requests() - before) == ([], 1)
    late = fake.say("Thanks", parent=first)
    assert late in {post.external_id for post in read(fake, cursor=cursor)[0]}


def test_without_notifications_the_posts_of_a_month_are_read_in_turn(fake):
    identity = fake.say("Is it green?")
    fake.notified = False
    with pytest.raises(NotPermitted):
        read(fake)
    assert one(fake, identity, "posts").text == "Is it green?"
    assert any("Notifications" in warning for warning in fake.connector().check().warnings)


def test_posts_that_name_the_page_are_heard_and_get_a_comment(fake):
    fake.name_us("Try Acme's tea", "theo")
    fake.name_us("We are on television", owner=ME, decoratedGeneratedActivity={"share": {"owner": ME}})
    fake.name_us("x", decoratedGeneratedActivity=None)
    fake.name_us("x", generatedActivity=None)
    fake.say("Is it green?")
    posts, bad, cursor, _ = read(fake)
    assert posts[-1].kind is PostKind.COMMENT
    shown, closed = posts[:2]
    assert (shown.kind, shown.text, shown.author.external_id) == (
        PostKind.MENTION, "Try Acme's tea", "urn:li:person:theo")  # fmt: skip
    assert closed.author.external_id == f"unknown:{closed.external_id}"
    assert len(bad) == 1
    connector = fake.connector()
    assert set(connector.can(shown, NOW)) == {"reply"}
    assert isinstance(connector.find(answering(shown)), Absent)
    sent = connector.send(answering(shown))
    assert connector.find(answering(shown)).external_id == sent.external_id
    assert "parentComment" not in fake.made()[0]
    assert fake.made()[0]["object"] == shown.external_id
    assert connector.refresh([shown.external_id], NOW) == []
    late = fake.name_us("Again", lastModifiedAt=int(NOW.timestamp() * 1000))
    assert late in {post.external_id for post in read(fake, cursor=cursor)[0]}


def test_odd_and_old_posts_do_not_end_the_list(fake):
    """Those changed last come first, an old one whose words were corrected among them."""
    identity, born = fake.say("Is it green?"), int(NOW.timestamp() * 1000)
    old = [{"id": f"urn:li:share:{n}", "publishedAt": born - 40 * 86_400_000} for n in range(98)]
    fake.earlier = [{"id": None}, *old, {"id": "urn:li:share:98", "publishedAt": born}]
    assert [post.external_id for post in read(fake, "posts")[0]] == [identity]


def test_a_list_ends_where_all_of_a_page_are_old(fake):
    born = int(NOW.timestamp() * 1000)
    fake.earlier = [{"id": f"urn:li:share:{n}", "publishedAt": born - 40 * 86_400_000} for n in range(300)]
    read(fake, "posts")
    assert fake.requests() == 1


def test_what_was_read_can_be_read_once_more(fake):
    identity = fake.say("Is it green?")
    _, _, cursor, _ = read(fake)
    again = fake.connector().again("comments", cursor, NOW - timedelta(days=2), NOW)
    assert identity in {post.external_id for post in read(fake, cursor=again)[0]}


def test_an_answer_to_an_answer_hangs_on_the_first_comment(fake):
    first = fake.say("Is it green?")
    second = one(fake, fake.say("It is", "carla", first))
    sent = fake.connector().send(answering(second))
    assert fake.comments[sent.external_id]["parentComment"] == first
    assert fake.connector().find(answering(second)).external_id == sent.external_id
    fake.say("I wonder too", "theo", first)
    assert isinstance(fake.connector().find(answering(second)), CannotKnow)


def test_an_own_answer_can_be_corrected_and_taken_back(fake):
    post, connector = one(fake, fake.say("Help!")), fake.connector()
    sent = connector.send(answering(post))
    own = connector.refresh([sent.external_id], NOW)[0]
    assert {verb for verb, able in connector.can(own, NOW).items() if able.allowed} == {"reply", "edit", "delete"}
    connector.do("edit", own, "We were on it")
    assert fake.made()[0]["message"]["text"] == "We were on it"
    connector.do("delete", own)
    connector.do("delete", own)
    assert fake.made() == []
    with pytest.raises(NotPermitted):
        connector.do("hide", post)


def test_an_answer_without_a_body_is_named_by_its_header(fake):
    post = one(fake, fake.say("Help!"))
    real = fake.actions

    def bare(asked, *where):
        reply = real(asked, *where)
        reply.body = {} if asked.method == "POST" else reply.body
        return reply

    fake.actions = bare
    sent = fake.connector().send(answering(post))
    assert sent.external_id == fake.made()[0]["$URN"]


CODES = [
    (401, "EXPIRED_ACCESS_TOKEN", AuthRevoked), (403, "ACCESS_DENIED", NotPermitted), (404, "NOT_FOUND", Gone),
    (422, "DUPLICATE_COMMENT", Duplicate), (422, "UNPROCESSABLE_ENTITY", Invalid), (400, "PARAM_INVALID", Invalid),
    (426, "NONEXISTENT_VERSION", NotPermitted),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code", "fault"), CODES)
def test_a_refusal_is_what_its_code_says(fake, status, code, fault):
    fake.answer = lambda asked: no(status, code)
    with pytest.raises(fault) as raised:
        read(fake)
    assert type(raised.value) is fault


def test_a_token_that_can_be_renewed_only_expired(fake):
    fake.answer = lambda asked: no(401, "EXPIRED_ACCESS_TOKEN")
    with pytest.raises(AuthExpired):
        fake.connector(secrets={**fake.secrets, "refresh_token": "the-code"}).check()
    fake.answer = lambda asked: no(401, "REVOKED_ACCESS_TOKEN")
    with pytest.raises(AuthRevoked):
        fake.connector(secrets={**fake.secrets, "refresh_token": "the-code"}).check()


def test_a_limit_of_the_day_waits_for_midnight_of_utc(fake):
    fake.answer = lambda asked: no(429, "TOO_MANY_REQUESTS")
    with pytest.raises(RateLimited) as raised:
        read(fake, now=datetime(2026, 7, 1, 12, tzinfo=UTC))
    assert raised.value.until == datetime(2026, 7, 2, tzinfo=UTC)


def test_a_version_that_ends_soon_is_warned_of_and_one_that_ended_named(fake):
    connector = fake.connector()
    connector.settings = {**connector.settings, "version": "202601"}
    assert any("202601" in warning for warning in connector.check().warnings)
    connector.settings = {**connector.settings, "version": "202401"}
    with pytest.raises(NotPermitted, match="version"):
        connector.check()
    assert not any("version" in warning for warning in fake.connector().check().warnings)
    assert [months_old(each, datetime(2026, 11, 1)) for each in ("202606", "202511", "soon")] == [5, 12, 0]


def test_a_page_that_is_no_number_is_refused(fake):
    connector = fake.connector()
    connector.settings = {**connector.settings, "organization": "acme-tea"}
    with pytest.raises(Invalid) as raised:
        connector.check()
    assert raised.value.field == "organization"
    connector.settings = {**connector.settings, "organization": ME}
    assert connector.check().account_id == ME


@pytest.mark.parametrize("name", ["", "urn:li:comment:(1,2)", "urn:li:comment:(urn:li:activity:1,x)", "../../me"])
def test_what_is_no_comment_is_asked_for_nowhere(fake, name):
    with pytest.raises(Gone):
        place_of(name)
    fake.connector().refresh([name], NOW)
    assert fake.requests() == 0


def test_signing_in_keeps_what_linkedin_gives_and_says_what_it_cannot_renew(fake):
    connector = fake.connector(secrets={"client_secret": fake.secrets["client_secret"]})
    grant = connector.begin("https://care.example/back", "state-1")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(grant.url).query).items()}
    assert asked["state"] == "state-1"
    assert asked["scope"].split() == list(connector.scopes)
    kept = connector.finish("the-code", "https://care.example/back", grant.secrets)
    assert (kept["access_token"], kept["expires_in"]) == (CANARY, "5184000")
    with pytest.raises(AuthRevoked, match="sign in again"):
        connector.renew(kept)
    assert connector.renew(kept.replace(refresh_token="the-code"))["access_token"] == CANARY
    with pytest.raises(AuthRevoked):
        connector.finish("stolen", "https://care.example/back", grant.secrets)
    with pytest.raises(AuthRevoked):
        fake.connector(secrets=Secrets()).check()


def picture():
    return Medium(key="k", kind="image", type="image/png", size=3, name="a.png", read=lambda: b"abc")


def test_our_token_goes_with_a_picture_to_linkedin_alone(fake):
    outgoing = Outgoing(key="k", text="x", parent=one(fake, fake.say("Help!")), sending_at=NOW)
    for where in ("http://127.0.0.1:1/here", "http://www.linkedin.com/x", "https://notlinkedin.com/x", "file:///x", ""):
        value = {"image": "urn:li:image:1", "uploadUrl": where}
        fake.image = lambda asked, urn="", value=value: Reply(200, {"value": value})
        with pytest.raises(Unreadable):
            fake.connector().upload(picture(), outgoing, "")


def test_a_picture_is_named_by_a_comment_when_linkedin_has_looked_through_it(fake):
    connector, outgoing = fake.connector(), Outgoing(
        key="k", text="x", parent=one(fake, fake.say("Help!")), sending_at=NOW
    )  # fmt: skip
    begun = connector.upload(picture(), outgoing, "")
    first = connector.upload(picture(), outgoing, begun.token)
    assert first.token == begun.token.split()[0]
    assert not connector.upload(picture(), outgoing, first.token).whole
    assert connector.upload(picture(), outgoing, first.token).whole
    fake.image = lambda asked, urn="": Reply(200, {"status": "PROCESSING_FAILED"})
    with pytest.raises(Invalid, match="can do nothing with “a"):
        connector.upload(picture(), outgoing, first.token)

"""What is special about Mastodon: changes of posts that were never said to us, servers that do not search in posts, and
odd posts among our own."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from connectors.base import Absent, CannotKnow, Connector, Deleted, Found, Outgoing, Post, PostKind
from tests.fakes.consent import Consent
from tests.fakes.mastodon import ME, Fake
from tests.fakes.server import Reply

BACK, NOW = "https://desk.example/back/", datetime.now(UTC)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def read(fake):
    return {post.external_id: post for post in fake.read(fake.connector())[0]}


def changed(fake, identity, **more):
    """The server tells that a post was edited."""
    fake.edit(identity, "quite another thing")
    fake.statuses[identity] |= more
    fake.notified.append({"id": str(len(fake.notified) + 1), "type": "update", "status": fake.statuses[identity]})
    return identity


def ours(fake, text, age=timedelta(0), **more):
    status = fake._status(text, ME)
    status |= {"created_at": (NOW - age).isoformat(), **more}
    return status["id"]


def test_a_change_is_heard_where_the_post_is_to_us_and_not_because_we_boosted_it(fake):
    changed(fake, fake.mutter("my cat"), reblogged=True)
    changed(fake, fake.mutter("to somebody", parent=fake.mutter("else")), in_reply_to_account_id="carla")
    named = changed(fake, fake.mutter("@brand and my tea?"), mentions=[{"id": "7"}, {"id": ME["id"]}])
    below = changed(fake, fake.mutter("thanks", parent=ours(fake, "news")), in_reply_to_account_id=ME["id"])
    quoting = changed(fake, fake.mutter("look"), quote={"state": "accepted", "quoted_status": {"account": ME}})
    odd = changed(fake, fake.mutter("@brand again"), quote="pending", mentions=[{"id": ME["id"]}])
    assert set(read(fake)) == {named, below, quoting, odd}


def test_a_channel_that_does_not_know_itself_yet_hears_every_change(fake):
    one = changed(fake, fake.mutter("my cat"))
    fake.facts = dict
    assert set(read(fake)) == {one}


@pytest.mark.parametrize("odd", [{"created_at": None}, {"account": None}])
def test_an_odd_post_of_our_own_leaves_a_lost_answer_in_doubt_and_breaks_nothing(fake, odd):
    fake.say("hi")
    (post,) = read(fake).values()
    outgoing = Outgoing(key="k", text="On its way", parent=post, sending_at=NOW)
    assert fake.connector().find(outgoing) == Absent()
    real = fake.answer
    fake.answer = lambda asked: (
        Reply(200, [{"id": "1", "content": "x", **odd}]) if asked.path.endswith("/1/statuses") else real(asked)
    )
    assert isinstance(fake.connector().find(outgoing), CannotKnow)


def test_a_lost_answer_is_found_among_our_own_posts(fake):
    fake.say("hi")
    (post,) = read(fake).values()
    outgoing = Outgoing(key="k", text="On its way", parent=post, sending_at=NOW)
    sent = fake.connector().send(outgoing)
    assert fake.connector().find(outgoing) == Found(sent.external_id, sent.url)


def test_an_odd_post_above_leaves_the_rest_of_the_thread_and_our_own_beginning_stands_in_it(fake):
    first = ours(fake, "Our new tea", timedelta(hours=1))
    second = fake.mutter("which?", parent=first)
    third = fake.mutter("the green one", parent=second)
    post = fake.connector().refresh([third], NOW)[0]
    assert [above.external_id for above in fake.connector().ancestors(post, NOW)] == [first, second]
    fake.statuses[second]["created_at"] = "soon"
    assert [above.external_id for above in fake.connector().ancestors(post, NOW)] == [first]


def abroad(fake, text, days):
    fake.start = NOW - timedelta(days=days)
    return fake.say(text, account={"acct": "carla@far.example"})


@pytest.mark.parametrize("batch", [True, False])
def test_what_a_server_may_have_dropped_for_its_age_is_not_called_deleted(fake, batch):
    """It stands as it stands, unless the server still shows something older that is not its own."""
    old, young = abroad(fake, "where is my order?", 8), abroad(fake, "and now?", 6)
    fake.start = NOW - timedelta(days=9)
    home = fake.say("I am of this server")
    real = fake.answer
    if not batch:
        fake.answer = lambda asked: Reply(404, {}) if asked.path == "/api/v1/statuses" else real(asked)
    for one in (old, young):
        fake.delete(one)
    told = fake.connector().refresh([home, old, young], NOW)
    assert {one.external_id: type(one) for one in told} == {home: Post, young: Deleted}
    older = abroad(fake, "hello", 10)
    told = fake.connector().refresh([older, old], NOW)
    assert {one.external_id: type(one) for one in told} == {older: Post, old: Deleted}


@pytest.mark.parametrize("number", ["9xkGn3Zq7VtR0pLm2a", "01J8Z3Q5N6", "7", "9" * 30])
def test_a_number_that_tells_no_time_is_deleted_when_it_is_not_there(fake, number):
    assert fake.connector().refresh([number], NOW) == [Deleted(number)]


def search_finds(fake, found):
    real = fake.answer
    nothing = Reply(200, {"accounts": [], "statuses": [], "hashtags": []})
    fake.answer = lambda asked: nothing if asked.path == "/api/v2/search" and not found else real(asked)
    return fake.connector().check()


def test_a_server_that_does_not_search_in_posts_says_so_and_is_asked_for_no_topic(fake):
    ours(fake, "We reopened yesterday", timedelta(days=2))
    ours(fake, "We reopened with biscuits", timedelta(days=1))
    ours(fake, "News")
    check = search_finds(fake, found=False)
    assert any("does not search in posts" in words for words in check.warnings)
    connector = fake.connector()
    connector.facts = check.facts
    assert not connector.can_search
    connector.facts = {**check.facts, "search": True}
    assert connector.can_search


@pytest.mark.parametrize(("older", "found"), [("We reopened yesterday", True), ("It is on", False), (None, False)])
def test_nothing_is_said_of_a_search_that_works_or_that_could_not_be_tried(fake, older, found):
    if older:
        ours(fake, older, timedelta(days=2))
    ours(fake, "Something new")
    check = search_finds(fake, found)
    assert not any("search" in words for words in check.warnings)
    assert check.facts.get("search") in (True, None)


def finds_whole_words(fake, known=lambda word: True):
    """As servers that search do it: letters, digits and _ are of one word. Returns what was asked for."""
    real, asked_for = fake.answer, []

    def answer(asked):
        if asked.path != "/api/v2/search":
            return real(asked)
        asked_for.append(asked.one("q"))
        said = " ".join(re.sub(r"<[^>]+>", " ", status["content"]) for status in fake.statuses.values()).lower()
        word = asked_for[-1].lower()
        found = [{"id": "1"}] if word in re.findall(r"\w+(?:['’]\w+)*", said) and known(word) else []
        return Reply(200, {"accounts": [], "statuses": found, "hashtags": []})

    fake.answer = answer
    return asked_for


@pytest.mark.parametrize(
    "said",
    [
        "@customer_99 thank you, we refunded it",
        "@customer@social.example: we refunded it.",
        "#refunds and #returns_2024: “refunded”!",
        "Your parcel RETURNS2024 was refunded",
        "See https://acme.example/opening/hours or acme.example, we refunded",
        "The customer’s money: refunded",
    ],
)
def test_the_search_is_tried_with_a_word_that_stands_for_itself(fake, said):
    ours(fake, said, timedelta(days=2))
    ours(fake, "News")
    asked_for = finds_whole_words(fake)
    assert fake.connector().check().facts["search"] is True
    assert asked_for == ["refunded"]


def test_a_search_is_given_up_only_after_words_of_several_posts(fake):
    ours(fake, "We reopened yesterday", timedelta(days=3))
    ours(fake, "News")
    asked_for = finds_whole_words(fake, known=lambda word: word == "biscuits")
    assert "search" not in fake.connector().check().facts
    for age, said in enumerate(("Reopened: the biscuits", "Reopened with chocolate", "Reopened for business")):
        ours(fake, said, timedelta(days=2, hours=-age))
    del asked_for[:]
    assert fake.connector().check().facts["search"] is True
    assert asked_for == ["reopened", "biscuits"]
    finds_whole_words(fake, known=lambda word: False)
    before = fake.requests()
    assert fake.connector().check().facts["search"] is False
    tried = [asked for asked in fake.server.asked[before:] if asked.path == "/api/v2/search"]
    assert len(tried) == 3


def test_a_server_is_asked_for_no_right_that_nothing_uses():
    rights = set(Connector.named("mastodon").scopes)
    assert rights == {
        "read:accounts", "read:statuses", "read:notifications", "read:search", "write:statuses", "write:favourites",
        "write:media", "write:mutes", "write:blocks", "write:reports",
    }  # fmt: skip


def test_an_account_mutes_blocks_and_reports(fake):
    identity = fake.say("@brand buy pills")
    one = read(fake)[identity]
    for verb, shown in (("mute", "unmute"), ("unmute", "mute")):
        for _ in range(2):
            now = fake.connector().do(verb, one).post
        assert fake.connector().can(now, NOW)[shown].allowed
    for verb in ("block", "block", "report"):
        assert fake.connector().can(one, NOW)[verb].allowed
        fake.connector().do(verb, one)
    assert fake.blocked == {"carla"}
    assert fake.reports == [{"account_id": ["carla"], "status_ids[]": [one.external_id]}]


@pytest.mark.parametrize("scope", ["", "read:statuses write:statuses"])
def test_an_older_sign_in_says_that_it_must_be_made_anew_to_block(fake, scope):
    identity = fake.say("@brand buy pills")
    one = read(fake)[identity]
    able = fake.connector({**fake.secrets, "scope": scope}).can(one, NOW)
    for verb in ("mute", "block", "report"):
        assert not able[verb].allowed
        assert "sign in again" in able[verb].reason
    assert fake.connector({**fake.secrets, "scope": "read write"}).can(one, NOW)["block"].allowed


def test_whoever_signs_in_at_a_server_that_names_no_rights_has_those_that_were_asked_for(fake):
    identity = fake.say("@brand buy pills")
    one = read(fake)[identity]
    consent = Consent(fake)
    connector = fake.connector()
    grant = connector.begin(BACK, "a-state")
    consent.asked = dict(parse_qsl(urlsplit(grant.url).query))
    secrets = connector.finish("the-code", BACK, grant.secrets)
    assert fake.connector(secrets).can(one, NOW)["block"].allowed


def test_what_is_said_to_us_is_a_mention(fake):
    one = fake.say("@brand hi")
    assert read(fake)[one].kind is PostKind.MENTION

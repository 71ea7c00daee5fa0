"""What is special about reviews: stars, one answer that must not replace a colleague's, keys that sign tokens of their
own, and how each service says no."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key

from connectors.base import Absent, Budget, Connector, Found, Outgoing, PostKind, Secrets, Sent
from connectors.faults import (
    AuthExpired,
    AuthRevoked,
    Gone,
    Invalid,
    NotPermitted,
    PolicyRefused,
    QuotaSpent,
    RateLimited,
    Unavailable,
    Unreadable,
)
from connectors.http import Seam
from connectors.signed_tokens import pem
from tests.fakes import app_store, google_business, google_play
from tests.fakes.reviews import EC, RSA
from tests.fakes.server import Reply
from tests.fakes.youtube import refused

NOW = datetime.now(UTC)
SERVICES = ("google_business", "google_play", "app_store")


@pytest.fixture(params=SERVICES)
def fake(request):
    with import_module(f"tests.fakes.{request.param}").Fake() as fake:
        yield fake


@pytest.fixture
def play():
    with google_play.Fake() as fake:
        yield fake


@pytest.fixture
def apple():
    with app_store.Fake() as fake:
        yield fake


@pytest.fixture
def business():
    with google_business.Fake() as fake:
        yield fake


def posts(fake, cursor=None, now=None):
    return {post.external_id: post for post in fake.read(fake.connector(), cursor, now=now)[0]}


def answering(post, text="Thank you"):
    return Outgoing(key="k", text=text, parent=post, sending_at=datetime.now(UTC))


def test_a_review_has_stars_and_a_writer_nobody_could_know_again(fake):
    first, second = fake.say("Weak tea", "theo"), fake.say("Weak tea", "theo")
    found = posts(fake)
    assert (found[first].kind, found[first].rating, found[first].author.name) == (PostKind.REVIEW, Decimal(2), "Theo")
    assert found[first].author.external_id != found[second].author.external_id
    assert not fake.connector().mergeable
    assert found[first].root_id == first


def test_an_answer_given_elsewhere_is_shown_as_ours_and_is_not_replaced(fake):
    identity = fake.say("Weak tea")
    fake.replied(identity.removeprefix(fake.prefix), "We changed the blend")
    found = posts(fake)
    review, answer = found[identity], found[f"{identity}/reply"]
    assert (answer.ours, answer.parent_id, answer.text) == (True, identity, "We changed the blend")
    able = fake.connector().can(review, NOW)["reply"]
    assert not able.allowed
    assert "one answer" in able.reason
    with pytest.raises(PolicyRefused) as raised:
        fake.connector().send(answering(review))
    assert raised.value.url == review.url
    assert fake.writings() == 0


def test_a_colleague_who_was_faster_is_not_overwritten(fake):
    identity = fake.say("Weak tea")
    review = posts(fake)[identity]
    assert fake.connector().can(review, NOW)["reply"].allowed
    fake.replied(identity.removeprefix(fake.prefix), "We changed the blend")
    with pytest.raises(PolicyRefused):
        fake.connector().send(answering(review))
    assert isinstance(fake.connector().find(answering(review)), Absent)
    assert fake.made()[0]["text"] == "We changed the blend"


def test_our_own_earlier_try_is_no_colleague(fake):
    identity = fake.say("Weak tea")
    review = posts(fake)[identity]
    fake.replied(identity.removeprefix(fake.prefix), "Thank  you")
    assert isinstance(fake.connector().find(answering(review)), Found)
    assert fake.connector().send(answering(review)) == Sent(f"{identity}/reply", review.url)
    assert fake.writings() == 0


def test_an_answer_can_be_corrected_but_not_over_a_colleagues(fake):
    identity, connector = fake.say("Weak tea"), fake.connector()
    connector.send(answering(posts(fake)[identity]))
    own = posts(fake)[f"{identity}/reply"]
    able = connector.can(own, NOW)
    assert (able["edit"].allowed, able["reply"].allowed) == (True, False)
    connector.do("edit", own, "Thank you, Carla")
    connector.do("edit", own, "Thank you, Carla")
    assert fake.made()[0]["text"] == "Thank you, Carla"
    with pytest.raises(PolicyRefused):
        connector.do("edit", own, "Thanks")
    fake.reviews[identity.removeprefix(fake.prefix)]["answer"] = None
    with pytest.raises(Gone):
        connector.do("edit", own, "Thanks")


def test_an_answer_can_be_taken_back_where_the_service_lets_us(fake):
    identity, connector = fake.say("Weak tea"), fake.connector()
    connector.send(answering(posts(fake)[identity]))
    own = posts(fake)[f"{identity}/reply"]
    if fake.name == "google_play":
        assert "delete" not in connector.can(own, NOW)
        with pytest.raises(NotPermitted):
            connector.do("delete", own)
        return
    assert connector.can(own, NOW)["delete"].allowed
    connector.do("delete", own)
    connector.do("delete", own)
    assert fake.made() == []


def test_other_stars_are_another_version_of_the_same_words(fake):
    identity = fake.say("Weak tea")
    before = posts(fake)[identity].version
    fake.one(identity)["stars"] = 1
    assert posts(fake)[identity].version != before


def test_an_edit_told_with_an_old_date_is_found_within_a_day(fake):
    identity = fake.say("Weak tea")
    fake.say("Good tea")
    _, _, cursor, _ = fake.read(fake.connector())
    for _ in range(3):
        fake.start += timedelta(minutes=16)
        fake.say("More")
        _, _, cursor, _ = fake.read(fake.connector(), cursor)
    fake.one(identity)["text"] = "Weak tea, once more"
    tomorrow = posts(fake, cursor, NOW + timedelta(days=1, minutes=1))
    assert tomorrow[identity].text == "Weak tea, once more"


def test_an_edit_beyond_the_first_page_is_found_within_a_day_though_nothing_new_came(fake):
    fake.start = NOW - timedelta(days=3)
    first, *_ = [fake.say(f"Tea number {number}") for number in range(250)]
    cursor = fake.read(fake.connector())[2]
    cursor = fake.read(fake.connector(), cursor, now=NOW + timedelta(hours=1))[2]
    fake.one(first)["text"] = "Weak tea, once more"
    assert posts(fake, cursor, NOW + timedelta(hours=26))[first].text == "Weak tea, once more"


def test_what_is_older_than_two_days_at_the_start_is_history(fake):
    fake.start = NOW - timedelta(days=5)
    identity = fake.say("Old tea")
    assert posts(fake)[identity].history


def test_a_token_that_ran_out_begins_again_at_the_newest(fake):
    identity = fake.say("Weak tea")
    _, _, cursor, _ = fake.read(fake.connector())
    cursor["walk"]["at"] = "outdated"
    real = fake.part
    fake.part = lambda token, size: real(None, size) if token != "outdated" else raising()
    normal = fake.answer

    def answer(asked):
        try:
            return normal(asked)
        except LookupError:
            return fake.fault("422")

    def raising():
        raise LookupError

    fake.answer = answer
    assert identity in posts(fake, cursor)


def test_what_was_read_can_be_read_once_more(fake):
    fake.start = NOW - timedelta(days=5)
    identity = fake.say("Weak tea")
    _, _, cursor, _ = fake.read(fake.connector())
    again = fake.connector().again(fake.source, cursor, NOW - timedelta(days=6), NOW)
    assert identity in posts(fake, again)


def test_every_app_and_place_is_a_source_of_its_own(fake):
    connector = fake.connector()
    field = connector.subjects
    connector.settings = {**connector.settings, field: ["a", "b"]}
    assert [source.name for source in connector.listening()] == ["reviews:a", "reviews:b"]
    connector.settings = {**connector.settings, field: []}
    assert connector.listening() == ()
    fake.places = {}
    with pytest.raises(Invalid):
        connector.check()


def test_a_check_says_who_we_are(fake):
    check = fake.connector().check()
    assert check.account_id
    assert fake.connector().label in check.account_name
    assert check.warnings == ()


def test_a_review_that_is_told_oddly_holds_up_no_other_and_no_answer_to_it_leaves(fake, monkeypatch):
    odd, other = fake.say("Weak tea"), fake.say("Good tea", "theo")
    review, answer = posts(fake)[odd], fake.answer

    def answered(asked):
        reply = answer(asked)
        body = reply.body if asked.method == "GET" and odd.rpartition("/")[2] in asked.path else {}
        about = body.get("data", {}).get("attributes") or body
        about.update({"comments": [], "createdDate": "soon", "updateTime": "soon"} if body else {})
        return reply

    monkeypatch.setattr(fake, "answer", answered)
    assert [post.external_id for post in fake.connector().refresh([odd, other], NOW)] == [other]
    with pytest.raises(Unreadable):
        fake.connector().send(answering(review))
    with pytest.raises(Unreadable):
        fake.connector().find(answering(review))


def test_a_review_that_its_writer_took_back_holds_up_no_other(play, monkeypatch):
    for number in range(4):
        play.say(f"review {number}")
    answer = play.answer

    def answered(asked):
        reply = answer(asked)
        if isinstance(reply.body, dict) and reply.body.get("reviews"):
            reply.body["reviews"][1]["comments"] = [{"developerComment": {"text": "Thanks"}}]
        return reply

    monkeypatch.setattr(play, "answer", answered)
    found, bad, _, _ = play.read(play.connector())
    assert (len(found), len(bad)) == (3, 1)


def test_a_channel_without_reviews_reads_an_empty_page(fake):
    assert fake.read(fake.connector())[0] == []


# Google Business


def test_a_place_that_is_not_written_as_google_names_it_is_refused(business):
    connector = business.connector()
    connector.settings = {**connector.settings, "places": ["Main Street"]}
    with pytest.raises(Invalid) as raised:
        connector.check()
    assert raised.value.field == "places"


def test_an_answer_to_a_review_in_maps_is_counted_in_bytes(business):
    connector = business.connector()
    assert (connector.measure("ü").used, connector.measure("ü").unit) == (2, "bytes")


def test_words_for_a_refusal_are_understood_without_a_reason(business):
    for word, status, fault in (("RESOURCE_EXHAUSTED", 429, RateLimited), ("UNAUTHENTICATED", 401, AuthExpired),
                                ("PERMISSION_DENIED", 403, NotPermitted), ("NOT_FOUND", 404, Gone)):  # fmt: skip
        business.answer = lambda asked, word=word, status=status: google_business.no(status, word)
        with pytest.raises(fault):
            posts(business)
    off = {"error": {"code": 403, "status": "PERMISSION_DENIED", "details": [{"reason": "SERVICE_DISABLED"}]}}
    business.answer = lambda asked: Reply(403, off)
    with pytest.raises(NotPermitted, match="not switched on"):
        posts(business)


# Google Play


def test_the_token_given_to_a_service_account_is_kept_nowhere(play):
    play.say("Weak tea")
    kept = []
    connector = play.connector()
    connector.seam = Seam(allow=["127.0.0.1"], guard=lambda: None, record=kept.append)
    play.read(connector)
    assert len(kept) == 2
    assert google_play.ACCESS not in repr(kept)


def test_one_token_is_enough_for_one_round(play):
    connector = play.connector()
    play.say("Weak tea")
    play.read(connector)
    connector.refresh([f"{google_play.APP}/r00001"], NOW)
    assert sum(asked.path == "/token" for asked in play.server.asked) == 1


def test_a_key_file_that_is_none_asks_for_a_person(play):
    for text in ("", "{}", "[1]", json.dumps({"client_email": "a", "private_key": "x", "private_key_id": "1"})):
        with pytest.raises(AuthRevoked):
            play.connector(secrets={"service_account": text}).check()


def test_a_title_in_the_store_stands_before_a_tab(play):
    identity = play.say("Weak\tIt tastes of nothing")
    post = posts(play)[identity]
    assert (post.subject, post.text, post.lang) == ("Weak", "It tastes of nothing", "en")


def test_a_refusal_of_google_play_is_what_its_reason_says(play):
    for status, reason, fault in ((403, "quotaExceeded", QuotaSpent), (401, "authError", AuthRevoked),
                                  (403, "rateLimitExceeded", RateLimited), (500, "backendError", Unavailable),
                                  (400, "replyTooLong", Invalid)):  # fmt: skip
        play.answer = lambda asked, status=status, reason=reason: refused(status, reason)
        with pytest.raises(fault):
            posts(play)


# App Store


def test_a_key_survives_the_field_it_is_pasted_into():
    for key in (EC, RSA):
        whole = google_play.pem(key)
        assert pem(whole.replace("\n", "")) == whole
        assert pem(whole.replace("\n", "\\n")) == whole
        assert pem(f"  {whole} ") == whole
    with pytest.raises(AuthRevoked):
        pem("AuthKey")


def test_what_is_left_of_an_hour_is_heard_from_apple(apple):
    apple.say("Weak tea")
    page = next(apple.connector().poll(apple.source, None, Budget(), NOW))
    assert [(rate.limit, rate.remaining) for rate in page.rate] == [(3600, 3598)]
    assert page.rate[0].reset_at == NOW + timedelta(hours=1)


def test_the_next_page_of_apple_is_asked_for_by_its_token_alone(apple):
    for number in range(205):
        apple.say(f"review {number}")
    assert len(posts(apple)) == 205
    assert all(exchange.url.startswith(apple.server.url) for exchange in apple.kept)


def test_a_conflict_at_apple_is_never_a_text_that_is_there_already(apple):
    identity = apple.say("Weak tea")
    review = posts(apple)[identity]
    for code, fault in (("ENTITY_ERROR.ATTRIBUTE.INVALID", Invalid), ("STATE_ERROR", PolicyRefused)):
        apple.posted = lambda given, code=code: app_store.no(409, code)
        with pytest.raises(fault):
            apple.connector().send(answering(review))


def test_a_key_apple_does_not_know_asks_for_a_person(apple):
    with pytest.raises(AuthRevoked):
        apple.connector(secrets={"private_key": google_play.pem(RSA)}).check()
    stranger = app_store.pem(generate_private_key(EC.curve))
    with pytest.raises(AuthRevoked):
        apple.connector(secrets={"private_key": stranger}).check()


TWO = {
    google_business.PLACE: ("Acme", "Lyon"),
    "accounts/1/locations/3": ("Acme", "Paris"),
    "accounts/9/locations/4": ("Tea room", ""),
}


def of_google(business, places, facts=None):
    settings = {**business.settings(), "places": places, "facts": facts or {}}
    return Connector.named("google_business")(settings, Secrets(business.secrets), business.connector().seam)


@pytest.mark.parametrize(
    ("named", "read"),
    [
        ((), ["2", "3", "4"]),
        (("Acme",), ["2", "3"]),
        (("acme (paris)", "Tea room"), ["3", "4"]),
        (("accounts/1/locations/3", "Tea room"), ["3", "4"]),
    ],
)
def test_the_places_of_an_account_are_all_read_or_those_that_are_named(business, named, read):
    business.places = TWO
    check = of_google(business, named).check()
    channel = of_google(business, named, check.facts)
    assert [source.name.rpartition("/")[2] for source in channel.listening()] == read
    assert check.account_id == "accounts/1"
    labels = {source.label for source in channel.listening()}
    assert ("Reviews of Acme (Paris)" in labels) is ("3" in read)


def test_a_review_says_of_which_place_it_is_and_leads_there(business):
    business.say("Cold coffee")
    check = of_google(business, []).check()
    [post] = business.read(of_google(business, [], check.facts))[0]
    assert (post.subject, post.url) == ("Acme (Lyon)", "https://maps.example/2")
    business.places = {google_business.PLACE: ("Acme Tea", "Lyon")}
    check = of_google(business, []).check()
    [again] = business.read(of_google(business, [], check.facts))[0]
    assert (again.subject, again.version) == ("Acme Tea (Lyon)", post.version), "another name edits no review"
    [unnamed] = business.read(of_google(business, [google_business.PLACE]))[0]
    assert unnamed.subject == google_business.PLACE


def test_a_place_that_nobody_manages_is_said_with_those_that_are(business):
    business.places = TWO
    with pytest.raises(Invalid, match=r"no place called “Bakery”\..*Acme \(Lyon\), Acme \(Paris\), Tea room"):
        of_google(business, ["Acme", "Bakery"]).check()
    business.places = {}
    with pytest.raises(Invalid, match="manages none"):
        of_google(business, []).check()
    business.places = {f"accounts/1/locations/{number}": ("Acme", str(number)) for number in range(51)}
    with pytest.raises(Invalid, match="they are 51"):
        of_google(business, []).check()
    assert len(of_google(business, ["Acme"]).check().facts["places"]) == 51


def test_places_named_by_their_paths_need_no_list_of_them_and_are_of_the_same_account(business):
    check = of_google(business, [google_business.PLACE]).check()
    assert (check.account_id, check.account_name) == ("accounts/1", f"Google reviews: {google_business.PLACE}")
    assert not [asked for asked in business.server.asked if asked.path.startswith("/v1/")]

"""Lists that Meta gives page by page: tokens that it takes no more, conversations that it refuses, and odd values in
what is listed."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import Budget
from connectors.faults import Invalid
from connectors.newest_first import Walk
from connectors.posts import BELOW
from connectors.rounds import Round
from tests.fakes import facebook, instagram, threads
from tests.fakes.graph import refused

NOW = datetime.now(UTC)
LISTS = [
    (facebook, "visitor_posts"), (facebook, "messages"), (facebook, "comments"), (instagram, "tags"),
    (instagram, "hashtag:tea"), (instagram, "messages"), (instagram, "comments"), (threads, "mentions"),
    (threads, "replies"), (threads, "search:tea"),
]  # fmt: skip


def polled(fake, source, cursor, now=NOW, requests=5):
    """What one poll gives, as its pages."""
    kept = json.loads(json.dumps(cursor))
    return list(fake.connector().poll(source, kept, Budget(requests=requests), now))


def cut_at_a_token_of_long_ago(source):
    since = NOW - timedelta(days=8)
    if source in ("comments", "replies"):
        reading = Round.read(None, since)
        reading.begin(since)
        reading.listing = "after=gone~0"
        return reading.kept()
    walk = Walk.read(None, since, timedelta(hours=48))
    walk.at, walk.aside = "after=gone~0", since
    return walk.kept() | ({"tag": "17843"} if source.startswith("hashtag") else {})


@pytest.mark.parametrize(("kind", "source"), LISTS)
def test_a_list_whose_token_is_taken_no_more_begins_again(kind, source):
    with kind.Fake() as fake:
        pages = polled(fake, source, cut_at_a_token_of_long_ago(source))
        asked = [dict(each.query).get("after") for each in fake.server.asked]
        assert asked[:2] == ["gone~0", None]
        assert pages[-1].end


@pytest.mark.parametrize("source", ["visitor_posts", "messages", "comments"])
def test_a_list_whose_every_second_page_is_refused_is_a_fault_and_not_read_in_circles(source):
    with facebook.Fake() as fake:
        for number in range(120):
            fake.visit(f"visit {number}")
            fake.message("Hello", f"p{number}")
        answer = fake.answer
        fake.answer = lambda asked: refused(100) if dict(asked.query).get("after") else answer(asked)
        fake.edge_of_page = listed_in_pages(fake)
        with pytest.raises(Invalid):
            polled(fake, source, cut_at_a_token_of_long_ago(source), requests=200)
        assert len([one for one in fake.server.asked if dict(one.query).get("after")]) == 2


def listed_in_pages(fake):
    told = fake.edge_of_page
    return lambda edge, given: fake.page(fake.posts.values(), given) if edge == "feed" else told(edge, given)


def waiting(fake):
    """A cursor with a conversation that is still to be read further back."""
    for number in range(60):
        fake.message(f"message {number}")
    pages = polled(fake, "messages", None, requests=1)
    assert pages[-1].cursor["deep"]
    return pages[-1].cursor, {post.external_id for page in pages for post in page.posts}


@pytest.mark.parametrize("kind", [facebook, instagram])
def test_a_conversation_whose_token_is_taken_no_more_is_read_from_its_first_page(kind):
    with kind.Fake() as fake:
        cursor, seen = waiting(fake)
        fake.forget_pages()
        pages = polled(fake, "messages", cursor)
        assert {post.external_id for page in pages for post in page.posts} | seen == {f"m_{n}" for n in range(1, 61)}
        assert not any(page.gaps for page in pages)


@pytest.mark.parametrize("kind", [facebook, instagram])
@pytest.mark.parametrize("code", [(100, 33), (100,), (10,)])
def test_a_conversation_that_is_refused_holds_up_no_other_and_is_asked_for_again(kind, code):
    with kind.Fake() as fake:
        cursor, _ = waiting(fake)
        fake.message("Is anybody there?", "theo")
        answer = fake.answer
        fake.answer = lambda asked: refused(*code) if asked.path.endswith("t_carla/messages") else answer(asked)
        told = []
        for minute in range(4):
            pages = polled(fake, "messages", cursor, NOW + timedelta(minutes=minute), requests=1)
            told, cursor = [*told, *pages], pages[-1].cursor
        assert "Is anybody there?" in [post.text for page in told for post in page.posts]
        assert [(bad.external_id, bad.raw) for page in told for bad in page.bad] == [("t_carla", {BELOW: "t_carla"})]
        fake.answer = answer
        later = polled(fake, "messages", cursor, NOW + timedelta(hours=2))
        assert {f"m_{number}" for number in range(1, 41)} <= {post.external_id for page in later for post in page.posts}
        assert "t_carla" in [one for page in later for one in page.reopened]
        assert not later[-1].cursor["deep"]


def test_a_conversation_that_stays_refused_is_given_up_when_nobody_could_answer_it():
    with facebook.Fake() as fake:
        cursor, _ = waiting(fake)
        answer = fake.answer
        fake.answer = lambda asked: refused(100, 33) if asked.path.endswith("t_carla/messages") else answer(asked)
        for day in range(1, 9):
            cursor = polled(fake, "messages", cursor, NOW + timedelta(days=day))[-1].cursor
        assert cursor["deep"] == []


def listing_also(fake, odd):
    """What hangs on posts is asked for by a list that has one more, and that is odd."""
    answer = fake.answer

    def told(asked):
        reply = answer(asked)
        if asked.path.endswith(("/feed", "/media", "/me/threads")):
            reply.body["data"].insert(0, {**reply.body["data"][0], "id": "9", **odd})
        return reply

    return told


@pytest.mark.parametrize("odd", [{"id": "\ud800"}, *({name: 10**20} for name in ("updated_time", "timestamp"))])
@pytest.mark.parametrize(("kind", "source"), [(facebook, "comments"), (instagram, "comments"), (threads, "replies")])
def test_an_odd_value_in_a_list_holds_up_nothing_else_in_it(kind, source, odd):
    with kind.Fake() as fake:
        said = fake.say("Where is my order?")
        fake.answer = listing_also(fake, odd)
        pages = polled(fake, source, None, requests=20)
        assert said in [post.external_id for page in pages for post in page.posts]
        assert "\\ud800" not in json.dumps([page.cursor for page in pages])


def test_an_absurd_time_of_a_message_is_set_aside_and_the_others_come():
    with facebook.Fake() as fake:
        fake.message("Hello")
        fake.talks["t_carla"].append({**fake.talks["t_carla"][0], "id": "m_odd", "created_time": 10**20})
        fake.talk = lambda identity, messages: {
            "id": identity,
            "updated_time": fake.now(),
            "messages": {"data": messages},
        }
        (page,) = polled(fake, "messages", None)
        assert [post.text for post in page.posts] == ["Hello"]
        assert [bad.external_id for bad in page.bad] == ["m_odd"]

"""A page of posts becomes conversations, mentions, counters and events, once, however often it is offered."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from connectors.base import Author, Post, PostKind, PostState
from connectors.models import Channel
from connectors.text import normalised
from inbox.arrival import Place
from inbox.models import Conversation, Event, Identity, Mention, Person, Stream, Tally
from inbox.models.receive import receive
from routing import engine

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def channel(cast):
    return Channel.objects.create(name="@acme", network="demo")


def post(number, text="hello", author="carla", **fields):
    return Post(
        external_id=str(number),
        kind=PostKind.MENTION,
        source="mentions",
        author=Author(external_id=author, handle=f"@{author}", name=author.title()),
        text=text,
        created_at=fields.pop("created_at", NOW + timedelta(seconds=number)),
        **fields,
    )


def offer(channel, *posts):
    place = Place(channel.pk, channel.network, "demo", NOW, normalised)
    return receive(place, posts, partial(engine.decide), lambda: None)


def counted():
    """Every counter that is not zero, and the same from the rows."""
    kept = {(t.scope, t.state): t.n for t in Tally.objects.all() if t.n}
    true = Counter()
    for c in Conversation.objects.all():
        true[f"team:{c.team_id}", c.state] += 1
        true[f"agent:{c.agent_id}" if c.agent_id else f"team:{c.team_id}:free", c.state] += 1
    return kept, dict(true)


def test_a_page_is_stored_with_persons_threads_counters_and_events(cast, channel):
    received = offer(channel, post(1), post(2, author="theo"), post(3, "more", parent_id="1"))
    assert (received.offered, received.new) == (3, 3)
    assert Conversation.objects.count() == 2
    assert Mention.objects.count() == 3
    assert Person.objects.count() == Identity.objects.count() == 2
    carla = Conversation.objects.get(identity__external_id="carla")
    assert [m.text for m in carla.mentions.timeline()] == ["hello", "more"]
    assert carla.team == cast.marketing
    assert carla.excerpt == "more"
    assert carla.seen_seq == carla.events.timeline().last().seq == 3
    kept, true = counted()
    assert kept == true
    numbers = list(
        Event.objects.filter(stream=cast.marketing.stream).values_list("number", flat=True).order_by("number")
    )
    assert numbers == list(range(1, Stream.objects.get(key=cast.marketing.stream).n + 1))


def test_the_same_page_again_changes_nothing(channel):
    posts = [post(1), post(2, author="theo")]
    offer(channel, *posts)
    events = Event.objects.count()
    again = offer(channel, *posts)
    assert (again.new, again.changed) == (0, 0)
    assert Mention.objects.count() == 2
    assert Event.objects.count() == events


def test_a_later_message_returns_a_closed_conversation_to_new(cast, channel):
    offer(channel, post(1))
    conversation = Conversation.objects.get()
    assert conversation.close(cast.mona)
    offer(channel, post(5, "again", parent_id="1"))
    conversation.refresh_from_db()
    assert conversation.state == 0
    assert conversation.closed_at is None
    assert "reopened" in conversation.events.values_list("happening", flat=True)
    kept, true = counted()
    assert kept == true


def test_an_edit_keeps_the_old_text_and_a_deletion_marks_the_post(channel):
    offer(channel, post(1, "frist"))
    offer(channel, post(1, "first", edited_at=NOW + timedelta(minutes=1), state=PostState.EDITED))
    mention = Mention.objects.get()
    assert (mention.text, mention.state) == ("first", "edited")
    assert mention.revisions.get().text == "frist"
    offer(channel, post(1, "first", state=PostState.DELETED))
    mention.refresh_from_db()
    assert mention.state == "deleted"
    offer(channel, post(1, "first", edited_at=NOW + timedelta(minutes=2)))
    mention.refresh_from_db()
    assert mention.state == "deleted"


def test_an_edit_does_not_take_a_conversation_from_its_owner(cast, channel):
    offer(channel, post(1))
    conversation = Conversation.objects.get()
    conversation.claim(cast.mona)
    offer(channel, post(1, "changed", edited_at=NOW + timedelta(minutes=1)))
    conversation.refresh_from_db()
    assert conversation.agent == cast.mona


def test_history_is_stored_but_stands_in_no_queue(cast, channel):
    offer(channel, post(1, history=True))
    assert Conversation.objects.get().state == 6
    assert not Conversation.objects.open().exists()


def test_two_first_messages_of_one_person_make_one_conversation(channel):
    offer(channel, post(1, root_id="root"), post(2, root_id="root"))
    assert Conversation.objects.count() == 1


def test_a_page_costs_the_same_number_of_statements_however_long(channel, django_assert_max_num_queries):
    offer(channel, post(1))
    with django_assert_max_num_queries(24) as short:
        offer(channel, post(2, author="theo"))
    with django_assert_max_num_queries(24) as long:
        offer(channel, *(post(n, author=f"a{n}") for n in range(10, 210)))
    assert len(short.captured_queries) == len(long.captured_queries)

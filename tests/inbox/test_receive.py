"""A page of posts becomes conversations, mentions, counters and events, once, however often it is offered."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from connectors.base import Author, Post, PostKind, PostState, Visibility
from connectors.models import Channel
from connectors.storing import bind
from connectors.text import normalised
from inbox.arrival import Place
from inbox.models import Conversation, Event, Identity, Mention, Person, Reply, Stream, Tally, tally
from inbox.models.receive import receive
from routing import engine

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def channel(cast):
    return Channel.objects.create(name="@acme", network="demo")


def post(number, text="hello", author="carla", **fields):
    return Post(
        external_id=str(number),
        kind=fields.pop("kind", PostKind.MENTION),
        source=fields.pop("source", "mentions"),
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


def test_what_lies_between_two_numbers_does_not_say_how_many_there_are(cast, channel):
    offer(channel, *(post(number, author=f"person {number}") for number in range(60)))
    for page in range(60, 80):
        offer(channel, post(page, author=f"person {page}"))
    for kind in (Conversation, Mention):
        pks = list(kind.objects.order_by("pk").values_list("pk", flat=True))
        steps = {after - before for before, after in pairwise(pks)}
        assert len(pks) == 80
        assert steps <= set(range(1, 8))
        assert len(steps) > 3


@pytest.mark.parametrize("met", [True, False], ids=["a known author", "a new author"])
def test_a_conversation_that_another_channel_began_meanwhile_goes_on_with_the_page(cast, channel, met):
    other = Channel.objects.create(name="@other", network="demo")
    if met:
        offer(channel, post(1, "hi"))

    def decide(batch):
        """While this page is decided, the other channel stores its own."""
        if not Mention.objects.filter(channel=other).exists():
            offer(other, post(2, "first", root_id="r"))
        return engine.decide(batch)

    place = Place(channel.pk, channel.network, "demo", NOW, normalised)
    page = [post(3, "second", root_id="r"), post(4, author="theo")]
    received = receive(place, page, decide, lambda: None)
    assert (received.offered, received.new) == (2, 2)
    shared = Conversation.objects.get(thread_key="demo:r")
    assert [m.text for m in shared.mentions.timeline()] == ["first", "second"]
    assert shared.excerpt == "second"
    assert shared.seen_seq == shared.events.timeline().last().seq == 3
    assert Identity.objects.filter(external_id="carla").count() == 1
    assert Mention.objects.count() == 3 + met
    kept, true = counted()
    assert kept == true
    events = Event.objects.filter(stream=cast.marketing.stream)
    assert [event.number for event in events.order_by("number")] == list(range(1, len(events) + 1))


@pytest.mark.django_db(transaction=True)
def test_an_author_whom_another_channel_stored_meanwhile_is_one_person(cast, channel):
    other, met = Channel.objects.create(name="@acme too", network="demo"), []

    def decide(facts):  # asked when it is known who is missing, and before they are stored
        if not met:
            met.append(offer(other, post(1), post(2, author="rob")))
        return engine.decide(facts)

    place = Place(channel.pk, channel.network, "demo", NOW, normalised)
    received = receive(place, [post(11), post(12, author="theo")], decide, lambda: None)
    assert (met[0].new, received.new) == (2, 2)
    assert sorted(Identity.objects.values_list("external_id", flat=True)) == ["carla", "rob", "theo"]
    assert sorted(Person.objects.values_list("name", flat=True)) == ["Carla", "Rob", "Theo"]
    assert set(Identity.objects.values_list("person_id", flat=True)) == set(Person.objects.values_list("id", flat=True))
    assert Mention.objects.filter(identity__external_id="carla").count() == 2


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


def test_who_deleted_a_post_is_called_by_the_name_we_know(channel):
    offer(channel, post(1, "first"))
    Identity.objects.update(name="Carla Mendes")
    known = post(1).author
    gone = replace(post(1, state=PostState.DELETED), author=replace(known, name="", handle="carla-m"))
    offer(channel, gone)
    event = Event.objects.get(happening="deleted", echo=False)
    assert event.payload["author"] == "Carla Mendes"


@pytest.mark.parametrize("gone", ["deleted", "withheld"])
def test_a_page_that_was_decided_before_a_post_went_does_not_bring_it_back(channel, gone):
    offer(channel, post(1, "first"))
    place = Place(channel.pk, channel.network, "demo", NOW, normalised)
    later = [post(1, "second", edited_at=NOW + timedelta(minutes=2), state=PostState.EDITED)]
    mentions = Mention.objects.all()
    receive(place, later, partial(engine.decide), lambda: mentions.update(state=gone, version="gone") and None)
    mention = Mention.objects.get()
    assert (mention.state, mention.text, mention.version) == (gone, "first", "gone")
    assert not mention.revisions.exists()


def test_what_was_withheld_and_is_shown_again_stands_as_before(channel):
    offer(channel, post(1, "first", edited_at=NOW))
    offer(channel, post(1, "first", state=PostState.WITHHELD))
    assert Conversation.objects.get().excerpt == ""
    assert Event.objects.filter(happening="withheld", echo=False).count() == 1
    offer(channel, post(1, "first", edited_at=NOW))
    mention = Mention.objects.get()
    assert (mention.state, mention.text, mention.edited_at) == ("live", "first", NOW)
    assert not mention.revisions.exists()
    assert Conversation.objects.get().excerpt == "first"
    assert Event.objects.filter(happening="shown_again", echo=False).count() == 1
    assert offer(channel, post(1, "first", edited_at=NOW)).changed == 0


def test_what_was_changed_while_it_was_withheld_is_shown_as_it_is_now(channel):
    offer(channel, post(1, "frist"))
    offer(channel, post(1, "frist", state=PostState.WITHHELD))
    offer(channel, post(1, "first"))
    mention = Mention.objects.get()
    assert (mention.state, mention.text) == ("edited", "first")
    assert mention.edited_at
    assert mention.revisions.get().text == "frist"


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


def test_a_live_message_takes_a_thread_of_the_past_into_the_queue(cast, channel):
    offer(channel, post(1, history=True))
    offer(channel, post(2, "more of the past", parent_id="1", history=True))
    assert Conversation.objects.get().state == 6
    offer(channel, post(5, "please help me now", parent_id="1"))
    conversation = Conversation.objects.get()
    assert conversation.state == 0
    assert conversation.waiting_since == NOW + timedelta(seconds=5)
    kept, true = counted()
    assert kept == true


def test_what_a_rule_wants_to_be_heard_only_stays_out_of_the_queue(cast, channel):
    from routing.models import Rule

    words = {"all": [{"is": "text_any", "words": ["weather"]}]}
    Rule().rewrite(cast.ada, name="weather", when=words, then=[{"do": "ignore"}])
    offer(channel, post(1, "nice weather"), post(2, "bad weather", author="theo", history=True))
    offer(channel, post(3, "indeed", parent_id="1"), post(4, "indeed", author="theo", parent_id="2"))
    assert set(Conversation.objects.values_list("state", flat=True)) == {6}


def test_an_answer_of_ours_on_the_page_of_what_it_answers_is_kept(cast, channel):
    ours = post(2, "we look into it", author="acme", parent_id="1", ours=True)
    offer(channel, ours, post(1), post(3, author="theo"), post(4, "anything?", author="theo", parent_id="3"))
    answered = Conversation.objects.get(identity__external_id="carla")
    assert answered.mentions.count() == 2
    assert (answered.state, answered.excerpt, answered.inbound_seq) == (1, "hello", 1)
    assert answered.seen_seq == answered.events.timeline().last().seq == 3
    waiting = Conversation.objects.get(identity__external_id="theo")
    assert (waiting.state, waiting.excerpt, waiting.inbound_seq) == (0, "anything?", 2)
    kept, true = counted()
    assert kept == true


def test_an_answer_of_ours_on_a_page_with_a_later_message_of_a_thread_is_kept(cast, channel):
    offer(channel, post(1))
    offer(channel, post(2, "more", parent_id="1"), post(3, "yes", author="acme", parent_id="2", ours=True))
    conversation = Conversation.objects.get()
    assert conversation.mentions.count() == 3
    assert conversation.state == 1


@pytest.fixture
def reply(cast, channel):
    offer(channel, post(1))
    conversation = Conversation.objects.get()
    parent = conversation.last_inbound()
    return conversation.reply(cast.mona, "Thank you!", uuid4(), conversation.seen_seq, parent=parent)


def ours(number, **fields):
    return post(number, "Thank you!", "acme", parent_id="1", ours=True, **fields)


def test_a_post_of_ours_older_than_the_reply_settles_no_doubt(channel, reply):
    Reply.objects.update(state="sending", tries=1, takes=1, sending_at=timezone.now())
    old = ours(8, created_at=timezone.now() - timedelta(days=2))
    assert offer(channel, old).bound == []
    assert offer(channel, ours(9, created_at=timezone.now())).bound == [(reply.pk, "9", "")]


def test_what_everybody_can_read_settles_no_private_answer(channel, reply):
    Reply.objects.update(state="sending", tries=1, takes=1, sending_at=timezone.now(), kind="direct")
    said = ours(9, created_at=timezone.now())
    assert offer(channel, said).bound == []
    assert Mention.objects.filter(ours=True).count() == 1
    private = replace(said, external_id="10", visibility=Visibility.DIRECT)
    assert offer(channel, private).bound == [(reply.pk, "10", "")]


def test_the_post_of_a_reply_that_a_person_called_sent_is_not_shown_twice(cast, channel, reply):
    Reply.objects.update(state="in_doubt", tries=1, takes=1, flagged_at=timezone.now())
    reply.refresh_from_db()
    assert reply.settle("sent", cast.mona)
    bind(offer(channel, ours(9, created_at=timezone.now(), url="https://acme.example/9")).bound)
    assert Mention.objects.filter(ours=True).count() == 0
    reply.refresh_from_db()
    assert (reply.state, reply.external_id, reply.url) == ("sent", "9", "https://acme.example/9")
    assert offer(channel, ours(9, created_at=timezone.now())).new == 0


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


def test_what_the_network_allows_now_is_kept_and_nobody_is_told(channel):
    first = post(1, grants={"can_hide": True})
    offer(channel, first)
    events = Event.objects.count()
    offer(channel, replace(first, grants={"can_hide": False, "hidden": True}, visibility=Visibility.HELD))
    mention = Mention.objects.get()
    assert mention.grants == {"can_hide": False, "hidden": True}
    assert mention.visibility == "held"
    assert Event.objects.count() == events


def test_what_a_search_found_becomes_a_mention_when_it_is_heard_as_one(channel):
    found = post(1, kind=PostKind.RESULT, source="search:tea")
    offer(channel, found)
    offer(channel, replace(found, kind=PostKind.MENTION, source="mentions"))
    mention = Mention.objects.get()
    assert (mention.kind, mention.source) == ("mention", "mentions")
    offer(channel, found)
    mention.refresh_from_db()
    assert mention.kind == "mention", "a later search takes nothing back"


def test_what_was_only_listened_to_enters_the_queue_when_it_addresses_us(channel):
    found = post(1, kind=PostKind.RESULT, source="search:tea")
    offer(channel, found)
    Conversation.objects.update(state=6)
    tally.repair()
    offer(channel, replace(found, kind=PostKind.MENTION, source="mentions"))
    talk = Conversation.objects.get()
    assert talk.state == 0
    assert talk.events.order_by("-seq").first().happening == "reopened"
    assert talk.seen_seq == talk.events.order_by("-seq").first().seq
    assert not tally.differences()


def test_stars_that_were_changed_are_followed(channel):
    first = post(1, rating=Decimal(1), version="1")
    offer(channel, first)
    offer(channel, replace(first, rating=Decimal(5), version="2", text="hello, all is well now"))
    assert Mention.objects.get().rating == 5


@pytest.mark.django_db(transaction=True)
def test_only_authors_are_committed_without_waiting_for_the_disk(cast, channel):
    """The page that follows them waits for it, and what was written before it is on the disk by then."""
    settings = []

    def seen(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        authors = "INSERT INTO inbox_identity" in sql or "inbox_add_authors" in sql
        if authors or "inbox_numbers" in sql:
            with connection.connection.cursor() as cursor:
                cursor.execute("SHOW synchronous_commit")
                settings.append((cursor.fetchone()[0], authors))
        return answer

    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")  # servers of tests do not wait
    with connection.execute_wrapper(seen):
        offer(channel, post(1))
        with transaction.atomic():
            offer(channel, post(2, author="theo"))
    connection.close()
    assert {value for value, _ in settings} == {"on"}
    assert sorted(authors for _, authors in settings) == [False, False, True, True]
    assert Identity.objects.count() == 2

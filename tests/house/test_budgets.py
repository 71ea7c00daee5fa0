"""What the hot paths may cost, counted and not timed: statements of a page of posts, and shared buffers of the queue's
statements on a table large enough to show a wrong plan."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors.base import Budget, Connector
from connectors.following import ABROAD, Following
from connectors.models import Channel
from connectors.storing import Claim
from inbox import desk, filters
from inbox.models import Conversation, Identity, Person
from inbox.queue import PAGE, Queue
from inbox.searching import page as searched
from tests.inbox.test_receive import NOW, offer, post

MANY = 20_000


def statements_of(work, *arguments):
    with CaptureQueriesContext(connection) as seen:
        work(*arguments)
    return len(seen)


@pytest.fixture
def channel(cast):
    return Channel.objects.create(name="@acme", network="demo")


def mixed(start, count):
    """Posts of which a third answer in the conversations of `begin`."""
    return [
        post(start + n, "again", author=f"a{n}", parent_id=f"{n + 1}")
        if n % 3 == 0
        else post(start + n, author=f"b{n}")
        for n in range(count)
    ]


def begin(channel):
    offer(channel, *(post(n + 1, author=f"a{n}") for n in range(200)))


@pytest.mark.django_db
def test_a_page_of_200_posts_costs_as_many_statements_as_a_page_of_4(channel):
    begin(channel)
    few = statements_of(offer, channel, *mixed(1_000, 4))
    many = statements_of(offer, channel, *mixed(2_000, 200))
    assert many == few <= 24


@pytest.mark.django_db
def test_a_page_offered_again_costs_no_more_than_its_facts(channel):
    begin(channel)
    again = [post(n + 1, author=f"a{n}") for n in range(200)]
    assert statements_of(offer, channel, *again) <= 10


@pytest.mark.django_db
@pytest.mark.parametrize("verb", ["claim", "close", "assign"])
def test_a_verb_is_one_statement(cast, channel, verb):
    offer(channel, post(1))
    one = Conversation.objects.get()
    given = (cast.product, None, cast.mona) if verb == "assign" else (cast.mona,)
    assert statements_of(getattr(one, verb), *given) == 1


@pytest.fixture
def long_queue(cast, channel):
    """Twenty thousand conversations in two teams, one of twenty open, made in the database."""
    person = Person.objects.create(id=10**6, name="Carla")
    carla = Identity.objects.create(network="demo", external_id="long", person=person, handle="@carla")
    teams = (cast.support.pk, cast.product.pk)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO inbox_conversation (channel_id, thread_key, identity_id, team_id, state, priority, rank,
                   tags, subject, excerpt, language, visibility, newest_at, waiting_since, created_at, seen_seq,
                   inbound_seq, trouble, trace, context)
               SELECT %s, 'long:' || n, %s, CASE WHEN n %% 10 < 7 THEN %s ELSE %s END,
                   CASE WHEN n %% 20 = 0 THEN 0 ELSE 4 END,
                   n %% 5, -(n %% 5), '{}', '', 'hello', 'en', 'public', t.at, t.at, t.at, 2, 1, '', '{}', '[]'
                 FROM (SELECT n, %s::timestamptz + n * interval '1 second' AS at FROM generate_series(1, %s) n) t""",
            [channel.pk, carla.pk, *teams, NOW - timedelta(days=1), MANY],
        )
        cursor.execute("ANALYZE inbox_conversation")


def cost_of(statement):
    """Shared buffers the statement touches, also inside a function, how often it reads the whole table, and how many
    entries of the queue's indexes it reads."""
    counted = """SELECT pg_stat_get_xact_numscans('inbox_conversation'::regclass), (
                     SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index
                      WHERE indrelid = 'inbox_conversation'::regclass)"""
    with connection.cursor() as cursor:
        cursor.execute(counted)
        scans, entries = cursor.fetchone()
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
        plan = cursor.fetchone()[0][0]["Plan"]
        cursor.execute(counted)
        scans_after, entries_after = cursor.fetchone()
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], scans_after - scans, entries_after - entries


@pytest.mark.django_db
@pytest.mark.parametrize("order", ["newest", "priority", "oldest"])
@pytest.mark.parametrize("which", ["one team", "all teams"])
def test_a_page_of_the_queue_reads_only_what_it_shows(cast, long_queue, order, which):
    team = cast.support if which == "one team" else None
    queue = Queue(desk.All, cast.max, slug="all", team=team, order=order)
    with CaptureQueriesContext(connection) as seen:
        rows, more = queue.page()
    assert len(rows) == PAGE
    assert more
    buffers, scans, entries = cost_of(seen[0]["sql"])
    assert buffers <= 60 * len(queue.teams)
    assert scans == 0
    assert PAGE < entries <= PAGE + 1 + len(queue.teams)


@pytest.mark.django_db
@pytest.mark.parametrize("view", [desk.Done, desk.Snoozed, desk.Spam, desk.Heard])
def test_what_was_put_away_is_found_by_its_state(cast, long_queue, view):
    queue = Queue(view, cast.max, slug=view.name)
    with CaptureQueriesContext(connection) as seen:
        rows, more = queue.page()
    assert (len(rows), bool(more)) == ((PAGE, True) if view is desk.Done else (0, False))
    buffers, scans, _ = cost_of(seen[0]["sql"])
    assert buffers <= 60 * len(queue.teams)
    assert scans == 0


@pytest.mark.django_db
@pytest.mark.parametrize("ask", [lambda agent: filters._recent(agent.readable_teams, "channel_id"), searched._known],
                         ids=["filters", "search"])  # fmt: skip
def test_what_lists_had_lately_is_read_from_the_ends_of_their_indexes(cast, long_queue, ask):
    with CaptureQueriesContext(connection) as seen:
        ask(cast.max)
    asked = next(each["sql"] for each in seen if "inbox_conversation" in each["sql"])
    _, scans, entries = cost_of(asked)
    assert scans == 0
    assert 0 < entries <= 2 * filters.RECENT * len(cast.max.readable_teams)


@pytest.mark.django_db
def test_a_filtered_page_of_several_teams_reads_no_whole_table(cast, long_queue):
    queue = Queue(desk.All, cast.max, slug="all", chosen={"language": ["en"]}, order="newest")
    with CaptureQueriesContext(connection) as seen:
        rows, _ = queue.page()
    assert len(rows) == PAGE
    buffers, scans, entries = cost_of(seen[0]["sql"])
    assert buffers <= 60 * len(queue.teams)
    assert scans == 0
    assert PAGE < entries <= (PAGE + 1) * len(queue.teams)


@pytest.mark.django_db
def test_a_deep_page_costs_what_the_first_one_costs(cast, long_queue):
    queue = Queue(desk.All, cast.max, slug="all", team=cast.support, order="newest")
    cursor = ""
    for _ in range(8):
        _, cursor = queue.page(cursor)
    with CaptureQueriesContext(connection) as seen:
        queue.page(cursor)
    buffers, scans, entries = cost_of(seen[0]["sql"])
    assert buffers <= 60
    assert scans == 0
    assert entries <= PAGE + 2


@pytest.mark.django_db
def test_a_round_through_open_conversations_reads_only_its_next_ones(channel, long_queue):
    now = timezone.now()
    following = Following(Claim(channel, now, Budget()), now)
    onward = [Conversation.objects.filter(state=0).order_by("-pk")[400].pk, 0]
    channel.following = {"at": onward, "since": now.isoformat()}
    with CaptureQueriesContext(connection) as seen:
        following._onward(Connector.named("demo"), 20)
    assert len(seen) == 2
    buffers, scans, entries = cost_of(seen[0]["sql"])
    assert buffers <= 60
    assert scans == 0
    assert entries == 21


@pytest.mark.django_db
def test_a_look_through_the_conversations_of_other_channels_reads_no_more_than_it_looks_at(channel, long_queue):
    now = timezone.now()
    others = [Channel.objects.create(name=f"@{number}", network="demo").pk for number in range(3)]
    following = Following(Claim(Channel.objects.get(pk=others[0]), now, Budget()), now)
    onward = [Conversation.objects.filter(state=0).order_by("-pk")[400].pk, 0]
    following.claim.channel.following = {"at": onward, "since": now.isoformat(), "abroad": True}
    with CaptureQueriesContext(connection) as seen:
        following._onward(Connector.named("demo"), 20, [channel.pk, *others[1:]])
    assert len(seen) == 2
    buffers, scans, entries = cost_of(seen[0]["sql"])
    assert buffers <= 600
    assert scans == 0
    assert entries == ABROAD + 1

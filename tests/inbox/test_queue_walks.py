"""The walks that the database keeps planned give what a plain walk of the same queue gives, page after page."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connectors.models import Channel
from inbox import desk
from inbox.models import Conversation, Identity, Membership, Person, Team
from inbox.queue import Queue
from tests.inbox.test_receive import NOW

COUNT, SIZE = 120, 17


@pytest.fixture
def full(cast):
    """Conversations in six teams, many of one age and one rank, with and without an owner, open and put away."""
    channel = Channel.objects.create(name="@acme", network="demo")
    carla = Identity.objects.create(
        network="demo", external_id="c", person=Person.objects.create(id=1, name="Carla"), handle="@carla"
    )
    more = [Team.objects.create(name=f"Team {n}", slug=f"team-{n}") for n in range(3)]
    for team in more:
        Membership.objects.create(agent=cast.max, team=team)
    teams = [cast.support, cast.product, cast.marketing, *more]
    Conversation.objects.bulk_create(
        Conversation(
            channel=channel, thread_key=f"t{n}", identity=carla, team=teams[n % 6], state=(0, 1, 2, 0, 4)[n % 5],
            agent=(cast.max, None, cast.ana)[n // 6 % 3], rank=-(n % 3), newest_at=NOW - timedelta(seconds=n % 40),
            waiting_since=NOW - timedelta(seconds=n % 40),
        )
        for n in range(COUNT)
    )  # fmt: skip
    return teams


def pages(walk, order, teams):
    """All pages of one way of walking: ids, and each key but the last."""
    after, found = (), []
    while True:
        ids, last = walk(teams, after, SIZE)
        found.append((ids[:SIZE], tuple(last)))
        if len(ids) <= SIZE:
            return found
        after = order.place(order.cursor(last))


@pytest.mark.parametrize("order", ["newest", "priority", "oldest"])
@pytest.mark.parametrize("view", [desk.All, desk.Unassigned, desk.Mine])
@pytest.mark.parametrize("count", [3, 4, 6])
def test_every_page_is_that_of_a_plain_walk(cast, full, view, order, count):
    queue = Queue(view, cast.max, slug=view.name, order=order)
    ids = [team.pk for team in full[:count]]
    kept = pages(queue._kept_walk, queue.order, ids)
    assert kept == pages(queue._walk, queue.order, ids)
    shown = [pk for page, _ in kept for pk in page]
    assert set(shown) == set(Conversation.objects.filter(queue.belongs, team__in=ids).values_list("pk", flat=True))
    assert len(shown) == len(set(shown))
    rows = {one.pk: one for one in Conversation.objects.filter(pk__in=shown)}
    keys = [queue.order.key(rows[pk]) for pk in shown]
    assert all(above > below for above, below in pairwise(keys))


def test_what_one_agent_owns_in_teams_they_do_not_read_is_not_theirs_to_see(cast, full):
    queue = Queue(desk.Mine, cast.max, slug="mine")
    ids, _ = queue._kept_walk([full[0].pk], (), SIZE)
    assert {one.team_id for one in Conversation.objects.filter(pk__in=ids)} == {full[0].pk}


@pytest.mark.parametrize("view", [desk.All, desk.Unassigned, desk.Mine])
def test_a_queue_without_filters_is_walked_by_the_database_and_one_with_filters_is_not(cast, full, view):
    for chosen, kept in (({}, True), ({"language": ["en"]}, False)):
        queue = Queue(view, cast.max, slug=view.name, chosen=chosen)
        with CaptureQueriesContext(connection) as seen:
            queue.page()
        assert ("inbox_queue_newest" in seen[0]["sql"]) is kept


def test_a_reader_of_no_team_has_an_empty_queue(cast, full):
    queue = Queue(desk.All, cast.max, slug="all")
    queue.teams = []
    assert queue.page() == ([], "")

"""Storing a page of posts: identities, threading, conversations, mentions, counters and events in a fixed number of
statements, in one transaction with whatever the caller commits beside it (the cursor). Facts are read and everything
is decided before the transaction begins; when somebody stored one of the posts meanwhile, it is rolled back and
decided again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import transaction

from inbox.arrival import Decide, Place
from inbox.failpoints import failpoint
from inbox.models import receive_people as people
from inbox.models import receive_sql as sql
from inbox.models import tally
from inbox.models.event import record_page
from inbox.models.page_facts import PageFacts, read_facts
from inbox.models.page_plan import BirthKey, Plan, make_plan
from inbox.models.receive_people import Faster
from inbox.models.search_text import ring

ROUNDS = 8
HOPEFUL = 2  # rounds decided before the channel is locked; after them the lock comes first, so nobody starves


@dataclass
class Received:
    """What became of a page. `offered` posts gave `new` mentions and `changed` ones; `bound` are (reply id, external
    id, url) of our own posts that settle a reply of the outbox; `conversations` are the ids touched."""

    offered: int = 0
    new: int = 0
    changed: int = 0
    bound: list[tuple[int, str, str]] = field(default_factory=list)
    conversations: list[int] = field(default_factory=list)


def _nothing() -> None:
    """Nothing belongs to these mentions."""


def receive(
    place: Place, posts: Sequence[Any], decide: Decide, fence: Callable[[], None], keep: Callable[[], None] = _nothing
) -> Received:
    """Stores the posts (see `connectors.base.Post`) of one page. `fence` runs first inside the transaction: it locks
    the channel, writes its cursor and raises to stop a slow twin; `keep` runs when the mentions are there and writes
    what belongs to them. Raises Faster after eight rounds, which only a
    defect can cause."""
    for attempt in range(ROUNDS):
        ahead = _decided(place, posts, decide) if attempt < HOPEFUL else None
        try:
            with transaction.atomic():
                fence()
                ahead = ahead or _decided(place, posts, decide)
                touched = _store(place, ahead, keep)
        except Faster:
            continue
        plan = ahead.plan
        return Received(len(posts), len(plan.mentions), len(plan.changes), plan.bound, touched)
    raise Faster("A page was overtaken eight times in a row.")


class _Ahead(NamedTuple):
    """What is decided before the transaction, with the id of each author."""

    plan: Plan
    facts: PageFacts
    identities: dict[str, int]


def _decided(place: Place, posts: Sequence[Any], decide: Decide) -> _Ahead:
    """Who is new among the authors is stored at once and not with the page: an author of many threads would make
    channels wait for each other's pages. Who was stored by somebody else meanwhile has maybe written there too."""
    facts = read_facts(place, posts)
    plan = make_plan(place, posts, facts, decide)
    added, alone = people.add_identities(place, plan.authors, facts.identities)
    if not alone:
        facts = read_facts(place, posts)
        plan = make_plan(place, posts, facts, decide)
    return _Ahead(plan, facts, {**{key: each.id for key, each in facts.identities.items()}, **added})


def _begin(place: Place, plan: Plan, identities: Mapping[str, int], ids: Sequence[int]) -> dict[BirthKey, int]:
    """The new conversations. One that another channel began meanwhile goes on with these posts instead."""
    for _ in range(ROUNDS):
        try:
            with transaction.atomic():
                return sql.insert_conversations(place, plan.born, identities, ids)
        except Faster:
            plan.join(place, sql.begun(plan.born, identities))
    raise Faster("Conversations were begun by others eight times in a row.")


def _store(place: Place, ahead: _Ahead, keep: Callable[[], None]) -> list[int]:
    plan, facts, identities = ahead
    if plan.is_empty:
        keep()
        return []
    people.hold_owners(plan.born.values())
    people.change_identities(plan.authors, facts.identities)
    conversations, mentions = sql.reserve(len(plan.born), len(plan.mentions))
    born = _begin(place, plan, identities, conversations)
    stored = sql.insert_mentions(place, plan, identities, born, mentions)
    failpoint("poll.after_insert")
    # Only now: people work in these, and other channels hear the same threads.
    old = sql.lock_conversations(plan.existing)
    if len(old) < len(plan.existing):
        raise Faster
    held = sql.hold_replies([pk for pk, stay in plan.existing.items() if stay.inbound])
    after = plan.after(old, held)
    seqs = sql.update_conversations(after)
    sql.change_mentions(place, plan.changes)
    sql.allow_mentions(plan.allowed)
    keep()
    record_page(plan.entries(old, born, seqs, stored, held), tally.deltas(plan.moves(old, after, born)))
    ring()
    failpoint("poll.before_commit")
    return [*plan.existing, *born.values()]

"""Storing a page of posts: identities, threading, conversations, mentions, counters and events in a fixed number of
statements, in one transaction with whatever the caller commits beside it (the cursor). Facts are read and everything
is decided before the transaction begins; when somebody stored one of the posts meanwhile, it is rolled back and
decided again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from inbox.arrival import Decide, Place
from inbox.failpoints import failpoint
from inbox.models import receive_sql as sql
from inbox.models import tally
from inbox.models.event import record
from inbox.models.page_facts import PageFacts, read_facts
from inbox.models.page_plan import Plan, make_plan
from inbox.models.search_text import ring

ROUNDS = 8
HOPEFUL = 2  # rounds decided before the channel is locked; after them the lock comes first, so nobody starves


class Faster(Exception):
    """Somebody else stored a post or conversation of this page since its facts were read."""


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
                plan, facts = ahead or _decided(place, posts, decide)
                touched = _store(place, plan, facts, keep)
        except Faster:
            continue
        return Received(len(posts), len(plan.mentions), len(plan.changes), plan.bound, touched)
    raise Faster("A page was overtaken eight times in a row.")


def _decided(place: Place, posts: Sequence[Any], decide: Decide) -> tuple[Plan, PageFacts]:
    facts = read_facts(place, posts)
    return make_plan(place, posts, facts, decide), facts


def _store(place: Place, plan: Plan, facts: PageFacts, keep: Callable[[], None]) -> list[int]:
    if plan.is_empty:
        keep()
        return []
    identities = sql.store_identities(place, plan.authors, facts.identities)
    old = sql.lock_conversations(plan.existing)
    born = sql.insert_conversations(place, plan.born, identities)
    if len(born) < len(plan.born) or len(old) < len(plan.existing):
        raise Faster
    held = sql.hold_replies([pk for pk, stay in plan.existing.items() if stay.inbound])
    seqs = sql.update_conversations(plan.existing, old, held)
    stored = sql.insert_mentions(place, plan, identities, born)
    failpoint("poll.after_insert")
    if len(stored) < len(plan.mentions):
        raise Faster
    sql.change_mentions(place, plan.changes)
    sql.allow_mentions(plan.allowed)
    keep()
    record(plan.entries(old, born, seqs, stored, held), tally.deltas(plan.moves(old, born)))
    ring()
    failpoint("poll.before_commit")
    return [*plan.existing, *born.values()]

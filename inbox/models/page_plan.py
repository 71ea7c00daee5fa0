"""What a page of posts means, decided from posts and facts alone: which posts are new, which changed, which
conversations begin and which go on. Pure functions; nothing here reads the database or a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from inbox.arrival import Decide, Place
from inbox.models.event import Entry
from inbox.models.page_conversation import (
    FOUND,
    HEARD,
    Birth,
    Change,
    NewConversation,
    OldConversation,
    Stay,
    becomes,
    in_time,
    name_of,
    told_of,
    told_of_birth,
)
from inbox.models.page_facts import Known, PageFacts, Pending, facts_of, thread_keys
from inbox.models.tally import Place as TallyPlace

BirthKey = tuple[str, str]  # thread key, author's external id
CLOCKS = timedelta(seconds=60)  # by which a network's clock may be behind ours


@dataclass
class Plan:
    authors: dict[str, Any] = field(default_factory=dict)
    mentions: list[tuple[Any, int | BirthKey]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    existing: dict[int, Stay] = field(default_factory=dict)
    born: dict[BirthKey, Birth] = field(default_factory=dict)
    bound: list[tuple[int, str, str]] = field(default_factory=list)
    allowed: list[tuple[int, str, str, str, dict[str, Any]]] = field(default_factory=list)
    """(mention id, kind, source, visibility, grants) of stored posts that are heard otherwise now: their network
    allows something else, or what a search had found turns out to address us."""

    @property
    def is_empty(self) -> bool:
        return not (self.existing or self.born or self.allowed)

    def join(self, place: Place, begun: Mapping[BirthKey, int]) -> None:
        """These conversations exist by now: what was to begin one is added to it."""
        for key, pk in begun.items():
            posts = self.born.pop(key).posts
            stay = self.existing.setdefault(pk, Stay())
            stay.posts += posts
            stay.quiet |= {post.external_id for post in posts if not post.ours and place.only_listens(post)}
        self.mentions = [
            (post, where if isinstance(where, int) else begun.get(where, where)) for post, where in self.mentions
        ]

    def after(self, old: Mapping[int, OldConversation], held: Mapping[int, list[int]]) -> dict[int, NewConversation]:
        """What the conversations become that go on; `held` are the replies held back in each."""
        after = {pk: becomes(old[pk], stay, held=pk in held) for pk, stay in self.existing.items()}
        for pk, replies in held.items():
            after[pk] = after[pk]._replace(steps=after[pk].steps + len(replies))
        return after

    def moves(
        self,
        old: Mapping[int, OldConversation],
        after: Mapping[int, NewConversation],
        born: Mapping[BirthKey, int],
    ) -> list[tuple[TallyPlace | None, TallyPlace]]:
        """Old and new place of every conversation touched, for the counters."""
        moves: list[tuple[TallyPlace | None, TallyPlace]] = []
        for pk, new in after.items():
            was = old[pk]
            if was.state != new.state:
                moves.append((TallyPlace(*was[:3]), TallyPlace(was.team_id, new.state, was.agent_id)))
        for key in born:
            birth = self.born[key]
            moves.append((None, TallyPlace(birth.decision.team_id, birth.state, birth.decision.agent_id)))
        return moves

    def entries(
        self,
        old: Mapping[int, OldConversation],
        born: Mapping[BirthKey, int],
        seqs: Mapping[int, int],
        stored: Mapping[str, int],
        held: Mapping[int, list[int]],
    ) -> list[Entry]:
        """The events of the page, numbered as the rows were."""
        entries: list[Entry] = []
        for pk, stay in self.existing.items():
            told = told_of(stay, old[pk], held.get(pk, []), stored)
            first = seqs[pk] - len(told) + 1
            streams = _streams(old[pk].team_id, old[pk].agent_id)
            entries += [Entry(streams, what, pk, first + step) for step, what in enumerate(told)]
        for key, pk in born.items():
            birth = self.born[key]
            # What is only heard is nobody's work: it tells no agent in person.
            agent = None if birth.state == HEARD else birth.decision.agent_id
            streams = _streams(birth.decision.team_id, agent)
            entries += [Entry(streams, what, pk, 1 + step) for step, what in enumerate(told_of_birth(birth, stored))]
        return entries


@lru_cache(maxsize=256)
def _streams(team_id: int, agent_id: int | None) -> tuple[str, ...]:
    return (f"team:{team_id}", f"agent:{agent_id}") if agent_id else (f"team:{team_id}",)


def make_plan(place: Place, posts: Sequence[Any], facts: PageFacts, decide: Decide) -> Plan:
    """The plan of a page; the same post twice on a page counts once, its newest version."""
    plan = Plan()
    keys = thread_keys(place, posts, facts.posts)
    page = {post.external_id: post for post in sorted(posts, key=_newest_last)}
    begun: dict[BirthKey, list[Any]] = {}
    in_order = sorted(page.values(), key=in_time)
    # Ours come last: what they answer may stand on the same page.
    for post in sorted(in_order, key=lambda post: bool(post.ours)):
        known = facts.posts.get(post.external_id)
        if known is not None:
            _plan_change(plan, post, known, facts, quiet=place.only_listens(post))
        elif post.ours:
            _plan_ours(plan, post, facts, place.normalise, begun)
        elif post.state in ("live", "edited"):
            _plan_mention(plan, post, keys[post.external_id], facts, begun, quiet=place.only_listens(post))
    decisions = decide([facts_of(place, group) for group in begun.values()])
    for (key, group), decision in zip(begun.items(), decisions, strict=True):
        plan.born[key] = Birth(group, decision)
    return plan


def _newest_last(post: Any) -> datetime:
    return post.edited_at or post.created_at  # type: ignore[no-any-return]


def _plan_change(plan: Plan, post: Any, known: Known, facts: PageFacts, *, quiet: bool) -> None:
    is_back = known.state == "withheld" and post.state in ("live", "edited")
    if known.mention_id is None or (known.state in ("deleted", "withheld") and not is_back):
        return
    addressed = known.kind == FOUND and post.kind != FOUND
    # What is told of it in part leaves who may see it, and what may be done with it, as they were.
    visibility, grants = (post.visibility, post.grants) if post.whole else (known.visibility, known.grants)
    if addressed or (known.visibility, known.grants) != (visibility, grants):
        kind, source = (str(post.kind), post.source) if addressed else ("", "")
        plan.allowed.append((known.mention_id, kind, source, str(visibility), dict(grants)))
    if addressed and not quiet and not post.history:
        plan.existing.setdefault(known.conversation_id, Stay()).addressed.append(post)
    if known.version == post.version:
        return
    older = known.edited_at and post.edited_at and post.edited_at < known.edited_at
    if older and post.state in ("live", "edited") and not is_back:
        return
    author = facts.identities.get(post.author.external_id)
    change = Change(known.mention_id, post, known, name_of(post, author.facts[1] if author else ""))
    plan.changes.append(change)
    plan.existing.setdefault(known.conversation_id, Stay()).changes.append(change)


def _plan_ours(
    plan: Plan, post: Any, facts: PageFacts, normalise: Callable[[str], str], begun: dict[BirthKey, list[Any]]
) -> None:
    """A post of our own account: a reply whose post we do not know, or one written outside in a thread that we know
    or that begins on this page; else nothing."""
    if post.external_id in facts.replied:
        return
    maybe = [reply for reply in facts.pending if _may_be(reply, post, normalise)]
    if maybe and all(reply.sent or _is_surely(reply, post, normalise) for reply in maybe):
        facts.pending.remove(maybe[0])
        plan.bound.append((maybe[0].id, post.external_id, post.url))
    if maybe:
        return  # once they are settled, it is one of them, or a later look brings what somebody else of us wrote
    known = facts.posts.get(post.parent_id or "")
    here = (where for each, where in plan.mentions if each.external_id == post.parent_id)
    where = known.conversation_id if known else next(here, None)
    if where is None:
        return
    plan.authors[post.author.external_id] = post.author
    plan.mentions.append((post, where))
    posts = plan.existing.setdefault(where, Stay()).posts if isinstance(where, int) else begun[where]
    posts.append(post)


def _may_be(reply: Pending, post: Any, normalise: Callable[[str], str]) -> bool:
    """Whether this post of ours says what that reply says, where it would stand."""
    if post.created_at < reply.created_at - CLOCKS or (reply.private and "direct" not in (post.kind, post.visibility)):
        return False
    below, text = (reply.stands.below, reply.stands.text) if reply.stands else ((reply.parent,), reply.text)
    return post.parent_id in below and normalise(text) == normalise(post.text)


def _is_surely(reply: Pending, post: Any, normalise: Callable[[str], str]) -> bool:
    """Not where it may as well answer somebody else: it hangs from what all of the thread hangs from, and does not
    say by name whom it is for."""
    return post.parent_id == reply.parent or normalise(reply.text) != normalise(post.text)


def _plan_mention(
    plan: Plan, post: Any, thread_key: str, facts: PageFacts, begun: dict[BirthKey, list[Any]], *, quiet: bool
) -> None:
    plan.authors[post.author.external_id] = post.author
    identity = facts.identities.get(post.author.external_id)
    existing = facts.conversations.get((thread_key, identity.id)) if identity else None
    if existing is not None:
        plan.mentions.append((post, existing))
        stay = plan.existing.setdefault(existing, Stay())
        stay.posts.append(post)
        stay.quiet.update({post.external_id} if quiet else ())
    else:
        key = (thread_key, post.author.external_id)
        plan.mentions.append((post, key))
        begun.setdefault(key, []).append(post)

"""What a page of posts means, decided from posts and facts alone: which posts are new, which changed, which
conversations begin, which go on and what becomes of their state. Pure functions; nothing here reads the database or
a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from inbox import happenings
from inbox.arrival import Decide, Decision, Place
from inbox.happenings import Happening
from inbox.models.event import Entry
from inbox.models.page_facts import Known, PageFacts, facts_of, thread_keys
from inbox.models.tally import Place as TallyPlace

BirthKey = tuple[str, str]  # thread key, author's external id
NEW, WAITING_CUSTOMER, SNOOZED, DONE, SPAM, HEARD = 0, 1, 3, 4, 5, 6
FOUND = "result"  # the kind of a post that a search found and that need not address us
EXCERPT = 140
CLOCKS = timedelta(seconds=60)  # by which a network's clock may be behind ours


class OldConversation(NamedTuple):
    """A locked conversation as it was before this page."""

    team_id: int
    state: int
    agent_id: int | None
    newest_at: datetime
    waiting_since: datetime
    excerpt: str
    set_aside: bool = False  # a rule wants it heard only


class NewConversation(NamedTuple):
    """What an existing conversation becomes."""

    state: int
    newest_at: datetime
    waiting_since: datetime
    excerpt: str
    trouble: str | None
    steps: int
    inbound_step: int


class Change(NamedTuple):
    """A stored mention whose post was edited, deleted or withheld."""

    mention_id: int
    post: Any
    was: Known


@dataclass
class Stay:
    """What this page adds to a conversation that exists."""

    posts: list[Any] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    quiet: set[str] = field(default_factory=set)  # posts that were looked for only to be read
    addressed: list[Any] = field(default_factory=list)  # stored posts that a search had found and that address us

    @property
    def inbound(self) -> list[Any]:
        return [post for post in self.posts if not post.ours and not post.history]


@dataclass
class Birth:
    """A conversation that begins with this page, and where routing wants it: what the customer says, first of all,
    and what we answered outside."""

    posts: list[Any]
    decision: Decision

    @cached_property
    def in_order(self) -> list[Any]:
        return sorted(self.posts, key=_in_time) if len(self.posts) > 1 else self.posts

    @cached_property
    def first(self) -> Any:
        """What the customer said first; rules are asked about this."""
        return next(post for post in self.in_order if not post.ours)

    @cached_property
    def begins(self) -> NewConversation:
        """How it stands after this page; history is only heard, and so is what a rule or a topic wants to be."""
        decision, first = self.decision, self.first
        aside = decision.heard_only or decision.listen_only
        if len(self.posts) == 1:  # as nearly all begin
            state = HEARD if aside or first.history else NEW
            return NewConversation(state, first.created_at, first.created_at, shown(first.text), None, 2, 1)
        bare = OldConversation(decision.team_id, NEW, decision.agent_id, first.created_at, first.created_at, "")
        new = becomes(bare, Stay(self.posts), held=False)
        heard = aside or all(post.history for post in self.posts if not post.ours)
        last = max(step for step, post in enumerate(self.in_order, 1) if not post.ours)
        return new._replace(state=HEARD if heard else new.state, steps=len(self.posts) + 1, inbound_step=last)

    @property
    def state(self) -> int:
        return self.begins.state

    @property
    def trace(self) -> Mapping[str, Any]:
        """What is kept of the decision; a later message asks it whether a rule wanted this to be heard only."""
        flags = {"heard_only": self.decision.heard_only, "listen_only": self.decision.listen_only}
        held = {name: True for name, held in flags.items() if held}
        return {**self.decision.trace, **held} if held else self.decision.trace


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
    in_order = sorted(page.values(), key=_in_time)
    # Ours come last: what they answer may stand on the same page.
    for post in sorted(in_order, key=lambda post: bool(post.ours)):
        known = facts.posts.get(post.external_id)
        if known is not None:
            _plan_change(plan, post, known, quiet=place.only_listens(post))
        elif post.ours:
            _plan_ours(plan, post, facts, place.normalise, begun)
        elif post.state in ("live", "edited"):
            _plan_mention(plan, post, keys[post.external_id], facts, begun, quiet=place.only_listens(post))
    decisions = decide([facts_of(place, group) for group in begun.values()])
    for (key, group), decision in zip(begun.items(), decisions, strict=True):
        plan.born[key] = Birth(group, decision)
    return plan


def _in_time(post: Any) -> tuple[datetime, str]:
    return post.created_at, post.external_id


def _newest_last(post: Any) -> datetime:
    return post.edited_at or post.created_at  # type: ignore[no-any-return]


def _plan_change(plan: Plan, post: Any, known: Known, *, quiet: bool) -> None:
    if known.mention_id is None or known.state in ("deleted", "withheld"):
        return
    addressed = known.kind == FOUND and post.kind != FOUND
    if addressed or (known.visibility, known.grants) != (post.visibility, post.grants):
        kind, source = (str(post.kind), post.source) if addressed else ("", "")
        plan.allowed.append((known.mention_id, kind, source, str(post.visibility), dict(post.grants)))
    if addressed and not quiet and not post.history:
        plan.existing.setdefault(known.conversation_id, Stay()).addressed.append(post)
    if known.version == post.version:
        return
    if known.edited_at and post.edited_at and post.edited_at < known.edited_at and post.state in ("live", "edited"):
        return
    change = Change(known.mention_id, post, known)
    plan.changes.append(change)
    plan.existing.setdefault(known.conversation_id, Stay()).changes.append(change)


def _plan_ours(
    plan: Plan, post: Any, facts: PageFacts, normalise: Callable[[str], str], begun: dict[BirthKey, list[Any]]
) -> None:
    """A post of our own account: a reply whose post we do not know, or one written outside in a thread that we know
    or that begins on this page; else nothing."""
    if post.external_id in facts.replied:
        return
    for reply in facts.pending:
        written = reply.parent == post.parent_id and post.created_at >= reply.created_at - CLOCKS
        if written and normalise(reply.text) == normalise(post.text):
            facts.pending.remove(reply)
            plan.bound.append((reply.id, post.external_id, post.url))
            return
    known = facts.posts.get(post.parent_id or "")
    here = (where for each, where in plan.mentions if each.external_id == post.parent_id)
    where = known.conversation_id if known else next(here, None)
    if where is None:
        return
    plan.authors[post.author.external_id] = post.author
    plan.mentions.append((post, where))
    posts = plan.existing.setdefault(where, Stay()).posts if isinstance(where, int) else begun[where]
    posts.append(post)


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


def becomes(old: OldConversation, stay: Stay, held: bool) -> NewConversation:
    """The conversation after this page: a customer's message returns it to New, also from what was heard of the
    past; an answer given outside ends the waiting."""
    state, waiting, newest, excerpt = old.state, old.waiting_since, old.newest_at, old.excerpt
    step = inbound_step = int(_reopens(old, stay))
    if step and stay.addressed:
        state, waiting = NEW, stay.addressed[0].created_at
    for post in sorted(stay.posts, key=_in_time):
        step += 1
        if post.ours:
            state = WAITING_CUSTOMER if state == NEW and post.created_at >= waiting else state
        elif not post.history:
            inbound_step = step
            stays_aside = old.set_aside or post.external_id in stay.quiet
            if state not in (NEW, SPAM) and not (state == HEARD and stays_aside):
                state, waiting = NEW, post.created_at
        if post.created_at >= newest and not post.ours:
            newest, excerpt = post.created_at, shown(post.text)
    for change in stay.changes:
        step += 1
        if change.was.inbound and excerpt and change.post.created_at >= old.newest_at:
            excerpt = "" if change.post.state in ("deleted", "withheld") else shown(change.post.text)
    return NewConversation(state, newest, waiting, excerpt, "held" if held else None, step, inbound_step)


def _reopens(old: OldConversation, stay: Stay) -> bool:
    lifted = bool(stay.addressed) and old.state == HEARD and not old.set_aside
    return lifted or (bool(stay.inbound) and old.state in (SNOOZED, DONE))


def told_of(stay: Stay, old: OldConversation, held: list[int], stored: Mapping[str, int]) -> list[Happening]:
    """The happenings of a conversation that goes on; their order and number are those of `becomes`, then the held
    replies."""
    told: list[Happening] = []
    if _reopens(old, stay):
        told.append(happenings.Reopened(because=f", because {_name([*stay.addressed, *stay.inbound][0])} wrote"))
    told += [_arrived(post, stored) for post in sorted(stay.posts, key=_in_time)]
    for change in stay.changes:
        kind = happenings.Deleted if change.post.state in ("deleted", "withheld") else happenings.Edited
        told.append(kind(_name(change.post), change.mention_id))
    because = ": the customer wrote again before it left"
    told += [happenings.ReplyMoved(reply, "held back", because) for reply in held]
    return told


def told_of_birth(birth: Birth, stored: Mapping[str, int]) -> list[Happening]:
    told = [_arrived(post, stored) for post in birth.in_order]
    decision = birth.decision
    team, because = decision.trace.get("team", ""), decision.trace.get("because", "")
    return [*told, _routed(team, because)]


@lru_cache(maxsize=256)
def _routed(team: str, because: str) -> Happening:
    return happenings.Routed(team=team, because=f", because {because}" if because else "")


def _arrived(post: Any, stored: Mapping[str, int]) -> Happening:
    mention = stored.get(post.external_id)
    return happenings.AnsweredOutside(mention) if post.ours else happenings.Received(_name(post), mention)


def _name(post: Any) -> str:
    return str(post.author.name or post.author.handle or "Somebody")[:80]


def shown(text: str) -> str:
    """The first 140 characters on one line."""
    return " ".join(text[: EXCERPT * 4].split())[:EXCERPT]

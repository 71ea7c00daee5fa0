"""What a page makes of one conversation, begun or gone on with: how it stands afterwards, and what is told of it. Pure
functions; nothing here reads the database or a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from inbox import happenings
from inbox.arrival import Decision
from inbox.happenings import Happening
from inbox.models.page_facts import Known

NEW, WAITING_CUSTOMER, SNOOZED, DONE, SPAM, HEARD = 0, 1, 3, 4, 5, 6
EXCERPT = 140
FOUND = "result"
"""The kind of a post that a search found, or that was put away, and that need not address us."""


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
    """A stored mention whose post was edited, deleted or withheld, or is shown again."""

    mention_id: int
    post: Any
    was: Known
    author: str  # as we know it: what says that a post is gone seldom says more of its author than the handle

    @property
    def is_gone(self) -> bool:
        return self.post.state in ("deleted", "withheld")

    @property
    def is_back(self) -> bool:
        return self.was.state == "withheld" and not self.is_gone

    @property
    def happening(self) -> Happening:
        if self.is_gone:
            gone = happenings.Deleted if self.post.state == "deleted" else happenings.Withheld
            return gone(self.author, self.mention_id)
        told = happenings.ShownAgain if self.is_back else happenings.Edited
        return told(self.author, self.mention_id)


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
        return sorted(self.posts, key=in_time) if len(self.posts) > 1 else self.posts

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
        past = all(post.history for post in self.posts if not post.ours)
        state = HEARD if past else NEW
        bare = OldConversation(decision.team_id, state, decision.agent_id, first.created_at, first.created_at, "")
        new = becomes(bare, Stay(self.posts), held=False)
        heard = aside or past
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


def in_time(post: Any) -> tuple[datetime, str]:
    return post.created_at, post.external_id


def becomes(old: OldConversation, stay: Stay, held: bool) -> NewConversation:
    """The conversation after this page: a customer's message returns it to New, also from what was heard of the
    past; an answer given outside ends the waiting."""
    state, waiting = old.state, old.waiting_since
    step = inbound_step = int(_reopens(old, stay))
    if step and stay.addressed:
        state, waiting = NEW, stay.addressed[0].created_at
    for post in sorted(stay.posts, key=in_time):
        step += 1
        if post.ours:
            state = WAITING_CUSTOMER if state == NEW and post.created_at >= waiting else state
        elif not post.history:
            inbound_step = step
            stays_aside = old.set_aside or post.external_id in stay.quiet
            if state not in (NEW, SPAM) and not (state == HEARD and stays_aside):
                state, waiting = NEW, post.created_at
    step += len(stay.changes)
    newest, excerpt = _last_said(old, stay)
    return NewConversation(state, newest, waiting, excerpt, "held" if held else None, step, inbound_step)


def _last_said(old: OldConversation, stay: Stay) -> tuple[datetime, str]:
    """When the customer last wrote, and what. What is only heard, such as spam, is not what work waits for, until it is
    brought back."""
    newest, excerpt = old.newest_at, old.excerpt
    for post in sorted([*stay.posts, *stay.addressed], key=in_time):
        unheeded = post.history and old.state != HEARD
        if post.created_at >= newest and not post.ours and not unheeded:
            newest, excerpt = post.created_at, shown(post.text)
    for change in stay.changes:
        unheeded = change.was.kind == FOUND and change.post.created_at > newest
        is_shown = change.was.inbound and not unheeded and (excerpt or change.is_back)
        if is_shown and change.post.created_at >= old.newest_at:
            excerpt = "" if change.is_gone else shown(change.post.text)
    return newest, excerpt


def _reopens(old: OldConversation, stay: Stay) -> bool:
    lifted = bool(stay.addressed) and old.state == HEARD and not old.set_aside
    return lifted or (bool(stay.inbound) and old.state in (SNOOZED, DONE))


def told_of(stay: Stay, old: OldConversation, held: list[int], stored: Mapping[str, int]) -> list[Happening]:
    """The happenings of a conversation that goes on; their order and number are those of `becomes`, then the held
    replies."""
    told: list[Happening] = []
    if _reopens(old, stay):
        told.append(happenings.Reopened(because=f", because {name_of([*stay.addressed, *stay.inbound][0])} wrote"))
    told += [_arrived(post, stored) for post in sorted(stay.posts, key=in_time)]
    told += [change.happening for change in stay.changes]
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
    return happenings.AnsweredOutside(mention) if post.ours else happenings.Received(name_of(post), mention)


def name_of(post: Any, known_as: str = "") -> str:
    return str(post.author.name or known_as or post.author.handle or "Somebody")[:80]


def shown(text: str) -> str:
    """The first 140 characters on one line."""
    return " ".join(text[: EXCERPT * 4].split())[:EXCERPT]

"""Deciding where a new conversation goes: the rule set is compiled once per version; a post is tested only against
rules of which at least one word or fact occurs in it, and the answer keeps why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import structlog

from inbox.arrival import Decision, Facts
from inbox.models import Membership
from routing.actions import Action, AddTags, GiveToAgent, Outcome
from routing.conditions import Post
from routing.excerpts import Excerpts
from routing.fields import RuleError
from routing.groups import Group
from routing.models import Rule, standing
from routing.words import Hits, WordFinder, normalise

log = structlog.get_logger(__name__)
EQUALITIES = ("network", "channel_id", "language", "kind", "visibility")
MEMBERS = ("topics", "themes")  # facts of which a post may have several
SHOWN_RULES = 6  # rules told in full in a trace; the others are counted


@dataclass(frozen=True)
class CompiledRule:
    id: int
    name: str
    version: int
    tree: Group
    actions: tuple[Action, ...]
    stop: bool

    def teams(self) -> list[int]:
        return [team for action in self.actions if (team := action.team()) is not None]

    def tags(self) -> tuple[str, ...]:
        return tuple(tag for action in self.actions if isinstance(action, AddTags) for tag in action.tags)


class Verdict(NamedTuple):
    """One rule tried on one post."""

    rule: CompiledRule
    matched: bool


class Judgement(NamedTuple):
    """What the rules say about a post. `tried` are the places of the rules tried, in their order; of one that did not
    match, the place inverted (~): a post touches as little memory as possible, of ten thousand rules none is near."""

    outcome: Outcome
    tried: Sequence[int]
    text: str
    hits: Hits


_UNDECIDED = Outcome()  # of every post that no rule is tried on; an outcome is changed only while it is judged


class _More(NamedTuple):
    """What there is to a rule beyond adding its tags to what has one of its words: a test, where that does not decide
    already; other actions; whether the rules end there."""

    test: Callable[[Post], bool] | None
    apply: tuple[Callable[[Outcome], None], ...]
    stop: bool

    @classmethod
    def of(cls, rule: CompiledRule, *, decided: bool) -> _More | None:
        apply = tuple(action.apply for action in rule.actions if not isinstance(action, AddTags))
        if decided and not apply and not rule.stop:
            return None
        return cls(None if decided else rule.tree.test, apply, rule.stop)


_NOTHING_MORE = _More(None, (), False)


@dataclass
class RuleSet:
    """Rules of one version, compiled. `triage` is the team for what no rule places; `teams` are names by id, `private`
    those that keep what their own channels hear; `names` those of channels for the words of a trace; `traces` are
    those that many posts share."""

    version: int
    rules: Sequence[CompiledRule]
    teams: Mapping[int, str] = field(default_factory=dict)
    triage: int | None = None
    private: frozenset[int] = frozenset()
    names: dict[str, str] = field(default_factory=dict)
    traces: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        leaves = [leaf for rule in self.rules for leaf in rule.tree.leaves()]
        self.finder = WordFinder(word for leaf in leaves for word in leaf.words())
        self._tags = [rule.tags() for rule in self.rules]
        self._more: dict[int, _More] = {}
        self._always: list[int] = []
        by_token: dict[str, dict[Any, list[int]]] = defaultdict(lambda: defaultdict(list))
        for index, rule in enumerate(self.rules):
            need = rule.tree.need()
            if more := _More.of(rule, decided=need is not None and rule.tree.decides()):
                self._more[index] = more
            if need is None:
                self._always.append(index)
            for kind, value in need or ():
                by_token[kind][value].append(index)
        self._by_hit = [tuple(by_token["word"].get(word, ())) for word in self.finder.words]
        self._by_fact = [(fact, dict(by_token[fact])) for fact in EQUALITIES if fact in by_token]
        self._by_member = [(fact, dict(by_token[fact])) for fact in MEMBERS if fact in by_token]
        self._without_words = bool(self._always or self._by_fact or self._by_member)
        self.names_agents = any(isinstance(action, GiveToAgent) for rule in self.rules for action in rule.actions)

    def judge(self, facts: Facts, home: int | None = None) -> Judgement:
        """What the rules say about the post, and every rule that was tried, in order. `home`: see `Outcome`."""
        text = normalise(facts.text)
        hits = self.finder.hits(text)
        tried = self._candidates(facts, hits) if hits or self._without_words else ()
        if not tried:
            return Judgement(_UNDECIDED, (), text, hits)
        outcome = Outcome(home=home)
        if self._more.keys().isdisjoint(tried):
            tags, tags_of = outcome.tags, self._tags
            for index in tried:
                tags += tags_of[index]
        else:
            tried = self._try(tried, outcome, facts, text, hits)
        if len(outcome.tags) > 1:
            outcome.tags = list(dict.fromkeys(outcome.tags))
        return Judgement(outcome, tried, text, hits)

    def _candidates(self, facts: Facts, hits: Hits) -> Sequence[int]:
        """Places of the rules to be tried, in their order."""
        found, by_hit = [*self._always], self._by_hit
        for place, _, _ in hits:
            found += by_hit[place]
        for fact, rules in self._by_fact:
            found += rules.get(str(getattr(facts, fact)).casefold(), ())
        for fact, rules in self._by_member:
            for value in getattr(facts, fact):
                found += rules.get(str(value), ())
        return sorted(set(found)) if len(found) > 1 else found

    def _try(self, candidates: Iterable[int], outcome: Outcome, facts: Facts, text: str, hits: Hits) -> list[int]:
        """Tries the rules one by one until one says stop; their places, see Judgement."""
        tried: list[int] = []
        post, tags, tags_of, more_of = None, outcome.tags, self._tags, self._more.get
        for index in candidates:
            test, apply, stop = more_of(index) or _NOTHING_MORE
            if test is not None:
                post = post or Post(facts, text, self.finder.of(hits))
                if not test(post):
                    tried.append(~index)
                    continue
            tried.append(index)
            tags += tags_of[index]
            for act in apply:
                act(outcome)
            if stop or outcome.stopped:
                break
        return tried

    def verdicts(self, judgement: Judgement) -> list[Verdict]:
        rules = self.rules
        return [Verdict(rules[at], True) if at >= 0 else Verdict(rules[~at], False) for at in judgement.tried]

    def decide(
        self, facts: Facts, members: frozenset[tuple[int, int]] = frozenset(), default_team: int | None = None
    ) -> Decision:
        """Team, agent, priority, tags and the trace. `members` are (agent, team) of active agents, `default_team`
        the channel's own, and where that is private no other gets it: what is written to HR is read by HR alone,
        whatever rules and topics of others find in it. RuleError without any team."""
        home = default_team if default_team in self.private else None
        judgement = self.judge(facts, home)
        outcome = judgement.outcome
        team = outcome.team_id if outcome.team_id in self.teams else None
        asking = facts.team_id if facts.team_id in self.teams else None
        chosen = home or team or asking or default_team or self.triage
        if chosen is None:
            raise RuleError("There is no team yet that could take this. Make a team first.")
        agent = outcome.agent_id if (outcome.agent_id, chosen) in members else None
        return Decision(
            team_id=chosen,
            agent_id=agent,
            priority=outcome.priority,
            tags=tuple(outcome.tags),
            heard_only=outcome.heard_only and team is None,
            listen_only=facts.hidden or (facts.listen_only and team is None),
            trace=self._trace(facts, judgement, chosen, home, decided_by_rule=team is not None)
            if judgement.tried
            else self._untouched(facts, judgement, chosen, home),
        )

    def _untouched(self, facts: Facts, judgement: Judgement, team: int, home: int | None) -> dict[str, Any]:
        """The trace of a post that no rule was tried on: one for all of a page that are alike."""
        alike = (team, home, facts.team_id == team, facts.language, facts.kind, facts.network)
        if alike not in self.traces:
            self.traces[alike] = self._trace(facts, judgement, team, home, decided_by_rule=False)
        return self.traces[alike]

    def _trace(
        self, facts: Facts, judgement: Judgement, team: int, home: int | None, *, decided_by_rule: bool
    ) -> dict[str, Any]:
        """What answers “why is this here?”: at most about 2 kB, stored with the conversation and never computed
        again."""
        tried = self.verdicts(judgement)
        excerpts = Excerpts(Post(facts, judgement.text, self.finder.of(judgement.hits)))
        told = sorted(tried, key=lambda verdict: not verdict.matched)[:SHOWN_RULES]
        giver = next((v.rule for v in tried if v.matched and team in v.rule.teams()), None) if decided_by_rule else None
        if giver:
            because = f"of rule “{giver.name}” v{giver.version}"
        elif team == home:
            because = "its channel is of a private team, which keeps what is written there"
        elif facts.team_id == team:
            because = "its topic is theirs and no rule gives it to another team"
        else:
            because = "no rule gives it to another team"
        return {
            "rules": self.version,
            "team": self.teams.get(team, ""),
            "team_id": team,
            "because": because,
            "tried": [_told(verdict, excerpts, self.names) for verdict in told],
            "others": len(tried) - len(told),
            "untouched": len(self.rules) - len(tried),
            "facts": {"language": facts.language, "kind": facts.kind, "network": facts.network},
        }


def _told(verdict: Verdict, excerpts: Excerpts, names: dict[str, str]) -> dict[str, Any]:
    rule, post = verdict.rule, excerpts.post
    shown = list(rule.tree.leaves())[:4]
    return {
        "id": rule.id,
        "name": rule.name,
        "version": rule.version,
        "matched": verdict.matched,
        "teams": rule.teams(),
        "stop": rule.stop,
        "checks": [[leaf.sentence(names)[:160], leaf.test(post), excerpts.of(leaf)] for leaf in shown],
    }


def compile_rules(rules: Iterable[Rule]) -> list[CompiledRule]:
    """The rules that can be read; a broken one is logged and shown on the rules page, and never stops routing."""
    compiled = []
    for rule in rules:
        try:
            compiled.append(CompiledRule(rule.pk, rule.name, rule.version, rule.tree, rule.actions, rule.stop))
        except RuleError as error:
            log.warning("a rule cannot be read and is left out", rule=rule.pk, reason=str(error))
    return compiled


@lru_cache(maxsize=2)
def _compiled(number: int, _changed_at: datetime | None) -> RuleSet:
    return RuleSet(number, compile_rules(Rule.objects.standing()))


def current() -> RuleSet:
    """The compiled rule set in force with the teams as they are; one statement while nothing changed."""
    number, changed_at, teams = standing()
    rules = copy(_compiled(number, changed_at))
    rules.traces = {}  # with the teams as they are
    rules.teams = {pk: name for pk, name, _triage, _private in teams}
    rules.private = frozenset(pk for pk, _name, _triage, private in teams if private)
    rules.triage = next((pk for pk, _name, triage, _private in teams if triage), teams[0][0] if teams else None)
    return rules


def decide(
    batch: Sequence[Facts], default_team: int | None = None, names: dict[str, str] | None = None
) -> list[Decision]:
    """Decisions for the facts of a page, in order; `default_team` is the channel's own, `names` those of channels by
    `channel:id`, for the words of the trace."""
    if not batch:
        return []
    rules = current()
    rules.names = names or {}
    members: frozenset[tuple[int, int]] = frozenset()
    if rules.names_agents:
        members = frozenset(Membership.objects.filter(agent__is_active=True).values_list("agent_id", "team_id"))
    return [rules.decide(facts, members, default_team) for facts in batch]


def try_out(facts: Facts) -> Decision:
    """The test bench: what the rules as they are now would do with a post; nothing is changed."""
    return decide([facts])[0]

"""BM-14, BM-15: the compiled rule set beside a bare scan of the automaton, beside looking for each word in turn, and
beside testing every rule in order."""

import random
import time
import types
from collections import defaultdict
from dataclasses import replace

from benchmarks import posts
from benchmarks.data import Texts
from benchmarks.measure import check, interleaved, micro, row, taking
from inbox.arrival import Facts
from routing.actions import Outcome, read_actions
from routing.conditions import Post
from routing.engine import CompiledRule, RuleSet
from routing.groups import Group, read_tree
from routing.words import normalise

TEAMS = [1, 2, 3, 4]
POSTS = 2_000
MORE = 5  # times as many rounds where one takes hundredths of a second


def some_facts(count, seed=3):
    texts, chance = Texts(seed), random.Random(seed)
    return [
        Facts(
            text=texts.text(),
            network=chance.choice(("demo", "feed")),
            channel_id=chance.randrange(20),
            kind=chance.choice(("mention", "reply", "review")),
            language="en",
            author_handle=f"@a{chance.randrange(5000)}",
            followers=chance.randrange(9_000),
        )
        for _ in range(count)
    ]


def word_rules(count, seed=5):
    """Rules of two to four words each."""
    texts, chance = Texts(seed), random.Random(seed)
    for number in range(count):
        when = {"all": [{"is": "text_any", "words": [texts.rare() for _ in range(chance.randint(2, 4))]}]}
        yield compiled(number, when, [{"do": "tag", "tags": [f"r{number}"]}], False)


def mixed_rules(count, seed=6):
    """Trees as people write them; 15 % have no words at all, some say stop, some look for a pattern."""
    texts, chance = Texts(seed), random.Random(seed)
    for number in range(count):
        if chance.random() < 0.15:
            when = {
                "all": [
                    {"is": "channel", "channels": [str(chance.randrange(200))]},
                    {"is": "followers_over", "followers": 8_000},
                ]
            }
            then, stop = [{"do": "priority", "points": 1}], False
        else:
            made = posts.rule_data(texts, chance, TEAMS)
            when, then, stop = made["when"], made["then"], made["stop"]
            if chance.random() < 0.05:
                when["all"].append({"is": "text_pattern", "pattern": r"\b\w{3,6}ta\b"})
        yield compiled(number, when, then, stop)


def compiled(number, when, then, stop):
    return CompiledRule(number, f"rule {number}", 1, read_tree(when), read_actions(then), stop)


def in_order(rules, facts):
    """What trying all rules in order says, each looking for its own words in the text: ids of the matching ones and
    the outcome."""
    text, outcome, matched = normalise(facts.text), Outcome(), []
    for rule in rules:
        if alone(rule.tree, facts, text):
            matched.append(rule.id)
            for action in rule.actions:
                action.apply(outcome)
            if rule.stop or outcome.stopped:
                break
    return matched, outcome


def alone(part, facts, text):
    """A tree or a condition tested with nothing prepared for it."""
    if isinstance(part, Group):
        answers = (alone(each, facts, text) for each in part.parts)
        if part.how == "all":
            return all(answers)
        return any(answers) if part.how == "any" else not any(answers)
    return part.test(Post(facts, text, {word for word in part.words() if word in text}))


def by_engine(rule_set, facts):
    judgement = rule_set.judge(facts)
    return [verdict.rule.id for verdict in rule_set.verdicts(judgement) if verdict.matched], judgement.outcome


def sample(facts, size, number):
    return random.Random(number).sample(facts, size)


def words_rows(count, facts, rounds):
    rules = list(word_rules(count))
    started = time.perf_counter()
    rule_set = RuleSet(1, rules, {1: "Support"}, 1)
    compiling = time.perf_counter() - started
    patterns = [(rule.id, rule.tree.parts[0].words()) for rule in rules]
    normal = [normalise(each.text) for each in facts]
    least = least_of(rule_set.finder, patterns, [rule.tags() for rule in rules])

    def naive(text):
        return [number for number, words in patterns if any(word in text for word in words)]

    for each, text in zip(facts[:200], normal, strict=False):
        matched, outcome = by_engine(rule_set, each)
        check(matched == naive(text), "the word finder and the plain loop differ")
        check((matched, outcome.tags) == least(each.text), "the engine and the least of loops differ")

    def each_of(judge):
        def candidate(_):
            with taking(len(facts)) as take:
                for each in facts:
                    judge(each)
            return take

        return candidate

    def loop(number):
        with taking(20) as take:
            for text in sample(normal, 20, number):
                naive(text)
        return take

    candidates = {
        "engine": each_of(rule_set.judge),
        "scan": each_of(lambda each: rule_set.finder.found(normalise(each.text))),
        "least": each_of(lambda each: least(each.text)),
        "told": each_of(rule_set.decide),
        "loop": loop,
    }
    takes = interleaved(rounds * MORE, candidates)
    mine, bare, gathering, decided, slow = map(takes.cpu, ("engine", "scan", "least", "told", "loop"))
    matching = sum(len(rule_set.judge(each).tried) for each in facts) / len(facts)
    named = f"{count:,} rules of words"
    note = f"{matching:.1f} rules match a post; only gathering their numbers and tags {gathering / bare:.2f}; "
    note += f"compiled in {compiling:.2f} s"
    yield row("BM-14", f"{named}, a post, to finding words", micro(mine), micro(bare), mine / bare, most=1.5, note=note)
    yield row("BM-14", f"{named}, to a loop over all words", micro(mine), micro(slow), slow / mine, least=150)
    yield replace(
        row("BM-14", f"{named}, decided with its trace", micro(decided), micro(bare), decided / bare), higher=False
    )
    return types.SimpleNamespace(each=mine, gathering=gathering)


def least_of(finder, patterns, tags):
    """What no engine in Python can do without: finding the words, the numbers of the rules that match, in order and
    each once, and their tags."""
    rules_of = defaultdict(list)
    for number, words in patterns:
        for word in words:
            rules_of[word].append(number)
    by_place = [rules_of[word] for word in finder.words]

    def least(text):
        found = []
        for place, _, _ in finder.hits(normalise(text)):
            found += by_place[place]
        found = sorted(set(found))
        gathered = []
        for number in found:
            gathered += tags[number]
        return found, list(dict.fromkeys(gathered))

    return least


def tree_rows(count, facts, rounds, goal):
    rules = list(mixed_rules(count))
    rule_set = RuleSet(1, rules)
    matched = 0
    for each in facts[:300]:
        mine, plain = by_engine(rule_set, each), in_order(rules, each)
        check(mine == plain, f"the index and testing in order differ: {mine} and {plain}")
        matched += bool(mine[0])
    check(matched > 10, "hardly a rule matched: the comparison says nothing")

    def engine(_):
        with taking(len(facts)) as take:
            for each in facts:
                rule_set.judge(each)
        return take

    def one_by_one(number):
        chosen = sample(facts, max(5, 100_000 // count), number)
        with taking(len(chosen)) as take:
            for each in chosen:
                in_order(rules, each)
        return take

    takes = interleaved(rounds, {"engine": engine, "one by one": one_by_one})
    mine, slow = takes.cpu("engine"), takes.cpu("one by one")
    yield row(
        "BM-15", f"{count:,} mixed trees, to testing all in order", micro(mine), micro(slow), slow / mine, least=40
    )
    if goal:
        yield row("BM-15", f"{count:,} mixed trees, a post in 50 µs", micro(mine), "50 µs", mine / goal, most=1.0)


def run(options):
    facts = some_facts(POSTS)
    first = yield from words_rows(1_000, facts, options.rounds)
    second = yield from words_rows(10_000, facts, options.rounds)
    yield row(
        "BM-14",
        "10,000 rules to 1,000 rules",
        micro(second.each),
        micro(first.each),
        second.each / first.each,
        most=2.5,
        note=f"only gathering {second.gathering / first.gathering:.2f}",
    )
    for count, goal in ((500, 50e-6), (1_000, None), (10_000, None)):
        yield from tree_rows(count, facts, options.rounds, goal)

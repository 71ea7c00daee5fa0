"""The compiled rule set says what trying every rule in order would say, for any rules and any post."""

from hypothesis import given
from hypothesis import strategies as st

from inbox.arrival import Facts
from routing.actions import Outcome, read_actions
from routing.conditions import Post
from routing.engine import CompiledRule, RuleSet
from routing.groups import read_tree
from routing.words import WordFinder

WORDS = ("refund", "late", "money back", "parcel*", "#acme", "Größe")
TEXT = st.lists(st.sampled_from([*WORDS, "parcels", "money", "back,", "the", "漢字"])).map(" ".join)
SOME = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3)


def fact(name, field, *values):
    chosen = st.lists(st.sampled_from(values), min_size=1, max_size=2)
    return chosen.map(lambda these: {"is": name, field: these})


LEAVES = st.one_of(
    SOME.map(lambda words: {"is": "text_any", "words": words}),
    SOME.map(lambda words: {"is": "text_all", "words": words}),
    fact("network", "networks", "demo", "Feed"),
    fact("topic", "topics", "1", "2"),
    st.just({"is": "followers_over", "followers": 10}),
    st.just({"is": "text_pattern", "pattern": "re.*d"}),
)
TREES = st.recursive(
    LEAVES,
    lambda part: st.dictionaries(
        st.sampled_from(("all", "any", "none")), st.lists(part, min_size=1, max_size=3), min_size=1, max_size=1
    ),
    max_leaves=4,
)
TAGS = st.lists(st.sampled_from("abc"), min_size=1, max_size=2).map(lambda tags: {"do": "tag", "tags": tags})
ACTIONS = st.one_of(
    TAGS,
    st.sampled_from([{"do": "team", "team": 1}, {"do": "team", "team": 2}, {"do": "agent", "agent": 7}]),
    st.sampled_from([{"do": "priority", "points": 5}, {"do": "ignore"}, {"do": "stop"}]),
)
PLAIN = st.tuples(
    SOME.map(lambda words: {"all": [{"is": "text_any", "words": words}]}),
    st.lists(TAGS, min_size=1, max_size=2),
    st.booleans(),
)
RULES = st.lists(
    st.one_of(PLAIN, st.tuples(TREES, st.lists(ACTIONS, min_size=1, max_size=3), st.booleans())), max_size=6
)
FACTS = st.builds(
    Facts,
    text=TEXT,
    network=st.sampled_from(("demo", "feed")),
    channel_id=st.just(1),
    followers=st.sampled_from((None, 5, 50)),
    topics=st.sampled_from(((), (1,), (1, 2))),
)


def in_order(rules, facts):
    """Ids of the rules that match, each looking for its own words, and the outcome."""
    outcome, matched = Outcome(), []
    for rule in rules:
        words = WordFinder(word for leaf in rule.tree.leaves() for word in leaf.words())
        if rule.tree.test(Post.of(facts, words)):
            matched.append(rule.id)
            for action in rule.actions:
                action.apply(outcome)
            if rule.stop or outcome.stopped:
                break
    return matched, outcome


@given(RULES, st.lists(FACTS, min_size=1, max_size=3))
def test_rules_that_are_tried_by_their_words_decide_as_all_of_them_in_order(given_rules, posts):
    rules = [
        CompiledRule(number, f"rule {number}", 1, read_tree(when), read_actions(then), stop)
        for number, (when, then, stop) in enumerate(given_rules)
    ]
    rule_set = RuleSet(1, rules)
    for facts in posts:
        judgement = rule_set.judge(facts)
        verdicts = rule_set.verdicts(judgement)
        tried = [verdict.rule.id for verdict in verdicts]
        assert ([verdict.rule.id for verdict in verdicts if verdict.matched], judgement.outcome) == in_order(
            rules, facts
        )
        assert tried == sorted(set(tried))

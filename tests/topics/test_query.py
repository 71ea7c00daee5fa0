"""The query language of topics: what it reads, what it says when it cannot, and what it finds."""

import re
import time
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.topics.matching import Subject, TopicSet, match_one
from connectors.topics.query import QueryError, parse, parse_topic
from connectors.topics.tree import NUMBERS, And, Field, Near, Not, Or, Phrase, Word, all_of, any_of, negated
from connectors.topics.words import pattern_of, tokens_of
from routing.words import normalise


def finds(query, text="", **facts):
    """Both ways of asking must agree: one query alone, and a set of them."""
    tree = parse(query)
    subject = Subject(text=text, **facts)
    alone = match_one(tree, subject)
    assert TopicSet({7: tree}).matching(subject) == ([7] if alone else [])
    return alone


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("refund", Word("refund")),
        ("refund late", And((Word("refund"), Word("late")))),
        ("refund and late", And((Word("refund"), Word("late")))),
        ("a OR b c", Or((Word("a"), And((Word("b"), Word("c")))))),
        ("(a OR b) c", And((Or((Word("a"), Word("b"))), Word("c")))),
        ("a or (b or c)", Or((Word("a"), Word("b"), Word("c")))),
        ('"money back"', Phrase("money back")),
        ("“money back”", Phrase("money back")),
        ("„Geld  zurück“", Phrase("Geld zurück")),
        ("NOT not a", Word("a")),
        ("-spam a", And((Not(Word("spam")), Word("a")))),
        ('"or"', Word("or")),
        ("e-mail", Word("e-mail")),
        ("https://acme.example/a", Word("https://acme.example/a")),
        ("a near/5 b", Near(Word("a"), Word("b"), 5)),
        ("author:@Carla", Field("author", "@Carla")),
        ('channel:"@acme shop"', Field("channel", "@acme shop")),
        ("LANG:DE", Field("lang", "de")),
        ("followers:>10k", Field("followers", 10_000, ">")),
        ("followers:5", Field("followers", 5, "=")),
        (
            'refund OR "money back" NEAR/5 (late OR never) NOT lang:nl',
            Or(
                (
                    Word("refund"),
                    And(
                        (
                            Near(Phrase("money back"), Or((Word("late"), Word("never"))), 5),
                            Not(Field("lang", "nl")),
                        )
                    ),
                )
            ),
        ),
    ],
)
def test_a_query_is_read_as_it_is_meant(query, tree):
    assert parse(query) == tree


@pytest.mark.parametrize(
    ("query", "place", "words"),
    [
        ("", 0, "a word, a phrase or a field is expected"),
        ("refund OR", 9, "expected after OR, but the query ends here"),
        ("OR refund", 0, "put it in quotes"),
        ("(refund late", 0, "closes this “(” is missing"),
        ("refund) late", 6, "closes nothing"),
        ("a ()", 3, "expected after “(”, but here is a “)”"),
        ('refund "money back', 7, "a closing quote is missing"),
        ('refund ""', 7, "between the quotes"),
        ("a NEAR b", 2, "NEAR needs a number"),
        ("a NEAR/0 b", 2, "NEAR needs a number"),
        ("a NEAR/x b", 2, "NEAR needs a number"),
        ("a NEAR/5 b NEAR/5 c", 11, "NEAR joins two"),
        ("(a b) NEAR/5 c", 0, "NEAR stands between words"),
        ("a NEAR/3 lang:de", 9, "NEAR stands between words"),
        ("colour:red", 0, "there is no field “colour”"),
        ("a has:sound", 6, "has: needs one of link, image, video"),
        ("a followers:many", 12, "followers: needs a comparison"),
        ("a lang:german", 7, "lang: needs a language code"),
        ("a author:", 2, "author: needs a name"),
        ("refund ***", 7, "has no letter or digit"),
        ("NOT", 3, "expected after NOT"),
        ("(" * 60 + "a" + ")" * 60, 40, "more than 40 deep"),
        ("a " * 3_000, 4_000, "at most 4,000 characters"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(query, place, words):
    with pytest.raises(QueryError) as error:
        parse(query)
    assert error.value.start == place
    assert words in error.value.words
    assert str(error.value).startswith(f"Character {place + 1}: ")


@pytest.mark.parametrize("query", ["NOT refund", "NOT a NOT b", "refund OR NOT late"])
def test_a_topic_has_to_look_for_something(query):
    with pytest.raises(QueryError, match="also say what to look for"):
        parse_topic(query)
    assert parse_topic(f"({query}) acme")


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("refund", "My REFUND!", True),
        ("refund", "refunds", False),
        ("refund*", "refunds", True),
        ("refund?", "refunds", True),
        ("refund?", "refund", False),
        ("col*r", "the colour", True),
        ("*fund", "a refund", True),
        ('"money back"', "Money, back", True),
        ('"money back"', "back money", False),
        ('"money * back"', "money right back", True),
        ("money-back", "my money back", True),
        ("straße", "STRASSE", True),
        ("#acme", "so #Acme it is", True),
        ("#acme", "so acme it is", False),
        ("#ac*", "so #Acme it is", True),
        ("acme", "so #Acme it is", True),
        ("返金", "返金してください", True),
        ("返金*", "返金してください", True),
        ('"返金 くだ"', "返金してください", False),
        ("a NEAR/1 b", "b a", True),
        ("a NEAR/1 b", "a x b", False),
        ("a NEAR/2 b", "a x b", True),
        ("a NEAR/2 a", "a x", False),
        ("a NEAR/2 a", "a x a", True),
        ("#acme NEAR/2 late", "the #acme is late", True),
        ("(a OR x) NEAR/1 (b OR c)", "x c", True),
        ('"a b" NEAR/1 c', "a b c", True),
        ('"a b" NEAR/1 "b c"', "a b c", False),
        ("has:link", "see https://acme.example", True),
        ("has:link", "see it", False),
    ],
)
def test_words_phrases_and_wildcards_find_what_they_should(query, text, found):
    assert finds(query, text) is found


@pytest.mark.parametrize(
    ("query", "facts", "found"),
    [
        ("author:carla", {"handle": "@Carla@mastodon.example"}, True),
        ("author:@carla@mastodon.example", {"handle": "@Carla@mastodon.example"}, True),
        ('author:"Carla Mendes"', {"name": "Carla Mendes"}, True),
        ("author:car*", {"handle": "carla"}, True),
        ("author:@carla", {"name": "Carla"}, False),
        ("author:carla", {"handle": "carlaa", "name": "Carla M"}, False),
        ("lang:pt", {"languages": frozenset({"pt-BR"})}, True),
        ("lang:pt-pt", {"languages": frozenset({"pt-BR"})}, False),
        ("network:mastodon", {"network": "mastodon"}, True),
        ('channel:"@acme*"', {"channel": "@Acme shop"}, True),
        ("has:image", {"media": frozenset({"image"})}, True),
        ("has:video", {"media": frozenset({"image"})}, False),
        ("followers:>=10", {"followers": 10}, True),
        ("followers:<10", {"followers": None}, False),
        ("a NOT followers:<10", {"followers": None, "text": "a"}, True),
    ],
)
def test_fields_ask_for_facts_of_the_post(query, facts, found):
    assert finds(query, **facts) is found


def test_neither_a_long_post_nor_many_topics_hold_listening_up():
    """Each word is looked for where it stands, not at every place: what takes hundredths of a second took many."""
    words = [f"word{number % 3_000}" for number in range(14_000)]
    queries = {
        number: parse(
            f'(word{number} OR "word{number} word{number + 9}") word{number + 1} NEAR/5 (word{number + 50} OR x)'
        )
        for number in range(200)
    }
    topics, post = TopicSet(queries), Subject(text=" ".join(words))
    start = time.process_time()
    topics.matching(post)
    assert time.process_time() - start < 2


WORDS = ("a", "b", "c", "ab", "#a", "b*", "?b", "a*", "返金", "or")
words = st.sampled_from(WORDS).map(Word)
phrases = st.lists(st.sampled_from(("a", "b", "c", "*", "b*")), min_size=2, max_size=3).map(" ".join)
phrases = phrases.filter(lambda text: re.search("[abc]", text)).map(Phrase)
positional = st.one_of(words, phrases, st.lists(st.one_of(words, phrases), min_size=2, max_size=3).map(any_of))
nears = st.builds(Near, positional, positional, st.integers(1, 4))
facts = st.one_of(
    st.builds(Field, st.just("author"), st.sampled_from(("carla", "Carla Mendes", "x:y"))),
    st.builds(Field, st.just("followers"), st.integers(0, 9), st.sampled_from(sorted(NUMBERS))),
    st.sampled_from([Field("has", "link"), Field("lang", "de"), Field("channel", "@acme shop")]),
)
trees = st.recursive(
    st.one_of(words, phrases, nears, facts),
    lambda inner: st.one_of(
        inner.map(negated),
        st.lists(inner, min_size=2, max_size=3).map(all_of),
        st.lists(inner, min_size=2, max_size=3).map(any_of),
    ),
    max_leaves=8,
)


@settings(max_examples=120, deadline=None)
@given(trees)
def test_a_tree_written_down_reads_back_as_the_same_tree(tree):
    assert parse(str(tree)) == tree


@settings(max_examples=120, deadline=None)
@given(st.text(alphabet='ab ()"*?-:/5#orandtflEN“”', max_size=30))
def test_any_text_is_read_or_refused_with_a_place_within_it(text):
    try:
        tree = parse(text)
    except QueryError as error:
        place = error.start
    else:
        assert parse(str(tree)) == tree
        place = 0
    assert 0 <= place <= len(text)


def naive(tree, subject):
    """The documented meaning, by trying everything."""
    tokens = tokens_of(normalise(subject.text))
    if isinstance(tree, And):
        return all(naive(part, subject) for part in tree.parts)
    if isinstance(tree, Or):
        return any(naive(part, subject) for part in tree.parts)
    if isinstance(tree, Not):
        return not naive(tree.what, subject)
    if isinstance(tree, Near):
        pairs = product(naive_places(tree.left, tokens), naive_places(tree.right, tokens))
        return any(
            0 < start - end <= tree.distance
            for one, other in pairs
            for end, start in ((one[1], other[0]), (other[1], one[0]))
        )
    if isinstance(tree, Field):
        return naive_fact(tree, subject)
    return bool(naive_places(tree, tokens))


def naive_places(tree, tokens):
    if isinstance(tree, Or):
        return [place for part in tree.parts for place in naive_places(part, tokens)]
    if tree.text.startswith("#"):
        return [
            (at, at) for at, word in enumerate(tokens.words) if f"#{word}" in tokens.marks and tree.text == f"#{word}"
        ]
    parts = list(pattern_of(tree.text).parts)
    said = [re.compile(part.replace("*", ".*").replace("?", ".")) for part in parts]
    return [
        (at, at + len(said) - 1)
        for at in range(len(tokens.words) - len(said) + 1)
        if all(each.fullmatch(word) for each, word in zip(said, tokens.words[at:], strict=False))
    ]


def naive_fact(field, subject):
    return {
        "author": str(field.value).lower() in (subject.handle.lower(), subject.name.lower()),
        "followers": subject.followers is not None
        and field.name == "followers"
        and eval(
            f"{subject.followers} {field.sign.replace('=', '==') if field.sign == '=' else field.sign} {field.value}"
        ),
        "has": "://" in subject.text,
        "lang": "de" in subject.languages,
        "channel": subject.channel == "@acme shop",
    }[field.name]


def naive_signs(count, field):
    """What holds of two numbers: 1 for more, -1 for less, 0 for equal; a sign with = is met by both."""
    order = (count > field.value) - (count < field.value)
    return (order, 1, -1) if order == 0 and field.sign in (">=", "<=") else (order,)


TEXTS = ("a", "b", "c", "ab", "#a", "bb", "返金", "https://x.example", "or")
subjects = st.builds(
    Subject,
    text=st.lists(
        st.sampled_from(("a", "b", "c", "ab", "#a", "bb", "返金", "https://x.example", "or")), max_size=8
    ).map(" ".join),
    handle=st.sampled_from(("carla", "theo")),
    name=st.sampled_from(("Carla Mendes", "Theo")),
    languages=st.sets(st.sampled_from(("de", "en"))).map(frozenset),
    channel=st.sampled_from(("@acme shop", "blog")),
    followers=st.one_of(st.none(), st.integers(0, 9)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(trees, min_size=1, max_size=4), subjects)
def test_matching_is_what_a_naive_reading_says(chosen, subject):
    said = [key for key, tree in enumerate(chosen) if naive(tree, subject)]
    assert TopicSet(dict(enumerate(chosen))).matching(subject) == said
    assert [key for key, tree in enumerate(chosen) if match_one(tree, subject)] == said

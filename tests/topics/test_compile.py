"""What networks are asked for a query: never less than it means, and the page is told what we compare ourselves."""

import pytest
from hypothesis import given, settings

from connectors.base import Connector
from connectors.topics.compile import MOST
from connectors.topics.coverage import described
from connectors.topics.matching import match_one
from connectors.topics.query import QueryError, parse
from tests.topics.test_query import subjects, trees


def asked(network, query):
    return Connector.named(network).search_query(parse(query))


@pytest.mark.parametrize(
    ("query", "texts", "exact"),
    [
        ("refund", ["refund"], True),
        ('acme "money back"', ['acme "money back"'], True),
        ("acme (refund OR late) -spam", ["acme (refund OR late) -spam"], True),
        ("NOT (spam OR nlword) acme", ["-spam -nlword acme"], True),
        ("acme lang:de author:@carla has:image", ["acme lang:de from:carla has:images"], True),
        ("acme followers:>100", ["acme"], False),
        ("acme NEAR/5 late", ["acme late"], False),
        ("acme refund*", ["acme"], False),
        ("(a b) OR c", ["(a b) OR c"], True),
        ('"money * back"', ["money back"], False),
    ],
)
def test_x_is_asked_with_its_own_operators(query, texts, exact):
    native = asked("x", query)
    assert (list(native.texts), native.exact) == (texts, exact)
    assert bool(native.filtered) is not exact


@pytest.mark.parametrize(
    ("network", "query", "theirs"),
    [
        ("x", "tea", ()),
        ("x", "tea lang:de", ("lang:de",)),
        ("x", "(tea lang:de) OR (coffee -lang:nl)", ("lang:de", "lang:nl")),
        ("mastodon", "tea lang:de", ("lang:de",)),
    ],
)
def test_a_language_is_what_the_network_takes_it_for(network, query, theirs):
    """We know the language of posts whose author or network says none; a search does not bring them."""
    native = asked(network, query)
    assert native.theirs == theirs
    words = described(native)
    assert (words == "exact") is (native.exact and not theirs)
    assert all(each in words for each in theirs)


@pytest.mark.parametrize("query", ["refund*", "has:image", "lang:de OR acme", "acme OR refund*", "followers:>5"])
def test_what_has_no_word_to_ask_for_is_not_asked(query):
    assert asked("x", query) is None


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        ("acme (refund OR late) -spam", ["acme refund", "acme late"]),
        ("refund OR refund acme OR late", ["refund", "refund acme", "late"]),
        ("acme lang:de author:@carla@far.example", ["acme language:de from:@carla@far.example"]),
        ("acme author:@carla", ["acme"]),  # there are as many of that name as there are servers
        ("(a OR b OR c) (d OR e OR f)", ["d", "e", "f"]),
    ],
)
def test_a_network_without_or_is_asked_several_times(query, texts):
    native = asked("mastodon", query)
    assert sorted(native.texts) == sorted(texts) or sorted(native.texts) == ["a", "b", "c"]
    assert not native.exact


@pytest.mark.parametrize(
    ("network", "query", "texts"),
    [
        ("threads", 'shoes AND "too small"', ["shoes too small"]),
        ("threads", "#tea OR @acme OR pot-au-feu", ["tea", "acme", "pot-au-feu"]),
        ("threads", "acme author:@carla lang:de -spam", ["acme"]),
        ("reddit", 'shoes AND "too small"', ['shoes "too small"']),
        ("reddit", "acme (tea OR #coffee) author:@carla", ["acme tea author:carla", "acme coffee author:carla"]),
        ("discourse", 'shoes AND "too small" author:@carla.b', ['shoes "too small" @carla.b']),
        ("discourse", "#tea @acme is it", ["tea acme"]),
        ("discourse", '"is it" kettle', ['"is it" kettle']),
    ],
)
def test_a_network_of_which_little_is_known_is_asked_for_plain_words(network, query, texts):
    native = asked(network, query)
    assert list(native.texts) == texts
    assert not native.exact


def test_words_too_short_for_a_forums_search_are_not_asked_for():
    assert asked("discourse", "TV OR kettle") is None
    assert asked("discourse", "TV kettle").filtered == ("TV",)


def test_alternatives_there_is_no_room_for_are_named():
    native = asked("mastodon", " OR ".join(f"word{number}" for number in range(MOST + 3)))
    assert len(native.texts) == MOST
    assert native.lost == ("word8", "word9", "word10")


def test_a_query_too_long_for_one_search_becomes_several_or_is_shortened():
    many = " OR ".join(f"alternative{number}" for number in range(40))
    native = asked("x", many)
    assert native.lost
    native = asked("x", " ".join(f"necessary{number}" for number in range(60)))
    assert len(native.texts) == 1
    assert len(native.text) <= 450
    assert native.filtered
    assert not native.exact


def test_who_has_a_dialect_has_a_source_that_searches():
    kinds = [kind for kind in Connector.kinds().values() if kind.dialect]
    assert {"mastodon", "bluesky", "x", "threads", "reddit", "discourse"} <= {kind.name for kind in kinds}
    for kind in kinds:
        assert "search" in {source.name for source in kind.sources}, kind.name


def test_feeds_cannot_be_asked():
    assert asked("feed", "refund") is None


@settings(max_examples=120, deadline=None)
@given(trees, subjects)
def test_what_matches_is_always_among_what_x_was_asked_for(tree, subject):
    """Fields are left out here: what a network calls a language or a link it says itself."""
    native = Connector.named("x").search_query(tree)
    if native is None or native.lost or "lang:" in native.text or not match_one(tree, subject):
        return
    assert any(match_one(as_ours(text), subject) for text in native.texts)


def as_ours(text):
    """The network's text, read by our own parser, which shares its operators."""
    try:
        return parse(text)
    except QueryError:
        pytest.fail(f"not even we can read {text}")

"""Text out of HTML, and the forms in which text is stored and compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.text import graphemes, key, names, normalised, plain, read_json, storable, storable_json
from tests.waiting import costs

SHORTENED = (
    '<a href="https://shop.example/returns?x=1&amp;y=2"><span class="invisible">https://</span>'
    '<span class="ellipsis">shop.example/returns</span><span class="invisible">?x=1&amp;y=2</span></a>'
)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one<br>two</p><p>three</p>", "one\ntwo\n\nthree"),
        (f"<p>see {SHORTENED}!</p>", "see https://shop.example/returns?x=1&y=2!"),
        ('<span class="h-card"><a href="https://x/@ana">@<span>ana</span></a></span> hi', "@ana hi"),
        ("2 &lt; 3 &amp; 4 &gt; 1", "2 < 3 & 4 > 1"),
        ("a < b <3", "a < b <3"),
        ("x<script>alert(1)</script>y<style>p{}</style>z", "xyz"),
        ("<!-- gone -->kept", "kept"),
        ("<ul><li>a<li>b</ul>", "• a\n• b"),
        ("no markup", "no markup"),
        ('<a href="javascript:x"><span class="invisible">y</span>z</a>', "z"),
    ],
)
def test_html_reads_as_a_person_would_read_it(html, text):
    assert plain(html) == text


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<!",
        "<!--",
        "<a ",
        "<div>",
        "<span class=invisible>",
        "<script>",
        "</script",
        "&#",
        "<a href=",
        "<li>",
        '<a href="',
    ],
)
def test_a_megabyte_of_hostile_markup_takes_no_time(piece):
    with costs(6):
        plain(piece * (1_000_000 // len(piece)))
        plain("<script>" + piece * (1_000_000 // len(piece)))


@given(st.text())
def test_whatever_comes_in_can_be_stored(text):
    assert "\x00" not in storable(text)
    storable(text).encode()
    plain(text).encode()
    assert len(key(text)) <= 255


def test_long_keys_stay_different():
    assert key("a" * 300) != key("a" * 299 + "b")
    assert key("a" * 300) == key("a" * 300)


def test_texts_are_compared_without_what_networks_change():
    assert normalised("Cafe\u0301  see\nhttps://x.example/a/") == normalised("Café see http://x.example/a")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("@carla we are sorry", True),
        ("sorry, @Carla!", True),
        ("(@carla) and @theo.", True),
        ("we are sorry @carla.", True),
        ("write to help@carla.example", False),
        ("write to help@carlacare.example", False),
        ("@carla_jones from our shop will call you", False),
        ("@carla.b is not her", False),
        ("@carla@elsewhere.example is not her", False),
        ("see https://acme.example/@carla", False),
        ("carla, we are sorry", False),
    ],
)
def test_a_handle_inside_another_word_names_nobody(text, named):
    assert names(text, "carla") is named


def test_whoever_lives_on_another_server_is_named_with_it():
    assert names("@carla@elsewhere.example sorry", "carla@elsewhere.example")
    assert not names("@carla sorry", "carla@elsewhere.example")


def test_a_family_is_one_character():
    assert graphemes("👨‍👩‍👧‍👦é") == 2


def test_a_number_that_is_none_becomes_null():
    read = read_json(b'{"a": [NaN, 1e999, -Infinity, 1.5, 2]}')
    assert read == {"a": [None, None, None, 1.5, 2]}
    assert storable_json({"a": (float("nan"), {"b": float("inf")}, 1.5)}) == {"a": [None, {"b": None}, 1.5]}

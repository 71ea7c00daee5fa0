"""The quick way to tokens gives what the full one gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import words

# What Unicode assigned since this Python was made is known to one of the two expressions only.
SIMPLE = st.characters(exclude_categories=("M", "Cn", "Cs")).filter(lambda each: not words._NEEDS_CARE.match(each))


@given(st.text(SIMPLE | st.sampled_from("#@_ aZ1’—😀")))
def test_texts_without_marks_and_spaceless_scripts_give_the_same_tokens_either_way(text):
    assert words._is_simple(text)
    assert words._SIMPLE.findall(text) == words._TOKEN.findall(text)
    assert words._SIMPLE_MARKED.findall(text) == words._MARKED.findall(text)


@given(st.text(st.characters(max_codepoint=0x7F) | st.sampled_from("#@_")))
def test_plain_texts_are_folded_as_all_others_are(text):
    beside = words.normalise(f"{text} é")
    plain = words.normalise(text).split()
    tokens = beside.split()
    tokens.remove("é")
    assert plain == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Größe", " grösse "),
        ("ре\u0301ки", " ре\u0301ки "),  # a word with a mark stays one word
        ("漢字 ok", " 漢 字 ok "),
        ("#tag @me", " tag me #tag @me "),
        ("#Größe @Ме’", " grösse ме #grösse @ме "),
        ("It’s #漢字 — OK 😀", " it s 漢 字 ok #漢字 "),
        ("", "  "),
    ],
)
def test_every_script_is_folded_to_tokens(text, tokens):
    assert words.normalise(text) == tokens

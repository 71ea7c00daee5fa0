"""The quick way to tokens gives what the full one gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import words


@given(st.text(st.characters(max_codepoint=0x2FF)))
def test_texts_without_marks_give_the_same_tokens_either_way(text):
    assert words._SIMPLE.findall(text) == words._TOKEN.findall(text)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Größe", " grösse "),
        ("ре\u0301ки", " ре\u0301ки "),  # a word with a mark stays one word
        ("漢字 ok", " 漢 字 ok "),
        ("#tag @me", " tag me #tag @me "),
        ("", "  "),
    ],
)
def test_every_script_is_folded_to_tokens(text, tokens):
    assert words.normalise(text) == tokens

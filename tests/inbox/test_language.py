"""Which language a text is in, whatever stands around its words."""

import pytest

from inbox.language import language_of

GERMAN = "Das Paket ist leider noch immer nicht angekommen"


@pytest.mark.parametrize(
    "text",
    [
        GERMAN,
        f"@carla {GERMAN} #paket https://acme.example/the/parcel/has/not/arrived/yet",
        f"{'. ' * 700}{GERMAN}",  # what is no word fills nothing of what is looked at
        f"{'7' * 1500} {GERMAN}!",
        f"🙂🙂 {GERMAN} …",
    ],
)
def test_the_words_say_it_and_not_what_the_network_said(text):
    assert language_of(text, "en") == "de"


@pytest.mark.parametrize(("hint", "kept"), [("pt_BR", "pt"), ("zh-Hant", "zh"), ("DE", "de"), ("", "")])
def test_of_too_few_letters_the_network_says_it(hint, kept):
    assert language_of("ok 12345 !!!", hint) == kept

"""No test depends on chance: a page is full of random tokens, and each of them may hold any short word."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
SHORT_WORD_IN_A_PAGE = re.compile(r'assert "\w{1,3}" not in (?!.*without_tokens).*(content|html|page|text)')


def test_no_short_word_is_missed_in_a_page_with_its_tokens():
    found = [
        f"{path.relative_to(TESTS)}: {line.strip()}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for line in path.read_text().splitlines()
        if SHORT_WORD_IN_A_PAGE.search(line)
    ]
    assert not found, "ask tests.world.without_tokens(page), or for the whole element"

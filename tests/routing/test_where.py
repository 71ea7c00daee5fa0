"""The words of a post that a trace shows: as they were written, the match marked, cuts between words only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.arrival import Facts
from inbox.models import Conversation
from inbox.why import MARKS
from routing.conditions import Post
from routing.excerpts import Excerpts, _as_written
from routing.words import WordFinder, pattern
from tests.inbox.test_receive import offer, post
from tests.routing.test_rule_pages import make
from tests.world import make_channel

LONG = "I wrote three times this month already, and my Money  back\nnever came although it was due in fourteen days"
CUT = "… this month already, and my [Money back] never came although it was due in fourteen days"


@pytest.mark.parametrize(
    ("word", "text", "shown"),
    [
        ("refund", "My REFUND, please!", "My [REFUND], please!"),
        ("refund*", "are you refunding?", "are you [refunding]?"),
        ("money back", LONG, CUT),
        ("refund", "ｒｅｆｕｎｄ please", "[refund]"),
        ("refund", "no \x02refund\x03 here", "no [refund] here"),
        ("#refund", "it is #Refund day", "it is [#Refund] day"),
        ("money back", "My money, back!", "My [money, back]!"),
        ("größe", "Die Größe stimmt nicht", "[grösse]"),
        ("stimmt", "Die Größe STIMMT nicht", "Die Größe [STIMMT] nicht"),
        ("refund", "İlk refund", "İlk [refund]"),
        ("漢字", "ok 漢字", "[漢 字]"),
    ],
)
def test_the_match_is_shown_as_it_was_written(cast, word, text, shown):
    make("Refunds", [word], cast.support)
    offer(make_channel(), post(1, text))
    where = Conversation.objects.get().trace["tried"][0]["checks"][0][2]
    assert where == shown.replace("[", MARKS[0]).replace("]", MARKS[1])


WORDS = st.sampled_from(("refund", "refunds", "re_fund", "Größe", "Ünder", "x1", "ре\u0301ки", "漢"))
SIGNS = st.sampled_from((" ", ", ", "! ", "-", " “", " 😀 "))


@given(st.lists(st.tuples(WORDS, SIGNS), min_size=1), WORDS, st.booleans(), st.booleans())
def test_a_word_is_found_where_an_expression_for_it_finds_it(parts, word, open_end, capital):
    text = " ".join("".join(part + sign for part, sign in parts).split())
    text = text.upper() if capital else text
    wanted = pattern(word + "*" if open_end else word)
    post = Post.of(Facts(text=text, network="demo", channel_id=1), WordFinder([wanted]))
    met = _as_written(wanted).search(text)
    if wanted in post.found and met:
        assert Excerpts(post)._where(wanted) == met.span()

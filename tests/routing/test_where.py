"""The words of a post that a trace shows: as they were written, the match marked, cuts between words only."""

import pytest

from inbox.models import Conversation
from inbox.why import MARKS
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
    ],
)
def test_the_match_is_shown_as_it_was_written(cast, word, text, shown):
    make("Refunds", [word], cast.support)
    offer(make_channel(), post(1, text))
    where = Conversation.objects.get().trace["tried"][0]["checks"][0][2]
    assert where == shown.replace("[", MARKS[0]).replace("]", MARKS[1])

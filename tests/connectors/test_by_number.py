"""Posts that are asked for by their numbers, of which some are kept from us."""

import pytest

from connectors.by_number import ENOUGH, standing_of
from connectors.faults import Invalid


def asking(closed):
    asked = []

    def ask(ids):
        asked.append(ids)
        if closed & set(ids):
            raise Invalid
        return ids

    return ask, asked


@pytest.mark.parametrize("at_once", [1, 7, 40, 50])
def test_many_in_a_row_that_are_kept_from_us_hide_none_behind_them(at_once):
    ids, closed = [str(number) for number in range(40)], {str(number) for number in range(15)}
    ask, _ = asking(closed)
    found = standing_of(ids, at_once, ask)
    assert sorted(found) == sorted(set(ids) - closed)


@pytest.mark.parametrize("at_once", [1, 7, 40, 50])
def test_where_all_are_refused_not_every_one_is_asked_for(at_once):
    ids = [str(number) for number in range(40)]
    ask, asked = asking(set(ids))
    with pytest.raises(Invalid):
        standing_of(ids, at_once, ask)
    assert len(asked) == ENOUGH + 1
    assert asked[-1] == [ids[-1]]

"""Lists that are told newest first: how far back one is read, whatever stands in it out of order."""

from datetime import UTC, datetime, timedelta

from connectors.newest_first import Walk

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=400)
PAGE = 10


def read(times, cursor=None, *, sorts=False, most=50):
    """One poll over the whole list: how many of it were given, and the cursor."""
    walk, at = Walk.read(cursor, NOW, timedelta(days=2)), 0
    while not walk.ended and at // PAGE < most:
        shown, onward = times[at : at + PAGE], str(at + PAGE) if at + PAGE < len(times) else ""
        walk.reached([at, *map(str, shown)], shown, onward, NOW, sorts=sorts)
        at += PAGE
    return min(at, len(times)), walk.kept()


def minutes(*ago):
    return [NOW - timedelta(minutes=each) for each in ago]


def test_an_old_post_among_new_ones_hides_nothing_behind_it():
    times = minutes(*range(30))
    times.insert(1, LONG_AGO)
    assert read(times)[0] == 31


def test_where_the_list_is_sorted_by_these_times_the_first_old_one_ends_it():
    times = [*minutes(*range(5)), *[LONG_AGO] * 30]
    assert read(times, sorts=True)[0] == PAGE
    assert read(times)[0] == 2 * PAGE


def test_a_page_without_any_new_post_ends_the_walk():
    old = [NOW - timedelta(days=3, minutes=each) for each in range(100)]
    assert read([*minutes(*range(15)), *old])[0] == 3 * PAGE


def test_a_first_page_that_has_not_changed_is_not_read_past():
    times = minutes(*range(1, 60))
    seen, cursor = read(times)
    assert seen == 59
    seen, cursor = read(times, cursor)
    assert seen == PAGE
    seen, cursor = read([NOW, *times], cursor)
    assert seen > PAGE
    assert read([NOW, *times], cursor)[0] == PAGE


def test_a_walk_that_was_cut_is_not_taken_for_one_that_arrived():
    times = minutes(*range(1, 60))
    _, cut = read(times, most=1)
    walk = Walk.read(cut, NOW, timedelta(days=2))
    walk.restart()
    walk.reached(["again"], times[:PAGE], "10", NOW)
    assert not walk.ended


def test_a_cursor_from_before_goes_on_where_it_was():
    _, cursor = read(minutes(*range(5)))
    cursor.pop("tops")
    walk = Walk.read(cursor, NOW, timedelta(days=2))
    assert not walk.gaps

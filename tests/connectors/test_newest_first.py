"""Lists that are told newest first: how far back one is read, whatever stands in it out of order."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.networks.mastodon.forward import Place
from connectors.networks.x.calls import Walk as Bought
from connectors.newest_first import LONGEST, Walk, overlap
from connectors.rounds import Round

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


def test_where_polls_are_rare_the_overlap_is_two_of_their_intervals():
    half_an_hour = timedelta(minutes=30)
    assert overlap(timedelta(seconds=30)) == timedelta(minutes=15)
    assert overlap(half_an_hour) == timedelta(hours=1)
    assert overlap(timedelta(days=2)) == LONGEST
    walk = Walk(NOW - timedelta(days=2), NOW - half_an_hour, last=NOW - half_an_hour)
    walk.reached(["late"], [NOW - timedelta(minutes=80)], "on", NOW)
    assert not walk.ended
    walk.reached(["old"], [NOW - timedelta(minutes=100)], "further", NOW)
    assert walk.ended
    assert Walk.read(walk.kept(), NOW, timedelta(days=2)).last == NOW
    bought, _ = Bought.of({"read": (NOW - half_an_hour).isoformat()}, NOW)
    assert bought.since == NOW - timedelta(minutes=90)


def test_a_list_that_is_read_forward_begins_as_far_back():
    marks = [[str(each), (NOW - timedelta(minutes=120 - each)).isoformat()] for each in range(0, 91, 30)]
    place, _ = Place.read({"marks": marks}, NOW)
    assert place.marks[-1][0] == "90"
    assert place.start(NOW) == "30"
    place.reached("95", NOW, ended=True)
    assert place.start(NOW + timedelta(seconds=30)) == "90"
    assert [mark for mark, _ in place.marks] == ["0", "30", "60", "90", "95"]


def polled(every, hours):
    """A place that was polled so often, and the time; ids are seconds, so that they say from when they are."""
    place, now, end = Place("", []), NOW, NOW + timedelta(hours=hours)
    place.begin(_second(now - timedelta(hours=5)), now)
    place.reached(_second(now), now, True)
    while now < end:
        now += every
        place, _ = Place.read(place.kept(), now)
        place.start(now)
        place.reached(_second(now), now, True)
    return place, now


def _second(time):
    return str(int(time.timestamp()))


def _back(place, now):
    return now - datetime.fromtimestamp(int(place.start(now)), UTC)


@pytest.mark.parametrize("seconds", [6, 30, 300])
def test_reading_forward_begins_a_quarter_of_an_hour_back_however_often_it_is_polled(seconds):
    every = timedelta(seconds=seconds)
    place, now = polled(every, hours=3)
    assert timedelta(minutes=15) <= _back(place, now + every) - every < timedelta(minutes=17, seconds=seconds)


@pytest.mark.parametrize("pause", [timedelta(minutes=35), timedelta(days=2)])
def test_after_a_pause_what_is_read_again_is_two_hours_at_most(pause):
    place, now = polled(timedelta(seconds=30), hours=4)
    assert _back(place, now + pause) - pause <= timedelta(hours=2, minutes=1)
    assert _back(place, now + pause) - pause >= min(2 * pause, timedelta(hours=2))
    assert len(place.marks) <= 122


def test_one_mark_older_than_two_hours_is_kept_to_begin_from():
    place, now = polled(timedelta(hours=3), hours=9)
    assert [NOW + timedelta(hours=6), now] == [time for _, time in place.marks]
    assert place.start(now + timedelta(minutes=1)) == _second(NOW + timedelta(hours=6))


def test_a_round_looks_back_as_far():
    each = Round(NOW, timedelta(days=7))
    each.last, each.began = 1_000, 1_000 + 3 * 3600
    assert each.overlap == 6 * 3600
    each.last = 0
    assert each.overlap == 15 * 60

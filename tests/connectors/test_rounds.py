"""Which posts a round reads, what it remembers of them, and that its cursor stays small."""

import json
from datetime import UTC, datetime, timedelta

from connectors.posts import CURSOR_LIMIT
from connectors.rounds import KEPT, Listed, Round

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def seconds(time):
    return int(time.timestamp())


def through(reading, listed, now, said=()):
    """A whole round: the list, then each post with its comments' times in one page. Which posts were read."""
    reading.begin(now)
    reading.plan(listed, "", now)
    read = []
    while reading.todo:
        read.append(reading.todo[0].post)
        reading.reached([f"page of {read[-1]}"], dict(said).get(read[-1], []), "", now)
    reading.end()
    return read


def again(reading, now):
    return Round.read(json.loads(json.dumps(reading.kept())), now)


def test_a_post_is_read_when_its_mark_moved():
    reading = Round.read(None, NOW)
    assert through(reading, [Listed("a", 1), Listed("b", 1)], NOW) == ["a", "b"]
    assert through(again(reading, NOW), [Listed("a", 1), Listed("b", 2)], NOW) == ["b"]
    assert through(again(reading, NOW), [Listed("a", 1, always=True), Listed("b", 1)], NOW) == ["a"]


def test_reading_goes_back_a_quarter_of_an_hour_before_the_newest_comment():
    reading = Round.read(None, NOW)
    through(reading, [Listed("a", 1)], NOW, {"a": [NOW - HOUR]})
    reading.begin(NOW)
    reading.plan([Listed("a", 2)], "", NOW)
    assert reading.todo[0].since == seconds(NOW - HOUR - timedelta(minutes=15))


def test_once_a_day_everything_is_read_two_days_back_and_the_forgotten_too():
    reading = Round.read(None, NOW)
    through(reading, [Listed("a", 1), Listed("b", 1)], NOW, {"a": [NOW], "b": [NOW]})
    tomorrow = NOW + timedelta(days=1)
    reading = again(reading, tomorrow)
    reading.begin(tomorrow)
    reading.plan([Listed("a", 1)], "", tomorrow)
    assert [stop.post for stop in reading.todo] == ["a", "b"]
    assert {stop.since for stop in reading.todo} == {seconds(tomorrow - timedelta(hours=48))}
    later = tomorrow + HOUR
    reading.todo.clear()
    reading.end()
    assert through(again(reading, later), [Listed("a", 1)], later) == []


def test_more_posts_than_a_cursor_remembers_are_not_read_anew_each_time():
    reading, many = Round.read(None, NOW), range(600)
    old = seconds(NOW - HOUR)
    listed = [Listed(f"1_{number}" + "0" * 28, old, "чай " * 60, changed=old) for number in many]
    reading.begin(NOW)
    for start in range(0, 600, 50):
        reading.plan(listed[start : start + 50], "more" if start < 550 else "", NOW)
        assert len(json.dumps(reading.kept())) <= CURSOR_LIMIT
        while reading.todo:
            reading.reached([reading.todo[0].post], [NOW - HOUR], "", NOW)
    reading.end()
    reading = again(reading, NOW)
    assert 0 < len(reading.posts) <= KEPT
    soon = NOW + timedelta(minutes=1)
    fresh = Listed("1_new", seconds(soon), changed=seconds(soon))
    assert through(reading, [fresh, *listed], soon) == ["1_new"]


def test_a_list_or_a_page_that_repeats_itself_ends():
    reading = Round.read(None, NOW)
    reading.begin(NOW)
    assert reading.plan([Listed("a", 1)], "t1", NOW) == 0
    reading.reached([], [], "", NOW)
    assert reading.plan([Listed("a", 1)], "t1", NOW) == 1
    assert reading.over
    reading.end()
    reading.begin(NOW)
    reading.plan([Listed("b", 1)], "", NOW)
    assert reading.reached(["x"], [NOW], "t1", NOW) == 0
    assert reading.reached(["x"], [NOW], "t2", NOW) == 1
    assert reading.over


def test_a_time_in_the_future_hides_nothing_that_comes_after_it():
    reading = Round.read(None, NOW)
    through(reading, [Listed("a", 1)], NOW, {"a": [NOW + timedelta(days=900)]})
    reading.begin(NOW)
    reading.plan([Listed("a", 2)], "", NOW)
    assert reading.todo[0].since <= seconds(NOW)


def test_a_thousand_posts_to_be_read_fit_a_cursor_with_the_newest_remembered():
    reading = Round.read(None, NOW)
    through(reading, [Listed(f"old{number}", 1) for number in range(100)], NOW, {"old7": [NOW]})
    old = seconds(NOW - timedelta(minutes=1))
    listed = [Listed(f"1_{number}" + "0" * 28, old, "чай " * 60, changed=old) for number in range(1_000)]
    later = NOW + HOUR
    reading.last, last = 1, 1
    reading.begin(later)
    reading.plan(listed, "", later)
    kept = reading.kept()
    assert len(json.dumps(kept)) <= CURSOR_LIMIT
    assert len(reading.todo) == 1_000, "in memory nothing is cut"
    cut = again(reading, later)
    assert "old7" in cut.posts
    assert [stop.post for stop in cut.todo] == [each.post for each in listed[: len(cut.todo)]]
    assert len(cut.todo) > 50
    while cut.todo:
        cut.reached([cut.todo[0].post], [], "", later)
    cut.end()
    assert cut.last == last, "what was left out is still new to the next round"
    assert listed[-1].post in through(again(cut, later), listed, later)

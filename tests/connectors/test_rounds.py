"""Which posts a round reads, what it remembers of them, what it says of those it may not read, and that its cursor
stays small."""

import json
from datetime import UTC, datetime, timedelta

from connectors.faults import Gone, NotPermitted
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


def test_an_old_comment_among_new_ones_hides_none_behind_it():
    reading = Round.read(None, NOW)
    through(reading, [Listed("a", 1)], NOW, {"a": [NOW]})
    reading.begin(NOW)
    reading.plan([Listed("a", 2)], "", NOW)
    reading.reached(["pinned", "new"], [NOW - 5 * HOUR, NOW], "more", NOW)
    assert (reading.todo[0].post, reading.at) == ("a", "more")
    reading.reached(["old"], [NOW - 5 * HOUR], "further", NOW)
    assert not reading.todo


def test_a_list_that_begins_anew_brings_nothing_twice_in_one_round():
    reading, listed = Round.read(None, NOW), [Listed("a", 1, always=True), Listed("b", 1)]
    through(reading, listed, NOW)
    tomorrow = NOW + 25 * HOUR
    reading = again(reading, tomorrow)
    reading.begin(tomorrow)
    reading.plan(listed, "second page", tomorrow)
    assert [stop.post for stop in reading.todo] == ["a", "b"]
    while reading.todo:
        reading.reached([reading.todo[0].post], [], "", tomorrow)
    reading = again(reading, tomorrow)
    assert reading.restart()
    reading.plan([*listed, Listed("c", 1)], "another second page", tomorrow)
    assert [stop.post for stop in reading.todo] == ["c"]
    reading.reached(["c"], [], "", tomorrow)
    assert not reading.restart(), "it was just given"


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


def against(reading, listed, now, closed, gone=""):
    """A round in which some posts are refused, its cursor kept after each request: which were asked for, which of them
    are set aside, and whether it ends as a fault of the source. The last cursor stays."""
    asked, aside = [], []
    reading.begin(now)
    reading.plan(listed, "", now)
    while not reading.over:
        reading = again(reading, now)
        reading.ask_another(now)
        asked.append(reading.todo[0].post)
        if asked[-1] in gone:
            reading.refused(Gone())
        elif asked[-1] in closed:
            reading.refused(NotPermitted())
        else:
            reading.reached([asked[-1]], [], "", now)
        if reading.barred:
            return asked, aside, True
        aside += [bad.external_id for bad in reading.set_aside()]
    reading.end()
    against.left = reading
    return asked, aside, False


def test_where_every_post_is_refused_it_is_a_fault_of_the_source_and_none_is_set_aside():
    listed = [Listed(one, 1) for one in "abcdef"]
    asked, aside, barred = against(Round.read(None, NOW), listed, NOW, closed="abcdef")
    assert (len(asked), aside, barred) == (3, [], True)
    asked, aside, barred = against(Round.read(None, NOW), listed[:2], NOW, closed="ab")
    assert (len(asked), aside, barred) == (3, [], True), "no other is left: one of them is asked again"


def test_where_the_only_post_with_news_is_refused_one_that_was_read_before_shows_whether_it_is_all():
    for closed, aside in (("a", ["a"]), ("ab", [])):
        reading = Round.read(None, NOW)
        through(reading, [Listed("a", 1), Listed("b", 1)], NOW)
        found = against(again(reading, NOW), [Listed("a", 2), Listed("b", 1)], NOW, closed)
        assert found == (["a", "b"], aside, not aside)


def test_posts_that_are_refused_among_others_are_set_aside():
    listed = [Listed(one, 1) for one in "abcd"]
    asked, aside, barred = against(Round.read(None, NOW), listed, NOW, closed="ab")
    assert (sorted(asked), aside, barred) == (list("abcd"), ["a", "b"], False)
    assert against(Round.read(None, NOW), listed[:1], NOW, closed="a") == (["a"], ["a"], False)


def test_a_post_that_is_gone_says_nothing_of_the_others():
    reading, listed = Round.read(None, NOW), [Listed(one, 1) for one in "abcd"]
    through(reading, listed, NOW)
    changed = [Listed(each.post, 2 if each.post in "ab" else 1) for each in listed]
    asked, aside, barred = against(reading, changed, NOW, closed="ab", gone="c")
    assert (asked[:2], asked[-1], aside, barred) == (["a", "b"], "d", ["a", "b"], False)


def test_posts_that_are_listed_for_hours_and_said_to_be_gone_are_a_fault_of_the_source():
    listed, reading = [Listed(one, 1) for one in "abcd"], Round.read(None, NOW)
    assert against(reading, listed, NOW, closed="", gone="abcd") == (list("abcd"), [], False)
    soon, later = NOW + timedelta(minutes=2), NOW + HOUR
    assert through(again(against.left, soon), listed, soon) == [], "nothing happened there since"
    asked, aside, barred = against(again(against.left, later), listed, later, closed="", gone="abcd")
    assert (len(asked), aside, barred) == (3, [], True)
    asked, aside, barred = against(again(against.left, later), listed, later, closed="", gone="ab")
    assert (aside, barred) == (["a", "b"], False)


def test_posts_that_are_closed_by_themselves_stop_no_source_of_which_another_was_read():
    listed = [Listed(one, 1) for one in "abcd"]
    for minute in range(6):
        reading, soon = Round.read(None, NOW), NOW + timedelta(minutes=minute)
        through(reading, [Listed("d", 1)], NOW)
        assert against(again(reading, soon), listed, soon, closed="abc")[1:] == (["a", "b", "c"], False)
        later = soon + HOUR
        asked, aside, barred = against(again(against.left, later), listed, later, closed="abc")
        assert (asked, aside, barred) == (["a", "b", "d", "c"], ["a", "b", "c"], False)


def test_where_no_post_was_ever_read_it_is_another_one_that_shows_it_as_time_goes_by():
    listed, ended = [Listed(one, 1) for one in "abcd"], []
    for turn in range(8):
        soon = NOW + 6 * turn * HOUR
        ended.append(against(Round.read(None, NOW), listed, soon, closed="abc")[2])
    assert set(ended) == {True, False}
    reading = Round.read(None, NOW)
    reading.posts = {"c": [-seconds(NOW - 2 * HOUR), 1, 0]}
    for minute in range(4):
        found = against(again(reading, NOW), listed, NOW + timedelta(minutes=minute), closed="abc")
        assert found == (["a", "b", "d", "c"], ["a", "b", "c"], False), "one that was refused before shows nothing"


def test_a_refused_post_is_asked_again_after_an_hour_or_when_something_happened_there():
    old = seconds(NOW - 3 * HOUR)
    listed = [Listed("a", old, changed=old), Listed("b", old, changed=old)]
    reading = Round.read(None, NOW)
    against(reading, listed, NOW, closed="a")
    left = against.left.kept()
    soon, later = NOW + timedelta(minutes=10), NOW + HOUR
    assert through(Round.read(left, soon), listed, soon) == []
    fresh = Listed("a", seconds(soon), changed=seconds(soon))
    assert through(Round.read(left, soon), [fresh, listed[1]], soon) == ["a"]
    reading = Round.read(left, later)
    reading.begin(later)
    reading.plan(listed, "", later)
    assert [(stop.post, stop.since) for stop in reading.todo] == [("a", reading.start - reading.overlap)]
    reading.reached(["a"], [], "", later)
    assert (reading.reopened(), reading.reopened()) == (("a",), ())


def test_every_post_that_was_read_is_told_of_as_another_cursor_may_have_met_it_closed():
    reading = Round.read(None, NOW)
    reading.begin(NOW)
    reading.plan([Listed("a", 1), Listed("b", 1)], "", NOW)
    reading.reached(["a"], [NOW], "more", NOW)
    assert reading.reopened() == ()
    reading.reached(["a, older"], [], "", NOW)
    reading.refused(NotPermitted())
    assert reading.reopened() == ("a",)


def test_a_post_elsewhere_that_was_refused_once_is_asked_again_the_next_day_however_old_the_channel_is():
    reading, tomorrow = Round(NOW, timedelta(days=60)), NOW + timedelta(days=1)
    reading.begin(NOW)
    reading.plan([], "", NOW)
    reading.attend(["x"], NOW)
    reading.refused(NotPermitted())
    reading.end()
    reading = again(reading, tomorrow)
    reading.begin(tomorrow)
    reading.plan([], "", tomorrow)
    assert [stop.post for stop in reading.todo] == ["x"]


def test_a_refused_post_that_is_gone_when_it_is_asked_again_ends_the_doubt():
    reading = Round.read(None, NOW)
    reading.begin(NOW)
    reading.plan([Listed("a", 1), Listed("b", 1)], "", NOW)
    for _ in range(2):
        reading.refused(NotPermitted())
    reading.ask_another(NOW)
    asked = reading.todo[0].post
    reading.refused(Gone())
    assert (reading.over, reading.barred) == (True, None)
    assert [bad.external_id for bad in reading.set_aside()] == [one for one in "ab" if one != asked]

"""What is made once for many: one makes it while the others wait, a failure is nobody's answer, and nothing of one
reader is in it."""

import re
import threading
import time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inbox import shared
from tests.waiting import soon
from tests.world import make_channel, write

ALIVE = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    """A few seconds of the application are over soon on a busy machine."""
    monkeypatch.setattr(shared, "KEPT", 60.0)


def at_once(count, work):
    results = []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_one_makes_it_while_the_others_wait():
    made, asking = [], []

    def make():
        made.append(1)
        soon(lambda: len(asking) == 8)
        time.sleep(0.05)
        return object()

    def ask():
        asking.append(1)
        return shared.once("one makes it", make)

    results = at_once(8, ask)
    assert len(made) == 1
    assert len(results) == 8
    assert len(set(map(id, results))) == 1


def test_a_failure_is_told_and_not_kept():
    with pytest.raises(ZeroDivisionError):
        shared.once("a failure", lambda: 1 / 0)
    assert shared.once("a failure", lambda: "well") == "well"


def test_it_is_made_again_after_a_moment(monkeypatch):
    assert shared.once("a moment", lambda: 1) == 1
    assert shared.once("a moment", lambda: 2) == 1
    monkeypatch.setattr(shared, "KEPT", -1.0)
    assert shared.once("a moment", lambda: 2) == 2


def test_no_more_is_kept_than_a_few_hundred_answers():
    for number in range(shared.MOST + 20):
        shared.once(("many", number), lambda: number)  # noqa: B023  made at once
    assert len(shared._made) <= shared.MOST


def client_of(agent):
    client = Client()
    client.force_login(agent)
    return client


@pytest.mark.django_db
def test_two_readers_of_a_team_share_an_answer_but_not_their_own_marks(cast):
    channel = make_channel()
    one, other = (write(channel, text, cast.support, author=text) for text in ("first", "second"))
    ana, max_ = client_of(cast.ana), client_of(cast.max)
    mark = re.search(r'mark="([^"]+)"', ana.get("/views/support/").content.decode())[1]
    one.note(cast.pia, "look", "6f2c1b7e-1111-4222-8333-444455556666")
    other.note(cast.pia, "look", "6f2c1b7e-1111-4222-8333-444455557777")
    ana.get(f"/conversations/{one.pk}/")

    def asked(client):
        with CaptureQueriesContext(connection) as seen:
            answer = client.get("/views/support/", {"since": mark}, headers=ALIVE).content.decode()
        rows, _, marks = answer.partition("<agent-marks")
        return rows, re.search(r'unread="([\d ]*)"', marks)[1].split(), len(seen)

    max_.get("/views/support/")  # the first use of a session is written down
    (rows, unread, _), (same, others, count) = asked(ana), asked(max_)
    assert rows == same
    assert str(one.pk) in rows
    assert unread == [str(other.pk)]
    assert sorted(others, key=int) == [str(one.pk), str(other.pk)]
    assert count <= 5
    assert "csrf" not in rows.lower()
    assert cast.ana.name not in rows


@pytest.mark.django_db
def test_a_reader_of_fewer_teams_gets_an_answer_of_their_own(cast):
    channel = make_channel()
    write(channel, "a parcel", cast.support)
    praise = write(channel, "about marketing", cast.marketing, author="theo")
    max_, ana = client_of(cast.max), client_of(cast.ana)
    mark = {"since": f"{cast.support.stream}=0 {cast.marketing.stream}=0"}
    assert f"conversation-{praise.pk}" in max_.get("/views/all/", mark, headers=ALIVE).content.decode()
    assert f"conversation-{praise.pk}" not in ana.get("/views/all/", mark, headers=ALIVE).content.decode()


@pytest.mark.django_db
def test_what_is_mine_is_never_somebody_elses(cast):
    one = write(make_channel(), "a parcel", cast.support)
    ana, max_ = client_of(cast.ana), client_of(cast.max)
    streams = f"{cast.support.stream}=0"
    one.claim(cast.ana)
    for client, expected in ((ana, True), (max_, False)):
        whole = client.get("/views/mine/", {"since": streams}, headers=ALIVE).content.decode()
        row = re.search(rf'id="conversation-{one.pk}"[^>]*', whole)
        assert bool(row and "data-gone" not in row[0]) is expected

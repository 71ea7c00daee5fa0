"""What X says has to go: a job of the app that is made once, found again by its name, and read when it is done."""

from datetime import UTC, datetime

import pytest

from connectors.base import Deleted, NotPermitted, Unreadable, Withheld
from tests.fakes.network import CANARY
from tests.fakes.x import Fake

NOW = datetime.now(UTC)


@pytest.fixture
def fake():
    with Fake() as fake:
        fake.secrets = {**fake.secrets, "bearer_token": fake.bearer}
        yield fake


def look(fake, ids, place="one"):
    return fake.connector().audit(ids, place, NOW)


def ended(fake, status):
    for job in fake.jobs.values():
        job["status"] = status


def test_what_was_deleted_or_is_kept_from_us_is_told_when_the_job_is_done(fake):
    gone, shy, loud, there = (fake.say(text) for text in ("gone", "shy", "loud", "there"))
    ids = [gone, shy, loud, there]
    assert look(fake, [*ids, "dm-12"]) is None
    assert list(fake.audited.values()) == [ids]
    fake.delete(gone)
    fake.reasons = {shy: "protected", loud: "suspended", there: "scrub_geo"}
    assert look(fake, ids) is None
    assert len(fake.jobs) == 1, "it is under way"
    ended(fake, "complete")
    told = {each.external_id: each for each in look(fake, ids)}
    assert told[gone] == Deleted(gone)
    assert {type(told[shy]), type(told[loud])} == {Withheld}
    assert there not in told
    assert all(asked.path.startswith(("/2/compliance/jobs", "/storage/")) for asked in fake.server.asked)


def test_whoever_died_before_the_ids_were_there_brings_them_later(fake):
    one = fake.say("x")
    look(fake, [one])
    fake.audited.clear()
    ended(fake, "created")
    assert look(fake, [one]) is None
    assert list(fake.audited.values()) == [[one]]
    assert len(fake.jobs) == 1


def test_another_look_of_the_app_is_waited_for(fake):
    one = fake.say("x")
    look(fake, [one], "elsewhere")
    assert look(fake, [one]) is None
    assert len(fake.jobs) == 1
    ended(fake, "complete")
    assert look(fake, [one]) is None
    assert len(fake.jobs) == 2


@pytest.mark.parametrize("status", ["failed", "expired"])
def test_a_job_that_ended_without_a_word_is_made_anew_and_given_up_in_the_end(fake, status):
    one = fake.say("x")
    for count in (1, 2, 3):
        assert look(fake, [one]) is None
        assert len(fake.jobs) == count
        ended(fake, status)
    with pytest.raises(Unreadable):
        look(fake, [one])


def test_without_the_apps_own_token_x_is_not_asked(fake):
    connector = fake.connector({name: value for name, value in fake.secrets.items() if name != "bearer_token"})
    assert connector.audits == 0
    with pytest.raises(NotPermitted):
        connector.audit([fake.say("x")], "one", NOW)
    assert fake.requests() == 0
    assert fake.connector().audits


def test_the_address_of_a_job_stands_in_no_log(fake):
    kept = []
    connector = fake.connector()
    connector.seam.record = kept.append
    connector.audit([fake.say("x")], "one", NOW)
    assert len(kept) == 3
    assert not [each for each in kept if CANARY in f"{each.url} {each.headers} {each.body}"]

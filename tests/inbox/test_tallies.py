"""The counters are true, a wrong one is found, and repair makes it true."""

from io import StringIO

import pytest
from django.core.management import call_command

from inbox.models import Tally
from inbox.models.tally import differences
from tests.world import make_channel, write


def test_counters_follow_every_change_of_a_conversation(cast):
    one = write(make_channel(), "hello", cast.support)
    for change in (
        lambda: one.claim(cast.ana),
        lambda: one.close(cast.ana),
        lambda: one.reopen(cast.max),
        lambda: one.assign(cast.marketing, None, by=cast.max),
    ):
        assert change()
        assert differences() == {}


def test_a_wrong_counter_is_named_and_repaired(cast):
    write(make_channel(), "hello", cast.support)
    Tally.objects.filter(scope=cast.support.stream).update(n=7)
    Tally.objects.create(scope="team:999", state=0, n=3)
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("tallies", stdout=out)
    assert f"{cast.support.stream} state 0: counter 7, rows 1" in out.getvalue()
    call_command("tallies", "--repair", stdout=out)
    assert differences() == {}
    call_command("tallies", stdout=out)
    assert "Every counter agrees" in out.getvalue()

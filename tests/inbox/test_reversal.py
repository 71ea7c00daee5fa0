"""An undo reaches only where its agent could act by hand."""

import pytest

from inbox import reversal
from inbox.models import Agent, Conversation
from tests.world import make_channel, write


def again(agent):
    """The agent as the next request reads them."""
    return Agent.objects.get(pk=agent.pk)


def given(conversation, team, agent, by):
    """Gives it away; returns the undo."""
    before = reversal.values_of(conversation)
    conversation.assign(team, agent, by=by)
    return reversal.token(conversation, by, before, f"Given to {team.name}")


def test_an_undo_by_somebody_who_left_the_team_is_refused(cast):
    one = write(make_channel(), "hello", cast.marketing)
    undo = given(one, cast.hr, None, cast.mona)
    cast.mona.leave(cast.marketing, cast.ada)
    with pytest.raises(reversal.Refused):
        reversal.revert(undo, again(cast.mona))
    assert Conversation.objects.get().team == cast.hr


def test_an_undo_does_not_give_it_back_to_an_owner_who_left(cast):
    one = write(make_channel(), "hello", cast.support)
    one.claim(cast.ana)
    one.refresh_from_db()
    undo = given(one, cast.support, cast.max, cast.max)
    cast.ana.leave(cast.support, cast.ada)
    with pytest.raises(reversal.Refused):
        reversal.revert(undo, again(cast.max))
    assert Conversation.objects.get().agent == cast.max


def test_giving_to_a_team_one_does_not_read_can_be_undone(cast):
    one = write(make_channel(), "hello", cast.support)
    undo = given(one, cast.hr, None, cast.ana)
    assert reversal.revert(undo, again(cast.ana)).team == cast.support

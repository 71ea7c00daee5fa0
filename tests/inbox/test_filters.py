"""What the filter form offers: only what the reader's own teams have."""

import pytest

from inbox.filters import ByChannel, ByNetwork, ByTag
from tests.world import make_channel, write


@pytest.fixture
def channel_of_hr(cast):
    return make_channel("whistle@acme", network="mail", team=cast.hr)


def test_tags_and_channels_of_a_private_team_are_offered_to_its_members_only(cast, channel_of_hr):
    ours = write(make_channel(), "my parcel", cast.support)
    ours.retag(["parcel", "late"], cast.ana)
    theirs = write(channel_of_hr, "my manager", cast.hr, author="theo")
    theirs.retag(["harassment"], cast.hugo)
    theirs.close(cast.hugo)
    ana, hugo = cast.ana.readable_teams, cast.hugo.readable_teams
    assert [value for value, _ in ByTag.choices(ana)] == ["late", "parcel"]
    assert "harassment" in dict(ByTag.choices(hugo))
    assert [words for _, words in ByChannel.choices(ana)] == ["@acme"]
    assert "whistle@acme" in dict(ByChannel.choices(hugo)).values()
    assert dict(ByNetwork.choices(ana)) == {"demo": "Demo network"}


def test_a_teams_own_channel_is_offered_before_anything_came_by_it(cast):
    make_channel("@help", team=cast.support)
    assert [words for _, words in ByChannel.choices(cast.ana.readable_teams)] == ["@help"]
    assert ByChannel.choices(cast.pia.readable_teams) == []

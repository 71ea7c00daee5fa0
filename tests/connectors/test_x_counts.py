"""What X tells the app beforehand: how much a topic would find and cost, and what of the month is used up. Nothing is
counted unless somebody wants it, because it is paid."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from connectors import metering
from connectors.base import NotPermitted, Unreadable
from connectors.connecting import keep_facts
from connectors.models import Channel
from connectors.opening import opened
from tests.fakes.server import Reply
from tests.fakes.x import Fake
from tests.journey.steps import of_fake

NOW = datetime.now(UTC)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


@pytest.fixture
def able(fake):
    """With the app's own token."""
    fake.secrets = {**fake.secrets, "bearer_token": fake.bearer}
    return fake


def asked(fake):
    return [each for each in fake.server.asked if "counts" in each.path]


def test_a_search_is_counted_as_it_would_be_asked_and_paid_once_a_request(able):
    able.counts = {"kettle": 1_240}
    connector, paid = able.connector(), []
    connector.bill = paid.append
    assert connector.counted("kettle", NOW) == 1_240
    assert paid == [{"": Decimal("0.005")}]
    [request] = asked(able)
    assert request.one("query") == "(kettle) -is:retweet -from:acme"
    assert request.headers["authorization"] == f"Bearer {able.bearer}"


def test_without_the_token_or_with_a_bad_one_nothing_is_paid(fake):
    connector, paid = fake.connector(), []
    connector.bill = paid.append
    with pytest.raises(NotPermitted, match="bearer token"):
        connector.counted("kettle", NOW)
    assert asked(fake) == []
    connector = fake.connector({**fake.secrets, "bearer_token": "wrong"})
    with pytest.raises(NotPermitted, match="does not take the app's bearer token"):
        connector.counted("kettle", NOW)
    assert paid == []


@pytest.mark.parametrize(
    ("meta", "found"), [({"total_post_count": 7}, 7), ({"total_tweet_count": "7"}, 7), ({}, None), (None, None)]
)
def test_both_names_of_the_count_are_read_and_none_is_no_zero(able, meta, found):
    able._counted = lambda _asked: Reply(200, {"meta": meta})
    connector = able.connector()
    if found is None:
        with pytest.raises(Unreadable):
            connector.counted("kettle", NOW)
    else:
        assert connector.counted("kettle", NOW) == found


def test_what_of_the_month_is_used_up_is_known_and_warned_of(able):
    check = able.connector().check()
    assert check.facts["quota"] == {"used": 1_200, "limit": 3_000_000, "days": 9}
    assert check.warnings == ()
    able.quota = (2_500_000, 3_000_000)
    assert able.connector().check().warnings == (
        "Of the 3,000,000 posts that the app's project may read in a month at X, 2,500,000 are read.",
    )


def test_a_bearer_token_that_is_no_good_keeps_nobody_from_listening(fake):
    check = fake.connector({**fake.secrets, "bearer_token": "wrong"}).check()
    assert check.account_id
    assert "quota" not in check.facts
    assert "does not tell" in check.warnings[0]
    assert "bearer token" in check.warnings[0]


# On the page


@pytest.fixture
def ada(client, cast, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    client.force_login(cast.ada)
    return client


def looked(ada, do="look", **more):
    given = {"name": "Kettles", "query": "kettle", "how": "list", "whose": "own", "version": "0", "do": do, **more}
    return ada.post("/set-up/topics/new/", given).content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_editor_has_it_counted_at_the_press_of_a_button_and_never_before(able, ada):
    able.counts = {"kettle": 1_400}
    channel = of_fake(able)
    text = looked(ada)
    assert "Have it counted there ($0.005)" in text
    assert asked(able) == []
    text = looked(ada, f"count:{channel.pk}")
    assert "The network counts 1400 posts in seven days: $3.00 a day." in text
    assert len(asked(able)) == 1
    assert metering.spent([channel], datetime.now(UTC))[channel.pk].cost_today == Decimal("0.005")


@pytest.mark.django_db(transaction=True)
def test_the_editor_says_what_is_missing_and_spends_nothing_beyond_the_limit(fake, ada):
    channel = of_fake(fake)
    assert "X says how much this would find only with the “Bearer token”, which is missing in its settings." in looked(
        ada
    )
    assert "which the settings of this channel lack" in looked(ada, f"count:{channel.pk}")
    fake.secrets = {**fake.secrets, "bearer_token": fake.bearer}
    channel.delete()
    channel = of_fake(fake, monthly_cap=Decimal(1))
    metering.count(channel, datetime.now(UTC), read_cost=Decimal(1))
    assert "$1.00 of $1.00 were spent this month" in looked(ada, f"count:{channel.pk}")
    assert asked(fake) == []


@pytest.mark.django_db(transaction=True)
def test_of_a_network_that_is_not_spoken_here_nothing_is_asked(able, ada):
    channel = of_fake(able)
    Channel.objects.filter(pk=channel.pk).update(network="gone")
    assert "What it would find" in looked(ada, f"count:{channel.pk}")
    assert asked(able) == []


@pytest.mark.django_db(transaction=True)
def test_the_channels_page_shows_what_of_the_month_is_used_up(able, ada):
    channel = of_fake(able)
    assert keep_facts(channel, opened(channel).check())
    text = ada.get(f"/set-up/channels/{channel.pk}/").content.decode()
    assert "1,200 of 3,000,000 posts a month" in text
    assert "begins anew in 9 days" in text
    Channel.objects.filter(pk=channel.pk).update(settings=able.settings())
    assert "posts a month" not in ada.get(f"/set-up/channels/{channel.pk}/").content.decode()

"""Share of voice: own topics beside rivals', repeated texts once, with figures that say what they are of."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from connectors.topics.audience import ESTIMATE, estimate
from connectors.topics.voice import Share, interval, voice
from tests import world
from tests.topics.test_clusters import found, say

NOW = timezone.now()


def test_thirty_of_a_hundred_lie_between_two_and_four_tenths():
    low, high = interval(30, 100)
    assert (round(low, 1), round(high, 1)) == (21.9, 39.6)
    assert interval(0, 5)[0] == 0
    assert interval(5, 5)[1] == pytest.approx(100)
    assert Share(0, 0).percent is None


def test_the_estimate_follows_the_published_factors():
    assert estimate(1_000) == 150
    assert estimate(250_000) == pytest.approx(250_000 * 0.148636, rel=1e-5)
    assert estimate(8_300_000) == pytest.approx(626_273, rel=1e-5)
    assert estimate(20_000_000) == 1_200_000


@pytest.mark.django_db
@pytest.mark.parametrize("followers", [0, 99_999, 100_000, 250_000, 8_300_000, 10_000_000, 10_000_001])
def test_the_database_estimates_the_same(followers):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT ({ESTIMATE.format(f'{followers}::bigint')})::float")
        assert cursor.fetchone()[0] == pytest.approx(estimate(followers))


@pytest.fixture
def heard(cast):
    """Three stories about us, one of them told four times; seven about a rival, one of which is about both."""
    channel = world.make_channel("@acme", "demo")
    for number in range(4):
        say(channel, "the acme kettle leaks and they do not answer", cast.support, f"fan{number}", followers=10_000)
    say(channel, "my new acme kettle sings when it boils", cast.support, "rob")
    say(channel, "acme or bolt, which kettle would you rather have", cast.support, "ines", followers=20_000)
    for number, word in enumerate(("slow", "loud", "cheap", "red", "small", "nice")):
        say(channel, f"bolt makes {word} kettles", cast.support, f"critic{number}", followers=10_000)
    say(channel, "acme is what colleagues talk about", cast.hr, "nadia", followers=9_000_000)
    own = found("acme", "Us", team=cast.support)
    rival = found("bolt", "Bolt", rival=True, team=cast.support)
    return own, rival


def of(agent, topics, days=28):
    return voice(topics, agent, timezone.now() - timedelta(days=days), timezone.now() + timedelta(seconds=1))


@pytest.mark.django_db
def test_a_text_that_is_repeated_counts_once_and_one_about_both_on_both_sides(cast, heard):
    told = of(cast.ana, heard)
    assert (told.own.stories, told.own.posts, told.rivals.stories, told.both) == (3, 6, 7, 1)
    assert told.plain.percent == pytest.approx(30.0)
    assert told.of(heard[0].pk).percent == pytest.approx(30.0)


@pytest.mark.django_db
def test_the_weighted_share_sums_estimates_and_leaves_out_what_is_unknown(cast, heard):
    told = of(cast.ana, heard)
    own, rivals = 4 * 1_500 + 3_000, 6 * 1_500 + 3_000
    assert told.own.audience == pytest.approx(own)
    assert told.own.unknown == 1
    assert told.weighted.percent == pytest.approx(100 * own / (own + rivals))


@pytest.mark.django_db
def test_what_two_own_topics_found_counts_once(cast, heard):
    again = found("acme kettle", "Us again", team=cast.support)
    assert of(cast.ana, [*heard, again]).own == of(cast.ana, heard).own


@pytest.mark.django_db
def test_nobody_is_told_of_what_they_may_not_read(cast, heard):
    assert of(cast.ana, heard).own.posts == 6
    assert of(cast.hugo, heard).own.posts == 1


@pytest.mark.django_db
def test_only_what_was_posted_in_the_window_counts(cast, heard):
    channel = heard[0].found.first().mention.channel
    say(channel, "acme made a kettle in another year", cast.support, "wes", ago=40 * 86_400)
    later = found("acme", "Us later", team=cast.support)
    assert of(cast.ana, [later], 28).own.stories == 3
    assert of(cast.ana, [later], 90).own.stories == 4


@pytest.mark.django_db
def test_the_page_prints_the_figures_with_what_they_are_of(cast, client, heard, django_assert_max_num_queries):
    client.force_login(cast.ana)
    client.get("/topics/")  # what is asked once after the start
    with django_assert_max_num_queries(12):
        client.get(f"/topics/{heard[0].pk}/")
    with django_assert_max_num_queries(12):
        page = " ".join(client.get("/topics/share-of-voice/").content.decode().split())
    assert "<strong>30.0 %</strong>" in page
    assert "3 of 10 stories" in page
    assert "1 is about both" in page
    assert "1 posts about you, 0 about rivals" in page
    client.force_login(cast.otto)
    assert client.get("/topics/share-of-voice/").status_code == 404


@pytest.mark.django_db
def test_without_a_post_there_is_no_share(cast, client):
    client.force_login(cast.ana)
    page = client.get("/topics/share-of-voice/?days=nonsense").content.decode()
    assert "Nothing was found in this time." in page
    assert "%" not in page.split("<main")[-1].split("</main")[0]

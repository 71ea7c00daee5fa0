"""Texts that are alike are one line of a topic's list; each of them is stored, counted and to be seen."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors.models import Cluster, ClusterKey, Topic, TopicMention
from connectors.topics import clustering, clusters, comparing
from connectors.topics.alike import BANDS, alike, keys_of, words_of
from inbox.models import Mention
from tests import world

COMPLAINT = "The kettle I bought from Acme last week leaks from the bottom and nobody answers my mail about it"


def found(query="kettle", name="", **fields):
    """A topic, compared with all that is stored, and what it found in clusters."""
    topic = Topic(name=name or query)
    topic.rewrite(None, [], query=query, **fields)
    settle()
    topic.refresh_from_db()
    return topic


def settle():
    while comparing.compare_piece():
        pass
    while clustering.cluster_piece():
        pass


def say(channel, text, team, author, **fields):
    return world.write(channel, text, team, author=author, history=True, **fields)


@pytest.fixture
def channel(cast):
    return world.make_channel("@acme", "demo")


@pytest.mark.parametrize(
    "other",
    [
        f"RT @carla: {COMPLAINT}",
        f"{COMPLAINT} https://short.example/x?y=1",
        COMPLAINT.upper() + "!!!",
        f"@theo @ines {COMPLAINT.replace('last week', 'a week ago')}",
        COMPLAINT.replace("nobody", "no one"),
    ],
)
def test_copies_repeats_and_small_changes_are_alike(other):
    one, two = words_of(COMPLAINT), words_of(other)
    assert alike(one, two)
    assert set(keys_of(one)) & set(keys_of(two))


@pytest.mark.parametrize(
    "other",
    [
        "My kettle is fine and I love it, thanks to Acme for a quick answer to my mail last week",
        "The toaster I bought from somebody else burns",
        "",
    ],
)
def test_what_only_shares_words_is_not_alike(other):
    assert not alike(words_of(COMPLAINT), words_of(other))


def test_short_texts_are_alike_only_when_they_are_equal():
    assert alike(words_of("Kettle leaks!"), words_of("kettle leaks https://a.example"))
    assert not alike(words_of("kettle leaks"), words_of("kettle leaks again"))
    assert keys_of(words_of("kettle leaks")) == keys_of(words_of("RT @x Kettle leaks"))
    assert keys_of(()) == []


def test_texts_without_spaces_are_told_apart_by_neighbours():
    one = "这个水壶漏水了我非常生气请尽快回复我的邮件"
    assert alike(words_of(one), words_of(f"转 {one}"))
    assert not alike(words_of(one), words_of("我的邮件请尽快回复非常漂亮的水壶这个生气漏了"))


def test_keys_are_numbers_the_database_can_hold_and_stay_what_they_are():
    keys = keys_of(words_of(COMPLAINT))
    assert len(keys) == BANDS
    assert all(0 <= key < 1 << 63 for key in keys)
    assert keys_of(words_of("kettle leaks")) == [1272948416568157051]


@pytest.mark.django_db
def test_a_flood_of_copies_is_one_line_with_its_number_the_first_and_the_most_seen(cast, client, channel):
    say(channel, COMPLAINT, cast.support, "carla", ago=5000, followers=10)
    for number in range(12):
        say(
            channel, f"RT @carla: {COMPLAINT}", cast.support, f"fan{number}", ago=1000 - number, followers=number * 1000
        )
    say(channel, "what a nice kettle they make these days", cast.support, "rob", ago=500)
    topic = found(team=cast.support)
    assert topic.found.count() == Mention.objects.count() == 14
    assert topic.found.values("cluster").distinct().count() == 2
    client.force_login(cast.ana)
    page = client.get(f"/topics/{topic.pk}/").content.decode()
    assert page.count("topic-post__text") == 2
    assert "×13 alike" in page
    assert "@carla" in page
    assert "most seen: 11 k followers of" in page or "most seen: 11k followers of" in page
    cluster = topic.found.filter(mention__text=COMPLAINT).get().cluster_id
    all_of_it = client.get(f"/topics/{topic.pk}/?alike={cluster}").content.decode()
    assert all_of_it.count("topic-post__text") == 13


@pytest.mark.django_db
def test_whoever_may_read_only_some_of_them_is_told_of_only_those(cast, client, channel):
    for number in range(3):
        say(channel, COMPLAINT, cast.support, f"fan{number}", ago=100 + number)
    for number in range(5):
        say(channel, COMPLAINT, cast.hr, f"colleague{number}", ago=number, followers=900_000)
    topic = found(team=cast.support)
    client.force_login(cast.ana)
    page = client.get(f"/topics/{topic.pk}/").content.decode()
    assert "×3 alike" in page
    assert "most seen" not in page
    assert "colleague" not in page
    cluster = TopicMention.objects.first().cluster_id
    assert client.get(f"/topics/{topic.pk}/?alike={cluster}").content.decode().count("topic-post__text") == 3


@pytest.mark.django_db
def test_what_two_topics_found_stands_in_one_cluster(cast, channel):
    one = say(channel, COMPLAINT, cast.support, "carla").mentions.get()
    found("kettle")
    found("leaks")
    assert len(set(TopicMention.objects.filter(mention=one).values_list("cluster", flat=True))) == 1
    assert Cluster.objects.count() == 1


@pytest.mark.django_db
def test_what_comes_later_joins_and_what_is_repeated_after_months_does_not(cast, channel):
    say(channel, COMPLAINT, cast.support, "carla", ago=300)
    topic = found()
    say(channel, COMPLAINT + " !", cast.support, "theo", ago=10)
    Topic.objects.update(compare_at=timezone.now(), compared=False, compare_below=None)
    settle()
    assert Cluster.objects.count() == 1
    assert topic.found.count() == 2
    say(channel, COMPLAINT, cast.support, "wes", at=timezone.now() - timedelta(days=90))
    Topic.objects.update(compare_at=timezone.now(), compared=False, compare_below=None)
    settle()
    assert Cluster.objects.count() == 2


@pytest.mark.django_db
def test_a_piece_costs_the_same_statements_for_one_text_and_for_two_hundred(cast, channel):
    counts = []
    for size in (1, 200):
        posts = [world.post(f"kettle {size} {number} story of its own {number * 7}", f"p{size}-{number}", history=True)
                 for number in range(size)]  # fmt: skip
        world.store(channel, *posts, team=cast.support)
        topic = Topic(name=f"of {size}")
        topic.rewrite(None, [], query=f"kettle {size}")
        while comparing.compare_piece():
            pass
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert clustering.cluster_piece()
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 10


@pytest.mark.django_db
def test_the_keys_of_old_clusters_and_empty_clusters_go(cast, channel):
    say(channel, COMPLAINT, cast.support, "carla")
    topic = found()
    clusters.forget(timezone.now())
    assert ClusterKey.objects.count() == BANDS
    clusters.forget(timezone.now() + timedelta(days=61))
    assert not ClusterKey.objects.exists()
    assert Cluster.objects.count() == 1
    topic.found.all().delete()
    clusters.forget(timezone.now() + timedelta(days=2))
    assert not Cluster.objects.exists()

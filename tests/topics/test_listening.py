"""From a topic to the queue or the list: what is asked, what is kept, what becomes work and what is only read."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors.base import Budget, Page
from connectors.models import Channel, Quarantined, Source, Topic, TopicMention
from connectors.opening import opened
from connectors.retrying import retry
from connectors.storing import Claim
from connectors.topics import comparing
from connectors.topics.query import QueryError
from inbox.models import Conversation, Mention
from inbox.models.conversation import State
from tests import world
from tests.inbox.test_receive import post
from tests.journey.steps import of_fake, read

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = timezone.now() - timedelta(days=2000)


def make(query, channels=(), **fields):
    """A topic that is older than what people say in these tests."""
    topic = Topic(name=fields.pop("name", query[:40]))
    assert topic.rewrite(None, channels, query=query, **fields)
    Topic.objects.filter(pk=topic.pk).update(since=LONG_AGO)
    topic.refresh_from_db()
    return topic


def found(topic):
    return sorted(topic.found.values_list("mention__text", flat=True))


def conversation(text):
    return Conversation.objects.get(mentions__text=text)


def test_a_topic_is_searched_for_and_what_does_not_match_is_not_kept(channel, fake):
    topic = make('"kettle broken" OR (kettle author:theo)')
    fake.mutter("my kettle is broken", "carla")
    fake.mutter("kettle broken again", "carla")
    fake.mutter("a fine kettle", "theo")
    read(channel)
    assert {source.name for source in channel.sources.all()} >= {'search:"kettle broken"', "search:kettle"}
    assert found(topic) == ["a fine kettle", "kettle broken again"]
    assert not Mention.objects.filter(text="my kettle is broken").exists()


def test_each_search_has_a_cursor_of_its_own_and_goes_on_from_it(channel, fake):
    topic = make("kettle")
    fake.mutter("one kettle")
    read(channel)
    source = channel.sources.get(name="search:kettle")
    assert source.begun_at
    fake.mutter("another kettle")
    read(channel)
    assert found(topic) == ["another kettle", "one kettle"]
    assert channel.sources.get(name="search:kettle").cursor != source.cursor
    assert channel.sources.get(name="search:kettle").begun_at == source.begun_at


@pytest.mark.parametrize("network", ["bluesky", "mastodon"])
def test_an_answer_among_strangers_is_no_more_written_to_us_than_what_it_answers(cast, settings, network):
    """Found by a search or a hashtag of the channel itself, which knows nothing of topics."""
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with import_module(f"tests.fakes.{network}").Fake() as fake:
        root = fake.say("I like #tea", "theo")
        fake.say("#tea is great, yes", "nina", parent=root)
        for told in ("told", "notified"):
            setattr(fake, told, [])
        make("tea")
        channel = of_fake(fake, team=cast.support)
        for _ in range(2):
            read(channel, refresh=True)
    states = dict(Mention.objects.values_list("text", "conversation__state"))
    assert len(states) == 2
    assert set(states.values()) == {State.HEARD}


def test_what_a_listening_topic_finds_stands_in_no_queue(channel, fake):
    topic = make("kettle")
    fake.mutter("one kettle")
    read(channel)
    assert found(topic) == ["one kettle"]
    one = conversation("one kettle")
    assert one.state == State.HEARD
    fake.mutter("more of the kettle", parent=one.mentions.get().external_id)
    read(channel)
    one.refresh_from_db()
    assert one.mentions.count() == 2
    assert one.state == State.HEARD


def test_what_a_queueing_topic_finds_goes_to_the_topics_team(cast, channel, fake):
    make("kettle", queues=True, team=cast.product)
    fake.mutter("one kettle")
    read(channel)
    one = conversation("one kettle")
    assert (one.state, one.team) == (State.NEW, cast.product)
    assert one.trace["because"] == "its topic is theirs and no rule gives it to another team"


def test_a_rule_may_take_what_a_topic_only_listens_to(cast, channel, fake):
    from routing.models import Rule

    rule = Rule(name="Danger", when={"all": [{"is": "text_any", "words": ["fire"]}]})
    rule.rewrite(None, then=[{"do": "team", "team": cast.product.pk}])
    make("kettle")
    fake.mutter("my kettle is on fire")
    fake.mutter("a nice kettle", "theo")
    read(channel)
    assert conversation("my kettle is on fire").state == State.NEW
    assert conversation("a nice kettle").state == State.HEARD


def test_what_is_written_to_a_private_team_is_taken_by_no_rule_and_no_topic_of_others(cast, channel, fake):
    from routing.models import Rule

    Channel.objects.filter(pk=channel.pk).update(team=cast.hr)
    rule = Rule(name="Orders and money", when={"all": [{"is": "text_any", "words": ["salary"]}]})
    rule.rewrite(None, then=[{"do": "team", "team": cast.support.pk}, {"do": "tag", "tags": ["money"]}])
    theirs = make("salary", queues=True, team=cast.support)
    own = make("salary OR pay", team=cast.hr)
    fake.say("@brand my salary is late")
    fake.say("@brand my pay too", "theo")
    read(channel)
    for text, tags in (("@brand my salary is late", ["money"]), ("@brand my pay too", [])):
        one = conversation(text)
        assert (one.team, one.state, one.tags) == (cast.hr, State.NEW, tags)
        assert one.trace["because"] == "its channel is of a private team, which keeps what is written there"
    while comparing.compare_piece():
        pass
    assert found(theirs) == []
    assert found(own) == ["@brand my pay too", "@brand my salary is late"]
    assert list(Channel.objects.covered_by(theirs)) == []
    assert list(Channel.objects.covered_by(own)) == [channel]


def test_a_private_teams_own_rule_and_agent_are_followed(cast, channel, fake):
    from routing.models import Rule

    Channel.objects.filter(pk=channel.pk).update(team=cast.hr)
    rule = Rule(name="Pay", when={"all": [{"is": "text_any", "words": ["salary"]}]})
    rule.rewrite(None, then=[{"do": "team", "team": cast.hr.pk}, {"do": "agent", "agent": cast.hugo.pk}])
    fake.say("@brand my salary is late")
    read(channel)
    one = conversation("@brand my salary is late")
    assert (one.team, one.agent) == (cast.hr, cast.hugo)
    assert one.trace["because"].startswith("of rule “Pay”")


def test_a_mention_of_us_is_work_although_a_listening_topic_found_it_first(channel, fake):
    make("kettle")
    identity = fake.mutter("@brand my kettle")
    read(channel)
    one = conversation("@brand my kettle")
    assert one.state == State.HEARD
    fake.notify(identity)
    read(channel)
    one.refresh_from_db()
    assert one.state == State.NEW
    assert Mention.objects.filter(text="@brand my kettle").count() == 1


def test_who_was_only_read_and_then_writes_to_us_comes_into_the_queue(channel, fake):
    make("kettle")
    identity = fake.mutter("one kettle")
    read(channel)
    fake.say("@brand what do you say", parent=identity)
    read(channel)
    assert conversation("one kettle").state == State.NEW


def test_mentions_of_us_stay_work_and_are_listed_too(channel, fake):
    topic = make("kettle")
    fake.say("@brand my kettle")
    read(channel)
    assert found(topic) == ["@brand my kettle"]
    assert conversation("@brand my kettle").state == State.NEW


def test_what_stood_there_before_the_topic_is_history(channel, fake):
    topic = make("kettle", queues=True)
    Topic.objects.filter(pk=topic.pk).update(since=timezone.now() + timedelta(days=1))
    fake.mutter("an old kettle")
    read(channel)
    assert Mention.objects.get().history
    assert conversation("an old kettle").state == State.HEARD
    assert found(topic) == ["an old kettle"]


def test_posts_known_already_are_bound_when_a_topic_finds_them(channel, fake):
    fake.say("@brand my kettle")
    read(channel)
    topic = make("kettle", compare_at=None)
    read(channel)
    assert found(topic) == ["@brand my kettle"]


def test_a_topic_listens_on_the_channels_chosen_for_it(cast, channel, fake):
    other = world.make_channel("other")
    topic = make("kettle", [other])
    fake.say("@brand my kettle")
    read(channel)
    assert found(topic) == []
    assert not channel.sources.filter(name__startswith="search:").exists()


def test_a_topic_that_is_off_asks_nothing(channel, fake):
    make("kettle", active=False)
    read(channel)
    assert not channel.sources.filter(name__startswith="search:").exists()


def test_the_searches_of_the_channel_itself_go_on_as_before(channel, fake):
    Channel.objects.filter(pk=channel.pk).update(settings=channel.settings | {"searches": "teapot"})
    make("teapot cracked")
    fake.mutter("a teapot")
    read(channel)
    assert conversation("a teapot").state == State.NEW


def test_what_could_not_be_read_at_first_belongs_to_its_topics_too(channel, fake):
    topic = make("kettle")
    held = Quarantined.objects.create(
        channel=channel, source="notifications", external_id=fake.say("@brand my kettle"), digest="1", reason="a test"
    )
    assert retry(held) == ""
    assert found(topic) == ["@brand my kettle"]


def test_two_topics_with_one_search_ask_once(channel, fake):
    one, two = make("kettle"), make("kettle followers:>1", name="loud")
    fake.mutter("one kettle")
    read(channel)
    assert channel.sources.filter(name__startswith="search:").count() == 1
    assert found(one) == found(two) == ["one kettle"]


def test_only_what_can_be_read_is_stored(cast):
    topic = Topic(name="x")
    for query in ("refund OR", "NOT refund"):
        with pytest.raises(QueryError):
            topic.rewrite(None, (), query=query)
    assert not Topic.objects.exists()


def test_who_changes_an_older_version_changes_nothing(cast):
    topic = make("kettle")
    mine, theirs = Topic.objects.get(), Topic.objects.get()
    assert theirs.rewrite(cast.ada, (), query="kettle cracked")
    assert not mine.rewrite(cast.max, (), query="pot")
    topic.refresh_from_db()
    assert (topic.query, topic.version) == ("kettle cracked", 2)


def page_costs(channel, count, topics):
    """Statements of one page of that many posts."""

    claim = Claim(channel, timezone.now(), Budget())
    source, _ = Source.objects.get_or_create(channel=channel, name="mentions")
    first = 1_000 * (count + topics)
    posts = tuple(post(first + n, "a kettle", author=f"author {first + n}") for n in range(count))
    connector = opened(channel)
    with CaptureQueriesContext(connection) as seen:
        claim.store(connector, source, Page(posts=posts, cursor={}, end=True), None)
    return len(seen)


def test_topics_cost_a_page_two_statements_however_many_there_are(channel):
    assert channel.team  # is kept for a whole poll
    bare = page_costs(channel, 50, 0)
    for number in range(5):
        make(f"kettle OR w{number}", name=str(number))
    few, many = page_costs(channel, 4, 5), page_costs(channel, 150, 5)
    assert many == few == bare + 2
    assert TopicMention.objects.count() == 5 * 154

"""Topics on networks whose own search understands little: what it finds, what of that is kept, and what the editor says
of it."""

from importlib import import_module

import pytest

from connectors.connecting import keep_facts
from connectors.models import Source
from connectors.opening import opened
from connectors.topics.coverage import listening
from connectors.topics.query import parse
from inbox.models import Conversation, Mention
from inbox.models.conversation import State
from tests.journey.steps import of_fake, read
from tests.topics.test_listening import make

pytestmark = pytest.mark.django_db(transaction=True)


def says(fake, text, person):
    """Where nothing but a search finds it, as far as the network has such a place."""
    if fake.name == "reddit":
        return fake.submit(text, person)
    return fake.mutter(text, person) if fake.name == "threads" else fake.say(text, person, topic=77)


@pytest.fixture(params=["threads", "reddit", "discourse"])
def network(request, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with import_module(f"tests.fakes.{request.param}").Fake() as fake:
        kept = fake.settings()
        fake.settings = lambda: kept | {"searches": [], "subreddits": []}
        yield fake


@pytest.fixture
def channel(cast, network):
    return of_fake(network, team=cast.support)


def only(network):
    return pytest.mark.parametrize("network", [network], indirect=True)


def editor(channel, query):
    [one] = listening(parse(query), [channel])
    return one


def test_a_topic_is_asked_of_the_network_and_what_does_not_match_is_not_kept(channel, network):
    topic = make("kettle broken")
    says(network, "my kettle is broken", "theo")
    says(network, "kettles that are broken", "ines")
    says(network, "a fine teapot", "rob")
    for _ in range(3):
        read(channel)
    says(network, "another broken kettle", "wes")
    read(channel)
    found = Mention.objects.filter(pk__in=topic.found.values("mention"))
    assert {one.text or one.conversation.subject for one in found} == {"my kettle is broken", "another broken kettle"}
    assert set(Conversation.objects.filter(mentions__in=found).values_list("state", flat=True)) == {State.HEARD}
    assert not Mention.objects.filter(source__startswith="search:").exclude(pk__in=found).exists()
    said = editor(channel, "kettle broken")
    assert (said.texts, said.mood) == (("kettle broken",), "")
    assert said.complete_since <= channel.sources.get(name="search:kettle broken").begun_at
    assert "we filter the rest" in said.words


@only("reddit")
def test_the_editor_says_in_what_the_network_searches(channel):
    assert "posts, not through comments" in editor(channel, "kettle").words


@only("threads")
def test_a_right_that_is_missing_for_searching_is_named_and_nothing_asked(channel, network):
    make("kettle")
    assert "your own posts only" in editor(channel, "kettle").words
    network.scopes = ["threads_basic"]
    assert keep_facts(channel, opened(channel).check())
    read(channel)
    assert not Source.objects.filter(name__startswith="search:").exists()
    said = editor(channel, "kettle")
    assert (said.mood, said.texts) == ("warn", ())
    assert "threads_keyword_search is missing" in said.words


@only("discourse")
def test_a_search_that_is_refused_says_so_and_keeps_nothing_else_from_being_read(channel, network):
    make("kettle")
    network.searches = False
    for _ in range(2):
        read(channel)
    assert channel.sources.get(name="search:kettle").fault == "NotPermitted"
    assert channel.sources.get(name="posts").begun_at
    assert (channel.fault, channel.state) == ("", "ok")
    said = editor(channel, "kettle")
    assert said.mood == "warn"
    assert "refuses this search" in said.words

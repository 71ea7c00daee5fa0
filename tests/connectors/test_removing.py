"""A demo is removed in one act: its conversations, people, counters and words go, and nothing of anybody else."""

import threading
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from connectors import connecting, removing
from connectors.models import Channel, Topic
from inbox.models import Conversation, Event, Identity, Mention, Note, Person, Reply, Tally
from inbox.models.search_text import SearchText
from inbox.models.tally import differences
from inbox.searching.indexing import index_due
from socialcare.history import changes
from socialcare.people import Refused
from socialcare.restoring import restore
from tests.journey.steps import answer
from tests.waiting import PATIENCE
from tests.world import answer as answered
from tests.world import make_channel, write

pytestmark = pytest.mark.django_db(transaction=True)


def fill(cast, talks=5):
    """A demo with `talks` conversations, one of them answered and noted, beside a real channel with one."""
    demo, real = make_channel(), make_channel("Blog", network="feed")
    found = [write(demo, f"demo says {number}", cast.support, author=f"invented{number}") for number in range(talks)]
    found[0].claim(cast.ana)
    answer(cast.ana, found[0], "We look into it.")
    found[0].note(cast.ana, "a demo note", uuid4())
    found[1].close(cast.ana)
    kept = write(real, "where is my refund", cast.support, author="carla")
    index_due()
    return demo, real, kept


def ended(rounds=20):
    for _ in range(rounds):
        removing.remove_due()
        if not Channel.objects.filter(removing_since__isnull=False).exists():
            return True
    return False


def test_everything_of_the_demo_goes_and_nothing_of_others(cast, monkeypatch):
    monkeypatch.setattr(removing, "PIECE", 2)
    demo, real, kept = fill(cast)
    ada = Client()
    ada.force_login(cast.ada)
    assert "Remove the demo" in ada.get(f"/set-up/channels/{demo.pk}/").content.decode()
    ada.post(f"/set-up/channels/{demo.pk}/removal/")
    assert not Channel.objects.due().filter(pk=demo.pk).exists()
    assert ended()
    assert list(Conversation.objects.all()) == [kept]
    assert list(Channel.objects.all()) == [real]
    assert list(Identity.objects.all()) == [kept.identity]
    assert list(Person.objects.all()) == [kept.identity.person]
    assert Mention.objects.get().text == "where is my refund"
    assert not Reply.objects.exists()
    assert not Note.objects.exists()
    assert not differences()
    assert Tally.objects.get(scope=f"team:{cast.support.pk}", state=0).n == 1
    index_due()
    assert set(SearchText.objects.values_list("conversation_id", flat=True)) == {kept.pk}
    told = Event.objects.filter(stream="admin", happening="set_up_changed").order_by("-number").first()
    assert "removed the channel @acme" in told.payload["what"]
    assert told.actor == cast.ada


def test_a_channel_of_real_customers_is_not_removed_with_what_they_wrote(cast):
    _demo, real, kept = fill(cast)
    assert not removing.begin(real, cast.ada)
    ada = Client()
    ada.force_login(cast.ada)
    assert ada.post(f"/set-up/channels/{real.pk}/removal/").status_code == 404
    removing.remove_due()
    assert Conversation.objects.filter(pk=kept.pk).exists()


def test_what_is_being_removed_does_not_listen_again(cast):
    demo, _real, _kept = fill(cast)
    assert removing.begin(demo, cast.ada)
    assert not removing.begin(demo, cast.ada)
    demo.refresh_from_db()
    assert not demo.resume(cast.ada)
    assert "is being removed" in _page(cast.ada, demo)


def test_a_topic_that_listened_only_there_rests_and_does_not_listen_everywhere(cast):
    demo, real, _kept = fill(cast)
    empty = make_channel("Empty", network="feed")
    for name, channels in (("Demo", [demo]), ("Empty", [empty]), ("Both", [demo, real]), ("All", [])):
        Topic(name=name).rewrite(cast.ada, channels, query="tea")
    removing.begin(demo, cast.ada)
    connecting.remove(empty, cast.ada)
    assert ended()
    assert set(Topic.objects.listening().values_list("name", flat=True)) == {"Both", "All"}
    told = changes(cast.ada)
    resting = next(change for change in told if "changed the topic “Demo”" in change.sentence)
    with pytest.raises(Refused, match="channels it listened on are gone"):
        restore(Event.objects.get(pk=resting.id), cast.ada)
    assert "removed the channel Empty" in told[0].sentence
    assert any("with all that came through it" in change.sentence for change in changes(cast.ada, "channel"))


def _page(agent, channel):
    client = Client()
    client.force_login(agent)
    return client.get(f"/set-up/channels/{channel.pk}/").content.decode()


def test_what_it_added_to_a_conversation_of_another_channel_of_the_demo_keeps_nothing_from_going(cast):
    first, second = make_channel(), make_channel("@acme too")
    shared = write(first, "demo says one", cast.support, author="invented")
    answered(second, shared, "and one more")
    removing.begin(second, cast.ada)
    assert ended()
    assert list(Channel.objects.all()) == [first]
    assert not Conversation.objects.exists()
    assert not differences()


def test_two_who_remove_at_once_do_it_once_and_the_counters_stay_right(cast, monkeypatch):
    monkeypatch.setattr(removing, "PIECE", 1)
    demo, _real, kept = fill(cast, talks=8)
    removing.begin(demo, cast.ada)
    wrong = []

    def remove():
        try:
            removing.remove_due(5)
        except Exception as error:  # noqa: BLE001  it fails the test
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=remove) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join(PATIENCE) for thread in threads]
    assert ended()
    assert not wrong
    assert list(Conversation.objects.all()) == [kept]
    assert not differences()

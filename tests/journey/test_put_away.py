"""What the network put away before anybody could read it, into its spam or its trash: heard, no work, and brought
back."""

from uuid import uuid4

import pytest
from django.utils import timezone

from connectors import acting
from inbox.entries import of_mention
from inbox.models import Act, Conversation, Event, Mention
from inbox.models.conversation import State
from tests.fakes.reddit import Fake as Reddit
from tests.fakes.wordpress import Fake
from tests.journey.steps import of_fake, read

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fake(settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with Fake() as fake:
        yield fake


@pytest.fixture
def channel(cast, fake):
    return of_fake(fake, team=cast.support)


def ask(agent, verb):
    talk = Conversation.objects.get()
    act = talk.act(agent, verb, uuid4(), mention=talk.mentions.get())
    Act.objects.filter(pk=act.pk).update(not_before=timezone.now())
    acting.act_due()
    act.refresh_from_db()
    return act


def chips():
    return of_mention(Mention.objects.select_related("identity").get(), ()).marks


@pytest.mark.parametrize(
    ("status", "back", "chip"), [("spam", "unspam", "spam"), ("trash", "restore", "in the trash there")]
)
def test_spam_of_the_sites_own_filter_is_heard_and_brought_back_into_the_queue(cast, fake, channel, status, back, chip):
    one = fake.say("My lid is broken: http://acme.example/lid", status=status)
    read(channel)
    talk = Conversation.objects.get()
    assert (talk.state, talk.team) == (State.HEARD, cast.support)
    assert chips() == [chip]
    assert ask(cast.ana, back).state == "done"
    talk.refresh_from_db()
    assert (talk.state, chips(), fake.comments[int(one)]["status"]) == (State.NEW, [], "hold")
    assert "reopened" in [event.happening for event in Event.objects.filter(conversation=talk)]


def test_what_the_site_shows_after_all_is_work_from_then_on(fake, channel):
    one = fake.say("My lid is broken", status="spam")
    read(channel)
    fake.comments[int(one)]["status"] = "approved"
    read(channel)
    mention = Mention.objects.get()
    assert (mention.kind, mention.visibility, mention.conversation.state) == ("comment", "public", State.NEW)
    read(channel)
    assert Conversation.objects.get().state == State.NEW


def test_a_comment_in_work_that_is_put_away_says_so_and_comes_back(cast, fake, channel):
    one = fake.say("my kettle burns")
    read(channel)
    comment = fake.comments[int(one)]
    for status, chip in (("spam", "spam"), ("trash", "in the trash there")):
        comment["status"] = status
        read(channel, refresh=True)
        assert (Conversation.objects.get().state, Mention.objects.get().state, chips()) == (State.NEW, "live", [chip])
    comment["status"] = "approved"
    read(channel, refresh=True)
    assert chips() == []
    assert Mention.objects.get().edited_at is None, "nobody has edited it"


def test_whoever_put_a_comment_away_by_mistake_takes_it_back(cast, fake, channel):
    one = fake.say("my kettle burns")
    read(channel)
    for verb, back in (("spam", "unspam"), ("trash", "restore")):
        assert ask(cast.ana, verb).state == "done"
        assert len(chips()) == 1
        assert ask(cast.ana, verb).state == "done", "it is so already"
        assert ask(cast.ana, "approve").state == "failed"
        assert ask(cast.ana, back).state == "done"
        assert (chips(), fake.comments[int(one)]["status"]) == ([], "approved")
    assert Conversation.objects.get().state == State.NEW


def test_spam_that_joins_a_conversation_in_work_is_not_what_its_row_says(fake, channel):
    one = fake.say("my kettle burns")
    pills, lid = (fake.say(text, parent=one, status="spam") for text in ("buy pills", "and my lid is broken"))
    read(channel)
    talk = Conversation.objects.get()
    assert (talk.mentions.count(), talk.state, talk.excerpt) == (3, State.NEW, "my kettle burns")
    fake.delete(pills)
    read(channel, refresh=True)
    talk.refresh_from_db()
    assert (talk.mentions.filter(state="deleted").count(), talk.excerpt) == (1, "my kettle burns")
    fake.comments[int(lid)]["status"] = "approved"
    read(channel, refresh=True)
    talk.refresh_from_db()
    assert (talk.state, talk.excerpt) == (State.NEW, "and my lid is broken")


def test_of_spam_and_more_spam_the_row_says_the_newest(fake, channel):
    one = fake.say("buy pills", status="spam")
    fake.say("buy more pills", parent=one, status="spam")
    read(channel)
    talk = Conversation.objects.get()
    assert (talk.state, talk.excerpt) == (State.HEARD, "buy more pills")


def test_a_moderator_of_a_subreddit_removes_and_locks_what_was_said_there_and_takes_it_back(cast, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with Reddit() as fake:
        name = fake.say("Buy my watches")
        read(of_fake(fake, team=cast.support))
        for verb, back, chip in (
            ("hide", "unhide", "hidden there"), ("spam", "unspam", "spam"), ("lock", "unlock", "closed to answers")
        ):  # fmt: skip
            assert ask(cast.ana, verb).state == "done"
            assert chips() == [chip]
            assert ask(cast.ana, verb).state == "done", "it is so already"
            assert ask(cast.ana, back).state == "done"
            assert chips() == []
        assert (fake.things[name]["data"]["locked"], fake.things[name]["data"]["approved"]) == (False, True)
        assert len([each for each in fake.server.asked if each.method == "POST"]) == 6

"""What only a topic about somebody else found is read, and answered by nobody who did not say so."""

import re

import pytest

from connectors.models import RivalAnswer, Topic
from connectors.topics import comparing
from inbox.models import Conversation, Event, Mention, Reply
from tests.journey.steps import read

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def made(cast, channel, fake):
    """A post that only the search for a rival found, made a conversation of."""

    def make(words="my bolt kettle is so slow", own=""):
        for name, query, rival in (("Bolt", "bolt", True), *([("Us", own, False)] if own else [])):
            Topic(name=name).rewrite(None, [channel], query=query, rival=rival, team=cast.support)
        Topic.objects.update(since="2020-01-01T00:00:00Z")
        fake.mutter(words, "carla")
        read(channel)
        while comparing.compare_piece():
            pass
        one = Conversation.objects.get(mentions__text=words)
        one.reopen(cast.ana, "it matters")
        return one

    return make


def page_of(client, one):
    return client.get(f"/conversations/{one.pk}/").content.decode()


def post_reply(client, one, text="We are not them."):
    one.refresh_from_db()
    told = {"text": text, "kind": "reply", "key": "3f0c5b5e-6f0e-4d5c-8f2b-0d1f0a1b2c3d", "seen_seq": one.seen_seq}
    return client.post(f"/conversations/{one.pk}/replies/", told)


def test_the_reply_box_opens_only_after_somebody_said_that_it_is_wanted(cast, client, made):
    one = made()
    mention = Mention.objects.get()
    client.force_login(cast.ana)
    page = page_of(client, one)
    assert "Only the topic “Bolt” found this, which is about somebody else." in page
    assert f"/topics/answers/{mention.pk}/" in page
    assert re.search(r'id="reply-text"[^>]* hidden', page)
    assert post_reply(client, one).status_code == 422
    assert not Reply.objects.exists()
    asked = client.get(f"/topics/answers/{mention.pk}/")
    assert asked.status_code == 200
    assert "my bolt kettle" in asked.content.decode()
    assert not RivalAnswer.objects.exists()
    for _ in range(2):
        assert client.post(f"/topics/answers/{mention.pk}/").status_code == 303
    assert RivalAnswer.objects.get().by == cast.ana
    assert Event.objects.filter(happening="answer_wanted", conversation=one, actor=cast.ana).count() == 1
    page = page_of(client, one)
    assert "which is about somebody else" not in page
    assert not re.search(r'id="reply-text"[^>]* hidden', page)
    assert post_reply(client, one).status_code == 303
    assert Reply.objects.get().text == "We are not them."


def test_what_an_own_topic_found_too_is_answered_as_ever(cast, client, made):
    one = made("bolt or acme, which kettle?", own="acme")
    client.force_login(cast.ana)
    assert "about somebody else" not in page_of(client, one)
    assert post_reply(client, one).status_code == 303


def test_what_was_written_to_us_is_answered_though_a_rival_is_named(cast, client, channel, fake):
    Topic(name="Bolt").rewrite(None, [channel], query="bolt", rival=True, team=cast.support)
    fake.say("@brand your kettle is worse than that of bolt", "carla")
    read(channel)
    client.force_login(cast.ana)
    one = Conversation.objects.get()
    assert "about somebody else" not in page_of(client, one)
    assert post_reply(client, one).status_code == 303


def test_nobody_says_so_of_what_they_may_not_read(cast, client, made):
    made()
    mention = Mention.objects.get()
    for agent in (cast.hugo, cast.otto):
        client.force_login(agent)
        assert client.get(f"/topics/answers/{mention.pk}/").status_code == 404
        assert client.post(f"/topics/answers/{mention.pk}/").status_code == 404
    assert not RivalAnswer.objects.exists()

"""What a thread tells its readers: the newest first of all, nothing a private team did, and why a reply still waits."""

import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from inbox import happenings, thread
from inbox.models import Conversation, Reply, Seen
from inbox.models.event import Entry, record
from inbox.talk import Talk
from tests.world import answer, make_channel, write


@pytest.fixture
def channel(cast):
    return make_channel()


@pytest.fixture
def returned(cast, channel):
    """A conversation that came back from HR, which wrote why it was there."""
    one = write(channel, "hello", cast.support)
    one.assign(cast.hr, None, by=cast.max)
    one.assign(cast.hr, cast.hugo, by=cast.hugo, because="salary dispute with Max")
    one.note(cast.hugo, "about a colleague", uuid.uuid4())
    one.assign(cast.support, None, by=cast.hugo)
    return one


def test_the_refusal_of_a_stale_answer_tells_nothing_of_a_private_team(cast, returned, client):
    said = " ".join(str(event.payload) for event in returned.news_since(0, cast.ana))
    assert "Support" in said
    assert "salary dispute" not in said
    client.force_login(cast.ana)
    told = {"text": "x", "key": str(uuid.uuid4()), "seen_seq": 0, "kind": "reply"}
    refused = client.post(f"/conversations/{returned.pk}/replies/", told)
    assert refused.status_code == 409
    assert b"salary dispute" not in refused.content


def test_the_thread_tells_a_private_teams_doings_to_its_members_only(cast, returned):
    def told(agent):
        entries = thread.since(returned, agent, 0).entries
        return " ".join(getattr(entry, "sentence", "") or getattr(entry, "text", "") for entry in entries)

    assert "salary dispute" in told(cast.hugo)
    assert "about a colleague" in told(cast.hugo)
    assert "salary dispute" not in told(cast.ana)
    assert "about a colleague" not in told(cast.ana)


def test_a_conversation_of_thousands_of_events_still_shows_what_is_new(cast, channel):
    one = write(channel, "hello", cast.support)
    one.note(cast.ana, "an early note", uuid.uuid4())
    one.refresh_from_db()
    first, last = one.seen_seq + 1, one.seen_seq + thread.MOST + 50
    with transaction.atomic():
        changed = happenings.Prioritised(1)
        record([Entry((cast.support.stream,), changed, one.pk, seq) for seq in range(first, last + 1)])
        Conversation.objects.filter(pk=one.pk).update(seen_seq=last)
    answer(channel, one, "newest")
    news = thread.since(one, cast.ana, one.seen_seq - 1)
    assert [entry.text for entry in news.entries if entry.kind == "message"] == ["newest"]
    shown = [entry.text for entry in thread.whole(one, cast.ana).entries if entry.kind == "message"]
    assert set(shown) == {"hello", "an early note", "newest"}


def test_a_reply_the_network_lets_wait_says_why(cast, channel):
    one = write(channel, "hello", cast.support)
    reply = one.reply(cast.ana, "hi", uuid.uuid4(), one.seen_seq, parent=one.last_inbound())
    later = timezone.now() + timedelta(hours=2)
    Reply.objects.filter(pk=reply.pk).update(not_before=later, reason="The network asks us to wait.")
    shown = [entry for entry in thread.whole(one, cast.ana).entries if getattr(entry, "side", "") == "ours"]
    assert [entry.state_text for entry in shown] == ["Will be tried again: The network asks us to wait."]


def test_what_was_read_stays_read_whatever_page_reports_later(cast, channel):
    one = write(channel, "hello", cast.support)
    answer(channel, one, "more")
    talk = Talk(one, cast.ana, None)
    for seq in (one.seen_seq, 1):
        talk.seen(seq)
    assert Seen.objects.get(agent=cast.ana, conversation=one).seq == one.seen_seq

"""What a verb was allowed by must still hold when it happens: the team that has the conversation, the rights of whoever
gets it, the tags and replies that others touch."""

from uuid import uuid4

import pytest

from connectors.models import Channel
from inbox.models import Agent, Conversation, Event, Reply
from inbox.models.change import Moved
from routing.models import Rule
from tests.inbox.test_receive import offer, post
from tests.world import without_tokens


@pytest.fixture
def channel(cast):
    return Channel.objects.create(name="@acme", network="demo", team=cast.support)


@pytest.fixture
def conversation(cast, channel):
    offer(channel, post(1, "my refund"))
    assert Conversation.objects.get().assign(cast.support, None, by=None)
    return Conversation.objects.get()


@pytest.fixture
def moved(cast, conversation):
    """As it was read by somebody of Support, before a colleague gave it to HR."""
    before = Conversation.objects.get()
    assert conversation.assign(cast.hr, None, by=cast.max)
    return before


VERBS = {
    "claim": lambda one, agent: one.claim(agent),
    "close": lambda one, agent: one.close(agent),
    "spam": lambda one, agent: one.mark_spam(agent),
    "retag": lambda one, agent: one.retag(["refund"], agent),
    "prioritise": lambda one, agent: one.prioritise(5, agent),
}


@pytest.mark.parametrize("verb", VERBS)
def test_nobody_acts_on_what_another_team_has_by_now(cast, moved, verb):
    events = Event.objects.count()
    assert not VERBS[verb](moved, cast.ana)
    now = Conversation.objects.get()
    assert (now.team, now.agent, now.state, now.tags, now.priority) == (cast.hr, None, 0, [], 0)
    assert Event.objects.count() == events


def test_what_is_written_for_a_team_that_lost_it_goes_nowhere(cast, moved):
    parent = moved.last_inbound()
    with pytest.raises(Moved):
        moved.reply(cast.ana, "we look", uuid4(), moved.seen_seq, parent=parent)
    with pytest.raises(Moved):
        moved.note(cast.ana, "ask Theo", uuid4())
    with pytest.raises(Moved):
        moved.act(cast.ana, "like", uuid4(), mention=parent)
    assert not Reply.objects.exists()
    assert not moved.notes.exists()


def test_a_reply_is_not_moved_by_whom_its_conversation_left(cast, conversation):
    reply = conversation.reply(cast.ana, "we look", uuid4(), conversation.seen_seq, parent=conversation.last_inbound())
    held = Reply.objects.select_related("conversation").get(pk=reply.pk)
    assert Conversation.objects.get().assign(cast.hr, None, by=cast.max)
    assert not held.undo(cast.ana)
    assert Reply.objects.get().state == "queued"


def test_an_answer_in_another_teams_conversation_is_not_told_to_those_outside(client, cast, moved, monkeypatch):
    """Between reading and acting it went to HR: to Ana it is as if there were none, with no word about who took it."""
    from inbox.views import answering

    readable = answering.conversation_or_404
    found = iter([moved])
    monkeypatch.setattr(
        answering, "conversation_or_404", lambda request, pk: next(found, None) or readable(request, pk)
    )
    client.force_login(cast.ana)
    address = f"/conversations/{moved.pk}/notes/"
    answer = client.post(address, {"text": "ask Theo", "key": uuid4()}, headers={"HX-Request": "true"})
    assert answer.status_code == 404


def test_who_was_faster_is_told_only_to_those_who_may_know(client, cast, moved, monkeypatch):
    from inbox.views import answering

    monkeypatch.setattr(answering, "conversation_or_404", lambda request, pk: moved)
    client.force_login(cast.ana)
    answer = client.post(f"/conversations/{moved.pk}/claim/", headers={"HX-Request": "true"})
    assert answer.status_code == 409
    assert "HR" not in without_tokens(answer.content.decode())


def test_nothing_is_given_to_an_agent_who_has_left(cast, conversation):
    gone = Agent.objects.get(pk=cast.ana.pk)
    cast.ana.depart(cast.ada)
    assert not Conversation.objects.get().claim(gone)
    with pytest.raises(Moved):
        conversation.reply(gone, "we look", uuid4(), conversation.seen_seq, parent=conversation.last_inbound())
    assert Conversation.objects.get().agent is None


def test_nothing_is_given_to_an_agent_who_left_the_team(cast, conversation):
    cast.ana.leave(cast.support, cast.ada)
    assert not Conversation.objects.get().claim(cast.ana)
    assert Conversation.objects.get().agent is None


def test_an_admin_owns_where_no_team_is_private(cast, conversation):
    assert conversation.claim(cast.ada)
    assert conversation.release(cast.ada)
    assert conversation.assign(cast.hr, None, by=cast.max)
    assert not Conversation.objects.get().claim(cast.ada)


def test_a_rule_gives_nothing_to_who_left_while_the_page_was_decided(cast, channel, monkeypatch):
    from inbox.models import receive as receiving

    give = [{"do": "team", "team": cast.support.pk}, {"do": "agent", "agent": cast.ana.pk}]
    Rule.objects.create(name="Ana's", position=1, when={"all": [{"is": "text_any", "words": ["refund"]}]}, then=give)
    decided = receiving._decided

    def and_then_leaves(*given):
        ahead = decided(*given)
        if Agent.objects.get(pk=cast.ana.pk).is_active:
            cast.ana.depart(cast.ada)
        return ahead

    monkeypatch.setattr(receiving, "_decided", and_then_leaves)
    offer(channel, post(1, "my refund"))
    one = Conversation.objects.get()
    assert (one.team, one.agent) == (cast.support, None)


def test_two_who_tag_at_once_both_have_their_tag(cast, conversation):
    conversation.retag(["order"], cast.max)
    mine, theirs = Conversation.objects.get(), Conversation.objects.get()
    assert theirs.retag(["order", "vip"], cast.max)
    assert mine.retag(["order", "refund"], cast.ana)
    assert Conversation.objects.get().tags == ["order", "refund", "vip"]


def test_tags_are_changed_from_how_the_form_showed_them(client, cast, conversation):
    conversation.retag(["order", "refund"], cast.max)
    client.force_login(cast.ana)
    address = f"/conversations/{conversation.pk}/tags/"
    client.post(address, {"tags": "order late", "was": "order"})
    assert Conversation.objects.get().tags == ["late", "order", "refund"]
    client.post(address, {"tags": "late", "was": "late, order, refund"})
    assert Conversation.objects.get().tags == ["late"]


@pytest.fixture
def failed(cast, conversation):
    reply = conversation.reply(cast.ana, "first", uuid4(), conversation.seen_seq, parent=conversation.last_inbound())
    assert reply.failed("Unavailable", "The network is away.")
    return reply


def second(cast):
    one = Conversation.objects.get()
    return one.reply(cast.ana, "second", uuid4(), one.seen_seq, parent=one.last_inbound())


def trouble():
    return Conversation.objects.get().trouble


def test_a_failed_reply_is_shown_until_somebody_cares_for_it(cast, failed):
    other = second(cast)
    assert trouble() == "failed"
    assert other.sent("99")
    assert trouble() == "failed"
    assert Conversation.objects.get().close(cast.ana)
    assert trouble() == "failed"
    assert Reply.objects.get(pk=failed.pk).drop(cast.ana)
    assert trouble() == ""


def test_the_worst_of_several_replies_marks_the_conversation(cast, channel, failed):
    other = second(cast)
    assert trouble() == "failed"
    offer(channel, post(5, "never mind", parent_id="1"))
    assert Reply.objects.get(pk=other.pk).state == "held"
    assert trouble() == "failed"
    assert Reply.objects.get(pk=failed.pk).drop(cast.ana)
    assert trouble() == "held"

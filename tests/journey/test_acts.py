"""What agents ask a network to do with a post that stands there: done once or as often as it takes, and told."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from connectors import acting
from connectors.base import Connector
from connectors.http import Seam
from connectors.models import Channel
from connectors.stored import post_of
from inbox.models import Act, Conversation, Event
from inbox.models.answerable import KeyUsed
from inbox.queue import sentence
from tests.fakes.mastodon import Fake
from tests.journey.steps import answer, of_fake, read, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


@pytest.fixture
def talk(cast, fake):
    channel = of_fake(fake, team=cast.support)
    fake.say("My invoice is wrong")
    read(channel)
    return Conversation.objects.get()


def ask(talk, agent, verb, **more):
    talk.refresh_from_db()
    more = more or {"mention": talk.last_inbound()}
    return talk.act(agent, verb, uuid4(), **more)


def work(act):
    Act.objects.filter(pk=act.pk).update(not_before=timezone.now() - timedelta(seconds=1))
    acting.act_due()
    act.refresh_from_db()
    return act


def told(talk):
    return [event.happening for event in Event.objects.filter(conversation=talk).timeline()]


def test_a_message_is_liked_on_the_network_and_shown_so(cast, fake, talk):
    act = work(ask(talk, cast.ana, "like"))
    assert act.state == "done"
    mention = talk.mentions.get()
    assert fake.statuses[mention.external_id]["favourited"]
    assert mention.marks == ["liked"]
    assert mention.grants["favourited"]
    assert told(talk)[-2:] == ["act_asked", "act_done"]
    assert work(ask(talk, cast.ana, "unlike")).state == "done"
    assert talk.mentions.get().marks == []


@pytest.mark.parametrize("verb", ["like", "delete"])
def test_what_was_done_is_shown_before_its_event_is_numbered(cast, fake, talk, verb):
    """Whoever holds a number keeps everybody of that team waiting until the commit."""
    more = {} if verb == "like" else {"reply": send(answer(cast.ana, talk, "We look into it"))}
    act, said = ask(talk, cast.ana, verb, **more), []
    Act.objects.filter(pk=act.pk).update(state="doing")

    def heard(execute, sql, params, many, context):
        said.append(str(sql))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(heard):
        assert act.done()
    (numbered,) = (place for place, sql in enumerate(said) if "inbox_change(" in sql)
    assert [sql for sql in said[numbered + 1 :] if "SAVEPOINT" not in sql] == []


def test_our_answer_is_corrected_and_then_deleted_there(cast, fake, talk):
    reply = send(answer(cast.ana, talk, "We loook into it"))
    act = work(ask(talk, cast.ana, "edit", reply=reply, text="We look into it"))
    reply.refresh_from_db()
    assert (act.state, act.before, reply.text) == ("done", "We loook into it", "We look into it")
    work(ask(talk, cast.ana, "delete", reply=reply))
    reply.refresh_from_db()
    assert reply.state == "removed"
    assert fake.made() == []


def test_a_corrected_answer_still_names_whom_it_is_for(cast, fake, talk):
    reply = send(answer(cast.ana, talk, "We loook into it"))
    assert [one["content"] for one in fake.made()] == ["<p>@carla We loook into it</p>"]
    work(ask(talk, cast.ana, "edit", reply=reply, text="We look into it"))
    reply.refresh_from_db()
    assert [one["content"] for one in fake.made()] == ["<p>@carla We look into it</p>"]
    assert reply.text == "We look into it"


def test_an_answer_stands_behind_the_warning_of_what_it_answers_and_stays_there_when_corrected(cast, fake):
    fake.say("I had a breakdown over your invoice", spoiler_text="mental health")
    read(of_fake(fake, team=cast.support))
    talk = Conversation.objects.get()
    post = post_of(talk.last_inbound())
    assert fake.connector().measure("Hello", post).used == len("@carla Hello" + "mental health")
    reply = send(answer(cast.ana, talk, "We loook into it"))
    work(ask(talk, cast.ana, "edit", reply=reply, text="We look into it"))
    [made] = fake.made()
    assert (made["content"], made["spoiler_text"]) == ("<p>@carla We look into it</p>", "mental health")


def test_a_picture_that_is_covered_stays_covered_when_the_answer_is_corrected(cast, fake, talk):
    reply = send(answer(cast.ana, talk, "We loook into it"))
    [made] = fake.made()
    made["sensitive"] = True
    work(ask(talk, cast.ana, "edit", reply=reply, text="We look into it"))
    assert (made["content"], made["sensitive"]) == ("<p>@carla We look into it</p>", True)


def test_what_the_network_does_not_allow_is_refused_with_its_reason_and_nothing_is_asked(cast, fake, talk):
    before = len(fake.server.asked)
    act = work(ask(talk, cast.ana, "hide"))
    assert act.state == "failed"
    assert act.reason == "This network has no such action."
    assert len(fake.server.asked) == before
    assert told(talk)[-1] == "act_refused"


@pytest.mark.parametrize("fault", ["500", "hang", "reset", "503 with wait", "429"])
def test_what_was_lost_on_the_way_is_asked_for_again(cast, fake, talk, fault, monkeypatch):
    fake.order(fault, "POST")
    with monkeypatch.context() as shorter:
        shorter.setitem(Seam.__init__.__kwdefaults__, "whole", 1.0)  # a call ends after, instead of fifteen seconds
        act = work(ask(talk, cast.ana, "like"))
    assert act.state == "waiting"
    assert work(act).state == "done"
    assert talk.mentions.get().marks == ["liked"]


def test_a_report_that_may_have_arrived_is_not_made_again_by_itself(cast, fake, talk):
    fake.order("made, unanswered", "POST")
    act = work(ask(talk, cast.ana, "report"))
    assert (act.state, act.reason, len(fake.reports)) == ("failed", acting.UNCLEAR, 1)
    assert work(ask(talk, cast.ana, "report")).state == "done"
    assert talk.mentions.get().marks == ["reported"]


def test_a_report_whose_worker_died_over_it_is_not_made_by_the_next(cast, fake, talk):
    act = ask(talk, cast.ana, "report")
    assert act.take()
    Act.objects.filter(pk=act.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert (work(act).state, act.reason, fake.reports) == ("failed", acting.UNCLEAR, [])
    assert work(ask(talk, cast.ana, "report")).state == "done"


@pytest.mark.parametrize("verb", ["report", "like"])
def test_a_report_that_could_not_be_written_down_is_not_made_again_by_itself(cast, fake, talk, verb):
    act, before, lost = ask(talk, cast.ana, verb), fake.writings(), []

    def away(execute, sql, params, many, context):
        if "inbox_change(" in str(sql) and not lost:
            lost.append(fake.writings())
            raise OperationalError("the server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(away):
        work(act)
    assert lost == [before + 1], "the network had done it by then"
    assert act.state == ("failed" if verb == "report" else "waiting")
    assert work(act).state == ("failed" if verb == "report" else "done")
    assert fake.writings() == before + (1 if verb == "report" else 2)
    assert len(fake.reports) == (1 if verb == "report" else 0)


def test_a_report_that_never_left_is_tried_again(cast, fake, talk):
    act, lost = ask(talk, cast.ana, "report"), []

    def away(execute, sql, params, many, context):
        if "connectors_window" in str(sql) and not lost:
            lost.append(sql)
            raise OperationalError("the server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(away):
        assert work(act).state == "waiting"
    assert lost
    assert work(act).state == "done"
    assert len(fake.reports) == 1


def test_what_is_muted_already_is_not_asked_for_again(cast, fake, talk):
    assert work(ask(talk, cast.ana, "mute")).state == "done"
    before = fake.writings()
    assert work(ask(talk, cast.ana, "mute")).state == "done"
    assert fake.writings() == before
    assert work(ask(talk, cast.ana, "unmute")).state == "done"
    assert talk.mentions.get().marks == []


def test_the_timeline_says_what_was_muted(cast, fake, talk):
    work(ask(talk, cast.ana, "mute"))
    done = list(Event.objects.filter(conversation=talk).timeline())[-1]
    assert sentence(done) == "Ana muted the conversation of a message on the network"
    assert {Connector.named(name).mutes for name in ("x", "bluesky")} == {"author"}


def test_what_cannot_be_had_is_given_up_after_five_tries_and_said(cast, fake, talk):
    act = ask(talk, cast.ana, "like")
    for _ in range(5):
        fake.order("500", "POST")
        work(act)
    assert act.state == "failed"
    assert act.reason
    assert talk.mentions.get().marks == []


def test_a_worker_that_died_over_it_is_followed_by_another(cast, fake, talk):
    act = ask(talk, cast.ana, "like")
    assert act.take()
    assert acting.act_due() == 0, "while the lease runs nobody else takes it"
    Act.objects.filter(pk=act.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert work(act).state == "done"


def test_whoever_wakes_up_late_changes_nothing(cast, fake, talk):
    act = ask(talk, cast.ana, "like")
    act.take()
    slow = Act.objects.get(pk=act.pk)
    Act.objects.filter(pk=act.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    work(act)
    assert not slow.failed("Unavailable", "late")
    assert not slow.done()
    act.refresh_from_db()
    assert act.state == "done"


def test_a_post_that_is_gone_counts_as_deleted_and_cannot_be_liked(cast, fake, talk):
    reply = send(answer(cast.ana, talk))
    fake.delete(reply.external_id)
    assert work(ask(talk, cast.ana, "delete", reply=reply)).state == "done"
    fake.delete(talk.mentions.get().external_id)
    gone = work(ask(talk, cast.ana, "like"))
    assert (gone.state, gone.fault) == ("failed", "Gone")


def test_a_channel_whose_access_ended_keeps_the_wish_until_it_is_back(cast, fake, talk):
    fake.order("401", "POST")
    act = work(ask(talk, cast.ana, "like"))
    channel = Channel.objects.get()
    assert (act.state, channel.state) == ("waiting", "reconnect")
    assert work(act).state == "waiting"
    Channel.objects.update(state="ok")
    assert work(act).state == "done"


def test_the_same_key_asks_once_and_never_for_something_else(cast, talk):
    key, mention = uuid4(), talk.last_inbound()
    first = talk.act(cast.ana, "like", key, mention=mention)
    assert talk.act(cast.ana, "like", key, mention=mention).pk == first.pk
    with pytest.raises(KeyUsed):
        talk.act(cast.ana, "unlike", key, mention=mention)
    with pytest.raises(KeyError):
        talk.act(cast.ana, "sing", uuid4(), mention=mention)
    assert Act.objects.count() == 1


def test_corrections_are_made_in_the_order_in_which_they_were_asked_for(cast, fake, talk):
    reply = send(answer(cast.ana, talk, "We loook into it"))
    first = ask(talk, cast.ana, "edit", reply=reply, text="version ONE")
    fake.order("500", writing=True)
    work(first)
    second = work(ask(talk, cast.ana, "edit", reply=reply, text="version TWO"))
    assert (first.state, second.state) == ("waiting", "waiting")
    work(first)
    work(second)
    reply.refresh_from_db()
    assert reply.text == "version TWO"


def test_what_stands_already_is_done_and_not_refused(cast, fake, talk):
    act = ask(talk, cast.ana, "like")
    mention = talk.mentions.get()
    fake.statuses[mention.external_id]["favourited"] = True
    talk.mentions.update(grants={**mention.grants, "favourited": True})
    assert work(act).state == "done"

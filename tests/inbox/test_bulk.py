"""One act on many picked conversations: told honestly, each for itself, and taken back as one lot."""

import json
import re
from datetime import date

import pytest

from inbox.models import Conversation, State
from inbox.queue import WHOLE
from tests.world import answer, make_channel, without_tokens, write

ALIVE = {"HX-Request": "true"}


@pytest.fixture
def channel(cast):
    return make_channel()


@pytest.fixture
def ana(cast, client):
    client.force_login(cast.ana)
    return client


def three(channel, team):
    return [write(channel, f"case {n}", team, author=f"a{n}", ago=n) for n in range(3)]


def states():
    return list(Conversation.objects.order_by("id").values_list("state", flat=True))


def mark(client):
    return re.search(rb'name="mark" value="([^"]+)"', client.get("/views/support/").content)[1].decode()


def act(client, picked, **said):
    return client.post("/views/support/bulk/", {"conversation": [one.pk for one in picked], **said}, headers=ALIVE)


def says(answered):
    told = json.loads(answered["HX-Trigger"])
    return (told.get("undoable") or told["failed"])["says"]


def undo(client, answered):
    token = re.search(r'name="token" value="([^"]+)"', answered.content.decode())[1]
    return client.post("/reversals/", {"token": token}, headers=ALIVE)


def test_all_are_done_and_one_undo_takes_back_the_lot(cast, channel, ana):
    picked = three(channel, cast.support)
    answered = act(ana, picked, act="closure", mark=mark(ana))
    assert says(answered) == "3 done."
    assert states() == [State.DONE] * 3
    assert undo(ana, answered).content.decode() == "Undone for 3."
    assert states() == [State.NEW] * 3


def test_as_many_as_a_list_holds_are_done_at_once_and_more_are_refused_in_words(cast, channel, ana):
    picked = three(channel, cast.support)
    many = [Conversation(pk=10**9 + n) for n in range(WHOLE - 3)]
    answered = act(ana, [*many, *picked], act="closure")
    assert says(answered) == "3 done."
    refused = act(ana, [*many, *picked, picked[0]], act="reopening")
    assert (refused.status_code, says(refused)) == (422, "Pick at most 500 at once.")
    assert states() == [State.DONE] * 3


def test_what_changed_since_the_screen_is_left_alone_and_counted(cast, channel, ana):
    picked = three(channel, cast.support)
    seen = mark(ana)
    answer(channel, picked[1], "never mind, it arrived")
    answered = act(ana, picked, act="closure", mark=seen)
    assert says(answered) == "2 done, 1 had changed."
    assert states() == [State.DONE, State.NEW, State.DONE]


def test_what_i_did_myself_since_is_no_change(cast, channel, ana):
    picked = three(channel, cast.support)
    seen = mark(ana)
    picked[0].claim(cast.ana)
    assert says(act(ana, picked, act="closure", mark=seen)) == "3 done."


def test_an_undo_leaves_what_somebody_touched_since(cast, channel, ana):
    picked = three(channel, cast.support)
    answered = act(ana, picked, act="claim", mark=mark(ana))
    assert says(answered) == "3 taken."
    answer(channel, picked[0], "are you there?")
    assert undo(ana, answered).content.decode() == "Undone for 2. 1 had changed since and stays."
    owners = list(Conversation.objects.order_by("id").values_list("agent", flat=True))
    assert owners == [cast.ana.pk, None, None]
    again = undo(ana, answered)
    assert (again.status_code, again.content.decode()) == (409, "3 had changed since and stay.")


def test_an_undo_of_many_belongs_to_who_did_it(cast, channel, ana, client):
    answered = act(ana, three(channel, cast.support), act="closure")
    client.force_login(cast.max)
    assert undo(client, answered).status_code == 409
    assert states() == [State.DONE] * 3


def test_what_is_in_other_hands_stays_there(cast, channel, ana):
    picked = three(channel, cast.support)
    picked[0].claim(cast.max)
    assert says(act(ana, picked, act="claim", mark=mark(ana))) == "2 taken, 1 stays as it was."
    assert Conversation.objects.get(pk=picked[0].pk).agent == cast.max


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"act": "spam"}, "3 marked as spam"),
        ({"act": "snooze tomorrow"}, "3 set aside"),
        ({"act": "", "until": f"{date.today().year + 1}-01-01T10:00"}, "3 set aside"),
        ({"act": "tags", "tags": "vip"}, "3 tagged"),
        ({"act": "", "tags": "vip, late"}, "3 tagged"),
    ],
)
def test_every_act_of_the_bar_is_done_to_each_and_undone(cast, channel, ana, said, words):
    picked = three(channel, cast.support)
    before = list(Conversation.objects.order_by("id").values("state", "tags", "snoozed_until"))
    answered = act(ana, picked, **said)
    assert says(answered) == f"{words}."
    assert list(Conversation.objects.order_by("id").values("state", "tags", "snoozed_until")) != before
    undo(ana, answered)
    assert list(Conversation.objects.order_by("id").values("state", "tags", "snoozed_until")) == before


def test_tags_are_added_to_those_that_are_there(cast, channel, ana):
    one, *_ = three(channel, cast.support)
    one.retag(["refund"], cast.ana)
    act(ana, [one], act="tags", tags="vip")
    assert Conversation.objects.get(pk=one.pk).tags == ["refund", "vip"]


def test_they_are_given_to_a_person_or_a_team_that_the_agent_may_name(cast, channel, ana):
    picked = three(channel, cast.support)
    offered = ana.get("/views/support/bulk/", headers=ALIVE).content.decode()
    assert f'value="assignment agent:{cast.support.pk}:{cast.max.pk}"' in offered
    assert "Hugo" not in without_tokens(offered)
    answered = act(ana, picked, act=f"assignment agent:{cast.support.pk}:{cast.max.pk}", because="he knows them")
    assert says(answered) == "3 given to Max."
    assert act(ana, picked, act=f"assignment agent:{cast.hr.pk}:{cast.hugo.pk}").status_code == 404
    assert says(act(ana, picked, act=f"assignment team:{cast.hr.pk}")) == "3 given to HR."
    assert act(ana, picked, act="closure").status_code == 422  # they are not Ana's to see any more


@pytest.mark.parametrize("said", [{"act": ""}, {"act": "tags"}, {"act": "snooze"}, {"act": "assignment nobody"}])
def test_an_act_that_is_not_whole_does_nothing_and_says_so(cast, channel, ana, said):
    answered = act(ana, three(channel, cast.support), **said)
    assert answered.status_code == 422
    assert says(answered)
    assert states() == [State.NEW] * 3


def test_conversations_of_others_are_not_touched(cast, channel, ana):
    theirs = three(channel, cast.hr)
    answered = act(ana, theirs, act="closure")
    assert answered.status_code == 422
    assert states() == [State.NEW] * 3


def test_without_scripts_a_page_says_how_it_went_and_offers_the_undo(cast, channel, ana):
    picked = three(channel, cast.support)
    seen = mark(ana)
    answer(channel, picked[2], "one more thing")
    said = {"act": "closure", "conversation": [one.pk for one in picked], "mark": seen}
    page = ana.post("/views/support/bulk/", said).content.decode()
    assert "2 done, 1 had changed" in page
    assert "one more thing" in page
    token = re.search(r'name="token" value="([^"]+)"', page)[1]
    assert ana.post("/reversals/", {"token": token}).status_code == 303
    assert states() == [State.NEW] * 3
    choice = ana.post("/views/support/bulk/", {**said, "act": "give"}).content.decode()
    assert choice.count('<input type="hidden" name="conversation"') == 3
    assert f'value="assignment team:{cast.product.pk}"' in choice


def test_the_undo_of_200_travels_in_the_body(cast, channel, ana):
    picked = [write(channel, f"case {n}", cast.support, author=f"a{n}") for n in range(200)]
    answered = act(ana, picked, act="closure")
    assert len(answered["HX-Trigger"]) < 300
    assert len(answered.content) < 12_000
    assert undo(ana, answered).content.decode() == "Undone for 200."


@pytest.mark.parametrize("number", ["9" * 19, "9" * 5000, "\u00b2", "x"])
def test_what_is_no_number_of_a_conversation_picks_nothing(cast, channel, ana, number):
    (picked,) = three(channel, cast.support)[:1]
    given = {"conversation": [number, picked.pk], "act": "closure", "mark": mark(ana)}
    assert says(ana.post("/views/support/bulk/", given, headers=ALIVE)) == "1 done."
    assert ana.post("/views/support/bulk/", {**given, "conversation": [number]}, headers=ALIVE).status_code < 500

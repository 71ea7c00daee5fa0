"""A double press: the same form of a page sent twice makes one thing, and the second press goes where the first
went."""

import re
import threading

import pytest
from django.db import connections
from django.test import Client

from connectors.models import Channel, Topic
from inbox.models import Agent, SavedView, Team
from routing.models import Rule
from tests.conftest import make_cast
from tests.waiting import PATIENCE

RULE = {
    "w.how": "all",
    "w.0.is": "text_any",
    "w.0.f.words": "refund",
    "a.0.do": "tag",
    "a.0.f.tags": "refund",
    "do": "save",
}
FORMS = {
    "rule": (Rule, "/set-up/rules/new/", {"name": "Refunds", "version": "0", **RULE}),
    "team": (Team, "/set-up/teams/new/", {"name": "Returns", "purpose": "parcels that come back"}),
    "topic": (
        Topic,
        "/set-up/topics/new/",
        {"name": "Parcels", "query": "parcel", "how": "listen", "whose": "own", "version": "0", "do": "save"},
    ),
    "saved view": (SavedView, "/views/all/save/", {"name": "Late parcels", "whose": "me"}),
    "channel": (
        Channel,
        "/set-up/channels/connect/feed/",
        {"channel_name": "News", "url": "https://acme.example/feed"},
    ),
}


def token(client, address):
    return re.search(r'csrfmiddlewaretoken" value="([^"]+)"', client.get(address).content.decode())[1]


@pytest.fixture
def ada(cast):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.ada)
    return client


@pytest.mark.django_db
@pytest.mark.parametrize("what", FORMS)
def test_a_form_sent_twice_makes_one(ada, what):
    kind, address, said = FORMS[what]
    form, before = {**said, "csrfmiddlewaretoken": token(ada, address)}, kind.objects.count()
    first, second = ada.post(address, form), ada.post(address, form)
    assert first.status_code == second.status_code == 303
    assert first["Location"] == second["Location"]
    assert kind.objects.count() == before + 1


@pytest.mark.django_db
def test_another_form_that_says_the_same_makes_another_and_so_does_the_same_one_corrected(ada):
    kind, address, said = FORMS["rule"]
    form = {**said, "csrfmiddlewaretoken": token(ada, address)}
    for one in (form, {**form, "name": "Returns"}, {**said, "csrfmiddlewaretoken": token(ada, address)}):
        assert ada.post(address, one).status_code == 303
    assert kind.objects.count() == 3


@pytest.mark.django_db
def test_a_form_of_which_nothing_came_may_be_sent_again(ada, cast):
    _kind, address, said = FORMS["team"]
    Team.objects.filter(pk=cast.hr.pk).update(name=said["name"])
    form = {**said, "csrfmiddlewaretoken": token(ada, address)}
    assert ada.post(address, form).status_code == 422
    Team.objects.filter(pk=cast.hr.pk).update(name="HR")
    assert ada.post(address, form).status_code == 303
    assert Team.objects.filter(name=said["name"]).count() == 1


def pressed_twice(address, said):
    """What both presses were answered."""
    cast, answers, gate = make_cast(), [], threading.Barrier(2)
    one = Client(enforce_csrf_checks=True)
    one.force_login(cast.ada)
    form = {**said, "csrfmiddlewaretoken": token(one, address)}

    def press():
        client = Client(enforce_csrf_checks=True)
        client.cookies = one.cookies.copy()
        gate.wait(PATIENCE)
        answers.append(client.post(address, form))
        connections.close_all()

    presses = [threading.Thread(target=press) for _ in range(2)]
    for each in presses:
        each.start()
    for each in presses:
        each.join(PATIENCE)
    return answers


def test_two_presses_at_the_same_moment_make_one_rule(transactional_db):
    answers = pressed_twice(*FORMS["rule"][1:])
    assert [answer.status_code for answer in answers] == [303, 303]
    assert len({answer["Location"] for answer in answers}) == 1
    assert Rule.objects.count() == 1


INVITATION = {"name": "Nadia", "email": "nadia@acme.example", "role": "agent"}


def links(answer):
    return re.findall(r'value="[^"]+(/invitation/[^"]+)"', answer.content.decode())


@pytest.mark.django_db
def test_an_invitation_sent_twice_is_one_account_and_shows_one_link_which_works(ada, cast):
    said = {**INVITATION, "team": cast.support.pk, "csrfmiddlewaretoken": token(ada, "/set-up/agents/")}
    first, second = ada.post("/set-up/agents/", said), ada.post("/set-up/agents/", said)
    assert first.status_code == second.status_code == 200
    assert links(first) == links(second)
    assert "is here already" not in second.content.decode()
    assert Agent.objects.get(email="nadia@acme.example").memberships.get().team == cast.support
    assert Client().get(links(first)[0]).status_code == 200


@pytest.mark.django_db
def test_the_link_of_another_form_is_another_one_and_a_used_one_is_not_shown_again(ada, cast):
    said = [{**INVITATION, "csrfmiddlewaretoken": token(ada, "/set-up/agents/")} for _ in range(2)]
    [link] = links(ada.post("/set-up/agents/", said[0]))
    [other] = links(ada.post("/set-up/agents/", {**said[0], "email": "nick@acme.example"}))
    assert other != link
    assert "is here already" in ada.post("/set-up/agents/", said[1]).content.decode()
    assert Client().post(link, {"password": "another long sentence"}).status_code == 303
    again = ada.post("/set-up/agents/", said[0])
    assert again.status_code == 422
    assert not links(again)


def test_two_presses_at_the_same_moment_invite_once(transactional_db):
    answers = pressed_twice("/set-up/agents/", INVITATION)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({tuple(links(answer)) for answer in answers}) == 1
    assert len(links(answers[0])) == 1
    assert Agent.objects.filter(email="nadia@acme.example").count() == 1

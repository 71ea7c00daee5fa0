"""Teams, people and their rights; what must never happen does not."""

import re
import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import time_machine
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors.models import Channel
from inbox.forms import snooze_until
from inbox.models import Agent, Conversation, Event, Membership, Team, tally
from inbox.models.tally import differences
from inbox.views.answering import zone_of
from socialcare import people
from socialcare.models import INVITED, Invitation
from tests.conftest import PASSWORD
from tests.inbox.test_receive import offer, post
from tests.journey.threads import in_threads
from tests.waiting import PATIENCE
from tests.world import as_shown


def signed_in(agent):
    client = Client()
    client.force_login(agent)
    return client


def confirmed(client, agent):
    """The client after its password was asked again."""
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    return client


def invite(client, **changed):
    form = {"name": "Nadia", "email": "Nadia@acme.example", "team": "", "role": "agent"} | changed
    text = client.post("/set-up/agents/", form).content.decode()
    link = re.search(r'value="https?://[^/]+(/invitation/[^"]+)"', text)
    return link[1] if link else text


def test_an_invitation_is_a_link_that_sets_a_password_once(cast):
    link = invite(signed_in(cast.ada), team=cast.support.pk)
    nadia = Agent.objects.get(email="nadia@acme.example")
    assert nadia.memberships.get().team == cast.support
    assert not nadia.has_usable_password()
    guest = Client()
    assert guest.post(link, {"password": "short"}).status_code == 422
    assert guest.post(link, {"password": "another long sentence"}).status_code == 303
    assert guest.get(link).status_code == 404
    assert (
        guest.post("/account/login/", {"login": "nadia@acme.example", "password": "another long sentence"}).status_code
        == 302
    )
    token = link.strip("/").split("/")[1]
    assert token not in str(list(Invitation.objects.values()))


def test_an_invitation_ends_after_a_week_and_by_a_newer_one(cast):
    ada = confirmed(signed_in(cast.ada), cast.ada)
    old = invite(ada)
    nadia = Agent.objects.get(email="nadia@acme.example")
    text = ada.post(f"/set-up/agents/{nadia.pk}/invitation/").content.decode()
    new = re.search(r'value="https?://[^/]+(/invitation/[^"]+)"', text)[1]
    assert Client().get(old).status_code == 404
    assert Client().get(new).status_code == 200
    Invitation.objects.update(until=timezone.now() - INVITED)
    assert Client().get(new).status_code == 404


def test_one_address_is_one_account(cast):
    assert "is here already" in invite(signed_in(cast.ada), email="ANA@acme.example")


def test_disabling_ends_logins_work_and_links_at_once(cast):
    ana, ada = signed_in(cast.ana), signed_in(cast.ada)
    before = cast.ana.rights_version
    link = Invitation.make(cast.ana, cast.ada)
    ada.post(f"/set-up/agents/{cast.ana.pk}/disabling/")
    assert ana.get("/").status_code == 302
    assert Client().get(re.sub(r"^https?://[^/]+", "", link)).status_code == 404
    fresh = Agent.objects.get(pk=cast.ana.pk)
    assert fresh.rights_version > before
    assert not fresh.memberships.exists()
    confirmed(ada, cast.ada).post(f"/set-up/agents/{cast.ana.pk}/invitation/")
    assert Agent.objects.get(pk=cast.ana.pk).is_active
    assert ana.get("/").status_code == 302


def test_nobody_joins_whose_account_was_disabled_since_they_were_read(cast):
    read_before = Agent.objects.get(pk=cast.ana.pk)
    people.disable(cast.ana, cast.ada)
    with pytest.raises(people.Refused, match="disabled"):
        people.set_role(cast.product, read_before, "agent", cast.ada)
    assert not Membership.objects.filter(agent=cast.ana).exists()


def test_making_an_admin_asks_for_the_password_again_and_then_goes_on(cast):
    ada = signed_in(cast.ada)
    answer = ada.post(f"/set-up/agents/{cast.ana.pk}/rights/", as_shown(cast.ana, is_admin="yes"))
    assert "/account/reauthenticate/" in answer.headers["Location"]
    assert not Agent.objects.get(pk=cast.ana.pk).is_admin
    ada.post(answer.headers["Location"], {"password": PASSWORD})
    assert Agent.objects.get(pk=cast.ana.pk).is_admin


def test_the_last_admin_cannot_vanish(cast):
    ada = signed_in(cast.ada)
    ada.post(f"/set-up/agents/{cast.ada.pk}/rights/", as_shown(cast.ada))
    ada.post(f"/set-up/agents/{cast.ada.pk}/disabling/")
    kept = Agent.objects.get(pk=cast.ada.pk)
    assert kept.is_admin
    assert kept.is_active


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_demote_each_other_leave_one(cast):
    cast.max.change_rights(None, is_admin=True)
    pairs = [(cast.ada.pk, cast.max.pk), (cast.max.pk, cast.ada.pk)]
    barrier, refused = threading.Barrier(2), []

    def demote(by, whom):
        by, whom = Agent.objects.get(pk=by), Agent.objects.get(pk=whom)
        barrier.wait(PATIENCE)
        try:
            people.change_rights(whom, by, is_admin=False)
        except people.Refused as error:
            refused.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=pair) for pair in pairs]
    [thread.start() for thread in threads]
    [thread.join(PATIENCE) for thread in threads]
    assert Agent.objects.filter(is_admin=True, is_active=True).count() == 1
    assert len(refused) == 1


def test_joining_a_private_team_asks_the_password_and_tells_its_members(cast):
    ada = signed_in(cast.ada)
    form = {"agent": cast.ada.pk, "role": "agent"}
    answer = ada.post(f"/set-up/teams/{cast.hr.pk}/members/", form)
    assert "/account/reauthenticate/" in answer.headers["Location"]
    assert not Membership.objects.filter(team=cast.hr, agent=cast.ada).exists()
    ada.post(answer.headers["Location"], {"password": PASSWORD})
    assert Membership.objects.filter(team=cast.hr, agent=cast.ada).exists()
    came = Event.objects.filter(happening="joined_team", payload__agent=cast.ada.pk)
    assert came.filter(stream=cast.hugo.stream).exists()


def test_a_private_team_is_opened_from_inside_only(cast):
    ada = signed_in(cast.ada)
    form = {"name": "HR", "purpose": ""}
    answer = ada.post(f"/set-up/teams/{cast.hr.pk}/", as_shown(cast.hr, **form))
    assert answer.status_code == 422
    assert Team.objects.get(pk=cast.hr.pk).private
    cast.ada.join(cast.hr, "agent", by=None)
    assert ada.post(f"/set-up/teams/{cast.hr.pk}/", as_shown(cast.hr, **form)).status_code == 303
    assert not Team.objects.get(pk=cast.hr.pk).private


def test_there_is_always_one_team_for_the_rest(cast):
    ada = signed_in(cast.ada)
    assert (
        ada.post(f"/set-up/teams/{cast.marketing.pk}/", as_shown(cast.marketing, name="Marketing")).status_code == 422
    )
    ada.post(f"/set-up/teams/{cast.support.pk}/", as_shown(cast.support, name="Support", triage="on"))
    assert Team.objects.get(triage=True) == cast.support
    ada.post("/set-up/teams/new/", {"name": "Legal & Press", "purpose": "Letters"})
    assert Team.objects.get(name="Legal & Press").slug == "legal-press"


def test_managers_keep_the_members_of_their_own_teams(cast):
    max_ = signed_in(cast.max)
    text = max_.get("/set-up/teams/").content.decode()
    assert "Support" in text
    assert "Product" not in text
    assert max_.get(f"/set-up/teams/{cast.product.pk}/").status_code == 404
    assert max_.get("/set-up/teams/new/").status_code == 404
    form = {"agent": cast.pia.pk, "role": "agent"}
    assert max_.post(f"/set-up/teams/{cast.hr.pk}/members/", form).status_code == 404
    max_.post(f"/set-up/teams/{cast.support.pk}/members/", form)
    assert Membership.objects.filter(team=cast.support, agent=cast.pia).exists()
    form = as_shown(cast.pia.memberships.get(team=cast.support), agent=cast.pia.pk, role="none")
    max_.post(f"/set-up/teams/{cast.support.pk}/members/", form)
    assert not Membership.objects.filter(team=cast.support, agent=cast.pia).exists()


def test_a_manager_cannot_wall_off_a_team_or_take_the_rest(cast):
    form = as_shown(cast.support, name="Support", private="on", triage="on")
    signed_in(cast.max).post(f"/set-up/teams/{cast.support.pk}/", form)
    kept = Team.objects.get(pk=cast.support.pk)
    assert not kept.private
    assert not kept.triage


@pytest.mark.parametrize("name", ["ana", "hugo", "pia", "eva", "otto"])
def test_set_up_does_not_exist_for_agents(cast, name):
    client = signed_in(getattr(cast, name))
    for address in ("/set-up/teams/", f"/set-up/teams/{cast.support.pk}/", "/set-up/agents/", "/set-up/health/"):
        assert client.get(address).status_code == 404, address
    form = {"agent": getattr(cast, name).pk, "role": "manager", "is_admin": "yes"}
    assert client.post(f"/set-up/teams/{cast.support.pk}/members/", form).status_code == 404
    assert client.post(f"/set-up/agents/{form['agent']}/rights/", form).status_code == 404


def test_a_new_link_for_an_account_asks_the_password_and_tells_its_owner_and_their_private_team(cast):
    cast.pia.join(cast.hr, "agent", by=None)
    ada = signed_in(cast.ada)
    answer = ada.post(f"/set-up/agents/{cast.hugo.pk}/invitation/")
    assert "/account/reauthenticate/" in answer.headers["Location"]
    assert not Invitation.objects.exists()
    answer = ada.post(answer.headers["Location"], {"password": PASSWORD})
    assert "/invitation/" in answer.content.decode()
    for told in (cast.hugo, cast.pia):
        assert "a new invitation for Hugo" in signed_in(told).get("/notices/").content.decode()
    assert "a new invitation for Hugo" not in signed_in(cast.ana).get("/notices/").content.decode()


def test_inviting_into_a_private_team_asks_the_password(cast):
    ada = signed_in(cast.ada)
    form = {"name": "Nadia", "email": "nadia@acme.example", "team": cast.hr.pk, "role": "agent"}
    answer = ada.post("/set-up/agents/", form)
    assert "/account/reauthenticate/" in answer.headers["Location"]
    assert not Agent.objects.filter(email="nadia@acme.example").exists()
    ada.post(answer.headers["Location"], {"password": PASSWORD})
    assert Agent.objects.get(email="nadia@acme.example").memberships.get().team == cast.hr


def test_who_is_told_of_a_new_member_of_a_private_team_reads_it_under_notices(cast):
    cast.ada.join(cast.hr, "agent", by=cast.ada)
    assert "Ada made agent Ada agent of team HR" in signed_in(cast.hugo).get("/notices/").content.decode()


def test_who_joins_or_leaves_a_team_reads_it_under_notices(cast):
    cast.pia.join(cast.support, "agent", by=cast.ada)
    cast.pia.leave(cast.support, by=cast.ada)
    said = signed_in(cast.pia).get("/notices/").content.decode()
    assert "Ada made agent Pia agent of team Support" in said
    assert "Ada ended agent Pia&#x27;s membership of team Support" in said
    assert "changed the rights" not in said


def test_a_new_team_is_no_news_of_anybodys_rights(cast):
    ada = signed_in(cast.ada)
    ada.post("/set-up/teams/new/", {"name": "Legal"})
    assert "changed the rights" not in ada.get("/notices/").content.decode()
    assert "made the team Legal" in ada.get("/set-up/history/").content.decode()
    people.change_rights(Agent.objects.get(pk=cast.ana.pk), cast.ada, is_reader=True)
    assert "Ada changed the rights of agent Ana" in signed_in(cast.ana).get("/notices/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_one_address_invited_by_many_at_once_is_one_account_and_said(cast):
    made = in_threads(*[partial(people.invite, "nadia@acme.example", "Nadia", cast.ada)] * 6)
    refused = [each for each in made if isinstance(each, people.Refused)]
    assert [str(each) for each in refused] == ["Somebody with this e-mail address is here already."] * 5
    assert all(each.__cause__ is None for each in refused)
    assert Agent.objects.filter(email="nadia@acme.example").count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_team_kept_by_many_at_once_is_one_team_and_said(cast):
    given = {"name": "Legal", "purpose": "", "private": False, "triage": False}
    made = in_threads(*(partial(people.change_team, Team(slug="legal"), cast.ada, given) for _ in range(6)))
    assert sorted(map(str, made)) == ["None"] + ["Something else has its name now."] * 5
    assert Team.objects.filter(name="Legal").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_teams_that_take_the_rest_at_once_leave_one_and_say_so(cast):
    given = {"purpose": "", "private": False, "triage": True}
    names = ("legal", "press", "sales")
    made = in_threads(*(partial(people.change_team, Team(slug=n), cast.ada, {**given, "name": n}) for n in names))
    assert not [each for each in made if each is not None and not isinstance(each, people.Refused)]
    assert Team.objects.filter(triage=True).count() == 1


def test_the_list_of_teams_costs_the_same_for_many(cast):
    def cost():
        with CaptureQueriesContext(connection) as asked:
            assert "Hugo" in ada.get("/set-up/teams/").content.decode()
        return len(asked)

    ada = signed_in(cast.ada)
    cost()  # what a process looks up once
    few = cost()
    for number in range(10):
        cast.ana.join(Team.objects.create(name=f"Team {number}", slug=f"team-{number}"), "agent", by=None)
    assert cost() == few


def test_disabling_frees_what_is_snoozed_done_or_owned_by_right_of_an_admin(cast):
    channel = Channel.objects.create(name="@acme", network="demo")
    offer(channel, post(1), post(2, author="theo"), post(3, author="ines"))
    snoozed, done, open_one = Conversation.objects.order_by("id")
    cast.max.change_rights(None, is_admin=True)
    for conversation in (snoozed, done, open_one):
        conversation.claim(cast.ada)
    snoozed.snooze(timezone.now() + timedelta(hours=1), cast.ada)
    done.close(cast.ada)
    people.disable(cast.ada, Agent.objects.get(pk=cast.max.pk))
    assert set(Conversation.objects.values_list("agent_id", flat=True)) == {None}
    assert differences() == {}
    told = Event.objects.filter(happening="released", echo=False).values_list("conversation_id", "seq")
    open_one.refresh_from_db()
    assert set(told) == {(snoozed.pk, snoozed.seen_seq + 1), (open_one.pk, open_one.seen_seq)}


@pytest.mark.django_db(transaction=True)
def test_leaving_a_team_and_closing_its_work_at_once_do_not_deadlock(cast, monkeypatch):
    channel = Channel.objects.create(name="@acme", network="demo")
    offer(channel, post(1), post(2, author="theo"))
    keys = list(Conversation.objects.order_by("id").values_list("pk", flat=True))
    for conversation in Conversation.objects.all():
        conversation.claim(cast.mona)
    counted, closing, errors = threading.Event(), threading.Event(), []
    add = tally.add

    def slow(change):
        """Whoever leaves holds the counters until somebody who closes wants them, or stands before a locked row."""
        leaves = threading.current_thread() is threads[0]
        if not leaves:
            closing.set()
        add(change)
        if leaves:
            counted.set()
            closing.wait(1)

    def run(work):
        try:
            work()
        except OperationalError as error:
            errors.append(str(error))
        finally:
            connection.close()

    def close(pk):
        counted.wait(PATIENCE)
        Conversation.objects.get(pk=pk).close(cast.max)

    monkeypatch.setattr(tally, "add", slow)
    works = [lambda: cast.mona.leave(cast.marketing, None), *(partial(close, pk) for pk in keys)]
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    [thread.start() for thread in threads]
    [thread.join(PATIENCE) for thread in threads]
    assert errors == []
    assert set(Conversation.objects.values_list("agent_id", "state")) == {(None, 4)}
    assert differences() == {}


def test_a_new_password_ends_what_was_opened_with_the_old_one(cast):
    before = cast.hugo.rights_version
    token = Invitation.make(cast.hugo, None).rstrip("/").rpartition("/")[2]
    assert Invitation.objects.of_token(token).accept("another long sentence")
    accepted = Agent.objects.get(pk=cast.hugo.pk).rights_version
    assert accepted > before
    form = {"oldpassword": "another long sentence", "password1": PASSWORD * 2, "password2": PASSWORD * 2}
    signed_in(Agent.objects.get(pk=cast.hugo.pk)).post("/account/password/change/", form)
    hugo = Agent.objects.get(pk=cast.hugo.pk)
    assert hugo.check_password(PASSWORD * 2)
    assert hugo.rights_version > accepted


def test_who_does_nothing_for_two_hours_is_signed_out_though_the_page_asks_by_itself(cast):
    ana = signed_in(cast.ana)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert ana.get("/views/all/").status_code == 200
        for _ in range(3):
            clock.shift(timedelta(minutes=30))
            assert ana.get("/views/counts/").status_code == 200
        assert ana.get("/views/all/").status_code == 200
        clock.shift(timedelta(minutes=119))
        assert ana.get("/views/counts/").status_code == 200
        clock.shift(timedelta(minutes=2))
        assert ana.get("/views/all/").status_code == 302


def test_signing_in_leaves_no_words_behind(cast):
    client = Client()
    client.post("/account/login/", {"login": "ada@acme.example", "password": PASSWORD})
    assert "Successfully signed in" not in client.get("/set-up/agents/").content.decode()


def test_people_say_themselves_where_they_are_and_snooze_by_it(cast):
    ana, page = signed_in(cast.ana), "/account/time-zone/"
    assert f'href="{page}"' in ana.get("/views/all/").content.decode()
    assert ana.post(page, {"zone": "Mars/Olympus"}).status_code == 422
    assert ana.post(page, {"zone": "Asia/Tokyo"}).status_code == 303
    assert '<option value="Asia/Tokyo" selected>' in ana.get(page).content.decode()
    cast.ana.refresh_from_db()
    with timezone.override(zone_of(cast.ana)):
        morning = snooze_until("tomorrow", datetime(2026, 6, 1, tzinfo=UTC))
    assert morning == datetime(2026, 6, 2, 0, tzinfo=UTC)

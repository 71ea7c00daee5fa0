"""The door for the question after a bell: it answers what Django answers, byte for byte, to the same people; whatever
was revoked is revoked with the next question; and it answers many with as many statements as one."""

import http.client
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlencode

import pytest
from django.contrib.sessions.models import Session
from django.core.signals import request_started
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inbox import shared
from inbox.models import Draft
from socialcare import asking, idle
from socialcare.first_run import Progress
from tests.conftest import make_cast
from tests.waiting import PATIENCE
from tests.web import serving
from tests.world import make_channel, write

READERS = ("ana", "max", "hugo", "pia", "mona", "ada", "eva", "otto")
VIEWS = ("all", "mine", "unassigned", "failed", "snoozed", "done", "spam", "heard", "support", "product", "hr", "none")
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def signed_in(agent):
    client = Client(headers={"HX-Request": "true"})
    client.force_login(agent, backend=BACKEND)
    client.get("/")  # notes the first use of the session
    return client


def scope(client, slug="support", query=None, **more):
    headers = [(b"host", b"testserver"), (b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())]
    asked = urlencode({"since": "", "held": "3"} if query is None else query)
    request = {"type": "http", "method": "GET", "scheme": "http", "path": f"/views/{slug}/", "headers": headers}
    return {**request, "query_string": asked.encode(), **more}


def asked(client, slug="support", query=None, **more):
    """What the door says to this; None when it leaves the question to Django."""
    question = asking.read(scope(client, slug, query, **more))
    return asking.answer([question])[0] if question else None


@pytest.fixture
def house(cast):
    channel = make_channel()
    teams = (cast.support, cast.product, cast.marketing, cast.hr)
    cast.threads = {team.slug: write(channel, f"about {team.slug}", team, author=team.slug) for team in teams}
    cast.threads["support"].claim(cast.ana)
    assert Progress.is_finished()
    return cast


def mark_of(house):
    return {"since": f"{house.support.stream}=1"}


@pytest.mark.parametrize("who", READERS)
def test_it_says_what_django_says_to_everybody_in_every_view(house, who):
    client = signed_in(getattr(house, who))
    answered = 0
    for slug in VIEWS:
        for query in ({"since": ""}, mark_of(house), {"since": "", "held": "60", "order": "priority"}):
            usual, said = client.get(f"/views/{slug}/", query), asked(client, slug, query)
            assert (said is None) == (usual.status_code == 404), (slug, query)
            if said:
                answered += 1
                assert (said.status, said.body) == (usual.status_code, usual.content), (slug, query)
                mine = {name.decode().title(): value.decode() for name, value in said.headers}
                theirs = {name.title(): value for name, value in usual.headers.items()}
                assert mine.pop("Content-Length", "0") == theirs.pop("Content-Length", "0")
                del mine["Vary"], theirs["Vary"]  # an answer that nobody may store
                assert mine == theirs
    assert bool(answered) == (who not in ("eva", "otto"))


@pytest.mark.parametrize("who", [who for who in READERS if who != "hugo"])
def test_a_private_team_is_in_nobody_elses_answer(house, who):
    client = signed_in(getattr(house, who))
    for slug in VIEWS:
        said = asked(client, slug, {"since": f"{house.hr.stream}=0"})
        assert said is None or b"about hr" not in said.body
    assert asked(client, "hr") is None


def leave_the_team(house):
    house.ana.leave(house.support, by=house.ada)


def switch_off(house):
    house.ana.change_rights(house.ada, is_active=False)


def new_password(house):
    house.ana.set_password("another long password")
    house.ana.save(update_fields=["password"])


def end_every_session(house):
    Session.objects.all().delete()


def run_out(house):
    Session.objects.update(expire_date="2020-01-01T00:00Z")


@pytest.mark.parametrize("revoke", [leave_the_team, switch_off, new_password, end_every_session, run_out])
def test_what_is_revoked_is_revoked_with_the_next_question(house, revoke):
    client = signed_in(house.ana)
    assert b"about support" in asked(client).body
    assert b"about support" in asked(client).body  # what is kept for others is not kept for who may not read it
    revoke(house)
    assert asked(client) is None
    assert asked(client, "all") is None
    assert client.get("/views/support/", {"since": ""}).status_code in (401, 404)


def test_a_team_made_private_is_gone_for_an_admin_with_the_next_question(house):
    client = signed_in(house.ada)
    assert b"about support" in asked(client).body
    house.support.private = True
    house.support.save(update_fields=["private"])
    assert asked(client) is None
    assert b"about support" not in asked(client, "all").body


def test_who_was_idle_for_long_is_signed_out_by_django(house, monkeypatch):
    client = signed_in(house.ana)
    assert asked(client)
    monkeypatch.setattr(idle, "LONGEST", -1)
    assert asked(client) is None


def test_a_session_nobody_used_yet_is_noted_by_django(house):
    client = Client()
    client.force_login(house.ana, backend=BACKEND)
    assert asked(client) is None


@pytest.mark.parametrize(
    "unusual",
    [
        {"method": "POST"},
        {"method": "HEAD"},
        {"path": "/views/support/more/"},
        {"query_string": b""},
        {"query_string": b"since=&tag=refund"},
        {"query_string": b"since=&since=team:1=4"},
        {"headers": [(b"host", b"testserver")]},
        {"headers": [(b"host", b"elsewhere.example"), (b"cookie", b"sessionid=x")]},
        {"headers": [(b"host", b"testserver"), (b"cookie", b"sessionid=x")]},
    ],
)
def test_what_is_unusual_is_left_to_django(house, unusual):
    client = signed_in(house.ana)
    assert asked(client)
    assert asked(client, **unusual) is None


def test_many_are_answered_with_as_many_statements_as_one_and_each_has_marks_of_their_own(house):
    one = house.threads["support"]
    Draft.objects.create(agent=house.max, conversation=one, text="Dear Carla")
    clients = [signed_in(agent) for agent in (house.ana, house.max, house.ada) for _ in range(4)]
    questions = [asking.read(scope(client, query=mark_of(house))) for client in clients]
    counts = []
    for some in (questions[:1], questions):
        shared._made.clear()
        with CaptureQueriesContext(connection) as seen:
            said = asking.answer(some)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 8
    with CaptureQueriesContext(connection) as seen:
        asking.answer(questions)
    assert len(seen) <= 5
    assert [f'drafts="{one.pk}"'.encode() in one_said.body for one_said in said] == [False] * 4 + [True] * 4 + [
        False
    ] * 4


@pytest.mark.django_db(transaction=True)
def test_over_the_wire_a_session_that_ended_is_told_so_at_once(settings):
    house = make_cast()
    one = write(make_channel(), "my parcel is late", house.support)
    with serving(settings) as web:
        client = signed_in(house.ana)
        cookie = {"Cookie": f"sessionid={client.cookies['sessionid'].value}", "HX-Request": "true"}

        def ask(_=None):
            with closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=PATIENCE)) as line:
                line.request("GET", "/views/support/?since=&held=5", headers=cookie)
                answer = line.getresponse()
                return answer.status, answer.read()

        of_django = []

        def heard(**told):
            of_django.append(told)

        request_started.connect(heard, weak=False, dispatch_uid="of django")
        with ThreadPoolExecutor(12) as many:
            answers = list(many.map(ask, range(36)))
        request_started.disconnect(dispatch_uid="of django")
        assert not of_django
        assert {status for status, _ in answers} == {200}
        assert all(f"conversation-{one.pk}".encode() in body for _, body in answers)
        client.post("/account/logout/")
        assert ask()[0] == 401

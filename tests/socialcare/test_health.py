"""How the installation fares, for people, machines and probes."""

import json
import re
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from connectors.models import Channel
from inbox.models import Agent
from socialcare.away import is_away
from tests.world import make_channel, write


def test_probes_need_no_login_and_say_nothing_more(db, client):
    for address in ("/livez", "/readyz"):
        answer = client.get(address)
        assert (answer.status_code, answer.content) == (200, b"ok\n")


@contextmanager
def nobody_at_the_database():
    """Every new connection is refused, as while the server is started again."""
    at = connection.settings_dict["PORT"]
    connection.close()
    connection.settings_dict["PORT"] = "1"
    try:
        yield
    finally:
        connection.settings_dict["PORT"] = at
        connection.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_while_the_database_is_away_each_page_says_so_in_a_line(cast, client, caplog, headers):
    conversation = write(make_channel(), "my parcel", cast.support)
    client.force_login(cast.ana)
    client.raise_request_exception = False
    asked = [("get", "/views/all/"), ("post", f"/conversations/{conversation.pk}/claim/")]
    with nobody_at_the_database():
        answers = [getattr(client, method)(address, headers=headers) for method, address in asked]
    for answer in answers:
        assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (503, "5", "no-store")
        assert "The database does not answer" in answer.content.decode()
    told = [record for record in caplog.records if record.name.startswith("django")]
    assert [record.getMessage() for record in told] == [
        f"Service Unavailable: {address} (the database does not answer)" for _, address in asked
    ]
    assert not any(record.exc_info for record in told)
    assert client.get("/views/all/").status_code == 200


@pytest.mark.django_db
def test_a_statement_that_takes_too_long_is_a_fault_of_the_page(cast):
    with pytest.raises(OperationalError) as late, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 10")
        cursor.execute("SELECT pg_sleep(5)")
    assert not is_away(late.value)
    assert not is_away(ValueError())


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_cut_is_a_database_that_is_away(cast):
    with pytest.raises(OperationalError) as cut, connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()
    assert is_away(cut.value)


def test_the_figures_name_what_needs_somebody(cast, client):
    Channel.objects.create(name="@acme", network="demo", state="reconnect", fault_words="It was revoked.")
    Channel.objects.create(name="late", network="demo", next_poll_at=timezone.now() - timedelta(hours=1))
    client.force_login(cast.ada)
    text = client.get("/set-up/health/").content.decode()
    assert "@acme: It was revoked." in text
    assert "late is due and nobody reads it." in text


def test_the_page_tells_of_each_channel_how_late_its_posts_are(cast, client):
    began = timezone.now() - timedelta(hours=2)
    quick, slow = (make_channel(name, created_at=began) for name in ("quick", "slow"))
    write(quick, "my parcel", cast.support, ago=3)
    write(slow, "my parcel", cast.support, author="theo", ago=600)
    client.force_login(cast.ada)
    text = client.get("/set-up/health/").content.decode()
    shown = re.findall(r'within"?>(\d+ \w+) <span class="quiet">n = 1<', text)
    assert shown in (["3 s", "10 min"], ["4 s", "10 min"])


@pytest.mark.parametrize("page", ["channels", "rules", "teams", "agents", "health"])
def test_the_pane_marks_the_page_of_the_set_up_that_is_open(cast, client, page):
    client.force_login(cast.ada)
    text = client.get(f"/set-up/{page}/").content.decode()
    assert re.findall(r'href="([^"]+)" aria-current="page"', text) == [f"/set-up/{page}/"]


def test_the_command_gives_the_same_as_json_and_fails_when_somebody_is_needed(cast):
    out = StringIO()
    with suppress(SystemExit):  # the scratch database of the tests does not sync, which is a worry
        call_command("health", "--json", stdout=out)
    found = json.loads(out.getvalue())
    assert [worry for worry in found["worries"] if "database runs with" not in worry] == []
    assert found["outbox"]["queued"] == 0
    Channel.objects.create(name="@acme", network="demo", state="needs_key")
    with pytest.raises(SystemExit):
        call_command("health", stdout=StringIO())


def test_an_agent_is_added_from_the_command_line(cast):
    out = StringIO()
    call_command("agent", "add", "nadia@acme.example", "Nadia", "--team", "support", "--manager", stdout=out)
    assert "/invitation/" in out.getvalue()
    assert Agent.objects.get(name="Nadia").manages(cast.support.pk)
    with pytest.raises(CommandError, match="no team"):
        call_command("agent", "add", "x@acme.example", "X", "--team", "nothing")


@pytest.mark.parametrize(
    ("email", "name", "words"),
    [
        ("nadia", "Nadia", "email: Enter a valid email address."),
        (f"{'n' * 242}@acme.example", "Nadia", "email: "),
        ("nadia@acme.example", "", "name: This field is required."),
        ("nadia@acme.example", "Na\ndia", "name: It contains characters that cannot be seen."),
        ("nadia@acme.example", "n" * 81, "name: Ensure this value has at most 80 characters"),
    ],
)
def test_an_account_that_the_page_would_not_make_is_not_made_from_the_command_line(cast, email, name, words):
    with pytest.raises(CommandError, match=words):
        call_command("agent", "add", email, name, "--admin", stdout=StringIO())
    assert not Agent.objects.filter(email=email).exists()


def test_a_secret_that_is_no_text_is_refused_in_words(cast, monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO("\udcff\udcfe\n"))
    with pytest.raises(CommandError, match="what was given is not UTF-8"):
        call_command("channel", "add", "webhook", "Shop", stdout=StringIO())
    assert not Channel.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_channel_is_kept_from_the_command_line(cast, monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO("s3cret\n\n"))
    out = StringIO()
    call_command("channel", "add", "webhook", "Shop", "--team", "support", stdout=out)
    channel = Channel.objects.get()
    assert (channel.team, set(channel.sealed)) == (cast.support, {"secret"})
    call_command("channel", "pause", "Shop", stdout=out)
    call_command("channel", "list", stdout=out)
    assert "paused" in out.getvalue()
    call_command("channel", "resume", "Shop", stdout=out)
    call_command("channel", "poll", "Shop", stdout=out)
    with pytest.raises(CommandError, match="no setting"):
        call_command("channel", "add", "webhook", "Other", "color=red")


def test_the_command_line_lists_of_a_channel_what_its_page_says(cast, capsys):
    now = timezone.now()
    words = {"fault": "Unavailable", "fault_words": "It answers with errors.", "state": "slow"}
    one = make_channel("@slow", last_read_at=now - timedelta(hours=2), next_poll_at=now + timedelta(minutes=9), **words)
    make_channel("@paused", paused=True)
    make_channel("@zeta", **words | {"fault": "NotPermitted"}, next_poll_at=now + timedelta(hours=6))
    call_command("channel", "list")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("@slow")
    assert lines[0].endswith("It answers with errors.")
    assert f"last read {timezone.localtime(one.last_read_at):%Y-%m-%d %H:%M:%S}" in lines[1]
    assert f"next read {timezone.localtime(one.next_poll_at):%Y-%m-%d %H:%M:%S}" in lines[1]
    assert "lateness: no posts today; fault: Unavailable; Nothing to do yet" in lines[1]
    assert re.match("@zeta .* not permitted", lines[2])
    assert "fault: NotPermitted; Somebody has to permit it." in lines[3]
    assert lines[4].startswith("@paused")
    assert "last read not yet; next read when it listens again" in lines[5]

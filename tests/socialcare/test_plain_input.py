"""What anybody can type into an address or a form: it is refused in words or taken, and never fails the server."""

from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from connectors.base import Connector
from inbox.desk import View
from inbox.models import Draft, Membership, Team
from inbox.pane import slug_of
from routing.models import Rule
from tests.routing.test_rule_pages import filled, make
from tests.world import make_channel, write

NUMBERS = ("9" * 5_000, "9" * 30, "²", "٣", "-1", "1.0", "")


@pytest.mark.parametrize("path", ["/hooks/a%00b/", "/%00", "/invitation/a%00b/", "/first-run/open/a%00/"])
def test_a_nul_in_an_address_is_refused_without_a_login(cast, client, path):
    answer = client.get(path)
    assert answer.status_code == 400
    assert "That cannot be read" in answer.content.decode()


@pytest.mark.parametrize(
    "path",
    ["/views/all/?tag=%00", "/views/all/?agent=%00", "/palette/?q=%00a", "/search/?q=%00", "/views/a%00/", "/?%00=1"],
)
def test_a_nul_in_what_an_agent_asks_for_is_refused(cast, client, path):
    client.force_login(cast.ana)
    assert client.get(path).status_code == 400


def test_a_percent_sign_before_two_noughts_is_no_nul(cast, client):
    client.force_login(cast.ana)
    assert client.get("/search/?q=100%2500").status_code == 200


def test_a_nul_in_a_form_is_refused_and_changes_nothing(cast, client):
    client.force_login(cast.ada)
    form = filled(**{"w.0.is": "text_pattern", "w.0.f.pattern": "a\0b"})
    assert client.post("/set-up/rules/new/", form).status_code == 400
    assert client.post("/set-up/teams/new/", {"name": "a\0b"}).status_code == 400
    assert client.post("/set-up/teams/new/", {"name": "Legal", "x\0": "1"}).status_code == 400
    assert not Rule.objects.filter(name="Refunds").exists()
    assert Team.objects.count() == 4


def test_a_nul_inside_an_uploaded_file_is_the_files_own(cast, client):
    client.force_login(cast.ana)
    pk = write(make_channel(), "my parcel is late", cast.support).pk
    given = SimpleUploadedFile("note.txt", b"a\0b", "text/plain")
    assert client.post(f"/conversations/{pk}/files/", {"kind": "reply", "new": given}).status_code != 400


@pytest.mark.parametrize("host", ["localhost:8000", "192.168.7.7:8000", "a b", "evil.example"])
def test_under_another_name_the_way_to_our_address_is_shown_and_the_log_has_one_line(
    cast, client, settings, caplog, host
):
    settings.ALLOWED_HOSTS, settings.PUBLIC_URL = ["127.0.0.1"], "http://127.0.0.1:8000"
    answer = client.get("/", headers={"Host": host})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "This installation is at http://127.0.0.1:8000." in page
    assert 'href="http://127.0.0.1:8000"' in page
    assert host not in page
    [record] = [record for record in caplog.records if "HTTP_HOST" in record.getMessage()]
    assert record.exc_info is None


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_a_line_ends_as_the_box_showed_it_however_the_browser_sends_it(cast, client, ending):
    client.force_login(cast.ana)
    one = write(make_channel(), "my parcel is late", cast.support)
    at, typed = f"/conversations/{one.pk}/", "Hello Carla,\n\nwe look into it."
    sent = typed.replace("\n", ending)
    client.post(f"{at}draft/", {"kind": "note", "text": f"{sent}{ending}", "version": 0})
    assert Draft.objects.get().text == f"{typed}\n"
    assert client.post(f"{at}notes/", {"text": sent, "key": uuid4()}).status_code == 303
    answer = {"text": sent, "key": uuid4(), "seen_seq": one.seen_seq, "kind": "reply"}
    assert client.post(f"{at}replies/", answer).status_code == 303
    assert (one.notes.get().text, one.replies.get().text) == (typed, typed)


def test_an_answer_of_many_lines_that_just_fits_is_taken(cast, client):
    client.force_login(cast.ana)
    one = write(make_channel(), "my parcel is late", cast.support)
    limit = Connector.named("demo").text_rule.limit
    typed = "\n".join(["a" * 9] * (limit // 10)) + "b"
    assert len(typed) == limit
    answer = {"text": typed.replace("\n", "\r\n"), "key": uuid4(), "seen_seq": one.seen_seq, "kind": "reply"}
    assert client.post(f"/conversations/{one.pk}/replies/", answer).status_code == 303


@pytest.mark.parametrize("text", [" \u200b ", "\u202e\u202e", "\u2060", "\u3164", "\u2800\n", "\ufe0f"])
@pytest.mark.parametrize("kind", ["replies", "notes"])
def test_what_nobody_could_see_is_not_said(cast, client, kind, text):
    client.force_login(cast.ana)
    one = write(make_channel(), "my parcel is late", cast.support)
    said = {"text": text, "key": uuid4(), "seen_seq": one.seen_seq, "kind": "reply"}
    answer = client.post(f"/conversations/{one.pk}/{kind}/", said)
    assert answer.status_code == 422
    assert "Write something first." in answer.content.decode()


@pytest.mark.parametrize("text", ["👍", "!", "می‌خواهم", "e\u0301", "\ue000", "한"])
def test_a_single_sign_in_any_script_is_said(cast, client, text):
    client.force_login(cast.ana)
    one = write(make_channel(), "my parcel is late", cast.support)
    said = {"text": text, "key": uuid4(), "seen_seq": one.seen_seq, "kind": "reply"}
    assert client.post(f"/conversations/{one.pk}/replies/", said).status_code == 303


@pytest.mark.parametrize("name", ["Saved 1", "Saved customers", "All", "Team all", "Team mine"])
def test_a_team_of_any_name_has_a_view_of_its_own(cast, client, name):
    client.force_login(cast.ada)
    for each in ("All", "Team all", name):
        client.post("/set-up/teams/new/", {"name": each})
    team = Team.objects.get(name=name)
    Membership.objects.create(agent=cast.ada, team=team, role="agent")
    page = client.get(reverse("inbox:view", args=[slug_of(team)]))
    assert (page.status_code, slug_of(team) in View.kinds()) == (200, False)
    assert len({slug_of(each) for each in Team.objects.all()}) == Team.objects.count()


def test_a_teams_name_in_other_letters_is_no_other_name(cast, client):
    client.force_login(cast.ada)
    answer = client.post("/set-up/teams/new/", {"name": "suPPort"})
    assert "A team is called that already" in answer.content.decode()


def test_what_is_no_number_moves_no_rule_and_is_said(cast, client):
    first, second = make("Refunds", ["refund"], cast.support), make("Praise", ["thank*"], cast.support)
    client.force_login(cast.ada)
    for number in NUMBERS:
        answer = client.post(f"/set-up/rules/{first.pk}/place/", {"to": number}, follow=True)
        assert "A place is a whole number." in answer.content.decode(), number
    assert list(Rule.objects.order_by("position")) == [first, second]


def test_a_place_behind_the_last_is_told_as_the_last(cast, client):
    first, second = make("Refunds", ["refund"], cast.support), make("Praise", ["thank*"], cast.support)
    client.force_login(cast.ada)
    client.post(f"/set-up/rules/{first.pk}/place/", {"to": "999999"})
    assert list(Rule.objects.order_by("position")) == [second, first]
    assert "to place 2" in client.get("/set-up/history/").content.decode()


def test_what_is_no_number_fails_no_other_page(cast, client):
    rule = make("Refunds", ["refund"], cast.support)
    client.force_login(cast.ada)
    for number in NUMBERS:
        asked = {"agent": number, "role": "agent"}
        assert client.post(f"/set-up/teams/{cast.support.pk}/members/", asked).status_code == 404, number
        edits = ({"do": f"remove-action:{number}"}, {"do": f"remove:w.{number}"}, {"do": f"add:w.{number}"})
        for given in (*edits, {"version": number}):
            assert client.post(f"/set-up/rules/{rule.pk}/", filled(**given)).status_code < 500, number
        topic = {"name": "x", "query": "acme", "channels": number}
        assert client.post("/topics/new/", topic).status_code < 500, number
        for asked in ({"since": "0", "held": number}, {"after": "x", "shown": number}):
            assert client.get("/views/all/", asked).status_code < 500, number


NAMED = {
    "/set-up/agents/": {"name": "Nadia", "email": "nadia@acme.example", "role": "agent"},
    "/set-up/teams/new/": {"name": "Returns"},
    "/set-up/organisation/": {"name": "Acme", "zone": "Europe/Lisbon"},
    "/set-up/channels/connect/webhook/": {"channel_name": "Shop", "secret": "s3cret"},
    "/views/all/save/": {"name": "Late", "whose": "me"},
}


@pytest.mark.parametrize("address", NAMED)
@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u2028", "\x1b", "\ufeff"])
def test_a_name_of_ours_has_nothing_that_turns_or_hides_text(cast, client, address, hidden):
    client.force_login(cast.ada)
    field = "channel_name" if "channel_name" in NAMED[address] else "name"
    named = NAMED[address] | {field: f"a{hidden}b"}
    answer = client.post(address, named)
    assert "It contains characters that cannot be seen." in answer.content.decode()


@pytest.mark.parametrize("name", ["Zoë", "نادیه", "می‌خواهم", "👩‍👩‍👧 Returns", "O’Hara"])
def test_a_name_may_be_written_in_any_script(cast, client, name):
    client.force_login(cast.ada)
    assert client.post("/set-up/teams/new/", {"name": name}).status_code == 303
    assert Team.objects.filter(name=name).exists()

"""Who may see and do what on the desk: every address for every member of the cast. What is not yours is not there,
and looks exactly like what does not exist."""

import re
import uuid

import pytest
from django.urls import get_resolver

from inbox.files import judged
from inbox.models import Attachment
from inbox.urls import urlpatterns
from tests.inbox.test_files import picture
from tests.world import make_channel, without_tokens, write

TOKENS = re.compile(r'(csrfmiddlewaretoken" value=")[^"]+')
ABSENT = 999_999
POSTS = {
    "claim": {},
    "release": {},
    "assignment": {"to": "team:1"},
    "closure": {},
    "reopening": {},
    "snooze": {"until": "hour"},
    "spam": {},
    "tags": {"tags": "x"},
    "priority": {"priority": 5},
    "notes": {"text": "hello", "key": str(uuid.uuid4())},
    "replies": {"text": "hello", "key": str(uuid.uuid4()), "seen_seq": 0, "kind": "reply"},
    "draft": {"kind": "reply", "text": "x", "version": 0},
    "presence": {"doing": "viewing"},
    "seen": {"seq": 1},
    "files": {"kind": "reply"},
    "network": {"verb": "like", "mention": 1, "key": str(uuid.uuid4())},
}
PAGES = ("", "assignment/", "presence/", "trace/")
ELSEWHERE = {"replies", "trace", "pictures", "enclosures"}  # what is done to one reply, and what can only be read


@pytest.fixture
def threads(cast):
    channel = make_channel()
    support = write(channel, "my parcel is late", cast.support)
    hr = write(channel, "a job question", cast.hr, author="ines")
    return {"support": support, "hr": hr}


READERS = {"support": {"ana", "max", "ada"}, "hr": {"hugo"}}
EVERYBODY = ("ana", "max", "hugo", "pia", "mona", "ada", "eva", "otto")


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize("team", ["support", "hr"])
def test_a_conversation_is_there_only_for_those_who_read_its_team(cast, threads, client, who, team):
    client.force_login(getattr(cast, who))
    pk, readable = threads[team].pk, who in READERS[team]
    for page in PAGES:
        answer, absent = client.get(f"/conversations/{pk}/{page}"), client.get(f"/conversations/{ABSENT}/{page}")
        assert answer.status_code == (200 if readable else 404), page
        if not readable:
            assert body(answer) == body(absent)
    since = client.get(f"/conversations/{pk}/?since=conversation:{pk}=0", headers={"HX-Request": "true"})
    assert since.status_code == (200 if readable else 404)


def body(answer):
    return TOKENS.sub(r"\1", answer.content.decode())


@pytest.mark.parametrize("who", [who for who in EVERYBODY if who != "hugo"])
def test_nobody_else_can_do_anything_with_a_private_conversation(cast, threads, client, who):
    client.force_login(getattr(cast, who))
    pk = threads["hr"].pk
    for noun, data in POSTS.items():
        assert client.post(f"/conversations/{pk}/{noun}/", data).status_code == 404, noun
    before = (threads["hr"].seen_seq, threads["hr"].state, threads["hr"].agent_id)
    threads["hr"].refresh_from_db()
    assert (threads["hr"].seen_seq, threads["hr"].state, threads["hr"].agent_id) == before


def test_every_act_has_a_line_in_these_tests():
    paths = (str(pattern.pattern).partition("conversations/<int:pk>/")[2] for pattern in urlpatterns)
    nouns = {path.split("/")[0] for path in paths if path}
    assert nouns - ELSEWHERE == set(POSTS) - ELSEWHERE


def test_every_address_needs_a_login(cast, client):
    for pattern in urlpatterns:
        path = "/" + re.sub(r"<[^>]+>", "1", str(pattern.pattern).replace("<uuid:key>", str(uuid.uuid4())))
        answer = client.get(path)
        if str(pattern.pattern).startswith("lent/"):  # for a network that fetches a file: the address itself is the key
            assert answer.status_code == 404, path
            continue
        assert answer.status_code in (302, 405), path
        if answer.status_code == 302:
            assert "/account/login/" in answer.headers["Location"], path
    assert get_resolver().url_patterns


def test_the_queue_of_others_is_not_there_and_counts_say_nothing_of_it(cast, threads, client):
    client.force_login(cast.hugo)
    page = client.get("/views/all/").content.decode()  # what is kept of it now is not shown to others
    assert all(of_hr in page for of_hr in ("/views/hr/", "job question", ">Hugo<"))
    client.force_login(cast.ana)
    page = client.get("/views/all/").content.decode()
    assert not any(of_hr in page for of_hr in ("/views/hr/", ">Hugo<"))
    assert "my parcel is late" in page
    assert "job question" not in page
    assert "HR" not in without_tokens(client.get("/views/counts/").content.decode())
    assert client.get("/views/hr/").status_code == client.get("/views/product/").status_code == 404
    assert "job question" not in client.get("/palette/?q=job").content.decode()
    assert "Ines" not in without_tokens(client.get("/palette/?q=@ines").content.decode())


def test_the_palette_finds_open_conversations_only(cast, threads, client):
    client.force_login(cast.ana)
    assert "my parcel is late" in client.get("/palette/?q=parcel").content.decode()
    threads["support"].close(cast.ana)
    assert "my parcel is late" not in client.get("/palette/?q=parcel").content.decode()


def test_an_account_without_rights_has_a_calm_empty_page(cast, threads, client):
    client.force_login(cast.otto)
    assert client.get("/").status_code == 200
    assert "not in a team yet" in client.get("/").content.decode()
    assert client.get("/views/all/").status_code == 404
    assert client.get("/palette/?q=parcel").content.decode().strip() == ""


def test_handing_over_to_a_private_team_makes_the_conversation_vanish_for_the_giver(cast, threads, client):
    client.force_login(cast.ana)
    pk, mark = threads["support"].pk, f"team:{cast.support.pk}=0"
    answer = client.post(f"/conversations/{pk}/assignment/", {"to": f"team:{cast.hr.pk}", "view": "all"})
    assert answer.headers["Location"] == "/views/all/"
    assert client.get(f"/conversations/{pk}/").status_code == 404
    changes = client.get(f"/views/all/?since={mark}", headers={"HX-Request": "true"}).content.decode()
    assert 'data-gone="Moved away"' in changes
    assert "parcel" not in changes
    assert "Carla" not in changes


def test_members_of_a_private_team_are_not_named_to_others(cast, threads, client):
    client.force_login(cast.ana)
    page = client.get(f"/conversations/{threads['support'].pk}/assignment/").content.decode()
    assert "Hugo" not in without_tokens(page)
    given = client.post(
        f"/conversations/{threads['support'].pk}/assignment/", {"to": f"agent:{cast.hr.pk}:{cast.hugo.pk}"}
    )
    assert given.status_code == 404


def test_notes_of_a_private_team_stay_there_when_a_conversation_leaves_it(cast, threads, client):
    hr = threads["hr"]
    hr.note(cast.hugo, "salary talk", uuid.uuid4())
    hr.assign(cast.support, None, by=cast.hugo)
    client.force_login(cast.ana)
    assert "salary talk" not in client.get(f"/conversations/{hr.pk}/").content.decode()


def test_answers_of_a_private_team_and_their_files_stay_there_when_a_conversation_leaves_it(cast, threads, client):
    hr = threads["hr"]
    file = Attachment.add(cast.hugo, hr, "reply", judged(picture(), "letter.png"))
    parent = hr.last_inbound()
    theirs = hr.reply(cast.hugo, "salary answer", uuid.uuid4(), 0, parent=parent, anyway=True, files=[file.key])
    hr.assign(cast.support, None, by=cast.hugo)
    ours = hr.reply(cast.ana, "parcel answer", uuid.uuid4(), 0, parent=parent, anyway=True)
    client.force_login(cast.ana)
    page = client.get(f"/conversations/{hr.pk}/").content.decode()
    assert "parcel answer" in page
    assert "salary answer" not in page
    assert client.get(f"/conversations/{hr.pk}/files/{file.key}/").status_code == 404
    assert client.post(f"/conversations/{hr.pk}/replies/{theirs.pk}/undo/").status_code == 404
    assert client.post(f"/conversations/{hr.pk}/replies/{ours.pk}/undo/").status_code != 404
    client.force_login(cast.hugo)
    hr.assign(cast.hr, None, by=cast.ana)
    assert "salary answer" in client.get(f"/conversations/{hr.pk}/").content.decode()
    assert client.get(f"/conversations/{hr.pk}/files/{file.key}/").status_code == 200


def test_picking_the_number_of_a_private_conversation_does_nothing(cast, threads, client):
    client.force_login(cast.ana)
    picked = [threads["hr"].pk, threads["support"].pk]
    client.post("/views/all/bulk/", {"act": "closure", "conversation": picked})
    for one, state in ((threads["hr"], 0), (threads["support"], 4)):
        one.refresh_from_db()
        assert one.state == state

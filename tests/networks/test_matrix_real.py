"""Our Matrix connector against a real Synapse. It is not brought along; the tests are skipped where it is not there and
say how to get it."""

import hmac
import shutil
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from urllib.parse import quote

import pytest
import requests

from connectors.base import (
    Absent,
    AuthExpired,
    AuthRevoked,
    Budget,
    Found,
    Gone,
    Medium,
    Outgoing,
    PolicyRefused,
    PostKind,
    PostState,
    Secrets,
    Visibility,
)
from connectors.http import Seam
from connectors.networks.matrix import Matrix
from tests.networks.test_mail_real import free_port
from tests.waiting import soon

INSTALL = "Synapse is not on the PATH; an environment of its own with matrix-synapse brings synapse_homeserver"
pytestmark = [pytest.mark.networks, pytest.mark.skipif(not shutil.which("synapse_homeserver"), reason=INSTALL)]
NUMBERS = count()
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f00050001ff56c72f0d"
    "0000000049454e44ae426082"
)
LOOSE = """
registration_shared_secret: secret
trusted_key_servers: []
bcrypt_rounds: 4
refreshable_access_token_lifetime: 1s
caches: {sync_response_cache_duration: 0s}
rc_message: {per_second: 1000, burst_count: 1000}
rc_login: {address: {per_second: 1000, burst_count: 1000}, account: {per_second: 1000, burst_count: 1000}}
rc_joins: {local: {per_second: 1000, burst_count: 1000}}
rc_invites: {per_room: {per_second: 1000, burst_count: 1000}, per_user: {per_second: 1000, burst_count: 1000}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a homeserver."""
    folder, port = tmp_path_factory.mktemp("synapse"), free_port()
    config = folder / "homeserver.yaml"
    made = ["--server-name", "brand.example", "--generate-config", "--report-stats=no"]
    run = ["synapse_homeserver", "--config-path", str(config)]
    subprocess.run([*run, *made, "--data-directory", str(folder)], check=True, capture_output=True, cwd=folder)
    config.write_text(config.read_text().replace("port: 8008", f"port: {port}") + LOOSE)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(run, cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        soon(lambda: process.poll() is not None or is_there(url))
        assert process.poll() is None, (folder / "log").read_text()[-2000:]
        yield url
    finally:
        process.terminate()
        process.wait(30)


def is_there(url):
    try:
        return requests.get(f"{url}/_matrix/client/versions", timeout=5).ok
    except requests.RequestException:
        return False


class Person:
    """Somebody with an account of his own."""

    def __init__(self, server, name):
        self.url, name = f"{server}/_matrix/client/v3", f"{name}{next(NUMBERS)}"
        door = f"{server}/_synapse/admin/v1/register"
        nonce = requests.get(door, timeout=20).json()["nonce"]
        mac = hmac.new(b"secret", f"{nonce}\0{name}\0pw\0notadmin".encode(), "sha1").hexdigest()
        given = {"nonce": nonce, "username": name, "password": "pw", "mac": mac, "admin": False}
        told = requests.post(door, json=given, timeout=20).json()
        self.token, self.id = told["access_token"], told["user_id"]

    def signed_in_for_a_while(self):
        """The tokens of a session that has to be renewed."""
        who = {"type": "m.id.user", "user": self.id}
        told = self.ask("POST", "/login", {"type": "m.login.password", "identifier": who, "password": "pw",
                                           "refresh_token": True})  # fmt: skip
        return {name: told[name] for name in ("access_token", "refresh_token")}

    def ask(self, method, path, given=None):
        signed = {"Authorization": f"Bearer {self.token}"}
        answer = requests.request(method, f"{self.url}{path}", json=given or {}, headers=signed, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def room(self, *others, preset="public_chat", **more):
        given = {"preset": preset, "invite": [other.id for other in others], **more}
        room = self.ask("POST", "/createRoom", given)["room_id"]
        if preset == "public_chat":
            for other in others:
                other.ask("POST", f"/join/{quote(room)}")
        return room

    def send(self, room, content, kind="m.room.message"):
        path = f"/rooms/{quote(room)}/send/{kind}/{time.time_ns()}"
        return f"{room}/{self.ask('PUT', path, content)['event_id']}"

    def say(self, room, text, **more):
        return self.send(room, {"msgtype": "m.text", "body": text, **more})


@pytest.fixture
def people(server):
    return [Person(server, name) for name in ("care", "carla", "theo")]


def connector(server, who, facts=None, secrets=None, **settings):
    values = {"homeserver": server, "facts": facts or {"user_id": who.id}, **settings}
    given = Secrets(secrets or {"access_token": who.token})
    return Matrix(values, given, Seam(allow=["127.0.0.1"], guard=lambda: None))


def read(matrix, cursor=None, requests=50):
    pages = list(matrix.poll("rooms", cursor, Budget(requests=requests), datetime.now(UTC)))
    assert not [bad for page in pages for bad in page.bad]
    assert not [gap for page in pages for gap in page.gaps]
    return {post.external_id: post for page in pages for post in page.posts}, pages[-1].cursor


def answer_to(post, key, **more):
    return Outgoing(key=key, text="On its way", parent=post, sending_at=datetime.now(UTC), **more)


def test_what_a_sync_leaves_out_is_read_below_it(server, people):
    care, carla, theo = people
    room = carla.room(care, theo, name="Help")
    matrix = connector(server, care)
    first = carla.say(room, "Where is my tea?")
    posts, cursor = read(matrix)
    assert posts[first].visibility is Visibility.PUBLIC
    assert posts[first].author.name == carla.id[1:].partition(":")[0]
    said, seen = {carla.say(room, f"news {number}") for number in range(130)}, set()
    for _ in range(4):
        posts, cursor = read(matrix, cursor, requests=1)
        seen |= posts.keys()
    assert seen == said


def test_corrections_and_what_is_taken_back_are_read_later(server, people):
    care, carla, _ = people
    room = carla.room(care)
    one, two = carla.say(room, "I paid 10"), carla.say(room, "oops")
    matrix = connector(server, care)
    _, cursor = read(matrix)
    event = one.partition("/")[2]
    new, relation = {"msgtype": "m.text", "body": "I paid 100"}, {"rel_type": "m.replace", "event_id": event}
    carla.send(room, {"msgtype": "m.text", "body": "* I paid 100", "m.new_content": new, "m.relates_to": relation})
    carla.ask("PUT", f"/rooms/{quote(room)}/redact/{quote(two.partition('/')[2])}/1")
    posts, _ = read(matrix, cursor)
    assert (posts[one].text, posts[one].state) == ("I paid 100", PostState.EDITED)
    assert posts[two].state is PostState.DELETED
    with pytest.raises(Gone):
        matrix.send(answer_to(posts[two], "key-0"))


def test_an_answer_is_made_once_found_corrected_liked_and_taken_back(server, people):
    care, carla, _ = people
    room = carla.room(care)
    one = carla.say(room, "Where is my tea?")
    matrix = connector(server, care)
    posts, cursor = read(matrix)
    outgoing = answer_to(posts[one], "key-1")
    assert matrix.find(outgoing) == Absent()
    sent = matrix.send(outgoing)
    assert matrix.send(outgoing) == sent
    assert matrix.find(outgoing) == Found(sent.external_id, sent.url)
    assert matrix.find(replace(outgoing, key="key-2")) == Absent()
    posts, cursor = read(matrix, cursor)
    ours = posts[sent.external_id]
    assert (ours.ours, ours.parent_id, ours.text) == (True, one, "On its way")
    matrix.do("edit", ours, "It is there")
    posts, cursor = read(matrix, cursor)
    assert posts[sent.external_id].text == "It is there"
    for verb in ("like", "like", "unlike", "unlike"):
        matrix.do(verb, posts[sent.external_id])
    for _ in range(2):
        matrix.do("delete", ours)
    posts, cursor = read(matrix, cursor)
    assert posts[sent.external_id].state is PostState.DELETED


@pytest.mark.parametrize(
    ("kind", "type", "body", "event"),
    [("file", "application/pdf", b"%PDF-1.7", "m.file"), ("image", "image/png", PIXEL, "m.image")],
)
def test_a_file_goes_along_and_is_there_for_the_customer(server, people, kind, type, body, event):
    care, carla, _ = people
    room = carla.room(care)
    one = carla.say(room, "Which one?")
    matrix = connector(server, care)
    posts, cursor = read(matrix)
    medium = Medium(key="f", kind=kind, type=type, size=len(body), name="plan", read=lambda: body, width=1, height=1)
    outgoing = answer_to(posts[one], "key-1")
    for _ in range(2):  # an upload whose answer was lost is done again
        there = replace(medium, token=matrix.upload(medium, outgoing, "").token)
    outgoing = replace(outgoing, media=(there,))
    sent = matrix.send(outgoing)
    assert matrix.send(outgoing) == sent
    posts, _ = read(matrix, cursor)
    assert [medium.description for medium in posts[sent.external_id].media] == ["plan"]
    seen = carla.ask("GET", f"/rooms/{quote(room)}/event/{quote(sent.external_id.partition('/')[2])}")["content"]
    assert (seen["msgtype"], seen["body"], seen["info"]["size"]) == (event, "On its way", len(body))
    address = f"{server}/_matrix/client/v1/media/download/{seen['url'].removeprefix('mxc://')}"
    file = requests.get(address, headers={"Authorization": f"Bearer {carla.token}"}, timeout=20)
    assert (file.content, file.headers["Content-Type"]) == (body, type)


def test_private_conversations_are_joined_where_the_admin_says_so_and_sealed_ones_are_left_alone(server, people):
    care, carla, theo = people
    matrix = connector(server, care, invitations="private")
    _, cursor = read(matrix)
    room, other = carla.room(care, preset="private_chat", is_direct=True), theo.room(care, preset="private_chat")
    one = carla.say(room, "Hello?")
    (words,) = matrix.check().warnings
    assert "Invitations wait" in words
    assert theo.id in words
    assert carla.id not in words
    found = {}
    for _ in range(2):
        posts, cursor = read(matrix, cursor)
        found |= posts
    assert (found[one].kind, found[one].visibility) == (PostKind.DIRECT, Visibility.DIRECT)
    assert other not in {each.partition("/")[0] for each in found}
    said = care.say(room, "From an app")
    assert read(matrix, cursor)[0][said].parent_id == one
    carla.ask("PUT", f"/rooms/{quote(room)}/state/m.room.encryption/", {"algorithm": "m.megolm.v1.aes-sha2"})
    with pytest.raises(PolicyRefused):
        matrix.send(answer_to(found[one], "key-1"))
    assert any("Encrypted" in words and carla.id in words for words in matrix.check().warnings)


def test_rooms_are_chosen_by_their_address(server, people):
    care, carla, _ = people
    name = f"help{next(NUMBERS)}"
    room, other = carla.room(care, room_alias_name=name), carla.room(care)
    there, elsewhere = carla.say(room, "there"), carla.say(other, "elsewhere")
    named = [f"#{name}:brand.example", "#nowhere:brand.example"]
    check = connector(server, care, rooms=named).check()
    assert any("#nowhere" in words for words in check.warnings)
    posts, _ = read(connector(server, care, check.facts, rooms=named))
    assert there in posts
    assert elsewhere not in posts


class Session:
    """One that runs out within a second and is renewed whenever it has."""

    def __init__(self, server, who):
        self.server, self.who, self.secrets = server, who, Secrets(who.signed_in_for_a_while())

    def matrix(self):
        return connector(self.server, self.who, secrets=self.secrets)

    def ask(self, question):
        while True:
            try:
                return question(self.matrix())
            except AuthExpired:
                self.secrets = self.matrix().renew(self.secrets)

    def is_over(self):
        try:
            self.matrix().check()
        except AuthExpired:
            return True
        return False


def test_a_session_that_runs_out_goes_on_and_answers_stay_one(server, people):
    care, carla, _ = people
    session, one = Session(server, care), carla.say(carla.room(care), "Where is my tea?")
    outgoing = answer_to(session.ask(read)[0][one], "key-1")
    sent = session.ask(lambda matrix: matrix.send(outgoing))
    soon(session.is_over)
    before = session.secrets
    unheard = session.matrix().renew(before)  # whoever asked died before it was kept
    session.secrets = session.matrix().renew(before)
    assert session.secrets["access_token"] not in (before["access_token"], unheard["access_token"])
    assert 0 < float(session.secrets["expires_in"]) <= 1
    assert session.ask(lambda matrix: matrix.send(outgoing)) == sent
    assert session.ask(lambda matrix: matrix.find(outgoing)) == Found(sent.external_id, sent.url)
    with pytest.raises(AuthRevoked):
        session.matrix().renew(before)


def test_a_place_the_server_cannot_use_and_a_session_that_ended(server, people):
    care, carla, _ = people
    room = carla.room(care)
    matrix = connector(server, care)
    _, cursor = read(matrix)
    said = {carla.say(room, f"since {number}") for number in range(30)}
    posts, _ = read(matrix, {**cursor, "next": "nonsense"})
    assert posts.keys() >= said
    care.ask("POST", "/logout")
    with pytest.raises(AuthRevoked):
        matrix.check()


def upgraded(who, room):
    return who.ask("POST", f"/rooms/{quote(room)}/upgrade", {"new_version": "11"})["replacement_room"]


@pytest.mark.parametrize("preset", ["public_chat", "private_chat"])
def test_a_room_that_was_upgraded_is_followed_and_answered_in(server, people, preset):
    care, carla, _ = people
    room = carla.room(care, preset=preset, room_version="10")
    if preset == "private_chat":
        care.ask("POST", f"/join/{quote(room)}")
    one = carla.say(room, "Where is my tea?")
    matrix = connector(server, care)
    posts, cursor = read(matrix)
    new = upgraded(carla, room)
    found, cursor = read(matrix, cursor)
    if preset == "private_chat":
        assert any("upgraded" in words for words in matrix.check().warnings)
        carla.ask("POST", f"/rooms/{quote(new)}/invite", {"user_id": care.id})
        more, cursor = read(matrix, cursor)
        found |= more
    two = carla.say(new, "Hello?")
    more, cursor = read(matrix, cursor)
    found |= more
    assert (found[two].root_id, found[two].kind) == (posts[one].root_id, posts[one].kind) == (room, posts[one].kind)
    outgoing = answer_to(posts[one], "key-1")
    assert matrix.find(outgoing) == Absent()
    sent = matrix.send(outgoing)
    assert sent.external_id.startswith(f"{new}/")
    assert matrix.send(outgoing) == sent
    assert matrix.find(outgoing) == Found(sent.external_id, sent.url)
    ours = read(matrix, cursor)[0][sent.external_id]
    assert (ours.ours, ours.root_id) == (True, room)
    assert matrix.check().warnings == ()
    assert read(connector(server, care))[0][two].root_id == room  # also for who remembers nothing


def test_a_room_that_was_named_is_read_on_as_what_it_became(server, people):
    care, carla, _ = people
    room = carla.room(care, room_version="10")
    matrix = connector(server, care, rooms=[room])
    _, cursor = read(matrix)
    new = upgraded(carla, room)
    one = carla.say(new, "Who is here?")
    _, cursor = read(matrix, cursor)
    two = carla.say(new, "Hello?")
    posts, cursor = read(matrix, cursor)
    assert posts.keys() >= {one, two}
    check = matrix.check()
    assert (check.facts["moved"], check.warnings) == ({room: new}, ())
    care.ask("POST", f"/rooms/{quote(room)}/leave")
    assert two in read(connector(server, care, check.facts, rooms=[room]))[0]

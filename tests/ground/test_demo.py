"""The demo as a visitor starts it, and the demo network beside an application on trial."""

import json
import re
import socket
import sys
import urllib.request
import uuid

import pytest
import requests

from socialcare.demo.colleagues import PASSWORD
from tests.ground.test_up import LONG, free_port, up
from tests.waiting import soon

__all__ = ["up"]
pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]
TEAMS = {"ana": "Support", "pia": "Product", "mona": "Marketing", "hugo": "HR"}


class Visitor:
    """One of the cast, signed in over HTTP."""

    def __init__(self, port, name):
        self.url, self.session = f"http://127.0.0.1:{port}", requests.Session()
        self.session.trust_env = False
        self.post("/account/login/", login=f"{name}@brand.example", password=PASSWORD)

    def get(self, path):
        return self.session.get(f"{self.url}{path}", timeout=LONG)

    def post(self, path, **fields):
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get("/account/login/").text)
        token = token[1] if token else self.session.cookies["csrftoken"]
        answer = self.session.post(f"{self.url}{path}", {**fields, "csrfmiddlewaretoken": token}, timeout=LONG)
        assert answer.status_code == 200, answer.text
        return answer

    def conversations(self):
        return re.findall(r'id="conversation-(\d+)"', self.get("/views/all/").text)


def said_on(url):
    with urllib.request.urlopen(f"{url}/control/ledger", timeout=LONG) as answer:
        return json.load(answer)["posts"]


def demo_url(one):
    path = one.folder / "var" / "demo.url"
    return soon(lambda: path.exists() and path.read_text(), LONG).strip()


def test_the_demo_fills_every_team_answers_back_and_ends_whole(up):
    demo = ("demo", "--pace", "120", "--seed", "1")
    first = up(command=demo, DEMO_PORT=str(free_port()), UNDO_SECONDS="0")
    first.wait_for("This is a demo")
    first.wait_for(PASSWORD)
    visitors = {name: Visitor(first.port, name) for name in TEAMS}
    seen = {name: soon(visitor.conversations, LONG, 0.2) for name, visitor in visitors.items()}
    assert len(set().union(*seen.values())) == sum(map(len, seen.values())), "each conversation stands in one team"

    private = f"/conversations/{seen['hugo'][0]}/"
    assert visitors["hugo"].get(private).status_code == 200
    assert visitors["ana"].get(private).status_code == 404

    mine = f"/conversations/{seen['ana'][0]}/"
    mark = re.search(r'name="seen_seq" value="(\d+)"', visitors["ana"].get(mine).text)[1]
    words = "We are looking into it, one moment please."
    visitors["ana"].post(f"{mine}replies/", text=words, key=str(uuid.uuid4()), seen_seq=mark, kind="reply")
    url = demo_url(first)

    def answered_back():
        posts = said_on(url)
        ours = next((post["id"] for post in posts if post["text"] == words), None)
        return ours and next((post["text"] for post in posts if post["reply_to"] == ours), None)

    reaction = soon(answered_back, LONG, 0.2)
    soon(lambda: reaction in visitors["ana"].get(mine).text.replace("&#x27;", "'"), LONG, 0.2)

    first.process.terminate()
    assert first.process.wait(LONG) == 0
    assert first.nothing_is_left()

    again = up(command=demo, port=first.port, DEMO_PORT=url.rpartition(":")[2])
    soon(lambda: again.said().count("This is a demo") == 2, LONG)
    assert set(seen["hugo"]) <= set(Visitor(again.port, "hugo").conversations())


def test_a_taken_demo_port_moves_the_demo_and_nothing_else(up):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        one = up(DEMO_PORT=str(port))
        one.wait_for(rf"Port {port} is taken: the demo network listens on \d+ instead")
        one.wait_for("running at")
        assert demo_url(one) != f"http://127.0.0.1:{port}"
        assert said_on(demo_url(one))
        assert "Traceback" not in one.said()


def test_without_the_demo_there_is_no_such_process(up):
    one = up(DEMO="0")
    one.wait_for("running at")
    assert not [command for command in one.processes().values() if "socialcare.demo" in command]
    assert not (one.folder / "var" / "demo.url").exists()


@pytest.mark.parametrize("given", [{"HOST": "0.0.0.0"}, {"DATABASE_URL": "postgresql:///elsewhere"}, {"DEMO": "0"}])
def test_the_demo_with_its_known_password_stays_on_this_machine_and_in_its_own_data(up, given):
    one = up(command=("demo",), **given)
    assert one.process.wait(LONG) == 1
    assert "CommandError: The demo" in one.said()
    assert "Traceback" not in one.said()

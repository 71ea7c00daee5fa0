"""Our Telegram connector against a bot server that others wrote. It is no proof of the real service: it forgets updates
once they are read, so that the queue is proved by our own fake. Skipped where it is not installed."""

import os
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from connectors.base import Budget, Fault, Outgoing, PostKind, Secrets, Sent
from connectors.http import Seam
from connectors.networks.telegram.connector import Telegram

HERE, TOOLS = Path(__file__).parent / "telegram", Path(__file__).parents[2] / ".tools" / "telegram" / "node_modules"
TOKEN = "123:canary-token"
INSTALL = "the Telegram test server is not installed; make test-networks brings it"
pytestmark = [
    pytest.mark.networks,
    pytest.mark.skipif(not (TOOLS / "telegram-test-api").is_dir() or not shutil.which("node"), reason=INSTALL),
]


@pytest.fixture(scope="module")
def server():
    environment = {**os.environ, "NODE_PATH": str(TOOLS)}
    process = subprocess.Popen(
        ["node", str(HERE / "server.cjs")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    try:
        port = process.stdout.readline().strip()
        assert port, "the server did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def telegram(server):
    seam = Seam(allow=["127.0.0.1"], guard=lambda: None, hidden=[TOKEN])
    return Telegram({"base_url": server}, Secrets({"token": TOKEN}), seam)


def say(server, text, chat=777):
    user = {"id": chat, "first_name": "Carla", "username": "carla"}
    body = {
        "botToken": TOKEN, "from": user, "chat": {**user, "type": "private"}, "date": int(time.time()), "text": text,
    }  # fmt: skip
    assert requests.post(f"{server}/sendMessage", json=body, timeout=10).json()["ok"]


def read(telegram, cursor=None):
    pages = list(telegram.poll("updates", cursor, Budget(), datetime.now(UTC)))
    assert not [bad for page in pages for bad in page.bad]
    return [post for page in pages for post in page.posts], pages[-1].cursor


def test_what_somebody_writes_to_the_bot_is_read_once_and_answered(server, telegram):
    say(server, "Is my order on its way?")
    posts, cursor = read(telegram)
    assert [post.text for post in posts] == ["Is my order on its way?"]
    assert posts[0].kind is PostKind.DIRECT
    assert posts[0].author.external_id == "777"
    say(server, "Hello?")
    again, _ = read(telegram, cursor)
    assert [post.text for post in again] == ["Hello?"]
    assert again[0].root_id == posts[0].root_id
    sent = telegram.send(Outgoing(key="k", text="It is. 👋", parent=again[0], sending_at=datetime.now(UTC)))
    assert isinstance(sent, Sent)
    history = requests.post(f"{server}/getUpdatesHistory", json={"token": TOKEN}, timeout=10).json()["result"]
    assert "It is. 👋" in str(history)


def test_an_answer_can_be_changed_and_taken_back(server, telegram):
    say(server, "One more", chat=778)
    post = next(post for post in read(telegram)[0] if post.author.external_id == "778")
    sent = telegram.send(Outgoing(key="k2", text="Yes", parent=post, sending_at=datetime.now(UTC)))
    ours = type(post)(
        external_id=sent.external_id, kind=PostKind.DIRECT, source="updates", author=post.author, text="Yes",
        created_at=post.created_at, ours=True,
    )  # fmt: skip
    telegram.do("edit", ours, "Yes, of course")
    history = requests.post(f"{server}/getUpdatesHistory", json={"token": TOKEN}, timeout=10).json()["result"]
    assert "Yes, of course" in str(history)
    telegram.do("delete", ours)
    with pytest.raises(Fault):  # it says no with a status of 200
        telegram.do("delete", ours)

"""Real answers of YouTube map without a bad item, and its errors are understood. They lie outside the project; what is
kept of them is ids, times, lengths and hashes. `WRITE_EXPECTED=1` writes that anew."""

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.base import Connector, Secrets
from connectors.faults import AuthRevoked, Invalid, NotPermitted
from connectors.http import Seam
from connectors.networks.youtube.api import comments_of, posts_of
from tests.fakes.server import FakeServer, Reply
from tests.fakes.youtube import Fake

HERE = Path(__file__).parent
RECORDINGS = Path(os.environ.get("RECORDINGS_DIR") or HERE.parents[1].parent / "shared" / "recordings") / "youtube"
EXPECTED = HERE / "youtube.json"
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"recordings for youtube not found at {RECORDINGS}")


def recorded(pattern):
    for path in sorted(RECORDINGS.glob(pattern)):
        yield json.loads(path.read_text())


def connector(server):
    seam = Seam(allow=["127.0.0.1"], guard=lambda: None)
    settings = {"base_url": server.url, "facts": {"account_id": "UC_x5XG1OV2P6uZZ5FSM9Ttw"}}
    return Connector.named("youtube")(settings, Secrets({"access_token": "recorded"}), seam)


def test_recorded_comments_are_read_without_a_bad_item():
    seen, odd = {}, []
    for pattern, reader in (("apidata/comment_threads/*.json", posts_of), ("apidata/comments/*.json", comments_of)):
        for body in recorded(pattern):
            posts, bad = reader(body.get("items", [body]), "comments", "")
            odd += bad
            for post in posts:
                text = hashlib.sha256(post.text.encode()).hexdigest()[:12]
                about = [post.created_at.isoformat(), post.parent_id, post.author.external_id, len(post.text), text]
                seen[post.external_id] = about
    assert odd == []
    if os.environ.get("WRITE_EXPECTED"):
        EXPECTED.write_text(json.dumps(seen, indent=0, sort_keys=True) + "\n")
    assert json.loads(EXPECTED.read_text()) == seen
    assert len(seen) > 10


@pytest.mark.parametrize(
    ("name", "status", "fault"),
    [
        ("error_response.json", 400, AuthRevoked),
        ("error_response_simple.json", 400, Invalid),
        ("apidata/error_permission_resp.json", 403, NotPermitted),
    ],
)
def test_recorded_errors_have_their_class(name, status, fault):
    with FakeServer(lambda asked: Reply(status, (RECORDINGS / name).read_text())) as server, pytest.raises(fault):
        connector(server).refresh(["x"], datetime.now(UTC))


def test_a_recorded_channel_is_who_we_are():
    body = (RECORDINGS / "apidata" / "channels" / "info.json").read_text()
    with FakeServer(lambda asked: Reply(200, body)) as server:
        assert connector(server).check().account_id == "UC_x5XG1OV2P6uZZ5FSM9Ttw"


def test_the_fakes_comments_and_threads_have_no_field_that_recorded_ones_lack():
    known = set()
    for body in (*recorded("apidata/*/*.json"), *recorded("modeldata/*/*.json")):
        known |= set(names(body))
    with Fake() as fake:
        first = fake.say("x")
        fake.say("y", parent=first)
        told = fake.thread(first)
    # Told to the owner of a video only, so that no recording shows it.
    assert set(names(told)) <= known | {"moderationStatus"}


def names(value):
    if isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from names(each)
    elif isinstance(value, list):
        for each in value:
            yield from names(each)

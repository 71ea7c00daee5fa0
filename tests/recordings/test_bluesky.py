"""Real answers of a Bluesky server map without a bad item, and its errors have their class. They lie outside the
project; what is kept here of them is ids, kinds, times, lengths and hashes. `WRITE_EXPECTED=1` writes the expected
result anew."""

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.base import AuthExpired, AuthRevoked, Budget, Gone, Invalid, Secrets
from connectors.http import Seam
from connectors.networks.bluesky.connector import Bluesky
from tests.fakes.server import FakeServer, Reply

HERE = Path(__file__).parent
RECORDINGS = Path(os.environ.get("RECORDINGS_DIR") or HERE.parents[1].parent / "shared" / "recordings") / "bluesky"
EXPECTED = HERE / "bluesky.json"
KEPT = ("date", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "content-type")
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"recordings for bluesky not found at {RECORDINGS}")


def recorded(name):
    return json.loads((RECORDINGS / f"{name}.json").read_text())


@pytest.fixture
def replayed():
    """A connector to a server that answers as the recording of this name."""
    with FakeServer(lambda asked: Reply(404)) as server:

        def connector(name, secrets=("access_jwt", "recorded")):
            given = recorded(name)
            headers = {key: value for key, value in given["headers"].items() if key in KEPT}
            server.answer = lambda asked: Reply(given["status"], dict(given["body"]), dict(headers))
            seam = Seam(guard=lambda: None, allow=["127.0.0.1"])
            return Bluesky({"server": server.url}, Secrets(dict([secrets])), seam)

        yield connector


def row(post):
    text = hashlib.sha256(post.text.encode()).hexdigest()[:12]
    return [post.kind, post.created_at.isoformat(), post.parent_id, post.root_id, post.lang, len(post.text), text]


def test_recorded_answers_map_without_a_bad_item(replayed):
    now, seen = datetime(2026, 11, 22, tzinfo=UTC), {}
    for name, source in (("listNotifications", "notifications"), ("searchPosts", "search:Parcel")):
        page = next(replayed(name).poll(source, None, Budget(), now))
        assert page.bad == ()
        assert page.cursor["at"]
        seen |= {f"{name} {post.external_id} {post.version}": row(post) for post in page.posts}
    uri = recorded("getPosts")["body"]["posts"][0]["uri"]
    seen |= {f"getPosts {post.external_id}": row(post) for post in replayed("getPosts").refresh([uri], now)}
    thread = recorded("getPostThread")["body"]["thread"]
    [answer] = [reply["post"] for reply in thread["replies"]]
    posts, bad = replayed("getPosts")._mapped([thread["post"], answer], "context", None)
    assert bad == ()
    seen |= {f"getPostThread {post.external_id}": row(post) for post in posts}
    if os.environ.get("WRITE_EXPECTED"):
        EXPECTED.write_text(json.dumps(seen, indent=0, sort_keys=True) + "\n")
    assert json.loads(EXPECTED.read_text()) == json.loads(json.dumps(seen))
    assert len(seen) == 5


@pytest.mark.parametrize(
    ("name", "kind"),
    [("err_badtoken", AuthRevoked), ("err_noauth", AuthRevoked), ("err_too_long", Invalid),
     ("err_deleted_thread", Gone)],
)  # fmt: skip
def test_recorded_errors_have_their_class(replayed, name, kind):
    with pytest.raises(kind) as raised:
        next(replayed(name).poll("notifications", None, Budget(), datetime.now(UTC)))
    assert type(raised.value) is kind


def test_a_recorded_refused_login_asks_for_a_person(replayed):
    connector = replayed("err_badlogin", ("app_password", "wrong"))
    with pytest.raises(AuthExpired):
        next(connector.poll("notifications", None, Budget(), datetime.now(UTC)))
    with pytest.raises(AuthRevoked):
        connector.renew(connector.secrets)


def test_a_reply_to_a_deleted_post_really_succeeds_there():
    given = recorded("reply_to_deleted")
    assert given["status"] == 200
    assert given["body"]["uri"]

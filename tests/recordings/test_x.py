"""Real answers of X are read without a bad item, and the counter agrees with X's own conformance set. They lie outside
the project; what is kept here of them is ids, times, lengths and hashes. `WRITE_EXPECTED=1` writes that anew."""

import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest
import yaml

from connectors.base import Budget, Connector, Outgoing, Secrets
from connectors.http import Seam
from connectors.networks.x.weighted import weighted_length
from tests.fakes.server import FakeServer, Reply

HERE = Path(__file__).parent
RECORDINGS = Path(os.environ.get("RECORDINGS_DIR") or HERE.parents[1].parent / "shared" / "recordings") / "x"
EXPECTED = HERE / "x.json"
OLDER = {"16 not 7", "9 not 4"}
"""Two cases describe version 2 of the rules, where an emoji weighed what its code points weigh."""
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"recordings for x not found at {RECORDINGS}")


def recorded(name):
    """Bodies and headers of one recording, in the order of their requests."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for interaction in yaml.load((RECORDINGS / "cassettes" / name).read_text(), loader)["interactions"]:
        answer = interaction["response"]
        body = answer["body"]["string"]
        body = gzip.decompress(body) if isinstance(body, bytes) and body[:2] == b"\x1f\x8b" else body
        headers = {name: values[0] for name, values in answer["headers"].items() if name.startswith("x-rate")}
        yield answer["status"]["code"], json.loads(body), headers


def playing(*replies):
    """A server that gives these answers, one after the other, then the last for ever."""
    waiting = list(replies)
    return FakeServer(lambda asked: waiting.pop(0) if len(waiting) > 1 else waiting[0])


def reply(status, body, headers):
    """The recorded requests asked for no fields at all, so the authors are put in here, and the pages end."""
    for item in body["data"] if isinstance(body.get("data"), list) else ():
        item.setdefault("author_id", "5")
    body.get("meta", {}).pop("next_token", None)
    return Reply(status, body, headers)


def connector(server):
    seam = Seam(allow=["127.0.0.1"], guard=lambda: None)
    facts = {"account_id": "1072250532645998596", "username": "recorded"}
    return Connector.named("x")({"base_url": server.url, "facts": facts}, Secrets({"access_token": "recorded"}), seam)


PAGES = {
    "mentions": ("test_asyncclient_get_users_mentions.yaml",),
    "search:Tweepy": (
        "test_asyncclient_search_recent_tweets.yaml", "test_client_search_recent_tweets.yaml",
        "test_asyncclient_get_home_timeline.yaml", "test_client_get_home_timeline.yaml",
        "test_asyncclient_get_quote_tweets.yaml", "test_client_get_users_tweets.yaml",
        "test_asyncclient_search_all_tweets.yaml", "test_client_search_all_tweets.yaml",
    ),
}  # fmt: skip


def test_recorded_pages_are_read_without_a_bad_item():
    from datetime import UTC, datetime

    seen, left = {}, []
    for source, names in PAGES.items():
        for name in names:
            for answer in recorded(name):
                with playing(reply(*answer)) as server:
                    pages = list(connector(server).poll(source, None, Budget(), datetime(2022, 10, 7, tzinfo=UTC)))
                assert [page.bad for page in pages] == [()] * len(pages)
                left += [rate.remaining for page in pages for rate in page.rate]
                for post in (post for page in pages for post in page.posts):
                    text = hashlib.sha256(post.text.encode()).hexdigest()[:12]
                    seen[post.external_id] = [post.kind, post.created_at.isoformat(), len(post.text), text]
    if os.environ.get("WRITE_EXPECTED"):
        EXPECTED.write_text(json.dumps(seen, indent=0, sort_keys=True) + "\n")
    assert json.loads(EXPECTED.read_text()) == seen
    assert len(seen) > 100
    assert left
    assert all(isinstance(each, int) for each in left)


def test_recorded_lookups_hidings_and_posts_are_understood():
    from datetime import UTC, datetime

    now = datetime(2022, 10, 7, tzinfo=UTC)
    with playing(*(reply(*each) for each in recorded("test_asyncclient_get_tweets.yaml"))) as server:
        found = connector(server).refresh(["1293593516040269825", "1293595870563381249"], now)
    assert [post.external_id for post in found] == ["1293593516040269825", "1293595870563381249"]
    for name in ("test_client_hide_and_unhide_reply.yaml", "test_asyncclient_hide_and_unhide_reply.yaml"):
        with playing(*(reply(*each) for each in recorded(name))) as server:
            assert connector(server).do("hide", found[0]).post.grants["hidden"]
            assert not connector(server).do("unhide", found[0]).post.grants["hidden"]
    with playing(*(reply(*each) for each in recorded("test_client_create_and_delete_tweet.yaml"))) as server:
        sent = connector(server).send(Outgoing(key="key-1", text="Test Tweet", parent=found[0], sending_at=now))
        assert sent.external_id == "1456012973835788293"
        connector(server).do("delete", found[0])
    with playing(*(reply(*each) for each in recorded("test_client_get_me.yaml"))) as server:
        assert connector(server).check().account_id == "1072250532645998596"


def test_the_counter_agrees_with_the_conformance_set():
    cases = yaml.safe_load((RECORDINGS / "twitter-text" / "conformance" / "validate.yml").read_text())["tests"]
    weighed = [case for name, group in cases.items() if "Count" in name for case in group]
    wanted = [(case["text"], case["expected"]["weightedLength"]) for case in weighed]
    differing = {f"{length} not {weighted_length(text)}" for text, length in wanted if weighted_length(text) != length}
    assert len(wanted) > 40
    assert differing == OLDER

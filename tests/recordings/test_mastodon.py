"""Real answers of Mastodon map without a bad item. They lie outside the project; what is kept here of them is ids,
kinds, times, lengths and hashes. `WRITE_EXPECTED=1` writes the expected result anew."""

import hashlib
import json
import os
from pathlib import Path

import pytest
import yaml

from connectors.base import Secrets
from connectors.http import Seam
from connectors.networks.mastodon.connector import Mastodon

HERE = Path(__file__).parent
RECORDINGS = Path(os.environ.get("RECORDINGS_DIR") or HERE.parents[1].parent / "shared" / "recordings") / "mastodon"
EXPECTED = HERE / "mastodon.json"
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"recordings for mastodon not found at {RECORDINGS}")


def answers():
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for cassette in sorted(RECORDINGS.glob("cassettes*/*.yaml")):
        for interaction in yaml.load(cassette.read_text(), loader)["interactions"]:
            body = interaction["response"]["body"]["string"]
            if 200 <= interaction["response"]["status"]["code"] < 300 and body[:1] in ("{", "["):
                yield json.loads(body)


def is_status(item):
    return isinstance(item, dict) and {"content", "account", "uri", "visibility"} <= item.keys()


def is_notification(item):
    return isinstance(item, dict) and {"type", "account", "created_at"} <= item.keys() and "status" in item


def test_recorded_answers_map_without_a_bad_item():
    connector = Mastodon({"server": "recorded.example"}, Secrets(), Seam(guard=lambda: None))
    seen = {}
    for answer in answers():
        items = answer if isinstance(answer, list) else [answer]
        for kind, fits in (("hashtag:x", is_status), ("notifications", is_notification)):
            posts, bad = connector._mapped([item for item in items if fits(item)], kind, None)
            assert bad == ()
            for post in posts:
                text = hashlib.sha256(post.text.encode()).hexdigest()[:12]
                times = [post.created_at.isoformat(), post.edited_at and post.edited_at.isoformat()]
                row = [post.kind, *times, post.parent_id, post.visibility, len(post.media), len(post.text), text]
                seen[f"{kind.partition(':')[0]} {post.external_id} {post.version}"] = row
    if os.environ.get("WRITE_EXPECTED"):
        EXPECTED.write_text(json.dumps(seen, indent=0, sort_keys=True) + "\n")
    assert json.loads(EXPECTED.read_text()) == json.loads(json.dumps(seen))
    assert len(seen) > 50

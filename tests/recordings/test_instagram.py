"""Real answers of Graph about Instagram map without a bad item, and our fake speaks their words. They lie outside the
project; what is kept of them is ids, kinds, times, lengths and hashes. `WRITE_EXPECTED=1` writes the result anew."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from connectors.meta.app import mapped
from connectors.meta.graph import following, onward, rows
from connectors.networks.instagram.api import comment_of, flat, medium_of
from tests.fakes.instagram import MEDIUM, Fake

HERE = Path(__file__).parent
RECORDINGS = Path(os.environ.get("RECORDINGS_DIR") or HERE.parents[1].parent / "shared" / "recordings") / "instagram"
EXPECTED = HERE / "instagram.json"
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"recordings for instagram not found at {RECORDINGS}")
US = frozenset({"17841406338772941"})
# Asked for as Graph's own list of fields has them; no recording shows them.
ONLY_DOCUMENTED = {"from", "parent_id"}
COMMENTS = ("apidata/comments/*", "apidata/medias/comments_p*", "models/ig_comment.json", "models/ig_reply.json")
MEDIA = ("apidata/users/*media*", "apidata/hashtags/*medias*", "apidata/medias/media*", "models/ig_media.json")


def recorded(*patterns):
    for pattern in patterns:
        for path in sorted(RECORDINGS.glob(pattern)):
            yield json.loads(path.read_text())


def items(*patterns):
    """The items of a page, of an answer by ids, of a mention, or the one item there is."""
    for answer in recorded(*patterns):
        if "mentioned_media" in answer:
            yield answer["mentioned_media"]
        else:
            yield from rows(answer) or ([answer] if "id" in answer else list(answer.values()))


def test_recorded_answers_map_without_a_bad_item():
    seen = {}
    for kind, patterns, read in (
        ("comment", COMMENTS, lambda item: comment_of(item, US, {})),
        ("media", MEDIA, lambda item: medium_of(item, US, "tags")),
    ):
        given = [item for item in flat(list(items(*patterns))) if isinstance(item, dict) and item.get("timestamp")]
        posts, bad = mapped(given, read)
        assert bad == ()
        for post in posts:
            text = hashlib.sha256(post.text.encode()).hexdigest()[:12]
            at, parts = post.created_at.isoformat(), [post.ours, len(post.media), len(post.text), text]
            seen[f"{kind} {post.external_id} {post.parent_id}"] = [post.kind, at, post.root_id, *parts]
            assert "access_token" not in json.dumps(post.raw)
    if os.environ.get("WRITE_EXPECTED"):
        EXPECTED.write_text(json.dumps(seen, indent=0, sort_keys=True) + "\n")
    assert json.loads(EXPECTED.read_text()) == json.loads(json.dumps(seen))
    assert len(seen) > 15


def test_pages_are_followed_by_their_token_to_the_last():
    first = list(recorded("apidata/medias/comments_p1.json", "apidata/users/medias_p1.json"))
    assert [onward(following(answer)) for answer in first] == [{"after": "after"}] * 2
    assert [following(answer) for answer in recorded("apidata/medias/comments_p2.json")] == [""]


def test_the_fake_has_no_field_that_graph_has_not():
    def names(*patterns):
        return {name for item in flat(list(items(*patterns))) if isinstance(item, dict) for name in item}

    with Fake() as fake:
        comment = fake.comments[fake.say("x", parent=fake.say("y"))]
        assert comment.keys() - names(*COMMENTS) <= ONLY_DOCUMENTED
        assert fake.media[MEDIUM].keys() <= names(*MEDIA)

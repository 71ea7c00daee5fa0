"""Real token answers of Threads are what our fake gives. They lie outside the project."""

import json
import os
from pathlib import Path

import pytest

from tests.fakes.threads import Fake

HERE = Path(__file__).parent
RECORDINGS = Path(os.environ.get("RECORDINGS_DIR") or HERE.parents[1].parent / "shared" / "recordings") / "threads"
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"recordings for threads not found at {RECORDINGS}")


@pytest.mark.parametrize(
    ("name", "path", "given"),
    [
        ("threads_user_token.json", "oauth/access_token", {"code": "the-code"}),
        ("threads_user_long_lived_token.json", "access_token", {"access_token": "short-token"}),
    ],
)
def test_the_fakes_tokens_have_the_shape_of_recorded_ones(name, path, given):
    recorded = json.loads((RECORDINGS / "base" / name).read_text())
    with Fake() as fake:
        given = fake.gives(path, given).body
    assert {key: type(value) for key, value in given.items()} == {key: type(value) for key, value in recorded.items()}
    assert given.get("expires_in") == recorded.get("expires_in")

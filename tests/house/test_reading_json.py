"""What comes from outside is read by one function, which knows what Postgres cannot keep."""

import re
from pathlib import Path

import pytest

CONNECTORS = Path(__file__).parents[2] / "connectors"
FILES = sorted(path for path in CONNECTORS.rglob("*.py") if path != CONNECTORS / "text.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONNECTORS)))
def test_no_connector_reads_json_by_itself(path):
    assert not re.search(r"\bjson\.loads?\(", path.read_text()), "connectors.text.read_json keeps out NaN and 1e999"

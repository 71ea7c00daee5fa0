"""Files of others are the files that were looked at: static/vendored.toml names each with its sum."""

import hashlib
import tomllib
from pathlib import Path

STATIC = Path(__file__).parents[2] / "static"
VENDORED = tomllib.loads((STATIC / "vendored.toml").read_text(encoding="utf-8"))


def test_vendored_files_have_the_sums_that_were_written_down():
    wrong = [
        name
        for name, facts in VENDORED.items()
        if hashlib.sha256((STATIC / name).read_bytes()).hexdigest() != facts["sha256"]
    ]
    assert not wrong


def test_every_vendored_file_is_listed_with_version_and_licence():
    there = {
        path.relative_to(STATIC).as_posix() for folder in ("js/vendor", "fonts") for path in (STATIC / folder).iterdir()
    }
    assert there - {"fonts/OFL.txt"} <= set(VENDORED)
    assert all(facts["version"] and facts["licence"] for facts in VENDORED.values())

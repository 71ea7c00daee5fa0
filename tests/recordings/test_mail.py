"""What mail programs make of an answer is taken apart: the text on top, quote and signature below. The mails lie
outside the project; what is kept here of them is lengths and hashes. `WRITE_EXPECTED=1` writes the expected result
anew."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from connectors.networks.mail.message import read
from connectors.networks.mail.text import split, split_html

HERE = Path(__file__).parent
RECORDINGS = Path(os.environ.get("RECORDINGS_DIR") or HERE.parents[1].parent / "shared" / "recordings") / "email"
EXPECTED = HERE / "mail.json"
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"recordings for email not found at {RECORDINGS}")
PROGRAMS = ("android", "aol", "apple_mail", "gmail", "hotmail", "iphone", "outlook", "sparrow", "thunderbird", "yahoo")
OUTLOOKS = ("ms_outlook_2003", "ms_outlook_2007", "ms_outlook_2010")
PAGES = ("gmail", "hotmail", "mail_ru", *OUTLOOKS, "thunderbird", "windows_mail", "yandex_ru")


def parts_of(path):
    if path.suffix == ".eml":
        return read(path.read_bytes()).text()
    text = path.read_bytes().decode("utf-8", "replace")
    return split_html(text) if path.suffix == ".html" else split(text)


def test_each_recording_is_taken_apart_as_before():
    seen = {}
    for path in sorted(path for path in RECORDINGS.rglob("*") if path.is_file() and path.name != "LICENSE"):
        parts = parts_of(path)
        text = hashlib.sha256(parts.text.encode()).hexdigest()[:12]
        seen[str(path.relative_to(RECORDINGS))] = [len(parts.text), text, len(parts.quoted), len(parts.signature)]
    if os.environ.get("WRITE_EXPECTED"):
        EXPECTED.write_text(json.dumps(seen, indent=0, sort_keys=True) + "\n")
    assert json.loads(EXPECTED.read_text()) == seen
    assert len(seen) > 40


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_answer_written_with_a_mail_program_keeps_one_word_and_a_quote(program):
    parts = parts_of(RECORDINGS / "talon" / "standard_replies" / f"{program}.eml")
    assert len(parts.text.split()) == 1
    assert parts.quoted
    assert ">" not in parts.text
    assert "@" not in parts.text


@pytest.mark.parametrize("page", PAGES)
def test_an_answer_in_html_keeps_no_line_of_what_it_answers(page):
    parts = parts_of(RECORDINGS / "talon" / "html_replies" / f"{page}.html")
    assert parts.text.startswith("Hi")
    assert len(parts.text) < 40
    assert len(parts.quoted) > 50

"""The counter beside the button and the server count alike: the same texts through both, for every network with rules
of its own, in one page."""

import os
from pathlib import Path

import pytest
import yaml

from connectors.answering import PROBE
from connectors.base import Connector
from connectors.models import Channel
from inbox.composer import BYTES, COUNTERS

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
RECORDINGS = Path(os.environ.get("RECORDINGS_DIR") or ROOT.parent / "shared" / "recordings")
CONFORMANCE = RECORDINGS / "x" / "twitter-text" / "conformance" / "validate.yml"
TEXTS = [
    "", "We are on it", "a" * 280, "a" * 281, "ä" * 300, "日本語" * 50, "e\u0301" * 20, "👨‍👩‍👧‍👦 x", "🏳️‍🌈🇩🇪👍🏽",
    "see https://acme.example/" + "a" * 90 + " please", "See acme.com/help. And (https://acme.com/a_(b)).",
    "@carla@mastodon.example hello", "mail to ana@acme.com", "$ACME #acme.com", "http://t.co/x, http://t.co/y",
    "line\nline\r\n\tend", "\u202eabc\u202c", "ไทย " * 30 + "x", "नमस्ते " * 30 + "x", "👍" * 200,
    "x" * 500, "x" * 501, "🏳️‍🌈" * 220, "ﬀ" * 10,
    "http://acme.com/" + "a" * 4100, "http://" + "a" * 64 + ".com", "http://" + "ä" * 70 + ".com",
    "http://müller.com x", "http://t.co/abc-def", "http://t.co/abc/def", " spaces around \n ",
]  # fmt: skip
COUNT = """async ([kind, rules, tlds, texts]) => {
  const counter = await import("http://counter.test/reply-counter.js");
  counter.learn(tlds);
  return texts.map(text => counter.left(kind, text, rules));
}"""


def texts():
    """Ours, and X's own conformance set where it lies beside the project."""
    if not CONFORMANCE.is_file():
        return TEXTS
    groups = yaml.safe_load(CONFORMANCE.read_text())["tests"]
    return TEXTS + [case["text"] for name, group in groups.items() if "Count" in name for case in group]


@pytest.fixture
def page(browser):
    context = browser.new_context()
    context.route("http://counter.test/", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    script = (ROOT / "static" / "js" / "reply-counter.js").read_text()
    context.route(
        "http://counter.test/reply-counter.js",
        lambda route: route.fulfill(body=script, content_type="text/javascript"),
    )
    page = context.new_page()
    page.goto("http://counter.test/")
    yield page
    context.close()


@pytest.mark.parametrize("network", ["x", "bluesky", "mastodon", "telegram", "wordpress", "matrix"])
def test_browser_and_server_count_every_text_alike(page, network):
    connector, tlds = Channel(network=network).offline(), (ROOT / "static" / "tlds.txt").read_text()
    rule, probe = connector.measure(""), connector.measure(PROBE).used
    kind = COUNTERS.get(rule.unit, "characters")
    rules = {"limit": rule.limit, "link": probe if probe < len(PROBE) else 0, "bytes": BYTES.get(kind, 0)}
    tried = texts()
    shown = page.evaluate(COUNT, [kind, rules, tlds, tried])
    for text, left in zip(tried, shown, strict=True):
        measured = connector.measure(text)
        assert (left < 0) == bool(measured.problems), text
        if not measured.problems:
            assert left == measured.limit - measured.used, text


def test_every_unit_that_a_network_counts_in_is_known_to_the_counter():
    units = {Channel(network=name).offline().measure("").unit for name in Connector.kinds()}
    assert units - COUNTERS.keys() <= {"characters"}

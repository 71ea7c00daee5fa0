"""A site with a feed, which changes its entries and answers to validators."""

import hashlib
from email.utils import format_datetime
from xml.sax.saxutils import escape

from tests.fakes.network import CANARY, FakeNetwork
from tests.fakes.server import Reply


class Fake(FakeNetwork):
    name, source = "feed", "feed"
    writes = tells_deletions = tells_others = quarantines = gap_on_bad_cursor = False
    forgets = True
    holds = None
    """How many entries stand in it, the newest; None: all."""

    def __init__(self):
        super().__init__()
        self.entries = {}

    def settings(self):
        return {"url": f"{self.server.url}/feed?key={CANARY}"}

    def say(self, text, person="carla", parent=None):
        number, at = self.next()
        self.entries[f"tag:fake.example,{number}"] = {"text": text, "at": format_datetime(at), "person": person}
        return f"tag:fake.example,{number}"

    def edit(self, identity, text):
        self.entries[identity]["text"] = text

    def delete(self, identity):
        del self.entries[identity]

    def above(self, first, second):
        return []

    def carries(self, text):
        return None if "\ud800" in text else text  # XML has no way to write it

    def spoil(self):
        """A feed has no item that cannot be mapped: what is missing has a stand-in."""

    def odd(self):
        identity = self.say("odd")
        self.entries[identity] |= {"at": "the day after tomorrow", "more": "<unknown a='1'><b/></unknown>"}
        return identity

    def ids(self):
        return set(self.entries)

    def answer(self, asked):
        shown = dict(list(self.entries.items())[-self.holds :] if self.holds else self.entries)
        items = "".join(
            f"<item><guid isPermaLink='false'>{identity}</guid><title>{escape(entry['text'][:40])}</title>"
            f"<link>{self.server.url}/{number}</link><description>{escape(escape(entry['text']))}</description>"
            f"<author>{entry['person']}</author><pubDate>{entry['at']}</pubDate>{entry.get('more', '')}</item>"
            for number, (identity, entry) in enumerate(reversed(shown.items()))
        )
        channel = f"<channel><title>Blog</title>{items}</channel>"
        body = f"<?xml version='1.0' encoding='utf-8'?><rss version='2.0'>{channel}</rss>"
        body = "".join(char for char in body if char in "\t\n\r" or char >= " ").encode("utf-8", "replace")
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if asked.headers.get("if-none-match") == etag:
            return Reply(304, "", {"ETag": etag})
        return Reply(200, body, {"Content-Type": "application/rss+xml; charset=utf-8", "ETag": etag})

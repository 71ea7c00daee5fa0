"""Feeds as they are found: dates without sense, ids that are none, pages instead of feeds, moves, limits."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import Budget, Gone, RateLimited, Secrets, Unreadable
from connectors.http import Seam
from connectors.networks.feed.connector import Feed
from tests.fakes.server import FakeServer, Reply
from tests.waiting import costs

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Site:
    """Serves `body` at /feed; `pages` at other paths."""

    def __init__(self):
        self.body, self.headers, self.status, self.pages = b"", {}, 200, {}
        self.server = FakeServer(self.answer)
        self.url = f"{self.server.url}/feed"

    def answer(self, asked):
        reply = self.pages.get(asked.path) or Reply(self.status, self.body, dict(self.headers))
        known = asked.headers.get("if-none-match")
        return Reply(304, "", reply.headers) if known and known == reply.headers.get("ETag") else reply

    def poll(self, cursor=None, url=None, now=NOW):
        seam = Seam(allow=["127.0.0.1"], guard=lambda: None)
        (page,) = Feed({"url": url or self.url}, Secrets(), seam).poll("feed", cursor, Budget(), now)
        return page


@pytest.fixture
def site():
    site = Site()
    yield site
    site.server.close()


def item(guid="g", title="T", date="Sun, 22 Nov 2026 10:00:00 GMT", link="/a", body="b"):
    dated = f"<pubDate>{date}</pubDate>" if date else ""
    named = f"<guid isPermaLink='false'>{guid}</guid>" if guid else ""
    linked = f"<link>{link}</link>" if link else ""
    return f"<item>{named}<title>{title}</title>{linked}<description>{body}</description>{dated}</item>"


def rss(*items, more=""):
    return f"<rss version='2.0'><channel><title>Blog</title>{more}{''.join(items)}</channel></rss>".encode()


def test_the_first_fetch_marks_what_is_older_than_two_days_as_history(site):
    site.body = rss(item("new"), item("old", date="Mon, 02 Nov 2020 10:00:00 GMT"))
    page = site.poll()
    assert {post.external_id: post.history for post in page.posts} == {"new": False, "old": True}
    site.body = rss(item("new"), item("late", date="Mon, 02 Nov 2020 10:00:00 GMT"))
    assert {post.external_id: post.history for post in site.poll(page.cursor).posts} == {"late": False}


def test_nothing_is_given_twice_and_an_edited_entry_is_given_again(site):
    site.body = rss(item("a"), item("b"))
    page = site.poll()
    assert len(page.posts) == 2
    again = site.poll(page.cursor)
    assert again.posts == ()
    site.body = rss(item("a", body="changed"), item("b"))
    assert [post.external_id for post in site.poll(again.cursor).posts] == ["a"]


@pytest.mark.parametrize("date", ["", "soon", "Sun, 22 Nov 2099 10:00:00 GMT", "0000-00-00"])
def test_a_date_that_cannot_be_is_when_we_first_saw_it(site, date):
    site.body = rss(item(date=date))
    (post,) = site.poll().posts
    assert post.created_at == NOW
    assert not post.dated
    assert not post.history


def test_several_entries_with_one_id_are_all_kept(site):
    site.body = rss(item("same", "One", link="/1"), item("same", "Two", link="/2"), item("same", "Three", link="/3"))
    assert len({post.external_id for post in site.poll().posts}) == 3


def test_ids_that_change_on_every_fetch_are_seen_through_and_only_what_is_new_is_given(site):
    def fetch(number, *titles):
        return rss(*(item(f"{number}-{each}", f"Title {each}", link=f"/{each}") for each in titles))

    cursor, given = None, []
    for number, titles in enumerate([range(8), range(9), range(9), range(10)]):
        site.body = fetch(number, *titles)
        page = site.poll(cursor)
        cursor = page.cursor
        given.append([post.subject for post in page.posts])
    assert (len(given[0]), given[1:]) == (8, [["Title 8"], [], ["Title 9"]])


def test_many_new_entries_without_a_title_are_all_given(site):
    site.body = rss(*(item(f"/{each}", "", link=f"/{each}") for each in range(8)))
    cursor = site.poll().cursor
    site.body = rss(*(item(f"/{each}", "", link=f"/{each}") for each in range(7, 15)))
    assert len(site.poll(cursor).posts) == 7


def test_entries_without_any_id_are_known_by_their_link_or_content(site):
    site.body = rss(item("", "One", link="/1"), item("", "Two", link=""))
    page = site.poll()
    assert len({post.external_id for post in page.posts}) == 2
    assert site.poll(page.cursor).posts == ()


def test_validators_are_sent_and_nothing_new_makes_the_interval_longer(site):
    site.body, site.headers = rss(item()), {"ETag": '"v1"', "Last-Modified": "Sun, 22 Nov 2026 09:00:00 GMT"}
    page = site.poll()
    site.status, site.body = 304, b""
    again = site.poll(page.cursor)
    assert site.server.asked[-1].headers["if-none-match"] == '"v1"'
    assert site.server.asked[-1].headers["if-modified-since"] == "Sun, 22 Nov 2026 09:00:00 GMT"
    assert again.interval == min(page.interval * 1.5, 3600)
    assert again.cursor["ids"] == page.cursor["ids"]


def test_another_address_is_read_from_the_beginning_and_then_kept_to(site):
    site.body, site.headers = rss(item("kept"), item("edited")), {"ETag": '"v1"', "Last-Modified": "yesterday"}
    cursor = site.poll().cursor
    site.body = rss(item("kept"), item("edited", body="now"), item("new", date="Mon, 16 Nov 2026 10:00:00 GMT"))
    site.pages["/moved"] = Reply(200, site.body, dict(site.headers))
    before = len(site.server.asked)
    for given in (["edited", "new"], []):
        page = site.poll(cursor, url=f"{site.server.url}/moved")
        assert sorted(post.external_id for post in page.posts) == given
        assert not any(post.history for post in page.posts)
        cursor = page.cursor
    first, second = site.server.asked[before:]
    assert (first.path, second.path) == ("/moved", "/moved")
    assert ("if-none-match" in first.headers, "if-none-match" in second.headers) == (False, True)


def test_the_old_entries_of_wholly_another_feed_are_history(site):
    site.body = rss(*(item(f"a-{each}", f"A {each}", link=f"/a/{each}") for each in range(6)))
    cursor = site.poll().cursor
    old = "Mon, 02 Nov 2020 10:00:00 GMT"
    body = rss(item("new", "New", link="/b/new"),
               *(item(f"b-{each}", f"B {each}", old, f"/b/{each}") for each in range(6)))  # fmt: skip
    site.pages["/other"] = Reply(200, body)
    page = site.poll(cursor, url=f"{site.server.url}/other")
    assert [post.external_id for post in page.posts if not post.history] == ["new"]
    assert (len(page.posts), page.gaps) == (7, ())


def test_a_feed_may_ask_to_be_left_alone_but_not_for_ever(site):
    site.body = rss(item(), more="<ttl>40</ttl>")
    assert site.poll().interval == 2400
    site.body = rss(item(), more="<ttl>99999</ttl>")
    assert site.poll().interval == 3600


def test_a_page_is_asked_for_the_feed_it_names(site):
    page = "<html><head><link rel='alternate' type='application/rss+xml' href='/feed'></head></html>"
    site.pages["/"] = Reply(200, page, {"Content-Type": "text/html"})
    site.body = rss(item("x"))
    found = site.poll(url=site.server.url + "/")
    assert [post.external_id for post in found.posts] == ["x"]
    assert found.cursor["url"] == site.url


def test_a_page_without_a_feed_is_unreadable(site):
    site.body = b"<html><body>Hello" + b"<link rel='alternate'" * 10_000
    with pytest.raises(Unreadable, match="page without a feed"):
        site.poll()


def test_a_permanent_move_counts_after_three_times(site):
    site.pages["/old"] = Reply(301, "", {"Location": "/feed"})
    site.body, cursor, asked = rss(item()), None, []
    for _ in range(5):
        before = len(site.server.asked)
        cursor = site.poll(cursor, url=f"{site.server.url}/old").cursor
        asked.append([each.path for each in site.server.asked[before:]])
    assert asked[2] == ["/old", "/feed"]
    assert asked[4] == ["/feed"]


def test_a_feed_that_was_taken_away_needs_a_person_and_a_refusal_waits_an_hour(site):
    site.status = 410
    with pytest.raises(Gone):
        site.poll()
    site.status = 403
    with pytest.raises(RateLimited) as raised:
        site.poll()
    assert raised.value.until == NOW + timedelta(hours=1)


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16"])
def test_a_wrongly_declared_encoding_still_gives_entries(site, encoding):
    body = f"<?xml version='1.0' encoding='{encoding}'?>" + rss(item(title="Grüße")).decode()
    site.body, site.headers = body.encode("utf-8"), {"Content-Type": "application/rss+xml; charset=us-ascii"}
    assert len(site.poll().posts) == 1


@pytest.mark.parametrize("trap", ["punycode", "idna", "undefined", "unicode_escape"])
@pytest.mark.parametrize("coded", ["ascii", "utf-16", "cp037"])
def test_a_page_in_a_codec_nobody_writes_in_is_no_feed(site, trap, coded):
    page = f'<?xml version="1.0" encoding="{trap}"?><rss><channel><title>{"b" * 100_000}</title></channel></rss>'
    site.body = page.encode(coded)
    with costs(1), pytest.raises(Unreadable):
        site.poll()
    site.body, site.headers = b"<rss></rss>", {"Content-Type": f"text/xml; charset={trap}"}
    with pytest.raises(Unreadable):
        site.poll()


def test_an_entity_bomb_and_a_broken_gzip_end_at_once(site):
    bomb = "<!DOCTYPE r [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
        f"<!ENTITY {chr(98 + n)} '{('&' + chr(97 + n) + ';') * 10}'>" for n in range(12)
    )
    site.body = f"<?xml version='1.0'?>{bomb}]><rss version='2.0'><channel><title>&m;</title></channel></rss>".encode()
    try:
        assert sum(len(post.text) for post in site.poll().posts) < 1_000_000
    except Unreadable:
        pass
    site.body, site.headers = gzip.compress(b"x" * 1000)[:40], {"Content-Encoding": "gzip"}
    with pytest.raises(Unreadable):
        site.poll()


def test_a_json_feed_is_read_item_by_item(site):
    good = {"id": "1", "url": "/p", "title": "T", "content_text": "a <b>", "date_published": "2026-11-22T09:00:00Z",
            "authors": [{"name": "Wes"}]}  # fmt: skip
    site.body = json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "J", "items": [good, 7]}).encode()
    page = site.poll()
    (post,) = page.posts
    assert post.text == "T\n\na <b>"
    assert post.author.name == "Wes"
    assert post.url == f"{site.server.url}/p"
    assert len(page.bad) == 1


def test_no_more_than_two_hundred_entries_are_taken_and_the_cursor_stays_small(site):
    site.body = rss(*(item(f"https://example.invalid/{'x' * 200}/{n}", f"T{n}", link=f"/{n}") for n in range(300)))
    page = site.poll()
    assert len(page.posts) == 200
    assert len(json.dumps(page.cursor)) <= 32_000

"""A row says that somebody is replying while that is so."""

import pytest
from playwright.sync_api import expect

from tests.world import answer, write

pytestmark = pytest.mark.browser


def test_the_head_of_a_conversation_has_room_for_who_else_is_there(site, desk_of):
    one = write(site.channel, "where is my parcel", site.cast.support, name="Carla Mendes")
    desk_of(site.cast.max).open(f"/conversations/{one.pk}/?view=support")
    page = desk_of(site.cast.ana).open(f"/conversations/{one.pk}/?view=support")
    expect(page.locator("#talk-here")).to_contain_text("Max is reading")
    cut = """[...document.querySelectorAll("#talk-head > :is(.bar__title, .bar__facts, .talk__here)")]
      .filter(part => part.checkVisibility() && part.scrollWidth > part.clientWidth).map(part => part.textContent)"""
    assert page.evaluate(cut) == []


def test_a_row_says_who_is_replying_and_forgets_it_when_the_page_is_closed(site, desk_of):
    one = write(site.channel, "where is my parcel", site.cast.support)
    write(site.channel, "another case", site.cast.support, author="theo")
    ana, max_ = desk_of(site.cast.ana), desk_of(site.cast.max)
    page = ana.open("/views/support/")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/replying/" in request.url else None)
    box = max_.open(f"/conversations/{one.pk}/?view=support").locator("#reply-text")
    mark = page.locator(f"#conversation-{one.pk} .row__mark")
    box.fill("Hi Carla")
    expect(mark).to_have_attribute("data-here", "Max is replying")
    expect(page.locator("[data-here]")).to_have_count(1)
    answer(site.channel, one, "are you there?")  # the row is drawn again and still says it
    expect(page.locator(f"#conversation-{one.pk}")).to_contain_text("are you there?")
    expect(mark).to_have_attribute("data-here", "Max is replying")
    max_.page.goto("about:blank")
    expect(page.locator("[data-here]")).to_have_count(0)
    assert len(asked) <= 4

"""Search by the keyboard: one page, from the first letter to the message that was found."""

import re

import pytest
from playwright.sync_api import expect

from inbox.searching import indexing
from tests.world import answer, write

pytestmark = pytest.mark.browser
# Letter after letter, closer than any machine's pauses: how long the page waits for the next one is not the matter.
TYPE = """(box, words) => { for (const sign of words) {
  box.value += sign
  box.dispatchEvent(new InputEvent("input", { bubbles: true, data: sign }))
} }"""


def test_what_is_typed_is_found_and_opens_where_it_was_said(site, desk_of):
    one = write(site.channel, "my purple parcel is late", site.cast.support, ago=5000)
    for number in range(30):
        answer(site.channel, one, f"still nothing, day {number}, " + "and nobody says a word " * 4, ago=4000 - number)
    write(site.channel, "a purple secret", site.cast.hr, author="ines")
    write(site.channel, "the purple box came", site.cast.support, author="theo", ago=9000)
    indexing.index_due()
    page = desk_of(site.cast.ana).open("/views/all/")
    page.keyboard.press("/")
    page.wait_for_url("**/search/")
    expect(page.locator("#search-words")).to_be_focused()
    asked = []
    page.on("request", lambda one: asked.append(one.url) if "/search/?" in one.url else None)
    page.locator("#search-words").evaluate(TYPE, "purpel")
    expect(page.locator("#search-found")).to_contain_text("Nothing that you can see has “purpel”")
    page.locator("#search-words").evaluate("box => { box.value = 'purp' }")
    page.locator("#search-words").evaluate(TYPE, "le")
    hits = page.locator("#search-hits [data-key]")
    expect(hits).to_have_count(2)
    expect(hits.first.locator("mark")).to_have_text("purple")
    page.wait_for_url("**/search/?q=purple")
    assert len(asked) == 2
    page.keyboard.press("ArrowDown")
    expect(hits.nth(0).locator("a")).to_be_focused()
    page.keyboard.press("j")
    expect(hits.nth(1).locator("a")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#search-words")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"/conversations/{one.pk}/\?view=all#mention-\d+"))
    found = page.locator(f"#mention-{one.mentions.order_by('posted_at').first().pk}")
    expect(found).to_be_in_viewport()
    expect(page.locator("#talk")).to_have_attribute("data-open", str(one.pk))
    page.go_back()
    expect(hits).to_have_count(2)
    expect(page.locator("#search-words")).to_have_value("purple")


def test_a_phone_reaches_search_from_its_bar_and_narrows_it(site, desk_of):
    from tests.browser.conftest import PHONE

    write(site.channel, "my purple parcel is late", site.cast.support)
    done = write(site.channel, "the purple box came", site.cast.support, author="theo", ago=9000)
    done.close(site.cast.ana)
    indexing.index_due()
    page = desk_of(site.cast.ana, viewport=PHONE, has_touch=True).open("/views/all/")
    page.locator(".tabbar a", has_text="Search").tap()
    page.wait_for_url("**/search/")
    page.locator("live-bell[state=live]").wait_for(state="attached")
    page.locator("#search-words").fill("purple")
    expect(page.locator("#search-hits [data-key]")).to_have_count(2)
    page.locator("#search-facets > summary").tap()
    page.locator("#search-facets input[name=state][value=done]").tap()
    expect(page.locator("#search-hits [data-key]")).to_have_count(1)
    page.wait_for_url("**/search/?q=purple&state=done")
    page.reload()
    expect(page.locator("#search-hits [data-key]")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

"""The desk says what it knows: a failing server, who has a conversation, and no undo after its time."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from tests.world import answer, write

pytestmark = pytest.mark.browser

SMALL = """[...document.querySelectorAll("a, button, input, summary, textarea, label.choice")]
    .filter(one => one.checkVisibility({visibilityProperty: true}) && !one.matches("label input"))
    .map(one => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
    .filter(([name, box]) => box.width > 1 && box.height > 1 && (box.width < 40 || box.height < 40))
    .map(([name]) => name)"""


def test_the_line_is_not_called_live_while_the_server_fails(site, desk_of):
    one = write(site.channel, "my parcel is late", site.cast.support)
    page = desk_of(site.cast.ana, routes=True).open("/views/support/")
    page.route("**/views/support/?since=*", lambda route: route.fulfill(status=500))
    answer(site.channel, one, "hello?")
    expect(page.locator("live-bell")).to_have_attribute("state", "failing")
    expect(page.locator("live-bell")).to_contain_text("The server has been failing since")
    page.unroute("**/views/support/?since=*")
    answer(site.channel, one, "anybody?")
    expect(page.locator("live-bell")).to_have_attribute("state", "live")
    expect(page.locator(".row")).to_contain_text("anybody?")


def test_a_row_shows_what_it_waits_for_and_who_has_it(site, desk_of):
    one = write(site.channel, "my parcel is late", site.cast.support)
    one.claim(site.cast.ana)
    type(one).objects.filter(pk=one.pk).update(trouble="failed")
    page = desk_of(site.cast.max).open("/views/support/")
    expect(page.locator(".row__mark")).to_contain_text("not sent")
    expect(page.locator(".row__mark")).to_contain_text("Ana")


def test_undo_goes_with_its_countdown(site, desk_of):
    one = write(site.channel, "my parcel is late", site.cast.support)
    page = desk_of(site.cast.ana).open(f"/conversations/{one.pk}/?view=support")
    page.locator("#reply-text").fill("On its way")
    page.locator("#reply-text").press("Control+Enter")
    undo = page.locator("count-down + form")
    expect(undo).to_be_visible()
    page.locator("count-down").evaluate("one => one.setAttribute('until', new Date().toISOString())")
    expect(undo).to_be_hidden()


def test_on_a_phone_the_acts_are_at_hand_and_large_enough(site, desk_of):
    one = write(site.channel, "my parcel is late", site.cast.support)
    page = desk_of(site.cast.ana, viewport=PHONE, has_touch=True, is_mobile=True).open(f"/conversations/{one.pk}/")
    for name in ("Take", "Done", "Reply on Demo network"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()
    assert page.locator("#talk").evaluate(SMALL) == []
    page.get_by_role("button", name="Take", exact=True).tap()
    expect(page.get_by_role("button", name="Give back", exact=True)).to_be_visible()

"""The bar of picked rows by keys and by hand: what it does is seen at once, told honestly and taken back as one."""

import pytest
from playwright.sync_api import expect

from inbox.models import Conversation, State
from tests.browser.conftest import PHONE
from tests.world import answer, write

pytestmark = pytest.mark.browser


@pytest.fixture
def three(site):
    return [write(site.channel, f"case {n}", site.cast.support, author=f"a{n}", ago=60 * n) for n in range(3)]


def pick(page, *conversations):
    for one in conversations:
        page.locator(f"#conversation-{one.pk} .row__box").check()
    expect(page.locator("#bulk")).to_be_visible()


def row(page, one):
    return page.locator(f"#conversation-{one.pk}")


def test_keys_work_on_the_picked_rows_and_z_takes_back_the_lot(site, desk_of, three):
    page = desk_of(site.cast.ana).open(f"/conversations/{three[2].pk}/?view=support")
    row(page, three[0]).locator(".row__open").focus()
    page.keyboard.press("x")
    expect(page.locator("#bulk [data-count].bar__title")).to_have_text("1 picked")
    page.keyboard.press("j")
    expect(row(page, three[1]).locator(".row__open")).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator("#bulk [data-count].bar__title")).to_have_text("2 picked")
    page.keyboard.press("e")
    expect(page.locator(".toast")).to_contain_text("2 done.")
    expect(row(page, three[0])).to_have_count(0)
    expect(row(page, three[2])).to_be_visible()
    expect(page.locator("#bulk")).to_be_hidden()
    assert Conversation.objects.get(pk=three[2].pk).state == State.NEW  # open, but not picked
    page.keyboard.press("z")
    expect(page.locator(".toast")).to_contain_text("Undone for 2.")
    expect(row(page, three[0])).to_be_visible()
    assert not Conversation.objects.exclude(state=State.NEW).exists()


def test_they_are_given_to_who_is_found_by_typing(site, desk_of, three):
    page = desk_of(site.cast.ana).open("/views/support/")
    pick(page, *three[:2])
    page.keyboard.press("a")
    expect(page.locator("#bulk-give")).to_contain_text("Max")
    page.keyboard.type("max")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("2 given to Max")
    expect(page.locator("#bulk-give")).to_be_hidden()
    expect(row(page, three[0]).locator(".row__owner")).to_have_text("Max")
    assert Conversation.objects.filter(agent=site.cast.max).count() == 2


def test_they_are_handed_over_set_aside_and_tagged_by_keys(site, desk_of, three):
    page = desk_of(site.cast.ana).open("/views/support/")
    pick(page, three[0])
    page.keyboard.press("h")
    expect(page.locator("#bulk-give")).to_contain_text("Product")
    expect(page.locator("#bulk-give")).not_to_contain_text("Max")
    page.keyboard.type("prod")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("1 given to Product")
    expect(page.locator("#bulk")).to_be_hidden()  # the answer's last word: nothing is picked any more
    pick(page, three[1])
    page.keyboard.press("t")
    page.keyboard.type("vip")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("1 tagged")
    expect(page.locator("#bulk")).to_be_hidden()
    pick(page, three[2])
    page.keyboard.press("s")
    expect(page.locator("#bulk-snooze .menu__item").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("1 set aside")
    told = {one.pk: (one.team_id, one.state, one.tags) for one in Conversation.objects.all()}
    assert told[three[0].pk][0] == site.cast.product.pk
    assert told[three[1].pk] == (site.cast.support.pk, State.NEW, ["vip"])
    assert told[three[2].pk][1] == State.SNOOZED


def test_what_changed_behind_a_silent_line_is_left_alone(site, desk_of, three):
    page = desk_of(site.cast.ana, routes=True).open("/views/support/")
    pick(page, *three)
    page.route("**/views/support/?since=*", lambda route: route.abort())
    answer(site.channel, three[1], "never mind, it arrived")
    page.keyboard.press("e")
    expect(page.locator(".toast")).to_contain_text("2 done, 1 had changed")
    assert Conversation.objects.get(pk=three[1].pk).state == State.NEW


def test_when_the_server_fails_the_rows_are_as_before(site, desk_of, three):
    page = desk_of(site.cast.ana, routes=True).open("/views/support/")
    pick(page, *three[:2])
    page.route("**/bulk/", lambda route: route.fulfill(status=500, body=""))
    page.keyboard.press("e")
    expect(page.locator(".toast")).to_contain_text("Not done: the server failed")
    expect(page.locator(".row[data-doing]")).to_have_count(0)
    expect(page.locator("#bulk")).to_be_visible()
    assert not Conversation.objects.exclude(state=State.NEW).exists()


def test_on_a_phone_the_bar_fits(site, desk_of, three):
    page = desk_of(site.cast.ana, viewport=PHONE, has_touch=True).open("/views/support/")
    pick(page, three[0])
    widest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('#bulk *')].map(one => one.getBoundingClientRect().right))"
    )
    assert widest <= PHONE["width"]
    page.locator("#bulk").get_by_role("button", name="Done").click()
    expect(page.locator(".toast")).to_contain_text("1 done")


def test_without_scripts_picked_rows_are_done_and_taken_back(site, desk_of, three):
    page = desk_of(site.cast.ana, java_script_enabled=False).page
    page.goto(f"{site.url}/views/support/")
    expect(page.locator("#bulk")).to_be_hidden()
    page.locator(f"#conversation-{three[0].pk} .row__box").check()
    page.locator("#bulk").get_by_role("button", name="Done").click()
    expect(page.get_by_role("heading", name="1 done")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(row(page, three[0])).to_be_visible()
    assert not Conversation.objects.exclude(state=State.NEW).exists()

"""The desk by the keyboard: what a key opens takes the focus, and gives it back however it is closed."""

import re

import pytest
from playwright.sync_api import expect

from inbox.models import Event
from tests.world import write

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(site, desk_of):
    """Ana's page with a conversation opened from the list, and its row's link, which has the focus."""
    write(site.channel, "the second parcel", site.cast.support, author="theo")
    one = write(site.channel, "my parcel is late", site.cast.support)
    page = desk_of(site.cast.ana).open("/views/support/")
    link = page.locator(f"#c{one.pk}-open")
    link.click()
    expect(page.locator("#talk")).to_have_attribute("data-open", str(one.pk))
    return page, one, link


def back(page):
    page.wait_for_url(lambda url: "#" in url)  # the step is written a moment after the opening
    page.go_back()


def escape(page):
    page.keyboard.press("Escape")


@pytest.mark.parametrize("leave", [escape, back])
@pytest.mark.parametrize(("key", "opens"), [("a", "#give"), ("h", "#give"), ("s", "#snooze-menu"), ("w", "#why")])
def test_what_a_key_opens_takes_the_focus_and_gives_it_back(opened, key, opens, leave):
    page, _one, link = opened
    expect(link).to_be_focused()
    page.keyboard.press(key)
    expect(page.locator(f"{opens}:popover-open")).to_be_visible()
    expect(page.locator(f"{opens}:focus, {opens} :focus")).to_be_attached()
    if opens == "#give":
        expect(page.locator("#give [role=option]").first).to_be_visible()  # asked for when it was opened
    asked = []
    others = ("/presence/", "/seen/")  # who is here is asked at any time
    page.on("request", lambda one: asked.append(one.url) if "/conversations/" in one.url else None)
    leave(page)
    expect(page.locator(f"{opens}:popover-open")).to_have_count(0)
    expect(link).to_be_focused()
    page.wait_for_url(lambda url: "#" not in url)
    page.wait_for_timeout(200)
    assert [url for url in asked if not url.endswith(others)] == []
    expect(link).to_be_focused()
    page.go_back()
    expect(page.locator("#talk[data-open]")).to_have_count(0)


def test_an_agent_is_found_by_typing_and_gets_the_conversation(site, opened):
    page, one, link = opened
    page.keyboard.press("a")
    page.keyboard.type("ma")
    expect(page.locator("#give [role=option]:visible")).to_have_text([re.compile("Max"), "Marketing"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("Given to Max")
    expect(page.locator("#talk-why")).to_contain_text("Max")
    expect(link).to_be_focused()
    one.refresh_from_db()
    assert one.agent == site.cast.max
    page.keyboard.press("z")
    expect(page.locator(".toast")).to_contain_text("Undone")


def test_what_is_typed_while_a_conversation_comes_is_typed_into_what_its_key_opens(site, opened):
    page, one, _link = opened
    before = Event.objects.count()
    page.keyboard.press("j")
    other = page.locator(f"#talk:not([data-open='{one.pk}'])")
    page.keyboard.press("Enter")
    page.keyboard.type("rHello Theo")  # R for the reply; what follows belongs into it
    expect(other.locator("#reply-text")).to_have_value("Hello Theo")
    expect(other.locator("#reply-text")).to_be_focused()
    page.keyboard.type("!")
    expect(other.locator("#reply-text")).to_have_value("Hello Theo!")
    assert Event.objects.count() == before  # none of its letters was an act


def test_the_focus_stands_at_what_enter_opened_and_at_what_comes_after_an_own_act(site, desk_of):
    cases = [write(site.channel, f"case {n}", site.cast.support, author=f"a{n}", ago=60 * n) for n in range(4)]
    page = desk_of(site.cast.ana).open("/views/support/")
    links, heading = [page.locator(f"#c{one.pk}-open") for one in cases], page.locator("#talk .bar__title")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#talk")).to_have_attribute("data-open", str(cases[0].pk))
    expect(heading).to_be_focused()
    page.keyboard.press("j")
    expect(links[1]).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#talk")).to_have_attribute("data-open", str(cases[1].pk))
    page.locator("#talk [data-act=closure] button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#talk")).to_have_attribute("data-open", str(cases[2].pk))
    expect(heading).to_be_focused()
    links[2].focus()
    page.keyboard.press("s")
    expect(page.locator("#snooze-menu .menu__item").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(links[2]).to_have_count(0)
    expect(links[3]).to_be_focused()


def test_handing_over_offers_teams_alone(site, opened):
    page, one, _link = opened
    page.keyboard.press("h")
    expect(page.locator("#give")).to_contain_text("Product")
    expect(page.locator("#give")).not_to_contain_text("Max")
    page.keyboard.type("prod")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("Given to Product")
    one.refresh_from_db()
    assert one.team == site.cast.product


def test_without_scripts_the_page_of_teams_and_people_assigns(site, desk_of):
    one = write(site.channel, "my parcel is late", site.cast.support)
    page = desk_of(site.cast.ana, java_script_enabled=False).page
    page.goto(f"{site.url}/conversations/{one.pk}/?view=support")
    page.get_by_role("link", name="Nobody").click()
    page.get_by_role("option", name="Max").click()
    expect(page.locator("#talk-why")).to_contain_text("Max")
    one.refresh_from_db()
    assert one.agent == site.cast.max


def test_no_key_breaks_the_policy_of_content(opened):
    """The whole way through what keys open; the page's own record of violations is judged in the end."""
    page, one, link = opened
    kept = page.locator("#messages > [id]").last  # as live-thread leaves a message whose text became shorter
    kept.evaluate("one => one.style.setProperty('--kept', '1')")
    for key in ("a", "h", "s", "w", "t", "?", "Control+k", "n", "r", "i"):
        page.keyboard.press(key)
        page.wait_for_timeout(60)
        page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("#"))
    with page.expect_response(f"**/conversations/{one.pk}/?*"):
        link.click()
    expect(kept).not_to_have_attribute("style", re.compile("."))
    page.go_back()
    expect(page.locator("#talk[data-open]")).to_have_count(0)
    assert page.evaluate("violations") == []


def test_a_conversation_opened_once_more_is_left_by_one_step_back(opened):
    page, one, link = opened
    steps = page.evaluate("history.length")
    for _ in range(2):
        page.locator("#talk").evaluate("talk => talk.dataset.before = ''")
        link.click()
        expect(page.locator("#talk[data-before]")).to_have_count(0)
        expect(page.locator("#talk")).to_have_attribute("data-open", str(one.pk))
    assert page.evaluate("history.length") == steps
    page.go_back()
    expect(page.locator("#talk[data-open]")).to_have_count(0)


def test_the_list_of_keys_begins_at_its_beginning_and_each_of_them_has_its_control(opened):
    page, _one, _link = opened
    named = page.locator("#help [data-of]").evaluate_all("all => all.map(one => one.dataset.of)")
    listed = {key for names in named for key in ([names] if names.startswith("g ") else names.split(" "))}
    carried = page.locator("[data-key]").evaluate_all("all => all.flatMap(one => one.dataset.key.split(', '))")
    moves = {"j", "k", "ArrowDown", "ArrowUp", "ArrowRight", "Home", "End", "x", "X", "A", "Space", "Shift+Space"}
    elsewhere = {"E", "R"}  # where a conversation is done, where a private message can be sent
    assert listed - moves - elsewhere - {"z", "Escape", "F6", "[", "]"} <= set(carried)
    page.set_viewport_size({"width": 900, "height": 420})
    page.keyboard.press("?")
    expect(page.locator("#help-title")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()

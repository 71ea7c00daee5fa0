"""Making a topic by hand: the query is judged while it is typed, and what it finds is read and taken into the queue."""

import pytest
from playwright.sync_api import expect

from connectors.models import Topic
from connectors.topics import comparing, resorting
from inbox.models.conversation import State
from tests.world import post, store, write

pytestmark = pytest.mark.browser


@pytest.fixture
def said(site):
    """What people said before anybody made a topic of it."""
    texts = (
        "my kettle leaks again",
        "the kettle of the old series leaks",
        "a kettle for my garden",
        "just saying hello",
    )
    for number, text in enumerate(texts):
        write(site.channel, text, site.cast.support, author=f"author{number}", history=True, ago=3_600 * number)
    for number in range(6):
        write(site.channel, f"our garden kettle, {number}", site.cast.support, author=f"gardener{number}", history=True)
    strangers = [post(f"what a fine day {number}", f"guest{number}", history=True) for number in range(60)]
    store(site.channel, *strangers, team=site.cast.support)


def test_a_query_is_judged_while_it_is_typed_and_what_it_finds_is_taken(site, desk_of, said):
    page = desk_of(site.cast.max).open("/set-up/topics/new/")
    page.get_by_label("Name").fill("Kettles")
    query = page.get_by_label("Query", exact=True)
    query.press_sequentially("kettle OR (pot")
    expect(page.locator("#query-echo mark")).to_have_text("(pot")
    expect(query).to_be_focused()
    query.press_sequentially(")")
    expect(page.locator("#reads strong").first).to_have_text("9")
    page.get_by_role("button", name="Exclude “garden”", exact=False).click()
    expect(page.locator("#will-exclude")).to_contain_text("garden")
    expect(query).to_have_value("kettle OR (pot)")
    expect(page.locator("#reads strong").first).to_have_text("2")
    expect(page.locator("#reads")).to_contain_text("7 more are hidden by exclusions")
    page.get_by_label("Team").select_option(label="Support")
    page.get_by_role("button", name="Keep topic").click()
    expect(page.get_by_text("“Kettles” listens.")).to_be_visible()
    comparing.compare_due()
    page.get_by_role("link", name="Posts").click()
    expect(page.locator(".topic-post")).to_have_count(2)
    expect(page.get_by_role("link", name="Excluded 7")).to_be_visible()
    first = page.locator(".topic-post").first
    first.get_by_role("button", name="Make a conversation of it").click()
    expect(page.locator("#talk")).to_contain_text("leaks again")
    topic = Topic.objects.get()
    assert topic.found.get(mention__text="my kettle leaks again").mention.conversation.state == 0


def test_an_answer_that_comes_late_takes_nothing_from_what_is_typed_meanwhile(site, desk_of, said):
    page, late = desk_of(site.cast.max, routes=True).open("/set-up/topics/new/"), []
    page.route("**/set-up/topics/new/", lambda route: route.continue_() if late else late.append(route))
    page.get_by_label("Name").fill("Kettles")
    while not late:
        page.wait_for_timeout(20)
    page.get_by_label("Query", exact=True).fill("kettle OR (pot")
    late[0].continue_()
    expect(page.locator("#query-echo mark")).to_have_text("(pot")


def test_what_was_refused_is_said_until_it_is_mended(site, desk_of, said):
    page = desk_of(site.cast.max).open("/set-up/topics/new/")
    page.get_by_label("Name").fill("Kettles")
    query = page.get_by_label("Query", exact=True)
    query.fill('"kettle')
    page.get_by_role("button", name="Keep topic").click()
    refusal = page.locator(".field__error", has_text="closing quote").first
    expect(refusal).to_be_visible()
    query.press_sequentially('"')
    expect(page.locator("#reads")).to_contain_text("reads:")
    expect(page.locator(".field .field__error", has_text="closing quote")).to_be_hidden()


def test_one_key_takes_the_row_of_the_cursor_into_the_queue(site, desk_of, said):
    topic = Topic(name="Kettles")
    topic.rewrite(None, [], query="leaks", team=site.cast.support)
    comparing.compare_due()
    page = desk_of(site.cast.ana).open(f"/topics/{topic.pk}/")
    expect(page.locator(".topic-post")).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(".topic-post__open").nth(1)).to_be_focused()
    page.keyboard.press("Shift+P")
    expect(page.locator("#talk")).to_contain_text("the kettle of the old series leaks")
    states = {one.mention.text: one.mention.conversation.state for one in topic.found.select_related("mention")}
    assert states["the kettle of the old series leaks"] == State.NEW
    assert states["my kettle leaks again"] == State.HEARD
    page.goto(f"{site.url}/topics/{topic.pk}/")
    expect(page.locator(".topic-post").nth(1)).to_contain_text("in the queue")
    page.locator(".topic-post__open").nth(1).focus()
    page.keyboard.press("Shift+P")
    expect(page.locator("say-aloud")).to_contain_text("is a conversation already")


def test_what_is_found_is_told_apart_and_what_nobody_needs_is_hidden_and_restored(site, desk_of, said):
    topic = Topic(name="Kettles")
    topic.rewrite(None, [], query="kettle", team=site.cast.support)
    comparing.compare_due()
    here = f"/set-up/topics/{topic.pk}/"
    page = desk_of(site.cast.max).open(f"{here}themes/new/")
    page.get_by_label("Name").fill("Leaks")
    page.get_by_label("Red").check()
    query = page.get_by_label("Query", exact=True)
    query.press_sequentially("leak* OR (drip")
    expect(page.locator("#query-echo mark")).to_have_text("(drip")
    expect(query).to_be_focused()
    query.press_sequentially(")")
    expect(page.locator("#reads")).to_contain_text("2 of 9 posts found in 30 days")
    page.get_by_role("button", name="Keep theme").click()
    expect(page.get_by_text("is being looked through")).to_be_visible()
    resorting.sort_due()
    expect(page.get_by_text("2 posts in 30 days")).to_be_visible()  # the page asks by itself
    expect(page.get_by_text("is being looked through")).to_be_hidden()

    page.get_by_role("link", name="Exclusions").click()
    page.get_by_label("Author").check()
    page.get_by_label("Text", exact=True).fill("@gardener3")
    page.get_by_role("button", name="Try it first").click()
    expect(page.locator("#trial")).to_contain_text("1 of 9 posts found in 30 days")
    expect(page.get_by_label("Text", exact=True)).to_have_value("@gardener3")
    page.get_by_role("button", name="Exclude", exact=True).click()
    expect(page.locator(".exclusion__text")).to_have_text("@gardener3")
    resorting.sort_due()
    page.get_by_role("link", name="hid 1 post in 30 days").click()
    expect(page.locator(".topic-post")).to_have_count(1)
    page.get_by_role("link", name="Posts").click()
    expect(page.locator(".topic-post")).to_have_count(8)
    page.locator("#themes").get_by_role("link", name="Leaks").click()
    expect(page.locator(".topic-post")).to_have_count(2)
    page.get_by_role("link", name="Excluded 1").click()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("Nothing is hidden.")).to_be_visible()
    assert topic.found.shown().count() == 9

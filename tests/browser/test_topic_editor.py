"""Making a topic by hand: the query is judged while it is typed, and what it finds is read and taken into the queue."""

import pytest
from playwright.sync_api import expect

from connectors.models import Topic
from connectors.topics import comparing
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
    page.get_by_role("button", name="Exclude “garden”").click()
    expect(query).to_have_value("(kettle OR (pot)) NOT garden")
    expect(page.locator("#reads strong").first).to_have_text("2")
    page.get_by_label("Team").select_option(label="Support")
    page.get_by_role("button", name="Keep topic").click()
    expect(page.get_by_text("“Kettles” listens.")).to_be_visible()
    comparing.compare_due()
    page.get_by_role("link", name="Posts").click()
    expect(page.locator(".topic-post")).to_have_count(2)
    first = page.locator(".topic-post").first
    first.get_by_role("button", name="Make a conversation of it").click()
    expect(page.locator("#talk")).to_contain_text("leaks again")
    topic = Topic.objects.get()
    assert topic.found.get(mention__text="my kettle leaks again").mention.conversation.state == 0


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

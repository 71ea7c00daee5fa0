"""What happens to a text when its writer leaves the conversation, or the conversation leaves the writer's teams."""

import pytest
from playwright.sync_api import expect

from connectors.base import PostState
from inbox.models import Draft, Reply
from tests.browser.test_desk_live import pick, row
from tests.waiting import soon
from tests.world import post, store, write

pytestmark = pytest.mark.browser

STILL = "window.setTimeout = () => 1e9"  # from here on nothing happens later: the writer is faster than any wait


@pytest.fixture
def cases(site):
    return [write(site.channel, f"case {n}", site.cast.support, author=f"a{n}", ago=60 + n) for n in range(2)]


def opened(desk, one):
    return desk.open(f"/conversations/{one.pk}/?view=support")


def test_a_text_is_there_again_when_its_writer_left_right_after_the_last_key(site, desk_of, cases):
    first, second = cases
    page = opened(desk_of(site.cast.ana), first)
    page.evaluate(STILL)
    page.locator("#reply-text").press_sequentially("half a sen")
    pick(page, second)
    expect(page.locator("#reply-text")).to_have_value("")
    pick(page, first)
    expect(page.locator("#reply-text")).to_have_value("half a sen")
    soon(Draft.objects.filter(conversation=first, text="half a sen").exists)  # also for another device
    assert not Draft.objects.filter(conversation=second).exists()


def test_a_text_survives_a_reload_right_after_the_last_key(site, desk_of, cases):
    page = opened(desk_of(site.cast.ana), cases[0])
    page.evaluate(STILL)
    page.locator("#reply-text").press_sequentially("half a sen")
    page.reload()
    expect(page.locator("#reply-text")).to_have_value("half a sen")


def test_news_that_come_late_do_not_put_a_draft_into_another_conversation(site, desk_of, cases):
    first, second = cases
    page = opened(desk_of(site.cast.ana), first)
    page.evaluate(
        """() => {
          const text = Response.prototype.text, wait = new Promise(go => { window.letGo = go })
          Response.prototype.text = async function () {
            if (!this.url.includes("since=conversation")) return text.call(this)
            window.held = true
            const said = await (await wait, text.call(this))
            window.read = true
            return said
          }
        }"""
    )
    Draft.objects.create(agent=site.cast.ana, conversation=first, kind="reply", text="for the first", version=3)
    page.evaluate("document.dispatchEvent(new CustomEvent('ask'))")
    soon(lambda: page.evaluate("window.held"))
    pick(page, second)
    page.evaluate("letGo()")
    soon(lambda: page.evaluate("window.read"))
    page.evaluate("new Promise(requestAnimationFrame)")
    expect(page.locator("#talk-head")).to_contain_text("A1")
    expect(page.locator("#reply-text")).to_have_value("")


def test_a_conversation_that_was_moved_away_cannot_be_acted_on_and_its_text_can_be_copied(site, desk_of, cases):
    one, _other = cases
    desk = desk_of(site.cast.ana)
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = opened(desk, one)
    page.locator("#reply-text").fill("Hi Carla, found it")
    one.assign(site.cast.hr, None, site.cast.max)
    foot = page.locator("#reply-form .composer__foot")
    expect(foot).to_contain_text("Moved out of your teams")
    expect(page.locator("#talk-head").get_by_role("button", name="Done")).to_have_count(0)
    expect(page.locator("#talk-head").get_by_role("button", name="Take")).to_have_count(0)
    expect(page.get_by_role("button", name="Send", exact=True)).to_have_count(0)
    expect(page.locator("#talk")).not_to_contain_text("You can reply")
    expect(page.locator("#reply-text")).to_have_value("Hi Carla, found it")
    expect(page.locator("#reply-text")).not_to_be_editable()
    foot.get_by_role("button", name="Copy the text").click()
    expect(foot).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "Hi Carla, found it"
    assert not Reply.objects.exists()


def test_a_reply_to_a_conversation_that_is_gone_says_so_at_once(site, desk_of, cases):
    one, _other = cases
    page = opened(desk_of(site.cast.ana, routes=True), one)
    page.locator("#reply-text").fill("Hi Carla, found it")

    def be_faster(route):  # it goes while the reply is under way, so that the page cannot know
        one.assign(site.cast.hr, None, site.cast.max)
        route.continue_()

    page.route(f"**/conversations/{one.pk}/replies/", be_faster)
    page.locator("#reply-text").press("Control+Enter")
    expect(page.locator(".toast")).to_contain_text("not yours to see any more")
    expect(page.locator("#reply-form .composer__foot")).to_contain_text("Moved out of your teams")
    expect(page.locator("#reply-text")).to_have_value("Hi Carla, found it")
    assert not Reply.objects.exists()


def test_a_reply_the_server_fails_on_says_so(site, desk_of, cases):
    page = opened(desk_of(site.cast.ana, routes=True), cases[0])
    page.route(f"**/conversations/{cases[0].pk}/replies/", lambda route: route.fulfill(status=500))
    page.locator("#reply-text").fill("Hi Carla, found it")
    page.locator("#reply-text").press("Control+Enter")
    expect(page.locator(".toast")).to_contain_text("the server failed")
    expect(row(page, cases[0])).to_be_visible()
    expect(page.locator("#reply-text")).to_have_value("Hi Carla, found it")


def test_that_one_can_reply_goes_with_the_only_post_and_what_was_typed_stays(site, desk_of):
    one = write(site.channel, "my parcel is late", site.cast.support, external_id="p-1")
    page = opened(desk_of(site.cast.ana), one)
    page.locator("#reply-text").fill("Hi Carla")
    store(site.channel, post("", external_id="p-1", state=PostState.DELETED))
    expect(page.locator("#reply-can")).to_contain_text("nothing to answer")
    expect(page.get_by_role("button", name="Send", exact=True)).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#reply-text")).to_have_value("Hi Carla")

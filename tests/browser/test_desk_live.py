"""The desk while others work on it: two agents and one item, news without a reload and without movement, a reply that
meets a newer message, keys, sleep, and what strangers write."""

import re
import uuid

import pytest
from playwright.sync_api import expect

from inbox.models import Conversation, Draft, Reply, SavedView, State
from tests.browser.conftest import PHONE
from tests.world import answer, make_channel, post, store, write

pytestmark = pytest.mark.browser


def row(page, conversation):
    return page.locator(f"#conversation-{conversation.pk}")


def pick(page, conversation):
    row(page, conversation).locator(".row__open").click()
    expect(page.locator("#talk")).to_have_attribute("data-open", str(conversation.pk))


def test_of_two_who_claim_one_item_one_has_it_and_the_other_reads_who(site, desk_of):
    one = write(site.channel, "my parcel is late", site.cast.support)
    ana, max_ = desk_of(site.cast.ana, routes=True), desk_of(site.cast.max)
    for desk in (ana, max_):
        desk.open(f"/conversations/{one.pk}/?view=support")

    def be_faster(route):  # Ana's click is under way when Max has it, so that her page cannot know
        one.claim(site.cast.max)
        route.continue_()

    ana.page.route(f"**/conversations/{one.pk}/claim/", be_faster)
    ana.page.locator("form[data-act=claim] button").click()
    expect(ana.page.locator(".toast")).to_contain_text("Max took this")
    expect(ana.page.locator("#talk-why")).to_contain_text("Max")
    expect(row(ana.page, one)).to_contain_text("Max")
    one.refresh_from_db()
    assert one.agent == site.cast.max
    expect(max_.page.locator("form[data-act=release] button")).to_be_visible()


def test_a_reply_meets_a_newer_message_keeps_its_text_and_can_be_undone(site, desk_of):
    one = write(site.channel, "where is my parcel", site.cast.support)
    page = desk_of(site.cast.ana).open(f"/conversations/{one.pk}/?view=support")
    box = page.locator("#reply-text")
    box.fill("Hi Carla, found it")
    answer(site.channel, one, "never mind, it arrived!")
    expect(page.locator("#messages")).to_contain_text("never mind, it arrived!")
    box.press("Control+Enter")
    panel = page.locator("#said-meanwhile")
    expect(panel).to_contain_text("never mind, it arrived!")
    expect(box).to_have_value("Hi Carla, found it")
    assert not Reply.objects.exists()
    panel.get_by_role("button", name="Keep editing").click()
    box.fill("Glad it arrived")
    box.press("Control+Enter")
    expect(page.locator(".message[data-side=ours]")).to_contain_text("Glad it arrived")
    expect(page.locator("count-down")).to_contain_text("Sending in")
    expect(box).to_have_value("")
    page.locator(".message[data-side=ours] form[data-act=undo] button").click()
    expect(box).to_have_value("Glad it arrived")
    assert Reply.objects.get().state == "undone"


def test_send_anyway_sends_past_the_news(site, desk_of):
    one = write(site.channel, "where is my parcel", site.cast.support)
    page = desk_of(site.cast.ana).open(f"/conversations/{one.pk}/?view=support")
    page.locator("#reply-text").fill("Hi Carla")
    one.reply(site.cast.max, "It is on its way", uuid.uuid4(), one.seen_seq, parent=one.last_inbound())
    page.locator("#reply-text").press("Control+Enter")
    expect(page.locator("#said-meanwhile")).to_contain_text("It is on its way")
    page.get_by_role("button", name="Send anyway").click()
    expect(page.locator(".message[data-side=ours]")).to_have_count(2)
    assert Reply.objects.get(author=site.cast.ana).anyway
    expect(page.locator("#said-meanwhile")).to_be_empty()


def test_an_answer_that_would_go_to_somebody_else_leaves_with_a_yes(site, desk_of):
    mailbox = make_channel("care@acme.example", network="mail")
    asks = {"answer_to": ["m@evil.example"]}
    one = write(mailbox, "send me my data", site.cast.support, author="carla@mail.example", raw=asks)
    page = desk_of(site.cast.ana).open(f"/conversations/{one.pk}/?view=support")
    page.locator("#reply-text").fill("Here it is")
    page.locator("#reply-text").press("Control+Enter")
    expect(page.locator("#said-meanwhile")).to_contain_text("carla@mail.example wrote it")
    expect(page.locator("#reply-text")).to_have_value("Here it is")
    page.get_by_role("button", name="Send it to m@evil.example").click()
    expect(page.locator(".message[data-side=ours]")).to_contain_text("Here it is")
    expect(page.locator("#said-meanwhile")).to_be_empty()
    assert Reply.objects.get().elsewhere == "m@evil.example"


def test_news_come_without_a_reload_and_nothing_moves(site, desk_of):
    cases = [write(site.channel, f"case {n}", site.cast.support, author=f"a{n}", ago=600 - n) for n in range(30)]
    page = desk_of(site.cast.ana).open("/views/support/")
    held = [cases[20], cases[18], cases[16], cases[15]]
    row(page, cases[20]).locator("[type=checkbox]").check()
    row(page, cases[18]).locator(".row__open").focus()
    before = [row(page, one).bounding_box()["y"] for one in held]
    for n in range(3):
        write(site.channel, f"fresh {n}", site.cast.support, author=f"f{n}")
    answer(site.channel, cases[16], "words that change in place")
    cases[15].close(site.cast.max)
    expect(page.locator("[data-show]:visible").first).to_have_text("3 new")
    expect(row(page, cases[16])).to_contain_text("words that change in place")
    expect(row(page, cases[15])).to_contain_text("Max marked this done")
    assert [row(page, one).bounding_box()["y"] for one in held] == before
    expect(row(page, cases[20])).to_have_attribute("data-picked", "")
    expect(row(page, cases[18]).locator(".row__open")).to_be_focused()
    page.keyboard.press(".")
    expect(row(page, cases[15])).to_have_count(0)
    expect(page.locator("#queue-rows > [data-key]").first).to_contain_text("words that change in place")
    expect(page.locator("#pane-counts")).to_contain_text("32")


def test_a_day_with_keys_alone(site, desk_of):
    cases = [write(site.channel, f"case {n}", site.cast.support, author=f"a{n}", ago=60 * n) for n in range(3)]
    page = desk_of(site.cast.ana, routes=True).open("/views/support/")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(row(page, cases[0]).locator(".row__open")).to_be_focused()
    on_its_way = []
    page.route("**/conversations/*/?view=support", lambda route: on_its_way.append(route))
    with page.expect_request("**/conversations/*/?view=support"):
        page.keyboard.press("Enter")
    page.keyboard.press("c")  # before anything of it is there
    while not on_its_way:
        page.wait_for_timeout(10)
    on_its_way.pop().continue_()
    page.unroute("**/conversations/*/?view=support")
    expect(page.locator("#talk")).to_have_attribute("data-open", str(cases[0].pk))
    expect(page).to_have_url(re.compile(f"/conversations/{cases[0].pk}/"))
    expect(page.locator("form[data-act=release]")).to_be_attached()
    page.keyboard.press("r")
    expect(page.locator("#reply-text")).to_be_focused()
    assert len([url for url in asked if url.endswith(f"/conversations/{cases[0].pk}/?view=support")]) == 1
    page.keyboard.type("jjee Hi")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".message[data-side=ours]")).to_contain_text("jjee Hi")
    page.keyboard.press("Escape")
    page.evaluate("performance.now = () => 9e9")  # the blink of an eye in which a hand trembles, on any machine
    page.keyboard.press("e")
    page.keyboard.press("e")  # neither a fault nor the end of the next one
    expect(row(page, cases[0])).to_have_count(0)
    expect(page.locator("#talk")).to_have_attribute("data-open", str(cases[1].pk))
    page.keyboard.press("e")
    expect(page.locator(".toast [data-says]")).to_have_text("Done.")
    page.evaluate("delete performance.now")
    assert Conversation.objects.get(pk=cases[1].pk).state == State.NEW
    left, foot = (f"document.querySelector('{place}').getBoundingClientRect()" for place in (".toast", ".views__me"))
    page.evaluate("document.querySelector('.toast').hidden = false")  # however long ago it was shown
    assert page.evaluate(f"{left}.left > {foot}.right")  # it hides nobody's name
    assert Conversation.objects.get(pk=cases[0].pk).state == State.DONE
    page.keyboard.press("z")
    expect(row(page, cases[0])).to_have_count(1)
    assert Conversation.objects.get(pk=cases[0].pk).state == State.NEW


def test_no_row_stands_under_a_notice_for_good(site, desk_of):
    for n in range(30):
        write(site.channel, f"case {n}", site.cast.support, author=f"a{n}", ago=60 + n)
    page = desk_of(site.cast.ana).open("/views/support/")
    ends, begins = page.evaluate("""() => {
      const toast = document.querySelector(".toast"), row = [...document.querySelectorAll(".row")].at(-1)
      toast.hidden = false
      row.parentElement.scrollTop = row.parentElement.scrollHeight
      return [row.getBoundingClientRect().bottom, toast.getBoundingClientRect().top]
    }""")
    assert ends <= begins


def test_after_a_sleep_the_page_equals_a_fresh_one_and_the_draft_is_there(site, desk_of):
    cases = [write(site.channel, f"case {n}", site.cast.support, author=f"a{n}", ago=60 + n) for n in range(5)]
    desk = desk_of(site.cast.ana)
    page = desk.open(f"/conversations/{cases[0].pk}/?view=support")
    page.locator("#reply-text").fill("half a sentence")
    desk.context.set_offline(True)
    expect(page.locator("live-bell:not([state=live])")).to_be_attached()
    for one in cases[1:4]:
        one.close(site.cast.max)
    store(site.channel, *[post(f"new {n}", author=f"n{n}") for n in range(4)], team=site.cast.support)
    answer(site.channel, cases[0], "said while you slept")
    desk.context.set_offline(False)
    expect(page.locator("live-bell[state=live]")).to_be_attached()
    expect(page.locator("#messages")).to_contain_text("said while you slept")
    fresh = desk.context.new_page()
    fresh.goto(f"{site.url}/views/support/")
    ids = "[...document.querySelectorAll('#queue-rows > [data-key]')].map(row => row.id).join()"
    want = fresh.evaluate(ids)
    while page.evaluate(ids) != want:
        page.wait_for_timeout(50)
    expect(page.locator("#reply-text")).to_have_value("half a sentence")
    expect(page.locator("[data-saved]").first).not_to_be_empty()
    fresh.close()


def test_a_draft_is_kept_on_the_server_and_survives_a_reload(site, desk_of):
    one = write(site.channel, "hello", site.cast.support)
    page = desk_of(site.cast.ana).open(f"/conversations/{one.pk}/?view=support")
    page.locator("#reply-text").fill("Hi Carla,")
    expect(page.locator("#reply-form [data-saved]")).to_contain_text("draft saved")
    assert Draft.objects.get().text == "Hi Carla,"
    page.reload()
    expect(page.locator("#reply-text")).to_have_value("Hi Carla,")


HOSTILE = """<script>alert(1)</script><img src=//evil.example/x onerror=alert(2)> <b hx-get=/views/>x</b>
javascript:alert(3) https://acme.example@evil.example/ \u202egnp.exe e{} {{{{7*7}}}}""".format("\u0301" * 500)


def test_what_strangers_write_is_text_everywhere(site, desk_of):
    one = write(site.channel, HOSTILE, site.cast.support, author="evil", name="<script>alert(4)</script>")
    write(site.channel, "x" * 9_000, site.cast.support, author="long")
    desk = desk_of(site.cast.ana)
    desk.page.on("dialog", lambda dialog: desk.faults.append(f"dialog: {dialog.message}"))
    page = desk.open("/views/support/")
    pick(page, one)
    expect(page.locator("#messages")).to_contain_text("onerror=alert(2)")
    expect(page.locator("#messages :is(img, script, b[hx-get])")).to_have_count(0)
    assert page.locator("#messages .message__text a").first.get_attribute("href") == "https://evil.example/"
    assert page.locator(".message").first.bounding_box()["height"] < 400
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_account_without_rights_sees_a_calm_page_and_hears_no_bell(site, desk_of):
    one = write(site.channel, "hello", site.cast.support)
    page = desk_of(site.cast.otto).open("/")
    expect(page.locator("main")).to_contain_text("You are not in a team yet")
    bodies = []
    for path in (f"/conversations/{one.pk}/", "/conversations/999999/", "/views/support/", "/views/hr/"):
        answered = page.goto(site.url + path)
        assert answered.status == 404
        bodies.append(page.locator("main").inner_text())
    assert len(set(bodies)) == 1


def test_a_right_that_is_taken_clears_the_page_and_says_that_the_line_ended(site, desk_of):
    write(site.channel, "hello", site.cast.support)
    page = desk_of(site.cast.ana).open("/views/support/")
    expect(page.locator("#pane-counts .count")).not_to_have_count(0)
    site.cast.ana.leave(site.cast.support, by=None)
    expect(page.locator("main")).to_contain_text("Your rights changed.")
    expect(page.locator("live-bell")).to_have_attribute("state", "ended")
    expect(page.locator("live-bell")).to_contain_text("Live updates have ended")
    expect(page.locator("#pane-counts .count")).to_have_count(0)


@pytest.mark.parametrize("sheet", [718, 1047, 1300])
def test_a_conversation_is_printed_over_the_whole_sheet(site, desk_of, sheet):
    one = write(site.channel, "my parcel is late", site.cast.support)
    page = desk_of(site.cast.ana).open(f"/conversations/{one.pk}/?view=support")
    page.set_viewport_size({"width": sheet, "height": 720})
    page.emulate_media(media="print")
    assert page.locator("#talk").bounding_box()["width"] > 0.95 * sheet


def test_a_phone_shows_one_pane_at_a_time(site, desk_of):
    one = write(site.channel, "my parcel is late " + "w" * 300, site.cast.support)
    page = desk_of(site.cast.ana, viewport=PHONE, has_touch=True).open("/views/support/")
    expect(page.locator("#queue-rows")).to_be_visible()
    expect(page.locator("#talk")).to_be_hidden()
    pick(page, one)
    expect(page.locator("#queue-rows")).to_be_hidden()
    expect(page.locator("#reply-text")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.go_back()
    expect(page.locator("#queue-rows")).to_be_visible()
    expect(page.locator("#talk")).to_be_hidden()


def test_picked_rows_are_done_together(site, desk_of):
    cases = [write(site.channel, f"case {n}", site.cast.support, author=f"a{n}", ago=n) for n in range(4)]
    page = desk_of(site.cast.ana).open("/views/support/")
    for one in cases[:2]:
        row(page, one).locator("[type=checkbox]").check()
    expect(page.locator("#bulk")).to_contain_text("2 picked")
    page.locator("#bulk").get_by_role("button", name="Done").click()
    expect(page.locator("#queue-rows > [data-key]")).to_have_count(2)
    expect(page.locator(".toast")).to_contain_text("2 done")
    assert Conversation.objects.filter(state=State.DONE).count() == 2


def test_a_reply_sent_when_the_sign_in_has_ended_keeps_its_text_and_says_so(site, desk_of):
    one = write(site.channel, "where is my parcel", site.cast.support)
    page = desk_of(site.cast.ana).open(f"/conversations/{one.pk}/?view=support")
    page.locator("#reply-text").fill("Hi Carla, found it")
    page.context.clear_cookies(name="sessionid")
    page.locator("#reply-text").press("Control+Enter")
    expect(page.locator("#signed-out")).to_be_visible()
    expect(page.locator("#reply-text")).to_have_value("Hi Carla, found it")
    expect(page.locator(".views")).to_contain_text("Unassigned")
    assert not Reply.objects.exists()


def test_saved_views_stay_in_the_pane_when_counts_come(site, desk_of):
    SavedView.objects.create(name="Late parcels", agent=site.cast.ana, view="all", order="newest")
    page = desk_of(site.cast.ana).open("/views/all/")
    pane = page.locator("#pane-counts")
    expect(pane).to_contain_text("Late parcels")
    for number in range(7):
        write(site.channel, f"case {number}", site.cast.support, author=f"a{number}")
    expect(pane.get_by_role("link", name="Support")).to_contain_text("7")
    expect(pane).to_contain_text("Late parcels")
    expect(pane.get_by_role("link", name="Support")).to_have_count(1)

"""What can be done with a message besides answering: offered by its own menu, done on the network, shown to all."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from connectors import acting
from inbox.models import Act, Conversation, Identity
from tests.browser.conftest import PHONE
from tests.fakes.mastodon import Fake
from tests.journey.steps import answer, of_fake, read, send

pytestmark = pytest.mark.browser


@pytest.fixture
def fake(settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with Fake() as fake:
        yield fake


@pytest.fixture
def talk(site, fake):
    channel = of_fake(fake, name="@acme@fake.example", team=site.cast.support)
    fake.say("My invoice is wrong")
    read(channel)
    return Conversation.objects.get()


def work(page, asked=1):
    """Once the page was told so many times that it is asked of the network, the worker does it. The list of what was
    told is looked at, because the toast itself goes after a while."""
    expect(page.locator("[data-toasts] li", has_text="Asked of Mastodon")).to_have_count(asked)
    Act.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    acting.act_due()


def test_a_message_is_liked_from_its_menu_and_every_screen_shows_it(site, desk_of, fake, talk):
    page, other = desk_of(site.cast.ana).open(f"/conversations/{talk.pk}/"), desk_of(site.cast.max)
    other = other.open(f"/conversations/{talk.pk}/")
    message = page.locator("article[data-side=theirs]")
    menu = message.get_by_label("What can be done with this message")
    menu.click()
    like = page.get_by_role("button", name="Like", exact=True)
    expect(like).to_be_focused()
    page.keyboard.press("Escape")
    expect(like).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    like.click()
    expect(like).to_be_hidden()
    work(page)
    for each in (page, other):
        expect(each.locator("article[data-side=theirs] .chip")).to_have_text("liked")


IN_ONE_LINE = """head => {
  const boxes = [...head.querySelectorAll(".message__author, .message__at, .message__menu")]
    .map(each => each.getBoundingClientRect())
  const middles = boxes.map(box => (box.top + box.bottom) / 2)
  return boxes.length === 3 && Math.max(...boxes.map(box => box.top)) < Math.min(...middles)
    && Math.max(...middles) < Math.min(...boxes.map(box => box.bottom))
}"""
"""The middle of each is beside all others."""


def test_a_long_name_keeps_the_time_and_the_menu_in_one_line_on_a_phone(site, desk_of, fake, talk):
    Identity.objects.filter(conversations=talk).update(name="Carla", handle="@carla.of.the.long.name@mastodon.example")
    page = desk_of(site.cast.ana, viewport=PHONE).open(f"/conversations/{talk.pk}/")
    message = page.locator("article[data-side=theirs]")
    expect(message.locator(".message__handle")).to_have_text("@carla.of.the.long.name@mastodon.example")
    assert message.locator(".message__head").evaluate(IN_ONE_LINE)
    page.evaluate("document.querySelector('.message__author').textContent = 'Carla '.repeat(30)")
    assert message.locator(".message__head").evaluate(IN_ONE_LINE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_our_answer_is_corrected_and_deleted_after_a_second_look(site, desk_of, fake, talk):
    reply = send(answer(site.cast.ana, talk, "We loook into it"))
    page = desk_of(site.cast.ana, viewport=PHONE).open(f"/conversations/{talk.pk}/")
    ours = page.locator("article[data-side=ours]")
    menu = ours.get_by_label("What can be done with this message")
    menu.click()
    page.locator("summary", has_text="Correct").click()
    page.get_by_label("What it is to say").fill("Never mind")
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator("#message-menu")).to_be_hidden()
    menu.click()
    page.locator("summary", has_text="Correct").click()
    expect(page.get_by_label("What it is to say")).to_have_value("We loook into it")
    page.get_by_label("What it is to say").fill("We look into it")
    page.get_by_role("button", name="Correct").click()
    work(page)
    expect(ours).to_contain_text("We look into it")
    menu.click()
    page.locator("summary", has_text="Delete there").click()
    page.get_by_role("button", name="Delete there").click()
    work(page, asked=2)
    expect(page.locator("#messages")).to_contain_text("deleted again on the network")
    reply.refresh_from_db()
    assert reply.state == "removed"
    assert fake.made() == []


def test_without_scripts_the_menu_is_a_page(site, browser, fake, talk, client):
    client.force_login(site.cast.ana)
    mention = talk.last_inbound()
    page = client.get(f"/conversations/{talk.pk}/network/?mention={mention.pk}")
    assert page.status_code == 200
    assert b"Like" in page.content
    assert client.get(f"/conversations/{talk.pk}/network/?mention=0{mention.pk}7").status_code == 404
    client.force_login(site.cast.hugo)
    assert client.get(f"/conversations/{talk.pk}/network/?mention={mention.pk}").status_code == 404

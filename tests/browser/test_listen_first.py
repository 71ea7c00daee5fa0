"""Listening first, as an admin and an agent see it: asked when a channel is connected, said where one would answer, and
ended by one press that every open reply box follows."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from connectors import connecting
from connectors.models import Channel
from inbox.models import Conversation, Note, Reply
from tests.browser.conftest import PHONE
from tests.world import make_channel, write

pytestmark = pytest.mark.browser
SAYS = "Replies unlock then."


@pytest.fixture
def channel(site):
    sealed, until = {"access_token": "sealed"}, timezone.now() + timedelta(days=7)
    return make_channel("@new", "mastodon", team=site.cast.support, sealed=sealed, listens_until=until)


@pytest.fixture
def talk(site, channel):
    site.cast.ada.join(site.cast.support, "agent", by=None)
    return write(channel, "My parcel is late", site.cast.support)


def height(page):
    return page.locator("reply-box").evaluate("box => box.offsetHeight")


def test_open_reply_boxes_follow_when_an_admin_allows_replies_and_nothing_written_is_lost(site, desk_of, talk):
    ana, max_, ada = (
        desk_of(who).open(f"/conversations/{talk.pk}/") for who in (site.cast.ana, site.cast.max, site.cast.ada)
    )
    for page in (ana, max_, ada):
        expect(page.locator("#reply-can")).to_contain_text(SAYS)
        expect(page.locator("#reply-form [data-key='Mod+Enter']")).to_have_attribute("aria-disabled", "true")
    expect(ana.get_by_role("button", name="Allow replies now")).to_have_count(0)
    ana.locator("#reply-text").fill("We look into it.")
    max_.get_by_role("button", name="Note", exact=True).first.click()
    max_.keyboard.type("ask the courier ")
    high = [height(page) for page in (ana, max_, ada)]
    ada.get_by_role("button", name="Allow replies now").click()
    for page in (ana, max_, ada):
        expect(page.locator("reply-box")).not_to_contain_text(SAYS)
    assert [height(page) for page in (ana, max_, ada)] == high  # else all above it would move by a colleague's act
    expect(max_.locator("#note-text")).to_be_focused()
    max_.keyboard.type("first")
    expect(max_.locator("#note-text")).to_have_value("ask the courier first")
    max_.keyboard.press("Control+Enter")
    expect(max_.locator("article[data-side=note]")).to_contain_text("ask the courier first")
    expect(ana.locator("#reply-text")).to_have_value("We look into it.")
    expect(ana.locator("article[data-side=note]")).to_be_visible()
    ana.locator("#reply-form").get_by_role("button", name="Send").click()
    expect(ana.locator("article[data-side=ours]")).to_contain_text("We look into it.")
    assert (Reply.objects.get().text, Note.objects.get().text) == ("We look into it.", "ask the courier first")


def test_a_reply_box_opens_by_itself_when_the_time_is_over(site, desk_of, channel, talk):
    ana = desk_of(site.cast.ana).open(f"/conversations/{talk.pk}/")
    expect(ana.locator("#reply-can")).to_contain_text(SAYS)
    Channel.objects.filter(pk=channel.pk).update(listens_until=timezone.now() - timedelta(seconds=1))
    left = float(ana.locator("composer-news").get_attribute("held"))
    assert 6 * 86_400 < left <= 7 * 86_400
    ana.locator("composer-news").evaluate("news => news.setAttribute('held', '0.1')")  # a week later
    expect(ana.locator("reply-box")).not_to_contain_text(SAYS)


def test_a_page_that_was_open_before_is_told_by_the_server(site, desk_of, channel, talk):
    Channel.objects.update(listens_until=None)
    ana = desk_of(site.cast.ana).open(f"/conversations/{talk.pk}/")
    ana.locator("#reply-text").fill("We look into it.")
    Channel.objects.filter(pk=channel.pk).update(listens_until=timezone.now() + timedelta(days=7))
    ana.locator("#reply-form").get_by_role("button", name="Send").click()
    expect(ana.locator("#said-meanwhile")).to_contain_text(SAYS)
    expect(ana.locator("#reply-text")).to_have_value("We look into it.")
    assert not Reply.objects.exists()


def test_the_menu_of_a_message_says_it_once(site, desk_of, talk):
    ana = desk_of(site.cast.ana).open(f"/conversations/{talk.pk}/")
    ana.locator("article[data-side=theirs]").get_by_label("What can be done with this message").click()
    menu = ana.locator("#message-menu-list")
    expect(menu.get_by_text(SAYS)).to_have_count(1)
    expect(menu.get_by_text("Like", exact=True)).to_be_visible()
    expect(menu.get_by_role("button", name="Like", exact=True)).to_have_count(0)


@pytest.mark.parametrize("options", [{}, {"viewport": PHONE, "has_touch": True}], ids=["wide", "phone"])
def test_connecting_ends_with_for_how_long_it_listens_and_its_page_says_what_was_heard(site, desk_of, options):
    settings = {"server": "mastodon.example", "hashtags": ["acme"]}
    channel = connecting.connect("mastodon", "#acme", settings, {}, site.cast.ada, listening=False)
    desk = desk_of(site.cast.ada, **options)
    page = desk.open(f"/set-up/channels/{channel.pk}/connect/place/")
    expect(page.get_by_label("Listen first for")).to_have_value("7")
    page.get_by_label("Listen first for").fill("3")
    page.get_by_role("button", name="Start listening").click()
    expect(page.locator(".banner", has_text=SAYS)).to_be_visible()
    for number in range(6):
        write(channel, f"my parcel {number} is late", site.cast.support, author=f"a{number % 3}", ago=number * 40_000)
    page.get_by_role("link", name="What was heard", exact=True).click()
    expect(page.get_by_role("heading", name="Who speaks most")).to_be_visible()
    expect(page.locator(".shares").first).to_contain_text("A0")
    expect(page.get_by_text("parcel 6")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Allow replies now").click()
    expect(page.get_by_text("Replies are allowed now.")).to_be_visible()
    assert Channel.objects.get(pk=channel.pk).held_until() is None
    assert Conversation.objects.count() == 6

"""Every main screen in light and dark, wide and on a phone, judged by axe: nothing serious, nothing critical. And the
desk lives on the joined files of production as it does on the single ones."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect

from connectors.models import Channel, Gap, Quarantined, Theme, Topic
from connectors.topics import comparing
from connectors.topics.exclusions import exclude
from inbox.searching import indexing
from tests.browser.conftest import DESKTOP, PATIENCE, PHONE, signed_in
from tests.world import answer, write

pytestmark = pytest.mark.browser

SEVERE = ("serious", "critical")
FULL = "{resultTypes: ['violations']}"
COLOURS = "{resultTypes: ['violations'], runOnly: ['color-contrast']}"  # nothing else differs between light and dark
LOOKS = [("light", DESKTOP, FULL), ("dark", DESKTOP, COLOURS), ("dark", PHONE, COLOURS), ("light", PHONE, FULL)]


class Judge:
    """Opens pages as one colleague and collects what axe finds as sentences."""

    def __init__(self, browser, site, agent):
        self.site, self.found = site, []
        self.context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
        self.context.set_default_timeout(PATIENCE)
        if agent:
            self.context.add_cookies([{"name": "sessionid", "value": signed_in(agent), "url": site.url}])
        self.page = self.context.new_page()

    def see(self, *paths):
        for path in paths:
            answered = self.page.goto(f"{self.site.url}{path}")
            assert answered.status == 200, f"{path}: {answered.status}"
            self.page.evaluate(Axe().axe_script)
            self.look(path)

    def look(self, what):
        for scheme, viewport, options in LOOKS:
            self.page.emulate_media(color_scheme=scheme)
            self.page.set_viewport_size(viewport)
            for fault in self.page.evaluate(f"axe.run({options}).then(told => told.violations)"):
                if fault["impact"] in SEVERE:
                    places = [" ".join(map(str, node["target"])) for node in fault["nodes"][:3]]
                    self.found.append(f"{what}, {scheme} {viewport['width']}: {fault['id']} at {places}")
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(DESKTOP)

    def done(self):
        self.context.close()
        assert not self.found, "\n".join(self.found)


@pytest.fixture
def thread(site):
    """A queue, and in it a thread with an answer and a note."""
    for place in range(3):
        write(site.channel, f"case {place}", site.cast.support, author=f"a{place}", ago=600 + place)
    one = write(site.channel, "where is my parcel", site.cast.support, name="Carla Mendes", ago=300)
    answer(site.channel, one, "please answer me", ago=200)
    one.note(site.cast.max, "the carrier has it", "6f2c1b7e-1111-4222-8333-444455556666")
    return one


def test_the_desk_has_no_serious_fault(browser, site, thread):
    judge = Judge(browser, site, site.cast.max)
    indexing.index_due()
    judge.see("/views/", "/views/done/", "/views/support/filters/", "/views/support/save/?tag=vip")
    judge.see("/search/?q=parcel&kind=message", "/search/?q=nowhere")
    judge.see(f"/conversations/{thread.pk}/trace/", f"/conversations/{thread.pk}/?view=support")
    judge.page.locator(".row__box").first.check()
    judge.page.locator("#bulk [value=give]").first.click()
    judge.page.locator("#bulk-give [role=option]").first.wait_for()
    judge.look("picked rows")
    for menu in ("bulk-snooze", "bulk-menu", "queue-menu", "snooze-menu", "talk-menu", "give", "why"):
        judge.page.evaluate(f"document.getElementById('{menu}').showPopover()")
        judge.look(menu)
        judge.page.evaluate(f"document.getElementById('{menu}').hidePopover()")
    judge.done()


def test_the_set_up_pages_have_no_serious_fault(browser, site):
    Quarantined.objects.create(channel=site.channel, source="mentions", external_id="7", reason="KeyError: 'author'")
    Gap.objects.create(channel=site.channel, source="mentions", until=timezone.now(), why="The window had passed.")
    site.channel.broken("reconnect", "AuthRevoked", "The network no longer accepts our access.")
    judge = Judge(browser, site, site.cast.ada)
    channels = "/set-up/channels/"
    judge.see(f"{channels}connect/x/", f"{channels}{site.channel.pk}/secrets/")
    judge.see(channels, f"{channels}{site.channel.pk}/", f"{channels}connect/", "/set-up/rules/", "/set-up/rules/new/")
    judge.see("/set-up/teams/", f"/set-up/teams/{site.cast.support.pk}/", "/set-up/agents/", "/set-up/health/")
    judge.done()


def test_a_channel_that_listens_first_has_no_serious_fault(browser, site, thread):
    site.cast.ada.join(site.cast.support, "agent", by=None)
    Channel.objects.update(listens_until=timezone.now() + timedelta(days=7))
    judge = Judge(browser, site, site.cast.ada)
    judge.see(f"/set-up/channels/{site.channel.pk}/heard/", f"/conversations/{thread.pk}/?view=support")
    judge.done()


def test_the_pages_of_topics_have_no_serious_fault(browser, site, thread):
    topic = Topic(name="Parcels")
    topic.rewrite(None, [], query="case OR parcel", team=site.cast.support)
    theme = Theme(topic=topic)
    theme.rewrite(None, name="Where", query="where", colour="amber")
    exclude(topic, [("phrase", "case 1")], site.cast.max)
    comparing.compare_due()
    Topic.objects.update(sort_at=timezone.now() + timedelta(hours=1), sort_done=1, sort_whole=4)
    judge, here = Judge(browser, site, site.cast.max), f"/set-up/topics/{topic.pk}"
    judge.see(f"/topics/{topic.pk}/?theme={theme.pk}", f"/topics/{topic.pk}/excluded/")
    judge.see(f"{here}/", f"{here}/themes/", f"{here}/themes/{theme.pk}/", f"{here}/exclusions/")
    judge.done()


def test_who_is_not_signed_in_meets_no_serious_fault(browser, site):
    judge = Judge(browser, site, None)
    judge.see("/account/login/", "/account/password/reset/")
    judge.done()


def test_the_desk_lives_on_the_joined_files_of_production(site, desk_of):
    one = write(site.channel, "where is my parcel", site.cast.support)
    page = desk_of(site.cast.ana).open(f"/conversations/{one.pk}/?view=support")
    assert page.locator("script[src]").count() <= 3
    assert page.evaluate("getComputedStyle(document.querySelector('.row')).display") != "block"
    answer(site.channel, one, "are you there?")
    expect(page.locator("#messages")).to_contain_text("are you there?")
    page.keyboard.press("c")
    expect(page.locator("form[data-act=release] button")).to_be_visible()

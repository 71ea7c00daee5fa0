"""ST-01: from the printed link to the first conversation in the queue, and rules made in the browser."""

import os
import re

import pytest
from playwright.sync_api import expect

from connectors import listening
from connectors.models import Channel
from routing import defaults
from routing.models import Rule
from socialcare import first_run
from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer
from tests.browser.conftest import DESKTOP, PATIENCE, PHONE, WATCH
from tests.conftest import PASSWORD
from tests.web import serving

pytestmark = pytest.mark.browser


@pytest.fixture
def demo(monkeypatch, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    server = DemoServer(Network(seed=3, pace=0, history=0))
    server.start()
    monkeypatch.setenv("DEMO_URL", server.url)
    yield server
    server.stop()


@pytest.fixture
def empty_site(transactional_db, settings, monkeypatch):
    monkeypatch.setattr(first_run.Progress, "known", False)
    with serving(settings) as server:
        yield server


def show(page, name):
    """Pictures for the eye, when a folder for them is named."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_the_wizard_leads_from_the_link_to_the_first_conversation(browser, empty_site, demo):
    demo.network.say("carla", "where is my refund, I need help")
    context = browser.new_context(viewport=DESKTOP, timezone_id="Europe/Lisbon")
    context.set_default_timeout(PATIENCE)
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto(f"{empty_site.url}/")
    expect(page.get_by_role("heading", name="Not set up yet")).to_be_visible()
    show(page, "wait")
    page.goto(first_run.link())
    show(page, "you")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("E-mail").fill("ada@acme.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make my account").click()
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Lisbon")
    show(page, "brand")
    page.get_by_label("Name of the organisation").fill("Acme")
    page.get_by_label("Names people use for you").fill("Acme")
    page.get_by_role("button", name="Save and go on").click()
    show(page, "teams")
    page.get_by_role("button", name="Save and go on").click()
    show(page, "sources")
    page.locator("form", has_text="Demo network").get_by_role("button", name="Try and listen").click()
    expect(page.locator("#trial")).to_contain_text("where is my refund")
    show(page, "tried")
    page.get_by_role("button", name="Go on").click()
    show(page, "done")
    page.get_by_role("button", name="Open the desk").click()
    listening.listen(Channel.objects.get().pk)
    page.goto(f"{empty_site.url}/views/all/")
    expect(page.locator(".row").first).to_contain_text("where is my refund")
    assert page.evaluate("violations") == []
    context.close()


def test_a_rule_is_built_in_the_browser(site, desk_of):
    page = desk_of(site.cast.ada).open("/set-up/rules/new/")
    page.get_by_label("Name", exact=True).fill("Refunds")
    page.get_by_label("Text contains any of: Words or phrases").fill("refund, money back")
    page.get_by_role("button", name="Group").first.click()
    page.locator(".rule-group .rule-group select[name='w.1.how']").select_option("none")
    page.locator(".rule-group .rule-group").get_by_role("button", name="Condition").click()
    page.locator("[name='w.1.0.f.words']").fill("thanks")
    page.get_by_label("Give to team: Team").select_option(label="Support")
    expect(page.locator("#reads")).to_contain_text(
        "When the text contains “refund” or “money back” and (it is not so that the text contains “thanks”), "
        "give it to Support, then stop."
    )
    show(page, "rule")
    page.get_by_role("button", name="Keep rule").click()
    expect(page).to_have_url(re.compile("/set-up/rules/$"))
    assert Rule.objects.get().touches() == {site.cast.support.pk}


LOOKS = {"light": {}, "dark": {"color_scheme": "dark"}, "phone": {"viewport": PHONE, "has_touch": True}}
TOO_WIDE = """[...document.querySelectorAll(".page *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 90)).slice(0, 4)"""


@pytest.mark.parametrize("look", LOOKS)
def test_set_up_pages_fit_and_break_no_policy(site, desk_of, look):
    defaults.set_up({"support", "product", "hr"}, None)
    words = "The network no longer accepts our access. An admin has to connect the channel again."
    Channel.objects.create(name="@news", network="demo", state="reconnect", fault="AuthRevoked", fault_words=words)
    page = desk_of(site.cast.ada, **LOOKS[look]).page
    pk, rule, team = site.channel.pk, Rule.objects.first().pk, site.cast.support.pk
    addresses = {
        "channels": "channels/", "connect": "channels/connect/", "keys": "channels/connect/mastodon/",
        "channel": f"channels/{pk}/", "log": f"channels/{pk}/log/", "reconnect": f"channels/{pk}/secrets/",
        "rules": "rules/", "edit": f"rules/{rule}/", "teams": "teams/", "team": f"teams/{team}/", "agents": "agents/",
        "health": "health/",
    }  # fmt: skip
    for name, address in addresses.items():
        assert page.goto(f"{site.url}/set-up/{address}").ok, name
        expect(page.locator("h1").first).to_be_visible()
        show(page, f"{look}-{name}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, page.evaluate(TOO_WIDE))


# The browser paints right after a frame's callbacks, never before the first of them.
FIRST_FRAME = """addEventListener("DOMContentLoaded", () => window.parsed = true);
requestAnimationFrame(() => window.first = [!!document.getElementById("whole"), !!window.parsed]);"""


def test_a_slow_machine_paints_no_page_before_it_is_whole(site, desk_of):
    """What the parser had not reached yet would wrap lines that already stand."""
    defaults.set_up({"support", "product", "hr"}, None)
    desk = desk_of(site.cast.ada, **LOOKS["phone"])
    desk.page.add_init_script(FIRST_FRAME)
    desk.context.new_cdp_session(desk.page).send("Emulation.setCPUThrottlingRate", {"rate": 10})
    for address in ("rules/", "teams/", "rules/"):
        desk.page.goto(f"{site.url}/set-up/{address}")
        while not (first := desk.page.evaluate("window.first")):
            desk.page.wait_for_timeout(20)
        assert first[0], address

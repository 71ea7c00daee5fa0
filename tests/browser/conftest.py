"""The browser tests' desk: the real application on a port of this machine, one browser context a colleague. Whatever
a test does, in the end no policy was violated, nothing shifted by itself, no script failed and nothing left our
origin."""

import os
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.test import override_settings
from playwright.sync_api import expect

from tests import chromium
from tests.conftest import copied_cast
from tests.web import serving
from tests.world import make_channel

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop runs in the thread that also asks the database

# The browser calls what moves a consequence of an act for half a second after a key or a click. On a busy machine the
# answer comes later: here an act lasts until what it asked for has come, half a second more, and two frames. What the
# bell asks for is nobody's act, unless the page itself said so (`ask`).
ACTS = """
window.acts = [];
{
  const now = performance.now.bind(performance), fetched = window.fetch;
  const begun = all => { const act = { all, from: now(), to: Infinity }; acts.push(act); return act };
  const frame = then => requestAnimationFrame(then);
  const ended = act => setTimeout(() => frame(() => frame(() => { act.to = now() })), 500);
  for (const name of ["keydown", "pointerdown", "click", "input", "change", "drop", "paste"])
    addEventListener(name, () => ended(begun(false)), true);
  addEventListener("ask", () => ended(begun(true)), true);
  window.fetch = async (...asked) => {
    const at = now(), url = String(asked[0].url ?? asked[0]), mine = acts.filter(act => at <= act.to);
    const all = mine.some(act => act.all);
    if (!all && (!mine.length || /[?&]since=|presence|replying|counts/.test(url))) return fetched.apply(window, asked);
    const act = begun(all);
    try {
      const answer = await fetched.apply(window, asked);
      answer.clone().arrayBuffer().finally(() => ended(act)).catch(() => {});
      return answer;
    } catch (error) { ended(act); throw error }
  };
  window.byItself = entry =>
    !entry.hadRecentInput && !acts.some(act => act.from <= entry.startTime && entry.startTime <= act.to);
}
"""
WATCH = (
    ACTS
    + """
window.violations = []; window.shifts = [];
document.addEventListener("securitypolicyviolation", e => violations.push(e.violatedDirective + " " + e.blockedURI));
const at = rect => [rect.x, rect.y, rect.width, rect.height].map(Math.round).join(",");
const node = source => (source.node?.outerHTML ?? source.node?.textContent ?? "gone").slice(0, 120);
const name = source => `${node(source)} [${at(source.previousRect)} -> ${at(source.currentRect)}]`;
const moved = source => Math.abs(source.currentRect.y - source.previousRect.y) >= 1;
const note = list => list.getEntries().filter(byItself).forEach(entry => {
  const sources = entry.sources.filter(moved);  // a word that grows beside its neighbour in one line is no movement
  if (sources.length) shifts.push(`${entry.value} ${sources.map(name)}`);
});
new PerformanceObserver(note).observe({type: "layout-shift", buffered: true});
"""
)
DESKTOP = {"width": 1440, "height": 860}
PHONE = {"width": 390, "height": 844}
PATIENCE = 45_000  # milliseconds for what a quiet machine does in one or two hundred: costs nothing while all is well

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.executable(), args=chromium.ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def collected(tmp_path_factory):
    """The settings of production for static files, and the files themselves."""
    storage = {"staticfiles": {"BACKEND": "socialcare.bundles.Bundled"}}
    chosen = {"BUNDLED": True, "WHITENOISE_USE_FINDERS": False, "STATIC_ROOT": str(tmp_path_factory.mktemp("static"))}
    chosen["STORAGES"] = {**django_settings.STORAGES, **storage}
    with override_settings(**chosen):
        call_command("collectstatic", interactive=False, verbosity=0)
    return chosen


@pytest.fixture
def static_files(settings, collected):
    """Joined as in production: three files a page instead of sixty, which every new browser asks for anew."""
    for name, value in collected.items():
        setattr(settings, name, value)


@pytest.fixture
def site(transactional_db, settings, static_files):
    """The application with the cast and one channel."""
    settings.UNDO_SECONDS = 600  # on a busy machine the ten of an installation are over before a test finds the button
    with serving(settings) as server:
        cast = copied_cast()
        yield SimpleNamespace(url=server.url, cast=cast, channel=make_channel())


class Desk:
    """One colleague's browser. `page` is a Playwright page; `faults` what must be empty in the end. `routes`: some of
    its requests will be answered by the test. What a page asks right after the first of them was named may pass by,
    so the browser is told before the page is opened."""

    def __init__(self, browser, site, agent, routes=False, **options):
        options = {"viewport": DESKTOP, **options}
        self.site, self.agent, self.faults = site, agent, []
        self.abroad = set()  # hosts that the colleague goes to on purpose
        self.context = browser.new_context(**options)
        self.context.add_init_script(WATCH)
        self.context.set_default_timeout(PATIENCE)
        self.context.add_cookies([{"name": "sessionid", "value": signed_in(agent), "url": site.url}])
        self.page = self.context.new_page()
        if routes:
            self.context.route("http://nobody.test/", lambda route: route.abort())
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("console", self._reported)
        self.page.on("request", self._asked)

    def _reported(self, message):
        """What the browser itself reports against the policy of content, also where no event reaches the page."""
        if "Content Security Policy" in message.text:
            self.faults.append(f"policy: {message.text}")

    def _asked(self, request):
        host = urlsplit(request.url)
        if host.scheme in ("http", "https") and host.netloc not in {urlsplit(self.site.url).netloc, *self.abroad}:
            self.faults.append(f"left our origin: {request.url}")

    def open(self, path):
        self.page.goto(f"{self.site.url}{path}")
        self.page.locator("live-bell[state=live]").wait_for(state="attached")
        return self.page

    def close(self):
        if not self.page.is_closed() and self.page.url.startswith("http"):
            self.faults += self.page.evaluate("[...violations, ...shifts]")
        self.context.close()


def signed_in(agent):
    from django.test import Client

    client = Client()
    client.force_login(agent)
    return client.cookies["sessionid"].value


@pytest.fixture
def desk_of(browser, site):
    """desk_of(agent) opens a browser for a colleague; all are closed and judged in the end."""
    desks = []

    def open_desk(agent, **options):
        desks.append(Desk(browser, site, agent, **options))
        return desks[-1]

    yield open_desk
    for desk in desks:
        desk.close()
    assert [desk.faults for desk in desks if desk.faults] == []

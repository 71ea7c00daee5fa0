"""The tests' own watch over what moves: by itself is told, by somebody's act is not, however late its answer comes."""

import pytest

from tests.browser.conftest import DESKTOP, WATCH

pytestmark = pytest.mark.browser
PAGE = """<!doctype html><style>body { margin: 0 } div { height: 200px; background: grey }</style>
<button id="ask">Ask</button><main><div>what stands there</div></main>
<script>
const grow = async url => { await fetch(url); document.querySelector("main").prepend(document.createElement("div")) }
ask.onclick = () => grow("/answer")
</script>"""
LATE = """new Promise(done => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 800))"""


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport=DESKTOP)
    context.add_init_script(WATCH)
    context.route("http://watch.test/", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    page = context.new_page()
    page.goto("http://watch.test/")
    yield page
    context.close()


def asked(page, wanted, act):
    """Does something and gives the answer to what it asked for only when an act of the browser's own kind is over."""
    held = []
    page.route(f"**/{wanted}", lambda route: held.append(route))
    act()
    while not held:
        page.wait_for_timeout(20)
    page.evaluate(LATE)
    held[0].fulfill(body="")
    page.locator("main > div").nth(1).wait_for()
    page.evaluate(LATE)
    return page.evaluate("shifts")


def test_what_an_act_asked_for_may_move_the_page_late(page):
    assert asked(page, "answer", lambda: page.locator("#ask").click()) == []


def test_what_nobody_asked_for_may_not(page):
    assert len(asked(page, "news", lambda: page.evaluate("void grow('/news')"))) == 1


def test_what_the_bell_asks_for_during_an_act_may_not(page):
    page.evaluate("addEventListener('keydown', () => grow('/news?since=3'))")
    assert len(asked(page, "news?since=3", lambda: page.keyboard.press("x"))) == 1

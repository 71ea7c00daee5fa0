"""The elements in a browser, under the real content security policy: the gallery's desk, answers laid out by a test."""

import json
import threading
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
from django.template.loader import render_to_string

from tests.browser.conftest import ACTS

pytestmark = pytest.mark.browser

WATCH = (
    ACTS
    + """
window.violations = []; window.shifts = [];
document.addEventListener("securitypolicyviolation", e => violations.push(e.violatedDirective + " " + e.blockedURI));
const note = list => list.getEntries().filter(byItself).forEach(entry => shifts.push(entry.value));
new PerformanceObserver(note).observe({type: "layout-shift", buffered: true});
"""
)


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import override_settings

    middleware = ["django.middleware.csp.ContentSecurityPolicyMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
    with override_settings(MIDDLEWARE=middleware, ALLOWED_HOSTS=["127.0.0.1"]):
        server = WSGIServer(("127.0.0.1", 0), Quiet)
        server.set_app(StaticFilesHandler(WSGIHandler()))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        server.server_close()


@pytest.fixture
def desk(browser, address):
    """The desk with conversation 1 open: `changes` answers `since`, `post` a POST, `asked` is what came."""
    context = browser.new_context(viewport={"width": 1440, "height": 860})
    context.add_init_script(WATCH)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    table = SimpleNamespace(page=page, address=address, changes="", mark="team:3=812", post=(204, {}, ""), asked=[])
    context.route("**/gallery/desk/**", lambda route: answer(route, table))
    context.route("**/undo/", lambda route: (table.asked.append("undo"), route.fulfill(status=200)))
    context.route(
        "**/palette/**", lambda route: route.fulfill(body=palette(route.request.url), content_type="text/html")
    )
    page.goto(f"{address}/gallery/desk/?open=1")
    page.locator("form[data-act][data-htmx-powered]").wait_for(state="attached")
    yield table
    assert page.evaluate("violations") == []
    assert errors == []
    context.close()


def answer(route, table):
    request = route.request
    asked = parse_qs(urlsplit(request.url).query)
    if request.method == "POST":
        sent = parse_qs(request.post_data or "", keep_blank_values=True)
        table.asked.append(sent)
        if "text" in sent and "key" not in sent:
            return route.fulfill(body=json.dumps({"version": 1}), content_type="application/json")
        status, headers, body = table.post
        return route.fulfill(status=status, headers=headers, body=body)
    if "since" not in asked:
        return route.continue_()
    table.asked.append(asked["since"][0])
    if asked["since"][0].startswith("team"):
        return route.fulfill(body=table.changes, content_type="text/html", headers={"X-Mark": table.mark})
    return route.fulfill(body="", content_type="text/html", headers={"X-Mark": "conversation:1=1"})


def palette(url):
    item = {"url": "/gallery/", "kind": "Go", "text": f"View: {parse_qs(urlsplit(url).query)['q'][0]}", "hint": ""}
    return render_to_string("parts/palette_item.html", {"item": item})


def row(number, key, **more):
    from django.utils import timezone

    from inbox.row import Row
    from inbox.templatetags.rows import conversation_rows

    facts = {"author_name": "Theo Silva", "handle": "@theo", "network": "demo", "language": "", "snippet": "Thanks"}
    facts |= {"chip": None, "state": "new", "priority": 0, "agent_id": None, "agent_name": "", "team_name": ""}
    url = f"/gallery/desk/?open={number}"
    return conversation_rows([Row(**{**facts, "id": number, "key": key, "url": url, "age_at": timezone.now(), **more})])


def ring(desk, number):
    desk.page.evaluate(
        f"document.dispatchEvent(new CustomEvent('bell', {{detail: {{stream: 'team:3', number: {number}}}}}))"
    )


def places(desk):
    return desk.page.evaluate(
        "[...document.querySelectorAll('.row')].map(row => row.id + row.getBoundingClientRect().top)"
    )


def test_nothing_moves_until_the_agent_asks(desk):
    from playwright.sync_api import expect

    page = desk.page
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    focus, before = page.evaluate("document.activeElement.id"), places(desk)
    page.evaluate("window.held = document.getElementById('conversation-4')")
    desk.mark = "team:3=815"
    desk.changes = (
        row(31, "02001")
        + row(32, "02002")
        + row(4, "00996", snippet="<b>changed</b>")
        + row(3, "00997", gone="Done by Max")
    )
    desk.changes += '<agent-marks unread="9"></agent-marks>'
    ring(desk, 815)
    expect(page.locator("#bulk [data-show]")).to_have_text("2 new")
    expect(page.locator("#conversation-3 .row__mark")).to_have_text("Done by Max")
    expect(page.locator("#conversation-9")).to_have_attribute("data-unread", "")
    assert page.evaluate("shifts") == []
    assert places(desk) == before
    assert page.evaluate("held.isConnected && held.textContent.includes('<b>changed</b>')")
    assert page.evaluate("document.activeElement.id") == focus
    assert page.locator("[data-picked]").count() == 1
    page.keyboard.press(".")
    expect(page.locator("#conversation-3")).to_have_count(0)
    assert page.evaluate("[...document.querySelectorAll('.row')].slice(0, 3).map(row => row.id)") == [
        "conversation-32",
        "conversation-31",
        "conversation-1",
    ]
    assert page.evaluate("document.activeElement.id") == focus


def test_many_bells_make_few_requests(desk):
    desk.mark = "team:3=900"
    for number in range(850, 890):
        ring(desk, number)
    desk.page.locator("live-list[mark='team:3=900']").wait_for(state="attached")
    desk.page.wait_for_timeout(900)  # a second look would follow the first by then, a third does on no machine
    assert len([asked for asked in desk.asked if str(asked).startswith("team")]) <= 2


def test_keys_press_controls_but_never_inside_a_text_box(desk):
    from playwright.sync_api import expect

    page = desk.page
    page.keyboard.press("n")
    expect(page.locator("#note-text")).to_be_focused()
    page.keyboard.type("ejkz?")
    expect(page.locator("#note-text")).to_have_value("ejkz?")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    expect(page.locator(".aside")).to_be_hidden()
    page.evaluate("document.querySelector('key-map').setAttribute('off', '')")
    page.keyboard.press("i")
    expect(page.locator(".aside")).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_visible()


def test_the_palette_offers_the_controls_of_the_page_and_the_servers_answers(desk):
    from playwright.sync_api import expect

    page = desk.page
    page.keyboard.press("Control+k")
    page.keyboard.type("done")
    expect(page.locator("#palette-list [role=option]")).to_have_text(
        ["DoMark conversation doneE", "GoView: done", "SearchAll conversations that say “done”"]
    )
    desk.post = (204, {}, "")
    page.keyboard.press("Enter")
    expect(page.locator("#palette")).to_be_hidden()
    expect(page.locator("#conversation-1")).to_have_count(0)


def test_a_refused_reply_keeps_the_text_and_takes_the_new_number(desk):
    from playwright.sync_api import expect

    page = desk.page
    desk.post = (
        409,
        {"Content-Type": "text/html"},
        '<p>Max replied</p><button type="button" data-keep="9">Keep editing</button>',
    )
    page.keyboard.press("r")
    text = page.locator("#reply-text").input_value()
    page.keyboard.press("Control+Enter")
    page.locator("#said-meanwhile [data-keep]").click()
    expect(page.locator("#said-meanwhile")).to_be_empty()
    expect(page.locator("#reply-form [name=seen_seq]")).to_have_value("9")
    expect(page.locator("#reply-text")).to_have_value(text)
    desk.post = (204, {}, "")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#reply-text")).to_have_value("")


def test_a_failed_act_restores_the_row_and_says_so(desk):
    from playwright.sync_api import expect

    desk.post = (500, {"X-Request-ID": "7f3a"}, "")
    desk.page.keyboard.press("e")
    expect(desk.page.locator(".toast")).to_contain_text("7f3a")
    expect(desk.page.locator("#conversation-1")).to_be_visible()
    expect(desk.page.locator("#talk")).to_have_attribute("data-open", "1")


def test_a_done_conversation_leaves_the_next_opens_and_undo_is_one_key(desk):
    from playwright.sync_api import expect

    page = desk.page
    desk.post = (204, {"HX-Trigger": json.dumps({"undoable": {"url": "/undo/", "says": "Done. Undo (Z)"}})}, "")
    page.keyboard.press("e")
    expect(page.locator("#conversation-1")).to_have_count(0)
    expect(page.locator("#talk")).to_have_attribute("data-open", "2")
    expect(page.locator("#conversation-2")).to_have_attribute("aria-current", "true")
    expect(page.locator(".toast [data-undo]")).to_be_visible()
    page.keyboard.press("z")
    expect(page.locator(".toast")).to_contain_text("Undone")
    assert "undo" in desk.asked
    page.go_back()
    expect(page.locator("#talk")).to_have_attribute("data-open", "1")


def test_a_draft_survives_a_reload(desk):
    from playwright.sync_api import expect

    page = desk.page
    page.keyboard.press("n")
    page.keyboard.type("nine cases since Monday")
    while "nine cases since Monday" not in page.evaluate("JSON.stringify(localStorage)"):
        page.wait_for_timeout(20)
    page.reload()
    expect(page.locator("#note-text")).to_have_value("nine cases since Monday")


COUNTED = [
    ("weighted", "Hi Carla", 272),
    ("weighted", "https://acme.com/t/88213 ok", 254),
    ("weighted", "日本語👍🏽", 272),
    ("weighted", "foo.zz https://acme.example/", 252),
    ("graphemes+bytes", "👩\u200d👩\u200d👧e\u0301", 278),
    ("characters", "see https://acme.example/t/88213/a/very/long/way/to/go", 253),
    ("utf16", "👍", 278),
]


def test_counters_count_as_the_networks_do(desk):
    count = """async texts => {
        const { left, learn } = await import("/static/js/reply-counter.js")
        learn(await (await fetch("/static/tlds.txt")).text())
        return texts.map(([kind, text]) => left(kind, text, { limit: 280, link: 23, bytes: 3000 }))
    }"""
    counted = desk.page.evaluate(count, [[kind, text] for kind, text, _ in COUNTED])
    assert counted == [left for *_, left in COUNTED]

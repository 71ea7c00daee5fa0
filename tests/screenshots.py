"""Pictures of the pages for the documents: starts a new installation and a demo, goes through both with a browser, and
writes docs/screenshots/. `make screenshots` calls it; `python -m tests.screenshots queue trace` takes only those."""

import contextlib
import os
import re
import signal
import socket
import sys
import tempfile
import time
import uuid
from functools import partial
from pathlib import Path

from playwright.sync_api import sync_playwright

from socialcare.children import end, spawn
from socialcare.demo.colleagues import PASSWORD
from tests import chromium

ROOT = Path(__file__).parent.parent
PLACE = ROOT / "docs" / "screenshots"
LOOKS = {
    "light": {"viewport": {"width": 1440, "height": 860}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 860}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
}
STARTS = (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "SEAL_KEYS",
    "PUBLIC_URL",
    "HOST",
    "DEMO",
    "DEMO_URL",
    "FETCH_ALLOW",
)
ANSWER = "Thank you for telling us. We are looking into it and write to you again today."

# (name, who, address): {mine} is a conversation of the person's own queue, {rule} and {channel} the first of each.
PAGES = [
    ("sign-in", "", "/account/login/"),
    ("queue", "ana", "/views/all/"),
    ("queue-all-teams", "ada", "/views/all/"),
    ("conversation", "ana", "{mine}"),
    ("conversation-private-team", "hugo", "{mine}"),
    ("trace", "ana", "{mine}trace/"),
    ("failed", "ana", "/views/failed/"),
    ("failed-reply", "ana", "{failed}"),
    ("empty", "pia", "/views/spam/"),
    ("nothing-to-do", "otto", "/"),
    ("channels", "ada", "/set-up/channels/"),
    ("channel", "ada", "{channel}"),
    ("channel-log", "ada", "{channel}log/"),
    ("connect", "ada", "/set-up/channels/connect/"),
    ("connect-mastodon", "ada", "/set-up/channels/connect/mastodon/"),
    ("connect-webhook", "ada", "/set-up/channels/connect/webhook/"),
    ("rules", "max", "/set-up/rules/"),
    ("rule", "ada", "{rule}"),
    ("rule-new", "ada", "/set-up/rules/new/"),
    ("teams", "ada", "/set-up/teams/"),
    ("team", "ada", "{team}"),
    ("people", "ada", "/set-up/agents/"),
    ("health", "ada", "/set-up/health/"),
    ("organisation", "ada", "/set-up/organisation/"),
    ("history", "ada", "/set-up/history/"),
    ("channel-settings", "ada", "{channel}settings/"),
    ("channel-secrets", "ada", "{channel}secrets/"),
    ("search", "ana", "/search/?q=refund"),
    ("topics", "max", "/topics/"),
    ("topic-queries", "max", "/set-up/topics/"),
    ("topic-new", "max", "/set-up/topics/new/"),
    ("share-of-voice", "max", "/topics/share-of-voice/"),
    ("figures", "eva", "/reports/"),
    ("notices", "ana", "/notices/"),
    ("password", "ana", "/account/password/change/"),
    ("not-found", "ana", "/conversations/999999/"),
]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(folder, *command):
    """An installation in `folder`; gives its address and what it printed so far."""
    port, log = free_port(), folder / "log"
    env = {name: value for name, value in os.environ.items() if name not in STARTS}
    env.update(DATA_DIR=str(folder / "var"), PORT=str(port), DEMO_PORT=str(free_port()), UNDO_SECONDS="2")
    with log.open("ab") as output:
        argv = [sys.executable, "manage.py", *command]
        process = spawn(argv, cwd=ROOT, env=env, output=output)  # which ends when we are killed
    try:
        wait_for(lambda: "running at" in log.read_text() or process.poll() is not None)
        if process.poll() is not None:
            sys.exit(log.read_text())
        yield f"http://127.0.0.1:{port}", log.read_text
    finally:
        end(process, signal.SIGTERM, 60)


def wait_for(look, patience=90):
    deadline = time.monotonic() + patience
    while not (found := look()):
        if time.monotonic() > deadline:
            sys.exit("Waited in vain.")
        time.sleep(0.1)
    return found


class Camera:
    """Takes one page in all looks. `wanted` limits it to some names."""

    def __init__(self, browser, url, wanted):
        self.browser, self.url, self.wanted, self.contexts = browser, url, wanted, {}

    def context(self, who, look):
        if (who, look) not in self.contexts:
            context = self.browser.new_context(**LOOKS[look], locale="en-GB", timezone_id="Europe/Lisbon")
            context.set_default_timeout(20_000)
            self.contexts[who, look] = context
            if who:
                self.sign_in(context.new_page(), who)
        return self.contexts[who, look]

    def sign_in(self, page, who):
        page.goto(f"{self.url}/account/login/")
        page.fill("input[name=login]", f"{who}@brand.example")
        page.fill("input[name=password]", PASSWORD)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(lambda url: "login" not in url)
        page.close()

    def open(self, who, path, look="light"):
        page = self.context(who, look).new_page()
        page.goto(f"{self.url}{path}")
        return page

    def take(self, name, who, path, act=None):
        for look in LOOKS:
            if not self.wanted or name in self.wanted:
                page = self.open(who, path, look)
                if act:
                    act(page)
                self.keep(page, f"{name}-{look}")
                page.close()

    def keep(self, page, name):
        page.wait_for_load_state("load")
        if page.locator("live-bell").count():
            page.locator("live-bell[state=live]").wait_for(state="attached")
        page.evaluate("document.fonts.ready")
        page.wait_for_timeout(300)
        page.screenshot(path=PLACE / f"{name}.png", animations="disabled", caret="hide")
        print(f"docs/screenshots/{name}.png", flush=True)

    def close(self):
        for context in self.contexts.values():
            context.close()
        self.contexts.clear()


def take_wizard(browser, wanted):
    with folder() as place, running(place, "up") as (url, said):
        camera = Camera(browser, url, wanted)
        link = wait_for(lambda: re.search(r"http\S+/first-run/open/\S+", said()))[0]
        page = camera.context("", "light").new_page()
        page.goto(link)
        steps = [("you", you), ("brand", brand), ("teams", press), ("sources", source), ("done", press)]
        for step, answer in steps:
            page.wait_for_url(f"**/first-run/{step}/")
            for look in LOOKS:
                if not wanted or f"wizard-{step}" in wanted:
                    page.set_viewport_size(LOOKS[look]["viewport"])
                    page.emulate_media(color_scheme=LOOKS[look]["color_scheme"])
                    camera.keep(page, f"wizard-{step}-{look}")
            answer(page)
        camera.close()


def press(page):
    page.locator("form button[data-kind=main]").last.click()


def you(page):
    page.fill("input[name=name]", "Ada")
    page.fill("input[name=email]", "ada@brand.example")
    page.fill("input[name=password]", PASSWORD)
    press(page)


def brand(page):
    page.fill("input[name=name]", "Brand")
    page.fill("input[name=words]", "Brand")
    press(page)


def source(page):
    page.locator("button[name=try][value=demo]").click()
    page.locator("[id^=channel-]").wait_for()
    press(page)


def take_demo(browser, wanted):
    with folder() as place, running(place, "demo", "--pace", "20") as (url, _said):
        camera = Camera(browser, url, wanted)
        places = find_places(camera)
        live(camera, place, places)
        for name, who, path in PAGES:
            camera.take(name, who, path.format(mine=places.get(who, ""), **places))
        camera.take("reply-being-written", "ana", places["ana"], write("reply"))
        camera.take("note-being-written", "ana", places["ana"], write("note"))
        camera.take("palette", "ana", "/views/all/", lambda page: page.keyboard.press("Control+k"))
        camera.take("keys", "ana", "/views/all/", lambda page: page.keyboard.press("?"))
        camera.close()


def find_places(camera):
    """Addresses of things whose numbers are not known beforehand."""
    places = {}
    for who in ("ana", "hugo"):
        page = camera.open(who, "/views/all/")
        numbers = [name.removeprefix("conversation-") for name in wait_for(partial(rows, page))]
        places[who], places[f"{who}-other"] = answerable(page, camera.url, numbers)
        page.close()
    places["failed"] = places["ana-other"]
    for name, address in (("channel", "channels"), ("rule", "rules"), ("team", "teams")):
        page = camera.open("ada", f"/set-up/{address}/")
        links = [link.get_attribute("href") or "" for link in page.locator("main a, body a").all()]
        places[name] = next(link for link in links if re.fullmatch(rf"/set-up/{address}/\d+/", link))
        page.close()
    return places


def rows(page):
    """The ids of the queue's rows once there are some."""
    page.reload()
    found = [row.get_attribute("id") for row in page.locator("[id^=conversation-]").all()]
    return found if len(found) > 1 else []


def answerable(page, url, numbers):
    """Two conversations that can be answered; one whose last post was deleted cannot."""
    found = []
    for number in numbers:
        page.goto(f"{url}/conversations/{number}/")
        if page.locator("#reply-form:not([data-cannot]) input[name=seen_seq]").count():
            found.append(f"/conversations/{number}/")
        if len(found) == 2:
            break
    return found


def live(camera, place, places):
    """Something has happened: a note, an answer that was sent, and one the network refused."""
    page = camera.open("ana", places["ana"])
    send(
        page, places["ana"], "notes", text="I have asked Product; they look at it this morning.", key=str(uuid.uuid4())
    )
    answer(page, places["ana"])
    network = (place / "var" / "demo.url").read_text().strip()
    wait_for(lambda: answered_back(page.request.get(f"{network}/control/ledger").json()["posts"]))
    page.close()
    page = camera.open("ana", places["failed"])
    page.request.post(f"{network}/control/fault", data={"kind": "refuse", "count": 1, "method": "POST"})
    answer(page, places["failed"])
    wait_for(lambda: page.goto(f"{camera.url}/views/failed/") and page.locator("[id^=conversation-]").count())
    page.close()


def answered_back(posts):
    """Whether our answer stands there, and the customer has answered it."""
    ours = {post["id"] for post in posts if post["text"] == ANSWER}
    return any(post["reply_to"] in ours for post in posts)


def answer(page, conversation):
    seen = page.locator("#reply-form input[name=seen_seq]").get_attribute("value")
    send(page, conversation, "replies", text=ANSWER, key=str(uuid.uuid4()), seen_seq=seen, kind="reply", anyway="on")


def send(page, conversation, noun, **fields):
    token = page.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value")
    origin = page.url.split("/conversations")[0]
    page.request.post(f"{origin}{conversation}{noun}/", form={**fields, "csrfmiddlewaretoken": token})


def write(kind):
    def act(page):
        page.locator(f"[data-show-kind={kind}]:visible").first.click()
        page.locator(f"#{kind}-text").fill("It works again for us. Does it for you? https://brand.example/news")

    return act


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="socialcare-pictures-") as name:
        Path(name).chmod(0o711)  # the servers run as another user when we are root
        yield Path(name)


def main():
    wanted = set(sys.argv[1:])
    PLACE.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.executable(), args=chromium.ARGUMENTS)
        if not wanted or any(name.startswith("wizard") for name in wanted):
            take_wizard(browser, wanted)
        if not wanted or not all(name.startswith("wizard") for name in wanted):
            take_demo(browser, wanted)
        browser.close()


if __name__ == "__main__":
    main()

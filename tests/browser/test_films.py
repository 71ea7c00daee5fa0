"""A film that stands with a post: it is fetched when an agent looks, and really plays, from our own house."""

import base64

import pytest
from playwright.sync_api import expect

from connectors import enclosing
from tests.browser.conftest import PHONE
from tests.fakes.server import FakeServer, Reply
from tests.waiting import soon
from tests.world import make_channel, write

pytestmark = pytest.mark.browser
# A second of a moving square, recorded by the browser itself.
RECORDED = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 160, height: 120});
  const pen = canvas.getContext("2d");
  const recorder = new MediaRecorder(canvas.captureStream(25), {mimeType: "video/webm;codecs=vp8"}), pieces = [];
  const ended = new Promise(done => { recorder.onstop = done });
  recorder.ondataavailable = event => pieces.push(event.data);
  recorder.start();
  for (let n = 0; n < 25; n++) {
    pen.fillStyle = `hsl(${n * 14} 80% 50%)`; pen.fillRect(0, 0, 160, 120);
    pen.fillStyle = "white"; pen.fillRect(n * 5, 40, 40, 40);
    await new Promise(done => setTimeout(done, 40));
  }
  recorder.stop(); await ended;
  const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
  return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
}"""


@pytest.fixture
def film(browser):
    page = browser.new_page()
    recorded = base64.b64decode(page.evaluate(RECORDED))
    page.close()
    with FakeServer(lambda asked: Reply(200, recorded)) as server:
        yield f"{server.url}/film.webm"


def test_a_film_waits_until_it_is_here_and_plays(site, desk_of, film, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    channel = make_channel("films", team=site.cast.support, settings={"base_url": film})
    talk = write(channel, "See how it leaks", site.cast.support)
    talk.mentions.update(media=[{"kind": "video", "url": film, "preview_url": "", "description": "The kettle leaks"}])
    page = desk_of(site.cast.ana, viewport=PHONE).open(f"/conversations/{talk.pk}/")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="The kettle leaks").click()
    player = opened.value
    expect(player.get_by_text("It is being fetched.")).to_be_visible()
    enclosing.fetch_due()
    shown = player.locator("video")
    expect(shown).to_be_visible()  # the page went on by itself
    soon(lambda: shown.evaluate("film => film.readyState >= 2 && film.videoWidth === 160"))
    assert shown.get_attribute("src").startswith("/conversations/")

"""A picture on its way out: dropped on the reply, described, sent, and there at the network with its description."""

import base64

import pytest
from playwright.sync_api import expect

from inbox.models import Attachment, Conversation, Reply
from tests.browser.conftest import PHONE
from tests.fakes.mastodon import Fake
from tests.inbox.test_files import picture
from tests.journey.steps import of_fake, read, send

pytestmark = pytest.mark.browser
DROP = """([kind, files]) => {
  const carried = new DataTransfer()
  for (const [name, type, data] of files) {
    const bytes = Uint8Array.from(atob(data), sign => sign.charCodeAt(0))
    carried.items.add(new File([bytes], name, { type }))
  }
  const box = document.getElementById("reply-text"), init = { bubbles: true, cancelable: true }
  const pasted = kind === "paste", given = { ...init, [pasted ? "clipboardData" : "dataTransfer"]: carried }
  const event = pasted ? new ClipboardEvent(kind, given) : new DragEvent(kind, given)
  box.dispatchEvent(event)
}"""


@pytest.fixture
def fake(settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with Fake() as fake:
        yield fake


@pytest.fixture
def talk(site, fake):
    channel = of_fake(fake, name="@acme@fake.example", team=site.cast.support)
    fake.say("Where is my parcel?")
    read(channel)
    return Conversation.objects.get()


def carried(name, color, **more):
    return [name, "image/png", base64.b64encode(picture(color=color, **more)).decode()]


def bring(page, how, *files):
    """A drop and a paste are a person's act; those made by a script are not, so that a key is pressed before."""
    page.keyboard.press("Shift")
    page.evaluate(DROP, [how, list(files)])


def test_a_dropped_picture_leaves_with_its_description_and_comes_back_with_undo(site, desk_of, fake, talk):
    page = desk_of(site.cast.ana, viewport=PHONE).open(f"/conversations/{talk.pk}/")
    form, items = page.locator("#reply-form"), page.locator("#reply-form .file")
    bring(page, "drop", carried("receipt.png", "red", size=(300, 200)))
    bring(page, "paste", carried("box.png", "blue"))
    expect(items.locator("input[name=files]")).to_have_count(2)
    first = items.filter(has_text="receipt.png")
    first.get_by_label("Description of receipt.png").fill("A receipt over 10 €")
    page.keyboard.press("Enter")
    assert not Reply.objects.exists()
    items.filter(has_text="box.png").get_by_label("Remove box.png").press("Enter")
    expect(items).to_have_count(1)
    expect(first.get_by_label("Remove receipt.png")).to_be_focused()
    form.locator("textarea").fill("Here it is")
    form.get_by_role("button", name="Send", exact=True).click()
    expect(items).to_have_count(0)
    expect(page.locator("article[data-side=ours] img")).to_have_attribute("alt", "A receipt over 10 €")
    page.locator("article[data-side=ours]").get_by_role("button", name="Undo").click()
    while not items.count():  # whoever takes something back looks at the box: it may grow
        page.keyboard.press("Shift")
    expect(form.locator("textarea")).to_have_value("Here it is")
    expect(first.get_by_label("Description of receipt.png")).to_have_value("A receipt over 10 €")
    form.get_by_role("button", name="Send", exact=True).click()
    expect(items).to_have_count(0)
    send(*Reply.objects.filter(state="queued"))
    (made,) = fake.made()
    assert fake.attached(made) == [(bytes(Attachment.objects.get().body), "A receipt over 10 €")]
    bring(page, "drop", ["page.html", "text/html", base64.b64encode(b"<p>").decode()])
    expect(form.locator("[data-problems]")).to_contain_text("page.html")

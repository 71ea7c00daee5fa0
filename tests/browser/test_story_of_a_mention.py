"""A mention's whole way, on a real server of the Mastodon API: it reaches the right team's open screen, is claimed,
reassigned and answered once, and what its author does to it afterwards is followed."""

import json
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

from connectors import listening, sending
from connectors.base import Secrets
from connectors.models import Channel, Source
from connectors.opening import connector_of, sealed_secrets
from inbox.models import Conversation
from routing.models import Rule

pytestmark = pytest.mark.browser
BRAND, CUSTOMER, APPLICANT = "alice_token", "bob_token", "carol_token"


@pytest.fixture(scope="module")
def mastodon():
    from mastodon_mock.testing import MockServer

    with MockServer() as server:
        yield server


def ask(server, token, method, path, **values):
    """One call of the network's API by somebody else than us; the parsed answer."""
    body = json.dumps(values).encode() if values else None
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = Request(f"{server.base_url}/api/v1/{path}", data=body, headers=headers, method=method)
    with urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or "null")


@pytest.fixture
def channel(site, settings, mastodon):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    settings.UNDO_SECONDS = 0
    given = Secrets({"access_token": BRAND})
    values = {"server": mastodon.base_url}
    facts = connector_of("mastodon", values, given).check().facts
    channel = Channel.objects.create(name="@alice", network="mastodon", settings={**values, "facts": facts})
    channel.sealed = sealed_secrets(channel.pk, given)
    channel.save(update_fields=["sealed"])
    for name, words, team in (("Refunds", ["refund*"], site.cast.support), ("Jobs", ["apply", "job"], site.cast.hr)):
        rule = {"when": {"any": [{"is": "text_any", "words": words}]}, "then": [{"do": "team", "team": team.pk}]}
        Rule(name=name).rewrite(None, name=name, stop=True, **rule)
    return channel


def poll(channel):
    """What beat and worker do when the channel is due."""
    past = "2026-01-01T00:00Z"
    Channel.objects.filter(pk=channel.pk).update(next_poll_at=past, refresh_at=past)
    Source.objects.filter(channel=channel).update(next_at=past)
    assert listening.listen(channel.pk)


def test_a_mention_reaches_its_team_and_the_answer_reaches_the_network_once(site, desk_of, channel, mastodon):
    cast = site.cast
    ana, max_, hugo = (
        desk_of(agent).open(f"/views/{view}/")
        for agent, view in ((cast.ana, "support"), (cast.max, "support"), (cast.hugo, "hr"))
    )
    said = ask(mastodon, CUSTOMER, "POST", "statuses", status="@alice my refund is two weeks late")
    ask(mastodon, APPLICANT, "POST", "statuses", status="@alice where can I apply for a job in Lyon?")
    poll(channel)
    expect(ana.locator(".row__text, .row", has_text="my refund is two weeks late").first).to_be_visible()
    expect(ana.locator("live-bell")).to_have_attribute("state", "live")  # the bell brought it, not a look now and then
    expect(hugo.locator(".row", has_text="apply for a job in Lyon")).to_be_visible()
    expect(hugo.locator(".row", has_text="refund")).to_have_count(0)
    expect(ana.locator(".row", has_text="apply")).to_have_count(0)
    conversation = Conversation.objects.get(team=cast.support)
    row = f"#conversation-{conversation.pk}"

    ana.locator(f"{row} .row__open").click()
    ana.locator("form[data-act=claim] button").click()
    expect(max_.locator(row)).to_contain_text("Ana")

    ana.locator("#reply-text").fill("@bob we found it, the money is on its way")
    max_.goto(f"{site.url}/conversations/{conversation.pk}/assignment/?view=support")
    max_.get_by_role("option", name="Max Support").click()
    expect(ana.locator("#talk-head")).to_contain_text("Max")
    conversation.refresh_from_db()
    assert conversation.agent == cast.max

    ana.locator("#reply-text").press("Control+Enter")
    panel = ana.locator("#said-meanwhile")  # Max owns it since she began: she is told first
    expect(panel.get_by_role("button", name="Send anyway")).to_be_visible()
    panel.get_by_role("button", name="Send anyway").click()
    expect(ana.locator(".message[data-side=ours]")).to_contain_text("the money is on its way")
    assert sending.send_due() == 1
    assert sending.send_due() == 0
    expect(ana.locator(".message[data-side=ours]")).to_have_attribute("data-state", "sent")
    thread = ask(mastodon, CUSTOMER, "GET", f"statuses/{said['id']}/context")["descendants"]
    assert [post["account"]["acct"] for post in thread] == ["alice"]
    assert "the money is on its way" in thread[0]["content"]

    ask(mastodon, CUSTOMER, "PUT", f"statuses/{said['id']}", status="@alice my refund is THREE weeks late")
    poll(channel)
    expect(ana.locator("#messages")).to_contain_text("THREE weeks late")
    expect(ana.locator(".message[data-side=theirs]").first).to_contain_text("edited")
    place = ana.locator(".talk__foot").bounding_box()
    ask(mastodon, CUSTOMER, "DELETE", f"statuses/{said['id']}")
    conversation.reopen(cast.max)
    poll(channel)
    expect(ana.locator(".message[data-side=theirs]").first).to_contain_text("deleted")
    expect(ana.locator("#reply-form[data-cannot]")).to_be_attached()
    assert ana.locator(".talk__foot").bounding_box() == place  # the box says more now, and pushes nothing

"""Stories of the cast, played in the browser against the demo network: the rule that places a complaint, the private
team, the network that hangs during a send, and a Redis that is emptied."""

import re

import pytest
import redis
from django.conf import settings as installation
from playwright.sync_api import expect

from inbox.models import Conversation, Reply
from routing import defaults
from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer, Fault
from tests.journey.steps import connected, read, send

pytestmark = pytest.mark.browser


@pytest.fixture
def demo(site, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    settings.UNDO_SECONDS, settings.SETTLE_SECONDS = 0, 60
    server = DemoServer(Network(seed=3, pace=0))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def channel(site, demo):
    defaults.set_up(["support", "product", "hr", "marketing"], None)
    return connected(demo, name="Demo")


def test_a_refund_complaint_stands_in_support_with_the_rule_that_brought_it(site, desk_of, demo, channel):
    """ST-05"""
    ana = desk_of(site.cast.ana).open("/views/support/")
    demo.network.say("Carla", "Where is my refund? Nobody answers.")
    read(channel)
    ana.locator(".row", has_text="Where is my refund?").locator(".row__open").click()
    why = ana.locator("#talk-why")
    expect(why).to_contain_text(re.compile("rule “.+” v1"))
    ana.keyboard.press("w")
    expect(ana.locator("body")).to_contain_text("refund")
    expect(ana.locator("body")).to_contain_text("matched")


def test_who_looks_for_a_job_is_seen_by_hr_alone_and_joining_hr_is_seen_by_its_members(site, desk_of, demo, channel):
    """ST-10"""
    cast = site.cast
    hugo = desk_of(cast.hugo).open("/views/hr/")
    demo.network.say("Ines", "Are you hiring? I would like to apply for the open position in Lyon.")
    read(channel)
    expect(hugo.locator(".row", has_text="Are you hiring?")).to_be_visible()
    conversation = Conversation.objects.get(team=cast.hr)
    for other in (cast.ana, cast.ada, cast.max, cast.otto):
        page = desk_of(other).page
        answer = page.goto(f"{site.url}/conversations/{conversation.pk}/")
        assert answer.status == 404
        assert page.content().count("hiring") == 0
    before = cast.hr.memberships.count()
    cast.ada.join(cast.hr, "agent", by=cast.ada)
    assert cast.hr.memberships.count() == before + 1
    assert conversation.events.count() > 0
    told = cast.hugo.stream
    from inbox.models import Event

    came = Event.objects.filter(happening="joined_team", payload__agent=cast.ada.pk)
    assert came.filter(stream=told).exists()


def test_a_send_that_hangs_is_in_doubt_and_settles_to_sent_without_a_double(site, desk_of, demo, channel):
    """ST-18"""
    demo.network.say("Carla", "My parcel is lost, please send my money back.")
    read(channel)
    conversation = Conversation.objects.get(team=site.cast.support)
    page = desk_of(site.cast.ana).open(f"/conversations/{conversation.pk}/?view=support")
    page.locator("#reply-text").fill("We are looking for it, Carla.")
    page.locator("#reply-text").press("Control+Enter")
    ours = page.locator(".message[data-side=ours]")
    expect(ours).to_contain_text("We are looking for it")
    demo.faults.append(Fault("made_hang", 1, "POST", 0.2))
    send()
    expect(ours).to_have_attribute("data-state", re.compile("in_doubt|sent"))
    reply = Reply.objects.get()
    assert reply.state == "in_doubt"
    expect(ours).to_contain_text("Being checked")
    send()
    expect(ours).to_have_attribute("data-state", "sent")
    posted = [post for post in demo.network.posts.values() if post.author["id"] == "brand"]
    assert len(posted) == 1


def test_a_refused_send_stands_among_the_failed_ones_with_its_reason(site, desk_of, demo, channel):
    """ST-18, its second half"""
    said = demo.network.say("Carla", "My refund is late.")
    read(channel)
    conversation = Conversation.objects.get(team=site.cast.support)
    page = desk_of(site.cast.ana).open(f"/conversations/{conversation.pk}/?view=support")
    page.locator("#reply-text").fill("Sorry to hear that.")
    page.locator("#reply-text").press("Control+Enter")
    expect(page.locator(".message[data-side=ours]")).to_be_visible()
    demo.network.delete(said.id)
    send()
    ours = page.locator(".message[data-side=ours]")
    expect(ours).to_have_attribute("data-state", "failed")
    expect(ours).to_contain_text("no longer there")
    page.goto(f"{site.url}/views/failed/")
    expect(page.locator(".row", has_text="Carla")).to_be_visible()


def test_an_emptied_redis_costs_nothing_and_health_says_so(site, desk_of, demo, channel):
    """ST-24"""
    ada = desk_of(site.cast.ada)
    ana = desk_of(site.cast.ana).open("/views/support/")
    redis.Redis.from_url(installation.REDIS_URL).flushall()
    demo.network.say("Carla", "Where is my refund?")
    read(channel)
    expect(ana.locator(".row", has_text="Where is my refund?")).to_be_visible()
    page = ada.page
    page.goto(f"{site.url}/set-up/health/")
    expect(page.locator("main")).to_contain_text("Redis")
    expect(page.locator("main")).to_contain_text("answers")
    expect(page.locator("main")).to_contain_text("Demo")

"""Names are written by people who use signs: wherever a page shows one, it is escaped once and not twice."""

import re
from html import unescape

import pytest

from connectors.models import Channel, Topic
from inbox.models import Agent, Conversation, Identity, SavedView, Team
from routing.models import Rule
from tests.world import make_channel, write

NAME = """Tom & Jerry's <"Shop">"""
TWICE = re.compile(r"&amp;(?:amp|lt|gt|quot|#x?\d+);")
ALIVE = {"HX-Request": "true"}
PAGES = (
    "/views/all/", "/views/mine/", "/search/?q=parcel", "/set-up/rules/", "/set-up/teams/", "/set-up/agents/",
    "/set-up/channels/", "/set-up/topics/", "/set-up/history/", "/set-up/", "/topics/", "/reports/", "/account/",
)  # fmt: skip


@pytest.fixture
def named(cast):
    """Everything that has a name has this one."""
    one = write(make_channel(NAME), "my parcel is late", cast.support, name=NAME)
    one.assign(cast.support, cast.ana, cast.max)
    one.note(cast.max, "look", "0c7a3c1e-3a70-4ac2-8f43-0a5a2a4b5a11")
    Rule().rewrite(
        cast.ada,
        name=NAME,
        when={"all": [{"is": "text_any", "words": ["parcel"]}]},
        then=[{"do": "team", "team": cast.support.pk}],
    )
    SavedView.objects.create(name=NAME, agent=cast.ada, view="all", order="newest")
    for kind in (Agent, Team, Topic):
        for row in kind.objects.all():
            kind.objects.filter(pk=row.pk).update(name=f"{NAME} {row.pk}")
    Identity.objects.update(name=NAME)
    return one


@pytest.mark.django_db
def test_no_page_escapes_a_name_twice(cast, named, client):
    client.force_login(Agent.objects.get(pk=cast.ada.pk))
    here = f"/conversations/{named.pk}/"
    shown = [*PAGES, here, f"{here}assignment/", f"{here}trace/", f"/set-up/rules/{Rule.objects.get().pk}/"]
    shown += [f"/set-up/channels/{Channel.objects.get().pk}/", f"/set-up/teams/{cast.support.pk}/"]
    told = {page: client.get(page) for page in shown}
    told["news"] = client.get(here, {"since": f"conversation:{named.pk}=0"}, headers=ALIVE)
    told["opened"] = client.get(here, headers={**ALIVE, "HX-Target": "section#talk"})
    texts = {page: answer.content.decode() for page, answer in told.items() if answer.status_code == 200}
    assert len(texts) > 15
    assert sum(NAME in unescape(text) for text in texts.values()) > 10
    assert {page: TWICE.findall(text) for page, text in texts.items() if TWICE.search(text)} == {}


@pytest.mark.django_db
def test_somebody_without_a_name_is_called_by_the_handle(cast, client):
    one = write(make_channel(), "my parcel is late", cast.support)
    Identity.objects.update(name="")
    client.force_login(cast.ana)
    page = client.get(f"/conversations/{one.pk}/").content.decode()
    assert re.search(r'<h2 class="bar__title" tabindex="-1"><bdi[^>]*>@carla</bdi></h2>', page)
    assert Conversation.objects.get().identity.name == ""

"""A view saved under a name: what it shows, to whom, and how it is changed; and how dense an agent's rows stand."""

import re

import pytest

from inbox.models import Agent, SavedView
from tests.world import make_channel, write


@pytest.fixture
def channel(cast):
    return make_channel()


@pytest.fixture
def ana(cast, client):
    client.force_login(cast.ana)
    return client


@pytest.fixture
def vip(cast, channel):
    one = write(channel, "an important case", cast.support)
    one.retag(["vip"], cast.ana)
    write(channel, "a plain case", cast.support, author="theo")
    return one


def save(client, query="", slug="support", **said):
    answered = client.post(f"/views/{slug}/save/{query}", {"name": "Important", "whose": "me", **said})
    assert answered.status_code == 303, answered.content.decode()
    return answered.headers["Location"]


def rows(client, url):
    return re.findall(r'id="conversation-(\d+)"', client.get(url).content.decode())


def test_a_saved_view_shows_what_it_was_saved_with(cast, channel, ana, vip):
    url = save(ana, "?tag=vip&order=oldest")
    page = ana.get(url).content.decode()
    assert rows(ana, url) == [str(vip.pk)]
    assert '<h2 class="bar__title" title="Important">' in page
    assert "Tag: vip" in page
    assert ">Important<" in ana.get("/views/all/").content.decode()
    assert f'/conversations/{vip.pk}/?view={url.split("/")[2]}"' in page  # the way back needs no filters beside it
    mark = re.search(r'mark="([^"]+)"', page)[1].replace(" ", "+")
    vip.claim(cast.max)
    since = ana.get(f"{url}?since={mark}", headers={"HX-Request": "true"}).content.decode()
    assert "Max" in since


def test_a_changed_one_says_so_and_is_saved_or_reset(cast, channel, ana, vip):
    url = save(ana, "?tag=vip")
    slug = url.split("/")[2]
    changed = ana.get(f"{url}?order=oldest").content.decode()
    assert "Changed" in changed
    assert len(rows(ana, f"{url}?order=oldest")) == 2
    assert "Changed" not in ana.get(url).content.decode()
    assert ana.post(f"/views/{slug}/renewal/?order=oldest").status_code == 303
    assert len(rows(ana, url)) == 2
    assert ana.post(f"/views/{slug}/deletion/").status_code == 303
    assert ana.get(url).status_code == 404


def test_ones_own_view_is_nobody_elses_and_a_teams_is_the_whole_teams(cast, channel, client, vip):
    client.force_login(cast.ana)
    own, teams = save(client, "?tag=vip"), save(client, "?tag=vip", whose=str(cast.support.pk))
    client.force_login(cast.max)
    assert client.get(own).status_code == 404
    assert rows(client, teams) == [str(vip.pk)]
    client.force_login(cast.hugo)
    assert client.get(teams).status_code == 404
    assert "Important" not in client.get("/views/all/").content.decode()


def test_a_teams_view_is_changed_by_who_made_it_and_by_managers_only(cast, channel, client, vip):
    client.force_login(cast.max)
    slug = save(client, "?tag=vip", whose=str(cast.support.pk)).split("/")[2]
    client.force_login(cast.ana)
    assert client.post(f"/views/{slug}/deletion/").status_code == 404
    assert client.post(f"/views/{slug}/renewal/?order=oldest").status_code == 404
    made = save(client, "?tag=vip", whose=str(cast.support.pk)).split("/")[2]
    client.force_login(cast.max)
    assert client.post(f"/views/{made}/deletion/").status_code == 303
    assert SavedView.objects.count() == 1


def test_no_view_is_saved_for_a_team_one_is_not_in(cast, channel, ana):
    answered = ana.post("/views/all/save/", {"name": "Theirs", "whose": str(cast.hr.pk)})
    assert answered.status_code == 422
    assert ana.post("/views/hr/save/", {"name": "Theirs", "whose": "me"}).status_code == 404
    assert ana.post("/views/all/save/", {"name": "", "whose": "me"}).status_code == 422
    assert not SavedView.objects.exists()


def test_a_view_into_a_team_is_gone_with_the_right_to_read_it(cast, channel, client):
    client.force_login(cast.max)
    url = save(client, slug="marketing")
    assert client.get(url).status_code == 200
    cast.max.leave(cast.marketing, cast.ada)
    client.force_login(Agent.objects.get(pk=cast.max.pk))
    assert client.get(url).status_code == 404
    assert "Important" not in client.get("/views/all/").content.decode()


def test_the_density_is_kept_for_the_agent_and_leads_back(cast, channel, ana):
    back = "http://testserver/views/support/?tag=vip"
    answered = ana.post("/density/", {"density": "dense"}, headers={"Referer": back})
    assert answered.headers["Location"] == back
    assert 'data-density="dense"' in ana.get("/views/support/").content.decode()
    assert ana.post("/density/", {"density": "tiny"}).status_code == 404
    abroad = ana.post("/density/", {"density": "roomy"}, headers={"Referer": "https://evil.example/"})
    assert abroad.headers["Location"] == "/"


@pytest.mark.parametrize("number", ["9" * 18, "9" * 5000, "\u00b2", "x", ""])
def test_a_number_of_any_length_that_names_no_saved_view_is_not_found(cast, ana, number):
    assert ana.get(f"/views/saved-{number}/").status_code == 404

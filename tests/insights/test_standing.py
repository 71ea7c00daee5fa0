"""Where the work stands: who may read it, and that its numbers are those of the views."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

import socialcare.urls  # noqa: F401  before any test begins a transaction: it takes longer than one may idle
from inbox.models import Team
from insights import standing
from tests.world import make_channel, without_tokens, write


@pytest.fixture
def work(cast):
    """Support: three open, one of them Ana's, one snoozed; HR, which is private: one."""
    channel = make_channel()
    mine, *_rest = [write(channel, "case", cast.support, author=f"a{n}", ago=60 * n) for n in range(1, 4)]
    mine.claim(cast.ana)
    write(channel, "later", cast.support, author="b").snooze(timezone.now() + timedelta(hours=1), cast.ana)
    write(channel, "a job?", cast.hr, author="ines")


def cells(html, team):
    row = re.search(rf'<tr><th scope="row">(?:<a [^>]*>)?{team}.*?</tr>', html, re.DOTALL)[0]
    return re.findall(r"<td[^>]*>([^<]*)</td>", row)


def test_a_reader_of_figures_reads_all_teams_but_the_private_ones(cast, work, client):
    client.force_login(cast.eva)
    page = client.get("/", follow=True)
    assert page.redirect_chain == [("/reports/", 302)]
    html = page.content.decode()
    assert cells(html, "Support") == ["3", "3", "2", "3 min", "1", "0"]
    assert cells(html, "Product") == ["0", "0", "0", "–", "0", "0"]
    assert "HR" not in without_tokens(html)
    assert "a job?" not in html
    assert not re.search(r'href="/(views/[a-z]|conversations)', html)  # figures, not conversations
    assert client.get("/views/support/").status_code == 404


def test_a_manager_reads_his_own_teams_and_an_agent_none(cast, work, client):
    client.force_login(cast.max)
    html = client.get("/reports/").content.decode()
    assert '<a href="/views/support/">Support</a>' in html
    assert "Product" not in html
    for agent in (cast.ana, cast.hugo, cast.otto):
        client.force_login(agent)
        assert client.get("/reports/").status_code == 404
        assert "/reports/" not in client.get("/").content.decode()


def test_the_figures_of_a_private_team_are_its_own_managers(cast, work):
    hugo = cast.hugo
    hugo.join(cast.hr, "manager", by=None)
    hugo = type(hugo).objects.get(pk=hugo.pk)
    assert [(line.team, line.open) for line in standing.lines(hugo, timezone.now())] == [(cast.hr, 1)]


def test_the_figures_cost_the_same_few_statements_however_many_teams(cast, work, django_assert_max_num_queries):
    eva = type(cast.eva).objects.get(pk=cast.eva.pk)
    for n in range(5):
        Team.objects.create(name=f"Team {n}", slug=f"team-{n}", position=9)
    with django_assert_max_num_queries(4):
        assert len(standing.lines(eva, timezone.now())) == 8

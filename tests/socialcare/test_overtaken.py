"""Two have the same page open: what one of them changed meanwhile is not undone by the other's older form, which says
so, keeps what was typed and is taken when it is sent once more."""

from html.parser import HTMLParser

import pytest

from connectors.connecting import connect
from connectors.models import Channel
from inbox.models import Agent, Event, Membership, Role, Team
from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer
from socialcare.models import Organisation
from tests.conftest import PASSWORD
from tests.socialcare.test_people import confirmed, signed_in

WORDS = "Somebody changed this"


class Forms(HTMLParser):
    """What a browser would send of each form of a page, nothing touched."""

    def __init__(self, page, address):
        super().__init__()
        self.address, self.sent, self.choice = address, [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        name = given.get("name")
        if tag == "form":
            self.sent.append((given.get("action", self.address), {}))
        elif tag == "select":
            self.choice = name
        elif tag == "option" and self.choice and ("selected" in given or self.choice not in self.sent[-1][1]):
            self.sent[-1][1][self.choice] = given["value"]
        elif tag == "input" and name and self.sent and (given.get("type") != "checkbox" or "checked" in given):
            self.sent[-1][1][name] = given.get("value") or ("on" if given.get("type") == "checkbox" else "")


def opened(client, address, action="", **about):
    """The form of a page as it is shown now."""
    return form_in(client.get(address).content.decode(), address, action, **about)


def form_in(page, address, action="", **about):
    wanted = {name: str(value) for name, value in about.items()}
    forms = [
        sent for to, sent in Forms(page, address).sent if to == (action or address) and wanted.items() <= sent.items()
    ]
    return {name: value for name, value in forms[0].items() if name != "csrfmiddlewaretoken"}


@pytest.fixture
def two(cast):
    """Two admins, each with a browser, whose passwords were asked a moment ago."""
    eva = Agent.objects.create_user("eva.admin@acme.example", "Eva A", PASSWORD, is_admin=True)
    eva.join(cast.product, Role.AGENT, by=None)
    return confirmed(signed_in(cast.ada), cast.ada), confirmed(signed_in(eva), eva)


def test_an_older_page_of_a_team_neither_opens_a_private_one_nor_takes_the_rest_back(cast, two):
    ada, other = two
    address = f"/set-up/teams/{cast.product.pk}/"
    older = opened(other, address)
    assert ada.post(address, {**opened(ada, address), "private": "on", "purpose": "Faults"}).status_code == 303
    answer = other.post(address, {**older, "name": "Products"})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert Team.objects.get(pk=cast.product.pk).as_setting() | {"triage": False} == {
        "name": "Product", "purpose": "Faults", "private": True, "triage": False,
    }  # fmt: skip
    for words in (WORDS, "Private is now: yes", "What it is for is now: Faults", "Name is now: Product"):
        assert words in page
    kept = form_in(page, address)
    assert kept["name"] == "Products"
    assert other.post(address, {**kept, "private": "on", "purpose": "Faults"}).status_code == 303
    assert Team.objects.get(pk=cast.product.pk).name == "Products"
    older = opened(other, f"/set-up/teams/{cast.marketing.pk}/")
    address = f"/set-up/teams/{cast.support.pk}/"
    ada.post(address, {**opened(ada, address), "triage": "on"})
    assert other.post(f"/set-up/teams/{cast.marketing.pk}/", {**older, "purpose": "Posts"}).status_code == 409
    assert Team.objects.get(triage=True) == cast.support


def test_the_same_page_of_a_team_sent_twice_is_kept_once_and_no_quarrel(cast, two):
    address = f"/set-up/teams/{cast.product.pk}/"
    form = {**opened(two[0], address), "purpose": "Faults"}
    assert [two[0].post(address, form).status_code for _ in range(2)] == [303, 303]
    assert Event.objects.filter(stream="admin", happening="set_up_changed").count() == 1


def test_an_older_page_of_people_gives_no_right_back_that_was_taken(cast, two):
    ada, other = two
    Agent.objects.filter(pk=cast.max.pk).update(is_admin=True)
    action = f"/set-up/agents/{cast.max.pk}/rights/"
    older = opened(other, "/set-up/agents/", action)
    assert older["is_admin"] == "yes"
    taken = opened(ada, "/set-up/agents/", action)
    del taken["is_admin"]
    ada.post(action, taken)
    answer = other.post(action, {**older, "is_reader": "yes"})
    assert answer.status_code == 409
    assert f"{WORDS} of Max" in answer.content.decode()
    now = Agent.objects.get(pk=cast.max.pk)
    assert (now.is_admin, now.is_reader) == (False, False)
    assert "is_admin" not in form_in(answer.content.decode(), "/set-up/agents/", action)


def test_a_right_that_was_taken_meanwhile_is_said_before_a_password_is_asked(cast):
    ada = signed_in(cast.ada)
    action = f"/set-up/agents/{cast.max.pk}/rights/"
    older = opened(ada, "/set-up/agents/", action)
    cast.max.change_rights(None, is_reader=True)
    assert ada.post(action, {**older, "is_admin": "yes"}).status_code == 409


def test_an_older_page_of_a_team_brings_nobody_back_and_tells_no_leaving_twice(cast, two):
    ada, manager = two[0], signed_in(cast.max)
    address = f"/set-up/teams/{cast.support.pk}/"
    action = f"{address}members/"
    older, same = (opened(each, address, action, agent=cast.ana.pk) for each in (manager, ada))
    assert [ada.post(action, {**same, "role": "none"}).status_code for _ in range(2)] == [303, 303]
    assert Event.objects.filter(stream="admin", happening="left_team").count() == 1
    answer = manager.post(action, {**older, "role": "manager"})
    assert answer.status_code == 409
    assert f"{WORDS} of Ana" in answer.content.decode()
    assert not Membership.objects.filter(agent=cast.ana).exists()
    to, kept = next(form for form in Forms(answer.content.decode(), action).sent if "name" in form[1])
    assert manager.post(to, {**kept, "purpose": "Complaints"}).status_code == 303
    assert Team.objects.get(pk=cast.support.pk).purpose == "Complaints"
    cast.ana.join(cast.support, Role.MANAGER, by=None)
    answer = manager.post(action, {"agent": cast.ana.pk, "role": "agent"})
    assert (answer.status_code, cast.ana.memberships.get().role) == (409, "manager")


def test_an_older_settings_page_of_a_channel_gives_its_posts_to_no_other_team(cast, two, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    server = DemoServer(Network(seed=3, pace=0, history=0))
    server.start()
    try:
        channel = connect("demo", "@acme", {"base_url": server.url}, {"token": "demo"}, cast.ada)
        ada, other = two
        address = f"/set-up/channels/{channel.pk}/settings/"
        older = opened(other, address)
        assert ada.post(address, {**opened(ada, address), "team": cast.hr.pk}).status_code == 303
        answer = other.post(address, {**older, "channel_name": "@acme2", "token": "other"})
        page = answer.content.decode()
        assert answer.status_code == 409
        assert "other" not in form_in(page, address).values()
        assert "Enter this once more: Token" in page
        assert "What no rule places goes to is now: HR" in page
        stands = Channel.objects.get()
        assert (stands.name, stands.team) == ("@acme", cast.hr)
        assert other.post(address, {**form_in(page, address), "team": cast.hr.pk}).status_code == 303
        assert Channel.objects.get().name == "@acme2"
    finally:
        server.stop()


def test_an_older_page_of_the_organisation_keeps_what_another_typed(cast, two):
    ada, other = two
    Organisation.change(None, name="Acme", zone="UTC", brand_words=["Acme"])
    address = "/set-up/organisation/"
    older = opened(other, address)
    assert ada.post(address, {**opened(ada, address), "zone": "Europe/Berlin"}).status_code == 303
    answer = other.post(address, {**older, "words": "Acme, Acme Go"})
    assert answer.status_code == 409
    assert "Time zone is now: " in answer.content.decode()
    assert Organisation.shown().as_setting() == {"name": "Acme", "zone": "Europe/Berlin", "brand_words": ["Acme"]}

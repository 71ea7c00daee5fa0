"""The set-up as a file: it says everything but secrets, changes nothing by being looked at, and makes an empty
installation the same."""

import io
import json
import threading
import time

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from connectors import connecting
from connectors.models import Channel, Exclusion, Theme, Topic
from connectors.topics.exclusions import exclude
from inbox.models import Agent, Event, Membership, Team
from routing.models import Rule
from socialcare import configuration, people
from socialcare.models import Organisation
from socialcare.sections import Section, Unfit
from tests.conftest import PASSWORD
from tests.socialcare.test_people import confirmed, signed_in
from tests.waiting import PATIENCE


@pytest.fixture
def whole(cast):
    """An installation with something of everything."""
    Organisation.change(cast.ada, name="Acme", zone="Europe/Paris", brand_words=["Acme"])
    settings = {"server": "https://one.example", "hashtags": "tea"}
    channel = connecting.connect("mastodon", "@acme", settings, {"access_token": "hush"}, cast.ada, team=cast.support)
    topic = Topic(name="Tea")
    topic.rewrite(cast.ada, [channel], query="tea AND refund", team=cast.product, queues=True)
    green = Theme(topic=topic)
    green.rewrite(cast.ada, name="Green", query="sencha OR matcha", colour="green")
    exclude(topic, [("phrase", "tea party")], cast.ada)
    exclude(None, [("domain", "deals.example")], cast.ada)
    leaves = [{"is": "text_any", "words": ["refund"]}, {"is": "channel", "channels": [str(channel.pk)]}]
    leaves.append({"is": "theme", "themes": [str(green.pk)]})
    then = [{"do": "team", "team": cast.support.pk}, {"do": "agent", "agent": cast.ana.pk}]
    Rule().rewrite(cast.ada, name="Refunds", when={"any": leaves}, then=then)
    jobs = {"all": [{"is": "text_any", "words": ["job"]}]}
    Rule().rewrite(cast.ada, name="Jobs", when=jobs, then=[{"do": "team", "team": cast.hr.pk}])
    return cast


def emptied():
    for model in (Rule, Topic, Exclusion, Channel, Membership, Team, Organisation):
        model.objects.all().delete()
    Agent.objects.exclude(email="ada@acme.example").delete()


def test_the_file_names_things_and_holds_no_secret(whole):
    document = json.loads(configuration.as_text())
    assert list(document) == ["socialcare", *(section.name for section in Section.in_order())]
    assert document["rules"][0]["then"] == [
        {"do": "team", "team": "Support"},
        {"do": "agent", "agent": "ana@acme.example"},
    ]
    assert document["rules"][0]["when"]["any"][1]["channels"] == ["@acme"]
    members = {team["name"]: team["members"] for team in document["teams"]}
    assert members["Support"] == {"ana@acme.example": "agent", "max@acme.example": "manager"}
    assert members["HR"] == {"hugo@acme.example": "agent"}
    assert document["topics"][0]["channels"] == ["@acme"]
    assert document["rules"][0]["when"]["any"][2]["themes"] == ["Tea: Green"]
    assert document["themes"] == [{"name": "Green", "topic": "Tea", "query": "sencha OR matcha", "colour": "green"}]
    assert {(one["topic"], one["kind"], one["text"]) for one in document["exclusions"]} == {
        ("Tea", "phrase", "tea party"),
        (None, "domain", "deals.example"),
    }
    assert "hush" not in configuration.as_text()
    assert "access_token" not in configuration.as_text()


def test_an_empty_installation_becomes_the_same_by_the_file(whole):
    text = configuration.as_text()
    emptied()
    ada = Agent.objects.get()
    planned = configuration.plan(text, ada)
    assert not planned.problems
    assert {step.is_new for step in planned.does if step.section in ("Teams", "Rules", "Channels", "Topics")} == {True}
    assert not Team.objects.exists(), "looking at a plan changes nothing"
    assert configuration.apply(text, ada) > 0
    assert configuration.as_text() == text
    assert Channel.objects.get().paused, "it has no access yet"
    assert configuration.apply(text, ada) == 0
    assert not configuration.plan(text, ada).does


def test_a_plan_tells_what_differs_in_words(whole):
    text = configuration.as_text()
    Rule.objects.get(name="Jobs").rewrite(None, then=[{"do": "team", "team": whole.marketing.pk}])
    Team.objects.filter(pk=whole.support.pk).update(purpose="Something else")
    steps = {(step.section, step.name): step.differences for step in configuration.plan(text, whole.ada).does}
    (rule,) = steps["Rules", "Jobs"]
    assert (rule.was, rule.now) == ("give it to Marketing", "give it to HR")
    assert steps["Teams", "Support"][0].was == "Something else"
    assert len(steps) == 2


def test_what_the_file_does_not_name_stays_and_rules_stand_in_its_order(whole):
    document = json.loads(configuration.as_text())
    extra = {"all": [{"is": "text_any", "words": ["x"]}]}
    Rule().rewrite(None, name="Mine", when=extra, then=[{"do": "team", "team": whole.support.pk}])
    document["rules"].reverse()
    configuration.apply(json.dumps(document), whole.ada)
    assert list(Rule.objects.order_by("position").values_list("name", flat=True)) == ["Jobs", "Refunds", "Mine"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"rules": [{"name": "R", "when": {"all": []}, "then": [{"do": "team", "team": "Nobody"}]}]}, "Nobody"),
        ({"rules": [{"name": "R", "when": {"is": "no such"}, "then": []}]}, "R"),
        ({"channels": [{"name": "C", "network": "nowhere"}]}, "nowhere"),
        ({"channels": [{"name": "C", "network": "feed", "monthly_cap": "much"}]}, "monthly_cap"),
        ({"channels": [{"name": "@acme", "network": "feed"}]}, "another network"),
        (
            {"channels": [{"name": "@acme", "network": "mastodon", "settings": {"server": "https://two.example"}}]},
            "secrets",
        ),
        ({"topics": [{"name": "T", "query": "(tea"}]}, "T"),
        ({"teams": [{"name": "Support", "members": {"nobody@acme.example": "agent"}}]}, "nobody@acme.example"),
        ({"teams": [{"name": "Support", "members": {"ana@acme.example": "king"}}]}, "manager"),
        ({"teams": [{"name": "HR", "private": False}]}, "private team public"),
        ({"teams": [{"name": "A"}, {"name": "A"}]}, "twice"),
        ({"teams": [{"purpose": "none"}]}, "name"),
        ({"teams": [{"name": 3}]}, "name"),
        ({"teams": ["Support"]}, "list"),
        ({"teams": [{"name": "A", "colour": "red"}]}, "colour"),
        ({"organisation": [{"name": "Acme", "zone": "Mars/Base"}]}, "Mars/Base"),
        ({"secrets": []}, "secrets"),
        ({"socialcare": 9}, "version"),
        ({"teams": [{"name": "A" * 61}]}, "too long"),
        ({"teams": [{"name": "A\u0000"}]}, "characters"),
        ({"teams": [{"name": "A\ud800"}]}, "characters"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_words_and_changes_nothing(whole, changed, words):
    before = configuration.as_text()
    text = json.dumps({"socialcare": 1, "teams": [{"name": "Support", "purpose": "New"}]} | changed)
    with pytest.raises(Unfit, match=words):
        configuration.apply(text, whole.ada)
    assert configuration.as_text() == before


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\x00"])
def test_what_is_no_configuration_is_refused(whole, text):
    assert configuration.plan(text, whole.ada).problems


def test_the_page_shows_the_plan_and_asks_the_password_before_it_does_anything(whole):
    document = json.loads(configuration.as_text())
    document["teams"].append({"name": "Legal"})
    ada, text = signed_in(whole.ada), json.dumps(document)
    page = ada.post("/set-up/configuration/", {"file": SimpleUploadedFile("a.json", text.encode())})
    assert "Teams: Legal" in page.content.decode()
    assert not Team.objects.filter(name="Legal").exists()
    answer = ada.post("/set-up/configuration/", {"text": text})
    assert "/account/reauthenticate/" in answer.headers["Location"]
    ada.post(answer.headers["Location"], {"password": PASSWORD})
    assert Team.objects.filter(name="Legal").exists()


def test_a_file_that_is_no_text_or_empty_gets_a_sentence(whole):
    ada = confirmed(signed_in(whole.ada), whole.ada)
    for body in (b"\xff\xfe", b"", b"nonsense"):
        answer = ada.post("/set-up/configuration/", {"file": SimpleUploadedFile("a.json", body)})
        assert answer.status_code == 422
        assert "form__errors" in answer.content.decode()
    assert ada.post("/set-up/configuration/", {"text": "nonsense"}).status_code == 422


def test_the_command_writes_plans_and_brings_the_same_file(whole, tmp_path):
    out = io.StringIO()
    call_command("configuration", "export", stdout=out)
    assert out.getvalue() == configuration.as_text()
    file = tmp_path / "set-up.json"
    document = json.loads(out.getvalue())
    document["teams"].append({"name": "Legal"})
    file.write_text(json.dumps(document))
    call_command("configuration", "plan", str(file), stdout=(planned := io.StringIO()))
    assert "Teams: Legal" in planned.getvalue()
    assert not Team.objects.filter(name="Legal").exists()
    call_command("configuration", "import", str(file), stdout=io.StringIO())
    assert Team.objects.filter(name="Legal").exists()
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("configuration", "plan", str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("part", "item", "said"),
    [
        ("themes", {"name": "Green", "query": "x"}, "names no topic"),
        ("themes", {"name": "Green", "topic": "Tea", "colour": "mauve"}, "no colour “mauve”"),
        ("themes", {"name": "Green", "topic": "Nowhere", "query": "x"}, "nothing called “Nowhere”"),
        ("themes", {"name": "Green", "topic": "Tea", "query": "x OR"}, "Character"),
        ("exclusions", {"text": "x", "kind": "nonsense"}, "of no kind that is known"),
        ("exclusions", {"text": "deals", "kind": "domain"}, "A domain has a dot"),
    ],
)
def test_themes_and_exclusions_that_cannot_be_are_refused_in_words(whole, part, item, said):
    text = json.dumps({"socialcare": 1, part: [item]})
    with pytest.raises(Unfit, match=said):
        configuration.apply(text, whole.ada)
    assert Theme.objects.get().query == "sencha OR matcha"
    assert Exclusion.objects.count() == 2


def file_of(**parts):
    return json.dumps({"socialcare": 1, **parts})


def test_the_last_admin_stays_whoever_brings_the_file(whole):
    text = file_of(people=[{"email": "ada@acme.example", "is_admin": False}])
    for by in (None, whole.ada):
        with pytest.raises(Unfit, match="last admin"):
            configuration.apply(text, by)
    handed_over = file_of(
        people=[{"email": "ada@acme.example", "is_admin": False}, {"email": "max@acme.example", "is_admin": True}]
    )
    configuration.apply(handed_over, whole.ada)
    assert [agent.email for agent in Agent.objects.filter(is_admin=True)] == ["max@acme.example"]


def test_who_is_no_admin_any_more_applies_nothing(whole):
    whole.max.change_rights(None, is_admin=True)
    whole.ada.change_rights(None, is_admin=False)
    whole.ada.is_admin = True  # as the request read it before
    with pytest.raises(Unfit, match="Your own rights changed"):
        configuration.apply(file_of(teams=[{"name": "Legal"}]), whole.ada)
    assert not Team.objects.filter(name="Legal").exists()


def test_the_triage_team_moves_by_a_file_whatever_the_order_of_names(whole):
    care = Team.objects.get(name="Support")
    people.change_team(care, whole.ada, {"name": "Support", "purpose": "", "private": False, "triage": True})
    configuration.apply(
        file_of(teams=[{"name": "Support", "triage": False}, {"name": "Product", "triage": True}]), whole.ada
    )
    assert Team.objects.get(triage=True).name == "Product"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"access_token": "hush"}, "is a secret"),
        ({"facts": "x"}, "no setting “facts”"),
        ({"account": ["x"]}, "no setting “account”"),
        ({"server": ["https://one.example"]}, "another type"),
        ({"server": "x" * 600}, "500"),
    ],
)
def test_settings_in_a_file_are_held_to_the_form_of_the_network(whole, settings, words):
    text = file_of(channels=[{"name": "@other", "network": "mastodon", "settings": settings}])
    with pytest.raises(Unfit, match=words):
        configuration.apply(text, whole.ada)
    assert any(words in problem for problem in configuration.plan(text, whole.ada).problems)
    assert not Channel.objects.filter(name="@other").exists()


@pytest.mark.parametrize(
    "item",
    [
        {"people": [{"email": "nonsense", "is_admin": True}]},
        {"channels": [{"name": "C", "network": "feed", "monthly_cap": "NaN"}]},
        {"channels": [{"name": "C", "network": "feed", "monthly_cap": "-5"}]},
        {"themes": [{"name": "x" * 41, "topic": "Tea", "query": "x"}]},
        {"teams": [{"name": "HR", "private": False}]},
        {"teams": [{"name": "Support", "members": {"nobody@acme.example": "agent"}}]},
    ],
)
def test_the_plan_says_what_would_be_refused(whole, item):
    assert configuration.plan(file_of(**item), whole.ada).problems
    before = configuration.as_text()
    with pytest.raises(Unfit):
        configuration.apply(file_of(**item), whole.ada)
    assert configuration.as_text() == before


@pytest.mark.parametrize(
    "item",
    [
        {"channels": [{"name": "@acme", "network": "mastodon", "settings": {"hashtags": "tea"}}]},
        {"people": [{"email": "ANA@acme.example", "name": "Somebody else"}]},
        {"teams": [{"name": "Support", "members": {"ana@acme.example": "agent"}}]},
        {"exclusions": [{"kind": "domain", "text": "https://Deals.example/", "topic": None}]},
    ],
)
def test_what_a_file_leaves_out_stays_and_the_plan_says_no_more_than_is_done(whole, item):
    planned = configuration.plan(file_of(**item), whole.ada)
    assert not planned.problems
    assert not planned.does
    assert configuration.apply(file_of(**item), whole.ada) == 0


def test_a_file_makes_no_channel_one_of_another_account(whole):
    kept = {"client_id": "c", "organization": "1", "account": {"id": "urn:li:organization:1", "name": "Acme"}}
    connecting.connect("linkedin", "Page", kept, {"client_secret": "s"}, whole.ada)
    text = file_of(channels=[{"name": "Page", "network": "linkedin", "settings": {"organization": "2"}}])
    with pytest.raises(Unfit, match="names another account"):
        configuration.apply(text, whole.ada)
    assert any("names another account" in problem for problem in configuration.plan(text, whole.ada).problems)


def test_money_is_the_same_however_it_is_written(whole):
    for _ in range(2):
        text = file_of(channels=[{"name": "@acme", "network": "mastodon", "monthly_cap": "10"}])
        configuration.apply(text, whole.ada)
    assert configuration.apply(text, whole.ada) == 0
    assert not configuration.plan(text, whole.ada).does


def test_a_file_brings_rules_of_one_name_and_an_organisation_without_one(whole):
    Organisation.objects.all().delete()
    for word in ("tea", "coffee"):
        when = {"all": [{"is": "text_any", "words": [word]}]}
        Rule().rewrite(None, name="Drinks", when=when, then=[{"do": "team", "team": whole.support.pk}])
    text = configuration.as_text()
    assert not configuration.plan(text, whole.ada).does
    assert configuration.apply(text, whole.ada) == 0
    Rule.objects.all().delete()
    configuration.apply(text, whole.ada)
    assert configuration.as_text() == text


def test_what_is_full_is_said_and_not_left_out_in_silence(whole, monkeypatch):
    monkeypatch.setattr("connectors.topics.exclusions.MOST", 1)
    monkeypatch.setattr("connectors.topics.themes.MOST", 1)
    many = {"exclusions": [{"kind": "phrase", "text": "one more", "topic": "Tea"}]}
    with pytest.raises(Unfit, match="too many exclusions"):
        configuration.apply(file_of(**many), whole.ada)
    with pytest.raises(Unfit, match="1 themes"):
        configuration.apply(file_of(themes=[{"name": "Black", "topic": "Tea", "query": "assam"}]), whole.ada)


def test_the_longest_file_gets_through_the_page(whole):
    ada = confirmed(signed_in(whole.ada), whole.ada)
    answer = ada.post("/set-up/configuration/", {"text": '"' * (configuration.LONGEST - 1)})
    assert answer.status_code == 422, "read, and found to be no configuration"
    small = SimpleUploadedFile("a.json", file_of(teams=[{"name": "Legal"}]).encode())
    planned = ada.post("/set-up/configuration/", {"file": small}).content.decode()
    assert planned.count('enctype="multipart/form-data"') == 1, "a form that is quoted would be twice as long"


@pytest.mark.django_db(transaction=True)
def test_a_file_and_somebody_who_holds_one_of_its_rows_do_not_wait_for_each_other(whole):
    text = file_of(
        organisation=[{"name": "Acme & Sons"}],
        channels=[{"name": "@acme", "network": "mastodon", "settings": {"hashtags": "coffee"}}],
    )
    held, wrong = threading.Event(), []

    def apply():
        held.wait(PATIENCE)
        try:
            configuration.apply(text, whole.ada)
        except Exception as error:  # noqa: BLE001  it fails the test
            wrong.append(error)
        finally:
            connection.close()

    applying = threading.Thread(target=apply)
    applying.start()
    with transaction.atomic():
        channel = Channel.objects.select_for_update().get()
        held.set()
        assert waits_for_us(), wrong
        channel.tell("reconnect", "its access ended")
    applying.join(PATIENCE)
    assert not wrong
    assert Channel.objects.get().settings["hashtags"] == "coffee"
    assert Event.objects.filter(stream="admin", happening="channel_moved").exists()


def waits_for_us():
    for _ in range(1_200):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            if cursor.fetchone()[0]:
                return True
        time.sleep(0.05)
    return False


def test_who_comes_into_a_private_team_by_a_file_is_announced_to_it(whole):
    text = file_of(teams=[{"name": "HR", "members": {"ada@acme.example": "agent"}}])
    configuration.plan(text, whole.ada)
    came = Event.objects.filter(happening="joined_team", payload__agent=whole.ada.pk)
    told = came.filter(stream=whole.hugo.stream)
    assert not told.exists(), "looking at a plan tells nobody"
    configuration.apply(text, whole.ada)
    assert told.count() == 1


def test_who_downloads_the_file_is_told(whole):
    answer = signed_in(whole.ada).get("/set-up/configuration/file/")
    assert answer.content.decode() == configuration.as_text()
    assert "downloaded the whole set-up" in str(Event.objects.filter(stream="admin").latest("number").payload)


def test_a_longer_file_asks_the_database_no_more_for_each_rule(whole):
    def asked(rules):
        with CaptureQueriesContext(connection) as found:
            configuration.plan(file_of(rules=rules), whole.ada)
        return len(found)

    rules = json.loads(configuration.as_text())["rules"]
    many = [{**rules[0], "name": f"Rule {number}"} for number in range(12)]
    few = asked(many[:4])
    assert (asked(many) - few) / 8 <= 16

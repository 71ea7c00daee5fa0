"""The set-up as a file: it says everything but secrets, changes nothing by being looked at, and makes an empty
installation the same."""

import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from connectors import connecting
from connectors.models import Channel, Exclusion, Theme, Topic
from connectors.topics.exclusions import exclude
from inbox.models import Agent, Membership, Team
from routing.models import Rule
from socialcare import configuration
from socialcare.models import Organisation
from socialcare.sections import Section, Unfit
from tests.conftest import PASSWORD
from tests.socialcare.test_people import confirmed, signed_in


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

"""The history of the set-up: who changed what, the difference in words, and putting it back."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connectors import connecting
from connectors.models import Channel, Exclusion, Theme, Topic
from connectors.topics.exclusions import exclude
from inbox.models import Agent, Event, Team
from routing.models import Rule
from socialcare import configuration, people
from socialcare.history import PAGE, changes
from socialcare.models import Organisation
from tests.conftest import PASSWORD
from tests.socialcare.test_people import confirmed, signed_in
from tests.world import as_shown


def newest(agent):
    return changes(agent)[0]


def put_back(client, change):
    return client.post(f"/set-up/history/{change.id}/restoration/", follow=True).content.decode()


def refund_rule(cast, **changed):
    rule = Rule()
    when = {"all": [{"is": "text_any", "words": ["refund"]}]}
    rule.rewrite(
        cast.ada, **{"name": "Refunds", "when": when, "then": [{"do": "team", "team": cast.support.pk}]} | changed
    )
    return rule


def test_a_change_of_a_team_is_told_with_before_and_after_and_can_be_put_back(cast):
    ada = signed_in(cast.ada)
    ada.post(f"/set-up/teams/{cast.support.pk}/", as_shown(cast.support, name="Help", purpose="Answers"))
    change = newest(cast.ada)
    assert change.sentence == "Ada changed the team Help"
    assert [(one.label, one.was, one.now) for one in change.differences] == [
        ("Name", "Support", "Help"),
        ("Purpose", "–", "Answers"),
    ]
    page = ada.get("/set-up/history/").content.decode()
    assert "Ada changed the team Help" in page
    put_back(ada, change)
    assert Team.objects.get(pk=cast.support.pk).name == "Support"
    assert newest(cast.ada).differences[0].now == "Support"


def test_a_removed_rule_comes_back_as_it_was(cast):
    rule = refund_rule(cast)
    was = rule.as_setting()
    rule.remove(cast.ada)
    put_back(signed_in(cast.ada), newest(cast.ada))
    assert Rule.objects.get().as_setting() == was


def test_a_rule_is_shown_in_words_and_not_as_data(cast):
    rule = refund_rule(cast)
    rule.rewrite(cast.ada, then=[{"do": "team", "team": cast.product.pk}])
    (one,) = newest(cast.ada).differences
    assert (one.was, one.now) == ("give it to Support", "give it to Product")


def test_settings_of_a_channel_come_back_but_secrets_never_follow_to_another_address(cast):
    given = {"server": "https://one.example", "hashtags": "tea"}
    channel = connecting.connect("mastodon", "@acme", given, {"access_token": "hush"}, cast.ada, team=cast.support)
    connecting.change(channel, {"name": "@acme", "settings": {"hashtags": "coffee"}, "team": None}, cast.ada)
    change, ada = newest(cast.ada), signed_in(cast.ada)
    assert {(one.label, one.was, one.now) for one in change.differences} == {
        ("hashtags", "tea", "coffee"),
        ("Team", "Support", "–"),
    }
    put_back(ada, change)
    channel.refresh_from_db()
    assert (channel.settings["hashtags"], channel.team) == ("tea", cast.support)
    connecting.change(channel, {"settings": {"server": "https://two.example"}}, cast.ada)
    assert "secrets stay with the address" in put_back(ada, newest(cast.ada))
    channel.refresh_from_db()
    assert channel.settings["server"] == "https://two.example"
    told = str(list(Event.objects.filter(stream="admin").values()))
    assert "hush" not in told
    assert "access_token" in told


def test_a_channel_does_not_become_one_of_another_account_by_putting_back(cast):
    given = {"client_id": "c", "organization": "1"}
    channel = connecting.connect("linkedin", "Page", given, {"client_secret": "s"}, cast.ada)
    connecting.change(channel, {"settings": {"organization": "2"}}, cast.ada)
    account = {"id": "urn:li:organization:2", "name": "Acme"}
    Channel.objects.update(settings={**given, "organization": "2", "account": account})
    assert "It named another account then" in put_back(signed_in(cast.ada), newest(cast.ada))
    assert Channel.objects.get().settings["organization"] == "2"


def test_a_pause_is_put_back_by_going_on(cast):
    channel = connecting.connect("feed", "Blog", {"urls": "https://acme.example/feed"}, {}, cast.ada)
    channel.pause(cast.ada)
    put_back(signed_in(cast.ada), newest(cast.ada))
    assert not Channel.objects.get().paused


def test_a_topic_its_channels_and_its_team_come_back(cast):
    channel = connecting.connect("feed", "Blog", {"urls": "https://acme.example/feed"}, {}, cast.ada)
    topic = Topic(name="Tea")
    topic.rewrite(cast.ada, [channel], query="tea", team=cast.product)
    was = topic.as_setting()
    topic.rewrite(cast.ada, [], query="coffee", team=None)
    put_back(signed_in(cast.ada), newest(cast.ada))
    assert Topic.objects.get().as_setting() == was


def test_a_removed_topic_comes_back_with_its_themes_and_exclusions(cast):
    topic = Topic(name="Tea")
    topic.rewrite(cast.ada, [], query="tea", team=cast.product)
    Theme(topic=topic).rewrite(cast.ada, name="Green", query="sencha", colour="green")
    Theme(topic=topic).rewrite(cast.ada, name="Late", query="late", colour="red")
    exclude(topic, [("phrase", "tea party"), ("domain", "deals.example")], cast.ada)
    was = list(topic.themes.values("name", "query", "colour")), list(topic.exclusions.values("kind", "text"))
    topic.remove(cast.ada)
    assert not Theme.objects.exists()
    assert not Exclusion.objects.exists()
    put_back(signed_in(cast.ada), newest(cast.ada))
    topic = Topic.objects.get()
    assert (list(topic.themes.values("name", "query", "colour")), list(topic.exclusions.values("kind", "text"))) == was
    assert topic.sort_at is not None, "what it finds is told apart anew"


def test_a_theme_and_an_exclusion_come_back(cast):
    topic = Topic(name="Tea")
    topic.rewrite(cast.ada, [], query="tea")
    theme = Theme(topic=topic)
    theme.rewrite(cast.ada, name="Green", query="sencha", colour="green")
    theme.rewrite(cast.ada, name="Green", query="matcha", colour="red")
    change = newest(cast.ada)
    assert change.sentence == "Ada changed the theme “Green” of the topic “Tea”"
    assert {(one.label, one.was, one.now) for one in change.differences} == {
        ("Query", "sencha", "matcha"),
        ("Colour", "green", "red"),
    }
    ada = signed_in(cast.ada)
    put_back(ada, change)
    assert Theme.objects.get().query == "sencha"
    for given in (topic, None):
        [one] = exclude(given, [("phrase", "tea party")], cast.ada)
        one.remove(cast.ada)
        put_back(ada, newest(cast.ada))
        assert Exclusion.objects.get(topic=given).text == "tea party"


def test_putting_an_admin_back_asks_the_password_and_the_last_one_stays(cast):
    ada = confirmed(signed_in(cast.ada), cast.ada)
    ada.post(f"/set-up/agents/{cast.max.pk}/rights/", as_shown(cast.max, is_admin="yes"))
    ada.post(f"/set-up/agents/{cast.max.pk}/rights/", as_shown(cast.max))
    change = newest(cast.ada)
    assert ("Admin", "yes", "no") in [(one.label, one.was, one.now) for one in change.differences]
    fresh = signed_in(cast.ada)
    answer = fresh.post(f"/set-up/history/{change.id}/restoration/")
    assert "/account/reauthenticate/" in answer.headers["Location"]
    assert not Agent.objects.get(pk=cast.max.pk).is_admin
    fresh.post(answer.headers["Location"], {"password": PASSWORD})
    assert Agent.objects.get(pk=cast.max.pk).is_admin


def test_what_must_never_happen_does_not_happen_by_putting_back(cast):
    ada = signed_in(cast.ada)
    ada.post("/set-up/teams/new/", {"name": "Board", "private": ""})
    board = Team.objects.get(name="Board")
    ada.post(f"/set-up/teams/{board.pk}/", as_shown(board, name="Board", private="on"))
    assert "Only a member can make a private team public" in put_back(ada, newest(cast.ada))
    assert Team.objects.get(pk=board.pk).private


def test_a_name_that_another_has_now_is_refused_in_words(cast):
    ada = signed_in(cast.ada)
    ada.post(f"/set-up/teams/{cast.support.pk}/", as_shown(cast.support, name="Help"))
    change = newest(cast.ada)
    ada.post("/set-up/teams/new/", {"name": "Support"})
    assert "Something else has its name now." in put_back(ada, change)
    assert Team.objects.get(pk=cast.support.pk).name == "Help"


def test_the_organisation_is_changed_on_its_page_and_told(cast):
    Organisation.change(None, name="Acme", zone="UTC", brand_words=["Acme"])
    form = as_shown(Organisation.ours(), name="Acme & Sons", zone="Europe/Berlin", words="Acme, Acme Go")
    assert signed_in(cast.ada).post("/set-up/organisation/", form).status_code == 303
    assert people.invite("nadia@acme.example", "Nadia", cast.ada)[0].zone == "Europe/Berlin"
    change = changes(cast.ada)[1]
    assert [one.now for one in change.differences] == ["Acme & Sons", "Europe/Berlin", "Acme, Acme Go"]
    assert changes(cast.ada)[2].sentence == "The command line changed the organisation"


def test_the_history_is_read_page_by_page_and_by_kind(cast):
    for number in range(60):
        Organisation.change(cast.ada, name=f"Acme {number}")
    ada = signed_in(cast.ada)
    page = ada.get("/set-up/history/?kind=organisation").content.decode()
    assert page.count("changed the organisation") == 50
    older = page.split("before=")[1].split('"')[0]
    rest = ada.get(f"/set-up/history/?kind=organisation&before={older}").content.decode()
    assert rest.count("changed the organisation") == 10
    assert "changed the organisation" not in ada.get("/set-up/history/?kind=team").content.decode()
    assert Team.objects.exists()
    assert "user-plus" in ada.get("/set-up/history/?kind=agent").content.decode()


def test_putting_back_touches_only_what_that_change_changed(cast):
    ada = signed_in(cast.ada)
    ada.post(f"/set-up/teams/{cast.support.pk}/", as_shown(cast.support, name="Help"))
    renamed = newest(cast.ada)
    ada.post(f"/set-up/teams/{cast.support.pk}/", as_shown(cast.support, name="Help", purpose="Answers"))
    put_back(ada, renamed)
    team = Team.objects.get(pk=cast.support.pk)
    assert (team.name, team.purpose) == ("Support", "Answers")
    rule = refund_rule(cast)
    rule.rewrite(cast.ada, name="Money back")
    renamed = newest(cast.ada)
    rule.rewrite(cast.ada, then=[{"do": "team", "team": cast.product.pk}])
    put_back(ada, renamed)
    rule.refresh_from_db()
    assert (rule.name, rule.then[0]["team"]) == ("Refunds", cast.product.pk)


def test_settings_of_a_channel_that_was_paused_since_come_back_and_it_stays_paused(cast):
    channel = connecting.connect("feed", "Blog", {"url": "https://acme.example/feed"}, {}, cast.ada)
    connecting.change(channel, {"settings": {"url": "https://acme.example/other"}, "name": "News"}, cast.ada)
    change = newest(cast.ada)
    channel.pause(cast.ada)
    assert "It is as it was before" in put_back(signed_in(cast.ada), change)
    channel.refresh_from_db()
    assert (channel.name, channel.settings["url"]) == ("Blog", "https://acme.example/feed")
    assert channel.paused


def test_a_removed_channel_comes_back_paused_and_without_secrets(cast):
    given = {"server": "https://one.example", "hashtags": "tea"}
    channel = connecting.connect("mastodon", "@acme", given, {"access_token": "hush"}, cast.ada, team=cast.support)
    was = channel.as_setting()
    connecting.remove(channel, cast.ada)
    put_back(signed_in(cast.ada), newest(cast.ada))
    back = Channel.objects.get()
    assert back.as_setting() == {**was, "paused": True, "secrets": []}


def test_what_is_put_back_twice_is_there_once(cast):
    refund_rule(cast).remove(cast.ada)
    change, ada = newest(cast.ada), signed_in(cast.ada)
    put_back(ada, change)
    assert "Something else has its name now." in put_back(ada, change)
    assert Rule.objects.count() == 1


def test_no_button_offers_what_cannot_be_put_back(cast):
    channel = connecting.connect("mastodon", "@acme", {"server": "https://one.example"}, {}, cast.ada)
    connecting.reconnect(channel, {"access_token": "hush"}, cast.ada)
    assert newest(cast.ada).differences
    assert not newest(cast.ada).restorable, "no event holds a secret"
    people.disable(cast.otto, cast.ada)
    assert not any(change.restorable for change in changes(cast.ada)[:2]), "an account comes back by a new link"


def test_a_search_of_a_team_that_is_gone_does_not_become_everybodys(cast):
    board = Team(slug="board")
    people.change_team(board, cast.ada, {"name": "Board", "purpose": "", "private": True, "triage": False})
    topic = Topic(name="Merger")
    topic.rewrite(cast.ada, [], query="merger", team=board)
    topic.remove(cast.ada)
    change = newest(cast.ada)
    people.remove_team(board, cast.ada)
    assert "Its team is gone" in put_back(signed_in(cast.ada), change)
    assert not Topic.objects.exists()


def test_a_secret_in_an_address_stands_in_no_event_and_no_file(cast):
    channel = connecting.connect(
        "feed", "Blog", {"url": "https://ada:hush@acme.example/feed?token=hush2"}, {}, cast.ada
    )
    connecting.change(channel, {"settings": {"url": "https://acme.example/open"}}, cast.ada)
    told = str(list(Event.objects.filter(stream="admin").values())) + configuration.as_text()
    assert "hush" not in told
    assert "acme.example/feed" in told
    assert "A secret stood in its address" in put_back(signed_in(cast.ada), newest(cast.ada))
    channel.refresh_from_db()
    assert channel.settings["url"] == "https://acme.example/open"


def test_two_who_change_one_channel_at_once_overwrite_nothing_of_each_other(cast):
    channel = connecting.connect("mastodon", "@acme", {"server": "https://one.example"}, {}, cast.ada)
    mine, theirs = (Channel.objects.get(pk=channel.pk) for _ in range(2))
    connecting.change(mine, {"settings": {"hashtags": "tea"}}, cast.ada)
    connecting.change(theirs, {"answers_beyond_cap": False}, cast.ada)
    assert Channel.objects.get().settings["hashtags"] == "tea"
    assert [one.label for one in newest(cast.ada).differences] == ["Answers beyond the limit"]


@pytest.mark.parametrize("path", ["history/", "organisation/", "configuration/file/"])
def test_nobody_but_admins_reads_the_history_or_the_file(cast, path):
    for agent in (cast.ana, cast.max, cast.eva, cast.otto):
        assert signed_in(agent).get(f"/set-up/{path}").status_code == 404
    assert Client().get(f"/set-up/{path}").status_code == 302
    change = Event.objects.filter(stream="admin").order_by("-number").first()
    assert signed_in(cast.max).post(f"/set-up/history/{change.pk}/restoration/").status_code == 404


def test_a_page_of_the_history_asks_the_database_the_same_however_full_it_is(cast):
    def asked():
        with CaptureQueriesContext(connection) as found:
            changes(cast.ada)
        return len(found)

    rule = refund_rule(cast)
    few = asked()
    for team in (cast.product, cast.support) * 5:
        rule.rewrite(cast.ada, then=[{"do": "team", "team": team.pk}])
    assert asked() == few


@pytest.fixture
def long_history(cast):
    """Forty thousand events of the admins: every other one of a channel that comes and goes, few of a theme, made in
    the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO inbox_event (stream, number, happening, seq, at, payload, echo)
               SELECT 'admin', 1000 + n,
                      CASE WHEN n > 39000 OR n % 2 = 0 THEN 'channel_moved' ELSE 'set_up_changed' END, 0, now(),
                      jsonb_build_object('what', 'changed it', 'key', n, 'was', NULL, 'now', NULL,
                                         'kind', CASE WHEN n < 2000 THEN 'theme' ELSE 'rule' END), false
                 FROM generate_series(1, 40000) n"""
        )
        cursor.execute("ANALYZE inbox_event")


def test_a_page_of_the_history_reads_only_what_it_shows_however_rare_it_is(cast, long_history):
    """One test: what was rolled back would stand in the way of a second one."""
    for kind, before in (("", None), ("rule", None), ("theme", None), ("topic", None), ("theme", 1500)):
        with CaptureQueriesContext(connection) as seen:
            found = changes(cast.ada, kind, before)
        assert len(found) == (0 if kind == "topic" else PAGE + 1)
        assert all(change.kind == kind for change in found if kind)
        numbers = [change.number for change in found]
        assert numbers == sorted(numbers, reverse=True)
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {seen[0]['sql']}")
            plan = cursor.fetchone()[0][0]["Plan"]
        assert "'history" in str(plan), kind
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= 300, kind


def test_those_of_people_name_no_kind_and_are_of_people(cast):
    people.change_rights(cast.otto, cast.ada, is_reader=True)
    cast.otto.join(cast.support, "agent", by=cast.ada)
    refund_rule(cast)
    told = [change.sentence for change in changes(cast.ada, "agent")]
    assert any("Otto" in sentence for sentence in told)
    assert {change.kind for change in changes(cast.ada, "agent")} == {"agent"}
    assert [change.kind for change in changes(cast.ada, "rule")] == ["rule"]

"""The rules page: reading, editing without script, trying out, and who may do what."""

import threading

import pytest
from django.db import connection, transaction

from connectors.models import Channel
from inbox.models import Conversation
from routing.groups import read_tree
from routing.models import Rule
from tests.inbox.test_receive import offer, post
from tests.waiting import PATIENCE, soon
from tests.world import without_tokens


def make(name, words, team, **fields):
    rule = Rule(
        name=name,
        when={"all": [{"is": "text_any", "words": words}]},
        then=[{"do": "team", "team": team.pk}],
        **fields,
    )
    rule.rewrite(None)
    return rule


@pytest.fixture
def rules(cast):
    refunds = make("Refunds", ["refund"], cast.support)
    praise = make("Praise", ["thank*"], cast.hr)
    faults = make("Faults", ["crash"], cast.product)
    return refunds, praise, faults


def signed_in(client, agent):
    client.force_login(agent)
    return client


def filled(**changed):
    """What the editor posts for a rule with one condition and one action."""
    form = {
        "name": "Refunds",
        "version": "1",
        "w.how": "all",
        "w.0.is": "text_any",
        "w.0.f.words": "refund, money back",
        "a.0.do": "team",
        "stop": "yes",
        "active": "yes",
        "why": "customers say it both ways",
        "do": "save",
    }
    return form | {name.replace("__", "."): value for name, value in changed.items()}


def test_the_list_reads_as_sentences_in_the_order_of_trying(cast, client, rules):
    text = signed_in(client, cast.ada).get("/set-up/rules/").content.decode()
    assert text.index("Refunds") < text.index("Praise") < text.index("Faults")
    assert "When the text contains “refund”, give it to Support, then stop." in text


def test_a_long_rule_shows_the_team_it_gives_work_to_and_can_be_read_whole(cast, client):
    words = [f"word number {number}" for number in range(40)]
    make("Long", words, cast.support)
    make("Praise of employees", ["thank*"], cast.hr)
    gives_to = '<span class="unseen">Gives work to </span>'
    text = signed_in(client, cast.ada).get("/set-up/rules/").content.decode()
    assert f"{gives_to}{cast.support.name}<" in text
    assert f"{gives_to}{cast.hr.name}<" in text
    assert "Read the whole rule" in text
    assert "word number 39”, give it to Support, then stop." in text
    text = signed_in(client, cast.max).get("/set-up/rules/").content.decode()
    assert f"{gives_to}{cast.support.name}<" in text
    assert f"{gives_to}{cast.hr.name}<" not in text


def test_a_change_is_the_next_version_with_its_reason(cast, client, rules):
    rule = rules[0]
    address = f"/set-up/rules/{rule.pk}/"
    answer = signed_in(client, cast.ada).post(address, filled(a__0__f__team=cast.support.pk))
    assert answer.status_code == 303
    rule.refresh_from_db()
    assert rule.version == 2
    assert rule.when == {"all": [{"is": "text_any", "words": ["refund", "money back"]}]}
    assert rule.versions.get(number=2).why == "customers say it both ways"
    client.post(f"{address}versions/1/restoration/")
    rule.refresh_from_db()
    assert (rule.version, rule.when["all"][0]["words"]) == (3, ["refund"])


def test_who_edits_an_older_version_is_told_and_nothing_is_lost(cast, client, rules):
    rule = rules[0]
    rule.rewrite(None, name="Refunds and returns")
    form = filled(a__0__f__team=cast.support.pk)
    answer = signed_in(client, cast.ada).post(f"/set-up/rules/{rule.pk}/", form)
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "Somebody kept version 2 meanwhile" in text
    assert "refund, money back" in text
    rule.refresh_from_db()
    assert rule.name == "Refunds and returns"


def test_who_keeps_a_rule_that_was_removed_is_told_and_can_make_it_anew(cast, client, rules):
    address = f"/set-up/rules/{rules[0].pk}/"
    rules[0].remove(None)
    form = filled(a__0__f__team=cast.support.pk)
    answer = signed_in(client, cast.ada).post(address, form)
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "Somebody removed this rule meanwhile" in text
    assert "refund, money back" in text
    assert 'name="version" value="0"' in text
    assert not Rule.objects.filter(name="Refunds").exists()
    assert client.post(address, form | {"version": "0"}).status_code == 303
    assert Rule.objects.get(name="Refunds").version == 1
    assert client.get(address).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_rule_that_is_removed_while_it_is_kept_is_no_error_of_the_server(cast, client, rules):
    def keep():
        """Waits for the lock that the removal holds."""
        try:
            answers.append(client.post(address, form).status_code)
        finally:
            connection.close()

    def waits():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return cursor.fetchone()[0]

    signed_in(client, cast.ada)
    address, form, answers = f"/set-up/rules/{rules[0].pk}/", filled(a__0__f__team=cast.support.pk), []
    keeping = threading.Thread(target=keep)
    with transaction.atomic():
        rules[0].remove(None)
        keeping.start()
        soon(waits)
    keeping.join(PATIENCE)
    assert answers == [409]


def test_conditions_and_groups_are_added_and_removed_by_plain_posts(cast, client):
    client = signed_in(client, cast.ada)
    form = filled(do="group:w", a__0__f__team=cast.support.pk)
    text = client.post("/set-up/rules/new/", form).content.decode()
    assert 'name="w.1.how"' in text
    form |= {"w.1.how": "none", "w.1.new": "language", "do": "add:w.1"}
    text = client.post("/set-up/rules/new/", form).content.decode()
    assert 'name="w.1.0.f.languages"' in text
    form |= {"w.1.0.is": "language", "w.1.0.f.languages": "de", "do": "look"}
    text = client.post("/set-up/rules/new/", form).content.decode()
    assert "it is not so that the language is “de”" in text
    assert not Rule.objects.exists()
    client.post("/set-up/rules/new/", {**form, "do": "save"})
    assert Rule.objects.get().when["all"][1] == {"none": [{"is": "language", "languages": ["de"]}]}
    text = client.post("/set-up/rules/new/", {**form, "do": "remove:w.1"}).content.decode()
    assert 'name="w.1.how"' not in text
    text = client.post("/set-up/rules/new/", {**form, "do": "add-action", "a.new": "tag"}).content.decode()
    assert 'name="a.1.f.tags"' in text


def test_a_none_group_within_another_reads_as_no_other_rule():
    spam, refund = ({"is": "text_any", "words": [word]} for word in ("spam", "refund"))
    within, around = {"any": [{"none": [spam]}, refund]}, {"none": [spam, refund]}
    reads = [read_tree(tree).sentence({}) for tree in (within, around)]
    assert reads == [
        "(it is not so that the text contains “spam”) or the text contains “refund”",
        "it is not so that the text contains “spam” or the text contains “refund”",
    ]


def test_tags_of_a_rule_are_such_as_an_agent_can_type(cast, client):
    form = filled(**{"a.0.do": "tag", "a.0.f.tags": "Money  back, #urgent, urgent"})
    text = signed_in(client, cast.ada).post("/set-up/rules/new/", {**form, "do": "look"}).content.decode()
    assert "tag it “money-back” and “urgent”" in text
    text = client.post("/set-up/rules/new/", {**form, "a.0.f.tags": "#, #"}).content.decode()
    assert "at least one word is needed" in text


@pytest.mark.parametrize("do", ["remove:w.9", "add:w.7.3", "group:x", "remove-action:5", "add:w", "remove:w"])
def test_an_edit_of_something_that_is_not_there_changes_nothing(cast, client, do):
    form = filled(do=do, a__0__f__team=cast.support.pk)
    text = signed_in(client, cast.ada).post("/set-up/rules/new/", form).content.decode()
    assert "refund, money back" in text


def test_what_is_missing_is_said_and_nothing_is_kept(cast, client):
    answer = signed_in(client, cast.ada).post("/set-up/rules/new/", filled())
    assert answer.status_code == 422
    assert "Give to team: choose a team." in answer.content.decode()
    assert not Rule.objects.exists()


def test_rules_are_moved_up_and_removed(cast, client, rules):
    client = signed_in(client, cast.ada)
    client.post(f"/set-up/rules/{rules[2].pk}/place/", {"to": "0"})
    assert list(Rule.objects.values_list("name", flat=True)) == ["Faults", "Refunds", "Praise"]
    client.post(f"/set-up/rules/{rules[2].pk}/removal/")
    assert Rule.objects.count() == 2


def test_a_broken_rule_is_loud(cast, client, rules):
    Rule.objects.filter(pk=rules[0].pk).update(when={"all": [{"is": "weather"}]})
    Rule.objects.filter(pk=rules[2].pk).update(then=[{"do": "team", "team": 987654}])
    text = signed_in(client, cast.ada).get("/set-up/rules/").content.decode()
    assert "2 rules are broken" in text
    assert "There is no condition called “weather”." in text
    assert "It gives work to a team that is gone." in text
    assert client.get(f"/set-up/rules/{rules[0].pk}/").status_code == 200


def test_the_bench_says_where_a_text_would_go_and_why(cast, client, rules):
    text = signed_in(client, cast.ada).post("/set-up/rules/", {"text": "my refund please"}).content.decode()
    assert "It would go to Support: of rule “Refunds” v1." in text
    assert not Conversation.objects.exists()


def test_the_newest_posts_that_would_match_are_those_the_asker_may_read(cast, client, rules):
    channel = Channel.objects.create(name="@acme", network="demo")
    offer(channel, post(1, "where is my crash helmet"), post(2, "a crash at checkout"), post(3, "thanks for the crash"))
    Conversation.objects.filter(mentions__external_id="3").update(team=cast.hr)
    form = filled(do="look", w__0__f__words="crash", a__0__f__team=cast.support.pk)
    text = signed_in(client, cast.ada).post("/set-up/rules/new/", form).content.decode()
    assert "2 of the 2 newest posts you may read would match." in text
    assert "a crash at checkout" in text
    assert "thanks for the crash" not in text


def test_rules_of_a_private_team_exist_for_its_managers_and_admins_only(cast, client, rules):
    praise = rules[1]
    client = signed_in(client, cast.max)
    assert "Praise" not in client.get("/set-up/rules/").content.decode()
    assert client.get(f"/set-up/rules/{praise.pk}/").status_code == 404
    text = client.post("/set-up/rules/", {"text": "thanks to all"}).content.decode()
    assert "It would go to another team." in text
    assert "HR" not in without_tokens(text)
    assert "Praise" in signed_in(client, cast.ada).get("/set-up/rules/").content.decode()


def test_managers_change_rules_of_their_own_teams_only(cast, client, rules):
    refunds, praise, faults = rules
    client = signed_in(client, cast.max)
    assert client.post(f"/set-up/rules/{refunds.pk}/place/", {"to": "0"}).status_code == 303
    for rule in (praise, faults):
        for verb in ("place", "removal", "versions/1/restoration"):
            assert client.post(f"/set-up/rules/{rule.pk}/{verb}/", {"to": "0"}).status_code == 404
        form = filled(a__0__f__team=cast.support.pk)
        assert client.post(f"/set-up/rules/{rule.pk}/", form).status_code == 404
    for team, status in ((cast.product, 422), (cast.hr, 422), (cast.support, 303)):
        form = filled(a__0__f__team=team.pk)
        assert client.post(f"/set-up/rules/{refunds.pk}/", form).status_code == status
    refunds.refresh_from_db()
    assert refunds.touches() == {cast.support.pk}
    silent = filled(version="2", a__0__f__team=cast.support.pk, a__1__do="ignore")
    assert client.post(f"/set-up/rules/{refunds.pk}/", silent).status_code == 422


@pytest.mark.parametrize("name", ["ana", "hugo", "pia", "eva", "otto"])
def test_rules_do_not_exist_for_agents(cast, client, rules, name):
    client = signed_in(client, getattr(cast, name))
    for address in ("/set-up/rules/", "/set-up/rules/new/", f"/set-up/rules/{rules[0].pk}/"):
        assert client.get(address).status_code == 404


def test_a_manager_moves_no_rule_above_one_that_is_not_theirs(cast, client, rules):
    mine = make("Mine", ["thank*"], cast.support)
    signed_in(client, cast.max).post(f"/set-up/rules/{mine.pk}/place/", {"to": "0"})
    assert list(Rule.objects.values_list("name", flat=True)) == ["Refunds", "Praise", "Faults", "Mine"]
    offer(Channel.objects.create(name="@acme", network="demo"), post(1, "thanks to Nadia"))
    assert Conversation.objects.get().team == cast.hr


def test_the_bench_tells_nothing_of_what_a_hidden_rule_does(cast, client, rules):
    praise = rules[1]
    praise.rewrite(None, then=[*praise.then, {"do": "tag", "tags": ["kindness"]}])
    assert "kindness" not in signed_in(client, cast.max).post("/set-up/rules/", {"text": "thanks"}).content.decode()
    assert "kindness" in signed_in(client, cast.ada).post("/set-up/rules/", {"text": "thanks"}).content.decode()

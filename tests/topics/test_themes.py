"""Themes tell apart what a topic found (LIS-02): when it is stored, and again over all of it when they change."""

import re
import threading
import uuid
from datetime import timedelta

import pytest
from django.db import close_old_connections, transaction
from django.utils import timezone

from connectors.base import Budget, Page
from connectors.models import Channel, Source, Theme, Topic, TopicMention
from connectors.opening import opened
from connectors.storing import Claim
from connectors.topics import comparing, resorting, sorting
from connectors.topics.exclusions import exclude
from connectors.topics.query import QueryError
from inbox.models import Conversation, Mention, SearchFill
from inbox.models.conversation import State
from inbox.searching import indexing
from tests import world
from tests.inbox.test_receive import post
from tests.waiting import PATIENCE

SET_UP, POSTS = "/set-up/topics/", "/topics/"


def make(query="kettle", **fields):
    topic = Topic(name=fields.pop("name", "Kettles"))
    assert topic.rewrite(None, (), query=query, **fields)
    while comparing.compare_piece():
        pass
    topic.refresh_from_db()
    return topic


def theme(topic, name, query, **fields):
    one = Theme(topic=topic)
    assert one.rewrite(None, name=name, query=query, **fields)
    return one


def carried(topic):
    """The names of the themes of everything found, by text."""
    names = dict(topic.themes.values_list("pk", "name"))
    rows = topic.found.values_list("mention__text", "themes")
    return {text: sorted(names[pk] for pk in themes if pk in names) for text, themes in rows}


def stored(channel, *posts):
    """A page as a poll stores it."""
    claim = Claim(channel, timezone.now(), Budget())
    source, _ = Source.objects.get_or_create(channel=channel, name="mentions")
    return claim.store(opened(channel), source, Page(posts=posts, cursor={}, end=True), None)


@pytest.fixture
def demo(cast):
    return world.make_channel("@acme", "demo", team=cast.support)


@pytest.fixture
def heard(cast, demo):
    """What people said before there were themes."""
    for number, text in enumerate(("the kettle leaks", "my kettle is late", "a late kettle that leaks", "fine kettle")):
        world.write(demo, text, cast.support, author=f"author{number}", history=True, ago=60 * number)
    return demo


ALL = {
    "the kettle leaks": ["leaks"],
    "my kettle is late": ["late"],
    "a late kettle that leaks": ["late", "leaks"],
    "fine kettle": [],
}


def test_what_is_stored_carries_its_themes_and_nothing_is_pulled_in(cast, demo):
    topic = make()
    theme(topic, "leaks", "leak* OR drips")
    theme(topic, "late", "late")
    stored(demo, *(post(n, text, author=text) for n, text in enumerate((*ALL, "the tap drips"))))
    assert carried(topic) == ALL
    assert not topic.found.filter(is_sorted=False).exists()


def test_a_changed_theme_is_found_again_in_all_that_is_stored_with_visible_progress(cast, heard, monkeypatch):
    monkeypatch.setattr(resorting, "PIECE", 2)
    topic = make()
    assert carried(topic)["the kettle leaks"] == []
    leaks, _late = theme(topic, "leaks", "leak*"), theme(topic, "late", "late")
    assert resorting.sort_piece()
    topic.refresh_from_db()
    assert (topic.sort_done, topic.sort_whole) == (2, 4)
    assert sum(map(bool, carried(topic).values())) == 1  # the two newest: one of them carries both
    assert resorting.sort_due() >= 1
    topic.refresh_from_db()
    assert (carried(topic), topic.sort_at, topic.sort_done) == (ALL, None, 4)
    assert leaks.rewrite(None, name="leaks", query="fine")
    resorting.sort_due()
    assert carried(topic)["fine kettle"] == ["leaks"]
    assert carried(topic)["the kettle leaks"] == []


def test_only_another_name_or_colour_looks_through_nothing(cast, heard):
    topic = make()
    one = theme(topic, "leaks", "leak*")
    resorting.sort_due()
    assert one.rewrite(None, name="drops", query="leak*", colour="red")
    topic.refresh_from_db()
    assert topic.sort_at is None
    assert carried(topic)["the kettle leaks"] == ["drops"]


def test_a_worker_that_dies_loses_nothing_and_a_second_one_waits_for_its_lease(cast, heard, monkeypatch):
    monkeypatch.setattr(resorting, "PIECE", 2)
    topic = make()
    theme(topic, "leaks", "leak*")
    theme(topic, "late", "late")
    assert resorting.sort_piece()
    assert resorting.SORTING._take()  # and then it dies
    assert not resorting.sort_piece()
    assert resorting.sort_due() == 0
    Topic.objects.update(sort_at=timezone.now() - timedelta(seconds=1))
    assert resorting.sort_due() == 2
    assert carried(topic) == ALL


def test_who_comes_back_after_its_lease_writes_nothing(cast, heard, monkeypatch):
    topic = make()
    theme(topic, "leaks", "leak*")
    looked_at = resorting._looked_at

    def slowly(*given):
        found = looked_at(*given)
        Theme(topic=topic).rewrite(None, name="fine", query="fine")
        return found

    monkeypatch.setattr(resorting, "_looked_at", slowly)
    assert resorting.sort_piece()
    assert not any(carried(topic).values())
    monkeypatch.setattr(resorting, "_looked_at", looked_at)
    resorting.sort_due()
    assert carried(topic)["fine kettle"] == ["fine"]


def test_a_topic_that_cannot_be_sorted_waits_behind_the_others(cast, heard, monkeypatch):
    one, other = make(), make("kettle", name="More")
    theme(one, "leaks", "leak*")
    theme(other, "leaks", "leak*")
    looked_at = resorting._looked_at
    monkeypatch.setattr(resorting, "_looked_at", lambda topic, keys: looked_at(None if topic == one else topic, keys))
    assert resorting.sort_due() == 2
    assert carried(other)["the kettle leaks"] == ["leaks"]
    one.refresh_from_db()
    assert one.sort_at > timezone.now() + timedelta(minutes=5)


def test_a_post_that_is_edited_carries_the_themes_of_what_it_says_now(cast, demo):
    topic = make()
    theme(topic, "leaks", "leak*")
    theme(topic, "late", "late")
    stored(demo, post(1, "the kettle leaks"))
    found = topic.found.get()
    now = timezone.now()
    stored(demo, post(1, "the kettle is late", version="2", edited_at=now, state="edited"))
    found.refresh_from_db()
    assert not found.is_sorted
    assert resorting.sort_edited()
    assert not resorting.sort_edited()
    assert carried(topic) == {"the kettle is late": ["late"]}
    stored(demo, post(1, "the kettle is late", version="2", edited_at=now, state="edited"))
    found.refresh_from_db()
    assert found.is_sorted


def test_a_post_that_no_topic_would_find_any_more_is_sorted_by_what_it_says_now(cast, demo):
    topic = make()
    theme(topic, "leaks", "leak*")
    stored(demo, post(1, "the kettle leaks"))
    stored(demo, post(1, "never mind", version="2", edited_at=timezone.now(), state="edited"))
    resorting.sort_due()
    assert carried(topic) == {"never mind": []}


def test_what_is_edited_while_it_is_sorted_is_sorted_again(cast, demo, monkeypatch):
    topic = make()
    stored(demo, post(1, "the kettle leaks"))
    theme(topic, "leaks", "leak*")
    theme(topic, "late", "late")
    looked_at = resorting._looked_at

    def slowly(*given):
        found = looked_at(*given)
        stored(demo, post(1, "the kettle is late", version="2", edited_at=timezone.now(), state="edited"))
        return found

    monkeypatch.setattr(resorting, "_looked_at", slowly)
    assert resorting.sort_piece()
    assert carried(topic) == {"the kettle is late": []}
    monkeypatch.setattr(resorting, "_looked_at", looked_at)
    resorting.sort_due()
    assert carried(topic) == {"the kettle is late": ["late"]}


def test_a_poll_that_did_not_know_a_theme_leaves_its_posts_to_be_sorted(cast, demo):
    topic = make()
    claim = Claim(demo, timezone.now(), Budget())
    source, _ = Source.objects.get_or_create(channel=demo, name="mentions")
    theme(topic, "leaks", "leak*")
    while resorting.sort_piece():
        pass
    claim.store(opened(demo), source, Page(posts=(post(1, "the kettle leaks"),), cursor={}, end=True), None)
    assert carried(topic) == {"the kettle leaks": []}
    resorting.sort_due()
    assert carried(topic) == {"the kettle leaks": ["leaks"]}


@pytest.mark.django_db(transaction=True)
def test_a_theme_waits_for_a_page_that_is_being_stored_without_it(cast, demo):
    """Else the page would appear behind the place that was looked through already."""
    topic = make()
    kept = threading.Event()

    def keep():
        try:
            theme(topic, "leaks", "leak*")
            kept.set()
        finally:
            close_old_connections()

    with transaction.atomic():
        stored(demo, post(1, "the kettle leaks"))
        beside = threading.Thread(target=keep)
        beside.start()
        assert not kept.wait(0.5)
    beside.join(PATIENCE)
    assert kept.is_set()
    resorting.sort_due()
    assert carried(topic) == {"the kettle leaks": ["leaks"]}


def test_what_cannot_be_read_is_not_kept(cast):
    topic = make()
    with pytest.raises(QueryError):
        Theme(topic=topic).rewrite(None, name="x", query="leaks OR")
    assert not Theme.objects.exists()


def test_a_rule_may_ask_for_a_theme(cast, demo):
    from routing.models import Rule

    topic = make(queues=True, team=cast.support)
    leaks = theme(topic, "leaks", "leak*")
    rule = Rule(name="Leaks", when={"all": [{"is": "theme", "themes": [str(leaks.pk)]}]})
    rule.rewrite(None, then=[{"do": "team", "team": cast.product.pk}])
    stored(demo, post(1, "the kettle leaks", author="carla"), post(2, "a fine kettle", author="theo"))
    teams = {one.mentions.get().text: one.team for one in Conversation.objects.all()}
    assert teams == {"the kettle leaks": cast.product, "a fine kettle": cast.support}
    trace = Conversation.objects.get(team=cast.product).trace
    assert trace["tried"][0]["checks"][0][0] == "its theme is “leaks”"


def test_a_rule_may_ask_for_a_topic(cast, demo):
    from routing.models import Rule

    topic = make(team=cast.support)
    rule = Rule(name="Kettles", when={"all": [{"is": "topic", "topics": [str(topic.pk)]}]})
    rule.rewrite(None, then=[{"do": "team", "team": cast.product.pk}])
    stored(demo, post(1, "the kettle leaks", author="carla"), post(2, "a fine pot", author="theo"))
    assert Conversation.objects.get(team=cast.product).mentions.get().text == "the kettle leaks"


def test_a_private_theme_is_named_to_nobody_else(cast, client, demo):
    from routing.models import Rule

    secret = theme(make(name="Secret plans", team=cast.hr), "Whistleblowers", "leak*")
    rule = Rule(name="Leaks", when={"all": [{"is": "theme", "themes": [str(secret.pk)]}]})
    rule.rewrite(None, then=[{"do": "team", "team": cast.support.pk}])
    stored(demo, post(1, "the kettle leaks"))
    one = Conversation.objects.get(team=cast.support)
    assert "Whistle" not in str(one.trace)
    assert "its theme is one of another team" in str(one.trace)
    client.force_login(cast.max)
    for address in ("/set-up/rules/", f"/set-up/rules/{rule.pk}/", f"{POSTS}excluded/", SET_UP):
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert "Whistle" not in answer.content.decode()
        assert "Secret plans" not in answer.content.decode()
    page = client.get(f"/set-up/rules/{rule.pk}/").content.decode()
    assert re.search(rf'value="{secret.pk}" checked', page)  # it stays chosen
    given = {"name": "Mine", "w.how": "all", "w.0.is": "theme", "w.0.f.themes": str(secret.pk), "do": "save"}
    given |= {"a.0.do": "team", "a.0.f.team": str(cast.support.pk), "stop": "yes", "active": "yes", "version": "0"}
    answer = client.post("/set-up/rules/new/", given)
    assert "that is gone, or that you may not read" in answer.content.decode()
    assert Rule.objects.count() == 1
    for address in (f"{SET_UP}{secret.topic_id}/themes/", f"{SET_UP}{secret.topic_id}/themes/{secret.pk}/"):
        assert client.get(address).status_code == 404
        assert client.post(f"{address}removal/").status_code == 404


def test_a_rule_is_tried_on_the_themes_of_stored_posts(cast, client, heard):
    topic = make(team=cast.support)
    leaks = theme(topic, "leaks", "leak*")
    resorting.sort_due()
    client.force_login(cast.max)
    given = {"name": "Mine", "w.how": "all", "w.0.is": "theme", "w.0.f.themes": str(leaks.pk), "do": "look"}
    given |= {"a.0.do": "team", "a.0.f.team": str(cast.support.pk), "stop": "yes", "active": "yes", "version": "0"}
    page = client.post("/set-up/rules/new/", given).content.decode()
    assert "its theme is “Kettles: leaks”" in page
    assert re.search(r"2 of the 4 newest posts you may read", page)


def typed(**fields):
    return {"name": "leaks", "query": "leak*", "colour": "red", "version": "0", "do": "save", **fields}


def test_a_theme_is_kept_listed_changed_and_removed(cast, client, heard):
    topic = make(team=cast.support)
    here = f"{SET_UP}{topic.pk}/themes/"
    client.force_login(cast.max)
    assert "The topic has none yet" in client.get(here).content.decode()
    assert client.post(f"{here}new/", typed()).url == here
    one = Theme.objects.get()
    assert (one.name, one.query, one.colour) == ("leaks", "leak*", "red")
    page = client.get(here).content.decode()
    assert "What was found before is being looked through" in page
    resorting.sort_due()
    page = client.get(here).content.decode()
    assert "2 posts in 30 days" in page
    assert "2 of the 4 posts of these 30 days carry no theme" in page
    assert "looked through" not in page
    again = client.post(f"{here}{one.pk}/", typed(query="late", version="1"))
    assert again.status_code == 303
    behind = client.post(f"{here}{one.pk}/", typed(query="never", version="1"))
    assert behind.status_code == 409
    assert "Somebody changed this theme meanwhile" in behind.content.decode()
    one.refresh_from_db()
    assert one.query == "late"
    twin = client.post(f"{here}new/", typed())
    assert twin.status_code == 422
    assert "Another theme of this topic has this name" in twin.content.decode()
    assert client.post(f"{here}{one.pk}/removal/").status_code == 303
    resorting.sort_due()
    assert not TopicMention.objects.exclude(themes=[]).exists()


def test_a_theme_is_judged_and_counted_while_it_is_typed(cast, client, heard):
    topic = make(team=cast.support)
    here = f"{SET_UP}{topic.pk}/themes/new/"
    client.force_login(cast.max)
    page = client.post(here, typed(query="leaks OR (late", do="look")).content.decode()
    assert "leaks OR <mark>(late</mark>" in page
    assert "Character 10: the “)” that closes this “(” is missing." in page
    page = client.post(here, typed(query="leaks OR late", do="look")).content.decode()
    assert "<strong>3</strong> of 4 posts found in 30 days" in page
    assert client.post(here, typed(query="leaks OR (late")).status_code == 422
    assert client.post(here, typed(query="NOT leaks")).status_code == 303  # inside a topic that means something
    assert not Theme.objects.filter(query__contains="(").exists()


def test_who_may_set_themes_up(cast, client, heard):
    topic = make(team=cast.support)
    one = theme(topic, "leaks", "leak*")
    for agent in (cast.ana, cast.hugo, cast.pia, cast.eva, cast.otto):
        client.force_login(agent)
        for address in (f"{SET_UP}{topic.pk}/themes/", f"{SET_UP}{topic.pk}/themes/{one.pk}/"):
            assert client.get(address).status_code == 404
            assert client.post(f"{address}removal/").status_code == 404
    other = make(name="Other", team=cast.support)
    client.force_login(cast.max)
    assert client.get(f"{SET_UP}{other.pk}/themes/{one.pk}/").status_code == 404


def test_the_list_of_a_topic_is_counted_and_filtered_by_theme(cast, client, heard):
    topic = make(team=cast.support)
    leaks = theme(topic, "leaks", "leak*", colour="red")
    theme(topic, "late", "late")
    resorting.sort_due()
    client.force_login(cast.ana)

    def texts(query=""):
        page = client.get(f"{POSTS}{topic.pk}/{query}").content.decode()
        return sorted(text for text in ALL if text in page), page

    shown, page = texts()
    assert shown == sorted(ALL)
    chips = re.findall(r'<a class="chip" href="[^"]*\?theme=\d+"[^>]*>.*?</a>', page)
    told = [re.sub(r"<[^>]+>", "", chip) for chip in chips[:3]]
    assert told == ["late 2", "leaks 2", "no theme 1"]
    assert texts(f"?theme={leaks.pk}")[0] == ["a late kettle that leaks", "the kettle leaks"]
    assert texts("?theme=0")[0] == ["fine kettle"]
    for odd in ("?theme=999999", "?theme=x", "?theme=-1"):
        assert texts(odd)[0] == sorted(ALL)


def found_by_search(client, agent, **query):
    """The texts on the page of search, and the page."""
    client.force_login(agent)
    page = client.get("/search/", query).content.decode()
    shown = re.findall(r'<span class="hit__text">(.*?)</span><span class="hit__foot">', page, re.DOTALL)
    return sorted(re.sub(r"<[^>]+>", "", text).strip() for text in shown), page


@pytest.fixture
def searched(cast, heard):
    topic = make(team=cast.support)
    leaks, late = theme(topic, "Leaks", "leak*"), theme(topic, "Late parcels", "late")
    resorting.sort_due()
    answered = Conversation.objects.get(mentions__text="the kettle leaks")
    answered.note(cast.max, "it leaks indeed", uuid.uuid4())
    SearchFill.objects.all().delete()
    indexing.index_due()
    return topic, leaks, late


def test_search_finds_the_messages_that_carry_a_theme(cast, client, searched):
    leaking = ["a late kettle that leaks", "the kettle leaks"]
    for asked in ("theme:leaks", "theme:LEAK*", 'theme:"leaks"', "kettle theme:leaks"):
        assert found_by_search(client, cast.ana, q=asked)[0] == leaking
    assert found_by_search(client, cast.ana, q='theme:leaks theme:"late parcels"')[0] == ["a late kettle that leaks"]
    assert found_by_search(client, cast.ana, q="kettle -theme:leaks")[0] == ["fine kettle", "my kettle is late"]
    assert found_by_search(client, cast.ana, q="theme:nothing")[0] == []
    assert len(found_by_search(client, cast.ana, q="kettle -theme:nothing")[0]) == 4


def test_search_is_narrowed_to_a_theme_as_to_a_channel(cast, client, searched):
    _topic, leaks, late = searched
    shown, page = found_by_search(client, cast.ana, q="kettle", theme=leaks.pk)
    assert shown == ["a late kettle that leaks", "the kettle leaks"]
    assert f'<option value="{leaks.pk}" selected>Kettles: Leaks</option>' in page
    assert "theme:returns" in page
    both, _ = found_by_search(client, cast.ana, q="theme:leaks", theme=late.pk)
    assert both == ["a late kettle that leaks"]
    assert found_by_search(client, cast.ana, theme=late.pk)[0] == ["a late kettle that leaks", "my kettle is late"]


def test_what_an_exclusion_hides_carries_no_theme_in_search(cast, client, searched):
    topic, _leaks, _late = searched
    exclude(topic, [("phrase", "late")], cast.max)
    resorting.sort_due()
    assert found_by_search(client, cast.ana, q="theme:leaks")[0] == ["the kettle leaks"]


def test_themes_of_topics_one_does_not_read_find_and_tell_nothing(cast, client, searched):
    topic, leaks, _late = searched
    Topic.objects.filter(pk=topic.pk).update(team=cast.hr)
    for asked in ({"q": "theme:leaks"}, {"q": "kettle", "theme": leaks.pk}, {"theme": leaks.pk}):
        shown, page = found_by_search(client, cast.ana, **asked)
        assert shown == []
        assert "Kettles" not in page
    assert len(found_by_search(client, cast.ana, q="kettle -theme:leaks")[0]) == 4
    for team in (cast.hr, cast.support, None):
        Topic.objects.filter(pk=topic.pk).update(team=team)
        for agent in (cast.ana, cast.max, cast.hugo, cast.ada, cast.eva):
            _shown, page = found_by_search(client, agent)
            assert ("Kettles" in page) is Topic.objects.read_by(agent).exists(), (agent, team)
    Topic.objects.filter(pk=topic.pk).update(team=cast.hr)
    everything = found_by_search(client, cast.hugo, q="theme:leaks")
    assert everything[0] == []  # the posts are Support's
    assert "Kettles: Leaks" in everything[1]


def test_copies_are_one_line_also_among_those_of_a_theme(cast, client, demo):
    from connectors.topics import clustering

    topic = make(team=cast.support)
    one = theme(topic, "loud", "followers:>10")
    text = "the red kettle of the new series leaks on my table"
    posts = [world.post(text, f"author{n}", followers=100 if n < 2 else 1, ago=n + 1) for n in range(3)]
    posts += [world.post(text, "author9", followers=1)]
    stored(demo, *posts)
    clustering.cluster_due()
    client.force_login(cast.ana)
    assert "×4 alike" in client.get(f"{POSTS}{topic.pk}/").content.decode()
    assert "×2 alike" in client.get(f"{POSTS}{topic.pk}/?theme={one.pk}").content.decode()


def test_the_index_of_themes_serves_the_filter(cast, heard):
    from django.db import connection

    from connectors.topics.lines import themed

    wanted = TopicMention.objects.filter(themed(7))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
        assert "findings_of_theme" in wanted.explain()


def test_a_theme_that_cannot_be_read_any_more_marks_nothing(cast, demo):
    topic = make()
    Theme.objects.create(topic=topic, name="old", query="((")
    theme(topic, "leaks", "leak*")
    stored(demo, post(1, "the kettle leaks"))
    assert carried(topic) == {"the kettle leaks": ["leaks"]}


def test_sorting_asks_the_database_a_fixed_number_of_things(cast, demo, django_assert_num_queries):
    topics = [make(f"kettle OR w{number}", name=str(number)) for number in range(3)]
    for topic in topics:
        for number in range(4):
            theme(topic, str(number), f"leak* OR w{number}")
    with django_assert_num_queries(1):
        claim = Claim(demo, timezone.now(), Budget())
    assert sum(map(len, claim.topics.sorting.themes.values())) == 12


def test_a_listed_post_stays_listed_when_nothing_is_sorted_yet(cast, demo):
    """Programs of before store findings without a word on themes while they run beside this one."""
    topic = make()
    theme(topic, "leaks", "leak*")
    resorting.sort_due()
    stored(demo, post(1, "the kettle leaks"))
    TopicMention.objects.update(themes=[], read="", is_sorted=False)
    resorting.sort_due()
    assert carried(topic) == {"the kettle leaks": ["leaks"]}
    assert Mention.objects.count() == 1
    assert Conversation.objects.get().state != State.DONE
    assert sorting.Sorted((1, 2)).literal == "{1,2}"
    assert Channel.objects.count() == 1


def test_the_queue_is_filtered_by_theme_and_a_private_one_means_nothing_to_others(cast, client, demo):
    topic = make(team=cast.support)
    leaks = theme(topic, "leaks", "leak*")
    secret = theme(make(name="Secret plans", team=cast.hr), "Whistleblowers", "fine")
    stored(demo, post(1, "the kettle leaks", author="carla"), post(2, "a fine kettle", author="theo"))
    client.force_login(cast.ana)

    def listed(query):
        page = client.get(f"/views/all/?{query}").content.decode()
        return [text for text in ("the kettle leaks", "a fine kettle") if text in page]

    assert listed("") == ["the kettle leaks", "a fine kettle"]
    assert listed(f"theme={leaks.pk}") == ["the kettle leaks"]
    assert listed(f"theme={secret.pk}") == []
    page = client.get("/views/all/filters/").content.decode()
    assert "Kettles: leaks" in page
    assert "Whistle" not in page
    Conversation.objects.filter(mentions__text="a fine kettle").update(team=cast.hr)
    client.force_login(cast.hugo)
    assert listed(f"theme={secret.pk}") == ["a fine kettle"]

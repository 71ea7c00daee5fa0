"""Exclusions (LIS-03): what topics find and nobody needs to see is stored and countable, opens no conversation and
stands in no figure, and comes back whenever somebody wants it."""

import re
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from connectors.base import PostKind
from connectors.models import Exclusion, RivalAnswer, Topic
from connectors.topics import resorting
from connectors.topics.exclusions import exclude, restore
from connectors.topics.hiding import Hiding, HidingError
from connectors.topics.matching import Subject, match_one
from connectors.topics.rivals import topic_of
from connectors.topics.voice import voice
from inbox.models import Conversation, Draft, Event, Mention
from inbox.models.conversation import State
from inbox.models.tally import differences
from routing.models import Rule
from tests import world
from tests.inbox.test_receive import post
from tests.topics.test_themes import POSTS, SET_UP, make, stored, theme

TEXTS = ("win a kettle now", "my kettle leaks", "Win a Kettle at https://shop.deals.example/x", "kettles for all")


@pytest.fixture
def demo(cast):
    return world.make_channel("@acme", "demo", team=cast.support)


@pytest.fixture
def heard(cast, demo):
    """What people said before anything was excluded; the newest first."""
    for number, text in enumerate(TEXTS):
        world.write(demo, text, cast.support, author=f"author{number}", history=True, ago=60 * number)
    return demo


def result(number, text, **fields):
    """A post that a search found."""
    return post(number, text, kind=PostKind.RESULT, **fields)


def shown(topic):
    return sorted(topic.found.shown().values_list("mention__text", flat=True))


def hides(kind, typed, text="", **facts):
    hiding = Hiding.named(kind)
    return match_one(hiding.tree(hiding.read(typed)), Subject(text=text, **facts))


def test_each_kind_hides_what_it_says():
    assert hides("phrase", "win a kettle", "Now WIN a  kettle!")
    assert hides("phrase", "“win a voucher*”", "win a vouchers-pack")
    assert not hides("phrase", "win a kettle", "win the kettle")
    assert hides("author", "@deals", "x", handle="@Deals@far.example")
    assert hides("author", "Deal Bot", "x", handle="@b", name="deal bot")
    assert not hides("author", "@deals", "x", handle="@b", name="deals")
    assert hides("domain", "https://www.Deals.example/some/page?x=1", "see www.deals.example/x")
    assert hides("domain", "deals.example", "x", url="https://shop.deals.example/1")
    assert hides("domain", "deals.example", "at https://me:secret@deals.example.:443/")
    assert not hides("domain", "deals.example", "https://baddeals.example/ and https://deals.example.evil/")
    assert hides("snippet", "ref=AB-12", "https://x.example/?ref=ab-123")
    assert hides("snippet", "🔥🔥🔥", "hot 🔥🔥🔥🔥")
    assert not hides("snippet", "two  words", "twowords")


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        ("phrase", " "),
        ("phrase", "!?"),
        ("author", "@"),
        ("domain", "deals"),
        ("domain", "a b.example"),
        ("domain", "carla@deals.example"),
        ("snippet", "ab"),
        ("snippet", "x" * 201),
    ],
)
def test_what_would_hide_nothing_or_nearly_everything_is_refused_in_words(kind, typed):
    with pytest.raises(HidingError, match=r"[a-z]{3}"):
        Hiding.named(kind).read(typed)


def test_what_is_excluded_is_stored_and_opens_no_conversation(cast, demo):
    topic = make(queues=True, team=cast.support)
    exclude(topic, [("phrase", "win a")], cast.max)
    stored(demo, result(1, "win a kettle", author="carla"), result(2, "my kettle leaks", author="theo"))
    states = {one.mentions.get().text: one.state for one in Conversation.objects.all()}
    assert states == {"win a kettle": State.HEARD, "my kettle leaks": State.NEW}
    assert shown(topic) == ["my kettle leaks"]
    assert topic.found.hidden().get().hidden_by.text == "win a"


def test_no_rule_makes_work_of_what_is_excluded(cast, demo):
    rule = Rule(name="All", when={"all": [{"is": "text_any", "words": ["kettle"]}]})
    rule.rewrite(None, then=[{"do": "team", "team": cast.product.pk}])
    topic = make(team=cast.support)
    exclude(topic, [("phrase", "win a")], cast.max)
    stored(demo, result(1, "win a kettle", author="carla"), result(2, "my kettle leaks", author="theo"))
    states = {one.mentions.get().text: one.state for one in Conversation.objects.all()}
    assert states == {"win a kettle": State.HEARD, "my kettle leaks": State.NEW}


def test_what_was_written_to_us_stays_work_whatever_is_excluded(cast, demo):
    topic = make(queues=True, team=cast.support)
    exclude(topic, [("phrase", "win a")], cast.max)
    stored(demo, post(1, "@acme did I win a kettle?"))
    assert Conversation.objects.get().state == State.NEW
    assert shown(topic) == []


def test_who_was_excluded_and_then_writes_to_us_comes_into_the_queue(cast, demo):
    topic = make(queues=True, team=cast.support)
    exclude(topic, [("phrase", "win a")], cast.max)
    stored(demo, result(1, "win a kettle"))
    stored(demo, post(2, "@acme please answer", parent_id="1"))
    assert Conversation.objects.get().state == State.NEW


def test_a_topic_that_does_not_exclude_it_makes_work_of_it(cast, demo):
    hiding, other = make(queues=True, team=cast.support), make(name="Other", queues=True, team=cast.product)
    exclude(hiding, [("phrase", "win a")], cast.max)
    stored(demo, result(1, "win a kettle"))
    one = Conversation.objects.get()
    assert (one.state, one.team) == (State.NEW, cast.product)
    assert (shown(hiding), shown(other)) == ([], ["win a kettle"])


def test_what_is_excluded_from_all_topics_is_hidden_in_each(cast, demo):
    one, other = make(queues=True, team=cast.support), make(name="Other", team=cast.product)
    exclude(None, [("domain", "deals.example")], cast.ada)
    stored(demo, result(1, "a kettle at https://deals.example/1"))
    later = make(name="Later")
    assert (shown(one), shown(other), shown(later)) == ([], [], [])
    assert Conversation.objects.get().state == State.HEARD


def test_an_exclusion_hides_what_was_found_before_and_gives_it_back(cast, heard):
    topic = make("kettle*")
    [one] = exclude(topic, [("phrase", "win a kettle")], cast.max)
    assert len(shown(topic)) == 4
    resorting.sort_due()
    assert shown(topic) == ["kettles for all", "my kettle leaks"]
    one.remove(cast.max)
    assert len(shown(topic)) == 2
    resorting.sort_due()
    assert len(shown(topic)) == 4
    assert not topic.found.filter(hidden_by__isnull=False).exists()


def test_what_is_excluded_stands_in_no_figure(cast, client, heard):
    topic = make("kettle*", team=cast.support)
    theme(topic, "wins", "win")
    rival = make("leaks", name="Rival", rival=True, team=cast.support)
    exclude(topic, [("phrase", "win a kettle")], cast.max)
    resorting.sort_due()
    until = timezone.now() + timedelta(minutes=1)
    said = voice([topic, rival], cast.ana, until - timedelta(days=2), until)
    assert (said.own.posts, said.rivals.posts) == (2, 1)
    client.force_login(cast.ana)
    assert "2 posts in 30 days" in client.get(POSTS).content.decode()
    page = re.sub(r"<[^>]+>", "", client.get(f"{POSTS}{topic.pk}/").content.decode())
    assert "wins 0" in page
    assert "Excluded2" in page
    assert "win a kettle now" not in page


def test_a_topic_that_hides_a_post_has_no_say_in_whose_it_is(cast, demo):
    own, rival = make(team=cast.support), make("kettle", name="Rival", rival=True, team=cast.support)
    stored(demo, result(1, "win a kettle"))
    mention = Mention.objects.get()
    assert topic_of(mention) == ""
    exclude(own, [("phrase", "win a")], cast.max)
    resorting.sort_due()
    assert topic_of(mention) == "Rival"
    exclude(rival, [("phrase", "win a")], cast.max)
    resorting.sort_due()
    assert topic_of(mention) == ""
    assert not RivalAnswer.objects.exists()


def test_the_page_tells_what_each_exclusion_hid_and_gives_one_back(cast, client, heard):
    topic = make("kettle*", team=cast.support)
    [phrase, domain] = exclude(topic, [("phrase", "now"), ("domain", "deals.example")], cast.max)
    exclude(None, [("author", "@nobody")], cast.ada)
    resorting.sort_due()
    client.force_login(cast.max)
    here, hidden = f"{SET_UP}{topic.pk}/exclusions/", f"{POSTS}{topic.pk}/excluded/"
    page = re.sub(r"\s+", " ", client.get(here).content.decode())
    rows = dict(re.findall(r'exclusion__text">([^<]*)<.*?>(hid \d+ posts? in 30 days)<', page))
    assert rows == {
        "now": "hid 1 post in 30 days",
        "deals.example": "hid 1 post in 30 days",
        "@nobody": "hid 0 posts in 30 days",
    }
    assert "for all topics" in page
    page = client.get(hidden).content.decode()
    assert ("win a kettle now" in page, "deals.example" in page) == (True, True)
    page = client.get(hidden, {"by": phrase.pk}).content.decode()
    assert "win a kettle now" in page
    assert "shop.deals.example" not in page
    found = topic.found.get(hidden_by=phrase)
    back = f"{POSTS}{topic.pk}/mentions/{found.mention_id}/restoration/"
    assert back in page
    assert client.post(back).url == hidden
    assert "win a kettle now" in shown(topic)
    theme(topic, "x", "x")
    resorting.sort_due()
    assert "win a kettle now" in shown(topic)  # for good
    assert client.post(back).status_code == 303
    assert client.post(f"{SET_UP}exclusions/{domain.pk}/removal/").status_code == 303
    resorting.sort_due()
    assert len(shown(topic)) == 4


def test_what_is_restored_in_a_topic_that_makes_work_is_work(cast, demo):
    topic = make(queues=True, team=cast.support)
    exclude(topic, [("phrase", "win a")], cast.max)
    stored(demo, result(1, "win a kettle"), result(2, "win a kettle too", author="theo", history=True))
    for found in topic.found.all():
        assert restore(found, cast.max)
        assert not restore(found, cast.max)
    states = {one.mentions.get().text: one.state for one in Conversation.objects.all()}
    assert states == {"win a kettle": State.NEW, "win a kettle too": State.HEARD}
    event = Event.objects.get(happening="reopened")
    assert "it was restored in the topic “Kettles”" in str(event.payload)


def test_a_private_topic_is_not_named_in_what_others_read(cast, client, demo):
    topic = make(name="Secret plans", team=cast.hr)
    stored(demo, result(1, "my kettle leaks"))
    one = Conversation.objects.get()
    Conversation.objects.filter(pk=one.pk).update(team=cast.support)
    cast.hugo.memberships.create(team=cast.support)
    client.force_login(cast.hugo)
    mention = one.mentions.get()
    assert client.post(f"{POSTS}{topic.pk}/mentions/{mention.pk}/conversation/").status_code == 303
    event = Event.objects.get(happening="reopened")
    assert "a topic of another team" in str(event.payload)
    assert "Secret" not in str(event.payload)


def typed(**fields):
    return {"kind": "phrase", "text": "win a kettle", "do": "try", **fields}


def test_an_exclusion_is_tried_before_it_is_kept(cast, client, heard):
    topic = make("kettle*", team=cast.support)
    here = f"{SET_UP}{topic.pk}/exclusions/"
    client.force_login(cast.max)
    page = client.post(here, typed()).content.decode()
    assert "It would have hidden" in page
    assert "<strong>2</strong> of 4 posts found in 30 days" in page
    assert "win a kettle now" in page
    assert not Exclusion.objects.exists()
    assert client.post(here, typed(do="add")).status_code == 303
    assert client.post(here, typed(do="add")).status_code == 303
    assert Exclusion.objects.count() == 1
    assert "What was found before is being looked through" in client.get(here).content.decode()
    answer = client.post(here, typed(kind="domain", text="deals", do="add"))
    assert answer.status_code == 422
    assert "A domain has a dot" in answer.content.decode()
    assert client.post(here, typed(kind="nonsense")).status_code == 422


def test_who_may_exclude(cast, client, heard):
    topic = make("kettle*", team=cast.support)
    [one] = exclude(topic, [("phrase", "now")], cast.max)
    [everywhere] = exclude(None, [("phrase", "spam")], cast.ada)
    resorting.sort_due()
    found = topic.found.hidden().get()
    restoration = f"{POSTS}{topic.pk}/mentions/{found.mention_id}/restoration/"
    for agent in (cast.ana, cast.hugo, cast.eva, cast.otto):
        client.force_login(agent)
        for address in (f"{SET_UP}{topic.pk}/exclusions/", f"{SET_UP}exclusions/"):
            assert client.get(address).status_code == 404
            assert client.post(address, typed(do="add")).status_code == 404
        assert client.post(f"{SET_UP}exclusions/{one.pk}/removal/").status_code == 404
        assert client.post(restoration).status_code == 404
    client.force_login(cast.max)
    assert client.get(f"{SET_UP}exclusions/").status_code == 404
    assert client.post(f"{SET_UP}exclusions/{everywhere.pk}/removal/").status_code == 404
    client.force_login(cast.ada)
    assert "spam" in client.get(f"{SET_UP}exclusions/").content.decode()
    assert client.post(f"{SET_UP}exclusions/{everywhere.pk}/removal/").status_code == 303
    assert Exclusion.objects.count() == 1


def test_what_is_hidden_is_seen_by_those_who_may_read_it(cast, client, heard):
    world.write(heard, "HR may win a kettle", cast.hr, author="theo")
    topic, secret = make("kettle*", team=cast.support), make("kettle*", name="Secret", team=cast.hr)
    [one] = exclude(None, [("phrase", "win a kettle")], cast.ada)
    resorting.sort_due()
    client.force_login(cast.ana)
    page = client.get(f"{POSTS}{topic.pk}/excluded/").content.decode()
    assert "win a kettle now" in page
    assert "HR may win" not in page
    assert "restoration" not in page
    assert client.get(f"{POSTS}{secret.pk}/excluded/").status_code == 404
    page = client.get(f"{POSTS}excluded/", {"by": one.pk}).content.decode()
    assert "win a kettle now" in page
    assert "HR may win" not in page
    client.force_login(cast.otto)
    assert client.get(f"{POSTS}excluded/").status_code == 404
    assert client.get(f"{POSTS}{topic.pk}/excluded/").status_code == 404


def test_what_is_hidden_stands_on_more_than_one_page(cast, client, heard, monkeypatch):
    monkeypatch.setattr("connectors.topics.lines.PAGE", 1)
    topic = make("kettle*", team=cast.support)
    exclude(topic, [("phrase", "win a kettle")], cast.max)
    resorting.sort_due()
    client.force_login(cast.ana)
    page = client.get(f"{POSTS}{topic.pk}/excluded/").content.decode()
    assert ("kettle now" in page, "deals.example" in page) == (True, False)
    address = re.search(r'href="(/topics/\d+/excluded/\?after=[^"]+)"', page)[1]
    page = client.get(address).content.decode()
    assert ("kettle now" in page, "deals.example" in page, "?after=" in page) == (False, True, False)


def test_a_topic_that_is_saved_meanwhile_keeps_the_exclusion_due(cast):
    topic = make()
    opened = Topic.objects.get(pk=topic.pk)
    assert exclude(topic, [("phrase", "x y")], cast.max)
    assert opened.rewrite(cast.ada, (), query="kettle OR pot")
    topic.refresh_from_db()
    assert (topic.query, topic.sort_version) == ("kettle OR pot", opened.sort_version + 1)
    assert topic.sort_at is not None


def test_two_who_exclude_the_same_keep_one(cast):
    topic = make()
    assert exclude(topic, [("phrase", "x y"), ("phrase", "x y")], cast.max)
    assert exclude(topic, [("phrase", "x y")], cast.ada) == []
    assert exclude(None, [("phrase", "x y")], cast.ada)
    assert Exclusion.objects.count() == 2
    topic.remove(cast.ada)
    assert Exclusion.objects.get().topic is None
    assert not Topic.objects.exists()


@pytest.fixture
def work(cast, demo):
    """A conversation that stands in the queue because a topic found its words."""
    topic = make(queues=True, team=cast.support)
    stored(demo, result(1, "win a kettle", author="carla"))
    return topic, Conversation.objects.get()


def sorted_anew(*exclusions, by=None):
    for one in exclusions:
        one.remove(by)
    resorting.sort_due()
    assert differences() == {}, "the counters are true"
    for stream, numbers in numbered().items():
        assert numbers == list(range(1, len(numbers) + 1)), stream


def numbered():
    streams = {}
    for stream, number in Event.objects.order_by("stream", "number").values_list("stream", "number"):
        streams.setdefault(stream, []).append(number)
    return streams


def told(one):
    return list(one.events.timeline().values_list("happening", flat=True))


def test_open_work_that_nobody_touched_leaves_the_queue_with_its_exclusion_and_comes_back(cast, work):
    topic, one = work
    [exclusion] = exclude(topic, [("phrase", "win a")], cast.max)
    sorted_anew()
    one.refresh_from_db()
    assert one.state == State.HEARD
    assert told(one)[-1] == "excluded"
    assert Event.objects.filter(conversation=one, happening="excluded").get().actor is None
    resorting.sort_due()
    assert told(one).count("excluded") == 1
    sorted_anew(exclusion)
    one.refresh_from_db()
    assert one.state == State.NEW
    assert told(one)[-1] == "reopened"
    [exclusion] = exclude(None, [("phrase", "win a")], cast.ada)
    sorted_anew()
    one.refresh_from_db()
    assert one.state == State.HEARD


@pytest.mark.parametrize("touch", ["claim", "note", "reply", "tag", "draft", "closed and reopened", "given by a rule"])
def test_work_that_somebody_touched_stays_whatever_is_excluded(cast, work, touch):
    topic, one = work
    touched = {
        "claim": lambda: one.claim(cast.ana),
        "note": lambda: one.note(cast.ana, "look at this", uuid.uuid4()),
        "reply": lambda: one.reply(cast.ana, "hello", uuid.uuid4(), one.seen_seq, parent=one.last_inbound()),
        "tag": lambda: one.retag(["prize"], cast.ana),
        "draft": lambda: Draft.objects.create(agent=cast.ana, conversation=one, kind="public", text="Dear Carla"),
        "closed and reopened": lambda: one.close(cast.ana) and one.reopen(cast.ana),
        "given by a rule": lambda: one.assign(cast.support, cast.ana, by=None),
    }
    assert touched[touch]()
    one.refresh_from_db()
    was = one.state
    exclude(topic, [("phrase", "win a")], cast.max)
    sorted_anew()
    one.refresh_from_db()
    assert (one.state, topic.found.hidden().count()) == (was, 1)
    assert "excluded" not in told(one)


def test_work_with_a_message_that_is_not_excluded_stays(cast, demo, work):
    topic, one = work
    stored(demo, post(2, "@acme hello?", author="carla", parent_id="1"))
    assert one.mentions.count() == 2
    exclude(topic, [("phrase", "win a")], cast.max)
    sorted_anew()
    one.refresh_from_db()
    assert one.state == State.NEW


def test_what_was_written_to_us_stays_open_when_it_is_excluded_later(cast, demo):
    topic = make(queues=True, team=cast.support)
    stored(demo, post(1, "@acme did I win a kettle?"))
    exclude(topic, [("phrase", "win a")], cast.max)
    sorted_anew()
    assert topic.found.hidden().count() == 1
    assert Conversation.objects.get().state == State.NEW


def test_work_stays_while_another_topic_shows_it(cast, work):
    topic, one = work
    other = make(name="Other", team=cast.support)
    exclude(topic, [("phrase", "win a")], cast.max)
    sorted_anew()
    one.refresh_from_db()
    assert one.state == State.NEW
    [exclusion] = exclude(other, [("phrase", "win a")], cast.max)
    sorted_anew()
    one.refresh_from_db()
    assert one.state == State.HEARD
    make(name="A third")
    theme(Topic.objects.get(name="A third"), "wins", "win")
    sorted_anew()
    one.refresh_from_db()
    assert one.state == State.HEARD, "a topic that never hid it brings nothing back"
    sorted_anew(exclusion)
    one.refresh_from_db()
    assert one.state == State.NEW


def test_who_dies_after_putting_away_does_no_harm_and_the_next_one_goes_on(cast, work, monkeypatch):
    topic, one = work
    [exclusion] = exclude(topic, [("phrase", "win a")], cast.max)

    def dies(*_arguments):
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(resorting, "note", dies)
        with pytest.raises(SystemExit):
            resorting.sort_piece()
    one.refresh_from_db()
    assert (one.state, topic.found.hidden().count()) == (State.HEARD, 0)
    Topic.objects.update(sort_at=timezone.now())
    sorted_anew()
    assert topic.found.hidden().count() == 1
    assert told(one).count("excluded") == 1
    sorted_anew(exclusion)
    one.refresh_from_db()
    assert one.state == State.NEW


def test_what_was_put_away_and_is_restored_is_work_again(cast, demo):
    make(team=cast.support)
    rule_team = cast.product
    Rule(name="All", when={"all": [{"is": "text_any", "words": ["kettle"]}]}).rewrite(
        None, then=[{"do": "team", "team": rule_team.pk}]
    )
    stored(demo, result(1, "win a kettle"))
    topic, one = Topic.objects.get(), Conversation.objects.get()
    assert one.state == State.NEW
    exclude(topic, [("phrase", "win a")], cast.max)
    sorted_anew()
    one.refresh_from_db()
    assert one.state == State.HEARD
    assert restore(topic.found.get(), cast.max)
    one.refresh_from_db()
    assert one.state == State.NEW
    theme(topic, "wins", "win")
    sorted_anew()
    one.refresh_from_db()
    assert one.state == State.NEW, "what a person restored stays"


def test_an_edit_into_what_is_excluded_puts_it_away(cast, demo, work):
    topic, one = work
    exclude(topic, [("phrase", "win a voucher")], cast.max)
    sorted_anew()
    stored(demo, result(1, "win a voucher and a kettle", author="carla", edited_at=timezone.now(), version="2"))
    sorted_anew()
    one.refresh_from_db()
    assert one.state == State.HEARD

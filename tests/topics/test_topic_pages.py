"""The pages of topics: who may open them, what the editor says of a query, and what becomes of what was found."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from connectors.models import Gap, Lookback, Source, Topic
from connectors.networks.x.calls import PER_POST, PER_USER
from connectors.opening import sealed_secrets
from connectors.topics import comparing, dialects, preview
from connectors.topics.query import parse
from inbox.models import Conversation, Event, Mention
from inbox.models.conversation import State
from routing.models import Rule
from routing.naming import choices_for
from tests import world

SET_UP, POSTS = "/set-up/topics/", "/topics/"


@pytest.fixture
def heard(cast):
    """Posts of the past in three teams: none of them is work."""
    channel = world.make_channel("@acme", "demo")
    for number, team in enumerate((cast.support, cast.support, cast.product, cast.hr)):
        text = f"my kettle number {number} leaks, says {team.name}"
        world.write(channel, text, team, author=f"author{number}", history=True, ago=60 * number)
    return channel


def topic(name="Kettles", query="kettle", **fields):
    one = Topic(name=name)
    one.rewrite(None, fields.pop("channels", ()), query=query, **fields)
    while comparing.compare_piece():
        pass
    one.refresh_from_db()
    return one


def text_of(client, agent, address):
    client.force_login(agent)
    return client.get(address).content.decode()


def typed(query, **fields):
    return {
        "name": "Kettles",
        "query": query,
        "how": "listen",
        "whose": "own",
        "version": "0",
        "active": "on",
        **fields,
    }


def checked(client, agent, query, do="look"):
    client.force_login(agent)
    answer = client.post(f"{SET_UP}new/", typed(query, do=do))
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_topic_is_kept_listed_and_changed(cast, client, heard):
    client.force_login(cast.ada)
    given = typed("kettle OR pot", do="save", team=cast.support.pk, channels=[heard.pk])
    assert client.post(f"{SET_UP}new/", given).status_code == 303
    one = Topic.objects.get()
    assert (one.team, one.queues, list(one.channels.all()), one.version) == (cast.support, False, [heard], 1)
    assert "kettle OR pot" in text_of(client, cast.ada, SET_UP)
    assert 'value="1"' in text_of(client, cast.ada, f"{SET_UP}{one.pk}/")
    given |= {"how": "queue", "whose": "rival", "version": "1", "channels": []}
    assert client.post(f"{SET_UP}{one.pk}/", given).status_code == 303
    one.refresh_from_db()
    assert (one.queues, one.rival, one.channels.count(), one.version) == (True, True, 0, 2)
    assert client.post(f"{SET_UP}{one.pk}/", given | {"query": "older"}).status_code == 409
    assert client.post(f"{SET_UP}{one.pk}/removal/").status_code == 303
    assert not Topic.objects.exists()


def test_what_cannot_be_read_is_underlined_and_not_kept(cast, client):
    page = checked(client, cast.ada, "kettle OR (pot")
    assert "Character 11: the “)” that closes this “(” is missing." in page
    assert "kettle OR <mark>(pot</mark>" in page
    client.force_login(cast.ada)
    answer = client.post(f"{SET_UP}new/", typed("kettle OR (pot", do="save"))
    assert answer.status_code == 422
    assert "Character 11" in answer.content.decode()
    assert client.post(f"{SET_UP}new/", typed("NOT pot", do="save")).status_code == 422
    assert not Topic.objects.exists()


def test_the_preview_counts_what_the_reader_may_read(cast, client, heard):
    assert "<strong>3</strong> of the 3 posts" in checked(client, cast.ada, "kettle")
    assert "<strong>2</strong> of the 2 posts" in checked(client, cast.max, "kettle")
    page = checked(client, cast.max, "kettle 1")
    assert "<strong>1</strong> of the 2 posts" in page
    assert "my kettle number 1 leaks" in page
    assert "says HR" not in checked(client, cast.ada, "kettle")


def test_the_preview_asks_once_and_stops_where_its_number_or_its_time_is_over(
    cast, heard, monkeypatch, django_assert_num_queries
):
    assert cast.ada.readable_team_ids  # is kept

    def previewed():
        with django_assert_num_queries(3):  # two are the transaction
            return preview.preview(parse("kettle"), cast.ada, [], timezone.now())

    whole = previewed()
    assert (whole.tried, whole.count, whole.since) == (3, 3, None)
    monkeypatch.setattr(preview, "PIECE", 1)
    assert previewed() == whole
    monkeypatch.setattr(preview, "LOOKED_AT", 2)
    part = previewed()
    assert (part.tried, part.since) == (
        2,
        Mention.objects.order_by("pk")[2].posted_at,
    )  # posted before the one stored after it
    monkeypatch.setattr(preview, "SECONDS", 0)
    assert previewed().tried == 1


def test_words_that_come_along_can_be_excluded(cast, client, heard):
    for number in range(6):
        world.write(heard, f"the kettle of fish {number}", cast.support, author=f"cook{number}")
    strangers = [world.post(f"the weather of day {number}", f"guest{number}") for number in range(60)]
    world.store(heard, *strangers, team=cast.support)
    page = checked(client, cast.max, "kettle OR pot")
    assert 'value="exclude:fish"' in page
    assert 'value="exclude:kettle"' not in page
    page = checked(client, cast.max, "kettle OR pot", "exclude:fish")
    assert "kettle OR pot</textarea>" in page
    assert 'name="excluded" value="fish"' in page
    assert "6 more are hidden by exclusions" in page
    assert "cook" not in world.without_tokens(page)
    given = typed("kettle OR pot", do="include:fish", excluded=["fish", "cook"])
    page = client.post(f"{SET_UP}new/", given).content.decode()
    assert re.findall('name="excluded" value="([^"]*)"', page) == ["cook"]
    given = typed("kettle OR pot", do="save", team=cast.support.pk, excluded=["fish", "cook"])
    assert client.post(f"{SET_UP}new/", given).status_code == 303
    kept = Topic.objects.get().exclusions.values_list("kind", "text")
    assert sorted(kept) == [("phrase", "cook"), ("phrase", "fish")]


def test_words_everybody_uses_are_never_offered(cast, client, heard):
    for number in range(12):
        world.write(heard, f"the kettle and the lid, with steam {number}", cast.support, author=f"cook{number}")
    page = checked(client, cast.max, "kettle")
    assert "exclude:" not in page
    assert "Too few other posts are stored" in page
    usual = ["the cat and the dog", "rain with the wind", "a walk and a talk", "the end, with a bang"]
    strangers = [world.post(f"{usual[number % 4]} {number}", f"guest{number}") for number in range(80)]
    world.store(heard, *strangers, team=cast.support)
    page = checked(client, cast.max, "kettle")
    offered = set(re.findall(r"exclude:(\w+)", page))
    assert offered >= {"lid", "steam"}
    assert not offered & {"the", "and", "with", "kettle"}


def test_what_a_search_costs_is_told_before_it_is_kept(cast, client, heard):
    x = world.make_channel("@acme on X", "x")
    x.sealed = sealed_secrets(x.pk, {"access_token": "a token"})
    x.save(update_fields=["sealed"])
    for number in range(90):
        world.write(heard, f"kettle {number}", cast.support, author=f"cook{number}")
    page = re.sub(r"\s+", " ", checked(client, cast.max, "kettle"))
    assert "About $0.045 a day if people say it there as often as in what is stored (3 a day)." in page
    assert dialects.X.price == PER_POST + PER_USER
    assert "a day if people" not in checked(client, cast.max, "pot")


def test_the_channels_of_a_private_team_are_named_to_its_people_and_to_admins(cast, client, heard):
    mailbox = world.make_channel("hr-complaints@acme.example", "demo", team=cast.hr)
    one = topic(team=cast.support)
    for agent in (cast.ana, cast.max):
        client.force_login(agent)
        assert mailbox.name not in client.get(f"/topics/{one.pk}/").content.decode()
    assert mailbox.name not in checked(client, cast.max, "kettle")
    Topic.objects.get().channels.set([mailbox])
    rule = Rule(name="Mailbox", when={"all": [{"is": "channel", "channels": [str(mailbox.pk)]}]})
    rule.rewrite(cast.ada, then=[{"do": "tag", "tags": ["x"]}])
    for page in (SET_UP, "/set-up/rules/"):
        assert mailbox.name not in text_of(client, cast.max, page)
        assert mailbox.name in text_of(client, cast.ada, page)
    offered = [dict(choices_for(each).by_kind["channel"]) for each in (cast.max, cast.ada)]
    assert [str(mailbox.pk) in each for each in offered] == [False, True]
    assert mailbox.name in checked(client, cast.ada, "kettle")


def test_a_managers_save_keeps_the_chosen_channels_that_are_not_named_to_them(cast, client):
    mailbox = world.make_channel("hr-complaints@acme.example", "demo", team=cast.hr)
    one = topic(team=cast.support, channels=[mailbox])
    for agent, named in ((cast.max, False), (cast.ada, True)):
        assert (mailbox.name in text_of(client, agent, SET_UP)) is named
    client.force_login(cast.max)
    given = typed("kettle OR pot", do="save", team=cast.support.pk, version="1")
    assert client.post(f"{SET_UP}{one.pk}/", given).status_code == 303
    assert (Topic.objects.get().query, list(one.channels.all())) == ("kettle OR pot", [mailbox])
    client.force_login(cast.ada)
    assert client.post(f"{SET_UP}{one.pk}/", given | {"version": "2"}).status_code == 303
    assert not one.channels.exists()


def test_each_channel_says_what_it_is_asked_and_since_when_it_is_complete(cast, client):
    mastodon = world.make_channel("@acme@far.example", "mastodon")
    blog = world.make_channel("Blog", "feed")
    x = world.make_channel("@acme", "x")
    page = checked(client, cast.ada, "kettle followers:>5")
    assert "searches only when signed in" in page
    assert "has no search: everything it brings is compared here" in page
    for channel in (mastodon, x):
        channel.sealed = sealed_secrets(channel.pk, {"access_token": "a token"})
        channel.save(update_fields=["sealed"])
    page = checked(client, cast.ada, "kettle followers:&gt;5".replace("&gt;", ">"))
    assert "finds more than this; we filter the rest: followers:&gt;5" in page
    assert "exact" in checked(client, cast.ada, "kettle pot")
    one = topic(query="kettle")
    assert "not read yet" in text_of(client, cast.ada, f"{SET_UP}{one.pk}/")
    begun, ended = timezone.now() - timedelta(days=3), timezone.now() - timedelta(days=1)
    for channel in (mastodon, x):
        Source.objects.create(channel=channel, name="search:kettle", begun_at=begun)
    Source.objects.create(channel=blog, name="feed:1", begun_at=begun)
    words = "A feed holds its newest entries only."
    times = {"since": begun, "before": begun, "begun_at": begun, "moved_at": begun, "done_at": begun}
    Lookback.objects.create(channel=blog, source="feed:1", words=words, **times)
    older = begun - timedelta(days=40)
    times |= {"since": older, "reached_at": older, "done_at": None}
    Lookback.objects.create(channel=mastodon, source="search:kettle", **times)
    Gap.objects.create(channel=x, source="search:kettle", until=ended, why="a test")
    page = re.sub(r"<[^>]+>", " ", text_of(client, cast.ada, f"{SET_UP}{one.pk}/"))
    assert "not read yet" not in page
    assert f"complete since  {begun.day} {begun:%b %Y, %H:%M} . {words}" in page
    assert f"complete since  {older.day} {older:%b %Y, %H:%M} , goes further back" in page
    assert f"complete since  {ended.day} {ended:%b %Y, %H:%M}" in page


def test_who_may_set_topics_up(cast, client, heard):
    theirs, ours, nobodys = topic("HR", team=cast.hr), topic("Support", team=cast.support), topic("House")
    for agent in (cast.ana, cast.hugo, cast.eva, cast.otto):
        client.force_login(agent)
        for address in (SET_UP, f"{SET_UP}new/", f"{SET_UP}{ours.pk}/"):
            assert client.get(address).status_code == 404
    client.force_login(cast.max)
    page = client.get(SET_UP).content.decode()
    assert "Support" in page
    assert f'id="topic-{theirs.pk}"' not in page
    assert client.get(f"{SET_UP}{ours.pk}/").status_code == 200
    for one in (theirs, nobodys):
        assert client.get(f"{SET_UP}{one.pk}/").status_code == 404
        assert client.post(f"{SET_UP}{one.pk}/removal/").status_code == 404
    for team, status in ((cast.hr.pk, 422), (cast.product.pk, 422), ("", 422), (cast.support.pk, 303)):
        given = typed("kettle", do="save", team=team)
        assert client.post(f"{SET_UP}new/", given).status_code == status


def test_agents_read_the_topics_of_their_teams_and_of_those_what_they_may_read(cast, client, heard):
    one, other = topic("Leaks", team=cast.support), topic("Secret", team=cast.hr)
    page = text_of(client, cast.ana, POSTS)
    assert "Leaks" in page
    assert "Secret" not in page
    assert "2 posts in 30 days" in page
    assert client.get(f"{POSTS}{other.pk}/").status_code == 404
    page = text_of(client, cast.ana, f"{POSTS}{one.pk}/")
    assert "kettle number 0" in page
    assert "says Product" not in page
    assert "Change topic" not in page
    assert "Change topic" in text_of(client, cast.max, f"{POSTS}{one.pk}/")
    client.force_login(cast.otto)
    assert client.get(POSTS).status_code == 404


def test_older_posts_stand_on_the_next_page(cast, client, heard, monkeypatch):
    monkeypatch.setattr("connectors.topics.lines.PAGE", 1)
    one = topic(team=cast.support)
    page = text_of(client, cast.ana, f"{POSTS}{one.pk}/")
    assert ("number 0" in page, "number 1" in page) == (True, False)
    address = re.search(r'href="(/topics/\d+/\?after=[^"]+)"', page)[1]
    page = client.get(address).content.decode()
    assert ("number 0" in page, "number 1" in page, "?after=" in page) == (False, True, False)
    for odd in ("x", "_", "2026-01-01_5", "9999-99-99T00:00:00+00:00_1", "0001-01-01T00:00:00+14:00_1"):
        assert client.get(f"{POSTS}{one.pk}/", {"after": odd}).status_code == 200


def test_a_listed_post_becomes_a_conversation(cast, client, heard):
    one = topic(team=cast.support)
    found = one.found.get(mention__text__contains="number 1")
    client.force_login(cast.ana)
    address = f"{POSTS}{one.pk}/mentions/{found.mention_id}/conversation/"
    answer = client.post(address)
    conversation = Conversation.objects.get(pk=found.mention.conversation_id)
    assert answer.url == f"/conversations/{conversation.pk}/"
    assert conversation.state == State.NEW
    assert client.post(address).status_code == 303
    assert conversation.events.filter(happening="reopened").count() == 1
    hidden = one.found.get(mention__text__contains="says HR")
    assert client.post(f"{POSTS}{one.pk}/mentions/{hidden.mention_id}/conversation/").status_code == 404


def test_only_web_addresses_lead_outside(cast, client, heard):
    one = topic(team=cast.support)
    mention = one.found.get(mention__text__contains="number 1").mention
    type(mention).objects.filter(pk=mention.pk).update(url="javascript:alert(1)")
    page = text_of(client, cast.ana, f"{POSTS}{one.pk}/")
    assert "javascript:" not in page
    assert "https://demo.example/" in page


def test_the_pane_leads_to_topics(cast, client):
    page = text_of(client, cast.ana, "/views/all/")
    assert 'href="/topics/"' in page
    assert f'href="{SET_UP}"' not in page
    assert f'href="{SET_UP}"' in text_of(client, cast.max, "/views/all/")
    assert 'href="/topics/"' not in text_of(client, cast.eva, "/views/all/")


def test_what_is_stored_is_compared_a_piece_at_a_time_and_again_after_a_change(cast, heard, monkeypatch):
    monkeypatch.setattr(comparing, "PIECE", 2)
    one = Topic(name="Kettles")
    one.rewrite(None, (), query="kettle")
    assert comparing.compare_piece()
    assert one.found.count() == 2
    assert comparing.compare_due() >= 2
    one.refresh_from_db()
    assert (one.found.count(), one.compared) == (4, True)
    assert one.compare_at > timezone.now()
    Topic.objects.update(compare_at=timezone.now())
    assert comparing.compare_due() == 1  # the rest was there before the topic
    assert not comparing.compare_piece()
    one.refresh_from_db()
    assert one.compare_at is None
    assert one.rewrite(None, (), query='"number 1"')
    comparing.compare_due()
    assert [found.mention.text for found in one.found.all()] == ["my kettle number 1 leaks, says Support"]


def test_long_texts_are_compared_in_smaller_pieces(cast, heard, monkeypatch):
    monkeypatch.setattr(comparing, "SECONDS", 0.0)
    one = Topic(name="Kettles")
    one.rewrite(None, (), query="kettle")
    for number in range(1, 5):
        assert comparing.compare_piece()
        assert one.found.count() == number
    comparing.compare_piece()
    one.refresh_from_db()
    assert (one.compared, one.compare_below) == (True, None)


@pytest.mark.parametrize("change", ["rewritten", "deleted", "edited"])
def test_what_is_changed_while_a_topic_is_compared_stays_as_it_is(cast, heard, monkeypatch, change):
    one = Topic(name="Kettles")
    one.rewrite(None, (), query="kettle")
    matched, mention = comparing._matched, Mention.objects.order_by("pk").first()

    def meanwhile(topic, below):
        piece = matched(topic, below)
        if change == "rewritten":
            Topic.objects.get(pk=one.pk).rewrite(None, (), query='"number 1"')
        elif change == "deleted":
            Event.objects.filter(conversation=mention.conversation).delete()
            mention.conversation.delete()
        else:
            Mention.objects.filter(pk=mention.pk).update(version="another")
        return piece

    monkeypatch.setattr(comparing, "_matched", meanwhile)
    assert comparing.compare_piece()
    assert one.found.count() == (0 if change == "rewritten" else 3)
    one.refresh_from_db()
    assert one.compared == (change != "rewritten")


def test_a_topic_that_cannot_be_compared_waits_behind_the_others(cast, heard):
    Topic.objects.create(name="Broken", query="((", compare_at=timezone.now() - timedelta(hours=1))
    one = Topic.objects.create(name="Kettles", query="kettle", compare_at=timezone.now())
    assert comparing.compare_due() == 2
    assert one.found.count() == 4
    assert Topic.objects.get(name="Broken").compare_at > timezone.now() + timedelta(minutes=5)
    assert not comparing.compare_piece()


def test_a_topic_that_is_being_compared_is_taken_by_nobody_else(cast, heard):
    Topic.objects.create(name="Kettles", query="kettle", compare_at=timezone.now())
    assert comparing.COMPARING._take()
    assert comparing.COMPARING._take() is None

"""A new channel listens first: it is read and routed like any other, and nothing leaves through it until its time is
over or an admin allows it."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from connectors import acting, connecting, heard, sending
from connectors.came_since import first_number
from connectors.frequent import frequent
from connectors.listening_first import may_listen_first
from connectors.models import Channel
from inbox.models import Act, Conversation, Event, Mention, Note, Reply
from inbox.models.answerable import HeldBack
from socialcare import configuration
from tests.world import make_channel, post, store, write

pytestmark = pytest.mark.django_db
SOON = timedelta(days=3)


@pytest.fixture
def channel(cast):
    sealed = {"access_token": "sealed"}
    return make_channel("@new", "mastodon", team=cast.support, sealed=sealed, listens_until=timezone.now() + SOON)


@pytest.fixture
def conversation(cast, channel):
    return write(channel, "my parcel is late", cast.support)


def answer(client, conversation, kind="reply", key=None):
    said = {"text": "We look into it.", "kind": kind, "key": key or uuid4(), "seen_seq": conversation.seen_seq}
    return client.post(f"/conversations/{conversation.pk}/replies/", said)


def waiting_reply(cast, conversation):
    """One that was written before the channel began to listen first."""
    return Reply.objects.create(
        conversation=conversation, channel=conversation.channel, parent=conversation.last_inbound(), author=cast.ana,
        text="hello", key=uuid4(), seq=conversation.seen_seq + 1, not_before=timezone.now() - timedelta(seconds=5),
    )  # fmt: skip


def over(channel):
    """Its time is over, and nobody did anything."""
    Channel.objects.filter(pk=channel.pk).update(listens_until=timezone.now() - timedelta(seconds=1))
    channel.refresh_from_db()


def test_it_hears_and_routes_and_the_team_works_while_nothing_is_answered(cast, client, conversation):
    client.force_login(cast.ana)
    at = f"/conversations/{conversation.pk}/"
    said = {"text": "look at the tracking", "key": uuid4(), "kind": "note", "seen_seq": conversation.seen_seq}
    assert client.post(f"{at}notes/", said).status_code == 303
    assert client.post(f"{at}claim/").status_code == 303
    assert client.post(f"{at}closure/").status_code == 303
    conversation.refresh_from_db()
    assert (conversation.team, conversation.agent, conversation.is_open) == (cast.support, cast.ana, False)
    assert Note.objects.count() == 1


@pytest.mark.parametrize("kind", ["reply", "private"])
def test_an_answer_that_comes_all_the_same_is_refused_with_the_day(cast, client, channel, conversation, kind):
    client.force_login(cast.ana)
    response = answer(client, conversation, kind)
    assert response.status_code == 422
    if kind == "reply":
        day = timezone.localtime(channel.listens_until, ZoneInfo(cast.ana.zone))
        assert f"Listening first until {day.day} {day:%b}. Replies unlock then." in response.content.decode()
    assert not Reply.objects.exists()


def test_the_verb_itself_refuses_whoever_asks(cast, conversation):
    mention = conversation.last_inbound()
    with pytest.raises(HeldBack, match="Listening first until"):
        conversation.reply(cast.ana, "hello", uuid4(), conversation.seen_seq, parent=mention)
    with pytest.raises(HeldBack, match="Listening first until"):
        conversation.act(cast.ana, "like", uuid4(), mention=mention)
    assert not Reply.objects.exists()
    assert not Act.objects.exists()


def test_nothing_that_anybody_outside_could_notice_is_offered(channel, conversation):
    may = channel.may(conversation.last_inbound())
    assert may
    assert not [verb for verb, one in may.items() if one.allowed or one.ask]
    channel.listens_until = None
    assert [verb for verb, one in channel.may(conversation.last_inbound()).items() if one.allowed]


def test_what_waited_already_is_kept_and_leaves_when_the_time_is_over(cast, conversation, channel):
    reply = waiting_reply(cast, conversation)
    act = Act.objects.create(
        conversation=conversation, channel=channel, mention=reply.parent, verb="like", author=cast.ana, key=uuid4()
    )
    assert not reply.take()
    assert not act.take()
    assert not sending.waiting(timedelta(0)) + acting.waiting(timedelta(0))
    over(channel)
    assert sending.waiting(timedelta(0)) == acting.waiting(timedelta(0)) == [channel.pk]
    assert reply.take()
    assert act.take()


def test_what_waits_says_why_and_can_be_taken_back(cast, client, conversation):
    reply = waiting_reply(cast, conversation)
    client.force_login(cast.ana)
    Event.objects.create(
        stream=cast.support.stream, number=10**6, happening="reply_queued", conversation=conversation, seq=99,
        actor=cast.ana, payload={"reply": reply.pk},
    )  # fmt: skip
    page = client.get(f"/conversations/{conversation.pk}/").content.decode()
    assert "Waits: Listening first until" in page
    assert "<count-down" not in page
    client.post(f"/conversations/{conversation.pk}/replies/{reply.pk}/undo/")
    reply.refresh_from_db()
    assert reply.state == "undone"


def test_the_composer_says_until_when_and_only_an_admin_may_end_it_there(cast, client, channel, conversation):
    cast.ada.join(cast.support, "agent", by=None)
    pages = {}
    for agent in (cast.ana, cast.ada):
        client.force_login(agent)
        pages[agent.name] = client.get(f"/conversations/{conversation.pk}/").content.decode()
    assert all("Replies unlock then." in page and "data-cannot" in page for page in pages.values())
    assert "Allow replies now" in pages["Ada"]
    assert "Allow replies now" not in pages["Ana"]
    client.force_login(cast.ana)
    client.post(f"/set-up/channels/{channel.pk}/listening/", {"listen_days": 0})
    channel.refresh_from_db()
    assert channel.held_until()


def test_an_admin_allows_replies_at_once_and_the_agent_answers(cast, client, channel, conversation):
    client.force_login(cast.ada)
    response = client.post(f"/set-up/channels/{channel.pk}/listening/", {"listen_days": 0})
    assert response.url == f"/set-up/channels/{channel.pk}/heard/"
    client.force_login(cast.ana)
    assert answer(client, conversation).status_code == 303
    assert Reply.objects.get().state == "queued"


def test_allowing_twice_is_told_once(cast, channel):
    assert channel.allow_replies(cast.ada)
    assert not Channel.objects.get(pk=channel.pk).allow_replies(cast.ada)
    told = Event.objects.filter(stream="admin", happening="set_up_changed")
    assert [event.payload["what"] for event in told] == ["allowed replies on the channel @new"]


def test_an_open_composer_follows_when_replies_are_allowed(cast, client, channel, conversation):
    client.force_login(cast.ana)
    page = client.get(f"/conversations/{conversation.pk}/").content.decode()
    assert f"channel:{channel.pk}=0" in page
    mark = f"conversation:{conversation.pk}={conversation.seen_seq} channel:{channel.pk}=0"
    ask = {"path": f"/conversations/{conversation.pk}/", "data": {"since": mark}, "headers": {"HX-Request": "true"}}
    still = client.get(**ask)
    assert "<reply-box" not in still.content.decode()
    assert still["X-Mark"] == mark
    channel.allow_replies(cast.ada)
    news = client.get(**ask)
    assert news.content.decode().count("<reply-box") == 1
    assert "Replies unlock then." not in news.content.decode()
    assert news["X-Mark"] == f"conversation:{conversation.pk}={conversation.seen_seq}"
    assert Event.objects.filter(stream=f"channel:{channel.pk}").count() == 1


def test_a_conversation_of_a_channel_that_may_answer_asks_for_nothing_more(cast, client, django_assert_num_queries):
    one = write(make_channel(), "hello", cast.support)
    client.force_login(cast.ana)
    page = client.get(f"/conversations/{one.pk}/").content.decode()
    assert f'mark="conversation:{one.pk}={one.seen_seq}"' in page


# Where it begins


def connected(network="mastodon", **more):
    settings = {"server": "mastodon.example"} if network == "mastodon" else {}
    return connecting.connect(network, f"@{network}", settings, {}, None, listening=False, **more)


def test_what_cannot_be_answered_or_is_invented_never_listens_first(cast):
    assert may_listen_first("mastodon")
    assert not any(map(may_listen_first, ("feed", "demo", "gone")))
    for network in ("feed", "demo"):
        channel = connected(network, listen_days=7)
        assert channel.listens_until is None
        assert not channel.listen_first(7, cast.ada)
    assert connected(listen_days=7).held_until()


def test_the_last_question_of_connecting_is_for_how_long_it_listens_first(cast, client):
    client.force_login(cast.ada)
    channel, feed = connected(), connected("feed")
    at = f"/set-up/channels/{channel.pk}/connect/place/"
    assert 'name="listen_days" value="7"' in client.get(at).content.decode()
    assert "listen_days" not in client.get(f"/set-up/channels/{feed.pk}/connect/place/").content.decode()
    assert client.post(at, {"team": "", "listen_days": "91"}).status_code == 422
    client.post(at, {"team": cast.support.pk, "listen_days": "7"})
    channel.refresh_from_db()
    left = channel.listens_until - timezone.now()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    assert not channel.paused
    assert "listen_days" not in client.get(at).content.decode()


def test_no_day_is_an_answer_too(cast, client):
    client.force_login(cast.ada)
    channel = connected()
    client.post(f"/set-up/channels/{channel.pk}/connect/place/", {"team": "", "listen_days": "0"})
    channel.refresh_from_db()
    assert (channel.paused, channel.listens_until) == (False, None)


def command(*arguments):
    out = StringIO()
    call_command("channel", *arguments, stdout=out)
    return out.getvalue()


def test_from_the_command_line_replies_are_allowed_unless_days_are_given(cast):
    command("add", "mastodon", "@one", "server=mastodon.example", "hashtags=acme", "--no-test")
    command("add", "mastodon", "@two", "server=mastodon.example", "hashtags=acme", "--no-test", "--listen-days", "5")
    one, two = Channel.objects.order_by("name")
    assert one.listens_until is None
    assert two.held_until()
    assert "Listening first until" in command("list")
    assert command("allow-replies", "@two") == "Replies are allowed.\n"
    assert not Channel.objects.get(pk=two.pk).held_until()
    for days in ("-1", "91"):
        with pytest.raises(CommandError):
            command("add", "mastodon", "@three", "hashtags=acme", "--no-test", "--listen-days", days)
    with pytest.raises(CommandError, match="nothing is held back"):
        command("add", "feed", "Blog", "url=https://acme.example", "--no-test", "--listen-days", "5")


@pytest.fixture(autouse=True)
def no_typing(monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO("\n" * 40))


# The set-up


def test_the_history_tells_it_and_puts_it_back(cast, client, channel):
    was = channel.listens_until
    client.force_login(cast.ada)
    client.post(f"/set-up/channels/{channel.pk}/listening/", {"listen_days": 0})
    page = client.get("/set-up/history/").content.decode()
    assert "Ada allowed replies on the channel @new" in page
    assert f"{timezone.localtime(was, ZoneInfo(cast.ada.zone)):%-d %B %Y, %H:%M}" in page
    client.post(f"/set-up/history/{Event.objects.filter(stream='admin').latest('number').pk}/restoration/")
    channel.refresh_from_db()
    assert channel.listens_until == was
    assert Event.objects.filter(stream=f"channel:{channel.pk}").count() == 2


def test_the_configuration_file_says_it_and_sets_it(cast, channel):
    told = json.loads(configuration.as_text())
    [item] = told["channels"]
    assert item["listens_until"] == channel.listens_until.isoformat()
    assert not configuration.plan(configuration.as_text(), cast.ada).does
    item["listens_until"] = None
    assert configuration.apply(json.dumps(told), cast.ada) == 1
    channel.refresh_from_db()
    assert channel.listens_until is None
    item["listens_until"] = "2099-01-01T00:00:00+01:00"
    configuration.apply(json.dumps(told), cast.ada)
    channel.refresh_from_db()
    assert channel.listens_until == datetime(2098, 12, 31, 23, tzinfo=UTC)
    assert not configuration.plan(json.dumps(told), cast.ada).does


@pytest.mark.parametrize("time", ["soon", "", "2026-02-30T00:00:00Z", "2026-11-29T14:00:00"])
def test_a_file_with_another_time_is_refused(cast, channel, time):
    told = json.loads(configuration.as_text())
    told["channels"][0]["listens_until"] = time
    assert "listens_until" in configuration.plan(json.dumps(told), cast.ada).problems[0]


def test_a_file_does_not_hold_back_a_demo(cast):
    make_channel()
    told = json.loads(configuration.as_text())
    told["channels"][0]["listens_until"] = "2099-01-01T00:00:00Z"
    assert "never listens first" in configuration.plan(json.dumps(told), cast.ada).problems[0]


# What was heard

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
LISBON = ZoneInfo("Europe/Lisbon")


def row(identity=1, *, hours=1, language="en", ours=False, history=False, conversation=1):
    return heard.Row(0, identity, NOW - timedelta(hours=hours), language, ours, history, conversation)


def counted(*rows, sent=None, zone=LISBON, days=7):
    return heard.counted(rows, sent or {}, NOW - timedelta(days=days - 1, hours=12), NOW, zone)


def test_only_posts_that_came_in_the_time_are_looked_at(cast, channel, monkeypatch):
    assert first_number(NOW) == 0
    store(channel, *(post(f"kettle {n}", f"a{n}", at=NOW - timedelta(days=24 - n)) for n in range(24)))
    Mention.objects.filter(text__in=["kettle 0", "kettle 7", "kettle 8", "kettle 23"]).delete()
    ids = sorted(Mention.objects.values_list("pk", flat=True))
    for n, pk in enumerate(ids):
        Mention.objects.filter(pk=pk).update(seen_at=NOW - timedelta(days=20 - n // 2))  # two at a time
    for days in range(22):
        came = list(Mention.objects.filter(seen_at__gte=NOW - timedelta(days=days)).order_by("pk"))
        assert list(Mention.objects.filter(pk__gte=first_number(NOW - timedelta(days=days))).order_by("pk")) == came
    Mention.objects.update(seen_at=F("posted_at"))
    found = heard.of(channel, cast.ada, 7, LISBON, NOW)
    assert (found.posts, found.partial) == (5, False)
    monkeypatch.setattr(heard, "LOOKED_AT", 10)  # more than there are in the time
    assert heard.of(channel, cast.ada, 7, LISBON, NOW) == found
    monkeypatch.setattr(heard, "LOOKED_AT", 3)
    assert heard.of(channel, cast.ada, 7, LISBON, NOW).partial


def test_who_speaks_is_counted_without_our_own_account():
    found = counted(row(1), row(1, hours=2), row(2), row(9, ours=True))
    assert (found.posts, found.own, found.people, found.once) == (3, 1, 2, 1)
    assert [(one.pk, one.count, one.percent) for one in found.speakers] == [(1, 2, 67), (2, 1, 33)]


def test_days_and_hours_are_those_of_the_organisation():
    found = counted(row(hours=1), row(hours=12.5), zone=ZoneInfo("Asia/Tokyo"))
    assert [day.n for day in found.days][-2:] == [0, 2]
    wednesday = found.hours[2]
    assert [(hour.hour, hour.n, hour.level) for hour in wednesday if hour.n] == [(8, 1, 5), (20, 1, 5)]
    assert len(counted(days=30).days) == 30


def test_the_busiest_hour_is_darkest_and_no_hour_with_a_post_is_empty():
    found = counted(*(row(n, hours=1) for n in range(40)), row(hours=3))
    levels = {hour.n: hour.level for hour in found.hours[2]}
    assert levels == {0: 0, 1: 1, 40: 5}


def test_unanswered_is_where_theirs_is_the_last_word_here_and_there():
    rows = [
        row(conversation=1),
        row(conversation=2, hours=3), row(conversation=2, hours=2, ours=True),
        row(conversation=3, hours=2), row(conversation=3, hours=3, ours=True),
        row(conversation=4, hours=5),
        row(conversation=5, history=True),
    ]  # fmt: skip
    found = counted(*rows, sent={4: NOW - timedelta(hours=4)})
    assert (found.conversations, found.unanswered) == (4, 2)


def test_languages_beyond_the_largest_are_one_line():
    found = counted(
        *(row(language=code) for code in ["pt", "pt", "en", "de", "fr", "es", "it", "nl", "sv", "da", "fi"])
    )
    assert found.languages[0] == ("Portuguese", 2, 18)
    assert (found.languages[-1].label, found.languages[-1].n) == ("Others", 2)
    assert counted(row(language="")).languages[0].label == "Not known"


def test_words_of_many_posts_are_those_that_say_something(cast):
    channel = make_channel()
    said = [
        "The parcel from @courier is late again",
        "Where is my parcel? https://acme.example/parcel",
        "Acme, parcel!",
    ]
    store(channel, *(post(text, f"a{n}") for n, text in enumerate(said)), team=cast.support)
    store(
        channel,
        post("Das Paket und die Rechnung", "b", lang="de"),
        post("Das ist die Rechnung", "c"),
        team=cast.support,
    )
    ids = list(Mention.objects.order_by("-pk").values_list("pk", flat=True))
    Mention.objects.filter(text__startswith="Das").update(language="de")
    assert frequent(ids, ["Acme"]) == [("parcel", 3), ("rechnung", 2)]


def test_the_page_sums_up_and_leaves_out_what_a_private_team_got(cast, client, channel):
    write(channel, "my parcel is late", cast.support, author="carla", followers=1240)
    write(channel, "my parcel is lost", cast.support, author="theo")
    write(channel, "my salary is late", cast.hr, author="nadia")
    client.force_login(cast.ada)
    page = client.get(f"/set-up/channels/{channel.pk}/heard/?days=7").content.decode()
    assert "Carla" in page
    assert "1,240 followers" in page or "1240 followers" in page
    assert "parcel" in page
    assert "Nadia" not in page
    assert "without what private teams got that you are not in" in page
    assert "Listening first until" in page


def test_an_empty_channel_says_what_will_stand_there(cast, client, channel):
    client.force_login(cast.ada)
    assert "Nothing was read yet." in client.get(f"/set-up/channels/{channel.pk}/heard/").content.decode()


def test_the_lists_of_channels_and_of_health_lead_to_what_was_heard(cast, client, channel):
    client.force_login(cast.ada)
    for page in ("/set-up/channels/", "/set-up/health/", f"/set-up/channels/{channel.pk}/"):
        assert f"/set-up/channels/{channel.pk}/heard/" in client.get(page).content.decode()


def test_replies_can_be_held_back_again_later(cast, client, channel):
    channel.allow_replies(None)
    client.force_login(cast.ada)
    page = client.get(f"/set-up/channels/{channel.pk}/heard/").content.decode()
    assert "Listen first from now on" in page
    client.post(f"/set-up/channels/{channel.pk}/listening/", {"listen_days": "2"})
    channel.refresh_from_db()
    assert channel.held_until()
    assert Conversation.objects.count() == 0

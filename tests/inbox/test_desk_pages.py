"""The desk's pages and acts over HTTP: what stands on them, what a living page is told, what an undo gives back, and
what it all costs in statements."""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors.base import PostState
from inbox.models import Agent, Conversation, Draft, Reply, Seen, State
from tests.world import answer, make_channel, post, store, write

ALIVE = {"HX-Request": "true"}


@pytest.fixture
def channel(cast):
    return make_channel()


@pytest.fixture
def ana(cast, client):
    client.force_login(cast.ana)
    return client


def ids(html):
    return re.findall(r'id="conversation-(\d+)"', html)


def test_the_queue_shows_a_teams_open_conversations_newest_first(cast, channel, ana):
    older = write(channel, "my parcel is late", cast.support, ago=60)
    newer = write(channel, "and mine", cast.support, author="theo")
    assert ana.get("/").headers["Location"] == "/views/all/"
    page = ana.get("/views/all/").content.decode()
    assert ids(page) == [str(newer.pk), str(older.pk)]
    assert "2 open" in page
    keys = re.findall(r'data-key="(\d+)" data-state', page)
    assert keys == sorted(keys, reverse=True)


@pytest.mark.parametrize("order", ["newest", "priority", "oldest"])
def test_pages_of_a_queue_of_several_teams_give_every_row_once_in_order(cast, channel, client, order):
    client.force_login(cast.max)
    for place in range(70):
        one = write(channel, f"case {place}", [cast.support, cast.marketing][place % 2], author=f"a{place}", ago=place)
        one.prioritise(place % 3, None)
    page = client.get(f"/views/all/?order={order}").content.decode()
    seen, keys = ids(page), re.findall(r'data-key="(\d+)" data-state', page)
    more = re.search(r'hx-get="([^"]+after=[^"]+)"', page)[1].replace("&amp;", "&")
    rest = client.get(more, headers=ALIVE).content.decode()
    seen, keys = seen + ids(rest), keys + re.findall(r'data-key="(\d+)" data-state', rest)
    assert len(seen) == len(set(seen)) == 70
    assert keys == sorted(keys, reverse=True)
    assert client.get("/views/all/?after=forged").status_code == 404


def test_filters_are_any_of_one_name_and_all_of_different_names(cast, channel, ana):
    first, second, third = (write(channel, f"case {n}", cast.support, author=f"a{n}") for n in range(3))
    first.retag(["refund"], cast.ana)
    second.retag(["parcel"], cast.ana)
    second.claim(cast.ana)
    assert set(ids(ana.get("/views/all/?tag=refund&tag=parcel").content.decode())) == {str(first.pk), str(second.pk)}
    assert ids(ana.get("/views/all/?tag=refund&tag=parcel&agent=none").content.decode()) == [str(first.pk)]
    page = ana.get("/views/all/?tag=nothing").content.decode()
    assert "0 of 3 open match" in page
    assert ids(ana.get("/views/mine/").content.decode()) == [str(second.pk)]
    assert str(third.pk) in ids(ana.get("/views/unassigned/").content.decode())
    assert ana.get("/views/all/filters/?tag=refund").status_code == 200


def test_since_tells_what_changed_what_left_and_nothing_else(cast, channel, ana):
    stays, leaves, quiet = (write(channel, f"case {n}", cast.support, author=f"a{n}") for n in range(3))
    mark = re.search(r'mark="([^"]+)"', ana.get("/views/all/").content.decode())[1]
    assert ana.get("/views/all/", {"since": mark}, headers=ALIVE).status_code == 204
    answer(channel, stays, "one more thing")
    leaves.close(cast.max)
    response = ana.get("/views/all/", {"since": mark, "held": 3}, headers=ALIVE)
    html = response.content.decode()
    assert set(ids(html)) == {str(stays.pk), str(leaves.pk)}
    assert "one more thing" in html
    assert 'data-gone="Max marked this done"' in html
    assert response.headers["X-Mark"] != mark
    assert "X-Whole" not in response.headers
    assert str(quiet.pk) not in ids(html)


def test_who_is_too_far_behind_gets_the_whole_list(cast, channel, ana):
    write(channel, "case", cast.support)
    for mark in ("team:999=4", "", f"team:{cast.support.pk}=99999"):
        response = ana.get("/views/all/", {"since": mark}, headers=ALIVE)
        assert response.headers["X-Whole"] == "1"
        assert len(ids(response.content.decode())) == 1


def test_rows_are_the_same_for_everybody(cast, channel, client):
    one = write(channel, "case", cast.support)
    one.claim(cast.max)
    rows = []
    for agent in (cast.ana, cast.max):
        client.force_login(agent)
        page = client.get("/views/support/").content.decode()
        rows.append(re.search(r'<div role="row" class="row".*?</div>', page, re.DOTALL)[0])
    assert rows[0] == rows[1]


def test_done_is_undone_as_if_nothing_had_been_and_only_while_nobody_acted(cast, channel, ana):
    one = write(channel, "case", cast.support)
    Conversation.objects.filter(pk=one.pk).update(state=State.WAITING_CUSTOMER)
    for acted_since in (False, True):
        told = ana.post(f"/conversations/{one.pk}/closure/", headers=ALIVE)
        assert told.status_code == 204
        undo = json.loads(told.headers["HX-Trigger"])["undoable"]["url"]
        if acted_since:
            one.refresh_from_db()
            one.retag(["late"], cast.max)
        answered = ana.post(undo, headers=ALIVE)
        one.refresh_from_db()
        assert (answered.status_code, one.state) == (
            (409, State.DONE) if acted_since else (200, State.WAITING_CUSTOMER)
        )


def test_what_is_so_already_is_no_fault(cast, channel, client):
    one = write(channel, "case", cast.support)
    url = f"/conversations/{one.pk}/closure/"
    client.force_login(cast.max)
    assert "undoable" in client.post(url, headers=ALIVE).headers["HX-Trigger"]
    again = client.post(url, headers=ALIVE)
    assert (again.status_code, "HX-Trigger" in again.headers) == (204, False)  # whose own act it was hears nothing new
    client.force_login(cast.ana)
    told = client.post(url, headers=ALIVE)
    assert told.status_code == 204
    assert json.loads(told.headers["HX-Trigger"])["told"]["says"].startswith("Max marked this done")
    assert one.events.filter(happening="closed").count() == 1


def test_an_undo_belongs_to_who_did_it(cast, channel, client):
    one = write(channel, "case", cast.support)
    client.force_login(cast.ana)
    told = client.post(f"/conversations/{one.pk}/closure/", headers=ALIVE)
    client.force_login(cast.max)
    assert client.post(json.loads(told.headers["HX-Trigger"])["undoable"]["url"], headers=ALIVE).status_code == 409


def test_every_act_works_as_a_plain_form(cast, channel, ana):
    one = write(channel, "case", cast.support)
    acts = [
        ("claim", {}),
        ("tags", {"tags": "refund, ios"}),
        ("priority", {"priority": 7}),
        ("notes", {"text": "look at this", "key": str(uuid.uuid4())}),
        ("release", {}),
        ("assignment", {"to": f"agent:{cast.support.pk}:{cast.max.pk}"}),
        ("snooze", {"until": "tomorrow"}),
        ("closure", {}),
        ("reopening", {}),
        ("spam", {}),
    ]
    for noun, data in acts:
        told = ana.post(f"/conversations/{one.pk}/{noun}/", {**data, "view": "support"})
        assert (told.status_code, told.headers["Location"]) == (303, f"/conversations/{one.pk}/?view=support"), noun
    one.refresh_from_db()
    assert (one.state, one.tags, one.priority, one.agent) == (State.SPAM, ["ios", "refund"], 7, cast.max)
    assert ana.post(f"/conversations/{one.pk}/snooze/", {"until": "yesterday"}).status_code == 422


def reply(client, one, text, **more):
    data = {"text": text, "key": str(uuid.uuid4()), "seen_seq": one.seen_seq, "kind": "reply", **more}
    return client.post(f"/conversations/{one.pk}/replies/", data, headers=ALIVE)


def test_a_reply_past_something_newer_is_refused_with_the_news(cast, channel, ana):
    one = write(channel, "where is my parcel", cast.support)
    seen = one.seen_seq
    answer(channel, one, "never mind, it arrived!")
    told = reply(ana, one, "Hi Carla", seen_seq=seen)
    assert told.status_code == 409
    assert "never mind, it arrived!" in told.content.decode()
    assert not Reply.objects.exists()
    keep = re.search(r'data-keep="(\d+)"', told.content.decode())[1]
    assert reply(ana, one, "Hi Carla", seen_seq=keep).status_code == 204
    assert reply(ana, one, "Hi again", seen_seq=seen, anyway=1).status_code == 204
    assert [sent.anyway for sent in Reply.objects.order_by("pk")] == [False, True]
    assert one.events.filter(happening="sent_anyway").exists()


@pytest.fixture
def forged(cast):
    """A mail that says it is Carla's and asks for answers at somebody else's address."""
    mailbox = make_channel("care@acme.example", network="mail")
    return write(mailbox, "send me my data", cast.support, "carla@mail.example", raw={"answer_to": ["m@evil.example"]})


def test_an_answer_that_would_go_to_somebody_else_says_so_and_waits_for_a_yes_to_exactly_them(cast, forged, ana):
    page = ana.get(f"/conversations/{forged.pk}/").content.decode()
    assert "Goes to m@evil.example" in page
    assert "asks for answers at m@evil.example" in page
    for said in ({}, {"anyway": 1}, {"elsewhere": "carla@mail.example"}):
        told = reply(ana, forged, "Here it is", **said)
        assert (told.status_code, Reply.objects.count()) == (409, 0)
        assert 'name="elsewhere" value="m@evil.example"' in told.content.decode()
    assert reply(ana, forged, "Here it is", elsewhere="m@evil.example").status_code == 204
    assert Reply.objects.get().elsewhere == "m@evil.example"


def test_a_plain_form_keeps_the_text_and_the_files_while_it_asks_whom_an_answer_goes_to(cast, forged, ana):
    data = {"text": "Here it is", "key": str(uuid.uuid4()), "seen_seq": forged.seen_seq, "kind": "reply"}
    told = ana.post(f"/conversations/{forged.pk}/replies/", data)
    page = told.content.decode()
    assert told.status_code == 409
    for field in (">Here it is</textarea>", f'value="{data["key"]}"', 'name="elsewhere" value="m@evil.example"'):
        assert field in page
    assert "Send it to m@evil.example" in page


def test_who_was_asked_about_news_too_need_not_say_again_whom_it_goes_to(cast, forged, ana):
    seen = forged.seen_seq
    answer(forged.channel, forged, "hurry", raw={"answer_to": ["m@evil.example"]})
    told = reply(ana, forged, "Here it is", seen_seq=seen, elsewhere="m@evil.example")
    assert "hurry" in told.content.decode()
    assert 'name="elsewhere" value="m@evil.example" form="reply-form"' in told.content.decode()
    assert reply(ana, forged, "Here", seen_seq=seen, anyway=1, elsewhere="m@evil.example").status_code == 204


def test_the_same_key_twice_is_one_reply(cast, channel, ana):
    one = write(channel, "hello", cast.support)
    data = {"text": "Hi", "key": str(uuid.uuid4()), "seen_seq": one.seen_seq, "kind": "reply"}
    for _ in range(2):
        ana.post(f"/conversations/{one.pk}/replies/", data, headers=ALIVE)
    assert Reply.objects.count() == 1


def test_another_text_under_a_key_that_was_used_is_refused_in_words(cast, channel, ana):
    one, other = write(channel, "hello", cast.support), write(channel, "hello", cast.support, author="theo")
    used = {"key": str(uuid.uuid4())}
    assert reply(ana, one, "Hi", **used).status_code == 204
    for where, text in [(one, "Hi, and sorry"), (other, "Hi")]:
        told = reply(ana, where, text, **used)
        assert told.status_code == 422
        assert "sent already" in told.content.decode()
    assert Reply.objects.count() == 1


def test_a_text_the_network_would_refuse_is_refused_here(cast, channel, ana):
    one = write(channel, "hello", cast.support)
    told = reply(ana, one, "x" * 501)
    assert told.status_code == 422
    assert "too long" in told.content.decode()
    assert reply(ana, one, " ").status_code == 422


def test_undoing_a_reply_gives_the_text_back_to_the_composer(cast, channel, ana):
    one = write(channel, "hello", cast.support)
    told = reply(ana, one, "Hi Carla")
    url = json.loads(told.headers["HX-Trigger"])["undoable"]["url"]
    assert ana.post(url, headers=ALIVE).status_code == 200
    assert Reply.objects.get().state == "undone"
    page = ana.get(f"/conversations/{one.pk}/").content.decode()
    assert ">Hi Carla</textarea>" in page
    assert ana.post(url, headers=ALIVE).status_code == 409


def test_failed_and_doubtful_replies_say_why_and_what_can_be_done(cast, channel, ana):
    one = write(channel, "hello", cast.support)
    reply(ana, one, "Hi Carla")
    sent = Reply.objects.get()
    Reply.objects.update(state="failed", reason="The network refuses the same text twice.")
    page = ana.get(f"/conversations/{one.pk}/").content.decode()
    assert "refuses the same text twice" in page
    there = sent.parent.url
    footer = page.split('class="message__actions"')[1].split("</footer>")[0]
    assert re.search(rf'href="{there}"[^>]*>Open on the network', footer)
    assert f"/conversations/{one.pk}/replies/{sent.pk}/retry/" in page
    assert ana.post(f"/conversations/{one.pk}/replies/{sent.pk}/retry/", headers=ALIVE).status_code == 204
    Reply.objects.update(state="in_doubt", flagged_at=timezone.now())
    page = ana.get(f"/conversations/{one.pk}/").content.decode()
    assert "I found it" in page
    assert page.count("Open on the network") == 1
    url = f"/conversations/{one.pk}/replies/{sent.pk}/settlement/"
    assert ana.post(url, {"verdict": "sent", "url": "javascript:alert(1)"}, headers=ALIVE).status_code == 422
    assert ana.post(url, {"verdict": "sent", "url": "https://demo.example/9"}, headers=ALIVE).status_code == 204
    assert Reply.objects.get().state == "sent"


def test_our_own_post_that_came_back_is_shown_once(cast, channel, ana):
    one = write(channel, "hello", cast.support)
    reply(ana, one, "Hi Carla")
    Reply.objects.update(state="sent", external_id="own1", sent_at=timezone.now())
    first = one.mentions.first().external_id
    store(channel, post("Hi Carla", "brand", external_id="own1", parent_id=first, ours=True), team=cast.support)
    store(channel, post("by hand", "brand", external_id="own2", parent_id=first, ours=True), team=cast.support)
    page = ana.get(f"/conversations/{one.pk}/").content.decode()
    assert page.count(">Hi Carla<") == 1
    assert "sent outside" in page


def test_the_composer_comes_anew_when_what_it_answers_is_deleted_and_is_left_alone_by_other_news(cast, channel, ana):
    one = write(channel, "my parcel is late", cast.support, external_id="p-1")

    def news():
        told = ana.get(f"/conversations/{one.pk}/", {"since": news.mark}, headers=ALIVE)
        news.mark = told.headers["X-Mark"]
        return told.content.decode()

    news.mark = f"conversation:{one.pk}=0"
    news()
    answer(channel, one, "and nobody writes", external_id="p-2")
    assert "<reply-box" not in news()
    store(channel, post("", external_id="p-2", state=PostState.DELETED))
    assert "You can reply" in news()
    store(channel, post("", external_id="p-1", state=PostState.DELETED))
    html = news()
    assert "<reply-box" in html
    assert "You can reply" not in html
    assert "there is nothing to answer" in html
    one.retag(["late"], cast.max)
    assert "<reply-box" not in news()
    answer(channel, one, "here I am again", external_id="p-3")
    assert "You can reply" in news()


def test_edited_deleted_and_hostile_messages_are_shown_as_what_they_are(cast, channel, ana):
    hostile = '<img src=x onerror=alert(1)> <b hx-get="/x">'
    one = write(channel, hostile, cast.support, external_id="h1")
    page = ana.get(f"/conversations/{one.pk}/").content.decode()
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    edit = post("calmer words", external_id="h1", edited_at=timezone.now(), version="2", state=PostState.EDITED)
    store(channel, edit, team=cast.support)
    page = ana.get(f"/conversations/{one.pk}/").content.decode()
    assert "calmer words" in page
    assert "&lt;img src=x" in page.split("message__older")[1]
    store(channel, post("", external_id="h1", version="3", state=PostState.DELETED), team=cast.support)
    assert "deleted there" in ana.get(f"/conversations/{one.pk}/").content.decode()


def test_what_the_network_only_keeps_from_us_is_not_called_deleted(cast, channel, ana):
    one = write(channel, "hello", cast.support, external_id="h2")
    store(channel, post("", external_id="h2", version="2", state=PostState.WITHHELD), team=cast.support)
    page = ana.get(f"/conversations/{one.pk}/").content.decode()
    assert "not shown there" in page
    assert "The network no longer shows a message of" in page
    assert "deleted there" not in page


def test_drafts_are_versioned_and_an_older_one_never_overwrites(cast, channel, ana):
    one = write(channel, "hello", cast.support)
    url = f"/conversations/{one.pk}/draft/"
    assert ana.post(url, {"kind": "reply", "text": "Hi", "version": 0}).json() == {"version": 1}
    assert ana.post(url, {"kind": "reply", "text": "Hi C", "version": 1}).json() == {"version": 2}
    stale = ana.post(url, {"kind": "reply", "text": "other", "version": 1})
    assert (stale.status_code, stale.json()) == (409, {"version": 2, "text": "Hi C"})
    assert Draft.objects.get().text == "Hi C"


def test_saving_what_was_sent_a_moment_ago_leaves_no_draft(cast, channel, ana):
    one = write(channel, "hello", cast.support)
    one.reply(cast.ana, "We look into it", uuid.uuid4(), one.seen_seq, parent=one.last_inbound())
    url = f"/conversations/{one.pk}/draft/"
    assert ana.post(url, {"kind": "reply", "text": "We look into it", "version": 0}).json() == {"version": 0}
    assert not Draft.objects.exists()
    ana.post(url, {"kind": "reply", "text": "We look into it again", "version": 0})
    assert Draft.objects.get().text == "We look into it again"


@pytest.mark.parametrize("typed", ["We look into it ", "We look into it\n", "Hello,\nwe look into it"])
def test_what_was_sent_a_moment_ago_is_known_with_its_lines_and_the_blanks_around_it(cast, channel, ana, typed):
    one = write(channel, "hello", cast.support)
    url = f"/conversations/{one.pk}/"
    said = {"text": typed.replace("\n", "\r\n"), "key": uuid.uuid4(), "seen_seq": one.seen_seq, "kind": "reply"}
    assert ana.post(f"{url}replies/", said).status_code == 303
    assert ana.post(f"{url}draft/", {"kind": "reply", "text": typed, "version": 0}).json() == {"version": 0}
    assert not Draft.objects.exists()


def test_opening_a_conversation_reads_it_and_a_new_message_makes_it_unread_again(cast, channel, ana):
    one = write(channel, "hello", cast.support)
    unread = re.compile(r'unread="([^"]*)"')
    assert unread.search(ana.get("/views/all/").content.decode())[1] == str(one.pk)
    ana.get(f"/conversations/{one.pk}/")
    assert unread.search(ana.get("/views/all/").content.decode())[1] == ""
    answer(channel, one, "are you there?")
    assert unread.search(ana.get("/views/all/").content.decode())[1] == str(one.pk)
    page = ana.get(f"/conversations/{one.pk}/").content.decode()
    assert "data-first-unread" in page
    one.refresh_from_db()
    assert Seen.objects.get(agent=cast.ana).seq == one.seen_seq


def test_the_thread_tells_what_came_since(cast, channel, ana):
    one = write(channel, "hello", cast.support)
    mark = f"{one.stream}={one.seen_seq}"
    one.note(cast.max, "look here", uuid.uuid4())
    answer(channel, one, "are you there?")
    news = ana.get(f"/conversations/{one.pk}/?view=all", {"since": mark}, headers=ALIVE)
    html = news.content.decode()
    assert "look here" in html
    assert "are you there?" in html
    assert ">hello<" not in html
    assert news.headers["X-Mark"] == f"{one.stream}={one.seen_seq}"


def test_other_conversations_of_a_person_are_told_only_to_their_readers(cast, channel, ana):
    one = write(channel, "first matter", cast.support, ago=50)
    write(channel, "a second matter", cast.support, ago=40)
    write(channel, "about my job", cast.hr, ago=30)
    page = ana.get(f"/conversations/{one.pk}/").content.decode()
    other = page.split('id="person"')[1]
    assert "a second matter" in other
    assert "about my job" not in page


def test_the_top_item_is_dealt_and_opened(cast, channel, ana):
    one = write(channel, "first", cast.support, ago=100)
    write(channel, "second", cast.support, author="theo")
    told = ana.post("/views/all/top/")
    assert told.headers["Location"] == f"/conversations/{one.pk}/?view=all"
    one.refresh_from_db()
    assert one.agent == cast.ana


@pytest.mark.parametrize("view", ["all", "support", "mine"])
def test_the_top_of_a_narrowed_view_is_one_of_that_view(cast, channel, ana, view):
    write(channel, "first", cast.support, ago=100)
    for place, ago in enumerate((30, 40)):
        tagged = write(channel, "second", cast.support, author=f"a{place}", ago=ago)
        tagged.retag(["vip"], None)
    page = ana.get(f"/views/{view}/?tag=vip&order=newest").content.decode()
    address = re.search(r'action="(/views/[^"]+/top/[^"]*)"', page)[1].replace("&amp;", "&")
    told = ana.post(address).headers["Location"]
    tagged.refresh_from_db()
    if view == "mine":
        assert (told, tagged.agent) == ("/views/mine/?tag=vip", None)
    else:
        assert told.startswith(f"/conversations/{tagged.pk}/?view={view}")
        assert "tag=vip" in told
        assert tagged.agent == cast.ana


def test_nothing_is_dealt_of_what_is_done(cast, channel, ana):
    write(channel, "first", cast.support, ago=100)
    write(channel, "second", cast.support, author="theo").close(None)
    assert ana.post("/views/done/top/").headers["Location"] == "/views/done/"
    assert not Conversation.objects.exclude(agent=None).exists()


def test_what_somebody_does_before_it_is_dealt_is_not_dealt(cast, channel, ana):
    first = write(channel, "first", cast.support, ago=100)
    second = write(channel, "second", cast.support, author="theo")
    for one in (first, second):
        one.retag(["vip"], None)
    closed = []

    def meanwhile(execute, sql, params, many, context):
        if "inbox_change(" in str(sql) and not closed:
            closed.append(first)
            Conversation.objects.get(pk=first.pk).close(cast.max)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(meanwhile):
        told = ana.post("/views/all/top/?tag=vip").headers["Location"]
    assert closed
    assert told.startswith(f"/conversations/{second.pk}/")
    now = Conversation.objects.get(pk=first.pk)
    assert (now.state, now.agent) == (State.DONE, None)


def test_the_top_of_a_saved_view_is_one_of_that_view(cast, channel, ana):
    one = write(channel, "second", cast.support, ago=10)
    one.retag(["vip"], None)
    write(channel, "first", cast.support, author="theo", ago=100)
    saved = ana.post("/views/all/save/?tag=vip", {"name": "Important", "whose": "me"}).headers["Location"]
    assert ana.post(f"{saved}top/").headers["Location"].startswith(f"/conversations/{one.pk}/?view=saved-")


def test_a_tag_that_nobody_could_have_typed_stays_and_goes_like_others(cast, channel, ana):
    one = write(channel, "hello", cast.support)
    set_by_rule = ["#urgent", "money back", *(f"set by a rule {n}" for n in range(60))]
    one.retag(set_by_rule, None)
    was = ", ".join(sorted(set_by_rule))
    url = f"/conversations/{one.pk}/tags/"
    assert ana.post(url, {"tags": f"{was}, new", "was": was}).status_code == 303
    one.refresh_from_db()
    assert one.tags == sorted([*set_by_rule, "new"])
    assert ana.post(url, {"tags": "new", "was": f"{was}, new"}).status_code == 303
    one.refresh_from_db()
    assert one.tags == ["new"]
    assert ana.post(url, {"tags": "x" * 404, "was": "new"}).status_code == 422


def test_the_words_of_a_tag_with_blanks_are_tags_of_their_own(cast, channel, ana):
    one = write(channel, "hello", cast.support)
    one.retag(["money back"], None)
    url = f"/conversations/{one.pk}/tags/"
    ana.post(url, {"tags": "money back, money", "was": "money back"})
    one.refresh_from_db()
    assert one.tags == ["money", "money back"]
    ana.post(url, {"tags": "money back, vip", "was": "money back"})
    one.refresh_from_db()
    assert one.tags == ["money", "money back", "vip"], "what somebody else added meanwhile stays"


def test_presence_is_told_to_the_others_and_forgotten_when_left(cast, channel, client):
    one = write(channel, "hello", cast.support)
    client.force_login(cast.max)
    url = f"/conversations/{one.pk}/presence/"
    client.post(url, {"doing": "replying"})
    assert "Max is replying" not in client.get(url, headers=ALIVE).content.decode()
    client.force_login(cast.ana)
    assert "Max is replying" in client.get(url, headers=ALIVE).content.decode()
    client.force_login(cast.max)
    client.post(url, {"doing": ""})
    client.force_login(cast.ana)
    assert "Max is" not in client.get(url, headers=ALIVE).content.decode()


def statements(client, path, **more):
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(path, **more).status_code < 300
    return [query["sql"] for query in captured if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]


def test_pages_cost_the_same_few_statements_however_much_there_is(cast, channel, client):
    client.force_login(cast.max)
    costs = []
    for size in (3, 60):
        for place in range(size):
            one = write(channel, f"case {size} {place}", cast.support, author=f"a{size}-{place}", ago=place)
        one.note(cast.ana, "look", uuid.uuid4())
        one.reply(cast.max, "Hi", uuid.uuid4(), one.seen_seq, parent=one.last_inbound())
        for _ in range(size // 3):
            answer(channel, one, "more")
        client.get("/views/all/")
        mark = re.search(r'mark="([^"]+)"', client.get("/views/all/").content.decode())[1]
        one.close(cast.ana)
        costs.append(
            {
                "queue": len(statements(client, "/views/all/")),
                "since": len(statements(client, f"/views/all/?since={mark.replace(' ', '+')}", headers=ALIVE)),
                "conversation": len(statements(client, f"/conversations/{one.pk}/", headers=ALIVE)),
                "counts": len(statements(client, "/views/counts/")),
            }
        )
    assert costs[0] == costs[1]
    assert costs[0]["queue"] <= 8
    assert costs[0]["since"] <= 8
    assert costs[0]["conversation"] <= 10
    assert costs[0]["counts"] <= 4


def test_a_snooze_offers_only_times_to_come(cast):
    from inbox.forms import snooze_choices

    now = timezone.now()
    choices = snooze_choices(now)
    assert choices
    assert all(now < choice.at < now + timedelta(days=8) for choice in choices)


FAR = ("9999-12-31T23:59", "9999-12-31T23:59-12:00", "0001-01-01T00:00+14:00", "2999-01-01T09:00")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_snooze_of_centuries_is_refused_in_words_and_harms_no_page(cast, channel, ana, zone):
    one = write(channel, "case", cast.support)
    Agent.objects.filter(pk=cast.ana.pk).update(zone=zone)
    acts = ((f"/conversations/{one.pk}/snooze/", {}), ("/views/all/bulk/", {"conversation": one.pk, "act": "snooze"}))
    for path, given in acts:
        said = [ana.post(path, {**given, "until": until}) for until in FAR]
        assert [each.status_code for each in said] == [422] * len(FAR), path
        assert "within the next two years" in said[0].content.decode(), path
    Conversation.objects.update(state=State.SNOOZED, snoozed_until=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    for path in (f"/conversations/{one.pk}/", "/views/all/", f"/conversations/{one.pk}/trace/"):
        assert ana.get(path).status_code == 200, path


def test_what_was_set_aside_until_after_the_calendar_is_back_in_two_years(cast, channel, ana):
    far, near = (write(channel, "case", cast.support, author=author) for author in ("carla", "theo"))
    soon = timezone.now() + timedelta(hours=1)
    Conversation.objects.update(state=State.SNOOZED, snoozed_until=soon)
    [mending] = import_module("inbox.migrations.0014_within_the_calendar").Migration.operations
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE inbox_conversation SET snoozed_until = '10000-01-01 11:59+00' WHERE id = {far.pk}")
        with pytest.raises(ValueError, match="year"):
            far.refresh_from_db()
        cursor.execute(mending.sql)
    assert ana.get(f"/conversations/{far.pk}/").status_code == 200
    far.refresh_from_db()
    near.refresh_from_db()
    assert timedelta(days=729) < far.snoozed_until - timezone.now() < timedelta(days=732)
    assert near.snoozed_until == soon


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "10000-01-01", "9" * 50])
def test_a_search_takes_every_day_of_the_calendar(cast, channel, ana, day):
    Agent.objects.filter(pk=cast.ana.pk).update(zone="Pacific/Kiritimati")
    assert ana.get("/search/", {"q": "case", "since": day, "until": day}).status_code == 200


def test_every_page_bears_the_name_of_the_house(cast, client):
    from socialcare import pages
    from socialcare.models import Organisation

    Organisation.objects.update_or_create(pk=1, defaults={"name": "Acme Parcels"})
    pages._organisation.cache_clear()
    client.force_login(cast.ana)
    page = client.get("/views/all/").content.decode()
    pages._organisation.cache_clear()
    assert "Acme Parcels</title>" in page
    assert page.count("Acme Parcels") >= 2

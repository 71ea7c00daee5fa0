"""Search: what is found, by whom, and that nothing that was edited, deleted or moved away is found as it was."""

import html
import itertools
import re
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.template.loader import get_template
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from connectors.models import Topic, TopicMention
from inbox.failpoints import Failpoint, arm
from inbox.models import Conversation, Mention, Reply, SearchDue, SearchFill, SearchKind, SearchText
from inbox.searching import finding, indexing, looking, marking
from inbox.searching.asking import read, tsquery
from inbox.searching.finding import find
from inbox.searching.looking import Ask
from inbox.searching.marking import excerpt
from inbox.searching.words import fold, vector, words
from tests.waiting import PATIENCE
from tests.world import answer, make_channel, post, store, without_tokens, write

EVERYBODY = ("ana", "max", "hugo", "pia", "mona", "ada", "eva", "otto")


@pytest.fixture(scope="module", autouse=True)
def loaded():
    """Before any test begins a transaction: on a busy machine it takes longer than one may idle."""
    assert get_resolver().url_patterns
    for name in ("inbox/search.html", "inbox/search_hits.html", "frame.html", "base.html", "parts/views_pane.html"):
        assert get_template(name)


@pytest.fixture
def channel(cast):
    SearchFill.objects.all().delete()
    return make_channel()


def texts(agent, asked, **narrowed):
    """What this agent finds, newest first."""
    indexing.index_due()
    found = find(Ask(read(asked), **narrowed), sorted(agent.readable_team_ids))
    return [row.text for row in found.rows]


def page(client, agent, query, **headers):
    indexing.index_due()
    client.force_login(agent)
    return client.get(f"/search/?{query}", headers=headers)


def many_write(channel, count, words, team):
    """That many people write, the one numbered 0 last."""
    store(channel, *(post(f"{words} {number}", f"a{number}", ago=number) for number in range(count)), team=team)


def note(conversation, agent, text):
    conversation.refresh_from_db()
    return conversation.note(agent, text, uuid.uuid4())


def reply(conversation, agent, text):
    conversation.refresh_from_db()
    return conversation.reply(agent, text, uuid.uuid4(), conversation.seen_seq, anyway=True)


# What is found


@pytest.mark.parametrize(
    ("asked", "is_found"),
    [
        ("refund", True),
        ("REFUND", True),
        ("páge refund", True),
        ("refunds", False),
        ("ref*", True),
        ("r*", False),
        ('"refund page"', True),
        ('"page refund"', False),
        ('"your refund page" blank', True),
        ("refund -blank", False),
        ("refund -parcel", True),
        ("from:carla", True),
        ("from:@carla refund", True),
        ("from:theo refund", False),
        ("-from:theo refund", True),
        ("from:car*", True),
        ('from:"Carla Mendes"', True),
        ("münchen", True),
        ("MUNCHEN", True),
        ("strasse", True),
        ("don't", True),
        ("dont", False),
        ("acme.example/t/88213", True),
        ("88213", True),
        ("🔥", True),
        ("https://demo.example/post-77", True),
        ("http://www.demo.example/post-77/", True),
        ("https://demo.example/post-78", False),
        ("post-77", True),
        ("“blank page”", False),
        ('"page is blank', True),
    ],
)
def test_words_phrases_beginnings_authors_and_addresses_are_found(cast, channel, asked, is_found):
    said = "Your refund page is blank in München, Straße 5. I don't get it 🔥 https://acme.example/t/88213"
    write(channel, said, cast.support, name="Carla Mendes", external_id="post-77")
    assert texts(cast.ana, asked) == ([said] if is_found else [])


@pytest.mark.parametrize(
    ("said", "asked", "is_found"),
    [
        ("我的包裹在哪里", "包裹", True),
        ("我的包裹在哪里", "包", True),
        ("我的包裹在哪里", "里", True),
        ("我的包裹在哪里", "裹包", False),
        ("我的包裹在哪里", "我的包裹在哪里", True),
        ("iPhone手机坏了", "手机", True),
        ("iPhone手机坏了", "iphone", True),
        ("荷物が届きません", "届きません", True),
        ("พัสดุอยู่ที่ไหน", "อยู่", True),
        ("متى يصل طلبي؟", "طلبي", True),
        ("مَتَى يَصِل", "متى يصل", True),
        ("मेरा पार्सल कहाँ है", "पार्सल", True),
        ("Где моя посылка?", "ПОСЫЛКА", True),
        ("택배가 어디에 있나요", "택배가", True),
    ],
)
def test_scripts_without_spaces_and_without_case_are_found(cast, channel, said, asked, is_found):
    write(channel, said, cast.support)
    assert bool(texts(cast.ana, asked)) is is_found


def test_replies_and_notes_are_found_beside_messages_newest_first(cast, channel):
    one = write(channel, "my parcel is late", cast.support, ago=60)
    reply(one, cast.ana, "Your parcel comes today")
    note(one, cast.ana, "the parcel was lost twice")
    assert texts(cast.ana, "parcel") == [
        "the parcel was lost twice",
        "Your parcel comes today",
        "my parcel is late",
    ]
    assert texts(cast.ana, "from:ana parcel") == ["the parcel was lost twice", "Your parcel comes today"]
    assert texts(cast.ana, "parcel", kinds=[SearchKind.NOTE]) == ["the parcel was lost twice"]
    assert texts(cast.ana, "parcel", kinds=[SearchKind.MENTION]) == ["my parcel is late"]
    assert texts(cast.ana, "", kinds=[SearchKind.REPLY]) == ["Your parcel comes today"]
    assert texts(cast.ana, "", writers=[cast.ana.pk]) == ["the parcel was lost twice", "Your parcel comes today"]
    assert texts(cast.ana, "", writers=[cast.max.pk]) == []


def test_an_old_subject_of_a_mail_is_found_once(cast, channel):
    one = write(channel, "see below", cast.support, subject="Invoice of March")
    answer(channel, one, "and another thing")
    assert texts(cast.ana, "invoice") == ["see below"]


def test_what_is_narrowed_to_holds(cast, channel):
    other = make_channel("@acme_help")
    old = timezone.now() - timedelta(days=800)
    write(channel, "parcel one", cast.support, author="carla")
    late = write(other, "parcel two", cast.product, author="theo", at=old)
    late.close(cast.max)
    ada = cast.ada
    assert texts(ada, "parcel") == ["parcel one", "parcel two"]
    assert texts(ada, "parcel", channels=[other.pk]) == ["parcel two"]
    assert texts(ada, "parcel", teams=[cast.support.pk]) == ["parcel one"]
    assert texts(ada, "parcel", states=[4]) == ["parcel two"]
    assert texts(ada, "parcel", states=[0, 4]) == ["parcel one", "parcel two"]
    assert texts(ada, "parcel", until=timezone.now() - timedelta(days=1)) == ["parcel two"]
    assert texts(ada, "parcel", since=timezone.now() - timedelta(days=1)) == ["parcel one"]
    assert texts(ada, "", states=[4]) == ["parcel two"]
    assert texts(ada, "-one") == ["parcel two"]


# Who finds it


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize("team", ["support", "product", "hr"])
def test_only_readers_of_the_team_find_what_was_said_there(cast, channel, client, who, team):
    one = write(channel, "a secretword here", getattr(cast, team), author="ines")
    note(one, cast.hugo, "another secretword")
    readers = {"support": {"ana", "max", "ada"}, "product": {"pia", "ada"}, "hr": {"hugo"}}[team]
    agent = getattr(cast, who)
    assert len(texts(agent, "secretword")) == (2 if who in readers else 0)
    answered = page(client, agent, "q=secretword")
    absent = client.get("/search/?q=neversaidword")
    if who in ("eva", "otto"):
        assert answered.status_code == absent.status_code == 404
    elif who not in readers:
        assert plain(answered, "secretword") == plain(absent, "neversaidword")
    else:
        assert f"/conversations/{one.pk}/" in answered.content.decode()


def plain(response, word):
    body = re.sub(r'csrfmiddlewaretoken" value="[^"]+', "", response.content.decode())
    return body.replace(word, "WORD")


def test_asking_for_a_team_one_does_not_read_finds_nothing(cast, channel, client):
    write(channel, "a secretword here", cast.hr)
    assert texts(cast.ana, "secretword", teams=[cast.hr.pk]) == []
    answered = page(client, cast.ana, f"q=secretword&team={cast.hr.pk}").content.decode()
    assert "HR" not in without_tokens(answered)


def test_what_moves_into_a_private_team_is_gone_before_its_words_are_moved(cast, channel):
    one = write(channel, "a job question", cast.support)
    assert texts(cast.ana, "job") == ["a job question"]
    assert one.assign(cast.hr, None, by=cast.max)
    assert find(Ask(read("job")), sorted(cast.ana.readable_team_ids)).rows == []
    assert texts(cast.hugo, "job") == ["a job question"]
    assert texts(cast.ana, "job") == texts(cast.ada, "job") == []


def test_what_leaves_a_private_team_takes_the_messages_along_but_not_what_was_written_there(cast, channel):
    one = write(channel, "a payroll question", cast.hr)
    note(one, cast.hugo, "payroll says she left in May")
    reply(one, cast.hugo, "Dear Ines, payroll will write to you")
    one.refresh_from_db()
    assert one.assign(cast.support, None, by=cast.hugo)
    note(one, cast.ana, "payroll is not ours")
    assert texts(cast.ana, "payroll") == ["payroll is not ours", "a payroll question"]
    cast.hugo.join(cast.support, "agent", by=None)
    assert len(texts(cast.hugo, "payroll")) == len(texts(cast.hugo, "payroll", teams=[cast.support.pk])) == 4


def test_who_left_the_team_finds_nothing_of_it(cast, channel, client):
    write(channel, "my parcel is late", cast.support)
    assert "hit-mention" in page(client, cast.ana, "q=parcel").content.decode()
    cast.ana.leave(cast.support, by=None)
    assert client.get("/search/?q=parcel").status_code == 404


def test_an_address_from_a_colleague_gives_only_what_is_ones_own(cast, channel, client):
    many_write(channel, 60, "secretword", cast.hr)
    told = page(client, cast.hugo, "q=secretword").content.decode()
    (more,) = set(re.findall(r'href="(/search/\?[^"]*after=[^"]+)"', told))
    client.force_login(cast.ana)
    assert "hit-mention" not in client.get(html.unescape(more)).content.decode()


# What changes


def test_an_edited_message_is_found_by_its_new_words_only(cast, channel):
    one = write(channel, "the purple parcel", cast.support, external_id="e1")
    assert texts(cast.ana, "purple") == ["the purple parcel"]
    store(channel, post("the yellow parcel", external_id="e1", state="edited", version="2", edited_at=timezone.now()))
    assert texts(cast.ana, "purple") == []
    assert texts(cast.ana, "yellow parcel") == ["the yellow parcel"]
    assert one.mentions.count() == 1


@pytest.mark.parametrize("state", ["deleted", "withheld"])
def test_what_is_deleted_or_withheld_there_is_not_found_any_more(cast, channel, state):
    write(channel, "the purple parcel", cast.support, external_id="e1")
    assert texts(cast.ana, "purple") == ["the purple parcel"]
    store(channel, post("", external_id="e1", state=state, version="2"))
    assert find(Ask(read("purple")), sorted(cast.ana.readable_team_ids)).rows == []
    assert texts(cast.ana, "purple") == []
    assert not SearchText.objects.exists()


def test_a_reply_that_was_taken_back_is_not_found(cast, channel):
    one = write(channel, "my parcel is late", cast.support)
    sent = reply(one, cast.ana, "the purple answer")
    assert texts(cast.ana, "purple") == ["the purple answer"]
    assert sent.undo(cast.ana)
    assert texts(cast.ana, "purple") == []


def test_a_reply_that_comes_back_from_the_network_is_found_once_and_by_its_address(cast, channel):
    one = write(channel, "my parcel is late", cast.support, external_id="c1")
    sent = reply(one, cast.ana, "the purple answer")
    Reply.objects.filter(pk=sent.pk).update(state="sending")
    sent.refresh_from_db()
    store(channel, post("the purple answer", author="brand", external_id="r1", parent_id="c1", ours=True))
    texts(cast.ana, "purple")
    sent.sent("r1", "https://demo.example/r1")
    assert texts(cast.ana, "purple") == ["the purple answer"]
    assert texts(cast.ana, "https://demo.example/r1") == ["the purple answer"]


def test_a_person_who_is_called_otherwise_now_is_found_by_the_new_name_everywhere(cast, channel):
    write(channel, "the first parcel", cast.support, author="carla", name="Carla Mendes", ago=100)
    assert texts(cast.ana, "from:mendes") == ["the first parcel"]
    store(channel, post("the second parcel", author="carla", name="Carla Silva"), team=cast.support)
    assert texts(cast.ana, "from:silva") == ["the second parcel", "the first parcel"]
    assert texts(cast.ana, "from:mendes") == []


def test_a_conversation_that_is_removed_is_not_found(cast, channel):
    one = write(channel, "the purple parcel", cast.support)
    texts(cast.ana, "purple")
    Mention.objects.filter(conversation=one).delete()
    assert texts(cast.ana, "purple") == []


# Taking up


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("time", ["once", "again"])
def test_what_the_migrations_left_to_be_taken_up_is_there_for_every_test(time):
    assert sorted(SearchFill.objects.values_list("kind", flat=True)) == [1, 2, 3]
    indexing.fill()


def test_what_was_there_before_search_is_taken_up_the_newest_first(cast, channel, monkeypatch):
    many_write(channel, 7, "parcel", cast.support)
    one = Conversation.objects.order_by("pk").first()
    note(one, cast.ana, "an old parcel note")
    SearchDue.objects.all().delete()
    SearchFill.objects.bulk_create(SearchFill(kind=kind) for kind in (1, 2, 3))
    monkeypatch.setattr(indexing, "PIECE", 3)
    while SearchFill.objects.filter(kind__gt=1).exists():
        indexing.fill()
    indexing.fill()
    newest = Mention.objects.order_by("-pk").values_list("pk", flat=True)[:3]
    assert set(SearchDue.objects.filter(kind=1).values_list("row_id", flat=True)) == set(newest)
    assert len(texts(cast.ana, "parcel")) == 8
    assert not SearchFill.objects.exists()


@pytest.mark.parametrize("place", ["search.after_take", "search.before_commit"])
def test_a_worker_that_dies_in_a_batch_leaves_it_to_the_next(cast, channel, monkeypatch, place):
    write(channel, "the purple parcel", cast.support)
    monkeypatch.setenv("TESTING", "1")
    monkeypatch.setenv("FAILPOINTS", f"{place}=raise")
    arm()
    try:
        with pytest.raises(Failpoint):
            indexing.index_due()
    finally:
        monkeypatch.delenv("FAILPOINTS")
        arm()
    assert SearchDue.objects.count() == 1
    assert not SearchText.objects.exists()
    assert texts(cast.ana, "purple") == ["the purple parcel"]
    assert not SearchDue.objects.exists()


def test_many_batches_take_up_everything_and_nothing_twice(cast, channel):
    many_write(channel, 25, "parcel", cast.support)
    assert indexing.index_due(batch=4) == 25
    assert SearchText.objects.count() == 25
    assert indexing.index_due() == 0


@pytest.mark.django_db(transaction=True)
def test_two_workers_do_not_write_over_each_other(cast, channel):
    import threading

    from django.db import connections, transaction

    write(channel, "the purple parcel", cast.support)
    seen = []

    def other():
        seen.append(indexing.index_due(seconds=1))
        connections.close_all()

    with transaction.atomic():
        assert indexing._mine()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(PATIENCE)
    assert seen == [0]
    assert indexing.index_due() == 1


def test_a_text_that_cannot_be_taken_up_does_not_hold_up_the_others(cast, channel, monkeypatch):
    many_write(channel, 5, "parcel", cast.support)
    one = Mention.objects.get(text="parcel 3")
    words_of = indexing.words_of
    # What PostgreSQL refuses of a text is not known yet; this is something that it refuses for sure.
    monkeypatch.setattr(indexing, "words_of", lambda row: "a:b:c '" if row.row_id == one.pk else words_of(row))
    indexing.index_due()
    assert not SearchDue.objects.exists()
    assert texts(cast.ana, "parcel") == ["parcel 0", "parcel 1", "parcel 2", "parcel 4"]


def test_only_the_one_to_blame_is_left_out_whoever_was_faster(cast, channel):
    many_write(channel, 2, "parcel", cast.support)
    first, second = SearchDue.objects.order_by("id").values_list("kind", "row_id")
    indexing._leave_out({second[0]: {second[1]}})
    assert SearchDue.objects.count() == 2
    indexing._leave_out({first[0]: {first[1]}})
    assert list(SearchDue.objects.values_list("kind", "row_id")) == [second]


def test_a_very_long_text_is_taken_up_as_far_as_it_can_be(cast, channel):
    import random

    chance = random.Random(5)
    letters = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
    long = " ".join("".join(chance.choices(letters, k=90)) for _ in range(12_000))
    write(channel, f"purple {long}", cast.support)
    write(channel, "yellow " + "same " * 20_000, cast.support, author="theo")
    assert len(texts(cast.ana, "purple")) == 1
    assert len(texts(cast.ana, '"same same"')) == 1


# What is typed


@given(st.text(max_size=60))
def test_whatever_is_typed_is_read(text):
    for term in read(text):
        assert term.words or term.author


@pytest.mark.django_db
def test_whatever_is_typed_is_a_search_and_whatever_is_said_can_be_taken_up(db):
    signs = st.sampled_from([*"'\"\\:*&|!()<>-@#=%;\t\n\0 aé字ก🔥½ſﬁ", "from:", "<->", ":*", "''", "a:b", "\\'"])

    @given(st.one_of(st.text(max_size=40), st.lists(signs, max_size=20).map("".join)))
    def ask(text):
        text = text.replace("\0", "").encode("utf-8", "ignore").decode()
        terms = read(text)
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::tsvector", (vector([text, text], {"'#c1'"}),))
            if asked := tsquery(terms, ["'#c1'"]):
                cursor.execute("SELECT %s::tsquery", (asked,))

    ask()


@pytest.mark.django_db
def test_every_word_of_a_text_finds_the_text(db):
    @given(st.text(min_size=1, max_size=30))
    def ask(text):
        text = text.replace("\0", "").encode("utf-8", "ignore").decode()
        for typed in [text.replace('"', " "), *text.split()]:
            terms = [term for term in read(f'"{typed}"') if not term.without]
            if terms:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT %s::tsvector @@ %s::tsquery", (vector([text], ()), tsquery(terms)))
                    assert cursor.fetchone() == (True,), (text, typed)

    ask()


@given(st.text(max_size=40))
def test_folding_twice_is_folding_once(text):
    assert fold(fold(text)) == fold(text)


def test_hostile_addresses_are_answered(cast, channel, client):
    write(channel, "my parcel is late", cast.support)
    assert page(client, cast.ana, "q=%00").status_code == 400
    for query in (
        "q=" + "a" * 9000,
        "q=" + "%28" * 400,
        "q=%27%3B%20DROP%20TABLE",
        "q=a*%20b*%20c*",
        "q=parcel&team=x&team=99999999999999999999&channel=-1&state=nope&kind=%27&by=0",
        "q=parcel&since=2026-99-99&until=yesterday",
        "q=parcel&until=9999-12-31&since=0001-01-01",
        "q=" + "-a%20" * 300,
        "since=2026-01-01",
        "q=%22%22%22%22",
    ):
        assert page(client, cast.ana, query).status_code == 200, query
    for after in ("x", "", "WzFd:abc"):
        assert page(client, cast.ana, f"q=parcel&after={after}").status_code == 404


def test_text_of_strangers_is_never_markup(cast, channel, client):
    said = '<script>alert("parcel")</script> <b>parcel</b> &amp; <mark>'
    write(channel, said, cast.support, name="<i>Carla</i>")
    told = page(client, cast.ana, "q=parcel").content.decode()
    assert "<script>alert" not in told
    assert "<b>" not in told
    assert "<i>" not in told
    assert told.count("<mark>parcel</mark>") == 2
    assert "&lt;mark&gt;" in told
    assert "&lt;script&gt;" in told


# What is shown


def marked(text, asked):
    return "".join(f"[{piece.text}]" if piece.marked else piece.text for piece in excerpt(text, read(asked)))


def test_the_words_that_were_asked_for_are_marked_as_they_were_written():
    assert marked("Das Päckchen kam zu spät", "packchen SPAT") == "Das [Päckchen] kam zu [spät]"
    assert marked("the refund page is a refund", '"refund page"') == "the [refund page] is a refund"
    assert marked("refunded twice", "refund*") == "[refunded] twice"
    assert marked("我的包裹在哪里", "包裹在") == "我的[包裹在]哪里"
    assert marked("late parcel", "parcel -late from:carla") == "late [parcel]"


def test_a_long_text_is_cut_around_the_first_word_that_was_asked_for():
    shown = marked(f"{'before ' * 60}the parcel {'after ' * 200}", "parcel")
    assert shown.startswith("…before ")
    assert shown.endswith("after…")
    assert "the [parcel] after" in shown
    assert len(shown) < 320


def test_marking_reads_a_text_no_further_than_its_excerpt(monkeypatch):
    read_on = []
    monkeypatch.setattr(marking, "words", lambda text: (read_on.append(word) or word for word in words(text)))
    pieces = marking.excerpt("the parcel " + "and so on " * 1_500, read("parcel"))
    assert [piece.text for piece in pieces if piece.marked] == ["parcel"]
    assert len(read_on) < 120


def test_a_hit_opens_its_conversation_in_the_view_that_lists_it(cast, channel, client):
    one = write(channel, "my parcel is late", cast.support)
    two = write(channel, "a done parcel", cast.support, author="theo")
    two.close(cast.ana)
    told = html.unescape(page(client, cast.ana, "q=parcel").content.decode())
    for each, view in ((one, "all"), (two, "done")):
        mention = each.mentions.get()
        address = f"/conversations/{each.pk}/?view={view}#mention-{mention.pk}"
        assert f'href="{address}"' in told
        opened = client.get(address).content.decode()
        assert f'id="mention-{mention.pk}"' in opened


def test_a_hit_far_up_in_a_long_conversation_opens_with_the_earlier_messages(cast, channel, client, monkeypatch):
    monkeypatch.setattr(finding, "MESSAGES", 3)
    one = write(channel, "the purple parcel", cast.support, ago=1000)
    for number in range(3):
        answer(channel, one, f"more {number}", ago=900 - number)
    assert "earlier=1" in page(client, cast.ana, "q=purple").content.decode()
    assert "earlier=1" not in page(client, cast.ana, "q=more").content.decode()


def test_a_page_that_is_alive_gets_what_was_found_and_its_address(cast, channel, client):
    write(channel, "my parcel is late", cast.support)
    answered = page(
        client, cast.ana, "q=parcel&channel=&by=&since=", **{"HX-Request": "true", "HX-Target": "section#search-found"}
    )
    told = answered.content.decode()
    assert told.startswith("<section")
    assert "<html" not in told
    assert answered["HX-Replace-Url"] == "/search/?q=parcel"


def test_pages_follow_each_other_without_gaps_and_doubles(cast, channel, client):
    many_write(channel, 120, "parcel", cast.support)
    indexing.index_due()
    ids, after = [], None
    for _ in range(3):
        found = find(Ask(read("parcel")), sorted(cast.ana.readable_team_ids), after)
        ids += [row.text for row in found.rows]
        after = found.more
    assert ids == [f"parcel {number}" for number in range(120)]
    assert after is None
    first = page(client, cast.ana, "q=parcel").content.decode()
    (more,) = set(re.findall(r'hx-get="(/search/\?[^"]*after=[^"]+)"', first))
    rows = client.get(html.unescape(more), headers={"HX-Request": "true"}).content.decode()
    assert rows.count('data-key="') == 50
    assert "<html" not in rows


def test_nothing_found_says_what_may_help(cast, channel, client):
    write(channel, "my parcels are late", cast.support)
    told = page(client, cast.ana, "q=parcel&kind=note").content.decode()
    assert "q=parcel%2A" in told
    assert 'href="/search/?q=parcel"' in told
    assert "hit-mention" in page(client, cast.ana, "q=parcel%2A").content.decode()


# What it costs


def asked_of_the_database(client, address, **headers):
    with CaptureQueriesContext(connection) as seen:
        assert client.get(address, headers=headers).status_code == 200
    return [query["sql"] for query in seen]


@pytest.mark.parametrize("count", [3, 200])
def test_a_search_costs_at_most_eight_statements_however_much_is_found(cast, channel, client, count):
    many_write(channel, count, "parcel", cast.support)
    assert page(client, cast.ada, "q=parcel").status_code == 200
    assert len(asked_of_the_database(client, "/search/?q=parcel&kind=message&state=new")) <= 8
    assert len(asked_of_the_database(client, "/search/?q=nowhere")) <= 8
    alive = {"HX-Request": "true", "HX-Target": "section#search-found"}
    assert len(asked_of_the_database(client, "/search/?q=parcel", **alive)) <= 5


@pytest.fixture
def many(cast, channel):
    """A hundred thousand texts, of which the newest have common words and the oldest one a rare one."""
    one = write(channel, "the rarest word", cast.support)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO inbox_searchtext (kind, row_id, conversation_id, team_id, at, words)
               SELECT 1, -n, %s, CASE WHEN n %% 100 = 0 THEN %s ELSE %s END, now() - n * interval '1 minute',
                      ('common:1 ' || CASE WHEN n > 99990 THEN 'rare:2' ELSE 'w' || n %% 1000 || ':2' END)::tsvector
                 FROM generate_series(1, 100000) n""",
            (one.pk, cast.hr.pk, cast.support.pk),
        )
        cursor.execute("ANALYZE inbox_searchtext")
    return one


def test_neither_frequent_nor_rare_words_read_the_whole_table(cast, many):
    """Rows that are touched: a page of the newest for frequent words, the first look and the hits for rare ones."""
    for asked, reads in {"common": 400, "w7": 19_000, "rare": 5_000, "common rare": 5_000}.items():
        with CaptureQueriesContext(connection) as seen:
            keys, _ = looking.keys(Ask(read(asked)), [cast.support.pk], None)
        assert keys, asked
        assert touched_by(seen) <= reads, asked


def test_every_way_of_looking_finds_the_same_rows(cast, many):
    """In a small team and in all of them, from the beginning and after a page; beside a plain sort of all rows."""
    few, everybody = [cast.hr.pk], [cast.support.pk, cast.hr.pk]
    for asked, teams in itertools.product(("common", "w7", "w100", "rare", "common -w7", "nowhere"), (few, everybody)):
        ask, after = Ask(read(asked)), None
        for _page in range(2):
            wanted, place, values = looking.conditions(ask, teams, after)
            plain = (
                f"SELECT kind, row_id, at FROM inbox_searchtext s WHERE {wanted} AND {place} ORDER BY at DESC LIMIT 51"
            )
            expected = looking.run(plain, values)
            assert looking.keys(ask, teams, after) == (expected, None), (asked, teams)
            if len(expected) <= looking.PAGE:
                break
            kind, row_id, at = expected[looking.PAGE - 1]
            after = looking.Mark(at, kind, row_id)


def touched_by(seen):
    """Rows of the words' table that the plans touch, none of them by reading all of it."""
    scans = []
    for query in seen:
        settings, patience, statement = query["sql"].split(";", 2)
        with connection.cursor() as cursor:
            cursor.execute(f"{settings}; {patience}; EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
            plan = cursor.fetchone()[0][0]["Plan"]
        scans += [node for node in parts(plan) if node.get("Relation Name") == "inbox_searchtext"]
    assert "Seq Scan" not in {node["Node Type"] for node in scans}
    return sum(node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0) for node in scans)


def test_a_rare_theme_does_not_read_the_whole_table(cast, many):
    topic, mention = Topic.objects.create(name="Kettles"), many.mentions.get()
    Mention.objects.update(posted_at=timezone.now() - timedelta(days=900))
    TopicMention.objects.create(topic=topic, mention=mention, posted_at=mention.posted_at, themes=[7])
    indexing.index_due()
    ask = Ask(themes=[7])
    with CaptureQueriesContext(connection) as seen:
        keys, _ = looking.keys(ask, [cast.support.pk], None)
    assert [key[1] for key in keys] == [mention.pk]
    assert touched_by(seen) <= 5_000


def parts(plan):
    yield plan
    for each in plan.get("Plans", ()):
        yield from parts(each)


@pytest.mark.django_db(transaction=True)
def test_a_search_that_takes_too_long_goes_back_in_time_piece_by_piece(cast, many, monkeypatch):
    monkeypatch.setattr(looking, "LOOK", 10)
    monkeypatch.setattr(looking, "WALK", 40_000)
    run = looking.run

    def slow(sql, values):
        by_words = "interval '0'" in sql
        return run(sql.replace("SELECT kind", "SELECT pg_sleep(30); SELECT kind", 1) if by_words else sql, values)

    monkeypatch.setattr(looking, "run", slow)
    monkeypatch.setattr(looking, "PATIENCE", 900)
    after, looks, rows = None, 0, []
    while looks == 0 or after:
        keys, after = looking.keys(Ask(read("rare")), [cast.support.pk], after)
        rows += keys
        looks += 1
    assert looks == 3
    assert sorted(row[1] for row in rows) == list(range(-99_999, -99_990))


@pytest.mark.django_db(transaction=True)
def test_a_walk_that_is_too_slow_is_made_shorter(cast, many, monkeypatch):
    monkeypatch.setattr(looking, "LOOK", 10)
    monkeypatch.setattr(looking, "WALK", 40_000)
    run, walked = looking.run, []

    def slow(sql, values):
        if "LIMIT 4000)" not in sql:
            sql = sql.replace("WITH ", "SELECT pg_sleep(30); WITH ", 1)
        walked.append(sql)
        return run(sql, values)

    monkeypatch.setattr(looking, "run", slow)
    monkeypatch.setattr(looking, "PATIENCE", 400)
    keys, back_to = looking.keys(Ask(read("rare")), [cast.support.pk], None)
    assert len(walked) == 3
    assert keys == []
    assert back_to.row_id < 0

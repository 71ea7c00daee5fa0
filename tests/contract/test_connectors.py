"""What every network keeps, tried on each registered one against its fake. A network without a fake fails here."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest

from connectors.base import (
    CURSOR_LIMIT,
    Absent,
    AuthRevoked,
    Budget,
    CannotKnow,
    Connector,
    Deleted,
    Duplicate,
    Fault,
    NotPermitted,
    Outgoing,
    PolicyRefused,
    PostState,
    Secrets,
    Sent,
)
from connectors.faults import Outcome
from connectors.http import Seam
from tests.fakes.network import CANARY
from tests.faults import reply

NETWORKS = sorted(Connector.kinds())
ROUNDS = ("facebook", "instagram", "linkedin", "reddit", "threads")
INSIDE = re.compile(r"/(comments|conversation)$|/conversations/[^/]+$")
"""What hangs on a thing of a list there."""
HOSTILE = [
    "<script>alert(1)</script>", "a\x00b", "lone \ud800 surrogate", "bidi \u202e txt", "e" + "\u0301" * 10_000,
    "{{ 7*7 }} ${7*7} %s", "=cmd()", "x" * 1_000_000, "javascript:alert(1)", "<p hx-get=/x onload=1>",
    "\u2028\u2029\ufeff",
]  # fmt: skip


@pytest.fixture(params=NETWORKS)
def fake(request):
    with import_module(f"tests.fakes.{request.param}").Fake() as fake:
        yield fake


@pytest.fixture
def writing(fake):
    if not fake.writes:
        pytest.skip(f"{fake.name} takes no answers")
    return fake


def latest(posts):
    return {post.external_id: post for post in posts}


def test_a_network_says_what_it_is_and_asks_for():
    for name, kind in Connector.kinds().items():
        assert kind.name == name
        assert kind.label
        assert kind.form
        assert kind.sources
        for source in kind.sources:
            assert 0 < source.least <= source.interval <= source.most


def test_reading_from_nothing_gives_what_the_ledger_holds(fake):
    for number in range(25):
        fake.say(f"post {number}")
    posts, bad, cursor, gaps = fake.read(fake.connector())
    assert set(latest(posts)) == fake.ids()
    assert not bad
    assert not gaps
    assert len(json.dumps(cursor)) <= CURSOR_LIMIT


def test_reading_on_from_a_cursor_finds_what_came_since(fake):
    fake.say("before")
    _, _, cursor, _ = fake.read(fake.connector())
    new = fake.say("after")
    posts, _, _, gaps = fake.read(fake.connector(), json.loads(json.dumps(cursor)))
    assert new in latest(posts)
    assert not gaps


def test_reading_cut_by_its_budget_goes_on_until_everything_is_there(fake):
    fake.say("first")
    seen, cursor, one = set(), None, fake.page_requests
    posts, _, cursor, _ = fake.read(fake.connector(), cursor, requests=one)
    seen |= set(latest(posts))
    for number in range(190):
        fake.say(f"post {number}")
    for _ in range(fake.most_polls):
        posts, _, cursor, _ = fake.read(fake.connector(), json.loads(json.dumps(cursor)), requests=one)
        seen |= set(latest(posts))
        assert len(json.dumps(cursor)) <= CURSOR_LIMIT
    assert seen == fake.ids()


def test_where_a_page_token_is_taken_no_more_the_list_is_read_from_its_first_page(fake):
    if not fake.forget_pages():
        pytest.skip(f"{fake.name} cannot be told to forget")
    for number in range(120):
        fake.say(f"post {number}")
    before, cursor = [], None
    while not before:
        before, _, cursor, _ = fake.read(fake.connector(), cursor, requests=fake.page_requests)
    assert len(latest(before)) < 120
    fake.forget_pages()
    posts, bad, _, gaps = fake.read(fake.connector(), json.loads(json.dumps(cursor)))
    assert set(latest([*before, *posts])) == fake.ids()
    assert not bad
    assert not gaps


def test_a_spent_budget_asks_nothing(fake):
    connector, before = fake.connector(), fake.requests()
    pages = list(connector.poll(fake.source, None, Budget(requests=0), datetime.now(UTC)))
    assert [post for page in pages for post in page.posts] == []
    assert connector.pushed or pages == []
    assert fake.requests() == before


def test_the_last_two_days_are_given_again_as_they_stand_or_it_is_said_why_not(fake):
    ids = [fake.say(f"post {number}") for number in range(30)]
    connector, now = fake.connector(), datetime.now(UTC)
    _, _, cursor, _ = fake.read(connector)
    start = json.loads(json.dumps(connector.again(fake.source, cursor or {}, now - timedelta(hours=48), now)))
    if start is None:
        past = connector.history(fake.source, cursor or {}, now - timedelta(hours=48), now)
        assert past.words or past.paid
        return
    if fake.tells_edits:
        fake.edit(ids[3], "quite another thing")
    posts, _, _, gaps = fake.read(fake.connector(), start)
    assert set(latest(posts)) >= fake.ids()
    assert not gaps
    if fake.tells_edits:
        assert "quite another thing" in latest(posts)[ids[3]].text


def test_an_edit_is_a_new_version_of_the_same_post(fake):
    if not fake.tells_edits:
        pytest.skip(f"{fake.name} tells of no edits")
    identity = fake.say("I paid 10")
    posts, _, cursor, _ = fake.read(fake.connector())
    before = latest(posts)[identity]
    fake.edit(identity, "I paid 100")
    connector = fake.connector()
    again = connector.refresh([identity], datetime.now(UTC)) or fake.read(connector, cursor)[0]
    after = latest(again)[identity]
    assert "100" in after.text
    assert after.version != before.version


def test_as_many_posts_are_looked_at_again_as_are_asked_for(fake):
    """In one round as in the next; nobody asks for what was left out."""
    connector = fake.connector()
    ids = [fake.say(f"post {number}") for number in range(min(connector.follows, 40))]
    fake.read(connector)
    found = connector.refresh(ids, datetime.now(UTC))
    assert {post.external_id for post in found} == (set(ids) if fake.tells_others else set())


def test_one_post_that_we_may_not_see_any_more_keeps_no_other_from_being_looked_at(fake):
    connector = fake.connector()
    ids = [fake.say(f"post {number}") for number in range(min(connector.follows, 7))]
    fake.read(connector)
    if not hasattr(fake, "forbid") or not connector.refresh(ids, datetime.now(UTC)):
        pytest.skip(f"{fake.name} is not asked for single posts")
    for closed in (ids[0], ids[-2]):
        fake.forbid(closed)
        found = {each.external_id for each in connector.refresh(ids, datetime.now(UTC)) if type(each) is not Deleted}
        assert found >= {one for one in ids if one not in fake.forbidden}


def test_one_thing_of_a_list_that_we_may_not_look_into_stops_no_other(fake):
    fake.live = True
    if not fake.close_off():
        pytest.skip(f"{fake.name} lists nothing that is then read by itself")
    said = [fake.say("where is my order?")]
    connector, cursor, seen, refused = fake.connector(), None, set(), []
    for _ in range(3):
        posts, bad, cursor, _ = fake.read(connector, cursor)
        seen |= set(latest(posts))
        refused += bad
        said.append(fake.say("and now?"))
    assert seen >= set(said[:-1])
    assert refused


def test_a_right_that_is_missing_for_all_things_of_a_list_is_a_fault_of_the_source(fake, monkeypatch):
    fake.live = True
    if fake.name not in ROUNDS or not fake.close_off():
        pytest.skip(f"{fake.name} lists nothing that is then read by itself")
    said, bad, cursor = {fake.say("where is my order?")}, [], None
    monkeypatch.setattr(fake, "is_forbidden", lambda asked: asked.method == "GET" and INSIDE.search(asked.path))
    with pytest.raises((NotPermitted, PolicyRefused)):
        for page in fake.connector().poll(fake.source, None, Budget(requests=50), datetime.now(UTC)):
            bad, cursor = [*bad, *page.bad], page.cursor
    assert not bad
    monkeypatch.setattr(fake, "is_forbidden", lambda asked: False)
    seen, later = set(), datetime.now(UTC) + timedelta(hours=2)
    for _ in range(2):
        posts, _, cursor, _ = fake.read(fake.connector(), cursor, now=later)
        seen |= set(latest(posts))
    assert seen >= said


def test_a_deletion_is_seen(fake):
    if not fake.tells_deletions:
        pytest.skip(f"{fake.name} tells of no deletions")
    identity = fake.say("gone soon")
    _, _, cursor, _ = fake.read(fake.connector())
    fake.delete(identity)
    connector = fake.connector()
    standing = connector.refresh([identity], datetime.now(UTC)) or fake.read(connector, cursor)[0]
    assert [type(one) is Deleted or one.state is PostState.DELETED for one in standing][-1:] == [True]


def test_one_item_that_cannot_be_mapped_stops_no_other(fake):
    for number in range(4):
        fake.say(f"good {number}")
    fake.spoil()
    for number in range(5):
        fake.say(f"good too {number}")
    posts, bad, _, _ = fake.read(fake.connector())
    assert set(latest(posts)) == fake.ids()
    if fake.quarantines:
        assert len(bad) == 1
        assert bad[0].reason
        assert bad[0].external_id


def test_what_is_unknown_null_or_of_another_type_is_no_error(fake):
    identity = fake.odd()
    posts, bad, _, _ = fake.read(fake.connector())
    assert identity in latest(posts)
    assert not bad


@pytest.mark.parametrize(
    "cursor", [{}, {"x": 1}, {"marks": 7, "number": "x", "ids": [1]}, {"marks": [[None, "soon"]], "ids": {}}]
)
def test_a_cursor_that_cannot_be_used_starts_again_and_says_so(fake, cursor):
    fake.say("here")
    posts, _, _, gaps = fake.read(fake.connector(), cursor)
    assert set(latest(posts)) == fake.ids()
    if fake.gap_on_bad_cursor:
        assert len(gaps) == 1
        assert gaps[0].reason


def test_an_answer_is_posted_once_however_often_its_key_is_sent(writing):
    outgoing = reply(writing, writing.connector())
    first = writing.connector().send(outgoing)
    assert isinstance(first, Sent)
    if writing.connector().keyed:
        made, later = json.dumps(writing.made(), default=str), outgoing.sending_at + timedelta(minutes=5)
        again = replace(outgoing, sending_at=later, first_at=outgoing.sending_at)
        assert writing.connector().send(again).external_id == first.external_id
        assert json.dumps(writing.made(), default=str) == made
    assert len(writing.made()) == 1


@pytest.mark.parametrize("fault", ["sign-in page", "wrong type", "error in 200", "502 page", "reset"])
def test_what_was_not_deleted_does_not_count_as_deleted(writing, fault):
    connector = writing.connector()
    sent = connector.send(reply(writing, connector))
    standing = connector.refresh([sent.external_id], datetime.now(UTC)) if writing.tells_own else []
    if not standing or "delete" not in connector.can(standing[0], datetime.now(UTC)):
        pytest.skip(f"{writing.name} deletes no answer of ours")
    writing.order(fault, writing=True)
    with pytest.raises(Fault):
        writing.connector().do("delete", standing[0])
    assert len(writing.texts()) == 1
    writing.connector().do("delete", standing[0])
    assert writing.texts() == []


def test_a_post_bound_to_another_answer_is_not_taken_for_ours(writing):
    connector = writing.connector()
    outgoing = reply(writing, connector)
    sent = connector.send(outgoing)
    other = Outgoing(key="key-2", text=outgoing.text, parent=outgoing.parent, sending_at=outgoing.sending_at,
                     bound=frozenset({sent.external_id}))  # fmt: skip
    assert isinstance(connector.find(other), Absent if writing.looks_back else Absent | CannotKnow)


def test_our_own_answer_comes_back_as_ours_and_under_its_parent(writing):
    connector = writing.connector()
    if not writing.tells_own:
        pytest.skip(f"{writing.name} does not tell us what we said")
    outgoing = reply(writing, connector)
    sent = connector.send(outgoing)
    back = latest(connector.refresh([sent.external_id], datetime.now(UTC)))[sent.external_id]
    assert back.ours
    assert back.parent_id == outgoing.parent.external_id


def test_the_way_up_a_thread_is_told_oldest_first(fake):
    first = fake.say("first")
    second = fake.say("second", parent=first)
    third = fake.say("third", parent=second)
    connector = fake.connector()
    post = latest(fake.read(connector)[0])[third]
    before = fake.requests()
    above = [each.external_id for each in connector.ancestors(post, datetime.now(UTC))]
    assert above == fake.above(first, second)
    assert fake.requests() - before <= 1


def test_what_may_be_done_is_said_for_each_post(fake):
    identity = fake.say("hello")
    connector = fake.connector()
    post = latest(fake.read(connector)[0])[identity]
    able = connector.can(post, datetime.now(UTC))
    assert able["reply"].allowed is fake.writes
    assert able["reply"].allowed or (able["reply"].reason and able["reply"].hand_off)


@pytest.mark.parametrize("verb", ["", "hide", "like", "mute"])
def test_what_may_be_done_with_a_post_is_no_other_after_the_next_look(fake, verb):
    """The next poll or the next look at how it stands; what was done to it can be taken back all the same."""
    identity = fake.say("hello")
    connector = fake.connector()
    post = latest(fake.read(connector)[0])[identity]
    if verb:
        offered = connector.can(post, datetime.now(UTC)).get(verb)
        if offered is None or not offered.allowed:
            pytest.skip(f"{fake.name} has no “{verb}” for it")
        post = connector.do(verb, post).post or post
    able = set(connector.can(post, datetime.now(UTC)))
    for found in (fake.read(connector)[0], connector.refresh([identity], datetime.now(UTC))):
        again = latest(found).get(identity, post)
        known = {"kind": post.kind, "source": post.source}
        known |= {} if again.whole else {"visibility": post.visibility, "grants": post.grants}
        assert set(connector.can(replace(again, **known), datetime.now(UTC))) == able


@pytest.mark.parametrize("unit", ["a", "字", "👨‍👩‍👧‍👦", "é"])
def test_a_text_is_measured_to_the_limit(fake, unit):
    connector = fake.connector()
    limit = connector.measure("").limit
    if limit is None:
        assert not connector.measure("x" * 10_000).problems
        return
    each, most = connector.measure(unit).used, fake.most(connector, unit)
    assert not connector.measure(unit * most).problems
    assert connector.measure(unit * most).used == most * each
    assert connector.measure(unit * (most + 1)).problems


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_comes_out_as_storable_text(fake, text):
    text = fake.carries(text)
    if text is None:
        pytest.skip(f"nobody can post this on {fake.name}")
    identity = fake.say(text)
    posts, bad, _, _ = fake.read(fake.connector(whole=10))
    assert not bad
    post = latest(posts)[identity]
    everything = post.text + post.author.name + post.subject + json.dumps(post.raw, ensure_ascii=False)
    everything.encode()
    assert "\x00" not in everything
    if text.startswith(("<script", "{{", "=cmd", "x")):
        assert text in post.text


def test_a_token_shows_nowhere(writing):
    connector = writing.connector()
    outgoing = reply(writing, connector)
    connector.send(outgoing)
    told = [repr(connector.secrets)]
    for fault in writing.leaks:
        writing.order(fault)
        try:
            writing.connector().send(outgoing)
        except Fault as raised:
            told += [str(raised), raised.words, repr(raised.__dict__)]
    assert CANARY not in repr(writing.kept) + repr(told)


def test_only_the_network_itself_is_asked(fake):
    fake.say("x")
    connector = fake.connector()
    fake.read(connector)
    connector.check()
    assert all(fake.is_itself(exchange.url) for exchange in fake.kept)


def test_a_key_goes_over_no_line_that_others_read_unless_the_owner_opened_the_host(fake):
    if not fake.secrets or Connector.named(fake.name).pushed:
        pytest.skip(f"{fake.name} has no key that it sends")
    settings = {**fake.settings(), "facts": fake.facts()}
    connector = Connector.named(fake.name)(settings, Secrets(fake.secrets), Seam(hidden=[CANARY], guard=lambda: None))
    before = fake.requests()
    with pytest.raises(NotPermitted) as refused:
        connector.check()
    assert (refused.value.what, fake.requests()) == ("encryption", before)


def test_nothing_is_asked_while_a_transaction_is_open(fake):
    def guard():
        raise RuntimeError("a network call inside a database transaction")

    outgoing = reply(fake, fake.connector())
    connector, asked = fake.connector(guard=guard), fake.requests()
    if not connector.pushed:
        with pytest.raises(RuntimeError, match="transaction"):
            fake.read(connector)
    if fake.writes:
        with pytest.raises(RuntimeError, match="transaction"):
            connector.send(outgoing)
    assert fake.requests() == asked


def test_every_fault_says_what_happens_next():
    for kind in Fault.__subclasses__():
        assert kind.outcome in Outcome
        assert kind.meaning.endswith(".")
    assert Duplicate.outcome is Outcome.IN_DOUBT


@pytest.mark.parametrize("fault", ["sign-in page", "wrong type", "error in 200", "500", "502 page", "reset", "cut"])
def test_a_renewal_that_got_no_clear_answer_asks_no_person(fake, fault):
    connector = fake.connector()
    if type(connector).renew is Connector.renew:
        pytest.skip(f"{fake.name} renews nothing")
    try:
        connector.renew(connector.secrets)
    except AuthRevoked:
        pytest.skip(f"{fake.name} renews nothing as this channel is signed in")
    fake.order(fault)
    connector = fake.connector()
    with pytest.raises(Fault) as raised:
        connector.renew(connector.secrets)
    assert raised.value.outcome in (Outcome.RETRY, Outcome.WAIT), raised.value

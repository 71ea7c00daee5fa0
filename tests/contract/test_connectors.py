"""What every network keeps, tried on each registered one against its fake. A network without a fake fails here."""

import json
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest

from connectors.base import (
    CURSOR_LIMIT,
    Absent,
    Budget,
    CannotKnow,
    Connector,
    Deleted,
    Duplicate,
    Fault,
    Found,
    Gone,
    InDoubt,
    Invalid,
    Outgoing,
    PolicyRefused,
    PostState,
    RateLimited,
    Sent,
)
from connectors.faults import AuthRevoked, NotPermitted, Outcome, Unavailable, Unreadable
from tests.fakes.network import CANARY, FAULTS, MADE

NETWORKS = sorted(Connector.kinds())
READS = {
    "429": {RateLimited}, "429 with wait": {RateLimited}, "401": {AuthRevoked}, "403": {NotPermitted, RateLimited},
    "404": {Gone}, "422": {Invalid}, "500": {Unavailable}, "502 page": {Unavailable},
    "503 with wait": {Unavailable}, "redirect": {Unavailable, NotPermitted}, "sign-in page": {Unreadable},
    "wrong type": {Unreadable},
    "error in 200": {Unreadable}, "cut": {Unavailable}, "huge": {Unreadable}, "hang": {Unavailable},
    "reset": {Unavailable}, "trickle": {Unavailable},
}  # fmt: skip
WRITES = {
    "429": {RateLimited}, "429 with wait": {RateLimited}, "401": {AuthRevoked}, "403": {NotPermitted, PolicyRefused},
    "404": {Gone}, "422": {Invalid}, "500": {InDoubt}, "502 page": {InDoubt}, "503 with wait": {InDoubt},
    "redirect": {InDoubt}, "sign-in page": {InDoubt}, "wrong type": {InDoubt}, "error in 200": {InDoubt},
    "cut": {InDoubt}, "huge": {InDoubt}, "hang": {InDoubt}, "reset": {InDoubt}, "trickle": {InDoubt},
}  # fmt: skip
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


def reply(fake, connector, text="We are on it", key="key-1"):
    parent = fake.say("Help!")
    post = next(post for post in fake.read(connector)[0] if post.external_id == parent)
    return Outgoing(key=key, text=text, parent=post, sending_at=datetime.now(UTC))


def patience(fault):
    """Seconds a call may take: few where it never ends, many where only a busy machine is slow."""
    return 1.0 if fault in ("hang", "trickle") else 8.0


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


def test_a_spent_budget_asks_nothing(fake):
    connector, before = fake.connector(), fake.requests()
    pages = list(connector.poll(fake.source, None, Budget(requests=0), datetime.now(UTC)))
    assert [post for page in pages for post in page.posts] == []
    assert connector.pushed or pages == []
    assert fake.requests() == before


def test_a_server_that_repeats_itself_for_ever_does_not_hold_us(fake):
    for number in range(5):
        fake.say(f"post {number}")
    _, _, cursor, _ = fake.read(fake.connector())
    fake.stuck = True
    before = fake.requests()
    fake.read(fake.connector(), cursor)
    assert fake.requests() - before <= 3 * fake.page_requests


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


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_of_a_read_has_its_class(fake, fault):
    if fake.connector().pushed:
        pytest.skip(f"{fake.name} is not asked")
    fake.say("x")
    now = datetime.now(UTC)
    fake.order(fault)
    if fault in fake.taken_reads:
        assert fake.read(fake.connector())[0]
        return
    with pytest.raises(Fault) as raised:
        fake.read(fake.connector(whole=patience(fault)), now=now)
    assert type(raised.value) in fake.read_faults.get(fault, READS[fault])
    assert raised.value.words
    if "with wait" in fault and fake.waits:
        assert raised.value.until >= now + timedelta(seconds=40)
    elif "429" in fault:
        assert raised.value.until > now


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_of_a_write_has_its_class(writing, fault):
    outgoing = reply(writing, writing.connector())
    writing.order(fault, writing=True)
    if fault in writing.taken_answers:
        assert isinstance(writing.connector().send(outgoing), Sent)
        return
    before = writing.writings()
    with pytest.raises(Fault) as raised:
        writing.connector(whole=patience(fault)).send(outgoing)
    assert type(raised.value) in writing.write_faults.get(fault, WRITES[fault])
    assert writing.writings() - before == 1


def test_a_network_that_cannot_be_reached_certainly_made_nothing(writing):
    outgoing = reply(writing, writing.connector())
    connector = writing.connector()
    writing.vanish()
    with pytest.raises(Unavailable):
        connector.send(outgoing)


def test_an_answer_is_posted_once_however_often_its_key_is_sent(writing):
    outgoing = reply(writing, writing.connector())
    first = writing.connector().send(outgoing)
    assert isinstance(first, Sent)
    if writing.connector().keyed:
        assert writing.connector().send(outgoing).external_id == first.external_id
    assert len(writing.made()) == 1


def test_an_answer_that_was_made_but_not_answered_is_found_or_safe_to_repeat(writing):
    outgoing = reply(writing, writing.connector())
    writing.order(MADE, writing=True)
    with pytest.raises(InDoubt):
        writing.connector().send(outgoing)
    connector = writing.connector()
    found = connector.find(outgoing)
    if isinstance(found, Absent):
        assert connector.keyed
        connector.send(outgoing)
    elif writing.looks_back:
        assert isinstance(found, Found)
    else:
        assert isinstance(found, Found | CannotKnow)
    assert len(writing.made()) == 1


def test_an_answer_that_was_not_made_is_not_found(writing):
    outgoing = reply(writing, writing.connector())
    writing.order("hang", writing=True)
    with pytest.raises(InDoubt):
        writing.connector(whole=patience("hang")).send(outgoing)
    found = writing.connector().find(outgoing)
    assert isinstance(found, Absent if writing.looks_back else Absent | CannotKnow)
    assert writing.made() == []


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


def test_an_answer_to_a_deleted_post_is_gone(writing):
    connector = writing.connector()
    if not writing.parent_may_be_gone:
        pytest.skip(f"{writing.name} does not say whether the post is still there")
    outgoing = reply(writing, connector)
    writing.delete(outgoing.parent.external_id)
    with pytest.raises(Gone):
        connector.send(outgoing)
    assert writing.made() == []


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

"""What becomes of each fault on each network. `python -m tests.faults` tries every cell against the fakes and writes
docs/faults.md; the contract suite tries every cell again and compares it with what is written."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from connectors.base import Absent, Connector, Found, Outgoing, Sent
from connectors.faults import (
    AuthRevoked,
    Fault,
    Gone,
    InDoubt,
    Invalid,
    NotPermitted,
    PolicyRefused,
    RateLimited,
    Unavailable,
    Unreadable,
)
from tests.fakes.network import FAULTS, MADE

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "faults.md"
NONE = "–"
LATE = 1.5  # seconds after which a call that never ends is given up here; 15 in real life
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
LABELS = {
    "429": "429, too many requests", "429 with wait": "429 that says how long to wait", "401": "401, token refused",
    "403": "403, not permitted or refused by a policy", "404": "404, not there", "422": "422, our request is wrong",
    "500": "500, an error of its own", "502 page": "502 with a web page",
    "503 with wait": "503 that says how long to wait",
    "redirect": "redirect to another address", "sign-in page": "200 with a web page",
    "wrong type": "200 with JSON of another type",
    "error in 200": "200 with an error in it", "cut": "answer cut in the middle", "huge": "answer of 11 MB",
    "hang": "no answer, ever", "reset": "connection broken", "trickle": "a byte now and then",
}  # fmt: skip


@dataclass(frozen=True)
class Situation:
    """`run(fake) -> str`: what became of it. Asserts what must hold whatever the document says."""

    table: str
    label: str
    run: Callable
    slow: bool = False


def fake_of(network):
    return import_module(f"tests.fakes.{network}").Fake()


def raised(call):
    try:
        given = call()
    except Fault as fault:
        return fault
    raise AssertionError(f"no fault, but {given!r}")


def reply(fake, connector, text="We are on it", key="key-1"):
    parent = fake.say("Help!")
    post = next(post for post in fake.read(connector)[0] if post.external_id == parent)
    return Outgoing(key=key, text=text, parent=post, sending_at=datetime.now(UTC))


def patience(fault):
    """Seconds a call may take: few where it never ends, many where only a busy machine is slow."""
    return LATE if fault in ("hang", "trickle") else 8.0


# Reading


def read_with(fault):
    def run(fake):
        if fake.connector().pushed:
            return NONE
        fake.say("x")
        now = datetime.now(UTC)
        fake.order(fault)
        if fault in fake.taken_reads:
            assert fake.read(fake.connector())[0]
            return "read all the same"
        found = raised(lambda: fake.read(fake.connector(whole=patience(fault)), now=now))
        assert type(found) in fake.read_faults.get(fault, READS[fault]), repr(found)
        assert found.words
        if "with wait" in fault and fake.waits:
            assert found.until >= now + timedelta(seconds=40)
        elif "429" in fault:
            assert found.until > now
        return found.name

    return run


def read_of_nobody(fake):
    if fake.connector().pushed:
        return NONE
    connector = fake.connector()
    fake.vanish()
    return raised(lambda: fake.read(connector)).name


def clock_off(fake):
    """The network counts from its own clock; we wait as long as it means."""
    if fake.connector().pushed or not fake.waits:
        return NONE
    now, fake.skew = datetime.now(UTC), timedelta(hours=1)
    fake.order("429 with wait")
    found = raised(lambda: fake.read(fake.connector(), now=now))
    assert now + timedelta(seconds=39) < found.until < now + timedelta(minutes=10), found.until
    return found.name


def renewal_refused(fake):
    connector = fake.connector()
    fake.order(fake.refuses_renewal)
    try:
        connector.renew(connector.secrets)
    except Fault as fault:
        return fault.name
    return "signs in anew"


def bad_item(fake):
    good = {fake.say("good")}
    fake.spoil()
    good.add(fake.say("good too"))
    posts, bad, _, _ = fake.read(fake.connector())
    assert good <= {post.external_id for post in posts}
    if fake.quarantines:
        assert [each.reason for each in bad if each.external_id]
        return "set aside, the others read"
    return "read with a stand-in"


def bad_cursor(fake):
    one = fake.say("here")
    posts, _, _, gaps = fake.read(fake.connector(), {"marks": 7, "number": "x", "ids": [1]})
    assert one in {post.external_id for post in posts}
    assert bool(gaps) is fake.gap_on_bad_cursor
    return "begins 48 hours back, says so" if gaps else "reads what there is"


def repeating(fake):
    for number in range(5):
        fake.say(f"post {number}")
    _, _, cursor, _ = fake.read(fake.connector())
    fake.stuck, before = True, fake.requests()
    fake.read(fake.connector(), cursor)
    assert fake.requests() - before <= 3 * fake.page_requests
    return NONE if fake.connector().pushed else "ends the poll"


# Answering


def write_with(fault):
    def run(fake):
        if not fake.writes:
            return NONE
        outgoing = reply(fake, fake.connector())
        fake.order(fault, writing=True)
        if fault in fake.taken_answers:
            assert isinstance(fake.connector().send(outgoing), Sent)
            return "counts as sent"
        before = fake.writings()
        found = raised(lambda: fake.connector(whole=patience(fault)).send(outgoing))
        assert type(found) in fake.write_faults.get(fault, WRITES[fault]), repr(found)
        assert fake.writings() - before == 1
        return found.name

    return run


def made_unanswered(fake):
    if not fake.writes:
        return NONE
    outgoing = reply(fake, fake.connector())
    fake.order(MADE, writing=True)
    assert type(raised(lambda: fake.connector().send(outgoing))) is InDoubt
    return f"InDoubt, {settled(fake, outgoing, made=True)}"


def settled(fake, outgoing, made):
    """How a doubt ends: what looking says, and that nothing stands there twice."""
    connector = fake.connector()
    found = connector.find(outgoing)
    if isinstance(found, Found):
        assert made
        said = "found"
    elif isinstance(found, Absent):
        assert connector.keyed or not made
        connector.send(outgoing)
        said = "sent again by its key" if made else "sent again"
    else:
        assert not fake.looks_back
        said = "a person is asked"
    assert len(fake.made()) == (1 if made or said == "sent again" else 0)
    return said


def not_made(fake):
    if not fake.writes:
        return NONE
    outgoing = reply(fake, fake.connector())
    fake.order("hang", writing=True)
    assert type(raised(lambda: fake.connector(whole=LATE).send(outgoing))) is InDoubt
    assert fake.made() == []
    return f"InDoubt, {settled(fake, outgoing, made=False)}"


def write_to_nobody(fake):
    if not fake.writes:
        return NONE
    outgoing, connector = reply(fake, fake.connector()), fake.connector()
    fake.vanish()
    found = raised(lambda: connector.send(outgoing))
    assert type(found) is Unavailable
    return found.name


def parent_gone(fake):
    if not fake.writes or not fake.parent_may_be_gone:
        return NONE
    outgoing = reply(fake, fake.connector())
    fake.delete(outgoing.parent.external_id)
    found = raised(lambda: fake.connector().send(outgoing))
    assert type(found) is Gone
    assert fake.made() == []
    return found.name


def same_words(fake):
    """The same answer under the same post, meant twice."""
    if not fake.writes:
        return NONE
    outgoing = reply(fake, fake.connector())
    fake.connector().send(outgoing)
    try:
        fake.connector().send(replace(outgoing, key="key-2"))
    except Fault as fault:
        assert len(fake.texts()) == 1
        return fault.name
    return "stands twice" if len(fake.texts()) == 2 else "replaces the first"


def too_long(fake):
    connector = fake.connector()
    limit = connector.measure("").limit
    if not fake.writes or limit is None:
        return NONE
    assert connector.measure("x" * (limit + 1)).problems
    return "refused before it leaves"


def same_key(fake):
    if not fake.writes:
        return NONE
    outgoing = reply(fake, fake.connector())
    fake.connector().send(outgoing)
    if not fake.connector().keyed:
        return "looked up first"
    fake.connector().send(outgoing)
    assert len(fake.made()) == 1
    return "stands once"


SITUATIONS = [
    *(Situation("Reading", LABELS[name], read_with(name), name in ("hang", "trickle")) for name in FAULTS),
    Situation("Reading", "nobody at that address", read_of_nobody),
    Situation("Reading", "429, and its clock is an hour off", clock_off),
    Situation("Reading", "renewing access is refused", renewal_refused),
    Situation("Reading", "an item nobody can read", bad_item),
    Situation("Reading", "our place is of no use to it", bad_cursor),
    Situation("Reading", "the same page for ever", repeating),
    *(Situation("Answering", LABELS[name], write_with(name), name in ("hang", "trickle")) for name in FAULTS),
    Situation("Answering", "nobody at that address", write_to_nobody),
    Situation("Answering", "posted, but no answer came", made_unanswered),
    Situation("Answering", "not posted, and no answer came", not_made, slow=True),
    Situation("Answering", "the post was deleted", parent_gone),
    Situation("Answering", "the same words twice", same_words),
    Situation("Answering", "the same reply sent twice", same_key),
    Situation("Answering", "the text is too long", too_long),
]


def networks():
    return sorted(Connector.kinds())


def cell(network, situation):
    """What became of it, on a fake of its own; NONE where the network cannot have it."""
    with fake_of(network) as fake:
        try:
            return situation.run(fake)
        except pytest.skip.Exception:
            return NONE


@cache
def slow_cells():
    """Those that wait for an answer that never comes, all at once: {(network, table, label): outcome or error}."""

    def tried(pair):
        try:
            return cell(*pair)
        except Exception as error:  # noqa: BLE001  raised where the cell is asked for
            return error

    pairs = [(network, situation) for situation in SITUATIONS if situation.slow for network in networks()]
    with ThreadPoolExecutor(24) as pool:
        found = list(pool.map(tried, pairs))
    return {(network, each.table, each.label): said for (network, each), said in zip(pairs, found, strict=True)}


def outcome(network, situation):
    if not situation.slow:
        return cell(network, situation)
    found = slow_cells()[network, situation.table, situation.label]
    if isinstance(found, Exception):
        raise found
    return found


# The document

HEAD = """# What becomes of a fault

Written by `python -m tests.faults`, which tries every cell against a fake of the network; the contract suite tries them
again, and fails when a cell is missing or something else comes of it. “–”: the network cannot have this fault.

"""


def written():
    """The cells of the document: {(table, label): {network: outcome}}."""
    cells, table, head = {}, "", []
    for line in DOCUMENT.read_text().partition("## What happens next")[0].splitlines():
        if line.startswith("## "):
            table, head = line.removeprefix("## "), []
        elif line.startswith("| ") and not line.startswith("| ---"):
            row = [each.strip() for each in line.strip("|").split("|")]
            if head:
                cells[table, row[0]] = dict(zip(head, row[1:], strict=True))
            else:
                head = row[1:]
    return cells


def document(found):
    parts = [HEAD]
    for table in ("Reading", "Answering"):
        rows = [each for each in SITUATIONS if each.table == table]
        parts.append(f"## {table}\n\n| fault | {' | '.join(networks())} |\n|{' --- |' * (len(networks()) + 1)}\n")
        for row in rows:
            told = (found[network, table, row.label] for network in networks())
            parts.append(f"| {row.label} | {' | '.join(told)} |\n")
        parts.append("\n")
    names = sorted({said.partition(",")[0] for said in found.values()})
    kinds = {kind.__name__: kind for kind in Fault.__subclasses__()}
    parts.append("## What happens next\n\n| outcome | next | what people are told | what whoever connects is told |\n")
    parts.append("| --- | --- | --- | --- |\n")
    told = [(name, NEXT.get(name) or NEXT[kinds[name].outcome]) for name in names if name in kinds]
    for name, following in told:
        connecting = kinds[name].while_connecting or "the same"
        parts.append(f"| {name} | {following} | {kinds[name].meaning} | {connecting} |\n")
    return "".join(parts)


NEXT = {
    "AuthExpired": "renewed once and repeated; when that is refused too, as AuthRevoked",
    "retry": "tried again, later each time", "wait": "waits until the time the network says",
    "in_doubt": "looked up on the network; a person is asked where that cannot be known",
    "reconnect": "the channel rests until an admin connects it again",
    "person": "said where it concerns, with the reason",
}  # fmt: skip


def main():
    pairs = [(network, each) for each in SITUATIONS for network in networks()]
    found = {(network, each.table, each.label): outcome(network, each) for network, each in pairs}
    DOCUMENT.write_text(document(found))
    print(json.dumps({"networks": len(networks()), "situations": len(SITUATIONS), "cells": len(found)}))


if __name__ == "__main__":
    main()

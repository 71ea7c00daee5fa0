"""Files with an answer, tried on each network that takes them against its fake: within its limits, with their
descriptions, and once, whatever was lost on the way. A network that takes none says why."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module

import pytest
from PIL import Image

from connectors.base import Absent, Connector, Fault, Found, InDoubt, Medium, Outgoing, Sent
from connectors.faults import Outcome
from tests.fakes.network import MADE

NETWORKS = sorted(Connector.kinds())


def picture(color="red", kind="JPEG"):
    out = io.BytesIO()
    Image.new("RGB", (24, 18), color).save(out, kind)
    return out.getvalue()


def medium(number=1, body=None, **fields):
    body = picture() if body is None else body
    given = {"kind": "image", "type": "image/jpeg", "size": len(body), "name": f"photo-{number}.jpg",
             "description": f"Receipt number {number}, “paid”", "width": 24, "height": 18}  # fmt: skip
    where = f"https://care.example/lent/{number}"
    return Medium(key=f"file-{number}", read=lambda: body, address=lambda: where, **(given | fields))


@pytest.fixture(params=NETWORKS)
def fake(request):
    with import_module(f"tests.fakes.{request.param}").Fake() as fake:
        yield fake


@pytest.fixture
def taking(fake):
    if not fake.takes_files:
        pytest.skip(f"{fake.name} takes no files")
    return fake


def wish(fake, connector, *media, key="key-1"):
    parent = fake.say("Help!")
    post = next(post for post in fake.read(connector)[0] if post.external_id == parent)
    fake.web |= {one.address(): one.read() for one in media}
    return Outgoing(key=key, text="We are on it", parent=post, sending_at=datetime.now(UTC), media=media)


def brought(connector, outgoing):
    """Every file brought, step by step, as the sender does it."""
    there = []
    for one in outgoing.media:
        token, whole = "", not connector.keeps_uploads
        while not whole:
            step = connector.upload(one, outgoing, token)
            token, whole = step.token, step.whole
        there.append(replace(one, token=token))
    return replace(outgoing, media=tuple(there))


def rule_of(fake, connector, outgoing):
    return connector.media_rule(outgoing.parent)


def expected(fake, connector, outgoing):
    told = rule_of(fake, connector, outgoing).description is not None
    return [(one.read(), one.description if told else None) for one in outgoing.media]


def test_every_network_takes_files_or_says_why_not(fake):
    connector = fake.connector()
    identity = fake.say("Help!")
    post = next(post for post in fake.read(connector)[0] if post.external_id == identity)
    rule = connector.media_rule(post)
    assert bool(rule.types) is fake.takes_files
    told = rule.problems([medium()], connector.label)
    assert told == () if fake.takes_files else told[0].endswith(".")
    assert rule.problems([], connector.label) == ()


def test_what_hangs_from_an_answer_arrives_with_its_description(taking):
    connector = taking.connector()
    one, two = medium(1), medium(2, picture("blue"))
    outgoing = wish(taking, connector, one, two)
    outgoing = replace(outgoing, media=outgoing.media[: rule_of(taking, connector, outgoing).most])
    assert isinstance(connector.send(brought(connector, outgoing)), Sent)
    (made,) = taking.made()
    assert taking.attached(made) == expected(taking, connector, outgoing)


def test_what_is_over_a_limit_is_said_in_words(taking):
    connector = taking.connector()
    rule = rule_of(taking, connector, wish(taking, connector))
    label = connector.label
    assert rule.problems([medium(n) for n in range(rule.most)], label) == ()
    (many,) = rule.problems([medium(n) for n in range(rule.most + 1)], label)
    assert label in many
    if "image" in rule.sizes:
        (large,) = rule.problems([medium(size=rule.sizes["image"] + 100_000)], label)
        assert "too large" in large
    if rule.description is not None:
        (long,) = rule.problems([medium(description="x" * (rule.description + 3))], label)
        assert "3 characters too long" in long
    (strange,) = rule.problems([medium(type="application/x-strange", kind="file")], label)
    assert f"{label} takes no" in strange


def test_an_upload_that_was_lost_is_done_again_and_the_answer_is_made_once(taking):
    if not taking.uploads:
        pytest.skip(f"files travel with the answer on {taking.name}")
    connector = taking.connector()
    outgoing = wish(taking, connector, medium())
    for fault in ("reset", "500", "sign-in page", MADE):
        taking.order(fault, writing="upload")
        with pytest.raises(Fault) as raised:
            brought(taking.connector(), outgoing)
        assert raised.value.outcome in (Outcome.RETRY, Outcome.IN_DOUBT), fault
        assert not isinstance(raised.value, InDoubt), fault
    assert taking.made() == []
    connector.send(brought(connector, outgoing))
    (made,) = taking.made()
    assert taking.attached(made) == expected(taking, connector, outgoing)


def test_an_answer_with_a_file_that_was_lost_after_the_upload_is_found_or_safe_to_repeat(taking):
    connector = taking.connector()
    outgoing = brought(connector, wish(taking, connector, medium()))
    taking.order(MADE, writing=True)
    with pytest.raises(InDoubt):
        connector.send(outgoing)
    found = taking.connector().find(outgoing)
    if isinstance(found, Absent):
        assert connector.keyed
        connector.send(outgoing)
    elif taking.looks_back:
        assert isinstance(found, Found)
    (made,) = taking.made()
    assert taking.attached(made) == expected(taking, connector, outgoing)


def clip(length, **fields):
    return medium(9, b"\0\0\0\x18ftypmp42" + b"\1" * length, kind="video", type="video/mp4", name="clip.mp4", **fields)


def test_a_video_arrives_whole_or_is_refused_in_words_before_anything_leaves(fake):
    connector = fake.connector()
    outgoing = wish(fake, connector, clip(3_400_000))
    rule = connector.media_rule(outgoing.parent)
    told = rule.problems(outgoing.media, connector.label)
    if told:
        assert connector.label in told[0]
        assert (rule.refused["video"] if rule.types else rule.reason) in told[0]
        return
    assert isinstance(connector.send(brought(connector, outgoing)), Sent)
    (made,) = fake.made()
    ((body, _),) = fake.attached(made)
    assert body == outgoing.media[0].read()


def test_a_moving_picture_arrives_whole_or_is_refused_with_the_reason(fake):
    connector, moving = fake.connector(), picture(kind="GIF")
    named = {"kind": "animation", "type": "image/gif", "name": "wave.gif"}
    outgoing = wish(fake, connector, medium(8, moving, **named))
    rule = connector.media_rule(outgoing.parent)
    told = rule.problems(outgoing.media, connector.label)
    if told:
        assert (rule.refused["animation"] if rule.types else rule.reason) in told[0]
        return
    assert isinstance(connector.send(brought(connector, outgoing)), Sent)
    (made,) = fake.made()
    ((body, _),) = fake.attached(made)
    assert body == moving


def test_a_video_that_is_too_large_is_said_in_words(fake):
    connector = fake.connector()
    rule = connector.media_rule(wish(fake, connector).parent)
    limit = rule.sizes.get("video") or rule.total
    if "video/mp4" not in rule.types or not limit:
        pytest.skip(f"{fake.name} takes no videos, or of any size")
    assert "large" in " ".join(rule.problems([clip(10, size=limit + 1_000_000)], connector.label))

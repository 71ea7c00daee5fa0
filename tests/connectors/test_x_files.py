"""Videos and GIFs of an answer on X: brought in parts, looked through by X, begun nowhere twice."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connectors.base import Invalid, Medium, Outgoing, Unavailable, Uploaded
from tests.fakes.network import MADE
from tests.fakes.x import Fake

LONG = b"\0\0\0\x18ftypmp42" + b"\1" * 9_000_000  # three parts


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def clip(body=LONG, **fields):
    given = {"kind": "video", "type": "video/mp4", "name": "clip.mp4", "size": len(body)} | fields
    return Medium(key="f", read=lambda: body, **given)


def wish(fake, medium):
    parent = fake.say("Help!")
    post = next(post for post in fake.read(fake.connector())[0] if post.external_id == parent)
    return Outgoing(key="k", text="Look", parent=post, sending_at=datetime.now(UTC), media=(medium,))


def steps(fake, outgoing, so_far=""):
    """Each step until the file is there, every one by a connector of its own, as after a restart."""
    taken = []
    while not taken or not taken[-1].whole:
        token = taken[-1].token if taken else so_far
        taken.append(fake.connector().upload(outgoing.media[0], outgoing, token))
    return taken


def test_a_video_comes_in_parts_and_is_waited_for_without_holding_a_worker(fake):
    outgoing = wish(fake, clip())
    taken = steps(fake, outgoing)
    assert [step.token.partition(":")[2] for step in taken] == ["0", "1", "2", "3", "look", "look", "look", ""]
    assert [step.wait for step in taken] == [0, 0, 0, 0, 1, 1, 1, 0]
    fake.connector().send(replace(outgoing, media=(replace(outgoing.media[0], token=taken[-1].token),)))
    (made,) = fake.made()
    assert fake.attached(made) == [(LONG, None)]


@pytest.mark.parametrize("before", range(3))
def test_a_step_whose_answer_is_lost_is_done_again(fake, before):
    """To begin, a part, to end."""
    outgoing, token = wish(fake, clip(b"short")), ""
    for _ in range(before):
        token = fake.connector().upload(outgoing.media[0], outgoing, token).token
    fake.order(MADE, writing="upload")
    with pytest.raises(Unavailable):
        fake.connector().upload(outgoing.media[0], outgoing, token)
    last = steps(fake, outgoing, token)[-1]
    assert fake.files[last.token] == b"short"


def test_a_gif_that_moves_is_described_when_x_has_looked_through_it(fake):
    moving = clip(b"GIF89a" + b"\2" * 100, kind="animation", type="image/gif", description="A waving cup")
    last = steps(fake, wish(fake, moving))[-1]
    assert fake.described == {last.token: "A waving cup"}


def test_a_video_x_can_do_nothing_with_is_refused_in_words(fake):
    with pytest.raises(Invalid, match="X can do nothing with “clip"):
        steps(fake, wish(fake, clip(b"broken")))


def test_a_video_leaves_alone_and_pictures_up_to_four_together(fake):
    outgoing = wish(fake, clip())
    rule = fake.connector().media_rule(outgoing.parent)
    photo = clip(b"x", kind="image", type="image/jpeg", name="a.jpg")
    assert rule.problems([clip(b"x"), photo], "X") == ("X takes videos alone only, with no other file.",)
    assert rule.problems([photo] * 4, "X") == ()


@pytest.mark.parametrize(
    ("told", "wait"), [({"state": "pending", "check_after_secs": 900}, 60.0), ({"state": "in_progress"}, 1.0)]
)
def test_how_long_x_asks_to_wait_is_kept_within_reason(fake, told, wait):
    outgoing = wish(fake, clip(b"x"))
    token = fake.connector().upload(outgoing.media[0], outgoing, "").token
    token = fake.connector().upload(outgoing.media[0], outgoing, token).token
    fake.processing = told
    step = fake.connector().upload(outgoing.media[0], outgoing, token)
    assert (step.whole, step.wait) == (False, wait)
    assert isinstance(step, Uploaded)

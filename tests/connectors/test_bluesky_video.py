"""A video of an answer on Bluesky: handed to the video service with a voucher of the account's server, asked after
until it is done, named by the record."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connectors.base import Invalid, Medium, Outgoing, Unavailable
from tests.fakes.bluesky import Fake
from tests.fakes.network import MADE
from tests.fakes.server import Reply

CLIP = b"\0\0\0\x18ftypmp42" + b"\1" * 2_000


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def wish(fake, body=CLIP):
    parent = fake.say("Help!")
    post = next(post for post in fake.read(fake.connector())[0] if post.external_id == parent)
    clip = Medium(key="f", kind="video", type="video/mp4", name="clip.mp4", size=len(body), read=lambda: body,
                  description="How to brew", width=640, height=360)  # fmt: skip
    return Outgoing(key="k", text="Look", parent=post, sending_at=datetime.now(UTC), media=(clip,))


def step(fake, outgoing, so_far=""):
    return fake.connector().upload(outgoing.media[0], outgoing, so_far)


def done(fake, outgoing, so_far=""):
    taken = step(fake, outgoing, so_far)
    while not taken.whole:
        taken = step(fake, outgoing, taken.token)
    return replace(outgoing, media=(replace(outgoing.media[0], token=taken.token),))


def test_a_video_is_handed_in_once_and_asked_after_by_whoever_comes_next(fake):
    outgoing = wish(fake)
    first = step(fake, outgoing)
    assert (first.whole, first.wait) == (False, 3.0)
    fake.connector().send(done(fake, outgoing, first.token))
    (made,) = fake.made()
    assert fake.attached(made) == [(CLIP, "How to brew")]
    assert made["record"]["embed"]["aspectRatio"] == {"width": 640, "height": 360}
    assert len(fake.jobs) == len(fake.vouchers) == 1


def test_a_video_whose_job_was_lost_is_the_same_job_again(fake):
    outgoing = wish(fake)
    fake.order(MADE, writing="upload")
    with pytest.raises(Unavailable):
        step(fake, outgoing)
    assert done(fake, outgoing).media[0].token
    assert len(fake.jobs) == 1


def test_a_video_the_service_can_do_nothing_with_is_refused_in_words(fake):
    with pytest.raises(Invalid, match="Bluesky can do nothing with “clip"):
        done(fake, wish(fake, b"broken"))


@pytest.mark.parametrize(("status", "fault"), [(400, Invalid), (403, Invalid), (401, Unavailable), (503, Unavailable)])
def test_what_the_video_service_says_of_us_never_ends_the_session_of_the_account(fake, status, fault):
    outgoing, plain = wish(fake), fake.answer
    refusal = Reply(status, {"error": "InvalidToken", "message": "x"})
    fake.answer = lambda asked: refusal if "uploadVideo" in asked.path else plain(asked)
    with pytest.raises(fault):
        step(fake, outgoing)


def test_the_voucher_shows_nowhere(fake):
    connector = fake.connector()
    outgoing = wish(fake)
    connector.upload(outgoing.media[0], outgoing, "")
    (voucher,) = fake.vouchers
    assert voucher in connector.seam.hidden
    assert not [each for each in fake.kept if voucher in each.body + each.url]

"""Pictures of posts: our own copies, made anew, for those only who may read the conversation."""

import io
import signal
from datetime import timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone
from PIL import Image

from connectors import picturing
from connectors.models import Channel
from inbox.entries import media_of
from inbox.models import Conversation, Mention, Picture
from tests.fakes.server import FakeServer, Reply
from tests.world import make_channel, write

pytestmark = pytest.mark.django_db(transaction=True)


def file(kind="PNG", size=(40, 30), mode="RGB", **more):
    out = io.BytesIO()
    Image.new(mode, size, "red").save(out, kind, **more)
    return out.getvalue()


ANSWERS = {
    "/good.png": Reply(200, file()),
    "/see-through.png": Reply(200, file(mode="RGBA")),
    "/large.jpg": Reply(200, file("JPEG", (4000, 2000))),
    "/place.jpg": Reply(200, file("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")),
    "/moved.png": Reply(302, "", {"Location": "/good.png"}),
    "/page.png": Reply(200, "<html>sign in</html>"),
    "/script.svg": Reply(200, '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
    "/cut.png": Reply(200, file(size=(400, 400))[:200]),
    "/huge.png": Reply(200, b"\x89PNG" + b"0" * 6_000_000),
    "/bomb.png": Reply(200, file(size=(9000, 9000), mode="1")),
    "/gone.png": Reply(404, ""),
    "/broken.png": Reply(500, ""),
    "/hanging.png": Reply(manner="hang"),
    "/silent.png": Reply(manner="reset"),
}


@pytest.fixture
def stranger():
    server = FakeServer(lambda asked: ANSWERS.get(asked.path, Reply(404, "")))
    yield server
    server.close()


@pytest.fixture
def shown(cast, stranger, settings, client):
    """shown(path, …) is a conversation of support whose message has these pictures."""
    settings.FETCH_ALLOW = ["127.0.0.1"]
    channel = make_channel(team=cast.support, settings={"base_url": stranger.url})

    def make(*paths, kind="image"):
        talk = write(channel, "Look at this", cast.support)
        media = [{"kind": kind, "url": f"{stranger.url}{path}", "preview_url": "", "description": ""} for path in paths]
        talk.mentions.update(media=media)
        return talk

    client.force_login(cast.ana)
    return make


def address(talk, place=0):
    return f"/conversations/{talk.pk}/pictures/{talk.mentions.get().pk}/{place}/"


def fetch():
    Picture.objects.filter(state="due").update(not_before=timezone.now() - timedelta(seconds=1))
    picturing.fetch_due()


def test_a_picture_comes_once_a_worker_has_fetched_it_and_is_then_asked_for_no_more(shown, stranger, client):
    talk = shown("/good.png")
    first = client.get(address(talk))
    assert (first.status_code, first["Cache-Control"]) == (503, "no-store")
    fetch()
    (medium,) = media_of(talk.mentions.get())
    answer = client.get(medium["picture"])
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/webp"
    assert "immutable" in answer["Cache-Control"]
    assert Image.open(io.BytesIO(answer.content)).size == (40, 30)
    fetch()
    assert len(stranger.asked) == 1


@pytest.mark.parametrize("read_at", ["", "http://127.0.0.1:9", "https://127.0.0.1"])
def test_a_private_host_opened_for_a_channel_is_not_asked_for_what_a_stranger_names(shown, stranger, client, read_at):
    talk = shown("/admin/delete?all=1")
    Channel.objects.update(settings={"base_url": read_at})
    client.get(address(talk))
    fetch()
    assert stranger.asked == []
    assert Picture.objects.get().state == "refused"


@pytest.mark.parametrize("path", ["/good.png", "/see-through.png", "/large.jpg", "/place.jpg", "/moved.png"])
def test_what_is_shown_was_written_by_us(shown, client, path):
    talk = shown(path)
    client.get(address(talk))
    fetch()
    image = Image.open(io.BytesIO(client.get(address(talk)).content))
    assert image.format == "WEBP"
    assert max(image.size) <= 1600
    assert not image.getexif()


@pytest.mark.parametrize(
    "path", ["/page.png", "/script.svg", "/cut.png", "/bomb.png", "/gone.png", "/huge.png", "/nowhere.png"]
)
def test_what_is_no_picture_is_never_shown(shown, client, path):
    talk = shown(path)
    client.get(address(talk))
    for _ in range(4):
        fetch()
    assert Picture.objects.get().state == "refused"
    assert Picture.objects.get().reason
    assert client.get(address(talk)).status_code == 404


def test_a_server_in_trouble_is_asked_three_times(shown, stranger, client):
    talk = shown("/broken.png")
    client.get(address(talk))
    for _ in range(5):
        fetch()
    assert len(stranger.asked) == 3
    assert client.get(address(talk)).status_code == 404


def test_a_picture_that_was_not_to_be_had_is_asked_for_again_after_an_hour(shown, stranger, client):
    talk = shown("/broken.png")
    client.get(address(talk))
    for _ in range(3):
        fetch()
    (before,) = Picture.objects.values_list("not_before", flat=True)
    assert before > timezone.now() + timedelta(minutes=59)
    assert client.get(address(talk)).status_code == 404
    Picture.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    stranger.answer = lambda asked: ANSWERS["/good.png"]
    assert client.get(address(talk)).status_code == 503
    fetch()
    assert client.get(address(talk)).status_code == 200


def test_an_address_of_our_own_house_is_not_asked(shown, stranger, client, settings):
    settings.FETCH_ALLOW = []
    talk = shown("/good.png")
    client.get(address(talk))
    fetch()
    assert stranger.asked == []
    assert Picture.objects.get().state in ("refused", "due")


def test_only_who_reads_the_conversation_sees_its_pictures(shown, cast, client):
    talk, other = shown("/good.png"), shown("/good.png")
    client.get(address(talk))
    fetch()
    mention = talk.mentions.get().pk
    assert client.get(f"/conversations/{other.pk}/pictures/{mention}/0/").status_code == 404
    assert client.get(address(talk, 1)).status_code == 404
    client.force_login(cast.hugo)
    assert client.get(address(talk)).status_code == 404
    client.logout()
    assert client.get(address(talk)).status_code in (302, 401)


def test_a_worker_that_died_over_a_picture_is_followed_by_another(shown, client):
    talk = shown("/good.png")
    client.get(address(talk))
    Picture.objects.get().take()
    assert picturing.fetch_due() == 0
    Picture.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    fetch()
    assert client.get(address(talk)).status_code == 200


def test_a_picture_nobody_survives_is_left_alone_for_a_day_after_three(shown, client):
    talk = shown("/good.png")
    client.get(address(talk))
    taken = 0
    for _ in range(5):
        taken += Picture.objects.get().take()
        Picture.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert taken == 3
    assert Picture.objects.get().state == "resting"
    assert Picture.objects.get().not_before > timezone.now() + timedelta(hours=23)
    assert client.get(address(talk)).status_code == 404


def test_another_picture_after_an_edit_is_fetched_and_has_another_address(shown, stranger, client):
    talk = shown("/good.png")
    client.get(address(talk))
    fetch()
    mention = talk.mentions.get()
    before = media_of(mention)[0]["picture"]
    old = Picture.objects.get()
    mention.media[0]["url"] = f"{stranger.url}/large.jpg"
    mention.save(update_fields=["media"])
    now = media_of(mention)[0]["picture"]
    assert before != now
    assert client.get(now).status_code == 503
    assert not old.keep(b"of the old address")
    fetch()
    assert Image.open(io.BytesIO(client.get(now).content)).size == (1600, 800)
    assert "immutable" in client.get(now)["Cache-Control"]
    assert "immutable" not in client.get(before)["Cache-Control"]


def test_who_still_fetches_the_address_of_before_an_edit_keeps_nothing(shown, client):
    talk = shown("/good.png")
    client.get(address(talk))
    slow = Picture.objects.get()
    slow.take()
    Picture.objects.get().want("https://elsewhere.example/new.png")
    assert Picture.objects.get().take()
    assert not slow.keep(b"of the old address")
    assert bytes(Picture.objects.get().body) == b""


def test_the_clock_of_a_task_is_no_defect_of_the_picture_under_way(shown, client):
    def interrupted(signum, frame):
        raise SoftTimeLimitExceeded

    client.get(address(shown("/hanging.png")))
    Picture.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    before = signal.signal(signal.SIGALRM, interrupted)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(SoftTimeLimitExceeded):
            picturing.fetch_due()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert Picture.objects.get().state == "fetching"


def test_a_host_that_gives_no_answer_is_asked_once_a_round_and_others_go_on(shown, stranger, client):
    other = FakeServer(lambda asked: ANSWERS["/good.png"])
    silent = [shown("/silent.png"), shown("/silent.png")]
    talk = shown("/good.png")
    elsewhere = make_channel("elsewhere", settings={"base_url": other.url})
    talk.mentions.update(media=[{"kind": "image", "url": f"{other.url}/good.png"}], channel=elsewhere)
    for one in (*silent, talk):
        client.get(address(one))
    fetch()
    other.close()
    assert len(stranger.asked) == 1
    assert sorted(Picture.objects.values_list("state", "tries")) == [("due", 0), ("due", 1), ("ready", 1)]


def test_however_many_pictures_a_silent_host_has_those_of_others_are_found(shown, stranger, client):
    talk = shown("/silent.png")
    mention, kept = talk.mentions.get(), {"source": f"{stranger.url}/silent.png", "state": "due"}
    Picture.objects.bulk_create(Picture(mention=mention, place=place, **kept) for place in range(240))
    other = FakeServer(lambda asked: ANSWERS["/good.png"])
    talk = shown("/good.png")
    talk.mentions.update(channel=make_channel("elsewhere", settings={"base_url": other.url}))
    last = talk.mentions.get()
    Picture.objects.bulk_create([Picture(mention=last, place=0, source=f"{other.url}/good.png", state="due")])
    fetch()
    other.close()
    assert len(stranger.asked) == 1
    assert Picture.objects.get(mention=last).state == "ready"


def test_pictures_go_with_their_message(shown, client):
    talk = shown("/good.png")
    client.get(address(talk))
    Mention.objects.all().delete()
    Conversation.objects.all().delete()
    assert not Picture.objects.exists()

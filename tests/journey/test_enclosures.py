"""Films, sounds and files of posts: our own copies, as they are, for those only who may read the conversation."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone

from connectors import enclosing
from connectors.management.commands.sweep import Sweeper
from connectors.models import Channel
from connectors.opening import sealed_secrets
from inbox.entries import media_of
from inbox.models import Enclosure, enclosure
from inbox.models.enclosure import KEPT, LARGEST, forget_enclosures
from tests.fakes.server import FakeServer, Reply
from tests.fakes.telegram import TOKEN, Fake
from tests.world import make_channel, write

pytestmark = pytest.mark.django_db(transaction=True)

FILM = b"\0\0\0\x20ftypisom" + bytes(range(256)) * 8_000
ANSWERS = {
    "/film.mp4": Reply(200, FILM),
    "/sound.mp3": Reply(200, b"ID3" + b"la" * 100),
    "/moved.mp4": Reply(302, "", {"Location": "/film.mp4"}),
    "/page.mp4": Reply(200, "<html>sign in</html>"),
    "/huge.mp4": Reply(200, FILM[:100] + b"0" * LARGEST),
    "/gone.mp4": Reply(404, ""),
    "/broken.mp4": Reply(500, ""),
}


@pytest.fixture
def stranger():
    server = FakeServer(lambda asked: ANSWERS.get(asked.path, Reply(404, "")))
    yield server
    server.close()


@pytest.fixture
def shown(cast, stranger, settings, client):
    """shown(path, …) is a conversation of support whose message has these films."""
    settings.FETCH_ALLOW = ["127.0.0.1"]
    channel = make_channel(team=cast.support, settings={"base_url": stranger.url})

    def make(*paths, kind="video"):
        talk = write(channel, "Look at this", cast.support)
        media = [{"kind": kind, "url": f"{stranger.url}{path}", "preview_url": "", "description": ""} for path in paths]
        talk.mentions.update(media=media)
        return talk

    client.force_login(cast.ana)
    return make


def page_of(talk, place=0):
    return f"/conversations/{talk.pk}/enclosures/{talk.mentions.get().pk}/{place}/"


def fetch():
    Enclosure.objects.filter(state="due").update(not_before=timezone.now() - timedelta(seconds=1))
    enclosing.fetch_due()


def test_a_film_is_played_once_a_worker_has_fetched_it(shown, stranger, client):
    talk = shown("/film.mp4")
    (medium,) = media_of(talk.mentions.get())
    assert medium["url"] == page_of(talk)
    waiting = client.get(page_of(talk))
    assert (waiting.status_code, waiting["Refresh"]) == (200, "1")
    assert client.get(page_of(talk) + "file/").status_code == 404
    fetch()
    ready = client.get(page_of(talk))
    assert "Refresh" not in ready
    assert f'<video class="player" src="{page_of(talk)}file/"' in ready.content.decode()
    whole = client.get(page_of(talk) + "file/")
    assert (whole.status_code, whole["Content-Type"], whole["Accept-Ranges"]) == (200, "video/mp4", "bytes")
    assert whole.content == FILM
    assert "sandbox" in whole["Content-Security-Policy"]
    fetch()
    assert len(stranger.asked) == 1


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-", 0, 999_999),
        ("bytes=0-99", 0, 99),
        ("bytes=1500000-", 1_500_000, len(FILM) - 1),
        ("bytes=2000000-99999999", 2_000_000, len(FILM) - 1),
        ("bytes=-500", len(FILM) - 500, len(FILM) - 1),
        ("bytes=-99999999", 0, 999_999),
    ],
)
def test_a_player_gets_the_piece_it_asks_for(shown, client, asked, first, last):
    talk = shown("/film.mp4")
    client.get(page_of(talk))
    fetch()
    piece = client.get(page_of(talk) + "file/", headers={"Range": asked})
    assert (piece.status_code, piece["Content-Range"]) == (206, f"bytes {first}-{last}/{len(FILM)}")
    assert piece.content == FILM[first : last + 1]


@pytest.mark.parametrize("asked", ["bytes=-", "bytes=0-1,5-9", "lines=1-2"])
def test_who_asks_for_something_else_gets_the_whole_file_and_is_told_so(shown, client, asked):
    talk = shown("/film.mp4")
    client.get(page_of(talk))
    fetch()
    whole = client.get(page_of(talk) + "file/", headers={"Range": asked})
    assert (whole.status_code, "Content-Range" in whole, len(whole.content)) == (200, False, len(FILM))


@pytest.mark.parametrize("asked", ["bytes=-0", "bytes=9999999-", f"bytes={len(FILM)}-", "bytes=9-2"])
def test_a_piece_that_is_not_there_is_refused(shown, client, asked):
    talk = shown("/film.mp4")
    client.get(page_of(talk))
    fetch()
    assert client.get(page_of(talk) + "file/", headers={"Range": asked}).status_code == 416


def look_later(client, talk):
    Enclosure.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    return client.get(page_of(talk))


def test_a_server_in_trouble_is_asked_three_times_and_again_when_somebody_looks(shown, stranger, client):
    talk = shown("/broken.mp4")
    client.get(page_of(talk))
    for _ in range(5):
        fetch()
    assert len(stranger.asked) == 3
    Enclosure.objects.update(not_before=timezone.now() + timedelta(minutes=1))
    told = client.get(page_of(talk))
    assert "Refresh" not in told
    assert "It could not be fetched so far." in told.content.decode()
    fetch()
    assert len(stranger.asked) == 3
    assert "Refresh" in look_later(client, talk)
    stranger.answer = lambda asked: Reply(200, FILM)
    fetch()
    assert "<video" in client.get(page_of(talk)).content.decode()


def test_a_server_that_wants_to_be_left_alone_is(shown, stranger, client):
    talk = shown("/film.mp4")
    stranger.answer = lambda asked: Reply(429, "", {"Retry-After": "7200"})
    client.get(page_of(talk))
    fetch()
    copy = Enclosure.objects.get()
    assert (copy.state, copy.not_before > timezone.now() + timedelta(seconds=7000)) == ("resting", True)
    assert "Refresh" not in client.get(page_of(talk))
    assert len(stranger.asked) == 1


def test_who_looks_at_the_same_moment_begins_it_once(shown, stranger, client):
    talk = shown("/broken.mp4")
    client.get(page_of(talk))
    ago = timezone.now() - timedelta(seconds=1)
    Enclosure.objects.update(state="resting", not_before=ago, tries=3)
    one, other = Enclosure.objects.get(), Enclosure.objects.get()
    assert one.want(one.source)
    assert one.take()
    assert not other.want(other.source)
    assert Enclosure.objects.get().state == "fetching"


def test_what_three_workers_died_over_rests_for_an_hour(shown, client):
    talk = shown("/film.mp4")
    client.get(page_of(talk))
    dead = timezone.now() - timedelta(seconds=1)
    Enclosure.objects.update(state="fetching", tries=3, lease_until=dead)
    fetch()
    assert "never ended" in client.get(page_of(talk)).content.decode()
    assert Enclosure.objects.get().not_before > timezone.now() + timedelta(minutes=59)
    look_later(client, talk)
    fetch()
    assert client.get(page_of(talk) + "file/").content == FILM


@pytest.mark.parametrize("path", ["/page.mp4", "/huge.mp4", "/gone.mp4"])
def test_what_cannot_be_played_says_why_and_where_it_is(shown, stranger, client, path):
    talk = shown(path)
    client.get(page_of(talk))
    for _ in range(4):
        fetch()
    assert Enclosure.objects.get().state == "refused"
    told = client.get(page_of(talk))
    assert "Refresh" not in told
    assert "It cannot be shown here." in told.content.decode()
    assert f'href="{stranger.url}{path}"' in told.content.decode()
    assert client.get(page_of(talk) + "file/").status_code == 404
    look_later(client, talk)
    assert Enclosure.objects.get().state == "refused"
    assert len(stranger.asked) == 1


def test_sounds_are_played_and_a_redirect_is_followed(shown, client):
    sound, film = shown("/sound.mp3", kind="audio"), shown("/moved.mp4")
    for talk, kind in ((sound, "audio"), (film, "video")):
        client.get(page_of(talk))
        fetch()
        assert f"<{kind} " in client.get(page_of(talk)).content.decode()


def test_a_list_of_pieces_stays_a_link(shown, stranger):
    talk = shown("/live.m3u8?token=1")
    (medium,) = media_of(talk.mentions.get())
    assert medium["url"] == f"{stranger.url}/live.m3u8?token=1"


def test_only_who_reads_the_conversation_gets_its_films(shown, cast, client):
    talk, other = shown("/film.mp4"), shown("/film.mp4")
    client.get(page_of(talk))
    fetch()
    assert client.get(page_of(talk, 1)).status_code == 404
    mention = talk.mentions.get().pk
    assert client.get(f"/conversations/{other.pk}/enclosures/{mention}/0/").status_code == 404
    client.force_login(cast.hugo)
    for tail in ("", "file/"):
        assert client.get(page_of(talk) + tail).status_code == 404


def test_a_post_that_was_deleted_there_shows_its_films_no_more(shown, client):
    talk = shown("/film.mp4")
    client.get(page_of(talk))
    fetch()
    talk.mentions.update(state="deleted")
    for tail in ("", "file/"):
        assert client.get(page_of(talk) + tail).status_code == 404


def test_another_address_begins_it_anew(shown, stranger, client):
    talk = shown("/film.mp4")
    client.get(page_of(talk))
    fetch()
    mention = talk.mentions.get()
    mention.media[0]["url"] = f"{stranger.url}/moved.mp4"
    mention.save()
    assert client.get(page_of(talk) + "file/").status_code == 404
    assert "Refresh" in client.get(page_of(talk))
    fetch()
    assert client.get(page_of(talk) + "file/").content == FILM


def test_what_nobody_wanted_for_a_week_goes_and_comes_again(shown, client):
    talk = shown("/film.mp4")
    client.get(page_of(talk))
    fetch()
    forget_enclosures(timezone.now() + KEPT - timedelta(minutes=1))
    assert Enclosure.objects.exists()
    forget_enclosures(timezone.now() + KEPT + timedelta(minutes=1))
    assert not Enclosure.objects.exists()
    assert "Refresh" in client.get(page_of(talk))
    fetch()
    assert client.get(page_of(talk) + "file/").content == FILM


def test_however_many_nobody_wants_any_more_go_within_one_hour(shown, monkeypatch):
    monkeypatch.setattr(enclosure, "FORGET", 2)
    talk, long_ago = shown("/film.mp4"), timezone.now() - KEPT - timedelta(minutes=1)
    mention = talk.mentions.get()
    Enclosure.objects.bulk_create(Enclosure(mention=mention, place=place, wanted_at=long_ago) for place in range(5))
    with ThreadPoolExecutor(1) as pool:
        sweeper = Sweeper(pool, timedelta(0))
        for left in (3, 1, 0, 0):
            sweeper._forget()
            assert Enclosure.objects.count() == left


@pytest.fixture
def telegram(cast, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    with Fake() as fake:
        channel = make_channel(network="telegram", team=cast.support)
        channel.settings = {"base_url": fake.server.url}
        channel.sealed = sealed_secrets(channel.pk, {"token": TOKEN})
        channel.save()
        fake.files["one"] = b"%PDF-1.7 what it costs"
        talk = write(channel, "The bill", cast.support)
        media = {"kind": "file", "url": "", "preview_url": "", "description": "bill.pdf (PDF, 1 kB)", "ref": "one"}
        talk.mentions.update(media=[media])
        yield talk


def test_a_file_is_fetched_through_its_network_and_handed_out_to_be_saved(telegram, cast, client):
    client.force_login(cast.ana)
    client.get(page_of(telegram))
    fetch()
    assert "Save the file" in client.get(page_of(telegram)).content.decode()
    file = client.get(page_of(telegram) + "file/", headers={"Range": "bytes=0-3"})
    assert (file.status_code, file["Content-Type"]) == (200, "application/octet-stream")
    assert file["Content-Disposition"] == 'attachment; filename="bill.pdf"'
    assert file.content == b"%PDF-1.7 what it costs"
    assert file["X-Content-Type-Options"] == "nosniff"


def test_a_file_can_be_opened_after_its_channel_was_connected_again(telegram, cast, client):
    client.force_login(cast.ana)
    good = telegram.channel.sealed
    Channel.objects.update(sealed=sealed_secrets(telegram.channel.pk, {"token": "1:wrong"}))
    client.get(page_of(telegram))
    fetch()
    assert "connect the channel again" in client.get(page_of(telegram)).content.decode()
    Channel.objects.update(sealed=good)
    look_later(client, telegram)
    fetch()
    assert "Save the file" in client.get(page_of(telegram)).content.decode()

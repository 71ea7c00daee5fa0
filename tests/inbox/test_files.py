"""Files of an answer being written: judged by what they are, their author's alone until they are sent, and shown to
those only who may read the conversation."""

import io
import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from connectors.media import IMAGES, MediaRule
from inbox.files import Unfit, fitted, judged
from inbox.models import Attachment, Conversation, Draft, Reply
from tests.world import make_channel, write

ALIVE = {"HX-Request": "true"}
SECRET = b"taken at home"


def picture(kind="PNG", size=(40, 30), mode="RGB", color="red", **more):
    out = io.BytesIO()
    Image.new(mode, size, color).save(out, kind, **more)
    return out.getvalue()


def with_a_place():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = "N"
    return picture("JPEG", (60, 30), exif=exif.tobytes(), comment=SECRET)


def with_a_text():
    told = PngInfo()
    told.add_text("Comment", SECRET.decode())
    return picture(pnginfo=told)


def animation():
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue", "green")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0, comment=SECRET)
    return out.getvalue() + SECRET


def box(kind, inner):
    return (len(inner) + 8).to_bytes(4) + kind + inner


VIDEO = box(b"ftyp", b"isom0000") + box(b"moov", box(b"mvhd", b"x" * 20) + box(b"udta", SECRET)) + box(b"mdat", b"y")


@pytest.mark.parametrize(
    ("raw", "kind", "shape"),
    [
        (with_a_place(), "image/jpeg", "image"),
        (with_a_text(), "image/png", "image"),
        (animation(), "image/gif", "animation"),
        (VIDEO, "video/mp4", "video"),
    ],
    ids=["jpeg", "png", "gif", "mp4"],
)
def test_what_is_hidden_in_a_file_does_not_leave_the_house(raw, kind, shape):
    assert SECRET in raw
    file = judged(raw, "holiday.bin")
    assert (file.type, file.kind) == (kind, shape)
    assert SECRET not in file.body
    if shape in ("image", "animation"):
        image = Image.open(io.BytesIO(file.body))
        assert not image.getexif()
        assert (image.width, image.height) == (file.width, file.height)


def test_a_turned_photograph_stands_upright_and_an_animation_keeps_moving():
    assert (judged(with_a_place(), "a.jpg").width, judged(with_a_place(), "a.jpg").height) == (30, 60)
    moving = Image.open(io.BytesIO(judged(animation(), "a.gif").body))
    assert (moving.n_frames, moving.info["loop"], moving.info["duration"]) == (3, 0, 100)
    assert len(judged(VIDEO, "a.mp4").body) == len(VIDEO)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("C:\\photos\\Ärger.exe", "Ärger.png"),
        ("../../etc/passwd", "passwd.png"),
        ("", "file.png"),
        ("a\u202egnp.exe", "agnp.png"),
    ],
)
def test_a_file_is_called_what_it_is(name, expected):
    assert judged(picture(), name).name == expected


@pytest.mark.parametrize(
    "raw",
    [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"MZ\x90\x00", b"\x89PNG\r\n\x1a\nbroken", picture()[:60],
     picture(size=(9000, 9000), mode="1", color=0), b"\x00\x00\x00\x18ftypheic" + b"x" * 40, b"\xff\xfe\x00t"],
    ids=["empty", "svg", "program", "broken", "cut", "bomb", "heic", "utf-16"],
)  # fmt: skip
def test_what_is_no_file_that_may_leave_is_refused_in_words(raw):
    with pytest.raises(Unfit, match=r"“a\.(svg|txt)” "):
        judged(raw, "a.svg" if raw.startswith(b"<") else "a.txt")


def test_a_picture_too_large_for_a_network_is_made_one_it_takes():
    noise = Image.effect_noise((1200, 900), 80).convert("RGB")
    out = io.BytesIO()
    noise.save(out, "PNG")
    file = judged(out.getvalue(), "noise.png")
    small = fitted(file, MediaRule(types=IMAGES, sizes={"image": 300_000}), "X")
    assert len(small.body) <= 300_000
    assert small.said
    narrow = fitted(file, MediaRule(types=IMAGES, sizes={"image": 5_000_000}, side=600), "X")
    assert max(narrow.width, narrow.height) <= 600
    assert "1200 × 900" in narrow.said
    webp = judged(picture("WEBP"), "a.webp")
    assert fitted(webp, MediaRule(types=frozenset({"image/jpeg"})), "X").type == "image/jpeg"
    assert fitted(webp, MediaRule(types=IMAGES), "X") is webp


# On the desk


@pytest.fixture
def talk(cast, client):
    client.force_login(cast.ana)
    return write(make_channel(team=cast.support), "Look", cast.support)


def upload(client, talk, raw=None, name="receipt.png", kind="reply"):
    new = SimpleUploadedFile(name, picture() if raw is None else raw)
    return client.post(f"/conversations/{talk.pk}/files/", {"kind": kind, "new": new}, headers=ALIVE)


def send(client, talk, files, alt=None, **more):
    said = {"text": "Here", "key": uuid4(), "seen_seq": 99, "kind": "reply", "files": [str(one.key) for one in files],
            "alt": alt or ["" for _ in files]}  # fmt: skip
    return client.post(f"/conversations/{talk.pk}/replies/", said | more, headers=ALIVE)


def test_a_file_stays_with_the_draft_until_it_is_sent_and_is_then_shown_with_the_reply(client, talk):
    answer = upload(client, talk)
    assert answer.status_code == 200
    one = Attachment.objects.get()
    assert str(one.key) in answer.content.decode()
    assert str(one.key) in client.get(f"/conversations/{talk.pk}/").content.decode()
    assert send(client, talk, [one], ["a receipt over 10 €"]).status_code == 204
    reply = Reply.objects.get()
    one.refresh_from_db()
    assert (one.reply, one.description, reply.files) == (reply, "a receipt over 10 €", 1)
    page = client.get(f"/conversations/{talk.pk}/").content.decode()
    assert 'alt="a receipt over 10 €"' in page
    assert 'name="files"' not in page


def test_only_its_author_sees_a_draft_and_only_readers_what_was_sent(client, cast, talk):
    upload(client, talk)
    one = Attachment.objects.get()
    url = f"/conversations/{talk.pk}/files/{one.key}/"
    shown = client.get(url)
    assert shown.status_code == 200
    assert shown["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in shown["Content-Security-Policy"]
    assert shown["Content-Type"] == "image/png"
    for stranger in (cast.max, cast.hugo):
        client.force_login(stranger)
        assert client.get(url).status_code == 404
        assert client.post(f"{url}removal/", headers=ALIVE).status_code == 404
        assert client.post(url, {"description": "mine"}).status_code == 404
        assert str(one.key) not in client.get(f"/conversations/{talk.pk}/files/?kind=reply").content.decode()
    client.force_login(cast.ana)
    send(client, talk, [one])
    client.force_login(cast.max)
    assert client.get(url).status_code == 200
    client.force_login(cast.hugo)
    assert client.get(url).status_code == 404
    client.logout()
    assert client.get(url).status_code in (302, 401)


def test_a_file_in_a_conversation_of_hr_is_seen_by_hr_alone(client, cast, talk):
    upload(client, talk)
    one = Attachment.objects.get()
    send(client, talk, [one])
    Conversation.objects.update(team=cast.hr)
    url = f"/conversations/{talk.pk}/files/{one.key}/"
    assert client.get(url).status_code == 404
    client.force_login(cast.hugo)
    assert client.get(url).status_code == 200


def test_a_network_fetches_a_file_by_the_address_it_was_given_while_the_answer_is_on_its_way(
    client, cast, talk, settings
):
    settings.PUBLIC_URL = "https://care.example"
    upload(client, talk)
    one = Attachment.objects.get()
    url = one.lent_url().removeprefix("https://care.example")
    client.logout()
    assert client.get(url).status_code == 404  # a draft is nobody's yet
    client.force_login(cast.ana)
    send(client, talk, [one])
    client.logout()
    lent = client.get(url)
    assert (lent.status_code, lent.content, lent["Content-Type"]) == (200, bytes(one.body), "image/png")
    assert (lent["Cache-Control"], "sandbox" in lent["Content-Security-Policy"]) == ("no-store", True)
    assert client.head(url).status_code == 200
    assert client.post(url).status_code == 405
    for other in (f"/lent/{one.key}/", f"/lent/{one.key.hex}:1:x/", url[:-2] + "/", "/lent/x/"):
        assert client.get(other).status_code == 404
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=61)):
        assert client.get(url).status_code == 404
    Reply.objects.update(state="sent")
    assert client.get(url).status_code == 404


def test_what_is_refused_is_said_and_leaves_nothing(client, talk):
    answer = upload(client, talk, b"MZ\x90\x00", "receipt.png")
    assert answer.status_code == 422
    assert "receipt.png" in answer.content.decode()
    assert not Attachment.objects.exists()


def test_a_network_that_takes_no_files_says_so_to_the_composer(client, cast):
    client.force_login(cast.ana)
    talk = write(make_channel("@wp", "wordpress", team=cast.support), "Look", cast.support)
    answer = upload(client, talk)
    assert answer.status_code == 422
    assert "takes no files" in answer.content.decode()


@pytest.mark.parametrize(
    ("network", "why"),
    [("facebook", "one photo from a comment there, and no video"), ("linkedin", "one picture from a comment there")],
)
def test_a_video_is_not_offered_where_the_network_takes_none_and_the_composer_says_why(client, cast, network, why):
    client.force_login(cast.ana)
    talk = write(make_channel(f"@{network}", network, team=cast.support), "Look", cast.support)
    page = client.get(f"/conversations/{talk.pk}/").content.decode()
    (accept,) = re.findall(r'accept="([^"]+)"', page)
    assert "image/jpeg" in accept
    assert "video" not in accept
    assert why in upload(client, talk, VIDEO, "clip.mp4").content.decode()
    refused = send(client, talk, Attachment.objects.all())
    assert refused.status_code == 422
    assert why in refused.content.decode()


def test_more_than_the_network_takes_is_said_while_writing_and_again_when_sending(client, talk):
    for number in range(5):
        answer = upload(client, talk, picture(color=(number, 0, 0)))
    assert "takes four files" in answer.content.decode()
    refused = send(client, talk, Attachment.objects.all())
    assert refused.status_code == 422
    assert "takes four files" in refused.content.decode()
    assert not Reply.objects.exists()
    last = Attachment.objects.last()
    answer = client.post(f"/conversations/{talk.pk}/files/{last.key}/removal/", headers=ALIVE)
    assert "takes four files" not in answer.content.decode()
    assert send(client, talk, Attachment.objects.all()).status_code == 204


def test_a_file_that_is_gone_stops_the_reply_in_words(client, talk):
    upload(client, talk)
    one = Attachment.objects.get()
    one.remove()
    answer = send(client, talk, [one])
    assert answer.status_code == 422
    assert "no longer here" in answer.content.decode()
    said = {"text": "Here", "key": uuid4(), "seen_seq": 99, "kind": "reply", "files": "nonsense"}
    assert client.post(f"/conversations/{talk.pk}/replies/", said, headers=ALIVE).status_code == 422
    assert not Reply.objects.exists()


def test_the_same_form_sent_twice_is_one_reply_with_its_files(client, talk):
    upload(client, talk)
    one, key = Attachment.objects.get(), uuid4()
    assert send(client, talk, [one], key=key).status_code == 204
    assert send(client, talk, [one], key=key).status_code == 204
    assert Reply.objects.count() == 1


def test_without_scripts_files_travel_with_the_form(client, talk):
    new = SimpleUploadedFile("receipt.png", picture())
    said = {"text": "Here", "key": uuid4(), "seen_seq": 99, "kind": "reply", "new": new}
    assert client.post(f"/conversations/{talk.pk}/replies/", said).status_code == 303
    assert Reply.objects.get().attachments.get().name == "receipt.png"


def test_undo_brings_the_files_back_into_the_box(client, talk):
    upload(client, talk)
    send(client, talk, Attachment.objects.all())
    client.post(f"/conversations/{talk.pk}/replies/{Reply.objects.get().pk}/undo/", headers=ALIVE)
    assert Draft.objects.get().text == "Here"
    page = client.get(f"/conversations/{talk.pk}/").content.decode()
    assert f'name="files" value="{Attachment.objects.get().key}"' in page

"""Files of an agent on their way out, judged by what they are and not by what they are called. A picture is written
anew, so that neither the place where it was taken nor anything else hidden in it leaves the house."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import PurePath
from typing import Any

from django.utils.translation import gettext as _
from PIL import Image, ImageOps

LIMIT = 20_000_000  # bytes of a file
PIXELS, FRAMES = 40_000_000, 1_000
PICTURES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
WRITTEN = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WEBP"}
ENDINGS = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "video/mp4": ".mp4",
    "video/quicktime": ".mov", "application/pdf": ".pdf", "text/plain": ".txt", "text/csv": ".csv",
}  # fmt: skip
PHONES = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif")
KEPT = ("icc_profile", "transparency")  # of what stands beside the pixels
PIXELS_IN_ALL = 200_000_000  # of all pictures of an animation together
BROKEN = (OSError, ValueError, SyntaxError, EOFError, LookupError, struct.error, Image.DecompressionBombError)


class Unfit(Exception):
    """Not a file that can leave, in words."""


@dataclass(frozen=True, slots=True)
class File:
    """`kind`: image, animation, video or file. `said`: what we did to it, for whoever added it."""

    kind: str
    type: str
    name: str
    body: bytes
    width: int | None = None
    height: int | None = None
    said: str = ""


def judged(raw: bytes, name: str) -> File:
    """What it is, without what is hidden in it; Unfit when it is nothing that may leave."""
    if not raw:
        raise Unfit(_("“%s” is empty.") % name)
    if len(raw) > LIMIT:
        raise Unfit(_("“%(name)s” is larger than %(limit)d MB.") % {"name": name, "limit": LIMIT // 1_000_000})
    if raw[4:8] == b"ftyp":
        return _video(raw, name)
    if raw.startswith(b"%PDF-"):
        return File("file", "application/pdf", _named(name, "application/pdf"), raw)
    if raw.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8")) or raw[8:12] == b"WEBP":
        return _picture(raw, name)
    return _text(raw, name)


def _named(name: str, kind: str) -> str:
    """Its own name with the ending that fits what it is; nothing of a path."""
    stem = "".join(sign for sign in PurePath(name.replace("\\", "/")).stem if sign.isprintable()).strip(" .\"'<>|:*?")
    return f"{stem[:80] or 'file'}{ENDINGS[kind]}"


def _text(raw: bytes, name: str) -> File:
    ending = PurePath(name).suffix.lower()
    try:
        plain = "\x00" not in raw.decode("utf-8")
    except UnicodeDecodeError:
        plain = False
    if not plain or ending not in (".txt", ".csv"):
        raise Unfit(_("“%s” is none of the files that can be sent: JPEG, PNG, GIF, WebP, MP4, PDF, text.") % name)
    kind = "text/csv" if ending == ".csv" else "text/plain"
    return File("file", kind, _named(name, kind), raw)


# Pictures


def _picture(raw: bytes, name: str) -> File:
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(raw), formats=FORMATS) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours and is lower
            if image.width * image.height > PIXELS:
                raise Unfit(_("“%s” has more than 40 million pixels.") % name)
            kind = PICTURES[image.format or ""]
            moving = image.format != "MPO" and getattr(image, "n_frames", 1) > 1
            if moving and kind == "image/gif":
                return _moving(raw, name, image)
            plain = plainly(image)
    except BROKEN as error:
        raise Unfit(_("“%s” is not a picture that can be read.") % name) from error
    said = _("Only the first picture of this animation is sent.") if moving else ""
    return File("image", kind, _named(name, kind), written(plain, kind), plain.width, plain.height, said)


def plainly(image: Image.Image) -> Image.Image:
    """Upright, with its pixels, its colours and nothing else."""
    image.load()
    upright = ImageOps.exif_transpose(image)
    plain = upright.copy() if upright is image else upright
    plain.info = {name: value for name, value in plain.info.items() if name in KEPT}
    return plain


def written(image: Image.Image, kind: str, quality: int = 92) -> bytes:
    """The file of a plain picture."""
    out = io.BytesIO()
    if kind == "image/jpeg":
        flat = image if image.mode in ("L", "RGB") else _on_white(image)
        flat.save(out, "JPEG", quality=quality, icc_profile=_profile(image, flat), optimize=True)
    elif kind == "image/webp":
        image.save(out, "WEBP", quality=quality, method=4)
    else:
        image.save(out, WRITTEN[kind])
    return out.getvalue()


def _profile(image: Image.Image, flat: Image.Image) -> Any:
    """Its colours are described by its profile only as long as they are of the same kind."""
    return image.info.get("icc_profile") if image.mode in (flat.mode, "RGBA", "LA") else None


def _on_white(image: Image.Image) -> Image.Image:
    if not _see_through(image):
        return image.convert("RGB")
    clear = image.convert("RGBA")
    flat = Image.new("RGB", image.size, "white")
    flat.paste(clear, mask=clear.getchannel("A"))
    return flat


def _see_through(image: Image.Image) -> bool:
    return "A" in image.getbands() or "transparency" in image.info


def _moving(raw: bytes, name: str, image: Image.Image) -> File:
    at_most = min(FRAMES, PIXELS_IN_ALL // (image.width * image.height))
    for place in count():  # not n_frames, which reads the whole file before it says a number
        if place >= at_most:
            raise Unfit(_("“%s” has too many pictures for an animation.") % name)
        try:
            image.seek(place)
        except EOFError:
            break
        image.load()
    body = b"".join(_gif(raw))
    return File("animation", "image/gif", _named(name, "image/gif"), body, image.width, image.height)


def _gif(raw: bytes) -> Iterator[bytes]:
    """The blocks that are shown: the screen, the pictures with their times, and how often it all runs; no comments, no
    blocks of other programs, nothing after the end."""
    place = 13 + _table(raw[10])
    yield raw[:place]
    while place < len(raw):
        block, start = raw[place], place
        if block == 0x3B:
            break
        if block == 0x21:
            place = _end_of(raw, place + 2)
            looping = raw[start + 1] == 0xFF and raw[start + 3 : start + 14] == b"NETSCAPE2.0"
            if raw[start + 1] == 0xF9 or looping:
                yield raw[start:place]
        elif block == 0x2C:
            place = _end_of(raw, place + 10 + _table(raw[place + 9]) + 1)
            yield raw[start:place]
        else:
            break
    yield b"\x3b"


def _table(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _end_of(raw: bytes, place: int) -> int:
    """Behind a chain of sub-blocks."""
    while place < len(raw) and raw[place]:
        place += 1 + raw[place]
    return place + 1


def fitted(file: File, rule: Any, label: str) -> File:
    """A picture that is too large for a network, or of a kind it does not take, made one it takes if that can be done;
    everything else as it is. `rule`: types, sizes, pixels and side of `connectors.media.MediaRule`."""
    limit = rule.sizes.get("image")
    if file.kind != "image" or not rule.types & set(WRITTEN) or _fits(file, rule, limit):
        return file
    with Image.open(io.BytesIO(file.body), formats=FORMATS) as image:
        plain = plainly(image)
    for kind, scale, quality in _attempts(file, plain, rule):
        small = _scaled(plain, rule, scale)
        made = replace(file, type=kind, name=_named(file.name, kind), body=written(small, kind, quality),
                       width=small.width, height=small.height)  # fmt: skip
        if _fits(made, rule, limit):
            return replace(made, said=_said(file, made, label))
    return file


def _fits(file: File, rule: Any, limit: int | None) -> bool:
    wide = rule.side is not None and max(file.width or 0, file.height or 0) > rule.side
    many = rule.pixels is not None and (file.width or 0) * (file.height or 0) > rule.pixels
    return file.type in rule.types and not wide and not many and (limit is None or len(file.body) <= limit)


def _attempts(file: File, image: Image.Image, rule: Any) -> Iterator[tuple[str, float, int]]:
    """As it is, then with less detail, then smaller and smaller."""
    usual = "image/png" if _see_through(image) and "image/png" in rule.types else "image/jpeg"
    # A photograph saved as PNG is ten times as large as it needs to be.
    heavy = len(file.body) > rule.sizes.get("image", LIMIT)
    first = usual if heavy and file.type == "image/png" else file.type
    kinds = dict.fromkeys(kind for kind in (first, usual) if kind in rule.types)
    for scale in (1.0, 0.8, 0.6, 0.45, 0.3, 0.2):
        for kind in kinds:
            for quality in (90, 80) if kind != "image/png" else (90,):
                yield kind, scale, quality


def _scaled(image: Image.Image, rule: Any, scale: float) -> Image.Image:
    width, height = image.size
    if rule.side is not None:
        scale = min(scale, rule.side / max(width, height))
    if rule.pixels is not None:
        scale = min(scale, (rule.pixels / (width * height)) ** 0.5)
    if scale >= 1:
        return image
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    wide = image.convert("RGBA" if _see_through(image) else "RGB") if image.mode in ("P", "1") else image
    small = wide.resize(size, Image.Resampling.LANCZOS)
    small.info = {name: value for name, value in wide.info.items() if name in KEPT}
    return small


def _said(old: File, new: File, label: str) -> str:
    if (old.width, old.height) != (new.width, new.height):
        words = _("Made smaller for %(label)s: %(old)s, now %(new)s.")
        sizes = {"old": f"{old.width} × {old.height}", "new": f"{new.width} × {new.height}"}
        return words % {"label": label, **sizes}
    words = _("Saved anew for %(label)s: %(old).1f MB, now %(new).1f MB.")
    return words % {"label": label, "old": len(old.body) / 1_000_000, "new": len(new.body) / 1_000_000}


# Videos


def _video(raw: bytes, name: str) -> File:
    if raw[8:12] in PHONES:
        raise Unfit(_("“%s” is a picture of a kind that networks do not take. Save it as JPEG.") % name)
    kind = "video/quicktime" if raw[8:12] == b"qt  " else "video/mp4"
    body = bytearray(raw)
    if not _silence(body, 0, len(body), (b"moov", b"trak")):
        raise Unfit(_("“%s” is not a video that can be read.") % name)
    return File("video", kind, _named(name, kind), bytes(body))


def _silence(body: bytearray, start: int, end: int, inner: tuple[bytes, ...], depth: int = 0) -> bool:
    """Overwrites the boxes that say where and with what a video was made; nothing moves, so what refers to places in
    the file stays true. False when the file is not made of boxes."""
    place = start
    while place + 8 <= end:
        size, kind, head = int.from_bytes(body[place : place + 4]), bytes(body[place + 4 : place + 8]), 8
        if size == 1:
            size, head = int.from_bytes(body[place + 8 : place + 16]), 16
        size = size or end - place
        if size < head or place + size > end:
            return False
        if kind in (b"udta", b"meta", b"uuid"):
            body[place + 4 : place + 8] = b"free"
            body[place + head : place + size] = bytes(size - head)
        elif kind in inner and depth < 2 and not _silence(body, place + head, place + size, inner, depth + 1):
            return False
        place += size
    return place == end

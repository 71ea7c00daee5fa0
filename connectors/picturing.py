"""Fetches the pictures somebody looks at, through the seam like everything foreign, and writes each anew: what a
browser gets was made by us, without what else stood in the file."""

from __future__ import annotations

import io
import time
import warnings
from datetime import timedelta
from urllib.parse import urlsplit

from django.db.models import Q
from django.utils import timezone
from PIL import Image, ImageOps

from connectors.faults import Unavailable
from connectors.fetching import content, failed
from inbox.models import Picture

BATCH, SEEN = 20, 200  # pictures of one round: fetched, and looked at
ROUND = 25.0  # seconds after which a round begins no more; with one picture's redirects it stays below a task's limit
WHOLE = 8.0  # seconds of one call
SIZE = 5_000_000  # bytes of the file
PIXELS = 40_000_000
SHOWN = (1600, 1600)
FORMATS = ("JPEG", "PNG", "GIF", "WEBP")


class Unfit(Exception):
    """Not a picture that can be shown, in words."""


def fetch_due(overdue_by: timedelta = timedelta(0)) -> int:
    """Fetches what is wanted, oldest first; how many rows it worked on. A host that gave no answer is asked no more in
    this round: its other pictures would only keep everybody else's waiting."""
    worked, ends = 0, time.monotonic() + ROUND
    silent, seen = set[str](), set[int]()
    due = Picture.objects.due().filter(not_before__lte=timezone.now() - overdue_by).order_by("not_before", "pk")
    while worked < BATCH and len(seen) < SEEN and time.monotonic() < ends:
        # One at a time, so that however many wait behind a host that is silent, the others' are found.
        rested = Q()
        for host in sorted(silent):
            rested |= Q(source__startswith=f"https://{host}") | Q(source__startswith=f"http://{host}")
        rest = due.exclude(rested) if rested else due
        picture = rest.exclude(pk__in=seen).defer("body").first()
        if picture is None:
            break
        seen.add(picture.pk)
        worked += fetch(picture, silent)
    return worked


def fetch(picture: Picture, silent: set[str]) -> bool:
    """Fetches one; False when somebody else has it. A host that gives no answer is added to `silent`."""
    if not picture.take():
        return False
    try:
        picture.keep(anew(content(picture.mention, picture.source, SIZE, WHOLE)))
    except Unfit as unfit:
        picture.refuse(str(unfit))
    except Exception as error:  # noqa: BLE001  judged there
        if isinstance(error, Unavailable) and not error.status:
            silent.add(_host(picture.source))
        failed(picture, error)
    return True


def _host(address: str) -> str:
    try:
        return urlsplit(address).netloc
    except ValueError:  # no address at all; it is refused when it is fetched
        return address


def anew(file: bytes) -> bytes:
    """The picture as WebP of at most 1,600 by 1,600, upright, its first frame, without anything but its pixels; Unfit
    when it is none, is broken, or has more than 40 million pixels."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(file), formats=FORMATS) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours and is lower
            if image.width * image.height > PIXELS:
                raise Unfit("The picture is too large.")
            image.draft("RGB", SHOWN)
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail(SHOWN)
            plain = upright.convert("RGBA" if "A" in upright.getbands() or "transparency" in upright.info else "RGB")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise Unfit("The file is not a picture that can be shown.") from error
    out = io.BytesIO()
    plain.save(out, "WEBP", quality=80, method=4)
    return out.getvalue()

"""Our own copy of a film, a sound or a file that stands with a post. A worker fetches it when somebody wants it, from
its address or through the network's connector, and it is kept for a week."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from inbox.models.fetched import Fetched, FetchedQuerySet
from inbox.models.mention import Mention

ADDRESSES, HELD = ("https://", "http://"), "held:"
SOURCES = (*ADDRESSES, HELD)
MOST = 10  # media of one message
KEPT = timedelta(days=7)
FORGET = 200  # rows at once
LARGEST = 25_000_000  # bytes
PLAYED = {
    "video/mp4": b"ftyp", "video/webm": b"\x1aE\xdf\xa3", "audio/ogg": b"OggS", "audio/mpeg": b"ID3",
}  # fmt: skip
_LISTS = (".m3u8", ".mpd")  # of pieces, which are not one file


class EnclosureQuerySet(FetchedQuerySet["Enclosure"]):
    pass


class Enclosure(Fetched):
    """`type` is what the file is by its first bytes: what a browser may play, or "" for what is only handed out."""

    lease = timedelta(seconds=120)
    pause, rest_after_deaths = timedelta(seconds=10), timedelta(hours=1)

    mention = models.ForeignKey(Mention, models.CASCADE, related_name="enclosures", db_index=False)
    # Columns that grow without a lock, as in every table that is younger than the first ones.
    state = models.TextField(choices=Fetched.State, default="due")
    tries = models.IntegerField(default=0)
    reason = models.TextField(blank=True)
    place = models.IntegerField()
    type = models.TextField(blank=True)
    wanted_at = models.DateTimeField(default=timezone.now)

    objects = EnclosureQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mention", "place"], name="one_enclosure_per_place")]
        indexes = [
            models.Index(
                fields=["not_before"], name="enclosures_due", condition=models.Q(state__in=["due", "fetching"])
            ),
            models.Index(fields=["wanted_at"], name="enclosures_old"),
        ]

    def __str__(self) -> str:
        return f"enclosure {self.place} of mention {self.mention_id}"


def source_of(item: dict[str, Any]) -> str:
    """Where a medium comes from: under what its network's connector gives it out, or its address."""
    return f"{HELD}{item['ref']}" if item.get("ref") else str(item.get("url") or "")


def enclosure_of(media: object, place: int) -> str:
    """Where the film, sound or file at that place of a mention's media comes from; "" for what we keep no copy of:
    pictures have their own, and a page or a list of pieces is no file."""
    if not isinstance(media, list) or not 0 <= place < min(len(media), MOST) or not isinstance(media[place], dict):
        return ""
    item = media[place]
    source = source_of(item)
    if item.get("kind") == "image" or not source.startswith(SOURCES):
        return ""
    if source.startswith(HELD):
        return source
    listed = source.partition("?")[0].endswith(_LISTS)
    return source if item.get("kind") in ("video", "audio") and not listed else ""


def type_of(body: bytes) -> str:
    """What the file is, of what browsers play; "" for everything else, whatever its name or its server says."""
    if body[4:8] == PLAYED["video/mp4"]:
        return "video/mp4"
    if body[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"):  # a frame of sound without a head
        return "audio/mpeg"
    return next((kind for kind, mark in PLAYED.items() if body.startswith(mark)), "")


def forget_enclosures(now: datetime) -> bool:
    """Takes away what nobody has wanted for a week; it can be fetched again. Whether there may be more."""
    old = Enclosure.objects.filter(wanted_at__lt=now - KEPT).order_by("wanted_at").values("pk")[:FORGET]
    return Enclosure.objects.filter(pk__in=old).delete()[0] == FORGET

"""Our own copy of a picture in a post, so that no agent's browser ever talks to a stranger. A row is made when somebody
first looks; a worker fetches the picture, writes it anew and keeps it until its mention goes."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

from django.db import models

from inbox.models.enclosure import MOST, SOURCES, source_of
from inbox.models.fetched import Fetched, FetchedQuerySet
from inbox.models.mention import Mention


class PictureQuerySet(FetchedQuerySet["Picture"]):
    pass


class Picture(Fetched):
    """`source` is where the network has it; an edit may name another address, and then this copy is of something
    else."""

    lease = timedelta(seconds=60)
    # Nobody asks for a picture: it is wanted whenever its message is shown.
    pause, rest_after_deaths = timedelta(hours=1), timedelta(days=1)

    mention = models.ForeignKey(Mention, models.CASCADE, related_name="pictures", db_index=False)
    place = models.SmallIntegerField()

    objects = PictureQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mention", "place"], name="one_picture_per_place")]
        indexes = [
            models.Index(fields=["not_before"], name="pictures_due", condition=models.Q(state__in=["due", "fetching"]))
        ]

    def __str__(self) -> str:
        return f"picture {self.place} of mention {self.mention_id}"


def picture_url(media: object, place: int) -> str:
    """Where the picture at that place of a mention's media comes from: an image itself, or the still of a video; its
    address, or under what the network's connector gives it out."""
    if not isinstance(media, list) or not 0 <= place < min(len(media), MOST) or not isinstance(media[place], dict):
        return ""
    item = media[place]
    still = item.get("preview_url") or (source_of(item) if item.get("kind") == "image" else "")
    return still if isinstance(still, str) and still.startswith(SOURCES) else ""


def version_of(source: str) -> str:
    """Stands in the address of a copy, so that one a browser keeps is never shown for another picture."""
    return sha256(source.encode()).hexdigest()[:10]

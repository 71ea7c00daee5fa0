"""Our own copy of a picture in a post, so that no agent's browser ever talks to a stranger. A row is made when somebody
first looks; a worker fetches the picture, writes it anew and keeps it until its mention goes."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

from django.db import models
from django.utils import timezone

from inbox.models.mention import Mention
from inbox.models.reply import Clock

TRIES = 3
LEASE = timedelta(seconds=60)
MOST = 10  # pictures of one message


class PictureQuerySet(models.QuerySet["Picture"]):
    def due(self) -> PictureQuerySet:
        waiting = models.Q(state="due", not_before__lte=Clock())
        return self.filter(waiting | models.Q(state="fetching", lease_until__lt=Clock()))


class Picture(models.Model):
    class State(models.TextChoices):
        DUE = "due", "Wanted"
        FETCHING = "fetching", "Being fetched"
        READY = "ready", "Ready"
        REFUSED = "refused", "Cannot be shown"

    mention = models.ForeignKey(Mention, models.CASCADE, related_name="pictures", db_index=False)
    place = models.SmallIntegerField()
    source = models.TextField(default="", db_default="")
    """Where the network has it; an edit may name another address, and then this copy is of something else."""
    state = models.CharField(max_length=8, choices=State, default="due")
    body = models.BinaryField(default=b"")
    tries = models.SmallIntegerField(default=0)
    not_before = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True)
    reason = models.CharField(max_length=200, blank=True)

    objects = PictureQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mention", "place"], name="one_picture_per_place")]
        indexes = [
            models.Index(fields=["not_before"], name="pictures_due", condition=models.Q(state__in=["due", "fetching"]))
        ]

    def __str__(self) -> str:
        return f"picture {self.place} of mention {self.mention_id}"

    def want(self, source: str) -> bool:
        """Begins anew with another address; False when somebody else did. Whoever still fetches the old one keeps
        nothing."""
        stale = Picture.objects.filter(pk=self.pk, source=self.source)
        fresh = {"state": "due", "body": b"", "tries": 0, "reason": "", "not_before": timezone.now()}
        begun = bool(stale.update(source=source, lease_until=None, **fresh))
        self.refresh_from_db()
        return begun

    def take(self) -> bool:
        """False when another worker has it, or when three died over it: it may be what kills them."""
        due = Picture.objects.due().filter(pk=self.pk).values("pk")
        mine = Picture.objects.filter(pk__in=due, tries=self.tries, source=self.source)
        if self.tries >= TRIES:
            mine.update(state="refused", reason="Fetching it was begun three times and never ended.")
            return False
        if not mine.update(state="fetching", lease_until=Clock() + LEASE, tries=models.F("tries") + 1):
            return False
        self.refresh_from_db()
        return True

    def keep(self, body: bytes) -> bool:
        return self._end("ready", body=body)

    def refuse(self, reason: str) -> bool:
        return self._end("refused", reason=reason[:200])

    def again(self, reason: str) -> bool:
        """Later, at most three times."""
        if self.tries >= TRIES:
            return self.refuse(reason)
        return self._end("due", reason=reason[:200], not_before=timezone.now() + timedelta(seconds=10 * self.tries))

    def _end(self, state: str, **fields: object) -> bool:
        mine = Picture.objects.filter(pk=self.pk, state="fetching", tries=self.tries, source=self.source)
        return bool(mine.update(state=state, **fields))


def picture_url(media: object, place: int) -> str:
    """The address of the picture at that place of a mention's media: an image itself, or the still of a video."""
    if not isinstance(media, list) or not 0 <= place < min(len(media), MOST) or not isinstance(media[place], dict):
        return ""
    item = media[place]
    still = item.get("preview_url") or (item.get("url") if item.get("kind") == "image" else "")
    return still if isinstance(still, str) and still.startswith(("https://", "http://")) else ""


def version_of(source: str) -> str:
    """Stands in the address of a copy, so that one a browser keeps is never shown for another picture."""
    return sha256(source.encode()).hexdigest()[:10]

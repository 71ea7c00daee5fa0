"""A file that an agent adds to an answer. It belongs to the agent's draft until the answer is in the outbox, and to the
answer from then on; what nobody sent is thrown away after a month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.db import models
from django.urls import reverse
from django.utils import timezone

if TYPE_CHECKING:
    from inbox.files import File
    from inbox.models.agent import Agent
    from inbox.models.conversation import Conversation
    from inbox.models.reply import Reply

MOST = 10  # files of one draft, whatever the network takes
UNSENT = timedelta(days=30)
DESCRIPTION = 2_000
LENT = timedelta(hours=1)  # for how long an address is good that was given to a network
_lending = TimestampSigner(salt="inbox.attachment.lent")


class FilesGone(Exception):
    """A file that was to be sent is no longer in the draft, or left with another answer."""


class TooMany(Exception):
    """The draft holds as many files as it can."""


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    def drafted(self, agent: Agent, conversation: Conversation, kind: str = "") -> AttachmentQuerySet:
        """What this agent added and did not send yet, in order."""
        mine = self.filter(agent=agent, conversation=conversation, reply=None).order_by("kind", "place", "pk")
        return mine.filter(kind=kind) if kind else mine

    def lent(self, token: str) -> AttachmentQuerySet:
        """What a network may fetch by this token: a file of an answer that is on its way, and nothing later."""
        try:
            key = UUID(_lending.unsign(token, max_age=LENT))
        except (BadSignature, ValueError):
            return self.none()
        return self.filter(key=key, reply__state__in=("queued", "sending"))

    def light(self) -> AttachmentQuerySet:
        """Without the bytes."""
        return self.defer("body")


class Attachment(models.Model):
    key = models.UUIDField(unique=True, default=uuid4)
    conversation = models.ForeignKey("inbox.Conversation", models.CASCADE, related_name="attachments", db_index=False)
    agent = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    kind = models.TextField(choices=[("reply", "Reply"), ("private", "Private message")])
    reply = models.ForeignKey("inbox.Reply", models.CASCADE, null=True, related_name="attachments", db_index=False)
    place = models.PositiveIntegerField(default=0)
    shape = models.TextField(
        choices=[("image", "Picture"), ("animation", "Moving picture"), ("video", "Video"), ("file", "File")],
    )
    content_type = models.TextField()
    name = models.TextField()
    size = models.PositiveIntegerField()
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    digest = models.TextField()
    description = models.TextField(blank=True)
    said = models.TextField(blank=True)
    body = models.BinaryField()
    at = models.DateTimeField(default=timezone.now)

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["reply"], name="attachments_sent", condition=models.Q(reply__isnull=False)),
            models.Index(fields=["conversation", "agent"], name="attachments_drafted"),
            models.Index(fields=["at"], name="attachments_unsent", condition=models.Q(reply__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.shape} {self.key}"

    @property
    def is_shown(self) -> bool:
        """Whether a browser may show it as a picture; everything else is saved."""
        return self.shape in ("image", "animation")

    def lent_url(self) -> str:
        """For a network that takes no bytes and fetches them itself."""
        return settings.PUBLIC_URL + reverse("inbox:lent_file", args=[_lending.sign(self.key.hex)])

    @classmethod
    def add(cls, agent: Agent, conversation: Conversation, kind: str, file: File) -> Attachment:
        """Adds a file to the draft; the same file again is the one that is there, so that an upload whose answer was
        lost may be repeated. Raises TooMany."""
        digest = sha256(file.body).hexdigest()
        drafted = cls.objects.drafted(agent, conversation, kind).light()
        if twin := drafted.filter(digest=digest).first():
            return twin
        last = list(drafted.values_list("place", flat=True))
        if len(last) >= MOST:
            raise TooMany
        return cls.objects.create(
            conversation=conversation,
            agent=agent,
            kind=kind,
            place=max(last, default=0) + 1,
            shape=file.kind,
            content_type=file.type,
            name=file.name,
            size=len(file.body),
            width=file.width,
            height=file.height,
            digest=digest,
            said=file.said[:200],
            body=file.body,
        )

    def describe(self, description: str) -> bool:
        """What it shows, for who cannot see it; only while it is a draft."""
        mine = Attachment.objects.filter(pk=self.pk, reply=None)
        return bool(mine.update(description=description[:DESCRIPTION], at=timezone.now()))

    def remove(self) -> bool:
        """Throws it away unless it was sent."""
        return bool(Attachment.objects.filter(pk=self.pk, reply=None).delete()[0])


def bind(reply: Reply, draft: str, files: Sequence[UUID]) -> None:
    """Gives these files of the author's draft to the answer, in this order. Raises FilesGone when one of them is not
    there: what the author saw is what leaves. Part of the transaction that makes the answer."""
    drafted = Attachment.objects.drafted(reply.author, reply.conversation, draft)
    bound = sum(drafted.filter(key=key).update(reply=reply, place=place) for place, key in enumerate(files, start=1))
    if bound != len(files):
        raise FilesGone


def unbind(reply: Reply, draft: str) -> None:
    """Back to the draft of the answer's author."""
    Attachment.objects.filter(reply=reply).update(reply=None, agent=reply.author, kind=draft, at=timezone.now())


def of_replies(replies: Sequence[Reply]) -> dict[int, list[Attachment]]:
    """What each answer carries, without the bytes; no statement when none carries anything."""
    carrying = [reply.pk for reply in replies if reply.files]
    found: dict[int, list[Attachment]] = {}
    if carrying:
        for one in Attachment.objects.light().filter(reply__in=carrying).order_by("place", "pk"):
            found.setdefault(one.reply_id or 0, []).append(one)
    return found


def forget_unsent(now: Any, most: int = 200) -> int:
    """Throws away what nobody sent for a month."""
    old = Attachment.objects.filter(reply=None, at__lt=now - UNSENT).order_by("at").values("pk")[:most]
    return Attachment.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()[0]

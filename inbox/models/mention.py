"""A mention: one post of a network as we keep it. Its text is what stands on the network now; earlier texts are
revisions."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone


class MentionQuerySet(models.QuerySet["Mention"]):
    def timeline(self) -> MentionQuerySet:
        return self.order_by("posted_at", "id")


class Mention(models.Model):
    channel = models.ForeignKey("connectors.Channel", models.PROTECT, related_name="mentions", db_index=False)
    external_id = models.TextField()
    conversation = models.ForeignKey("inbox.Conversation", models.CASCADE, related_name="mentions", db_index=False)
    identity = models.ForeignKey("inbox.Identity", models.PROTECT, related_name="mentions", db_index=False)
    kind = models.CharField(max_length=16)
    source = models.CharField(max_length=40)
    text = models.TextField()
    posted_at = models.DateTimeField()
    seen_at = models.DateTimeField(default=timezone.now)
    edited_at = models.DateTimeField(null=True)
    version = models.CharField(max_length=64)
    language = models.CharField(max_length=12, blank=True)
    parent_id = models.TextField(blank=True)
    url = models.TextField(blank=True)
    media = models.JSONField(default=list)
    visibility = models.CharField(max_length=10, default="public")
    state = models.CharField(max_length=8, default="live")
    ours = models.BooleanField(default=False)
    history = models.BooleanField(default=False)
    late = models.BooleanField(default=False)
    rating = models.DecimalField(max_digits=4, decimal_places=1, null=True)
    followers = models.BigIntegerField(null=True)
    grants = models.JSONField(default=dict)
    marks = ArrayField(models.CharField(max_length=10), default=list, db_default=[])
    raw = models.JSONField(default=dict)

    objects = MentionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "external_id"], name="one_mention_per_post")]
        indexes = [models.Index(fields=["conversation", "posted_at", "id"], name="mention_timeline")]

    def __str__(self) -> str:
        return f"mention {self.pk}"


class Revision(models.Model):
    mention = models.ForeignKey(Mention, models.CASCADE, related_name="revisions")
    text = models.TextField()
    until = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"revision {self.pk} of mention {self.mention_id}"

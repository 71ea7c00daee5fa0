"""What stays inside: notes for the team, and the drafts of replies and notes that an agent has not finished."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Note(models.Model):
    conversation = models.ForeignKey("inbox.Conversation", models.CASCADE, related_name="notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    key = models.UUIDField(unique=True)
    text = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"note {self.pk}"


class Draft(models.Model):
    agent = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="drafts")
    conversation = models.ForeignKey("inbox.Conversation", models.CASCADE, related_name="drafts")
    kind = models.CharField(
        max_length=8, choices=[("reply", "Reply"), ("private", "Private message"), ("note", "Note")]
    )
    text = models.TextField()
    version = models.PositiveIntegerField(default=1)
    at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "conversation", "kind"], name="one_draft_per_agent_and_kind")
        ]

    def __str__(self) -> str:
        return f"{self.kind} draft {self.pk}"

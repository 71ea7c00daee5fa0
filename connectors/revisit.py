"""Where the round stands through what was said in conversations that are closed: what is deleted or changed on its
network after that is deleted or changed here too."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Revisit(models.Model):
    """The round of one channel. It goes by the posts' own ids; those up to `at` were asked for since `begun_at`, an
    empty one begins another. `tried`: how often those after it were asked for in vain."""

    channel = models.OneToOneField("connectors.Channel", models.CASCADE, related_name="revisit")
    at = models.TextField(default="", blank=True)
    begun_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(default=timezone.now)
    tried = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"revisit of {self.channel_id} after {self.at or 'nothing'}"

"""How complete a channel is: once a day the last two days are read again, what was changed or missed is stored, and
what had not been there is counted."""

from __future__ import annotations

from django.db import models


class Reread(models.Model):
    """One source read again. `found`, `late` and `missing` count posts of the day between `since` and `until`;
    `cursor` is where an unfinished one goes on. `words`: why it could not be done."""

    channel = models.ForeignKey("connectors.Channel", models.CASCADE, related_name="rereads")
    source = models.TextField()
    since = models.DateTimeField()
    until = models.DateTimeField()
    begun_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    cursor = models.JSONField(null=True)
    found = models.PositiveIntegerField(default=0)
    late = models.PositiveIntegerField(default=0)
    missing = models.PositiveIntegerField(default=0)
    missing_ids = models.JSONField(default=list)
    words = models.CharField(max_length=300, default="", blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "source"], condition=models.Q(done_at=None), name="one_reread_at_a_time"
            )
        ]
        indexes = [models.Index(fields=["channel", "done_at"], name="rereads_of_channel")]

    def __str__(self) -> str:
        return f"re-read of {self.channel_id}/{self.source} since {self.since}"

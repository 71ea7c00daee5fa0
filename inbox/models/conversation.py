"""A conversation: what one person says in one thread. It is what stands in a team's queue, is claimed, answered and
closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from inbox.models.actable import Actable
from inbox.models.answerable import Answerable
from inbox.models.assignable import Assignable
from inbox.models.closeable import Closeable

if TYPE_CHECKING:
    from inbox.models.agent import Agent


class State(models.IntegerChoices):
    NEW = 0, "New"
    WAITING_CUSTOMER = 1, "Waiting for customer"
    WAITING_CAUSE = 2, "Waiting for cause"
    SNOOZED = 3, "Snoozed"
    DONE = 4, "Done"
    SPAM = 5, "Spam"
    HEARD = 6, "Heard only"


OPEN = range(State.WAITING_CAUSE + 1)


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, agent: Agent) -> ConversationQuerySet:
        """The permission: whoever may not read a conversation does not find it."""
        return self.filter(team_id__in=sorted(agent.readable_team_ids))

    def open(self) -> ConversationQuerySet:
        return self.filter(state__lte=State.WAITING_CAUSE)

    def in_trouble(self) -> ConversationQuerySet:
        """Conversations in which a reply failed, is in doubt or was held back."""
        return self.exclude(trouble="")

    def snooze_over(self) -> ConversationQuerySet:
        return self.filter(state=State.SNOOZED, snoozed_until__lte=timezone.now())


class Conversation(Assignable, Closeable, Answerable, Actable, models.Model):
    channel = models.ForeignKey("connectors.Channel", models.PROTECT, related_name="conversations", db_index=False)
    thread_key = models.TextField()
    identity = models.ForeignKey("inbox.Identity", models.PROTECT, related_name="conversations")
    team = models.ForeignKey("inbox.Team", models.PROTECT, related_name="conversations", db_index=False)
    agent = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="conversations", db_index=False
    )
    state = models.SmallIntegerField(choices=State, default=State.NEW)
    priority = models.IntegerField(default=0)
    rank = models.IntegerField(default=0)
    tags = ArrayField(models.CharField(max_length=40), default=list)
    subject = models.CharField(max_length=300, blank=True)
    excerpt = models.CharField(max_length=140, blank=True)
    language = models.CharField(max_length=12, blank=True)
    visibility = models.CharField(max_length=10, default="public")
    newest_at = models.DateTimeField()
    waiting_since = models.DateTimeField()
    snoozed_until = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    seen_seq = models.BigIntegerField(default=0)
    inbound_seq = models.BigIntegerField(default=0)
    trouble = models.CharField(max_length=8, default="")
    trace = models.JSONField(default=dict)
    context = models.JSONField(default=list)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["thread_key", "identity"], name="one_conversation_per_thread")]
        indexes = [
            models.Index(
                models.F("team"),
                models.F("newest_at").desc(),
                models.F("id").desc(),
                name="queue_newest",
                condition=models.Q(state__lte=2),
            ),
            models.Index(
                fields=["team", "rank", "waiting_since", "id"], name="queue_rank", condition=models.Q(state__lte=2)
            ),
            models.Index(
                fields=["team", "waiting_since", "id"], name="queue_waiting", condition=models.Q(state__lte=2)
            ),
            models.Index(
                models.F("agent"),
                models.F("newest_at").desc(),
                models.F("id").desc(),
                name="queue_agent",
                condition=models.Q(state__lte=2, agent__isnull=False),
            ),
            models.Index(
                fields=["team", "rank", "waiting_since", "id"],
                name="queue_deal",
                condition=models.Q(state=0, agent__isnull=True),
            ),
            models.Index(fields=["team", "state", "agent"], name="queue_audit", condition=models.Q(state__lte=3)),
            models.Index(
                models.F("team"),
                models.F("state"),
                models.F("newest_at").desc(),
                models.F("id").desc(),
                name="queue_by_state",
                condition=models.Q(state__gt=2),
            ),
            models.Index(
                models.F("team"),
                models.F("newest_at").desc(),
                models.F("id").desc(),
                name="queue_put_away",
                condition=models.Q(state__gt=2),
            ),
            models.Index(fields=["team", "newest_at"], name="queue_trouble", condition=~models.Q(trouble="")),
            models.Index(
                models.F("channel"),
                models.F("newest_at").desc(),
                name="queue_channel",
                condition=models.Q(state__lte=2),
            ),
            models.Index(fields=["channel", "id"], name="queue_followed", condition=models.Q(state__lte=2)),
            models.Index(fields=["snoozed_until"], name="queue_snoozed", condition=models.Q(state=3)),
        ]

    def __str__(self) -> str:
        return f"conversation {self.pk}"

    @property
    def stream(self) -> str:
        return f"conversation:{self.pk}"

    @property
    def is_open(self) -> bool:
        return self.state <= State.WAITING_CAUSE

    def last_inbound(self) -> Any:
        """The newest message from outside that still stands, which a reply answers; None when all are deleted."""
        from inbox.models.mention import Mention

        standing = Mention.objects.filter(conversation=self, ours=False, state__in=["live", "edited"])
        return standing.order_by("-posted_at", "-id").first()


class Tag(models.Model):
    name = models.CharField(max_length=40, unique=True)

    def __str__(self) -> str:
        return self.name


class Seen(models.Model):
    """How far an agent has read a conversation; unread is an inbound number above it."""

    agent = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="+")
    seq = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "conversation"], name="one_seen_per_conversation")]

    def __str__(self) -> str:
        return f"{self.agent_id} saw {self.conversation_id} to {self.seq}"

"""Channels: the accounts and sources we listen to, with what a poll needs to go on exactly where the last one ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Exists, F, Q, Value
from django.utils import timezone

from connectors import belonging
from connectors.answering import Answering
from connectors.completeness import Reread
from connectors.listening_first import ListeningFirst
from connectors.lookback import Lookback
from connectors.metering import Billed, Usage, Window
from connectors.plain_settings import told
from connectors.revisit import Revisit
from connectors.topics.clusters import Cluster, ClusterKey
from connectors.topics.days import FindingDay, FindingDue, FindingPosts
from connectors.topics.exclusions import Exclusion
from connectors.topics.models import Topic, TopicMention
from connectors.topics.rivals import RivalAnswer
from connectors.topics.themes import Theme
from inbox import happenings
from inbox.models import Agent
from inbox.models.event import Entry, record
from inbox.models.reply import Clock
from inbox.setting import changed

if TYPE_CHECKING:
    from connectors.base import Connector

__all__ = [
    "Billed", "Channel", "Cluster", "ClusterKey", "Delivery", "Exclusion", "FindingDay", "FindingDue", "FindingPosts",
    "Gap", "Lookback", "Quarantined", "Reread", "Revisit", "RivalAnswer", "Source", "Theme", "Topic", "TopicMention",
    "Usage", "Window",
]  # fmt: skip


LONG_AGO = Value(datetime(2020, 1, 1, tzinfo=UTC), models.DateTimeField())


def tomorrow() -> datetime:
    return timezone.now() + timedelta(days=1)


class ChannelQuerySet(models.QuerySet["Channel"]):
    def listening(self) -> ChannelQuerySet:
        """Channels that are polled; one that needs a human is not, until somebody reconnects it."""
        return self.filter(paused=False).exclude(state__in=Channel.NEEDS_A_PERSON)

    def listening_first(self) -> ChannelQuerySet:
        """Channels through which nothing leaves yet."""
        return self.filter(listens_until__gt=Clock())

    def covered_by(self, topic: Topic) -> ChannelQuerySet:
        """The channels chosen for a topic; all when none is."""
        chosen = Topic.channels.through.objects.filter(topic=topic.pk)
        found = self.filter(Q(pk__in=chosen.values("channel")) | ~Exists(chosen))
        return found.exclude(pk__in=Channel.objects.closed_to(topic)).order_by("name")

    def closed_to(self, topic: Topic) -> ChannelQuerySet:
        """Those of private teams, unless the topic is theirs."""
        closed = self.filter(team__private=True)
        return closed if topic.team_id is None else closed.exclude(team=topic.team_id)

    def named_to(self, agent: Agent) -> ChannelQuerySet:
        """Those whose names the agent may read: a private team's are known to its people, and to admins, who set them
        up."""
        if agent.is_active and agent.is_admin:
            return self
        return self.filter(Q(team=None) | Q(team__private=False) | Q(team__in=agent.readable_team_ids))

    def due(self) -> ChannelQuerySet:
        free = Q(polling_until=None) | Q(polling_until__lt=Clock())
        return self.listening().filter(free, next_poll_at__lte=Clock())


class Channel(Answering, ListeningFirst, models.Model):
    class State(models.TextChoices):
        OK = "ok", "OK"
        SLOW = "slow", "Slow"
        QUOTA = "quota", "Out of quota"
        RECONNECT = "reconnect", "Reconnect"
        NEEDS_KEY = "needs_key", "Needs key"

    NEEDS_A_PERSON = ("reconnect", "needs_key")
    setting_kind = "channel"

    name = models.CharField(max_length=80, unique=True)
    network = models.CharField(max_length=40)
    settings = models.JSONField(default=dict)
    sealed = models.JSONField(default=dict)
    path = models.CharField(max_length=64, unique=True, null=True)
    team = models.ForeignKey("inbox.Team", models.SET_NULL, null=True, blank=True, related_name="channels")
    paused = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State, default=State.OK)
    fault = models.CharField(max_length=20, blank=True)
    fault_words = models.CharField(max_length=300, blank=True)
    fault_since = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey("inbox.Agent", models.SET_NULL, null=True, related_name="+")
    next_poll_at = models.DateTimeField(default=timezone.now)
    polling_until = models.DateTimeField(null=True)
    renewing_until = models.DateTimeField(null=True)
    cursor_version = models.BigIntegerField(default=0)
    last_read_at = models.DateTimeField(null=True)
    last_post_at = models.DateTimeField(null=True)
    refresh_at = models.DateTimeField(default=timezone.now)
    following = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    check_at = models.DateTimeField(default=tomorrow, db_default=LONG_AGO)
    reread_at = models.DateTimeField(default=tomorrow, db_default=LONG_AGO)
    history_at = models.DateTimeField(default=timezone.now, db_default=LONG_AGO)
    warnings = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    access_since = models.DateTimeField(null=True)
    access_until = models.DateTimeField(null=True)
    access_warned = models.PositiveSmallIntegerField(null=True)
    renew_at = models.DateTimeField(null=True)
    renewal_trouble = models.CharField(max_length=300, blank=True, default="", db_default="")
    monthly_cap = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    answers_beyond_cap = models.BooleanField(default=True, db_default=True)
    cap_warned = models.DateField(null=True)
    exchanges = models.JSONField(default=list)
    removing_since = models.DateTimeField(null=True)
    listens_until = models.DateTimeField(null=True)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["next_poll_at"], name="channels_due", condition=Q(paused=False))]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def kind(self) -> type[Connector]:
        from connectors.base import Connector

        return Connector.named(self.network)

    def as_setting(self) -> dict[str, Any]:
        """Of secrets only which ones there are."""
        money = None if self.monthly_cap is None else str(self.monthly_cap)
        return {
            "name": self.name, "network": self.network, "settings": told(self.network, self.settings),
            "team": self.team_id, "paused": self.paused,
            "monthly_cap": money, "answers_beyond_cap": self.answers_beyond_cap, "secrets": sorted(self.sealed),
            "listens_until": self.listens_until and self.listens_until.isoformat(),
        }  # fmt: skip

    def record(self, happening: happenings.Happening, by: Agent | None = None) -> None:
        """One event for the admins; the caller's transaction must do nothing after it."""
        record([Entry(("admin",), happening, actor_id=by.pk if by else None)])

    def tell(self, state: str, words: str) -> None:
        """What the admins must not overlook: said in the notices of each of them as well. Last in its transaction."""
        admins = Agent.objects.filter(is_admin=True, is_active=True).order_by("pk")
        streams = ("admin", *(admin.stream for admin in admins))
        record([Entry(streams, happenings.ChannelMoved(self.pk, self.name, state, words[:300]))])

    @transaction.atomic
    def pause(self, by: Agent | None) -> bool:
        """Stops listening and sending through this channel until it is resumed; what is stored stays."""
        if not Channel.objects.filter(pk=self.pk, paused=False).update(paused=True):
            return False
        was, self.paused = self.as_setting(), True
        self.record(changed(f"paused the channel {self.name}", self, was), by)
        return True

    @transaction.atomic
    def resume(self, by: Agent | None) -> bool:
        """Listens again, at once, from where it stood."""
        stands = Channel.objects.filter(pk=self.pk, paused=True, removing_since=None)
        if not stands.update(paused=False, next_poll_at=Clock()):
            return False
        was, self.paused = self.as_setting(), False
        self.record(changed(f"resumed the channel {self.name}", self, was), by)
        return True

    @transaction.atomic
    def reconnected(self, sealed: dict[str, str], by: Agent | None, **access: Any) -> None:
        """New secrets: the fault is over, the next poll is due now and goes on from the kept cursor. A poll that
        still runs with the old ones is overtaken. `access`: the columns that say how long the new ones last."""
        fields: dict[str, Any] = {"state": "ok", "fault": "", "fault_words": "", "fault_since": None, "failures": 0}
        overtaken: dict[str, Any] = {"cursor_version": F("cursor_version") + 1, "polling_until": None}
        lasting: dict[str, Any] = {"check_at": Clock(), "renewing_until": None, **access}
        mine, was = Channel.objects.filter(pk=self.pk), self.as_setting()
        mine.update(sealed=sealed, next_poll_at=Clock(), **fields, **overtaken, **lasting)
        self.sources.update(next_at=Clock())
        self.refresh_from_db()
        self.record(changed(f"reconnected the channel {self.name}", self, was), by)

    def broken(
        self, state: str, fault: str, words: str, again_at: datetime | None = None, claim: int | None = None
    ) -> None:
        """A poll (with its claim, which ends with it) or a sender met a fault. The admins hear of it once, when the
        channel's state changes. A poll that was overtaken has no say, and secrets that were replaced meanwhile are
        not accused of what the old ones did. Access that may be somebody's who took it back goes when it is refused."""
        with transaction.atomic():
            was = Channel.objects.select_for_update().filter(pk=self.pk).first()
            if was is None or claim not in (None, was.cursor_version):
                return
            ends: dict[str, Any] = {"polling_until": None} if claim is not None else {}
            if state == "reconnect" and was.sealed != self.sealed:
                Channel.objects.filter(pk=self.pk).update(next_poll_at=Clock(), **ends)
            else:
                ends |= belonging.freed(was) if state == "reconnect" and belonging.is_left(was) else {}
                Channel.objects.filter(pk=self.pk).update(
                    state=state,
                    fault=fault,
                    fault_words=words[:300],
                    fault_since=was.fault_since or timezone.now(),
                    failures=min(was.failures + 1, 1_000),
                    next_poll_at=again_at or was.next_poll_at,
                    **ends,
                )
                if was.state != state and (state in self.NEEDS_A_PERSON or state == self.State.QUOTA):
                    self.tell(state, words)
                elif was.state != state:
                    self.record(happenings.ChannelMoved(self.pk, self.name, state, words[:300]))
        self.refresh_from_db()

    def healed(self, claim: int) -> None:
        """The poll of this claim worked after a fault; said once. One that was overtaken has no say: whoever claimed
        the channel since may have met another fault."""
        with transaction.atomic():
            fields: dict[str, Any] = {"state": "ok", "fault": "", "fault_words": "", "fault_since": None, "failures": 0}
            mine = Channel.objects.filter(pk=self.pk, cursor_version=claim)
            if mine.exclude(state="ok", failures=0).update(**fields):
                self.record(happenings.ChannelMoved(self.pk, self.name, "ok", "reading again"))


class Source(models.Model):
    """One stream of posts of a channel (mentions, a hashtag, a feed) with its own cursor and its own due time."""

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="sources")
    name = models.TextField()
    cursor = models.JSONField(null=True)
    fault = models.CharField(max_length=20, blank=True, default="", db_default="")
    next_at = models.DateTimeField(default=timezone.now)
    interval = models.PositiveIntegerField(default=60)
    suggested = models.FloatField(null=True)
    newest_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    begun_at = models.DateTimeField(null=True)
    rate = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "name"], name="one_source_per_name")]

    def __str__(self) -> str:
        return f"{self.channel_id}/{self.name}"


class Quarantined(models.Model):
    """An item that could not be understood, kept with its reason until somebody retries or drops it."""

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="quarantined")
    source = models.CharField(max_length=120)
    external_id = models.TextField(blank=True)
    digest = models.CharField(max_length=64)
    reason = models.CharField(max_length=300)
    raw = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now)
    words: str  # the reason, as its reader may know it

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "digest"], name="one_quarantine_per_item")]

    def __str__(self) -> str:
        return f"quarantined {self.external_id or self.pk}"


class Gap(models.Model):
    """A span of network time that could not be read; people see it."""

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="gaps")
    source = models.CharField(max_length=120)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    why = models.CharField(max_length=300)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"gap of {self.channel_id} until {self.until}"


class Delivery(models.Model):
    """A signed webhook delivery, stored and committed before it is answered; the journey works it off like a page."""

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="deliveries")
    delivery_id = models.CharField(max_length=128)
    proof = models.TextField(default="", db_default="")  # the signature, where it does not cover the name
    body = models.TextField()
    answer = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now)
    not_before = models.DateTimeField(null=True)  # of one that could not be worked off yet
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["channel", "delivery_id"], name="one_delivery_per_id"),
            models.UniqueConstraint(fields=["channel", "proof"], name="one_delivery_per_proof", condition=~Q(proof="")),
        ]
        indexes = [
            models.Index(fields=["channel", "id"], name="deliveries_due", condition=Q(done_at=None)),
            models.Index(fields=["done_at"], name="deliveries_done", condition=Q(done_at__isnull=False) & ~Q(body="")),
        ]

    def __str__(self) -> str:
        return f"delivery {self.delivery_id}"

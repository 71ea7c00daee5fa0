"""Topics: listening queries over channels, and which mentions they found."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from connectors.topics.clusters import Cluster
from connectors.topics.query import parse, parse_topic
from inbox import happenings, ringing
from inbox.models.event import Entry, record
from inbox.models.reply import Clock
from inbox.setting import changed, removed

if TYPE_CHECKING:
    from connectors.models import Channel
    from connectors.topics.tree import Tree
    from inbox.models import Agent


class TopicQuerySet(models.QuerySet["Topic"]):
    def listening(self) -> TopicQuerySet:
        return self.filter(active=True)

    def covering(self, channel_id: int) -> TopicQuerySet:
        """Topics in force that listen on this channel: chosen for it, or for all."""
        chosen = Topic.channels.through.objects.filter(topic=models.OuterRef("pk"))
        return self.listening().filter(Q(models.Exists(chosen.filter(channel=channel_id))) | ~models.Exists(chosen))

    def read_by(self, agent: Agent) -> TopicQuerySet:
        """Topics of the agent's teams; admins read all, managers also those without a team."""
        if agent.is_active and agent.is_admin:
            return self
        mine = Q(team__in=agent.readable_team_ids)
        return self.filter(mine | Q(team=None) if agent.manages_any else mine)

    def to_compare(self) -> TopicQuerySet:
        """Topics that are due to be compared with stored mentions."""
        return self.listening().filter(compare_at__lte=Clock())


class Topic(models.Model):
    """`queues`: what it finds becomes work; otherwise it is only listed. What is older than `since` is history. No
    channel chosen means all of them. Stored mentions are compared from `compare_at` on, those below `compare_below`
    next (None: from the newest); `compared`: they were all looked at once."""

    name = models.CharField(max_length=80, unique=True)
    query = models.TextField()
    rival = models.BooleanField(default=False)
    queues = models.BooleanField(default=False)
    active = models.BooleanField(default=True)
    team = models.ForeignKey("inbox.Team", models.SET_NULL, null=True, blank=True, related_name="topics")
    channels = models.ManyToManyField("connectors.Channel", blank=True, related_name="topics")
    version = models.PositiveIntegerField(default=0)
    since = models.DateTimeField(default=timezone.now)
    compare_at = models.DateTimeField(null=True)
    compare_below = models.BigIntegerField(null=True)
    compared = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey("inbox.Agent", models.SET_NULL, null=True, related_name="+")
    changed_at = models.DateTimeField(default=timezone.now)

    objects = TopicQuerySet.as_manager()
    setting_kind = "topic"

    class Meta:
        ordering = ["name"]
        indexes = [
            models.Index(fields=["compare_at"], name="topics_to_compare", condition=Q(compare_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name

    def as_setting(self) -> dict[str, Any]:
        return {
            "name": self.name, "query": self.query, "rival": self.rival, "queues": self.queues, "active": self.active,
            "team": self.team_id, "channels": sorted(self.channels.values_list("pk", flat=True)),
        }  # fmt: skip

    @property
    def tree(self) -> Tree:
        return parse(self.query)

    def may_be_changed_by(self, agent: Agent) -> bool:
        """Admins change every topic; managers those of the teams they manage."""
        if not agent.is_active:
            return False
        return agent.is_admin or (self.team_id is not None and agent.manages(self.team_id))

    @transaction.atomic
    def rewrite(self, by: Agent | None, channels: Collection[Channel], **fields: Any) -> bool:
        """Stores the topic, new or changed, as its next version. False, and nothing stored, when somebody stored one
        since; QueryError when the query cannot be read."""
        parse_topic(fields.get("query", self.query))
        known = Topic.objects.select_for_update(no_key=True).filter(pk=self.pk).first() if self.pk else None
        if self.pk and (known is None or known.version != self.version):
            return False
        was, chosen = known.as_setting() if known else None, {channel.pk for channel in channels}
        asks_anew = known is None or self._differs(known, chosen, fields)
        for name, value in fields.items():
            setattr(self, name, value)
        self.version += 1
        self.changed_at = timezone.now()
        if asks_anew:
            self._begin_anew()
        if known is None:
            self.created_by = by
        self.save()
        self.channels.set(chosen)
        self._told(by, changed(f"{'changed' if known else 'made'} the topic “{self.name}”", self, was))
        return True

    def _differs(self, known: Topic, channels: set[int], fields: dict[str, Any]) -> bool:
        listened = set(known.channels.values_list("pk", flat=True))
        woken = fields.get("active", known.active) and not known.active
        return woken or fields.get("query", known.query) != known.query or channels != listened

    def _begin_anew(self) -> None:
        """What is on the networks now is history to this query, and what is stored is compared again."""
        self.since = self.changed_at
        self.compare_at, self.compare_below, self.compared = self.changed_at, None, False

    @transaction.atomic
    def remove(self, by: Agent | None) -> None:
        """The topic and what it found go; the mentions stay."""
        gone = removed(f"removed the topic “{self.name}”", self, self.pk)
        self.delete()
        self._told(by, gone)

    def _told(self, by: Agent | None, what: happenings.SetUpChanged) -> None:
        """Channels are read soon, so that a new search begins; the last work of a transaction."""
        from connectors.models import Channel

        Channel.objects.filter(next_poll_at__gt=Clock()).update(next_poll_at=Clock())
        record([Entry(("admin",), what, actor_id=by.pk if by else None)])
        for task in ("connectors.tasks.listen_due", "connectors.tasks.compare_topics"):
            transaction.on_commit(lambda task=task: ringing.task(task), robust=True)  # type: ignore[misc]


class TopicMention(models.Model):
    """A mention that matches a topic, or did when it was compared."""

    topic = models.ForeignKey(Topic, models.CASCADE, related_name="found", db_index=False)
    mention = models.ForeignKey("inbox.Mention", models.CASCADE, related_name="+")
    posted_at = models.DateTimeField()
    cluster = models.ForeignKey(
        Cluster, models.SET_NULL, null=True, related_name="found", db_index=False, db_constraint=False
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["topic", "mention"], name="one_finding_per_mention")]
        indexes = [
            models.Index(fields=["topic", "-posted_at", "-mention"], name="findings_of_topic"),
            models.Index(fields=["cluster", "topic", "posted_at"], name="findings_of_cluster"),
            models.Index(fields=["mention"], name="findings_to_cluster", condition=Q(cluster=None)),
        ]

    def __str__(self) -> str:
        return f"{self.mention_id} in topic {self.topic_id}"

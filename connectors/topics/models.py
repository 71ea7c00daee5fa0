"""Topics: listening queries over channels, and which mentions they found."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from connectors.topics.clusters import Cluster
from connectors.topics.days import hold_counting
from connectors.topics.exclusions import Exclusion
from connectors.topics.query import parse, parse_topic
from connectors.topics.sorting import exclusion_rows, theme_rows
from inbox import happenings, ringing
from inbox.models.event import Entry, record
from inbox.models.reply import Clock
from inbox.setting import changed, removed

if TYPE_CHECKING:
    from connectors.models import Channel
    from connectors.topics.tree import Tree
    from inbox.models import Agent


_ANEW = ("since", "compare_at", "compare_below", "compared")


class TopicQuerySet(models.QuerySet["Topic"]):
    def listening(self) -> TopicQuerySet:
        return self.filter(active=True)

    def covering(self, channel: Channel) -> TopicQuerySet:
        """Topics in force that listen on this channel: chosen for it, or for all. A channel of a private team listens
        for that team alone: what it found for others only it would see."""
        chosen = Topic.channels.through.objects.filter(topic=models.OuterRef("pk"))
        found = self.listening().filter(Q(models.Exists(chosen.filter(channel=channel.pk))) | ~models.Exists(chosen))
        is_closed = channel.team is not None and channel.team.private
        return found.filter(team=channel.team_id) if is_closed else found

    def only_on(self, channel_id: int) -> TopicQuerySet:
        """Topics in force that listen there and nowhere else."""
        chosen = Topic.channels.through.objects.filter(topic=models.OuterRef("pk"))
        return self.listening().filter(channels=channel_id).exclude(models.Exists(chosen.exclude(channel=channel_id)))

    def read_by(self, agent: Agent) -> TopicQuerySet:
        """Topics of the agent's teams; admins read all, managers also those without a team."""
        if agent.is_active and agent.is_admin:
            return self
        mine = Q(team__in=agent.readable_team_ids)
        return self.filter(mine | Q(team=None) if agent.manages_any else mine)

    def to_compare(self) -> TopicQuerySet:
        """Topics that are due to be compared with stored mentions."""
        return self.listening().filter(compare_at__lte=Clock())

    def to_sort(self) -> TopicQuerySet:
        """Topics of which the themes or exclusions were changed, as far as they are due."""
        return self.filter(sort_at__lte=Clock())

    def with_sorting(self) -> TopicQuerySet:
        """With its themes and exclusions, for `Sorting`."""
        more = {"theme_rows": theme_rows(), "exclusion_rows": exclusion_rows(), "is_private": F("team__private")}
        return self.annotate(**more)


class Topic(models.Model):
    """`queues`: what it finds becomes work; otherwise it is only listed. What is older than `since` is history. No
    channel chosen means all of them. Stored mentions are compared from `compare_at` on, those below `compare_below`
    next (None: from the newest); `compared`: they were all looked at once. The same for sorting what was found by
    themes and exclusions, which are in their `sort_version`; of `sort_whole` (None:
    not counted yet) `sort_done` are done."""

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
    sort_version = models.BigIntegerField(default=0, db_default=0)
    sort_at = models.DateTimeField(null=True)
    sort_below = models.BigIntegerField(null=True)
    sort_done = models.BigIntegerField(default=0, db_default=0)
    sort_whole = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey("inbox.Agent", models.SET_NULL, null=True, related_name="+")
    changed_at = models.DateTimeField(default=timezone.now)

    theme_rows: list[dict[str, Any]]  # these three are there `with_sorting`
    exclusion_rows: list[dict[str, Any]]
    is_private: bool | None
    counted: dict[str, int]  # by `counting.counted`

    objects = TopicQuerySet.as_manager()
    setting_kind = "topic"

    class Meta:
        ordering = ["name"]
        indexes = [
            models.Index(fields=["compare_at"], name="topics_to_compare", condition=Q(compare_at__isnull=False)),
            models.Index(fields=["sort_at"], name="topics_to_sort", condition=Q(sort_at__isnull=False)),
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

    def called_in(self, team_id: int) -> str:
        """Its name as others of that team may read it: what a private team listens for is named to nobody else."""
        if self.team is not None and self.team.private and self.team_id != team_id:
            return "a topic of another team"
        return f"the topic “{self.name}”"

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
        else:  # themes and exclusions have their own places in the row, and somebody may be at them
            self.save(update_fields=[*fields, "version", "changed_at", *(_ANEW if asks_anew else ())])
        self.channels.set(chosen)
        self._told(by, changed(f"{'changed' if known else 'made'} the topic “{self.name}”", self, was))
        return True

    @classmethod
    def rest_without(cls, channel: Channel, by: Agent | None) -> None:
        """Before the channel goes: what listened nowhere else would listen everywhere, so it rests."""
        for topic in cls.objects.only_on(channel.pk).order_by("pk"):
            topic.rewrite(by, [channel], active=False)

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
        """The topic and what it found go; the mentions stay. The event keeps its themes and exclusions too, which go
        with it and come back with it."""
        hold_counting()
        gone = removed(f"removed the topic “{self.name}”", self, self.pk)
        beside = {
            "themes": list(self.themes.values("name", "query", "colour")),
            "exclusions": list(self.exclusions.values("kind", "text")),
        }
        self.delete()
        self._told(by, replace(gone, was={**(gone.was or {}), **beside}))

    def _told(self, by: Agent | None, what: happenings.SetUpChanged) -> None:
        """Channels are read soon, so that a new search begins; the last work of a transaction."""
        from connectors.models import Channel

        Channel.objects.filter(next_poll_at__gt=Clock()).update(next_poll_at=Clock())
        record([Entry(("admin",), what, actor_id=by.pk if by else None)])
        for task in ("connectors.tasks.listen_due", "connectors.tasks.compare_topics"):
            transaction.on_commit(lambda task=task: ringing.task(task), robust=True)  # type: ignore[misc]


class TopicMentionQuerySet(models.QuerySet["TopicMention"]):
    def shown(self) -> TopicMentionQuerySet:
        """What no exclusion hides."""
        return self.filter(hidden_by=None)

    def hidden(self) -> TopicMentionQuerySet:
        return self.filter(hidden_by__isnull=False)

    def readable_by(self, agent: Agent) -> TopicMentionQuerySet:
        return self.filter(mention__conversation__team__in=agent.readable_team_ids)


class TopicMention(models.Model):
    """A mention that matches a topic, or did when it was compared. `themes`: ids of the topic's that it carries (one
    that is gone means nothing); `hidden_by` an exclusion, unless somebody `restored` it; `read`: the mention's version
    when that was found out; not `is_sorted`: it is to be found out again."""

    topic = models.ForeignKey(Topic, models.CASCADE, related_name="found", db_index=False)
    mention = models.ForeignKey("inbox.Mention", models.CASCADE, related_name="+")
    posted_at = models.DateTimeField()
    cluster = models.ForeignKey(
        Cluster, models.SET_NULL, null=True, related_name="found", db_index=False, db_constraint=False
    )
    themes = ArrayField(models.BigIntegerField(), default=list, db_default=[])
    hidden_by = models.ForeignKey(
        Exclusion, models.DO_NOTHING, null=True, related_name="hidden", db_index=False, db_constraint=False
    )
    restored = models.BooleanField(default=False, db_default=False)
    read = models.TextField(default="", db_default="")
    is_sorted = models.BooleanField(default=False, db_default=False)

    objects = TopicMentionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["topic", "mention"], name="one_finding_per_mention")]
        indexes = [
            models.Index(fields=["topic", "-posted_at", "-mention"], name="findings_of_topic"),
            models.Index(fields=["cluster", "topic", "posted_at"], name="findings_of_cluster"),
            models.Index(fields=["mention"], name="findings_to_cluster", condition=Q(cluster=None)),
            models.Index(fields=["topic", "mention"], name="findings_to_sort", condition=Q(is_sorted=False)),
            models.Index(
                fields=["hidden_by", "-posted_at"], name="hidden_findings", condition=Q(hidden_by__isnull=False)
            ),
            GinIndex(fields=["themes"], name="findings_of_theme", condition=~Q(themes=[])),
        ]

    def __str__(self) -> str:
        return f"{self.mention_id} in topic {self.topic_id}"

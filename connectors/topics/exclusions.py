"""Exclusions: what topics are to find and nobody is to see. A hidden post is stored and counted as hidden, opens no
conversation and stands in no figure; what was written to us stays work whatever is excluded, and so does what somebody
has begun to work on (see putting_away.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from connectors.topics.hiding import Hiding
from connectors.topics.putting_away import was_put_away
from connectors.topics.sorting import sort_anew
from inbox.happenings import SetUpChanged
from inbox.models.conversation import State
from inbox.models.event import Entry, record
from inbox.setting import made as is_made
from inbox.setting import removed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.topics.models import Topic, TopicMention
    from connectors.topics.tree import Tree
    from inbox.models import Agent

MOST = 500
"""Exclusions of one topic, and of those for all."""


class ExclusionQuerySet(models.QuerySet["Exclusion"]):
    def of(self, topic: Topic | None) -> ExclusionQuerySet:
        """Its own; of none: those for all topics."""
        return self.filter(topic=topic)

    def covering(self, topic: Topic | None) -> ExclusionQuerySet:
        """Its own and those for all topics; one that is not kept yet has only these."""
        return self.filter(Q(topic=topic) | Q(topic=None))


class Exclusion(models.Model):
    """`topic` None: for all topics. `kind` names the class of hiding.py that reads `text`."""

    topic = models.ForeignKey("connectors.Topic", models.CASCADE, related_name="exclusions", null=True, db_index=False)
    kind = models.TextField()
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey("inbox.Agent", models.SET_NULL, null=True, related_name="+")

    objects = ExclusionQuerySet.as_manager()
    setting_kind = "exclusion"

    class Meta:
        ordering = ["kind", "text"]
        constraints = [
            models.UniqueConstraint(
                fields=["topic", "kind", "text"], name="one_exclusion_of_a_text", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} “{self.text}”"

    def as_setting(self) -> dict[str, Any]:
        return {"topic": self.topic_id, "kind": self.kind, "text": self.text}

    @property
    def label(self) -> str:
        return str(Hiding.named(self.kind).label) if self.is_known else self.kind

    @property
    def is_known(self) -> bool:
        """Whether its kind is one of this program's."""
        return self.kind in Hiding.kinds()

    @property
    def tree(self) -> Tree:
        return Hiding.named(self.kind).tree(self.text)

    @transaction.atomic
    def remove(self, by: Agent | None) -> None:
        """What it hid comes back, a piece at a time."""
        sort_anew(self.topic_id)
        gone = removed(_words(self, "took back"), self, self.pk)
        self.delete()
        _told(by, gone)


@transaction.atomic
def exclude(topic: Topic | None, given: Iterable[tuple[str, str]], by: Agent | None) -> list[Exclusion]:
    """Keeps (kind, text) that `Hiding.read` gave; those that are there already are left as they are. What was found
    before is looked through in the background."""
    topic_id = topic.pk if topic else None
    sort_anew(topic_id, only_wait=True)
    known = set(Exclusion.objects.of(topic).values_list("kind", "text"))
    fresh = [pair for pair in dict.fromkeys(given) if pair not in known][: MOST - len(known)]
    if not fresh:
        return []
    made = [Exclusion(topic=topic, kind=kind, text=text, created_by=by) for kind, text in fresh]
    Exclusion.objects.bulk_create(made)
    sort_anew(topic_id)
    for one in made:
        _told(by, is_made(_words(one, "excluded"), one))
    return made


@transaction.atomic
def restore(found: TopicMention, by: Agent) -> bool:
    """This one is shown in its topic from now on, and is work if the topic makes work of what it finds; False when
    nothing hides it."""
    mine = type(found).objects.hidden().filter(pk=found.pk)
    if not mine.update(hidden_by=None, restored=True):
        return False
    conversation = found.mention.conversation
    was_work = found.topic.queues or was_put_away().filter(pk=conversation.pk).exists()
    if was_work and not found.mention.history and conversation.state == State.HEARD:
        conversation.reopen(by, f"it was restored in {found.topic.called_in(conversation.team_id)}")
    _told(by, SetUpChanged(what=f"restored a post that was excluded from the topic “{found.topic.name}”"))
    return True


def _words(one: Exclusion, done: str) -> str:
    return f"{done} {one} from {f'the topic “{one.topic.name}”' if one.topic else 'all topics'}"


def _told(by: Agent | None, what: SetUpChanged) -> None:
    record([Entry(("admin",), what, actor_id=by.pk if by else None)])

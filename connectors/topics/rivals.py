"""Posts that only a topic about somebody else found: they are there to be read, and nobody answers one of them by
accident. Who wants to says so once, and that stays written down."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from connectors.replies import Capability, Verb
from inbox.happenings import AnswerWanted
from inbox.models.change import change

if TYPE_CHECKING:
    from inbox.models import Agent, Mention

GUARDED: tuple[Verb, ...] = ("reply", "private_reply")
FOUND_KINDS = ("result", "article")


class RivalAnswer(models.Model):
    """Somebody wants to answer this post, although it is about somebody else."""

    mention = models.OneToOneField("inbox.Mention", models.CASCADE, related_name="+")
    by = models.ForeignKey("inbox.Agent", models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"answer to {self.mention_id}"


def topic_of(mention: Mention) -> str:
    """The name of a rival's topic, if such topics alone found the post and nobody said that it is to be answered."""
    from connectors.models import TopicMention

    if not (mention.kind in FOUND_KINDS or mention.source.startswith("search")):
        return ""  # it was written to us
    wanted = models.Exists(RivalAnswer.objects.filter(mention=mention))
    found = TopicMention.objects.filter(mention=mention).annotate(wanted=wanted)
    columns = ("topic__rival", "topic__name", "wanted", "topic__team__private", "hidden_by")
    rows = list(found.values_list(*columns).order_by("topic__name"))
    rows = [row for row in rows if row[4] is None] or rows  # a topic that hides it has no say, if another shows it
    if not rows or not all(rival for rival, *_rest in rows) or rows[0][2]:
        return ""
    # What a private team listens for is named to nobody else.
    return next((str(name) for _rival, name, _wanted, private, _hidden in rows if not private), _("of another team"))


def guarded(may: dict[Verb, Capability], mention: Mention) -> dict[Verb, Capability]:
    """What may be done with the post, with its answers shut until somebody wants them."""
    shut = [verb for verb in GUARDED if verb in may and may[verb].allowed]
    name = topic_of(mention) if shut else ""
    if not name:
        return may
    reason = _("Only the topic “%s” found this, which is about somebody else.") % name
    ask = reverse("topics:answer", args=[mention.pk])
    return may | {verb: replace(may[verb], allowed=False, reason=reason, ask=ask) for verb in shut}


@transaction.atomic
def want(mention: Mention, by: Agent) -> bool:
    """From now on it may be answered; False when somebody said so before, or nothing keeps anybody from it."""
    name = topic_of(mention)
    if not name or not RivalAnswer.objects.get_or_create(mention=mention, defaults={"by": by})[1]:
        return False
    return change(mention.conversation, AnswerWanted(topic=name), by=by, values={}, expect={})

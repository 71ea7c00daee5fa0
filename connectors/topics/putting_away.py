"""What exclusions make of work after the fact: a conversation that is open, untouched and hidden by all topics that
found it is put away, and comes back when one of them hides it no more. Done before the findings are written, so that
whoever dies in between does it again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from connectors.base import PostKind
from inbox import happenings
from inbox.models import Conversation, Draft, Event, Mention, Note, Reply, State

if TYPE_CHECKING:
    from connectors.topics.models import Topic

FOUND = (PostKind.RESULT, PostKind.ARTICLE)
"""What came because it holds a word; everything else was written to us and stays work whatever is excluded."""
BACK = "nothing excludes it any more"


def follow(topic: Topic, hidden: Iterable[int], shown: Iterable[int]) -> None:
    """`hidden` and `shown`: the mentions that this topic is to hide and to show from now on."""
    if hides := list(hidden):
        for one in _to_put_away(topic, hides):
            _put_away(one, topic, hides)
    given_back = topic.found.hidden().filter(mention__in=list(shown)).values("mention")
    for one in was_put_away().filter(mentions__in=given_back).distinct().order_by("pk"):
        one.reopen(None, BACK)


def was_put_away() -> Any:
    """Only exclusions ever bring to Heard what had been more."""
    excluded = Event.objects.filter(conversation=OuterRef("pk"), happening=happenings.Excluded.name)
    return Conversation.objects.filter(Exists(excluded), state=State.HEARD)


def _to_put_away(topic: Topic, hidden: list[int]) -> list[Conversation]:
    return list(_untouched(topic, hidden).filter(mentions__in=hidden).distinct().order_by("pk"))


def _put_away(one: Conversation, topic: Topic, hidden: list[int]) -> None:
    """Looked at once more with its row held: whoever touches it from now on comes after this."""
    with transaction.atomic():
        if Conversation.objects.select_for_update(no_key=True).filter(pk=one.pk).first() is None:
            return
        if (still := _untouched(topic, hidden).filter(pk=one.pk).first()) is not None:
            still.put_away_as_excluded()


def _untouched(topic: Topic, hidden: list[int]) -> Any:
    """New, nobody's, and nobody did, wrote or began anything there; every message of it came because of a word, and is
    found by topics of which each hides it."""
    here = {"conversation": OuterRef("pk")}
    begun = (Reply.objects.filter(**here), Note.objects.filter(**here), Draft.objects.filter(**here).exclude(text=""))
    acts = Event.objects.filter(actor__isnull=False, **here)
    stands = Mention.objects.filter(state__in=["live", "edited"], **here)
    found = topic.found.model.objects.filter(mention=OuterRef("pk"))
    will_hide = Q(topic=topic, mention__in=hidden, restored=False)
    other = stands.filter(
        Q(ours=True) | ~Q(kind__in=FOUND) | ~Exists(found) | Exists(found.filter(hidden_by=None).exclude(will_hide))
    )
    untouched = Conversation.objects.filter(state=State.NEW, agent=None)
    for rows in (*begun, acts, other):
        untouched = untouched.exclude(Exists(rows))
    return untouched

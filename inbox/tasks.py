"""Celery's side of the inbox: hints only; the rows say what is due."""

from celery import shared_task

from inbox.models import Conversation
from inbox.searching import indexing


@shared_task
def wake_due() -> None:
    wake()


@shared_task
def index_text() -> None:
    indexing.index_due()


def wake() -> int:
    """Brings back every conversation whose snooze is over; returns how many."""
    due = list(Conversation.objects.snooze_over().order_by("snoozed_until")[:500])
    return sum(conversation.wake() for conversation in due)

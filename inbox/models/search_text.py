"""What search reads: the words of every message, reply and note in a table of its own beside them, and the list of
rows whose words are to be taken up. It has no foreign keys: what it says is only where to look."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import connection, models, transaction

from inbox import ringing
from inbox.models.arrays import array

TASK = "inbox.tasks.index_text"
TOP = 2**63 - 1  # above every number of a row


class SearchKind(models.IntegerChoices):
    MENTION = 1, "Message"
    REPLY = 2, "Reply"
    NOTE = 3, "Note"
    CONVERSATION = 4, "All of a conversation"
    IDENTITY = 5, "All of an author"


class SearchText(models.Model):
    """`team_id` is a copy that may be older than the conversation's; whoever shows a row asks the conversation."""

    pk = models.CompositePrimaryKey("kind", "row_id")
    kind = models.BigIntegerField(choices=SearchKind)
    row_id = models.BigIntegerField()
    conversation_id = models.BigIntegerField()
    team_id = models.BigIntegerField()
    at = models.DateTimeField()
    words = SearchVectorField()

    class Meta:
        indexes = [
            # A list of what is pending would make a rare word cost as much as a common one until it is cleaned.
            GinIndex(fields=["team_id", "words"], name="search_words", fastupdate=False),
            models.Index(
                models.F("at").desc(), models.F("kind").desc(), models.F("row_id").desc(), name="search_newest"
            ),
        ]

    def __str__(self) -> str:
        return f"words of {self.get_kind_display()} {self.row_id}"


class SearchDue(models.Model):
    """A row whose words are to be taken up, or taken out. Written in the transaction that changes the row."""

    kind = models.BigIntegerField(choices=SearchKind)
    row_id = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.row_id}"


class SearchFill(models.Model):
    """How far down what was stored before there was a search has been made due; no row when all of it has."""

    kind = models.BigIntegerField(primary_key=True, choices=SearchKind)
    below = models.BigIntegerField(default=TOP)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} below {self.below}"


def reindex(kind: SearchKind, ids: Iterable[int]) -> None:
    """The words of these rows have changed; call it in the transaction that changes them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO inbox_searchdue (kind, row_id) SELECT %s, unnest(%s::bigint[])", (int(kind), array(ids))
        )
    ring()


def ring() -> None:
    """Tells the workers on commit; a lost ring is made good by beat and by the sweep."""
    transaction.on_commit(_ring, robust=True)


def _ring() -> None:
    ringing.task(TASK)

"""Where a conversation stands: done, open again, set aside, spam, tags, priority."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone

from inbox import happenings
from inbox.models.change import change

if TYPE_CHECKING:
    from inbox.models.agent import Agent
    from inbox.models.conversation import Conversation


ROUNDS = 5  # of trying anew with what others made of the tags meanwhile


def tags_in(text: str) -> list[str]:
    """The tags that somebody typed, with or without #: none has a blank or a comma in it."""
    return text.replace(",", " ").replace("#", " ").split()


def cleaned(tags: Iterable[str]) -> set[str]:
    return {tag.strip().lower()[:40] for tag in tags if tag.strip()}


class Closeable:
    """Mixed into Conversation."""

    def close(self: Conversation, by: Agent | None) -> bool:  # type: ignore[misc]
        """Done. A later message of the customer opens it again, whenever it comes."""
        values = {"state": 4, "closed_at": timezone.now(), "snoozed_until": None}
        return change(self, happenings.Closed(), by=by, values=values, expect={"state": [0, 1, 2, 3]})

    def reopen(self: Conversation, by: Agent | None, because: str = "") -> bool:  # type: ignore[misc]
        """Back to New, for the same owner."""
        values = {"state": 0, "closed_at": None, "snoozed_until": None}
        happening = happenings.Reopened(because=f", because {because}" if because else "")
        return change(self, happening, by=by, values=values, expect={"state": [1, 2, 3, 4, 5, 6]})

    def snooze(self: Conversation, until: datetime, by: Agent | None) -> bool:  # type: ignore[misc]
        """Set aside until a time, or until the customer writes; ValueError when the time has passed."""
        if until <= timezone.now():
            raise ValueError("That time has passed. Choose a later one.")
        happening = happenings.Snoozed(until=until.isoformat(timespec="minutes"))
        values = {"state": 3, "snoozed_until": until}
        return change(self, happening, by=by, values=values, expect={"state": [0, 1, 2, 3]})

    def wake(self: Conversation) -> bool:  # type: ignore[misc]
        """The snooze is over; does nothing when somebody woke or closed it already, or set it aside for longer."""
        values = {"state": 0, "snoozed_until": None}
        return change(
            self, happenings.Woken(), by=None, values=values, expect={"state": 3, "snoozed_until": self.snoozed_until}
        )

    def put_away_as_excluded(self: Conversation) -> bool:  # type: ignore[misc]
        """Stored and nobody's work, as if it had been excluded when it came."""
        values = {"state": 6, "snoozed_until": None}
        return change(self, happenings.Excluded(), by=None, values=values, expect={"state": 0, "agent_id": None})

    def mark_spam(self: Conversation, by: Agent | None) -> bool:  # type: ignore[misc]
        values = {"state": 5, "closed_at": timezone.now(), "snoozed_until": None}
        return change(self, happenings.MarkedSpam(), by=by, values=values, expect={"state": [0, 1, 2, 3, 4, 6]})

    def retag(  # type: ignore[misc]
        self: Conversation, tags: Sequence[str], by: Agent | None, was: Sequence[str] | None = None
    ) -> bool:
        """Adds and removes what makes `tags` of the tags there `was`, which are those of this object if not given;
        what others add and remove meanwhile stays so. The words are made known to the installation's list of tags."""
        from inbox.models.conversation import Tag

        wanted, seen = cleaned(tags), cleaned(self.tags if was is None else was)
        for _ in range(ROUNDS):
            words = sorted(set(self.tags) - (seen - wanted) | (wanted - seen))
            if words == self.tags:
                return False
            Tag.objects.bulk_create([Tag(name=word) for word in words], ignore_conflicts=True)
            happening = happenings.Tagged(tags=", ".join(words) or "none")
            if change(self, happening, by=by, values={"tags": words}, expect={"tags": self.tags}):
                return True
            self.refresh_from_db(fields=["tags", "seen_seq"])
        return False

    def prioritise(self: Conversation, priority: int, by: Agent | None) -> bool:  # type: ignore[misc]
        """Higher comes first; the queue's rank is its negative, so that every index runs one way."""
        values = {"priority": priority, "rank": -priority}
        return change(self, happenings.Prioritised(priority=priority), by=by, values=values)

"""Listening first: a new channel is read and routed like any other, and for some days nothing leaves through it. Its
row says until when, so that nobody has to act when the time comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from connectors.base import Connector
from connectors.replies import Capability, Verb
from inbox import ringing
from inbox.models.event import Entry, Stream, record
from inbox.setting import changed

if TYPE_CHECKING:
    from connectors.models import Channel
    from inbox.happenings import Happening
    from inbox.models import Agent

DAYS, MOST = 7, 90  # how long a new channel listens first, if nobody says otherwise, and at most
LEAVES = ("connectors.tasks.send_due", "connectors.tasks.act_due")


def may_listen_first(network: str) -> bool:
    """Whether there is anything to hold back: not where nobody can be answered, nor where all customers are
    invented."""
    kind = Connector.kinds().get(network)
    return kind is not None and not (kind.listen_only or kind.invented)


def until(network: str, days: int) -> datetime | None:
    """The end of so many days from now; None for no day, and for a network that never listens first."""
    if days <= 0 or not may_listen_first(network):
        return None
    return timezone.now().replace(microsecond=0) + timedelta(days=days)


def day_of(at: datetime) -> str:
    """The day in the reader's zone, or the hour when that is today."""
    local = timezone.localtime(at)
    return date_format(local, "H:i" if local.date() == timezone.localdate() else "j M")


def moment(said: str | None) -> datetime | None:
    """A time as settings tell it, in UTC; None for anything that is none, or that is of no zone."""
    try:
        time = parse_datetime(said or "")
        return time.astimezone(UTC) if time and time.tzinfo else None
    except (ValueError, OverflowError):  # the thirtieth of February, or a day before all calendars
        return None


def held_back(may: Mapping[Verb, Capability], why: str) -> dict[Verb, Capability]:
    """What may be done with an item of a channel that only listens: nothing that anybody outside could notice."""
    open_ = [verb for verb, one in may.items() if one.allowed or one.ask] if why else []
    return {**may, **{verb: replace(may[verb], allowed=False, reason=why, ask="") for verb in open_}}


class ListeningFirst:
    """Mixed into Channel. With `listens_until` None, or in the past, it may answer."""

    @property
    def stream(self: Channel) -> str:  # type: ignore[misc]
        """Rung for the composers that wait for replies to be allowed."""
        return f"channel:{self.pk}"

    def held_until(self: Channel) -> datetime | None:  # type: ignore[misc]
        """Until when nothing leaves through it; None when it may answer."""
        ends = self.listens_until
        return ends if ends is not None and ends > timezone.now() else None

    def why_held(self: Channel) -> str:  # type: ignore[misc]
        """Why nothing leaves through it, or ""."""
        return self.held_in_words() if self.held_until() else ""

    def held_in_words(self: Channel) -> str:  # type: ignore[misc]
        """For a reader in the zone that is active."""
        ends = self.listens_until
        return _("Listening first until %s. Replies unlock then.") % day_of(ends) if ends else ""

    def listen_for(self: Channel, days: int, by: Agent | None) -> bool:  # type: ignore[misc]
        """Holds replies back for so many days from now, or with 0 allows them."""
        return self.listen_first(days, by) if days else self.allow_replies(by)

    def awaited(self: Channel) -> str:  # type: ignore[misc]
        """What a page that shows why nothing leaves waits for, as the mark of a live region; "" when it may answer. The
        number is read before the state: what changes after it rings."""
        if not self.held_until():
            return ""
        number = Stream.objects.filter(key=self.stream).values_list("n", flat=True).first() or 0
        self.refresh_from_db(fields=["listens_until"])
        return f"{self.stream}={number}" if self.held_until() else ""

    @transaction.atomic
    def listen_first(self: Channel, days: int, by: Agent | None) -> bool:  # type: ignore[misc]
        """For so many days from now holds back what would leave. False for no day, and where it never listens first."""
        ends, was = until(self.network, days), self.as_setting()
        if not ends or not type(self).objects.filter(pk=self.pk, removing_since=None).update(listens_until=ends):
            return False
        self.listens_until = ends
        self.tell_of_replies(changed(f"lets the channel {self.name} listen first", self, was), by)
        return True

    @transaction.atomic
    def allow_replies(self: Channel, by: Agent | None) -> bool:  # type: ignore[misc]
        """Ends it at once: what waited leaves. False when it was over already."""
        was = self.as_setting()
        if not type(self).objects.listening_first().filter(pk=self.pk).update(listens_until=None):
            return False
        self.listens_until = None
        self.tell_of_replies(changed(f"allowed replies on the channel {self.name}", self, was), by)
        return True

    def tell_of_replies(self: Channel, happening: Happening, by: Agent | None) -> None:  # type: ignore[misc]
        """What concerns whether it may answer is told to open composers as well, and wakes whoever sends what waited.
        Last in its transaction, as every record."""
        for task in LEAVES:
            transaction.on_commit(partial(ringing.task, task), robust=True)
        record([Entry(("admin", self.stream), happening, actor_id=by.pk if by else None)])

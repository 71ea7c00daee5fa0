"""Events: what happened, numbered without gaps per stream. The number comes from a counter row that is raised last
in the transaction, so numbers become visible in order and a reader who holds one can ask for everything after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, Concat
from django.utils import timezone

from inbox import ringing
from inbox.failpoints import failpoint
from inbox.models import tally
from inbox.models.arrays import array, columns
from inbox.models.copying import copy
from inbox.models.tally import ADD
from inbox.models.team import Team

if TYPE_CHECKING:
    from inbox.happenings import Happening
    from inbox.models.agent import Agent
    from inbox.models.conversation import Conversation


TOLD = ("set_up_changed", "rights_changed", "joined_team", "left_team")
"""What the history of the set-up tells of, among much else in the admins' stream."""
OF_SET_UP = models.Q(stream="admin", happening__in=TOLD)
ABOUT = Coalesce(KeyTextTransform("kind", "payload"), models.Value("agent"), output_field=models.TextField())
"""The kind of setting that one of them changed; those of people name none."""


class Entry(NamedTuple):
    """One happening to be recorded: the first stream is its home, the others get an echo. `seq` is the
    conversation's own number after the change, 0 when no conversation is concerned."""

    streams: tuple[str, ...]
    happening: Happening
    conversation_id: int | None = None
    seq: int = 0
    actor_id: int | None = None


class Stream(models.Model):
    key = models.CharField(max_length=40, primary_key=True)
    n = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.key}={self.n}"


class EventQuerySet(models.QuerySet["Event"]):
    def after(self, marks: dict[str, int]) -> EventQuerySet:
        """Events of the streams that are newer than the numbers held."""
        newer = [models.Q(stream=stream, number__gt=number) for stream, number in marks.items()]
        return self.filter(models.Q(*newer, _connector=models.Q.OR)) if newer else self.none()

    def told_to(self, agent: Agent, conversation: Conversation) -> EventQuerySet:
        """What happened to the conversation, without what happened while a private team had it that this reader is
        not in: an event's stream is the team that had it."""
        return self.filter(conversation=conversation).exclude(stream__in=self._closed_to(agent))

    def kept_from(self, agent: Agent, conversation: Conversation, happening: str) -> EventQuerySet:
        """The others: what of this kind happened while a private team had it that this reader is not in."""
        kept = self.filter(conversation=conversation, happening=happening)
        return kept.filter(stream__in=self._closed_to(agent))

    @staticmethod
    def _closed_to(agent: Agent) -> models.QuerySet[Team, str]:
        private = Team.objects.filter(private=True).exclude(pk__in=sorted(agent.readable_team_ids))
        streams = private.annotate(stream_key=Concat(models.Value("team:"), Cast("pk", models.CharField())))
        return streams.values_list("stream_key", flat=True)

    def timeline(self) -> EventQuerySet:
        return self.filter(echo=False).order_by("seq", "id")


class Event(models.Model):
    stream = models.CharField(max_length=40)
    number = models.BigIntegerField()
    happening = models.CharField(max_length=40)
    conversation = models.ForeignKey(
        "inbox.Conversation", models.CASCADE, null=True, related_name="events", db_index=False
    )
    seq = models.BigIntegerField(default=0)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_index=False)
    at = models.DateTimeField(default=timezone.now)
    payload = models.JSONField(default=dict)
    echo = models.BooleanField(default=False)

    objects = EventQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "number"], name="one_event_per_number")]
        indexes = [
            models.Index(fields=["conversation", "seq"], name="conversation_events"),
            models.Index(models.F("number").desc(), name="history", condition=OF_SET_UP),
            models.Index(ABOUT, models.F("number").desc(), name="history_of_kind", condition=OF_SET_UP),
        ]

    def __str__(self) -> str:
        return f"{self.stream}#{self.number} {self.happening}"


# One statement, since everybody who changes something in these teams waits from its first lock until the commit. It
# asks for the counters' count before it raises a number, because both are locked in this order everywhere.
_RECORD = f"""
    WITH counted AS ({ADD} RETURNING 1),
    raised AS (
        INSERT INTO inbox_stream (key, n) SELECT key, k FROM unnest(%s::text[], %s::bigint[]) AS t(key, k)
         WHERE (SELECT count(*) FROM counted) >= 0 ORDER BY key
        ON CONFLICT (key) DO UPDATE SET n = inbox_stream.n + excluded.n RETURNING key, n),
    stored AS (
        INSERT INTO inbox_event (stream, number, happening, conversation_id, seq, actor_id, at, payload, echo)
        SELECT stream, raised.n - behind, happening, conversation_id, seq, actor_id, %s, payload, echo FROM ROWS FROM (
            unnest(%s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[]),
            jsonb_array_elements(%s::jsonb), unnest(%s::boolean[])) WITH ORDINALITY
            AS t(stream, behind, happening, conversation_id, seq, actor_id, payload, echo, place)
          JOIN raised ON raised.key = stream ORDER BY place)
    SELECT key, n FROM raised"""  # noqa: S608  a constant of ours


_HELD: ContextVar[list[Entry] | None] = ContextVar("events that are recorded together", default=None)


@contextmanager
def recorded_together() -> Iterator[None]:
    """What is recorded inside is written at the end, as the last work of the caller's transaction: for an act of many
    parts. Written one by one, everybody would wait from the first one on, and whoever holds a row that a later part
    needs would wait for ever."""
    held: list[Entry] = []
    token = _HELD.set(held)
    try:
        yield
    finally:
        _HELD.reset(token)
    record(held)


def record(entries: Sequence[Entry], change: Mapping[tuple[str, int], int] | None = None) -> dict[str, int]:
    """Adds the `change` of counters, writes the events and rings for their streams after commit; one statement however
    many. Must be the last work of a transaction, because counters and streams stay locked until it commits. Returns
    the newest number of each stream."""
    if (held := _HELD.get()) is not None and not change:
        held.extend(entries)
        return {}
    rows = [(stream, entry, place > 0) for entry in entries for place, stream in enumerate(entry.streams)]
    if not rows:
        tally.add(change or {})
        return {}
    counts = Counter(stream for stream, _, _ in rows)
    raised = [*tally.columns_of(change or {}), array(counts), array(counts.values())]
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, [*raised, timezone.now(), *_columns(rows, counts)])
        newest = dict(cursor.fetchall())
    failpoint("event.after_numbers")
    touched = dict(newest)
    for entry in entries:
        if entry.conversation_id:
            stream = f"conversation:{entry.conversation_id}"
            touched[stream] = max(entry.seq, touched.get(stream, 0))
    ring(touched)
    return newest


# What the page wrote is checked for what it refers to before the first of its numbers is taken, and not at its commit:
# for everybody in these teams waits from here until then.
_NUMBERS = """
    SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED;
    SELECT * FROM inbox_numbers(%s::text[], %s::smallint[], %s::bigint[], %s::text[], %s::bigint[])"""
_EVENT = "stream, number, happening, conversation_id, seq, actor_id, at, payload, echo"


def record_page(entries: Sequence[Entry], change: Mapping[tuple[str, int], int]) -> None:
    """The same for the many entries of a page, in two statements: the numbers, and COPY of the events."""
    counts = Counter(stream for entry in entries for stream in entry.streams)
    if not counts:
        tally.add(change)
        return
    with connection.cursor() as cursor:
        cursor.execute(_NUMBERS, [*tally.columns_of(change), array(counts), array(counts.values())])
        newest = dict(cursor.fetchall())
    copy("inbox_event", _EVENT, _event_rows(entries, {stream: n - counts[stream] for stream, n in newest.items()}))
    failpoint("event.after_numbers")
    born = {entry.conversation_id for entry in entries if entry.seq == 1}  # nobody has one of these open yet
    going_on = {entry.conversation_id: entry.seq for entry in entries if entry.conversation_id not in born}
    ring({**newest, **{f"conversation:{pk}": seq for pk, seq in going_on.items()}})


def _event_rows(entries: Sequence[Entry], number: dict[str, int]) -> Iterator[tuple[Any, ...]]:
    """With the numbers after those given."""
    now, payloads = timezone.now(), {id(entry.happening): entry.happening.payload() for entry in entries}
    for streams, what, conversation, seq, actor in entries:
        payload = payloads[id(what)]
        for place, stream in enumerate(streams):
            number[stream] += 1
            yield stream, number[stream], what.name, conversation, seq, actor, now, payload, place > 0


def ring(touched: dict[str, int]) -> None:
    """Says after commit which streams moved and to which number."""
    transaction.on_commit(partial(ringing.bell, touched), robust=True)


def _columns(rows: Iterable[tuple[str, Entry, bool]], counts: Counter[str]) -> list[str]:
    """With how far each event's number is behind the newest of its stream."""
    behind, table = counts.copy(), []
    for stream, entry, echo in rows:
        behind[stream] -= 1
        what = entry.happening
        who = (entry.conversation_id, entry.seq, entry.actor_id)
        table.append((stream, behind[stream], what.name, *who, what.payload(), echo))
    return columns(table)

"""The outbox: one row is one wish to post. It leaves once; when the network's answer is lost the row says so and is
settled by looking, never by trying again blindly. States and moves are those of the table in docs/outbox.md."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from inbox import happenings, ringing
from inbox.models.agent import Agent
from inbox.models.change import change
from inbox.models.search_text import SearchKind, reindex

if TYPE_CHECKING:
    from inbox.models.conversation import Conversation

FLAG_AFTER = timedelta(seconds=60)  # a doubt that old is shown to a person
TRIES = 5
TROUBLES = ("in_doubt", "failed", "held")  # what waits for a person, the worst first: it marks the conversation
FINAL = ("sent", "undone", "dropped")  # states that change what search finds: the post's address, or nothing any more


def draft_kind(kind: str) -> str:
    """The kind of draft in which a reply of that kind is written."""
    return "private" if kind == "direct" else "reply"


class Clock(Now):
    """The database's clock at this instant, not at the start of the transaction; leases never trust a worker's
    clock."""

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="CLOCK_TIMESTAMP()", **extra)


def may_leave() -> models.Q:
    """Of rows that wait for a channel: it works, and nothing holds back what it would say."""
    whole = models.Q(channel__paused=False) & ~models.Q(channel__state__in=["reconnect", "needs_key"])
    return whole & (models.Q(channel__listens_until=None) | models.Q(channel__listens_until__lte=Clock()))


class ReplyQuerySet(models.QuerySet["Reply"]):
    def due(self) -> ReplyQuerySet:
        """Waiting and allowed to leave: a paused or broken channel keeps its replies until it is whole again, and one
        that listens first until it may answer."""
        return self.filter(may_leave(), state="queued", not_before__lte=Clock())

    def abandoned(self) -> ReplyQuerySet:
        """Sending, but whoever sent them is gone: nobody knows whether the network took them."""
        return self.filter(state="sending", lease_until__lt=Clock())

    def to_settle(self) -> ReplyQuerySet:
        return self.filter(state="in_doubt", not_before__lte=Clock(), flagged_at=None)


class Reply(models.Model):
    class State(models.TextChoices):
        QUEUED = "queued", "Sending soon"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        IN_DOUBT = "in_doubt", "In doubt"
        HELD = "held", "Held back"
        UNDONE = "undone", "Undone"
        DROPPED = "dropped", "Dropped"
        REMOVED = "removed", "Deleted again"

    conversation = models.ForeignKey("inbox.Conversation", models.CASCADE, related_name="replies")
    channel = models.ForeignKey("connectors.Channel", models.PROTECT, related_name="replies", db_index=False)
    parent = models.ForeignKey("inbox.Mention", models.SET_NULL, null=True, related_name="replies")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="replies")
    text = models.TextField()
    kind = models.CharField(max_length=8, default="reply", choices=[("reply", "Reply"), ("direct", "Private message")])
    key = models.UUIDField(unique=True)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    seq = models.BigIntegerField()
    anyway = models.BooleanField(default=False)
    elsewhere = models.TextField(blank=True, default="", db_default="")  # whom its author agreed that it goes to
    then_close = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    not_before = models.DateTimeField()
    tries = models.SmallIntegerField(default=0)
    takes = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    sending_at = models.DateTimeField(null=True)
    first_at = models.DateTimeField(null=True)  # when the first try began that ended in doubt: it may stand there
    doubted_at = models.DateTimeField(null=True)
    flagged_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    external_id = models.TextField(null=True)
    url = models.TextField(blank=True)
    fault = models.CharField(max_length=20, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    prepared = models.JSONField(null=True)
    files = models.IntegerField(default=0, db_default=0)

    objects = ReplyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "replies"
        constraints = [models.UniqueConstraint(fields=["channel", "external_id"], name="one_reply_per_post")]
        indexes = [
            models.Index(
                fields=["not_before"], name="outbox_due", condition=models.Q(state__in=["queued", "in_doubt"])
            ),
            models.Index(fields=["lease_until"], name="outbox_leases", condition=models.Q(state="sending")),
        ]

    def __str__(self) -> str:
        return f"reply {self.pk} {self.state}"

    def carries(self) -> list[UUID]:
        """The keys of the files that hang from it, in order."""
        return list(self.attachments.order_by("place").values_list("key", flat=True)) if self.files else []

    def take(self) -> bool:
        """Queued to sending, committed before a byte leaves. False when another worker has it, it was undone, or is
        not due."""
        due = Reply.objects.filter(pk__in=Reply.objects.due().filter(pk=self.pk).values("pk"), state="queued")
        lease = Clock() + timedelta(seconds=settings.LEASE_SECONDS)
        once_more = {"tries": models.F("tries") + 1, "takes": models.F("takes") + 1}
        if not due.update(state="sending", lease_until=lease, sending_at=Clock(), **once_more):
            return False
        self.refresh_from_db()
        return True

    def hold(self, **fields: Any) -> bool:
        """Renews the lease before another request, and notes what goes with it; False when it ran out or somebody
        else has the reply."""
        mine = Reply.objects.filter(pk=self.pk, state="sending", takes=self.takes, lease_until__gt=Clock())
        lease = Clock() + timedelta(seconds=settings.LEASE_SECONDS)
        if not mine.update(lease_until=lease, **fields):
            return False
        self.refresh_from_db()
        return True

    def sent(self, external_id: str | None, url: str = "", besides: Callable[[], object] | None = None) -> bool:
        """The network has it, under this id, if it gives one. `besides` is done in the same transaction if it moves."""
        fields: dict[str, Any] = {
            "external_id": external_id,
            "url": url,
            "sent_at": timezone.now(),
            "fault": "",
            "reason": "",
        }
        return self._move(["sending", "in_doubt", "queued"], "sent", besides=besides, **fields)

    @transaction.atomic
    def found(self, external_id: str, url: str, besides: Callable[[], object] | None = None) -> bool:
        """Its post came back by a poll. Of one that counts as sent already only the id was missing."""
        known = Reply.objects.filter(pk=self.pk, state="sent", external_id=None)
        if known.update(external_id=external_id, **({"url": url} if url else {})):
            reindex(SearchKind.REPLY, [self.pk])
            self.refresh_from_db()
            return True
        return self.sent(external_id, url, besides)

    def failed(self, fault: str, reason: str) -> bool:
        """Certainly not posted; the text stays, with the reason in words."""
        return self._move(["sending", "in_doubt", "queued"], "failed", fault=fault, reason=reason[:300])

    def returned(self, reason: str) -> bool:
        """The network took it and gave it back: it reached nobody. The conversation is open again."""
        return self._move(["sent", "in_doubt"], "failed", fault="Returned", reason=reason[:300])

    def doubted(self, fault: str, reason: str, later: float = 0.0) -> bool:
        """It may stand on the network or not; somebody will look after the settle time, or so many seconds later."""
        fields: dict[str, Any] = {
            "doubted_at": timezone.now(),
            "first_at": Coalesce("first_at", "sending_at"),
            "not_before": Clock() + timedelta(seconds=settings.SETTLE_SECONDS + later),
        }
        return self._move(["sending"], "in_doubt", fault=fault, reason=reason[:300], **fields)

    def again(self, until: datetime | None = None, fault: str = "", reason: str = "", *, counts: bool = True) -> bool:
        """Certainly not posted and worth another try, at most five that count. A wait that the network asked for, or
        a channel that must be reconnected, does not count."""
        if counts and self.tries >= TRIES:
            return self.failed(fault or "Unavailable", reason or "Tried five times.")
        wait = until or timezone.now() + timedelta(seconds=5 * 3 ** max(self.tries - 1, 0))
        tries: dict[str, Any] = {} if counts else {"tries": 1}
        return self._move(["sending", "in_doubt"], "queued", not_before=wait, fault=fault, reason=reason[:300], **tries)

    def take_to_settle(self) -> bool:
        """One settler at a time: the next look is put off while this one is under way."""
        due = Reply.objects.to_settle().filter(pk=self.pk, takes=self.takes)
        return bool(due.update(not_before=Clock() + timedelta(seconds=settings.LEASE_SECONDS)))

    def look_later(self) -> None:
        """Could not look yet; another look follows, and a person is asked when the doubt is a minute old."""
        old = self.doubted_at is not None and timezone.now() - self.doubted_at >= FLAG_AFTER
        if old:
            self.flag()
        else:
            mine = Reply.objects.filter(pk=self.pk, state="in_doubt", takes=self.takes)
            mine.update(not_before=Clock() + timedelta(seconds=settings.SETTLE_SECONDS / 3))

    def flag(self) -> bool:
        """Nobody but a person can settle this one."""
        return self._move(["in_doubt"], "in_doubt", flagged_at=timezone.now())

    def undo(self, by: Agent) -> bool:
        """Takes the reply back while it waits; the text returns to its author's draft."""
        return self._take_back(["queued", "held"], "undone", by)

    def drop(self, by: Agent) -> bool:
        """Gives up a reply that certainly did not leave; the text returns to its author's draft."""
        return self._take_back(["failed", "held"], "dropped", by)

    def _take_back(self, old: list[str], new: str, by: Agent) -> bool:
        with transaction.atomic():
            done = self._move(old, new, by=by)
            if done:
                self._back_to_draft()
        return done

    def _back_to_draft(self) -> None:
        """What its author began since stays, below it; the new version makes an open page take over both."""
        from inbox.models.attachment import unbind
        from inbox.models.note import Draft

        if self.files:
            unbind(self, draft_kind(self.kind))
        mine = {"agent": self.author, "conversation": self.conversation, "kind": draft_kind(self.kind)}
        draft, made = Draft.objects.select_for_update(of=("self",)).get_or_create(**mine, defaults={"text": self.text})
        if made:
            return
        if draft.text.strip() and draft.text != self.text:
            draft.text = f"{self.text}\n\n{draft.text}"
        else:
            draft.text = self.text
        draft.version += 1
        draft.save(update_fields=["text", "version", "at"])

    def release(self, by: Agent) -> bool:
        """Sends a held or failed reply after all; a certain second try, so the same key and a fresh count of
        tries. What was prepared there may be what was refused; it is begun anew."""
        fields: dict[str, Any] = {"not_before": timezone.now(), "tries": 0, "author": by, "prepared": None}
        if self.fault == "Returned":  # what is sent now is another message: the first one was sent
            fields |= {"key": uuid4(), "external_id": None, "first_at": None, "fault": "", "reason": ""}
        return self._move(["held", "failed"], "queued", by=by, **fields)

    def settle(self, verdict: str, by: Agent, url: str = "") -> bool:
        """A person decides a doubt: `sent` (perhaps with the link), `again` or `drop`."""
        state = {"sent": "sent", "again": "queued", "drop": "dropped"}[verdict]
        fields: dict[str, Any] = {"not_before": timezone.now(), "tries": 0} if verdict == "again" else {}
        if verdict == "sent":
            fields = {"sent_at": self.sending_at or timezone.now(), "url": url}
        also = (happenings.ReplySettled(reply=self.pk, verdict=verdict),)
        return self._move(["in_doubt"], state, by=by, also=also, flagged_at=None, **fields)

    def _move(
        self,
        old: list[str],
        new: str,
        by: Agent | None = None,
        also: tuple[Any, ...] = (),
        besides: Callable[[], object] | None = None,
        **fields: Any,
    ) -> bool:
        with transaction.atomic():
            # The conversation before its reply, as everywhere: two movers of one reply wait instead of deadlocking.
            conversation = type(self.conversation).objects.select_for_update(of=("self",)).get(pk=self.conversation_id)
            # `takes` only grows, whoever resets `tries`: it fences out a sender or settler that slept while another
            # one went on with this reply.
            if by is not None and conversation.team_id != self.conversation.team_id:
                return False  # another team has it since this person was allowed to act on it
            if not Reply.objects.filter(pk=self.pk, state__in=old, takes=self.takes).update(state=new, **fields):
                return False
            self.refresh_from_db()
            because = f": {self.reason}" if self.reason else ""
            happening = happenings.ReplyMoved(reply=self.pk, state=self.get_state_display().lower(), because=because)
            if new in FINAL:
                reindex(SearchKind.REPLY, [self.pk])
            if besides is not None:  # before the numbers, for which everybody in the team waits from here on
                besides()
            change(conversation, happening, by=by, values=self._consequences(conversation), also=also)
            if new == "queued":
                transaction.on_commit(lambda: ringing.task("connectors.tasks.send_due"), robust=True)
        return True

    def _consequences(self, conversation: Conversation) -> dict[str, Any]:
        """What the reply's state means for its conversation. A customer who wrote after the reply keeps it New."""
        states = set(
            Reply.objects.filter(conversation=conversation, state__in=TROUBLES).values_list("state", flat=True)
        )
        values: dict[str, Any] = {"trouble": next((state for state in TROUBLES if state in states), "")}
        if self.state == "sent" and conversation.inbound_seq < self.seq and conversation.state <= 3:
            values["state"] = 4 if self.then_close else 1
            values["closed_at"] = timezone.now() if self.then_close else None
        if self.state == "failed" and self.fault == "Returned" and conversation.state in (1, 3, 4):
            values |= {"state": 0, "closed_at": None, "snoozed_until": None}
        return values

"""What is done on the network to a post that stands there already: hide, like, edit, delete and their like. One row is
one wish. Unlike a reply it may be done twice without harm, so what was lost on the way is simply asked again; a
report alone may not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from inbox import happenings
from inbox.models.change import change
from inbox.models.page_conversation import HEARD, NEW
from inbox.models.reply import TRIES, Clock, may_leave
from inbox.models.search_text import SearchKind, reindex

# The mark a verb leaves on the post or takes from it.
LEAVES: dict[str, tuple[str, bool]] = {
    "hide": ("hidden", True),
    "unhide": ("hidden", False),
    "like": ("liked", True),
    "unlike": ("liked", False),
    "approve": ("approved", True),
    "spam": ("spam", True),
    "unspam": ("spam", False),
    "trash": ("trash", True),
    "restore": ("trash", False),
    "block": ("blocked", True),
    "mute": ("muted", True),
    "unmute": ("muted", False),
    "report": ("reported", True),
    "lock": ("locked", True),
    "unlock": ("locked", False),
}
OPPOSITES = {
    "like": "unlike", "unlike": "like", "hide": "unhide", "unhide": "hide", "spam": "unspam", "unspam": "spam",
    "trash": "restore", "restore": "trash", "mute": "unmute", "unmute": "mute", "lock": "unlock", "unlock": "lock",
}  # fmt: skip
BRINGS_BACK = ("unspam", "restore")  # what was put away before anybody worked on it is work then
# What is said of a verb: that it was done, and, after “did not”, that it was not.
SAID = {
    "hide": ("hid a message on the network", "hide the message"),
    "unhide": ("showed a message on the network again", "show the message again"),
    "like": ("liked a message", "like the message"),
    "unlike": ("took back a like", "take back the like"),
    "edit": ("corrected our answer on the network", "correct our answer"),
    "delete": ("deleted a message on the network", "delete the message"),
    "approve": ("approved a message on the network", "approve the message"),
    "spam": ("marked a message as spam on the network", "mark the message as spam"),
    "unspam": ("said on the network that a message is no spam", "say that the message is no spam"),
    "trash": ("moved a message to the trash of the network", "move the message to the trash"),
    "restore": ("brought a message back from the trash of the network", "bring the message back from the trash"),
    "block": ("blocked the author on the network", "block the author"),
    "mute": ("muted the {whom} of a message on the network", "mute it"),
    "unmute": ("took back a mute on the network", "take back the mute"),
    "report": ("reported a message to who runs the network", "report the message"),
    "lock": ("closed a message to answers on the network", "close the message to answers"),
    "unlock": ("opened a message to answers on the network", "open the message to answers"),
    "mark_seen": ("marked a message as seen on the network", "mark the message as seen"),
}


class ActQuerySet(models.QuerySet["Act"]):
    def due(self) -> ActQuerySet:
        """Waiting and allowed to be done, or left by a worker that died over it. Acts on one post are done in the
        order in which they were asked for, else an old wording would overwrite a new one."""
        whole = self.filter(may_leave())
        waiting = models.Q(state="waiting", not_before__lte=Clock())
        same = models.Q(mention=models.OuterRef("mention")) | models.Q(reply=models.OuterRef("reply"))
        older = Act.objects.filter(same, state__in=["waiting", "doing"], pk__lt=models.OuterRef("pk"))
        left = models.Q(state="doing", lease_until__lt=Clock())
        return whole.filter(waiting | left).exclude(models.Exists(older))


class Act(models.Model):
    class State(models.TextChoices):
        WAITING = "waiting", "Under way"
        DOING = "doing", "Under way"
        DONE = "done", "Done"
        FAILED = "failed", "Refused"

    conversation = models.ForeignKey("inbox.Conversation", models.CASCADE, related_name="acts")
    channel = models.ForeignKey("connectors.Channel", models.PROTECT, related_name="acts", db_index=False)
    mention = models.ForeignKey("inbox.Mention", models.CASCADE, null=True, related_name="acts")
    reply = models.ForeignKey("inbox.Reply", models.CASCADE, null=True, related_name="acts")
    verb = models.CharField(max_length=16)
    text = models.TextField(blank=True)
    before = models.TextField(blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="acts", db_index=False)
    key = models.UUIDField(unique=True)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    created_at = models.DateTimeField(default=timezone.now)
    not_before = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True)
    tries = models.SmallIntegerField(default=0)
    takes = models.PositiveIntegerField(default=0)
    fault = models.CharField(max_length=20, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    done_at = models.DateTimeField(null=True)

    objects = ActQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(mention__isnull=False) ^ models.Q(reply__isnull=False), name="act_on_one_post"
            )
        ]
        indexes = [
            models.Index(fields=["not_before"], name="acts_due", condition=models.Q(state__in=["waiting", "doing"]))
        ]

    def __str__(self) -> str:
        return f"act {self.pk} {self.verb} {self.state}"

    def take(self) -> bool:
        """Waiting to doing, committed before the network is asked; False when another worker has it, or it does not
        stand as this object knows it."""
        known = {"takes": self.takes, "state": self.state}
        due = Act.objects.filter(pk__in=Act.objects.due().filter(pk=self.pk).values("pk"), **known)
        lease = Clock() + timedelta(seconds=settings.LEASE_SECONDS)
        once_more = {"tries": models.F("tries") + 1, "takes": models.F("takes") + 1}
        if not due.update(state="doing", lease_until=lease, **once_more):
            return False
        self.refresh_from_db()
        return True

    def done(self, *, visibility: str = "", grants: dict[str, Any] | None = None) -> bool:
        """The network has done it. What it says of the post now is kept with it, when it says so."""
        what = SAID[self.verb][0]
        if self.verb == "mute":
            what = what.format(whom=self.channel.kind.mutes)
        happening = happenings.ActDone(act=self.pk, what=what, mention=self.mention_id, reply=self.reply_id)

        def show() -> None:
            if self.mention_id is not None:
                self._mark(self.mention_id, visibility, grants)
            elif self.reply_id is not None:
                self._change_reply(self.reply_id)

        return self._end("done", happening, show, done_at=timezone.now(), fault="", reason="")

    def failed(self, fault: str, reason: str) -> bool:
        """Not done, or not to be done again although nobody knows; with the reason in words."""
        happening = happenings.ActRefused(
            act=self.pk, verb=SAID[self.verb][1], reason=reason[:300], mention=self.mention_id, reply=self.reply_id
        )
        return self._end("failed", happening, fault=fault, reason=reason[:300])

    def again(self, until: datetime | None = None, fault: str = "", reason: str = "", *, counts: bool = True) -> bool:
        """Perhaps not done and asked for again, at most five times that count."""
        if counts and self.tries >= TRIES:
            return self.failed(fault or "Unavailable", reason or "Tried five times.")
        fields: dict[str, Any] = {"fault": fault, "reason": reason[:300]} | ({} if counts else {"tries": 1})
        wait = until or timezone.now() + timedelta(seconds=5 * 3 ** max(self.tries - 1, 0))
        return bool(self._mine().update(state="waiting", not_before=wait, **fields))

    def _mine(self) -> ActQuerySet:
        """This row as long as nobody took it up since; `takes` only grows."""
        return Act.objects.filter(pk=self.pk, state="doing", takes=self.takes)

    def _end(
        self, state: str, happening: happenings.Happening, show: Callable[[], object] | None = None, **fields: Any
    ) -> bool:
        """The conversation is locked before its act, as everywhere, and what it was done to before the event's number,
        for which everybody in the team waits."""
        with transaction.atomic():
            conversation = type(self.conversation).objects.select_for_update(of=("self",)).get(pk=self.conversation_id)
            if not self._mine().update(state=state, **fields):
                return False
            self.refresh_from_db()
            if show is not None:
                show()
            if state == "done" and self.verb in BRINGS_BACK and conversation.state == HEARD:
                back = (happenings.Reopened(because=", because the network shows the message again"),)
                change(conversation, happening, by=self.author, values={"state": NEW}, also=back)
            else:
                change(conversation, happening, by=self.author, values={})
        return True

    def _mark(self, mention_id: int, visibility: str, grants: dict[str, Any] | None) -> None:
        from inbox.models.mention import Mention

        mention = Mention.objects.select_for_update().get(pk=mention_id)
        if self.verb == "delete":
            mention.state = "deleted"
        elif self.verb in LEAVES:
            mark, stands = LEAVES[self.verb]
            mention.marks = sorted({*mention.marks, mark} if stands else {*mention.marks} - {mark})
        mention.visibility = visibility or mention.visibility
        mention.grants = mention.grants if grants is None else grants
        mention.save(update_fields=["state", "marks", "visibility", "grants"])
        if self.verb == "delete":
            reindex(SearchKind.MENTION, [mention_id])

    def _change_reply(self, reply_id: int) -> None:
        from inbox.models.reply import Reply

        mine = Reply.objects.filter(pk=reply_id)
        if self.verb == "edit":
            mine.update(text=self.text)
        elif self.verb == "delete":
            mine.update(state="removed")
        reindex(SearchKind.REPLY, [reply_id])

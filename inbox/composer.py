"""What the composer under a thread shows: whether this item can be answered and why, how a text counts, what is
waiting as a draft. The line comes from the item itself, never from the channel alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.apps import apps
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from inbox.attaching import Attaching

if TYPE_CHECKING:
    from inbox.models import Agent, Attachment, Conversation, Draft, Mention

COUNTERS = {
    "weighted characters": "weighted",
    "weighted": "weighted",
    "graphemes": "graphemes+bytes",
    "UTF-16 units": "utf16",
    "bytes": "bytes",
}
BYTES = {"graphemes+bytes": 3_000}


@dataclass(frozen=True)
class Counter:
    """Parameters of reply-counter."""

    kind: str
    limit: int
    link: int
    bytes: int


@dataclass
class Composer:
    """`forms` are what parts/composer.html shows, one a kind; `reason` says why a reply cannot leave, "" if it can."""

    conversation: Conversation
    agent: Agent
    parent: Mention | None
    drafts: Sequence[Draft]
    files: Sequence[Attachment] = ()

    @property
    def conversation_id(self) -> int:
        return self.conversation.pk

    @property
    def agent_id(self) -> int:
        return self.agent.pk

    @property
    def draft_url(self) -> str:
        return reverse("inbox:draft", args=[self.conversation.pk])

    @cached_property
    def verbs(self) -> Any:
        channel: Any = self.conversation.channel
        return channel.may(self.parent) if self.parent else {}

    @cached_property
    def network(self) -> str:
        return network_name(self.conversation.channel)

    @cached_property
    def reason(self) -> str:
        return why_not(self.conversation.channel, self.parent, self.verbs.get("reply"))

    @cached_property
    def held(self) -> str:
        """Why nothing leaves through the channel yet, or ""."""
        channel: Any = self.conversation.channel
        return str(channel.why_held())

    @property
    def held_for(self) -> int:
        """Seconds until it may answer, the last one begun counted whole; 0 when it may."""
        channel: Any = self.conversation.channel
        ends = channel.held_until()
        return max(1, ceil((ends - timezone.now()).total_seconds())) if ends else 0

    @property
    def allow_url(self) -> str:
        """Where an admin allows replies at once; "" when there is nothing to allow, or not for this agent."""
        shown = self.held and self.agent.is_admin
        return reverse("connectors:listening", args=[self.conversation.channel_id]) if shown else ""

    @cached_property
    def forms(self) -> list[dict[str, Any]]:
        kinds = [self._answer("reply", _("Reply on %s") % self.network, self.verbs.get("reply"))]
        private = self.verbs.get("private_reply")
        if private and private.allowed:
            kinds.append(self._answer("private", _("Private message"), private))
        return [*kinds, self._note()]

    @property
    def reply_form(self) -> dict[str, Any]:
        return self.forms[0]

    def _answer(self, kind: str, label: str, may: Any) -> dict[str, Any]:
        refusal = why_not(self.conversation.channel, self.parent, may)
        return {
            **self._draft(kind),
            "kind": kind,
            "label": label,
            "url": reverse("inbox:replies", args=[self.conversation.pk]),
            "seen_seq": self.conversation.seen_seq,
            "key": uuid4(),
            "current": kind == "reply",
            "capability": self._capability(may, refusal),
            "cannot": bool(refusal),
            "shut": bool(may and may.ask),
            "counter": counter_of(self.conversation.channel, self.parent, private=kind == "private"),
            "send_text": _("Send"),
            "placeholder": _("Prepare an answer: it is kept as a draft") if self.held else _("Write an answer"),
            "language": self.conversation.language,
            "lines": [{"mood": "danger", "text": may.reason}] if may and may.elsewhere and not refusal else [],
            "foot": "inbox/composer_foot.html",
            "attaching": None if refusal else self._attaching(kind),
            "facts": _("as %(channel)s") % {"channel": self.conversation.channel.name},
        }

    def _capability(self, may: Any, refusal: str) -> dict[str, Any]:
        """The line that is always there: can, can until, or cannot with the reason and another way."""
        if not refusal:
            if may.elsewhere:
                return {"mood": "danger", "icon": "triangle-alert", "text": _("Goes to %s") % may.elsewhere}
            said = may.reason or _("You can reply")
            return {"mood": "warn" if may.until else "", "icon": "check", "text": said, "until": may.until}
        if self.held and refusal == self.held:
            return {"mood": "info", "icon": "clock", "text": refusal, "actions": self._while_held()}
        url = safe((may.hand_off if may else "") or (self.parent.url if self.parent else ""))
        actions: list[dict[str, Any]] = []
        if url:
            actions.append({"url": url, "text": _("Open on %s") % self.network, "foreign": True})
        if may and may.ask:
            actions.insert(0, {"url": may.ask, "text": _("Answer it all the same"), "foreign": False})
        return {"mood": "danger", "icon": "circle-alert", "text": refusal, "actions": actions}

    def _while_held(self) -> list[dict[str, Any]]:
        """What an admin can do about it; everybody else waits."""
        if not self.allow_url:
            return []
        heard = reverse("connectors:heard", args=[self.conversation.channel_id])
        return [
            {"form": "allow-replies", "text": _("Allow replies now")},
            {"url": heard, "text": _("What was heard so far"), "foreign": False},
        ]

    def _attaching(self, kind: str) -> Attaching:
        return Attaching(self.conversation, self.parent, kind, [one for one in self.files if one.kind == kind])

    def _note(self) -> dict[str, Any]:
        return {
            **self._draft("note"),
            "kind": "note",
            "label": _("Note"),
            "url": reverse("inbox:notes", args=[self.conversation.pk]),
            "seen_seq": self.conversation.seen_seq,
            "key": uuid4(),
            "send_text": _("Add note"),
            "placeholder": _("Only your team sees this"),
        }

    def _draft(self, kind: str) -> dict[str, Any]:
        draft = next((draft for draft in self.drafts if draft.kind == kind), None)
        return {"text": draft.text if draft else "", "version": draft.version if draft else 0}


def why_not(channel: Any, parent: Mention | None, may: Any) -> str:
    """Why this item cannot be answered, in a sentence, or "". Asked for the page and again when a reply comes in."""
    if parent is None:
        return _("Every message of this conversation was deleted by its author, so there is nothing to answer.")
    if may is None:
        return _("%s takes no such answer.") % network_name(channel)
    if not may.allowed:
        return str(may.reason) or _("%s does not take an answer to this.") % network_name(channel)
    return ""


def problems_of(channel: Any, text: str, parent: Mention, *, private: bool = False) -> list[str]:
    """What is wrong with the text for this item, counted by the network's own rule."""
    return list(channel.measure(text, parent, private=private).problems)


def counter_of(channel: Any, parent: Mention | None, *, private: bool = False) -> Counter | None:
    """How the composer counts for this item; None where nothing is counted."""
    if parent is None:
        return None
    try:
        measured = channel.measure("", parent, private=private)
        link = channel.link_length(parent, private=private)
    except KeyError:
        return None
    if measured.limit is None:
        return None
    kind = COUNTERS.get(measured.unit, "characters")
    return Counter(kind, measured.limit, link, BYTES.get(kind, 0))


def network_name(channel: Any) -> str:
    """The network in words; its bare name when this build does not have it."""
    try:
        return str(channel.kind.label)
    except KeyError:
        return str(channel.network).capitalize()


def network_label(network: str) -> str:
    """The same for a network of which no channel is at hand."""
    return network_name(_channel_of(network))


@lru_cache(maxsize=100)
def _channel_of(network: str) -> Any:
    return apps.get_model("connectors", "Channel")(network=network)


def safe(url: str) -> str:
    """The address if a browser may be sent there."""
    return url if url.startswith(("https://", "http://")) else ""

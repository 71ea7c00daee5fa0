"""One entry of a conversation as it is shown: a message of the customer or of ours, a note, or a line about what
happened. Its id and its key never change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inbox.attaching import shown_of
from inbox.happenings import Happening
from inbox.models import Event, Mention, Note, Reply, Revision
from inbox.models.enclosure import MOST as MOST_MEDIA
from inbox.models.enclosure import enclosure_of
from inbox.models.picture import picture_url, version_of
from inbox.queue import sentence

if TYPE_CHECKING:
    from inbox.models import Attachment, Conversation

GONE = ("deleted", "withheld")


@dataclass
class Message:
    """One entry for parts/message.html."""

    id: str
    key: str
    side: str
    author_name: str
    at: datetime
    text: str
    handle: str = ""
    initials: str = ""
    network: str = ""
    language: str = ""
    subject: str = ""
    quote: dict[str, str] | None = None
    state: str = ""
    state_text: str = ""
    edited_at: datetime | None = None
    gone: str = ""
    """Why the post does not stand on the network any more, in two words."""
    late: datetime | None = None
    revisions: Sequence[dict[str, Any]] = ()
    url: str = ""
    media: Sequence[dict[str, Any]] = ()
    actions: str = ""
    menu: str = ""
    marks: Sequence[str] = ()
    quoted: str = ""
    first_unread: bool = False
    reply: Reply | None = None
    answered_url: str = ""
    rating: Any = None
    kind: str = "message"


@dataclass
class Line:
    """A happening for parts/happening.html, or a fold of several for parts/happenings.html."""

    id: str
    key: str
    icon: str = ""
    sentence: str = ""
    at: datetime | None = None
    list: Sequence[Line] = ()
    kind: str = "happening"


@dataclass
class Day:
    at: datetime
    key: str
    kind: str = "day"


def of_mention(mention: Mention, revisions: Sequence[Revision]) -> Message:
    identity = mention.identity
    gone = mention.state in GONE
    return Message(
        id=f"mention-{mention.pk}",
        key=key_at(mention.posted_at, "b", mention.pk),
        side="outside" if mention.ours else "theirs",
        author_name=identity.name or identity.handle or _("Somebody"),
        handle=identity.handle if identity.name else "",
        network=identity.network,
        at=mention.posted_at,
        text=mention.text,
        language=mention.language,
        edited_at=mention.edited_at,
        gone=_("deleted there") if mention.state == "deleted" else _("not shown there") if gone else "",
        late=mention.seen_at if mention.late else None,
        revisions=[{"at": one.until, "text": one.text} for one in revisions],
        url=mention.url if mention.url.startswith(("https://", "http://")) else "",
        rating=mention.rating,
        media=[] if gone else media_of(mention),
        menu="" if gone else _menu(mention.conversation_id, f"mention={mention.pk}"),
        marks=_marks(mention),
        quoted="" if gone else _quoted(mention),
    )


def _marks(mention: Mention) -> list[str]:
    told = mention.grants.get("away")  # where the network says so itself, what we did is not all that counts
    stands = mention.marks if told is None else [*(each for each in mention.marks if each not in (*AWAY, told)), told]
    marks = [str(MARKS[mark]) for mark in stands if mark in MARKS]
    return [_("sent by a program"), *marks] if mention.grants.get("automatic") else marks


def _quoted(mention: Mention) -> str:
    """What the message repeats of others and how it is signed, which its text leaves out."""
    parts = (mention.raw.get(name) for name in ("signature", "quoted")) if isinstance(mention.raw, dict) else ()
    return "\n\n".join(part.strip() for part in parts if isinstance(part, str) and part.strip())


AWAY = ("spam", "trash")
MARKS = {
    "hidden": gettext_lazy("hidden there"),
    "liked": gettext_lazy("liked"),
    "approved": gettext_lazy("approved"),
    "spam": gettext_lazy("spam"),
    "trash": gettext_lazy("in the trash there"),
    "blocked": gettext_lazy("author blocked"),
    "muted": gettext_lazy("muted there"),
    "reported": gettext_lazy("reported there"),
    "locked": gettext_lazy("closed to answers"),
}


def media_of(mention: Mention) -> list[dict[str, Any]]:
    """Pictures, films, sounds and files from our own copies, and everything else as a link to where it is."""
    shown = []
    for place, item in enumerate(mention.media[:MOST_MEDIA] if isinstance(mention.media, list) else []):
        url, kind, alt = (str(item.get(name) or "") for name in ("url", "kind", "description"))
        copy = reverse("inbox:picture", args=[mention.conversation_id, mention.pk, place])
        name = alt or {"image": _("Picture"), "video": _("Video"), "audio": _("Sound")}.get(kind, _("File"))
        link = url if url.startswith(("https://", "http://")) else ""
        source = picture_url(mention.media, place)
        picture = f"{copy}?v={version_of(source)}" if source else ""
        kept = reverse("inbox:enclosure", args=[mention.conversation_id, mention.pk, place])
        file = kept if enclosure_of(mention.media, place) else ""
        shown.append({"url": file or link, "alt": alt, "name": name, "kind": kind, "picture": picture})
    return shown


def _menu(conversation_id: int, which: str) -> str:
    """Where the menu of one message comes from."""
    return f"{reverse('inbox:network_acts', args=[conversation_id])}?{which}"


TAKEN_BACK = {
    "undone": gettext_lazy("%s took an answer back before it left"),
    "dropped": gettext_lazy("%s's answer was dropped"),
    "removed": gettext_lazy("%s's answer was deleted again on the network"),
}
STATES = {
    "sending": gettext_lazy("Sending"),
    "sent": gettext_lazy("Sent"),
}


def of_reply(reply: Reply, conversation: Conversation, files: Sequence[Attachment] = ()) -> Message | Line:
    """A message of ours as the outbox knows it; what was taken back or dropped is only a line."""
    key = key_at(reply.created_at, "c", reply.pk)
    if words := TAKEN_BACK.get(reply.state):
        return Line(f"reply-{reply.pk}", key, "undo-2", str(words) % reply.author.name, reply.created_at)
    return Message(
        id=f"reply-{reply.pk}",
        key=key,
        side="ours",
        author_name=reply.author.name,
        handle=_("privately") if reply.kind == "direct" else "",
        network=conversation.identity.network,
        at=reply.sent_at or reply.created_at,
        text=reply.text,
        media=[shown_of(one) for one in files],
        state=reply.state,
        state_text=_said_of(reply, conversation.channel),
        url=reply.url if reply.url.startswith(("https://", "http://")) else "",
        actions="inbox/reply_actions.html",
        menu=_menu(conversation.pk, f"reply={reply.pk}") if reply.state == "sent" and reply.external_id else "",
        reply=reply,
        answered_url=_answered(reply) if reply.state in ("failed", "in_doubt") else "",
    )


def _answered(reply: Reply) -> str:
    """Where the post that it answers stands, for who has to look there or answers by hand."""
    url = reply.parent.url if reply.parent else ""
    return url if url.startswith(("https://", "http://")) else ""


def _said_of(reply: Reply, channel: Any) -> str:
    """What is known about it, in words: reason first where there is one."""
    if reply.state == "queued" and channel.held_until():
        return str(_("Waits: %s") % channel.why_held())
    if reply.state == "queued" and reply.reason:
        return _("Will be tried again: %s") % reply.reason
    if reply.state == "queued":
        return ""
    if reply.state == "failed" and reply.fault == "Returned":
        return _("Could not be delivered: %s") % reply.reason
    if reply.state == "failed":
        return _("Not sent: %s") % (reply.reason or _("the network refused it."))
    if reply.state == "in_doubt" and reply.flagged_at:
        return _("Nobody knows whether it was taken. Look on the network and say what you found.")
    if reply.state == "in_doubt":
        return _("It is not known yet whether the network took it. Being checked.")
    if reply.state == "held":
        return _("Held back: the customer wrote again before it left.")
    return str(STATES[reply.state])


def of_note(note: Note) -> Message:
    return Message(
        id=f"note-{note.pk}",
        key=key_at(note.at, "c", note.pk),
        side="note",
        author_name=note.author.name,
        at=note.at,
        text=note.text,
    )


def of_event(event: Event) -> Line:
    icon = Happening.named(event.happening).icon
    return Line(f"event-{event.pk}", key_at(event.at, "d", event.pk), icon, sentence(event), event.at)


def key_at(at: datetime, rank: str, pk: int) -> str:
    """Ascending in network time; a day stands before its messages, a happening after what it speaks of."""
    micros = max(0, int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000))
    return f"{micros:017d}{rank}{pk:014d}"

"""A conversation as it reads: messages, replies, notes and what happened, in the order of network time, each with an
id and a key that never change, so that a screen can take a new or changed one without touching the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inbox.attaching import shown_of
from inbox.happenings import Happening
from inbox.models import Event, Mention, Note, Reply, Revision
from inbox.models.attachment import of_replies
from inbox.models.picture import MOST as MOST_MEDIA
from inbox.models.picture import picture_url, version_of
from inbox.queue import sentence

if TYPE_CHECKING:
    from inbox.models import Agent, Attachment, Conversation

SHOWN = 300  # newest messages; older ones are one link away
MOST = 2_000  # newest messages and events that are read at all
FOLD_FROM = 3  # happenings in a row that are folded
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
    deleted: bool = False
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


@dataclass
class Thread:
    """What stands in the pane. `mark` is the conversation's number it was made at; `last_inbound` what a reply
    answers."""

    conversation: Conversation
    entries: list[Any] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    earlier: bool = False

    @property
    def mark(self) -> str:
        return f"conversation:{self.conversation.pk}={self.conversation.seen_seq}"

    @property
    def last_inbound(self) -> Mention | None:
        standing = [one for one in self.mentions if not one.ours and one.state not in GONE]
        return max(standing, key=lambda one: (one.posted_at, one.pk), default=None)


def whole(conversation: Conversation, agent: Agent, seen: int | None = None, *, earlier: bool = False) -> Thread:
    """The thread for this reader. `seen` is the number up to which it was read before; None leaves no mark."""
    mentions = list(
        conversation.mentions.select_related("identity").order_by("-posted_at", "-id")[: MOST if earlier else SHOWN + 1]
    )
    thread = Thread(conversation, earlier=len(mentions) > SHOWN and not earlier)
    thread.mentions = mentions[:SHOWN] if thread.earlier else mentions
    events = _events(conversation, agent)
    answered = len(events) >= MOST or any(event.happening == "reply_queued" for event in events)
    replies = list(conversation.replies.select_related("author")) if answered else []
    own_posts = {reply.external_id for reply in replies}
    replies = _told(replies, conversation, agent, events)
    entries = _entries(conversation, thread.mentions, replies, _notes(conversation, agent, events), events, own_posts)
    if thread.earlier:
        oldest = min(_key(one.posted_at, "b", one.pk) for one in thread.mentions)
        entries = [entry for entry in entries if entry.key >= oldest]
    _mark_unread(entries, events, seen)
    thread.entries = _folded(sorted([*entries, *_days(entries)], key=lambda entry: entry.key))
    return thread


def since(conversation: Conversation, agent: Agent, number: int) -> Thread:
    """What came or changed after the number a screen holds, unfolded and without days it has already."""
    events = _events(conversation, agent, after=number)
    touched = [event.payload for event in events]
    wanted = {kind: {one[kind] for one in touched if one.get(kind)} for kind in ("mention", "reply", "note")}
    mentions = list(conversation.mentions.select_related("identity").filter(pk__in=wanted["mention"]))
    replies = list(conversation.replies.select_related("author").filter(pk__in=wanted["reply"]))
    notes = list(conversation.notes.select_related("author").filter(pk__in=wanted["note"]))
    ours = [mention.external_id for mention in mentions if mention.ours]
    bound = conversation.replies.filter(external_id__in=ours).values_list("external_id", flat=True) if ours else ()
    entries = _entries(conversation, mentions, replies, notes, events, set(bound))
    return Thread(conversation, sorted([*entries, *_days(entries)], key=lambda entry: entry.key), mentions)


def _events(conversation: Conversation, agent: Agent, after: int = -1) -> list[Event]:
    """The newest of the timeline after that number, oldest first, without what this reader may not hear."""
    told = Event.objects.told_to(agent, conversation).timeline().filter(seq__gt=after)
    return list(told.select_related("actor").reverse()[:MOST])[::-1]


def _told(replies: Sequence[Reply], conversation: Conversation, agent: Agent, events: Sequence[Event]) -> list[Reply]:
    """Answers, too, are read by those who may read the event of their writing."""
    if len(events) < MOST:
        told = {event.payload.get("reply") for event in events if event.happening == "reply_queued"}
        return [reply for reply in replies if reply.pk in told]
    kept = set(Event.objects.kept_from(agent, conversation, "reply_queued").values_list("payload__reply", flat=True))
    return [reply for reply in replies if reply.pk not in kept]


def _notes(conversation: Conversation, agent: Agent, events: Sequence[Event]) -> list[Note]:
    """Notes are read by those who may read the event of their writing."""
    told = {event.payload.get("note") for event in events if event.happening == "noted"}
    if len(events) >= MOST:
        noted = Event.objects.told_to(agent, conversation).timeline().filter(happening="noted")
        told.update(noted.values_list("payload__note", flat=True))
    if not told:
        return []
    return [note for note in conversation.notes.select_related("author") if note.pk in told]


def _entries(
    conversation: Conversation,
    mentions: Iterable[Mention],
    replies: Iterable[Reply],
    notes: Iterable[Note],
    events: Iterable[Event],
    own_posts: set[str | None],
) -> list[Any]:
    """All of them, unordered. A post of ours that came back from the network is its reply, not a second message."""
    revisions = _revisions(mentions)
    shown = [one for one in mentions if not (one.ours and one.external_id in own_posts)]
    entries: list[Any] = [_of_mention(one, revisions.get(one.pk, [])) for one in shown]
    hanging = of_replies(list(replies))
    entries += [_of_reply(reply, conversation, hanging.get(reply.pk, ())) for reply in replies]
    entries += [_of_note(note) for note in notes]
    entries += [_of_event(event) for event in events if not Happening.named(event.happening).quiet]
    return entries


def _revisions(mentions: Iterable[Mention]) -> dict[int, list[Revision]]:
    """Earlier texts of the edited ones; no statement when nothing was edited."""
    edited = [mention.pk for mention in mentions if mention.edited_at or mention.state in GONE]
    found: dict[int, list[Revision]] = {}
    if edited:
        for revision in Revision.objects.filter(mention__in=edited).order_by("-until", "-id"):
            found.setdefault(revision.mention_id, []).append(revision)
    return found


def _of_mention(mention: Mention, revisions: Sequence[Revision]) -> Message:
    identity = mention.identity
    gone = mention.state in GONE
    return Message(
        id=f"mention-{mention.pk}",
        key=_key(mention.posted_at, "b", mention.pk),
        side="outside" if mention.ours else "theirs",
        author_name=identity.name or identity.handle or _("Somebody"),
        handle=identity.handle if identity.name else "",
        network=identity.network,
        at=mention.posted_at,
        text=mention.text,
        language=mention.language,
        edited_at=mention.edited_at,
        deleted=gone,
        late=mention.seen_at if mention.late else None,
        revisions=[{"at": one.until, "text": one.text} for one in revisions],
        url=mention.url if mention.url.startswith(("https://", "http://")) else "",
        rating=mention.rating,
        media=[] if gone else _media(mention),
        menu="" if gone else _menu(mention.conversation_id, f"mention={mention.pk}"),
        marks=_marks(mention),
        quoted="" if gone else _quoted(mention),
    )


def _marks(mention: Mention) -> list[str]:
    marks = [str(MARKS[mark]) for mark in mention.marks if mark in MARKS]
    return [_("sent by a program"), *marks] if mention.grants.get("automatic") else marks


def _quoted(mention: Mention) -> str:
    """What the message repeats of others and how it is signed, which its text leaves out."""
    parts = (mention.raw.get(name) for name in ("signature", "quoted")) if isinstance(mention.raw, dict) else ()
    return "\n\n".join(part.strip() for part in parts if isinstance(part, str) and part.strip())


MARKS = {
    "hidden": gettext_lazy("hidden there"),
    "liked": gettext_lazy("liked"),
    "approved": gettext_lazy("approved"),
    "spam": gettext_lazy("spam"),
    "blocked": gettext_lazy("author blocked"),
}


def _media(mention: Mention) -> list[dict[str, Any]]:
    """Pictures from our own copies, and everything else as a link to where it is."""
    shown = []
    for place, item in enumerate(mention.media[:MOST_MEDIA] if isinstance(mention.media, list) else []):
        url, kind, alt = (str(item.get(name) or "") for name in ("url", "kind", "description"))
        copy = reverse("inbox:picture", args=[mention.conversation_id, mention.pk, place])
        name = alt or {"image": _("Picture"), "video": _("Video"), "audio": _("Sound")}.get(kind, _("File"))
        link = url if url.startswith(("https://", "http://")) else ""
        source = picture_url(mention.media, place)
        picture = f"{copy}?v={version_of(source)}" if source else ""
        shown.append({"url": link, "alt": alt, "name": name, "kind": kind, "picture": picture})
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


def _of_reply(reply: Reply, conversation: Conversation, files: Sequence[Attachment] = ()) -> Message | Line:
    """A message of ours as the outbox knows it; what was taken back or dropped is only a line."""
    key = _key(reply.created_at, "c", reply.pk)
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
        state_text=_said_of(reply),
        url=reply.url if reply.url.startswith(("https://", "http://")) else "",
        actions="inbox/reply_actions.html",
        menu=_menu(conversation.pk, f"reply={reply.pk}") if reply.state == "sent" and reply.external_id else "",
        reply=reply,
    )


def _said_of(reply: Reply) -> str:
    """What is known about it, in words: reason first where there is one."""
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


def _of_note(note: Note) -> Message:
    return Message(
        id=f"note-{note.pk}",
        key=_key(note.at, "c", note.pk),
        side="note",
        author_name=note.author.name,
        at=note.at,
        text=note.text,
    )


def _of_event(event: Event) -> Line:
    icon = Happening.named(event.happening).icon
    return Line(f"event-{event.pk}", _key(event.at, "d", event.pk), icon, sentence(event), event.at)


def _key(at: datetime, rank: str, pk: int) -> str:
    """Ascending in network time; a day stands before its messages, a happening after what it speaks of."""
    micros = max(0, int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000))
    return f"{micros:017d}{rank}{pk:014d}"


def _days(entries: Iterable[Any]) -> list[Day]:
    """One separator for each day of the reader's zone on which a message stands."""
    days = {timezone.localtime(entry.at).date(): entry.at for entry in entries if entry.kind == "message"}
    starts = [timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0) for at in days.values()]
    return [Day(at, _key(at, "a", 0)) for at in starts]


def _mark_unread(entries: list[Any], events: Sequence[Event], seen: int | None) -> None:
    """Marks the first message that came after the number the reader had seen, if something before it was read."""
    if not seen:
        return
    fresh = {event.payload.get("mention") for event in events if event.seq > seen and event.happening == "received"}
    news = [entry for entry in entries if entry.id.removeprefix("mention-") in {str(pk) for pk in fresh if pk}]
    if news:
        min(news, key=lambda entry: entry.key).first_unread = True


def _folded(entries: Sequence[Any]) -> list[Any]:
    """Three and more happenings in a row become one that opens."""
    out: list[Any] = []
    run: list[Line] = []
    for entry in [*entries, None]:
        if entry is not None and entry.kind == "happening":
            run.append(entry)
            continue
        if len(run) >= FOLD_FROM:
            out.append(Line(f"happenings-{run[0].id}", run[0].key, list=tuple(run), kind="happenings"))
        else:
            out += run
        run = []
        if entry is not None:
            out.append(entry)
    return out

"""A conversation as it reads: messages, replies, notes and what happened, in the order of network time, each with an
id and a key that never change, so that a screen can take a new or changed one without touching the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from inbox.entries import GONE, Day, Line, key_at, of_event, of_mention, of_note, of_reply
from inbox.happenings import Happening
from inbox.models import Event, Mention, Note, Reply, Revision
from inbox.models.attachment import of_replies

if TYPE_CHECKING:
    from inbox.models import Agent, Conversation

SHOWN = 300  # newest messages; older ones are one link away
MOST = 2_000  # newest messages and events that are read at all
FOLD_FROM = 3  # happenings in a row that are folded


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
        oldest = min(key_at(one.posted_at, "b", one.pk) for one in thread.mentions)
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
    entries: list[Any] = [of_mention(one, revisions.get(one.pk, [])) for one in shown]
    hanging = of_replies(list(replies))
    entries += [of_reply(reply, conversation, hanging.get(reply.pk, ())) for reply in replies]
    entries += [of_note(note) for note in notes]
    entries += [of_event(event) for event in events if not Happening.named(event.happening).quiet]
    return entries


def _revisions(mentions: Iterable[Mention]) -> dict[int, list[Revision]]:
    """Earlier texts of the edited ones; no statement when nothing was edited."""
    edited = [mention.pk for mention in mentions if mention.edited_at or mention.state in GONE]
    found: dict[int, list[Revision]] = {}
    if edited:
        for revision in Revision.objects.filter(mention__in=edited).order_by("-until", "-id"):
            found.setdefault(revision.mention_id, []).append(revision)
    return found


def _days(entries: Iterable[Any]) -> list[Day]:
    """One separator for each day of the reader's zone on which a message stands."""
    days = {timezone.localtime(entry.at).date(): entry.at for entry in entries if entry.kind == "message"}
    starts = [timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0) for at in days.values()]
    return [Day(at, key_at(at, "a", 0)) for at in starts]


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

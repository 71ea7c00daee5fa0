"""What screens lack since the numbers they hold: asked by every open page after every bell, so it is answered for all
who ask at once, with a fixed number of statements. Marks are read before rows, so a screen never claims more than it
shows; what is the same for several readers is made once, and what is one reader's own is added last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.template.loader import get_template
from django.utils.translation import get_language

from inbox import desk, shared
from inbox.models import Conversation, Event, State
from inbox.models.arrays import array
from inbox.queue import PAGE, WHOLE, sentence
from inbox.row import by_id, moved_away
from inbox.templatetags.rows import conversation_rows
from socialcare.pages import is_number

if TYPE_CHECKING:
    from inbox.queue import Queue

FAR_BEHIND = 1_000  # events after which the whole list is cheaper than its changes
MANY_CHANGED = 200
Numbers = dict[str, int]


@dataclass(frozen=True)
class Lack:
    """What one screen asks: its queue, the numbers it holds, and how many rows."""

    queue: Queue
    since: Numbers
    held: int = 0


@dataclass(frozen=True)
class Common:
    """The part of an answer that all who lack the same get: rows as HTML in any order, whether they are the whole
    list, and the conversations they speak of."""

    html: str = ""
    whole: bool = False
    conversations: Sequence[Any] = ()


@dataclass(frozen=True)
class Marks:
    """The personal part: which of the conversations `of` the reader has not read, and where a draft of theirs waits."""

    of: Sequence[int] = ()
    unread: Sequence[int] = ()
    drafts: Sequence[int] = ()


@dataclass(frozen=True)
class Answer:
    """To one screen. `total` is None when no counter tells it; an empty `body` says that nothing changed."""

    body: str
    mark: str
    whole: bool = False
    total: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        told = {"X-Mark": self.mark}
        if self.total is not None:
            told["X-Total"] = str(self.total)
        return told | ({"X-Whole": "1"} if self.whole else {})


def answers(lacks: Sequence[Lack]) -> list[Answer]:
    """To each its own, in the language that is active: two statements however many ask, and three for each set of
    changes that nobody asked for within the last seconds."""
    counters = _standing([lack.queue for lack in lacks])
    made = [_common(lack, _numbers(lack.queue, counters)) for lack in lacks]
    marks = marks_of([(lack.queue.agent.pk, common.conversations) for lack, common in zip(lacks, made, strict=True)])
    return [_answer(*each, counters) for each in zip(lacks, made, marks, strict=True)]


def _answer(lack: Lack, common: Common, marks: Marks, counters: desk.Counters) -> Answer:
    body = common.html
    if marks.of:
        body += get_template("inbox/marks.html").render({"marks": marks})
    queue = lack.queue
    total = queue.view.total(counters, queue.teams, queue.agent) if queue.is_counted else None
    return Answer(body, written(_numbers(queue, counters)), common.whole, total)


def _standing(queues: Iterable[Queue]) -> desk.Counters:
    """Where the streams of these queues stand, under READ_AT, and the counters they are the sum of."""
    streams = {team.stream for queue in queues for team in queue.teams}
    counted = [queue for queue in queues if queue.is_counted]
    scopes = {scope for queue in counted for scope in queue.view.scopes(queue.teams, queue.agent)}
    most = max((state for queue in counted for state in queue.view.states), default=0)
    return desk.standing(sorted(scopes), sorted(streams), most=most)


def _numbers(queue: Queue, counters: desk.Counters) -> Numbers:
    return {team.stream: counters.get((team.stream, desk.READ_AT), 0) for team in queue.teams}


def _common(lack: Lack, now: Numbers) -> Common:
    """The key names everything it depends on: language, view with filters and order, teams, and both ends."""
    queue, since = lack.queue, lack.since
    who = queue.agent.pk if queue.view.is_personal else None
    teams = tuple(team.pk for team in queue.teams)
    reader = (get_language(), queue.view, who, queue.url, teams)
    behind = sum(now.values()) - sum(since.values())
    known = since.keys() == now.keys() and all(since[key] <= now[key] for key in now)
    if known and not behind:
        return Common()
    if known and behind <= FAR_BEHIND:
        ends = (tuple(since.items()), tuple(now.items()))
        changed = shared.once((*reader, ends), lambda: _changed(queue, since))
        if changed is not None:
            return changed
    size = max(PAGE, min(lack.held, WHOLE))
    return shared.once((*reader, tuple(now.items()), size), lambda: _whole(queue, size))


def _changed(queue: Queue, since: Numbers) -> Common | None:
    """What the events after these numbers speak of; None when the whole list is cheaper."""
    changed = Event.objects.after(since).filter(conversation__isnull=False)
    ids = sorted(set(changed.values_list("conversation_id", flat=True)))
    if len(ids) > MANY_CHANGED:
        return None
    inside = Conversation.objects.filter(queue.belongs, pk__in=ids).values("pk")
    known = by_id(ids, [team.pk for team in queue.teams], inside) if ids else []
    rows = queue.rows(known, _reasons([one.id for one in known if not one.inside]))
    rows += [moved_away(pk) for pk in sorted(set(ids) - {one.id for one in known})]
    return Common(conversation_rows(rows), conversations=known)


def _whole(queue: Queue, size: int) -> Common:
    conversations, _more = queue.page(size=size)
    return Common(conversation_rows(queue.rows(conversations)), True, conversations)


def _reasons(ids: Sequence[int]) -> dict[int, str]:
    """Why these left the view: the sentence of the last thing that happened to each."""
    if not ids:
        return {}
    last = Event.objects.filter(conversation__in=ids, echo=False).select_related("actor")
    last = last.order_by("conversation_id", "-seq", "-id").distinct("conversation_id")
    return {event.conversation_id: sentence(event) for event in last}  # type: ignore[misc]


def marks_of(asked: Sequence[tuple[int, Sequence[Any]]]) -> list[Marks]:
    """What each reader, named by id, has not read of these conversations, and where a draft of theirs waits; one
    statement for all of them."""
    agents = sorted({agent for agent, conversations in asked if conversations})
    ids = sorted({one.id for _agent, conversations in asked for one in conversations})
    read: dict[tuple[int, int], int] = {}
    drafts: set[tuple[int, int]] = set()
    for agent, pk, seq in _own(agents, ids) if ids else ():
        if seq is None:
            drafts.add((agent, pk))
        else:
            read[agent, pk] = seq
    return [_marks(agent, conversations, read, drafts) for agent, conversations in asked]


def _own(agents: Sequence[int], ids: Sequence[int]) -> list[tuple[int, int, int | None]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT agent_id, conversation_id, seq FROM inbox_seen
                WHERE agent_id = ANY(%(agents)s) AND conversation_id = ANY(%(ids)s)
                UNION ALL SELECT agent_id, conversation_id, NULL FROM inbox_draft
                WHERE agent_id = ANY(%(agents)s) AND conversation_id = ANY(%(ids)s) AND text <> ''""",
            {"agents": array(agents), "ids": array(ids)},
        )
        own: list[tuple[int, int, int | None]] = cursor.fetchall()
        return own


def _marks(
    agent: int, conversations: Sequence[Any], read: dict[tuple[int, int], int], drafts: set[tuple[int, int]]
) -> Marks:
    new = [one for one in conversations if one.state == State.NEW]
    unread = [one.id for one in new if one.inbound_seq > read.get((agent, one.id), 0)]
    ids = [one.id for one in conversations]
    return Marks(ids, unread, [pk for pk in ids if (agent, pk) in drafts])


def written(numbers: Numbers) -> str:
    """`team:3=812 team:4=77`."""
    return " ".join(f"{stream}={number}" for stream, number in numbers.items())


def numbers_of(mark: str) -> Numbers:
    """The numbers of a mark that came back from a browser; what is not one is left out."""
    found = {}
    for part in mark.split()[:200]:
        stream, _equals, number = part.rpartition("=")
        if stream and is_number(number):
            found[stream] = int(number)
    return found

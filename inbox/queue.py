"""The queue as one reader sees it: a view, its teams, filters and an order. It gives pages of rows, and what changed
since the numbers a screen holds. Marks are read before rows, so a screen never claims more than it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.db.models import BooleanField, Case, Q, Value, When
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from inbox import desk, filters, shared
from inbox.composer import network_label
from inbox.happenings import Happening
from inbox.models import Conversation, Draft, Event, Seen, State, Stream, Tally
from socialcare.pages import is_number

if TYPE_CHECKING:
    from inbox.models import Agent, SavedView, Team

PAGE = 50
WHOLE = 500  # rows a list holds at most
FAR_BEHIND = 1_000  # events after which the whole list is cheaper than its changes
MANY_CHANGED = 200
COLUMNS = (
    "id",
    "seen_seq",
    "inbound_seq",
    "state",
    "rank",
    "priority",
    "newest_at",
    "waiting_since",
    "excerpt",
    "language",
    "trouble",
    "tags",
    "team_id",
    "agent_id",
    "agent__name",
    "identity__name",
    "identity__handle",
    "identity__network",
    "team__name",
)
TROUBLES = {"failed": ("danger", "not sent"), "in_doubt": ("warn", "in doubt"), "held": ("warn", "held back")}


@dataclass(frozen=True)
class Chip:
    """What a row says at its end, and in which mood."""

    text: str
    mood: str = ""


@dataclass(frozen=True)
class Row:
    """One conversation as parts/row.html wants it; the same for every reader of the view, and a key of what is kept."""

    id: int
    url: str
    key: str
    author_name: str
    handle: str
    network: str
    age_at: Any
    snippet: str
    language: str
    chip: Chip | None
    state: str
    priority: int
    agent_id: int | None
    agent_name: str
    team_name: str
    gone: str = ""

    @property
    def network_label(self) -> str:
        return network_label(self.network)


@dataclass(frozen=True)
class Marks:
    """The personal part: which of the conversations `of` the reader has not read, and where a draft of theirs waits."""

    of: Sequence[int] = ()
    unread: Sequence[int] = ()
    drafts: Sequence[int] = ()


@dataclass
class Changes:
    """The answer to `since`: rows in any order, whether they are the whole list, and the numbers they were made at."""

    mark: str
    rows: list[Row] = field(default_factory=list)
    whole: bool = False
    marks: Marks | None = None
    total: int | None = None


class Queue:
    """`team` narrows the view to one team. `total` is None when no counter tells it."""

    def __init__(
        self,
        view: type[desk.View],
        agent: Agent,
        *,
        slug: str,
        team: Team | None = None,
        chosen: dict[str, list[Any]] | None = None,
        order: str = "",
        saved: SavedView | None = None,
    ) -> None:
        self.view, self.agent, self.slug, self.team, self.saved = view, agent, slug, team, saved
        self.filters = chosen or {}
        self.order = desk.Order.named(order if order in view.orders else view.orders[0])
        self.teams = [team] if team else list(agent.readable_teams)

    @property
    def title(self) -> str:
        if self.saved:
            return self.saved.name
        return self.team.name if self.team else str(self.view.label)

    @cached_property
    def url(self) -> str:
        return self.url_with()

    def url_with(self, **changed: Any) -> str:
        """The view's own address with its filters and order; a changed value of None leaves that one out."""
        query = self._chosen({**self.filters, "order": self.order.name, **changed})
        query = {name: value for name, value in query.items() if value not in (None, [])}
        address = reverse("inbox:view", args=[self.slug])
        return f"{address}?{urlencode(query, doseq=True)}" if query else address

    def _chosen(self, query: dict[str, Any]) -> dict[str, Any]:
        """Without what the view's own address says already: its first order, or all that it was saved with."""
        usual: dict[str, Any] = {"order": self.view.orders[0]}
        if self.saved:
            usual = {**dict.fromkeys(filters.Filter.kinds()), **self.saved.filters, "order": self.saved.order}
        if any(query.get(name) != value for name, value in usual.items()) and self.saved:
            return query
        return {name: value for name, value in query.items() if value != usual.get(name, "")}

    @property
    def is_changed(self) -> bool:
        """Whether it is not what it was saved as."""
        return self.saved is not None and "?" in self.url

    def standing(self) -> tuple[dict[str, int], int | None]:
        """The numbers, and how many conversations the view holds, in one statement; None when no counter tells."""
        if self.filters or self.view is desk.Failed:
            return self.numbers(), None
        streams = [team.stream for team in self.teams]
        counters = Tally.objects.filter(scope__in=self.view.scopes(self.teams, self.agent))
        numbers = Stream.objects.filter(key__in=streams).values_list("key", Value(-1), "n")
        known = {
            (key, state): n for key, state, n in numbers.union(counters.values_list("scope", "state", "n"), all=True)
        }
        return {stream: known.get((stream, -1), 0) for stream in streams}, self.view.total(
            known, self.teams, self.agent
        )

    def numbers(self) -> dict[str, int]:
        """Where the streams of this view stand; read before rows."""
        streams = [team.stream for team in self.teams]
        known = dict(Stream.objects.filter(key__in=streams).values_list("key", "n"))
        return {stream: known.get(stream, 0) for stream in streams}

    @property
    def belongs(self) -> Q:
        return self.view.where(self.agent) & filters.meaning(self.filters)

    def page(self, cursor: str = "", size: int = PAGE) -> tuple[list[Any], str]:
        """Conversations of one page and the cursor of the next, "" at the end. ValueError for a foreign cursor."""
        after = Q(self.order.after(cursor)) if cursor else Q()
        names = self.order.names()
        base = Conversation.objects.filter(self.belongs, after).order_by(*self.order.columns)
        parts = [base.filter(team=team.pk).values(*names)[: size + 1] for team in self.teams]
        if not parts:
            return [], ""
        # One limited walk of an index per team, merged; `team IN (…)` with an order would sort everything.
        found = parts[0] if len(parts) == 1 else parts[0].union(*parts[1:], all=True).order_by(*self.order.columns)
        keys = list(found[: size + 1])
        rows = by_id([row["id"] for row in keys[:size]])
        more = self.order.cursor(keys[size - 1]) if len(keys) > size else ""
        return rows, more

    def rows(self, conversations: Sequence[Any], gone: dict[int, str] | None = None) -> list[Row]:
        return [self._row(one, (gone or {}).get(one.id, "")) for one in conversations]

    def _row(self, one: Any, gone: str) -> Row:
        return Row(
            id=one.id,
            url=f"{reverse('inbox:conversation', args=[one.id])}?{urlencode(self._way_back, doseq=True)}",
            key=self.order.key(one),
            author_name=one.identity__name or one.identity__handle or _("Somebody"),
            handle=one.identity__handle if one.identity__name else "",
            network=one.identity__network,
            age_at=one.newest_at,
            snippet=one.excerpt or _("Deleted by its author."),
            language=one.language,
            chip=chip_of(one),
            state=filters.STATE_NAMES[one.state],
            priority=one.priority,
            agent_id=one.agent_id,
            agent_name=one.agent__name or "",
            team_name=one.team__name,
            gone=gone,
        )

    @cached_property
    def _way_back(self) -> dict[str, Any]:
        return {"view": self.slug, **self._chosen({**self.filters, "order": self.order.name})}

    def changes(self, since: dict[str, int], held: int) -> Changes:
        """What a screen that holds these numbers and that many rows lacks."""
        now, total = self.standing()
        mark = written(now)
        return replace(self._changes(since, now, mark, held), total=total)

    def _changes(self, since: dict[str, int], now: dict[str, int], mark: str, held: int) -> Changes:
        """With the reader's marks; the rest is read once for all whose screens lack the same."""
        who = self.agent.pk if self.view.is_personal else None
        key = (self.view, who, self.url, tuple(team.pk for team in self.teams), tuple(since.items()), mark, held)
        changes, conversations = shared.once((get_language(), *key), lambda: self._lacking(since, now, mark, held))
        return replace(changes, marks=self.marks(conversations)) if conversations else changes

    def _lacking(
        self, since: dict[str, int], now: dict[str, int], mark: str, held: int
    ) -> tuple[Changes, Sequence[Any]]:
        """The same for every reader of these teams, and the conversations it speaks of."""
        behind = sum(now.values()) - sum(since.values())
        if since.keys() != now.keys() or any(since[key] > now[key] for key in now) or behind > FAR_BEHIND:
            return self._whole(mark, held)
        if not behind:
            return Changes(mark), ()
        changed = Event.objects.after(since).filter(conversation__isnull=False)
        ids = set(changed.values_list("conversation_id", flat=True))
        if len(ids) > MANY_CHANGED:
            return self._whole(mark, held)
        return self._changed(mark, sorted(ids))

    def _whole(self, mark: str, held: int) -> tuple[Changes, Sequence[Any]]:
        conversations, _more = self.page(size=max(PAGE, min(held, WHOLE)))
        return Changes(mark, self.rows(conversations), whole=True), conversations

    def _changed(self, mark: str, ids: list[int]) -> tuple[Changes, Sequence[Any]]:
        inside = Case(When(self.belongs, then=Value(True)), default=Value(False), output_field=BooleanField())
        readable = [team.pk for team in self.teams]
        visible = Conversation.objects.filter(pk__in=ids, team__in=readable).annotate(inside=inside)
        known = [as_row(row) for row in visible.values(*COLUMNS, "inside")]
        left = [one.id for one in known if not one.inside]
        rows = self.rows(known, self._reasons(left))
        rows += [moved_away(pk) for pk in sorted(set(ids) - {one.id for one in known})]
        return Changes(mark, rows), known

    def _reasons(self, ids: Sequence[int]) -> dict[int, str]:
        """Why these left the view: the sentence of the last thing that happened to each."""
        if not ids:
            return {}
        last = Event.objects.filter(conversation__in=ids, echo=False).select_related("actor")
        last = last.order_by("conversation_id", "-seq", "-id").distinct("conversation_id")
        return {event.conversation_id: sentence(event) for event in last}  # type: ignore[misc]

    def marks(self, conversations: Sequence[Any]) -> Marks:
        """What this reader has not read of them, and where a draft of theirs waits; one statement."""
        ids = [one.id for one in conversations]
        if not ids:
            return Marks()
        mine = {"agent": self.agent.pk, "conversation__in": ids}
        seen = Seen.objects.filter(**mine).values_list("conversation_id", "seq")
        drafts = Draft.objects.filter(**mine).exclude(text="").values_list("conversation_id", Value(-1))
        kept = list(seen.union(drafts, all=True))
        read = {pk: seq for pk, seq in kept if seq >= 0}
        unread = [one.id for one in conversations if one.state == State.NEW and one.inbound_seq > read.get(one.id, 0)]
        return Marks(ids, unread, [pk for pk, seq in kept if seq < 0])


def chip_of(one: Any) -> Chip | None:
    """The one chip of a row: trouble first, then what it waits for. Who has it stands beside."""
    if one.trouble in TROUBLES:
        mood, words = TROUBLES[one.trouble]
        return Chip(_(words), mood)
    if one.state == State.WAITING_CUSTOMER:
        return Chip(_("answered"))
    if one.state == State.WAITING_CAUSE:
        return Chip(_("waits for cause"), "info")
    return None


def moved_away(pk: int) -> Row:
    """A row the reader may have held and may not read any more: nothing of it but its number."""
    words = _("Moved away")
    return Row(pk, "", "", words, "", "", None, "", "", None, "gone", 0, None, "", "", gone=words)


def sentence(event: Event) -> str:
    """The event in words, for people who may read its conversation."""
    kind = Happening.named(event.happening)
    return kind.says(event.actor.name if event.actor else "", event.payload)


def by_id(ids: Sequence[int]) -> list[Any]:
    """The columns of rows for these conversations, in their order."""
    found = {row["id"]: as_row(row) for row in Conversation.objects.filter(pk__in=ids).values(*COLUMNS)} if ids else {}
    return [found[pk] for pk in ids if pk in found]


class RowValues(dict[str, Any]):
    """A row of `values()` whose columns are read like attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


def as_row(values: dict[str, Any]) -> Any:
    return RowValues(values)


def written(numbers: dict[str, int]) -> str:
    """`team:3=812 team:4=77`."""
    return " ".join(f"{stream}={number}" for stream, number in numbers.items())


def numbers_of(mark: str) -> dict[str, int]:
    """The numbers of a mark that came back from a browser; what is not one is left out."""
    found = {}
    for part in mark.split()[:200]:
        stream, _equals, number = part.rpartition("=")
        if stream and is_number(number):
            found[stream] = int(number)
    return found

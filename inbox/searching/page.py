"""A page of search as its reader sees it: what was asked, read from the address and written back into one; what may be
chosen; and each row that was found with its words marked and the address that opens it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from django.core import signing
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from inbox.composer import network_label
from inbox.filters import LIMIT, STATE_NAMES, STATES
from inbox.models import State
from inbox.models.arrays import array
from inbox.models.search_text import SearchKind
from inbox.searching import finding
from inbox.searching.asking import LENGTH, Term, read
from inbox.searching.finding import Found, Row
from inbox.searching.looking import Ask, Mark
from inbox.searching.marking import Piece, excerpt
from socialcare.pages import is_number

if TYPE_CHECKING:
    from django.http import QueryDict

    from inbox.models import Agent

KINDS = {"message": SearchKind.MENTION, "reply": SearchKind.REPLY, "note": SearchKind.NOTE}
KIND_LABELS = {"message": _lazy("Messages"), "reply": _lazy("Replies"), "note": _lazy("Notes")}
RECENT = 200  # conversations of a team, open and put away, whose channels are offered
SALT = "search"
NONE = 0  # the id of no theme; one of a topic that is not the reader's to read is like it

type Known = dict[str, list[tuple[int, str]]]


class Choice(NamedTuple):
    value: str
    text: str
    chosen: bool


@dataclass(frozen=True)
class Hit:
    """A row for inbox/search_hits.html."""

    id: str
    key: str
    url: str
    side: str
    author: str
    handle: str
    network: str
    at: datetime
    subject: Sequence[Piece]
    text: Sequence[Piece]
    language: str
    team: str
    state: str
    is_open: bool

    @property
    def network_label(self) -> str:
        return network_label(self.network)


class SearchPage:
    """`query` is the address's; nothing of it is trusted, and what cannot mean anything is left out."""

    def __init__(self, query: QueryDict, agent: Agent) -> None:
        self.agent, self.query = agent, query
        self.text = " ".join(query.get("q", "")[:LENGTH].replace("\0", "").split())

    @cached_property
    def ask(self) -> Ask:
        since, until, terms = self._day("since"), self._day("until"), read(self.text)
        return Ask(
            terms=terms,
            themes=[pk if self._knows(pk) else NONE for pk in self._numbers("theme")],
            about=[self._named(term) or [NONE] for term in terms if term.theme and not term.without],
            not_about=[pk for term in terms if term.theme and term.without for pk in self._named(term)],
            teams=self._numbers("team"),
            channels=self._numbers("channel"),
            states=[int(STATES[name]) for name in self._names("state", STATES)],
            kinds=[int(KINDS[name]) for name in self._names("kind", KINDS)],
            writers=self._numbers("by"),
            since=_start(since),
            until=_start(until + timedelta(days=1)) if until and until < date.max else None,
        )

    @cached_property
    def _known(self) -> Known:
        return _known(self.agent)

    def _knows(self, theme: int) -> bool:
        return any(pk == theme for pk, _name in self._known["theme"])

    def _named(self, term: Term) -> list[int]:
        return [pk for pk, name in self._known["name"] if term.names(name)]

    def _names(self, name: str, known: Any) -> list[str]:
        return list(dict.fromkeys(value for value in self.query.getlist(name)[:LIMIT] if value in known))

    def _numbers(self, name: str) -> list[int]:
        return list(dict.fromkeys(int(value) for value in self.query.getlist(name)[:LIMIT] if is_number(value)))

    def _day(self, name: str) -> date | None:
        try:
            day = parse_date(self.query.get(name, "")[:10])
        except ValueError:
            return None
        return day if day and day.year >= 1970 else None

    @cached_property
    def found(self) -> Found:
        """ValueError when the address names a place to go on from that we did not give."""
        after = mark_of(self.query.get("after", "")) if "after" in self.query else None
        return finding.find(self.ask, sorted(self.agent.readable_team_ids), after)

    @cached_property
    def hits(self) -> list[Hit]:
        return [self._hit(row) for row in self.found.rows]

    def _hit(self, row: Row) -> Hit:
        terms = self.ask.terms
        kind = next(name for name, value in KINDS.items() if value == row.kind)
        element = f"{'mention' if kind == 'message' else kind}-{row.row_id}"
        return Hit(
            id=element,
            key=f"{row.at:%Y%m%d%H%M%S%f}{row.kind}{row.row_id:019d}",
            url=self._address(row, element),
            side=kind if kind != "message" else ("outside" if row.ours else "message"),
            author=row.writer or row.author or row.handle or _("Somebody"),
            handle=row.handle if row.author and not row.writer else "",
            network=row.network,
            at=row.at,
            subject=excerpt(row.subject, terms) if row.subject else (),
            text=excerpt(row.text, terms),
            language=row.language,
            team=row.team,
            state=str(State(row.state).label),
            is_open=row.state <= State.WAITING_CAUSE,
        )

    def _address(self, row: Row, element: str) -> str:
        """The conversation in the view that lists it, at this row."""
        view = "all" if row.state <= State.WAITING_CAUSE else STATE_NAMES[row.state]
        query = {"view": view, **({"earlier": 1} if row.is_far else {})}
        return f"{reverse('inbox:conversation', args=[row.conversation_id])}?{urlencode(query)}#{element}"

    @cached_property
    def facets(self) -> dict[str, Any]:
        """What may be chosen, with nothing that the reader may not know; and whether older texts are still missing."""
        known = self._known
        return {
            "kinds": [Choice(name, str(text), KINDS[name] in self.ask.kinds) for name, text in KIND_LABELS.items()],
            "teams": _choices(((team.pk, team.name) for team in self.agent.readable_teams), self.ask.teams),
            "states": [Choice(name, str(State(n).label), int(n) in self.ask.states) for name, n in STATES.items()],
            "channels": _choices(known["channel"], self.ask.channels),
            "writers": _choices(known["writer"], self.ask.writers),
            "themes": _choices(known["theme"], self.ask.themes),
            "since": self.query.get("since", "") if self.ask.since else "",
            "until": self.query.get("until", "") if self.ask.until else "",
            "is_filling": bool(known["fill"]),
        }

    @property
    def chosen(self) -> list[str]:
        """What the search is narrowed to, in words."""
        names = ("kinds", "teams", "states", "channels", "themes", "writers")
        said = [choice.text for name in names for choice in self.facets[name] if choice.chosen]
        return said + [day for day in (self.facets["since"], self.facets["until"]) if day]

    def address(self, **changed: Any) -> str:
        """This search's own address; a changed value of None leaves that one out."""
        names = ("team", "channel", "state", "kind", "theme", "by", "since", "until")
        query: dict[str, Any] = {"q": self.text, **{name: self.query.getlist(name) for name in names}, **changed}
        told = {name: value for name, value in query.items() if value and value != [""]}
        address = reverse("inbox:search")
        return f"{address}?{urlencode(told, doseq=True)}" if told else address

    @property
    def next(self) -> str:
        more = self.found.more
        return (
            self.address(after=signing.dumps([more.at.isoformat(), more.kind, more.row_id], salt=SALT)) if more else ""
        )

    @property
    def bare(self) -> str:
        """The same words without anything they are narrowed to."""
        return f"{reverse('inbox:search')}?{urlencode({'q': self.text})}"

    @property
    def looser(self) -> str:
        """The same search with each whole word as a beginning, "" when there is none to loosen."""
        parts = self.text.split(" ")
        loose = [part if not part.isalnum() or len(part) < 3 else f"{part}*" for part in parts]
        return self.address(q=" ".join(loose)) if '"' not in self.text and loose != parts else ""


def _start(day: date | None) -> datetime | None:
    """The first moment of the day in the reader's zone."""
    if day is None:
        return None
    return timezone.make_aware(datetime(day.year, day.month, day.day))  # noqa: DTZ001  made aware here


def mark_of(text: str) -> Mark:
    try:
        at, kind, row_id = signing.loads(text, salt=SALT)
    except signing.BadSignature as error:
        raise ValueError("not a mark of a search") from error
    return Mark(datetime.fromisoformat(at), kind, row_id)


def _choices(known: Any, chosen: Sequence[int]) -> list[Choice]:
    return [Choice(str(pk), name, pk in chosen) for pk, name in known]


_KNOWN = """
    SELECT 'channel', ch.id, ch.name FROM connectors_channel ch
     WHERE ch.team_id = ANY(%(teams)s::bigint[]) OR ch.id IN (
           SELECT recent.channel_id FROM unnest(%(teams)s::bigint[]) AS team CROSS JOIN LATERAL (
               (SELECT channel_id FROM inbox_conversation WHERE team_id = team AND state <= 2
                 ORDER BY newest_at DESC, id DESC LIMIT %(recent)s)
               UNION ALL
               (SELECT channel_id FROM inbox_conversation WHERE team_id = team AND state > 2
                 ORDER BY newest_at DESC, id DESC LIMIT %(recent)s)) AS recent)
    UNION ALL
    SELECT 'writer', a.id, a.name FROM inbox_agent a WHERE a.is_active AND EXISTS (
           SELECT 1 FROM inbox_membership m WHERE m.agent_id = a.id AND m.team_id = ANY(%(teams)s::bigint[]))
    UNION ALL
    SELECT 'fill', f.kind, '' FROM inbox_searchfill f
    UNION ALL
    SELECT what, h.id, CASE what WHEN 'name' THEN h.name ELSE tp.name || ': ' || h.name END
      FROM connectors_theme h JOIN connectors_topic tp ON tp.id = h.topic_id, unnest(ARRAY['theme', 'name']) AS what
     WHERE %(all)s OR tp.team_id = ANY(%(teams)s::bigint[]) OR (%(loose)s AND tp.team_id IS NULL)
    ORDER BY 1, 3, 2"""


def _known(agent: Agent) -> Known:
    """Channels that give to the agent's teams, or gave to them lately, who works in them, and the themes of the topics
    that the agent reads (as Topic.objects.read_by has it) with and without their topic; one statement."""
    known: Known = {"channel": [], "writer": [], "fill": [], "theme": [], "name": []}
    topics = {"all": agent.is_active and agent.is_admin, "loose": agent.manages_any}
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, {"teams": array(sorted(agent.readable_team_ids)), "recent": RECENT, **topics})
        for kind, pk, name in cursor.fetchall():
            known[kind].append((pk, name))
    return known

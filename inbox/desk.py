"""The standard views of the queue and the orders it can stand in, one class each: what belongs to a view, how it is
counted, what an empty one says, and how rows are put in order without reading more than a page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.core import signing
from django.db import connection
from django.db.models import Q
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.utils.translation import gettext_lazy as _

from inbox.models import State
from inbox.models.arrays import array
from inbox.models.conversation import OPEN
from socialcare.kinds import Kind

if TYPE_CHECKING:
    from inbox.models import Agent, Team

FAR = 10**17  # microseconds; later than any time we store, so that FAR - time runs backwards in a fixed width
MANY = 10**12
RANKS = 10**10
READ_AT = -1  # the state under which a stream's number stands among the counters
Counters = dict[tuple[str, int], int]


class View(Kind, scan="inbox.desk"):
    """A standard view: the open conversations of the teams it is asked for, unless a subclass says otherwise.
    `place` orders the views pane; `states` are what the counters add up."""

    label: ClassVar[Any]
    icon: ClassVar[str] = "inbox"
    key: ClassVar[str] = ""
    place: ClassVar[int] = 0
    states: ClassVar[tuple[int, ...]] = tuple(OPEN)
    orders: ClassVar[tuple[str, ...]] = ("newest", "priority", "oldest")
    noun: ClassVar[Any] = _("open")
    empty: ClassVar[Any] = _("Nobody is waiting.")
    is_personal: ClassVar[bool] = False  # whether two readers of the same teams see different conversations
    walk: ClassVar[str] = ""  # what the database's own functions call it, which walk a queue without filters

    @classmethod
    def where(cls, agent: Agent) -> Q:
        """What belongs to it, beside the teams. Constants only, so that the partial indexes are used."""
        return Q(state__lte=State.WAITING_CAUSE)

    @classmethod
    def scopes(cls, teams: Sequence[Team], agent: Agent) -> list[str]:
        """The counters it is the sum of."""
        return [f"team:{team.pk}" for team in teams]

    @classmethod
    def total(cls, counts: Counters, teams: Sequence[Team], agent: Agent) -> int:
        """How many belong to it, from counters read before."""
        return sum(counts.get((scope, state), 0) for scope in cls.scopes(teams, agent) for state in cls.states)


class All(View):
    name, label, key, place = "all", _("All"), "g i", 1
    icon, walk = "inbox", "all"


class Mine(View):
    name, label, icon, key, place = "mine", _("Mine"), "user", "g m", 2
    empty = _("Nothing of yours is open.")
    is_personal, walk = True, "mine"

    @classmethod
    def where(cls, agent: Agent) -> Q:
        return Q(state__lte=State.WAITING_CAUSE, agent=agent.pk)

    @classmethod
    def scopes(cls, teams: Sequence[Team], agent: Agent) -> list[str]:
        return [f"agent:{agent.pk}"]


class Unassigned(View):
    name, label, icon, key, place = "unassigned", _("Unassigned"), "hand", "g u", 3
    empty, walk = _("Everything is in somebody's hands."), "unassigned"

    @classmethod
    def where(cls, agent: Agent) -> Q:
        return Q(state__lte=State.WAITING_CAUSE, agent=None)

    @classmethod
    def scopes(cls, teams: Sequence[Team], agent: Agent) -> list[str]:
        return [f"team:{team.pk}:free" for team in teams]


class Failed(View):
    """Conversations in which a reply failed, is in doubt or was held back."""

    name, label, icon, key, place = "failed", _("Failed sends"), "circle-alert", "g f", 4
    orders, noun, empty = ("newest",), _("to look at"), _("Every reply went out.")

    @classmethod
    def where(cls, agent: Agent) -> Q:
        return ~Q(trouble="")

    @classmethod
    def total(cls, counts: Counters, teams: Sequence[Team], agent: Agent) -> int:
        return sum(counts.get(("failed", team.pk), 0) for team in teams)


class PutAway(View):
    """What is not in the queue: one state each."""

    label: ClassVar[Any]
    orders: ClassVar[tuple[str, ...]] = ("newest",)

    @classmethod
    def where(cls, agent: Agent) -> Q:
        return Q(state__gt=State.WAITING_CAUSE, state=cls.states[0])


class Snoozed(PutAway):
    name, label, icon, key, place = "snoozed", _("Snoozed"), "timer", "g s", 5
    states, noun, empty = (State.SNOOZED,), _("snoozed"), _("Nothing is set aside.")


class Done(PutAway):
    name, label, icon, key, place = "done", _("Done"), "circle-check", "g d", 6
    states, noun, empty = (State.DONE,), _("done"), _("Nothing is done yet.")


class Spam(PutAway):
    name, label, icon, place = "spam", _("Spam"), "shield", 7
    states, noun, empty = (State.SPAM,), _("marked as spam"), _("No spam.")


class Heard(PutAway):
    name, label, icon, place = "heard", _("Heard only"), "radio", 8
    states, noun, empty = (State.HEARD,), _("heard"), _("Nothing was only listened to.")


def standard() -> list[type[View]]:
    """The standard views in the order of the views pane."""
    return sorted(View.kinds().values(), key=lambda view: view.place)


class Order(Kind, scan="inbox.desk"):
    """One order of the queue. `columns` are the order's own, with `-` for descending; all run one way, so that a page
    begins with one comparison of rows. `key` is the row's place as ASCII whose descending order is the list's."""

    label: ClassVar[Any]
    columns: ClassVar[tuple[str, ...]]
    first: ClassVar[tuple[Any, ...]]  # before every row

    @classmethod
    def names(cls) -> list[str]:
        return [column.lstrip("-") for column in cls.columns]

    @classmethod
    def place(cls, cursor: str) -> tuple[Any, ...]:
        """The columns' values of the row that the signed cursor stands for; ValueError when it is not one of ours."""
        try:
            values = signing.loads(cursor, salt=f"queue:{cls.name}")
        except signing.BadSignature as error:
            raise ValueError("not a cursor of this order") from error
        return tuple(datetime.fromisoformat(value) if isinstance(value, str) else value for value in values)

    @classmethod
    def read(cls, told: Sequence[str]) -> list[Any]:
        """The values of the columns but the id, from the database's texts."""
        names = cls.names()[:-1]
        return [
            int(text) if name == "rank" else datetime.fromisoformat(text)
            for name, text in zip(names, told, strict=True)
        ]

    @classmethod
    def after(cls, place: tuple[Any, ...]) -> Any:
        """The condition for rows after that one."""
        compare = TupleLessThan if cls.columns[0].startswith("-") else TupleGreaterThan
        return compare(Tuple(*cls.names()), place)

    @classmethod
    def cursor(cls, place: tuple[Any, ...]) -> str:
        told = [value.isoformat() if isinstance(value, datetime) else value for value in place]
        return signing.dumps(told, salt=f"queue:{cls.name}")

    @classmethod
    def key(cls, row: Any) -> str:
        raise NotImplementedError


class Newest(Order):
    name, label, columns = "newest", _("Newest first"), ("-newest_at", "-id")
    first = ("infinity", 2**63 - 1)

    @classmethod
    def key(cls, row: Any) -> str:
        return f"{_micros(row.newest_at):017d}{row.id:012d}"


class Priority(Order):
    name, label, columns = "priority", _("Priority, then oldest"), ("rank", "waiting_since", "id")
    first = (-(2**31), "-infinity", 0)

    @classmethod
    def key(cls, row: Any) -> str:
        return f"{RANKS - row.rank:011d}{FAR - _micros(row.waiting_since):017d}{MANY - row.id:012d}"


class Oldest(Order):
    name, label, columns = "oldest", _("Oldest waiting first"), ("waiting_since", "id")
    first = ("-infinity", 0)

    @classmethod
    def key(cls, row: Any) -> str:
        return f"{FAR - _micros(row.waiting_since):017d}{MANY - row.id:012d}"


def _micros(at: datetime) -> int:
    return max(0, int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000))


def counts_of(teams: Sequence[Team], agent: Agent) -> Counters:
    """Every counter the standard views and the teams need, and where the teams' streams stand (under READ_AT)."""
    scopes = [f"agent:{agent.pk}"]
    for team in teams:
        scopes += [f"team:{team.pk}", f"team:{team.pk}:free"]
    return standing(scopes, [team.stream for team in teams], failed=[team.pk for team in teams])


def standing(
    scopes: Collection[str], streams: Collection[str], *, most: int = max(State), failed: Collection[int] = ()
) -> Counters:
    """The counters of these scopes by state, up to the state `most`; under READ_AT where these streams stand, and under
    ("failed", team) in how many conversations of each team a reply is in trouble. One statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT inbox_standing(%s, %s, %s, %s)", (array(scopes), most, array(streams), array(failed)))
        (told,) = cursor.fetchone()
    counters = (one.split("/") for one in told)
    return {(key, int(state)): int(n) for key, state, n in counters}

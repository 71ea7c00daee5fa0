"""The queue as one reader sees it: a view, its teams, filters and an order. It gives pages of rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.db import connection
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.urls import reverse
from django.utils.translation import gettext as _

from inbox import desk, filters
from inbox.happenings import Happening
from inbox.models import Conversation
from inbox.models.arrays import array
from inbox.models.assignable import deal
from inbox.row import Columns, Row, by_id, chip_of
from socialcare.pages import address

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from inbox.models import Agent, Event, SavedView, Team

PAGE = 50
WHOLE = 500  # rows a list holds at most
Place = tuple[Any, ...]  # a row's values of the columns that order it


class Queue:
    """`team` narrows the view to one team."""

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
        plain = address("inbox:view", self.slug)
        return f"{plain}?{urlencode(query, doseq=True)}" if query else plain

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

    @property
    def is_counted(self) -> bool:
        """Whether counters tell how many conversations it holds."""
        return not self.filters and self.view is not desk.Failed

    @property
    def belongs(self) -> Q:
        return self.view.where(self.agent) & filters.meaning(self.filters)

    def page(self, cursor: str = "", size: int = PAGE) -> tuple[list[Any], str]:
        """Conversations of one page and the cursor of the next, "" at the end. ValueError for a foreign cursor."""
        after = self.order.place(cursor) if cursor else ()
        teams = [team.pk for team in self.teams]
        if not teams:
            return [], ""
        walk = self._kept_walk if self.view.walk and not self.filters else self._walk
        ids, last = walk(teams, after, size)
        more = self.order.cursor(last) if len(ids) > size else ""
        return by_id(ids[:size], teams), more

    def _kept_walk(self, teams: list[int], after: Place, size: int) -> tuple[list[int], Place]:
        """The ids of a page and one more, and the key of the page's last row, by the walk that the database keeps
        planned."""
        asked = [self.view.walk, array(teams), self.agent.pk, size, *(after or self.order.first)]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT inbox_queue_{self.order.name}({', '.join(['%s'] * len(asked))})", asked)
            ((ids, *key),) = cursor.fetchone()
        pks = [int(pk) for pk in ids.strip("{}").split(",")] if ids else []
        return pks, (*self.order.read(key), pks[size - 1]) if len(pks) > size else ()

    def _walk(self, teams: list[int], after: Place, size: int) -> tuple[list[int], Place]:
        """The same for whatever is asked for: one limited walk of an index per team, merged; `team IN (…)` with an
        order would sort everything. What one agent owns is a walk of its own, of whatever teams."""
        names = self.order.names()
        later = Q(self.order.after(after)) if after else Q()
        base = Conversation.objects.filter(self.belongs, later).order_by(*self.order.columns).values_list(*names)
        if len(teams) == 1 or self.view.is_personal:
            keys = list(base.filter(team__in=teams)[: size + 1])
        else:
            keys = self._merged(base, teams, size + 1)
        return [key[-1] for key in keys], keys[size - 1] if len(keys) > size else ()

    def _merged(self, base: QuerySet[Any, Place], teams: list[int], size: int) -> list[Place]:
        # Said once for all teams: a union is planned for each of them, which costs more than the walks.
        walk, parameters = base.filter(team_id=RawSQL("t.team", ()))[:size].query.sql_with_params()
        order = ", ".join(name.lstrip("-") + " DESC" * name.startswith("-") for name in self.order.columns)
        teamwise = f"FROM unnest(%s::bigint[]) AS t(team), LATERAL ({walk}) AS k ORDER BY {order} LIMIT %s"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT k.* {teamwise}", [teams, *parameters, size])
            return list(cursor.fetchall())

    def deal(self) -> int | None:
        """Claims the most urgent of it that is nobody's for the reader; None when there is none."""
        teams = [team.pk for team in self.teams]
        if not self.filters and self.view in (desk.All, desk.Unassigned):
            return deal(self.agent, teams)
        nobodys = Conversation.objects.filter(self.belongs, desk.Unassigned.where(self.agent), team__in=teams)
        # Others may take or close some of them meanwhile: a claim is made of one only, and by one only.
        for one in nobodys.order_by(*desk.Priority.columns)[:PAGE]:
            if one.claim_waiting(self.agent):
                return int(one.pk)
        return None

    def url_of(self, pk: int) -> str:
        """The address of one of its conversations, with the way back."""
        before, after = self._address
        return f"{before}{pk}{after}"

    def rows(self, conversations: Sequence[Any], gone: dict[int, str] | None = None) -> list[Row]:
        return [self._row(one, (gone or {}).get(one.id, "")) for one in conversations]

    def _row(self, one: Columns, gone: str) -> Row:
        return Row(
            id=one.id,
            url=self.url_of(one.id),
            key=self.order.key(one),
            author_name=one.identity__name or one.identity__handle or _("Somebody"),
            handle=one.identity__handle if one.identity__name else "",
            network=one.identity__network,
            age_at=one.newest_at,
            snippet=one.excerpt or _("It is no longer on the network."),
            language=one.language,
            chip=chip_of(one),
            state=filters.STATE_NAMES[one.state],
            priority=one.priority,
            agent_id=one.agent_id,
            agent_name=one.agent__name or "",
            team_name=self._names[one.team_id],
            gone=gone,
        )

    @cached_property
    def _names(self) -> dict[int, str]:
        return {team.pk: team.name for team in self.teams}

    @cached_property
    def _address(self) -> tuple[str, str]:
        """What stands before and after the number, made once for all rows."""
        before, after = reverse("inbox:conversation", args=[0]).split("0")
        way_back = {"view": self.slug, **self._chosen({**self.filters, "order": self.order.name})}
        return before, f"{after}?{urlencode(way_back, doseq=True)}"


def sentence(event: Event) -> str:
    """The event in words, for people who may read its conversation."""
    kind = Happening.named(event.happening)
    return kind.says(event.actor.name if event.actor else "", event.payload)

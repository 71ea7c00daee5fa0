"""The pane of views at the start of every page: the standard views and the reader's teams with their counts, and the
set-up pages the reader may open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from inbox import desk
from inbox.models import SavedView
from inbox.models.saved_view import Named
from inbox.rights import may_read_figures
from socialcare.pages import address

if TYPE_CHECKING:
    from inbox.models import Agent, Team

SET_UP = (  # address, icon, words, whether managers may open it too
    ("connectors:channels", "radio", "Channels", False),
    ("topic_set_up:topics", "list", "Topic queries", True),
    ("routing:rules", "workflow", "Rules", True),
    ("teams", "users", "Teams", True),
    ("agents", "user-plus", "People", False),
    ("organisation", "settings", "Organisation", False),
    ("history", "history", "History", False),
    ("health", "activity", "Health", False),
)


@dataclass(frozen=True)
class Item:
    """One line of the pane; a `count` of None shows none."""

    url: str
    text: str
    icon: str = ""
    key: str = ""
    count: int | None = None
    mood: str = ""
    current: bool = False


@dataclass(frozen=True)
class Group:
    """Lines under a label. One that `stays` is left as it is when new counts come."""

    label: str
    views: tuple[Item, ...]
    stays: bool = False


def slug_of(team: Team) -> str:
    """The team's view in addresses, no two alike; a standard or saved view keeps its own."""
    slug = str(team.slug)
    return f"team-{slug}" if slug in desk.View.kinds() or slug.startswith(("saved-", "team-")) else slug


def team_named(slug: str, teams: Iterable[Team]) -> Team | None:
    """The one of these teams whose view has this address."""
    return next((team for team in teams if slug_of(team) == slug), None)


def pane(
    agent: Agent,
    current: str = "",
    counts: dict[tuple[str, int], int] | None = None,
    *,
    whole: bool = True,
    path: str = "",
) -> dict[str, Any]:
    """What parts/views_pane.html shows this agent; `current` is the slug of the open view, `path` the address of a page
    that is none. Not `whole`: without the saved views, which have no counts and stay on the page as they are."""
    teams = agent.readable_teams
    if not teams:
        alone = figures(agent, current)
        groups = (Group("", alone),) * bool(alone) + set_up(agent, path)
        return {"groups": groups, "keyed": keys_of(alone), "find": False}
    known = desk.counts_of(teams, agent) if counts is None else counts
    views = [(view, view.total(known, teams, agent)) for view in desk.standard()]
    # There the key leads into the field.
    searching = current == "search"
    search = Item(address("inbox:search"), _("Search"), "search", "" if searching else "/", current=searching)
    shown = tuple(_view(view, total, current) for view, total in views if _is_shown(view, total, current))
    topics = Item(address("topics:topics"), _("Topics"), "hash", current=current == "topics")
    standing = (search, *shown, *((topics,) if agent.works else ()), *figures(agent, current))
    saved = tuple(_saved(view, current) for view in (SavedView.objects.named_to(agent) if whole else ()))
    of_teams = tuple(_team(team, agent, known, current) for team in teams)
    groups = (Group("", standing), Group(_("Saved views"), saved, stays=True), Group(_("Teams"), of_teams))
    groups += set_up(agent, path)
    tabs = tuple(replace(view, count=None) for view in shown[:2])
    return {"groups": groups, "tabs": tabs, "keyed": keys_of(standing), "search_url": search.url, "current": current}


def keys_of(items: Iterable[Item]) -> tuple[tuple[str, str], ...]:
    """The keys that lead to these, with their words."""
    return tuple((item.key, item.text) for item in items if item.key)


def _view(view: type[desk.View], total: int, current: str) -> Item:
    counted = view.place <= desk.Failed.place or view is desk.Snoozed
    return Item(
        address("inbox:view", view.name),
        str(view.label),
        view.icon,
        view.key,
        total if counted and total else None,
        "danger" if view is desk.Failed and total else "",
        current == view.name,
    )


def _is_shown(view: type[desk.View], total: int, current: str) -> bool:
    """Spam and what was only heard stand in the pane when there is some."""
    return view not in (desk.Spam, desk.Heard) or total > 0 or current == view.name


def _saved(view: Named, current: str) -> Item:
    icon = "list-filter" if view.team_id is None else "users"
    return Item(address("inbox:view", view.slug), view.name, icon, current=current == view.slug)


def _team(team: Team, agent: Agent, counts: dict[tuple[str, int], int], current: str) -> Item:
    slug, icon = slug_of(team), "lock" if team.private else "users"
    count = desk.All.total(counts, [team], agent) or None
    return Item(address("inbox:view", slug), team.name, icon, count=count, current=current == slug)


def figures(agent: Agent, current: str) -> tuple[Item, ...]:
    """The page of figures, for who may read some."""
    if not may_read_figures(agent):
        return ()
    return (Item(address("reports"), _("Figures"), "activity", "g r", current=current == "reports"),)


def set_up(agent: Agent, path: str = "") -> tuple[Group, ...]:
    """The set-up pages that this build has and this agent may open."""
    if not agent.is_active or not agent.manages_any:
        return ()
    open_to = [page for page in SET_UP if agent.is_admin or page[3]]
    named = [(address(name), icon, _(text)) for name, icon, text, _too in open_to]
    pages = tuple(Item(url, text, icon, current=path.startswith(url)) for url, icon, text in named)
    return (Group(_("Set up"), pages),)

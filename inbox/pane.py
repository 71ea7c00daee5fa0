"""The pane of views at the start of every page: the standard views and the reader's teams with their counts, and the
set-up pages the reader may open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.translation import gettext as _

from inbox import desk
from inbox.models import SavedView
from inbox.models.saved_view import MOST
from inbox.rights import may_read_figures

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
        alone = [{"label": "", "views": figures(agent, current)}] if figures(agent, current) else []
        return {"groups": alone + set_up(agent, path), "tabs": [], "find": False}
    known = desk.counts_of(teams, agent) if counts is None else counts
    views = [_view(view, teams, agent, known, current) for view in desk.standard()]
    listed = {"url": reverse("topics:topics"), "icon": "hash", "text": _("Topics"), "current": current == "topics"}
    everything = {
        "url": reverse("inbox:search"),
        "icon": "search",
        "text": _("Search"),
        "key": "" if current == "search" else "/",  # there the key leads into the field
        "current": current == "search",
    }
    standing = [everything, *(view for view in views if _is_shown(view)), *([listed] if agent.works else ())]
    standing += figures(agent, current)
    groups: list[dict[str, Any]] = [{"label": "", "views": standing}]
    kept = SavedView.objects.shown_to(agent).select_related(None)[:MOST] if whole else ()
    saved = [_saved(view, current) for view in kept]
    groups.append({"label": _("Saved views"), "views": saved, "stays": True})
    groups.append({"label": _("Teams"), "views": [_team(team, agent, known, current) for team in teams]})
    tabs = [{**view, "text": view["text"]} for view in views[:2]]
    return {"groups": groups + set_up(agent, path), "tabs": tabs, "search_url": everything["url"], "current": current}


def _view(
    view: type[desk.View], teams: Sequence[Team], agent: Agent, counts: dict[tuple[str, int], int], current: str
) -> dict[str, Any]:
    total = view.total(counts, teams, agent)
    counted = view.place <= desk.Failed.place or view is desk.Snoozed
    return {
        "slug": view.name,
        "url": reverse("inbox:view", args=[view.name]),
        "text": str(view.label),
        "icon": view.icon,
        "key": view.key,
        "count": total if counted and total else None,
        "total": total,
        "mood": "danger" if view is desk.Failed and total else "",
        "current": current == view.name,
    }


def _is_shown(view: dict[str, Any]) -> bool:
    """Spam and what was only heard stand in the pane when there is some."""
    return view["slug"] not in ("spam", "heard") or view["total"] or view["current"]


def _saved(view: SavedView, current: str) -> dict[str, Any]:
    return {
        "slug": view.slug,
        "url": reverse("inbox:view", args=[view.slug]),
        "text": view.name,
        "icon": "list-filter" if view.team_id is None else "users",
        "current": current == view.slug,
    }


def _team(team: Team, agent: Agent, counts: dict[tuple[str, int], int], current: str) -> dict[str, Any]:
    slug = slug_of(team)
    return {
        "slug": slug,
        "url": reverse("inbox:view", args=[slug]),
        "text": team.name,
        "icon": "lock" if team.private else "users",
        "count": desk.All.total(counts, [team], agent) or None,
        "current": current == slug,
    }


def figures(agent: Agent, current: str) -> list[dict[str, Any]]:
    """The page of figures, for who may read some."""
    if not may_read_figures(agent):
        return []
    own = {"url": reverse("reports"), "icon": "activity", "text": _("Figures"), "key": "g r"}
    return [{**own, "current": current == "reports"}]


def set_up(agent: Agent, path: str = "") -> list[dict[str, Any]]:
    """The set-up pages that this build has and this agent may open."""
    if not agent.is_active or not agent.manages_any:
        return []
    open_to = [page for page in SET_UP if agent.is_admin or page[3]]
    named = [(reverse(name), icon, _(text)) for name, icon, text, _too in open_to]
    views = [{"url": url, "icon": icon, "text": text, "current": path.startswith(url)} for url, icon, text in named]
    return [{"label": _("Set up"), "views": views}]

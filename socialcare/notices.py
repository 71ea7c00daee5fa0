"""What an agent is told about accounts and teams: the events of the agent's own stream that belong to no
conversation. Without this page, “the members are told” would be true of the database only."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.views.decorators.http import require_GET

from inbox.happenings import Happening
from inbox.models import Agent, Event, Team
from inbox.views.answering import shown
from socialcare.pages import Request

SHOWN = 50


@require_GET
def notices(request: Request) -> HttpResponse:
    """The newest ones first."""
    mine = Event.objects.filter(stream=request.user.stream, conversation=None).select_related("actor")
    # Without what was before, it only makes open pages look again; what happened is told by a line of its own.
    mine = mine.exclude(Q(payload__was=None) | Q(payload__was__isnull=True), happening="rights_changed")
    events = list(mine.order_by("-number")[:SHOWN])
    agents = Agent.objects.in_bulk({event.payload["agent"] for event in events if "agent" in event.payload})
    teams = Team.objects.in_bulk({event.payload["team"] for event in events if "team" in event.payload})
    rows = [_row(event, agents, teams) for event in events]
    return shown(request, "set_up/notices.html", {"notices": rows})


def _row(event: Event, agents: dict[int, Agent], teams: dict[int, Team]) -> dict[str, Any]:
    """Names in place of ids, as far as they are still there."""
    kind, payload = Happening.named(event.happening), dict(event.payload)
    if agent := agents.get(payload.get("agent", 0)):
        payload["agent"] = agent.name
    if team := teams.get(payload.get("team", 0)):
        payload["team"] = team.name
    sentence = kind.says(event.actor.name if event.actor else "", payload)
    return {"id": f"notice-{event.pk}", "key": event.number, "icon": kind.icon, "sentence": sentence, "at": event.at}

"""What an agent is told about accounts and teams: the events of the agent's own stream that belong to no
conversation. Without this page, “the members are told” would be true of the database only."""

from __future__ import annotations

from typing import Any

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
    events = list(mine.order_by("-number")[:SHOWN])
    agents = Agent.objects.in_bulk({event.payload["agent"] for event in events if "agent" in event.payload})
    teams = Team.objects.in_bulk({event.payload["team"] for event in events if "team" in event.payload})
    names = {"agent": agents, "team": teams}
    rows = [
        _row(event, {key: str(found.get(event.payload.get(key), "")) for key, found in names.items()})
        for event in events
    ]
    return shown(request, "set_up/notices.html", {"notices": rows})


def _row(event: Event, names: dict[str, str]) -> dict[str, Any]:
    kind = Happening.named(event.happening)
    payload = event.payload | {key: name for key, name in names.items() if name}
    sentence = kind.says(event.actor.name if event.actor else "", payload)
    return {"id": f"notice-{event.pk}", "key": event.number, "icon": kind.icon, "sentence": sentence, "at": event.at}

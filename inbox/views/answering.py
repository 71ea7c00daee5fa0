"""How the desk answers: pages in the reader's zone and with the views pane; acts with a redirect for plain forms and
with an undo for the page that is alive."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from inbox import pane as panes
from inbox import reversal
from inbox.models import Agent, Conversation
from inbox.models.change import Moved
from socialcare.pages import Request, page

if TYPE_CHECKING:
    from typing import Concatenate

SLUG = re.compile(r"^[a-z0-9][a-z0-9_-]{0,79}$")


def zone_of(agent: Agent) -> ZoneInfo:
    try:
        return ZoneInfo(agent.zone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def shown(
    request: Request, template: str, context: dict[str, Any], *, part: str = "", status: int = 200, current: str = ""
) -> HttpResponse:
    """A page or part with times in the reader's zone; whole pages get the pane of views."""
    if not part and "pane" not in context:
        context["pane"] = panes.pane(request.user, current, path=request.path)
    with timezone.override(zone_of(request.user)):
        return page(request, template, context, part=part, status=status)


def is_alive(request: Request) -> bool:
    """Whether a page with scripts asked, which wants a fragment or nothing instead of a page."""
    return "HX-Request" in request.headers


def conversation_or_404(request: Request, pk: int) -> Conversation:
    """The conversation, for those who may read it; for everybody else it is as if there were none."""
    readable = Conversation.objects.visible_to(request.user).select_related("identity", "team", "agent", "channel")
    return get_object_or_404(readable, pk=pk)


type Act = Callable[Concatenate[Request, Conversation, ...], HttpResponse]


def act(view: Act) -> Callable[..., HttpResponse]:
    """A POST on one conversation of the reader's, in the reader's zone."""

    @require_POST
    @wraps(view)
    def wrapped(request: Request, pk: int, **more: Any) -> HttpResponse:
        conversation = conversation_or_404(request, pk)
        with timezone.override(zone_of(request.user)):
            try:
                return view(request, conversation, **more)
            except Moved:
                conversation = conversation_or_404(request, pk)  # maybe it is not theirs to see any more
                return refused(request, conversation, _("Not done: another team has it now. Look again."))

    return wrapped


def back_to(request: Request, conversation: Conversation) -> str:
    """The page a plain form returns to: the conversation in the view it was opened from, or that view."""
    view = request.POST.get("view") or request.GET.get("view", "")
    slug = view if SLUG.match(view) else "all"
    if conversation.team_id not in request.user.readable_team_ids:
        return reverse("inbox:view", args=[slug])
    return f"{reverse('inbox:conversation', args=[conversation.pk])}?view={slug}"


def done(
    request: Request, conversation: Conversation, says: str = "", before: dict[str, Any] | None = None
) -> HttpResponse:
    """It happened. With `before`, the values it replaced, the page offers to take it back."""
    if not is_alive(request):
        return HttpResponseRedirect(back_to(request, conversation), status=303)
    response = HttpResponse(status=204)
    if before is not None:
        url = reverse("inbox:reversal", args=[reversal.token(conversation, request.user, before, says)])
        response["HX-Trigger"] = json.dumps({"undoable": {"url": url, "says": _("%s.") % says}})
    return response


def told(request: Request, conversation: Conversation, words: str) -> HttpResponse:
    """It was so already, by somebody else: nothing went wrong, and the page goes on from what is true now."""
    if not is_alive(request):
        return HttpResponseRedirect(back_to(request, conversation), status=303)
    response = HttpResponse(status=204)
    response["HX-Trigger"] = json.dumps({"told": {"says": words}})
    return response


def refused(request: Request, conversation: Conversation, words: str, status: int = 409) -> HttpResponse:
    """It did not happen; the words say why, and the page goes on from what is true now."""
    if is_alive(request):
        response = HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")
        response["HX-Trigger"] = json.dumps({"failed": {"says": words}, "ask": {}})
        return response
    context = {"words": words, "back": back_to(request, conversation)}
    return shown(request, "inbox/refused.html", context, status=status)

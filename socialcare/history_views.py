"""The history of the set-up, and the door by which what was before comes back."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from inbox.models import Event
from inbox.rights import admins_only
from inbox.views.answering import shown
from socialcare import restoring
from socialcare.history import KINDS, PAGE, changes
from socialcare.pages import Request, is_number
from socialcare.people import Refused
from socialcare.people_views import ask_password_again


@require_GET
@admins_only
def history(request: Request) -> HttpResponse:
    kind, before = request.GET.get("kind", ""), request.GET.get("before", "")
    kind = kind if kind in KINDS else ""
    found = changes(request.user, kind, int(before) if is_number(before) else None)
    tabs = [{"url": "/set-up/history/", "text": _("Everything"), "current": not kind}]
    tabs += [{"url": f"?kind={name}", "text": label, "current": name == kind} for name, label in KINDS.items()]
    older = found[PAGE - 1].number if len(found) > PAGE else None
    context = {"changes": found[:PAGE], "tabs": tabs, "kind": kind, "older": older}
    return shown(request, "set_up/history.html", context)


@require_POST
@admins_only
def restoration(request: Request, pk: int) -> HttpResponse:
    """Puts back what the change replaced. Where that makes an admin, the password is asked for again."""
    event = get_object_or_404(Event, pk=pk, stream="admin")
    if restoring.gives_admin(event):
        ask_password_again(request)
    try:
        restoring.restore(event, request.user)
        messages.info(request, _("It is as it was before that change."))
    except Refused as refused:
        messages.warning(request, _("Not put back: %(why)s") % {"why": refused})
    return HttpResponseRedirect("/set-up/history/", status=303)

"""What a channel heard, and whether it may answer yet."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.apps import apps
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from connectors import heard as hearing
from connectors.connecting import unfinished
from connectors.forms import ListenFirstForm
from connectors.listening_first import may_listen_first
from connectors.models import Channel
from connectors.views.channels import channel_context
from inbox.rights import admins_only
from inbox.views.answering import is_alive, shown
from socialcare.pages import Request, is_number


@require_GET
@admins_only
def heard(request: Request, pk: int) -> HttpResponse:
    """The tab of that name: the last week, month or quarter."""
    one, asked = get_object_or_404(Channel, pk=pk), request.GET.get("days", "")
    days = int(asked) if asked in map(str, hearing.RANGES) else hearing.RANGES[1]
    organisation: Any = apps.get_model("socialcare", "Organisation")
    ours = organisation.shown()
    found = hearing.of(one, request.user, days, ZoneInfo(ours.zone), timezone.now(), [ours.name, *ours.brand_words])
    ranges = [{"url": f"?days={n}", "text": _("%d days") % n, "current": n == days} for n in hearing.RANGES]
    may_hold = may_listen_first(one.network) and not (one.held_until() or one.removing_since or unfinished(one))
    context = {
        "heard": found,
        "ranges": ranges,
        "zone": ours.zone.replace("_", " "),
        "listen_only": one.kind.listen_only,
        "form": ListenFirstForm() if may_hold else None,
    }
    return shown(request, "connectors/heard.html", channel_context(one, "heard") | context)


@require_POST
@admins_only
def listening(request: Request, pk: int) -> HttpResponse:
    """Holds replies back for some days from now, or with 0 allows them; from the page of the channel, or from the
    composer of a conversation."""
    one, form = get_object_or_404(Channel, pk=pk), ListenFirstForm(request.POST)
    if not form.is_valid():
        messages.warning(request, " ".join(map(str, form.errors["listen_days"])))
        return HttpResponseRedirect(reverse("connectors:heard", args=[pk]), status=303)
    one.listen_for(form.cleaned_data["listen_days"], request.user)
    if is_alive(request):
        return HttpResponse(status=204)
    conversation = request.POST.get("conversation", "")
    if is_number(conversation):
        return HttpResponseRedirect(reverse("inbox:conversation", args=[conversation]), status=303)
    if not one.held_until():
        messages.info(request, _("Replies are allowed now. What waited leaves."))
    return HttpResponseRedirect(reverse("connectors:heard", args=[pk]), status=303)

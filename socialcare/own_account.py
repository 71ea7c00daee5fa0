"""What people say of themselves: where they are. What “tomorrow morning” means to them follows from it, and so do the
days on their pages."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from inbox.models import Agent
from inbox.views.answering import shown
from socialcare.pages import Request
from socialcare.wizard import zones


class ZoneForm(forms.Form):
    zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"), help_text=gettext_lazy("Of the days on your pages, and of “tomorrow morning”.")
    )

    def __init__(self, agent: Agent, data: QueryDict | None = None) -> None:
        super().__init__(data, initial={"zone": agent.zone})
        stored = [(agent.zone, agent.zone)]  # a file may have named one that is offered under another name
        offered = zones()
        choices = offered if agent.zone in dict(offered) else stored + offered
        self.fields["zone"].choices = choices  # type: ignore[attr-defined]


@require_http_methods(["GET", "HEAD", "POST"])
def time_zone(request: Request) -> HttpResponse:
    form = ZoneForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        Agent.objects.filter(pk=request.user.pk).update(zone=form.cleaned_data["zone"])
        messages.info(request, _("Kept."))
        return HttpResponseRedirect(request.path, status=303)
    return shown(request, "account/time_zone.html", {"form": form}, status=422 if form.errors else 200)

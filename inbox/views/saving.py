"""Saving a view under a name, changing and deleting it, and how dense an agent's rows stand."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from inbox.foreign import visible
from inbox.models import Agent, SavedView
from inbox.models.saved_view import MOST
from inbox.once import once
from inbox.queue import Queue
from inbox.views.answering import shown
from inbox.views.desk import DENSITIES, queue_of
from socialcare.pages import Request


class SaveForm(forms.Form):
    """`whose` is "me" or the number of a team of the agent's."""

    name = forms.CharField(
        label=_("Name"), max_length=60, validators=[visible], error_messages={"required": _("Give it a name.")}
    )
    whose = forms.ChoiceField(label=_("For"), widget=forms.RadioSelect)

    def __init__(self, agent: Agent, queue: Queue, **how: Any) -> None:
        super().__init__(**how)
        self.agent = agent
        teams = [team for team in agent.readable_teams if queue.team in (None, team)]
        choices = [("me", _("me alone")), *((str(team.pk), _("team %s") % team.name) for team in teams)]
        self.fields["whose"] = forms.ChoiceField(label=_("For"), choices=choices, widget=forms.RadioSelect)

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        whose = said.get("whose")
        mine = SavedView.objects.filter(agent=self.agent) if whose == "me" else SavedView.objects.filter(team=whose)
        if whose and mine.count() >= MOST:
            raise forms.ValidationError(_("There are %d views already. Delete one first.") % MOST)
        return said

    def owner(self) -> dict[str, Any]:
        whose = self.cleaned_data["whose"]
        return {"agent": self.agent} if whose == "me" else {"team_id": int(whose)}


@once
def save_view(request: Request, slug: str) -> HttpResponse:
    """GET: under which name and for whom. POST: saves what the address shows as a new view, and opens it."""
    queue = queue_of(request, slug)
    form = SaveForm(request.user, queue, data=request.POST or None, initial={"whose": "me"})
    if request.method == "POST" and form.is_valid():
        saved = SavedView.objects.create(
            name=form.cleaned_data["name"], maker=request.user, **form.owner(), **looks_at(queue)
        )
        return HttpResponseRedirect(reverse("inbox:view", args=[saved.slug]), status=303)
    mine = queue.saved is not None and queue.saved.may_change(request.user)
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    context = {"form": form, "queue": queue, "action": request.get_full_path(), "query": query, "mine": mine}
    status = 422 if request.method == "POST" else 200
    return shown(request, "inbox/save_view.html", context, status=status, current=slug)


def looks_at(queue: Queue) -> dict[str, Any]:
    """What a view of this queue is saved as."""
    return {"view": queue.view.name, "within": queue.team, "filters": queue.filters, "order": queue.order.name}


def saved_or_404(request: Request, slug: str) -> tuple[Queue, SavedView]:
    queue = queue_of(request, slug)
    if queue.saved is None or not queue.saved.may_change(request.user):
        raise Http404
    return queue, queue.saved


@require_POST
def renew_view(request: Request, slug: str) -> HttpResponse:
    """The saved view becomes what the address shows."""
    queue, saved = saved_or_404(request, slug)
    SavedView.objects.filter(pk=saved.pk).update(**looks_at(queue))
    return HttpResponseRedirect(reverse("inbox:view", args=[slug]), status=303)


@require_POST
def delete_view(request: Request, slug: str) -> HttpResponse:
    """Deletes the saved view; the conversations stay where they are."""
    _queue, saved = saved_or_404(request, slug)
    SavedView.objects.filter(pk=saved.pk).delete()
    return HttpResponseRedirect(reverse("inbox:view", args=["all"]), status=303)


@require_POST
def density(request: Request) -> HttpResponse:
    """How dense the agent's rows stand from now on, on every device; then back to the page it was said on."""
    name = request.POST.get("density", "")
    if name not in DENSITIES:
        raise Http404
    Agent.objects.filter(pk=request.user.pk).update(density=name)
    back = request.headers.get("Referer", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(back if safe else reverse("inbox:start"), status=303)

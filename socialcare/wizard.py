"""The first-run wizard: one question a page, each saved when it is answered; reload and back keep everything."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

import structlog
from django import forms
from django.contrib.auth import login, password_validation
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from connectors.connecting import remove
from connectors.models import Channel
from inbox import happenings, ringing
from inbox.foreign import visible
from inbox.models import Agent, Role, Team
from inbox.models.event import Entry, record
from routing import defaults
from socialcare import first_run
from socialcare.models import Organisation, digest
from socialcare.pages import is_number, page
from socialcare.sources import SourceForm, offered

log = structlog.get_logger(__name__)
STEPS = (("you", _("You")), ("brand", _("Organisation")), ("teams", _("Teams")), ("sources", _("First sources")))
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def zones() -> list[tuple[str, str]]:
    named = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "SystemV/")))
    return [(zone, zone.replace("_", " ")) for zone in ["UTC", *named]]


class YouForm(forms.Form):
    name = forms.CharField(
        label=_("Your name"),
        max_length=80,
        validators=[visible],
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    email = forms.EmailField(
        label=_("E-mail"),
        help_text=_("You sign in with it."),
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    password = forms.CharField(
        label=_("Password"),
        help_text=_("At least 10 characters. A sentence is easy to keep in mind and hard to guess."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if password := given.get("password"):
            agent = Agent(email=given.get("email", ""), name=given.get("name", ""))
            try:
                password_validation.validate_password(password, agent)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return given


class BrandForm(forms.Form):
    name = forms.CharField(label=_("Name of the organisation"), max_length=80, validators=[visible])
    zone = forms.ChoiceField(label=_("Time zone"), choices=zones, help_text=_("Proposed from this browser."))
    words = forms.CharField(
        label=_("Names people use for you"),
        required=False,
        max_length=500,
        help_text=_("Brands and products, with commas between them. They become what we listen for."),
        widget=forms.TextInput(attrs={"placeholder": "Acme, Acme Go"}),
    )

    def clean_words(self) -> list[str]:
        return list(dict.fromkeys(word.strip() for word in self.cleaned_data["words"].split(",") if word.strip()))[:20]


@require_GET
@login_not_required
def open_link(request: HttpRequest, token: str) -> HttpResponse:
    """The link printed at the start: remembers in this browser that it was opened."""
    if first_run.Progress.is_finished():
        return page(request, "first_run/wait.html", {"finished": True}, status=404)
    held = digest(token)
    if not Organisation.objects.exclude(link_digest="").filter(link_digest=held).exists():
        return page(request, "first_run/wait.html", {"old_link": True, "has_admin": _has_admin()}, status=404)
    request.session[first_run.SESSION] = held
    return HttpResponseRedirect("/first-run/you/")


@login_not_required
def step(request: HttpRequest, name: str = "") -> HttpResponse:
    """One page of the wizard, for who opened the link and then for admins; over once it is finished."""
    if first_run.Progress.is_finished():
        return HttpResponseRedirect("/")
    admin = request.user if isinstance(request.user, Agent) and request.user.is_admin else None
    if admin is None and not first_run.holds_link(request):
        return page(request, "first_run/wait.html", {"has_admin": _has_admin()}, status=503)
    if admin is None and name != "you":
        return HttpResponseRedirect("/first-run/you/")
    if not name:
        return HttpResponseRedirect(f"/first-run/{_next_open(Organisation.ours())}/")
    views = {"you": _you, "brand": _brand, "teams": _teams, "sources": _sources, "done": _done}
    if name not in views:
        raise Http404
    return views[name](request, admin)


def _has_admin() -> bool:
    return Agent.objects.filter(is_admin=True).exists()


def _next_open(organisation: Organisation) -> str:
    if not organisation.name:
        return "brand"
    return "sources" if Team.objects.exists() else "teams"


def _show(request: HttpRequest, name: str, status: int = 200, **context: Any) -> HttpResponse:
    organisation = Organisation.ours()
    order = [slug for slug, _label in STEPS]
    here = order.index(name) if name in order else len(order)
    steps = [
        {"slug": slug, "label": label, "current": slug == name, "done": place < here}
        for place, (slug, label) in enumerate(STEPS)
    ]
    so_far = {
        "organisation": organisation,
        "teams": list(Team.objects.all()),
        "channels": list(Channel.objects.all()),
    }
    return page(request, f"first_run/{name}.html", {"steps": steps, "so_far": so_far, **context}, status=status)


def _you(request: HttpRequest, admin: Agent | None) -> HttpResponse:
    if admin is not None:  # signed in already: the account is there, what follows is open
        return _show(request, "you", admin=admin)
    form = YouForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _show(request, "you", 422 if form.errors else 200, form=form)
    agent = _first_admin(form.cleaned_data)
    if agent is None:
        return page(request, "first_run/wait.html", {"has_admin": True}, status=409)
    login(request, agent, backend=BACKEND)
    return HttpResponseRedirect("/first-run/brand/", status=303)


@transaction.atomic
def _first_admin(given: dict[str, Any]) -> Agent | None:
    """None when somebody else was faster: the row is locked, so that there is one first admin."""
    Organisation.ours()
    organisation = Organisation.objects.select_for_update().get(pk=1)
    if _has_admin():
        return None
    Organisation.objects.filter(pk=organisation.pk).update(link_digest="", finished_at=None)
    agent = Agent.objects.create_user(given["email"], given["name"], given["password"], is_admin=True)
    record([Entry(("admin",), happenings.SetUpChanged(what="became the first admin"), actor_id=agent.pk)])
    return agent


def _brand(request: HttpRequest, admin: Agent | None) -> HttpResponse:
    organisation = Organisation.ours()
    kept = {"name": organisation.name, "zone": organisation.zone, "words": ", ".join(organisation.brand_words)}
    form = BrandForm(request.POST or None, initial=kept)
    if request.method != "POST" or not form.is_valid():
        return _show(request, "brand", 422 if form.errors else 200, form=form)
    given = form.cleaned_data
    with transaction.atomic():
        if admin is not None and admin.zone == organisation.zone:
            Agent.objects.filter(pk=admin.pk).update(zone=given["zone"])
        words = given["words"] or [given["name"]]
        Organisation.change(admin, name=given["name"], zone=given["zone"], brand_words=words)
    return HttpResponseRedirect("/first-run/teams/", status=303)


def _teams(request: HttpRequest, admin: Agent | None) -> HttpResponse:
    there = set(Team.objects.values_list("slug", flat=True))
    if request.method != "POST" or admin is None:
        mine = set(admin.memberships.values_list("team__slug", flat=True)) if admin else set()
        offers = [
            {
                "team": team,
                "chosen": team.slug in there or not there,
                "member": team.slug in mine if there else team.member,
                "rules": [rule.name for rule in defaults.rules_of(team.slug)],
            }
            for team in defaults.TEAMS
        ]
        return _show(request, "teams", offers=offers)
    chosen = set(request.POST.getlist("team"))
    with transaction.atomic():
        defaults.set_up(chosen, admin)
        _join(admin, set(request.POST.getlist("member")))
    return HttpResponseRedirect("/first-run/sources/", status=303)


def _join(admin: Agent, slugs: set[str]) -> None:
    """The admin's own memberships, as ticked; teams the wizard does not offer stay as they are."""
    offered = {team.slug for team in defaults.TEAMS}
    memberships = {membership.team_id: membership for membership in admin.memberships.all()}
    teams = list(Team.objects.filter(slug__in=offered))
    for team in teams:
        if team.slug in slugs and team.pk not in memberships:
            admin.join(team, Role.MANAGER, by=admin)
    if gone := [team.pk for team in teams if team.slug not in slugs and team.pk in memberships]:
        admin.leave_all(gone, by=admin)


def _sources(request: HttpRequest, admin: Agent | None) -> HttpResponse:
    """Sources that need no key. Each is tried once; what came back, or why it refused, is shown before going on."""
    organisation = Organisation.ours()
    offers = offered()
    forms_shown = [SourceForm(source, organisation, request.POST or None) for source in offers]
    if request.method != "POST":
        return _show(request, "sources", forms=forms_shown)
    removed = request.POST.get("remove", "")
    if removed:
        _remove(removed, admin)
        return HttpResponseRedirect("/first-run/sources/", status=303)
    chosen = next((form for form in forms_shown if form.source.slug == request.POST.get("try")), None)
    if chosen is None:
        return HttpResponseRedirect("/first-run/done/", status=303)
    trial = chosen.connect(admin) if chosen.is_valid() else None
    if trial is not None and trial.works:
        shown = [SourceForm(source, organisation, None) for source in offers]
        return _show(request, "sources", forms=shown, trial=trial, tried=chosen.source)
    return _show(request, "sources", 422, forms=forms_shown, trial=trial, tried=chosen.source)


def _remove(channel_id: str, admin: Agent | None) -> None:
    """Takes a source away again as long as nothing came through it."""
    unused = Channel.objects.filter(pk=int(channel_id), mentions=None) if is_number(channel_id) else None
    if unused is not None and (channel := unused.first()):
        remove(channel, admin)


def _done(request: HttpRequest, admin: Agent | None) -> HttpResponse:
    """Nothing more is asked; the button opens the desk."""
    if not Team.objects.exists():
        return HttpResponseRedirect("/first-run/teams/")
    if request.method != "POST":
        return _show(request, "done")
    with transaction.atomic():
        first_run.finish()
        transaction.on_commit(lambda: ringing.task("connectors.tasks.listen_due"), robust=True)
    return HttpResponseRedirect("/", status=303)

"""Pages of teams and people."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from inbox.models import Agent, Role, Team
from inbox.once import TOKEN, form_sent, once
from inbox.overtaking import Overtaken, overtaken, refuse_overtaken, version_of
from inbox.rights import admins_only, managers_too
from inbox.views.answering import shown
from socialcare import people
from socialcare.models import Invitation
from socialcare.pages import Request, is_number, page
from socialcare.people_forms import InviteForm, PasswordForm, TeamForm
from socialcare.restoring import free_slug


def ask_password_again(request: Request) -> None:
    """Before somebody gets more rights; allauth then goes on with what was posted."""
    if not did_recently_reauthenticate(request):
        raise ReauthenticationRequired


@require_GET
@managers_too
def teams(request: Request) -> HttpResponse:
    rows = [{"team": team, "members": team.memberships.all()} for team in people.managed_by(request.user)]
    return shown(request, "set_up/teams.html", {"teams": rows})


@managers_too
@once
def team(request: Request, pk: int | None = None) -> HttpResponse:
    one = _managed(request.user, pk) if pk else Team()
    if not pk and not request.user.is_admin:
        raise Http404
    form, status = TeamForm(request.user, request.POST or None, instance=one), 422
    if request.method == "POST" and form.is_valid():
        fresh = _managed(request.user, pk) if pk else Team(slug=free_slug(form.cleaned_data["name"]))
        form, status = _keep(request, fresh, form)
        if status == 303:
            return HttpResponseRedirect(f"/set-up/teams/{fresh.pk}/", status=303)
    return _team_page(request, one, form, status=status if form.errors else 200)


def _keep(request: Request, fresh: Team, form: TeamForm) -> tuple[TeamForm, int]:
    """The form to show and with which status; 303: it is kept."""
    try:
        people.change_team(fresh, request.user, form.given(), seen=form.cleaned_data["version"])
    except people.Refused as refused:
        form.add_error(None, str(refused))
        return form, 422
    except Overtaken:
        now = _managed(request.user, fresh.pk)
        again = overtaken(lambda sent: TeamForm(request.user, sent, instance=now), request.POST)
        return (again, 409) if again else (form, 303)
    return form, 303


def _team_page(request: Request, one: Team, form: TeamForm, words: str = "", *, status: int) -> HttpResponse:
    members = list(one.memberships.select_related("agent").order_by("agent__name")) if one.pk else []
    inside = {membership.agent_id for membership in members}
    others = Agent.objects.filter(is_active=True).exclude(pk__in=inside).order_by("name") if one.pk else ()
    context = {
        "team": one,
        "form": form,
        "members": [(each, version_of(each)) for each in members],
        "others": others,
        "roles": Role.choices,
        "words": words,
    }
    return shown(request, "set_up/team.html", context, status=status)


def _managed(agent: Agent, pk: int | None) -> Team:
    one = get_object_or_404(Team, pk=pk)
    if not people.may_manage(agent, one):
        raise Http404
    return one


@require_POST
@managers_too
def members(request: Request, pk: int) -> HttpResponse:
    """Makes, changes or ends one membership. Joining a private team asks for the password again."""
    one = _managed(request.user, pk)
    given = request.POST.get("agent", "")
    agent = get_object_or_404(Agent, pk=int(given) if is_number(given) else 0)
    try:
        _set_membership(request, one, agent, request.POST.get("version", ""))
    except people.Refused as refused:
        messages.info(request, str(refused))
    except Overtaken:
        form = TeamForm(request.user, instance=one)
        return _team_page(request, one, form, _changed_meanwhile(agent), status=409)
    return HttpResponseRedirect(f"/set-up/teams/{pk}/", status=303)


def _set_membership(request: Request, one: Team, agent: Agent, seen: str) -> None:
    if request.POST.get("role") == "none":
        return people.end_membership(one, agent, request.user, seen=seen)
    there = one.memberships.filter(agent=agent).first()
    if one.private and there is None:
        refuse_overtaken(there, seen)
        ask_password_again(request)
    return people.set_role(one, agent, request.POST.get("role", ""), request.user, seen=seen)


def _changed_meanwhile(agent: Agent) -> str:
    return _("Somebody changed this of %(name)s meanwhile. It stands here as it is now.") % {"name": agent.name}


@require_POST
@admins_only
def team_removal(request: Request, pk: int) -> HttpResponse:
    try:
        people.remove_team(get_object_or_404(Team, pk=pk), request.user)
    except people.Refused as refused:
        messages.info(request, str(refused))
        return HttpResponseRedirect(f"/set-up/teams/{pk}/", status=303)
    return HttpResponseRedirect("/set-up/teams/", status=303)


@admins_only
def agents(request: Request) -> HttpResponse:
    """Everybody, and the form that invites; the link it makes is shown in this one answer only."""
    form = InviteForm(request.POST or None)
    link, invited = "", None
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data["team"]
        if form.cleaned_data["is_admin"] or (wanted and wanted.private):
            ask_password_again(request)
        try:
            invited, link = _invited(request, form.cleaned_data)
            form = InviteForm()
        except people.Refused as refused:
            form.add_error("email", str(refused))
    return _everybody(request, 422 if form.errors else 200, form=form, link=link, invited=invited)


def _everybody(request: Request, status: int = 200, **context: Any) -> HttpResponse:
    found = Agent.objects.prefetch_related("memberships__team").order_by("-is_active", "name")
    given = {"form": InviteForm(), **context, "agents": [(each, version_of(each)) for each in found]}
    return shown(request, "set_up/agents.html", given, status=status)


def _token(request: Request) -> str:
    """Follows from the form, for nobody without our key."""
    return salted_hmac("invitation", form_sent(request), algorithm="sha256").hexdigest()


def _invited(request: Request, given: dict[str, Any]) -> tuple[Agent, str]:
    """The second press of the form comes too late to invite: it finds what the first one made and shows the same."""
    token = _token(request) if TOKEN in request.POST else ""
    try:
        return _invite(given, request.user, token)
    except people.Refused:
        before = Invitation.objects.of_token(token)
        if before is None:
            raise
        return before.agent, Invitation.link(token)


@transaction.atomic
def _invite(given: dict[str, Any], by: Agent, token: str) -> tuple[Agent, str]:
    rights = {"is_admin": given["is_admin"], "is_reader": given["is_reader"]}
    agent, link = people.invite(given["email"], given["name"], by, **rights, token=token)
    if given["team"]:
        people.set_role(given["team"], agent, given["role"], by)
    return agent, link


@require_POST
@admins_only
def rights(request: Request, pk: int) -> HttpResponse:
    """Admin and reader of one agent, as ticked."""
    agent = get_object_or_404(Agent, pk=pk)
    ticked = {name: request.POST.get(name) == "yes" for name in ("is_admin", "is_reader")}
    changed = {name: value for name, value in ticked.items() if value != getattr(agent, name)}
    seen = request.POST.get("version", "")
    try:
        if changed:
            refuse_overtaken(agent, seen)  # before a password is asked for
            if changed.get("is_admin"):
                ask_password_again(request)
            people.change_rights(agent, request.user, seen=seen, **changed)
            messages.info(request, _("The rights of %(name)s changed, as of now.") % {"name": agent.name})
    except people.Refused as refused:
        messages.info(request, str(refused))
    except Overtaken:
        return _everybody(request, 409, words=_changed_meanwhile(agent))
    return HttpResponseRedirect("/set-up/agents/" if request.user.pk != pk else "/", status=303)


@require_POST
@admins_only
def disabling(request: Request, pk: int) -> HttpResponse:
    agent = get_object_or_404(Agent, pk=pk)
    try:
        people.disable(agent, request.user)
        messages.info(request, _("%(name)s is signed out everywhere.") % {"name": agent.name})
    except people.Refused as refused:
        messages.info(request, str(refused))
    return HttpResponseRedirect("/set-up/agents/", status=303)


@require_POST
@admins_only
def new_link(request: Request, pk: int) -> HttpResponse:
    """A fresh invitation, for enabling again too; shown in this one answer only. It opens the account, so the
    password is asked again."""
    agent = get_object_or_404(Agent, pk=pk)
    ask_password_again(request)
    link = people.new_link(agent, request.user) if agent.is_active else people.enable(agent, request.user)
    return _everybody(request, link=link, invited=agent)


@login_not_required
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Where an invited person sets the password; used, over and wrong links look alike."""
    found = Invitation.objects.of_token(token)
    if found is None:
        return page(request, "set_up/invitation.html", {"over": True}, status=404)
    form = PasswordForm(found.agent, request.POST or None)
    if request.method == "POST" and form.is_valid():
        if found.accept(form.cleaned_data["password"]):
            messages.info(request, _("Your password is set. Sign in with it."))
            return HttpResponseRedirect("/account/login/", status=303)
        return page(request, "set_up/invitation.html", {"over": True}, status=404)
    context = {"form": form, "agent": found.agent}
    return page(request, "set_up/invitation.html", context, status=422 if form.errors else 200)

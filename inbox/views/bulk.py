"""The same act on every picked conversation. Each is its own transaction and its own event; what changed since the
screen was made is left alone, the answer says how many, and one undo takes back the whole lot."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from inbox import reversal
from inbox.changes import numbers_of
from inbox.forms import AssignmentForm, SnoozeForm, TagsForm, assignment_targets
from inbox.models import Agent, Conversation, Event, Team
from inbox.queue import WHOLE, Queue
from inbox.views.answering import is_alive, shown, zone_of
from inbox.views.desk import queue_of
from socialcare.pages import Request, is_number

MOST = WHOLE  # conversations one act may take: as many as a list holds, all of which one key picks


class Unfit(Exception):
    """Why nothing could be begun, in a sentence for the screen."""


@dataclass(frozen=True)
class Deed:
    """What it is called when done to one; doing it, which says whether it happened; and that so many are."""

    what: str
    do: Callable[[Conversation], bool]
    says: Callable[[int], str]


@dataclass
class Outcome:
    """Which were done, with the values they had; which somebody changed since; which stayed as they were."""

    done: list[tuple[Conversation, dict[str, Any]]] = field(default_factory=list)
    changed: list[Conversation] = field(default_factory=list)
    left: list[Conversation] = field(default_factory=list)

    def sentence(self, deed: Deed) -> str:
        parts = [deed.says(len(self.done))] if self.done else []
        if self.changed:
            parts.append(ngettext("%d had changed", "%d had changed", len(self.changed)) % len(self.changed))
        if self.left:
            parts.append(ngettext("%d stays as it was", "%d stay as they were", len(self.left)) % len(self.left))
        return ", ".join(parts)


def closure(agent: Agent, _how: str, _said: QueryDict) -> Deed:
    return Deed(_("Done"), lambda one: one.close(agent), lambda n: ngettext("%d done", "%d done", n) % n)


def reopening(agent: Agent, _how: str, _said: QueryDict) -> Deed:
    return Deed(_("Reopened"), lambda one: one.reopen(agent), lambda n: ngettext("%d reopened", "%d reopened", n) % n)


def claim(agent: Agent, _how: str, _said: QueryDict) -> Deed:
    return Deed(
        _("Taken"),
        lambda one: one.agent_id is None and one.claim(agent),
        lambda n: ngettext("%d taken", "%d taken", n) % n,
    )


def spam(agent: Agent, _how: str, _said: QueryDict) -> Deed:
    return Deed(
        _("Marked as spam"),
        lambda one: one.mark_spam(agent),
        lambda n: ngettext("%d marked as spam", "%d marked as spam", n) % n,
    )


def snooze(agent: Agent, how: str, said: QueryDict) -> Deed:
    form = SnoozeForm({"until": how or said.get("until", "")})
    if not form.is_valid():
        raise Unfit(form.words())
    if form.cleaned_data["until"] <= timezone.now():
        raise Unfit(_("Choose a time to come."))
    until = form.cleaned_data["until"]
    return Deed(
        _("Set aside"), lambda one: one.snooze(until, agent), lambda n: ngettext("%d set aside", "%d set aside", n) % n
    )


def tags(agent: Agent, _how: str, said: QueryDict) -> Deed:
    """Adds to the tags each has."""
    form = TagsForm(said)
    if not form.is_valid() or not form.words():
        raise Unfit(_("Write at least one tag, together no longer than 400 characters."))
    words = form.words()
    return Deed(
        _("Tags set"),
        lambda one: one.retag([*one.tags, *words], agent),
        lambda n: ngettext("%d tagged", "%d tagged", n) % n,
    )


def assignment(agent: Agent, how: str, said: QueryDict) -> Deed:
    form = AssignmentForm({"to": how, "because": said.get("because", "")})
    if not form.is_valid():
        raise Unfit(_("Choose a team or a person."))
    team_id, owner_id = form.target()
    team = get_object_or_404(Team.objects.named_to(agent), pk=team_id)
    members = Agent.objects.filter(is_active=True, memberships__team__in=agent.readable_team_ids & {team.pk})
    owner = get_object_or_404(members, pk=owner_id) if owner_id is not None else None
    because = form.cleaned_data["because"]

    def give(one: Conversation) -> bool:
        here = (one.team_id, one.agent_id) == (team.pk, owner_id)
        return not here and one.assign(team, owner, by=agent, because=because)

    name = owner.name if owner else team.name
    return Deed(
        _("Given to %s") % name,
        give,
        lambda n: ngettext("%(n)d given to %(name)s", "%(n)d given to %(name)s", n) % {"n": n, "name": name},
    )


DEEDS = {kind.__name__: kind for kind in (closure, reopening, claim, spam, snooze, tags, assignment)}


def deed_of(agent: Agent, said: QueryDict) -> Deed:
    """`act` is a name, and after a space how: “snooze tomorrow”. Enter in a field sends no name: the field says it."""
    name, _space, how = said.get("act", "").partition(" ")
    if not name:
        name = next((act for act, words in (("tags", "tags"), ("snooze", "until")) if said.get(words, "").strip()), "")
        if not name:
            raise Unfit(_("Choose what to do with them."))
    if name not in DEEDS:
        raise Http404
    return DEEDS[name](agent, how, said)


def bulk(request: Request, slug: str) -> HttpResponse:
    """GET: who could have them. POST: the act on all picked."""
    queue = queue_of(request, slug)
    if request.method != "POST" or request.POST.get("act") == "give":
        return choose(request, queue)
    with timezone.override(zone_of(request.user)):
        return act(request, queue)


def choose(request: Request, queue: Queue) -> HttpResponse:
    context = {
        "targets": assignment_targets(request.user, 0),
        "only": request.GET.get("only") == "teams",
        "picked": picked_of(request),
        "queue": queue,
        "action": request.get_full_path(),
        "act": "assignment ",
        "form_id": "bulk" if is_alive(request) else "picked",
    }
    return shown(request, "inbox/bulk.html", context, part="options" if is_alive(request) else "", current=queue.slug)


@require_POST
def act(request: Request, queue: Queue) -> HttpResponse:
    try:
        deed = deed_of(request.user, request.POST)
        picked = picked_of(request)
        if not picked:
            raise Unfit(_("Pick conversations first."))
        if len(request.POST.getlist("conversation")) > MOST:
            raise Unfit(_("Pick at most %d at once.") % MOST)
    except Unfit as unfit:
        return unfitting(request, queue, str(unfit))
    outcome = done_to(request.user, picked, deed, numbers_of(request.POST.get("mark", "")))
    says = outcome.sentence(deed) or _("Nothing to do: they are not yours to see any more.")
    return told(request, queue, outcome, says, deed.what)


def picked_of(request: Request) -> list[Conversation]:
    ids = [int(pk) for pk in request.POST.getlist("conversation")[:MOST] if is_number(pk)]
    mine = Conversation.objects.visible_to(request.user).filter(pk__in=ids)
    return list(mine.select_related("team", "identity").order_by("id"))


def done_to(agent: Agent, picked: list[Conversation], deed: Deed, seen: dict[str, int]) -> Outcome:
    """`seen` are the numbers of the screen: what somebody else did since keeps a conversation out."""
    newer = Event.objects.after(seen).filter(conversation__in=[one.pk for one in picked]).exclude(actor=agent)
    changed = set(newer.values_list("conversation_id", flat=True)) if seen else set()
    outcome = Outcome()
    for one in picked:
        before = reversal.values_of(one)
        if one.pk in changed:
            outcome.changed.append(one)
        elif deed.do(one):
            outcome.done.append((one, before))
        else:
            outcome.left.append(one)
    return outcome


def told(request: Request, queue: Queue, outcome: Outcome, says: str, what: str) -> HttpResponse:
    """The whole lot's one undo travels in the answer's body, since a header could not hold it."""
    token = reversal.bundle(outcome.done, request.user, what) if outcome.done else ""
    context = {
        "says": says,
        "token": token,
        "changed": outcome.changed,
        "left": outcome.left,
        "queue": queue,
    }
    if not is_alive(request):
        return shown(request, "inbox/bulk.html", context, current=queue.slug)
    if not token:
        return unfitting(request, queue, _("Nothing done: %s.") % says, status=409)
    response = shown(request, "inbox/bulk.html", context, part="undo")
    undo = {"url": reverse("inbox:reversals"), "says": _("%s.") % says, "form": "bulk-undo"}
    response["HX-Trigger"] = json.dumps({"undoable": undo})
    return response


def unfitting(request: Request, queue: Queue, words: str, status: int = 422) -> HttpResponse:
    if is_alive(request):
        response = HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")
        response["HX-Trigger"] = json.dumps({"failed": {"says": words}, "ask": {}})
        return response
    return shown(request, "inbox/refused.html", {"words": words, "back": queue.url}, status=status)


@require_POST
def revert(request: Request) -> HttpResponse:
    """Takes back one act on many, for each of them on which nobody acted since."""
    try:
        undone, refused = reversal.revert_all(request.POST.get("token", ""), request.user)
    except reversal.Refused as refusal:
        return HttpResponse(_(str(refusal)), status=409, content_type="text/plain; charset=utf-8")
    says = ngettext("Undone for %d.", "Undone for %d.", undone) % undone
    if refused:
        stays = ngettext("%d had changed since and stays.", "%d had changed since and stay.", refused) % refused
        says = f"{says} {stays}" if undone else stays
    if is_alive(request) or not undone:
        return HttpResponse(says, status=200 if undone else 409, content_type="text/plain; charset=utf-8")
    return HttpResponseRedirect(reverse("inbox:start"), status=303)

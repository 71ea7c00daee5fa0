"""What an agent does with a conversation, one noun a view: each is one verb of the model, told back with an undo or
refused with who was faster."""

from __future__ import annotations

from collections.abc import Collection

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from inbox import reversal
from inbox.forms import AssignmentForm, PriorityForm, SnoozeForm, TagsForm, assignment_targets
from inbox.models import Agent, Conversation, Event, State, Team
from inbox.queue import sentence
from inbox.views.answering import act, conversation_or_404, done, is_alive, refused, shown, told
from inbox.views.desk import queue_of
from socialcare.pages import Request


def last_of(conversation: Conversation, agent: Agent) -> Event | None:
    return Event.objects.told_to(agent, conversation).timeline().select_related("actor").last()


def who_was_faster(conversation: Conversation, agent: Agent, event: Event | None = None) -> str:
    """The last thing that happened here and that this reader may know, with how long ago."""
    event = event or last_of(conversation, agent)
    if event is None:
        return _("Somebody was faster.")
    seconds = max(0, int((timezone.now() - event.at).total_seconds()))
    ago = _("%d s ago") % seconds if seconds < 60 else _("%d min ago") % (seconds // 60)
    return f"{sentence(event)} {ago}."


def unchanged(request: Request, conversation: Conversation, wanted: Collection[int]) -> HttpResponse:
    """Nothing was done: because it is so already, which is no fault and not even news to whom did it, or because
    somebody was faster."""
    conversation.refresh_from_db(fields=["state", "agent"])
    event = last_of(conversation, request.user)
    if conversation.state not in wanted:
        return refused(request, conversation, who_was_faster(conversation, request.user, event))
    if event is not None and event.actor_id == request.user.pk:
        return done(request, conversation)
    return told(request, conversation, who_was_faster(conversation, request.user, event))


@act
def claim(request: Request, conversation: Conversation) -> HttpResponse:
    before = reversal.values_of(conversation)
    if conversation.agent_id == request.user.pk:
        return done(request, conversation)
    if conversation.agent_id is not None or not conversation.claim(request.user):
        return refused(request, conversation, who_was_faster(conversation, request.user))
    return done(request, conversation, _("Taken"), before)


@act
def release(request: Request, conversation: Conversation) -> HttpResponse:
    before = reversal.values_of(conversation)
    if conversation.agent_id is None:
        return done(request, conversation)
    if not conversation.release(request.user):
        return refused(request, conversation, who_was_faster(conversation, request.user))
    return done(request, conversation, _("Given back to %s") % conversation.team.name, before)


def assignment(request: Request, pk: int) -> HttpResponse:
    """GET: who can have it. POST: gives it to a team, or to one of its members."""
    return give(request, pk=pk) if request.method == "POST" else choose_owner(request, pk=pk)


@require_safe
def choose_owner(request: Request, pk: int) -> HttpResponse:
    conversation = conversation_or_404(request, pk)
    context = {
        "conversation": conversation,
        "targets": assignment_targets(request.user, conversation.team_id),
        "view": request.GET.get("view", "all"),
        "only": request.GET.get("only") == "teams",
    }
    return shown(request, "inbox/assignment.html", context, part="options" if is_alive(request) else "")


@act
def give(request: Request, conversation: Conversation) -> HttpResponse:
    form = AssignmentForm(request.POST)
    if not form.is_valid():
        return refused(request, conversation, _("Choose a team or a person."), status=422)
    team_id, agent_id = form.target()
    team = get_object_or_404(Team.objects.named_to(request.user), pk=team_id)
    agent = None
    if agent_id is not None:
        # Who works in a team is told to those who read it; others hand over to the team and it decides.
        readable = Agent.objects.filter(memberships__team__in=request.user.readable_team_ids & {team.pk})
        agent = get_object_or_404(readable, pk=agent_id)
    before = reversal.values_of(conversation)
    if (conversation.team_id, conversation.agent_id) == (team.pk, agent_id):
        return done(request, conversation)
    try:
        given = conversation.assign(team, agent, by=request.user, because=form.cleaned_data["because"])
    except ValueError as error:
        return refused(request, conversation, str(error), status=422)
    if not given:
        return refused(request, conversation, who_was_faster(conversation, request.user))
    says = _("Given to %s") % (agent.name if agent else team.name)
    return done(request, conversation, says, before)


@act
def closure(request: Request, conversation: Conversation) -> HttpResponse:
    before = reversal.values_of(conversation)
    if not conversation.close(request.user):
        return unchanged(request, conversation, [State.DONE])
    return done(request, conversation, _("Done"), before)


@act
def reopening(request: Request, conversation: Conversation) -> HttpResponse:
    before = reversal.values_of(conversation)
    if not conversation.reopen(request.user):
        return unchanged(request, conversation, [State.NEW])
    return done(request, conversation, _("Reopened"), before)


@act
def snooze(request: Request, conversation: Conversation) -> HttpResponse:
    form = SnoozeForm(request.POST)
    if not form.is_valid():
        return refused(request, conversation, form.words(), status=422)
    before = reversal.values_of(conversation)
    try:
        happened = conversation.snooze(form.cleaned_data["until"], request.user)
    except ValueError as error:
        return refused(request, conversation, str(error), status=422)
    if not happened:
        return refused(request, conversation, who_was_faster(conversation, request.user))
    return done(request, conversation, _("Set aside"), before)


@act
def spam(request: Request, conversation: Conversation) -> HttpResponse:
    before = reversal.values_of(conversation)
    if not conversation.mark_spam(request.user):
        return unchanged(request, conversation, [State.SPAM])
    return done(request, conversation, _("Marked as spam"), before)


@act
def tags(request: Request, conversation: Conversation) -> HttpResponse:
    form = TagsForm(request.POST)
    if not form.is_valid():
        return refused(request, conversation, _("These tags are too long."), status=422)
    before = reversal.values_of(conversation)
    if not conversation.retag(form.words(), request.user, form.before()):
        return done(request, conversation)
    return done(request, conversation, _("Tags set"), before)


@act
def priority(request: Request, conversation: Conversation) -> HttpResponse:
    form = PriorityForm(request.POST)
    if not form.is_valid():
        return refused(request, conversation, _("A priority is a number from -100 to 100."), status=422)
    before = reversal.values_of(conversation)
    if conversation.priority != form.cleaned_data["priority"]:
        conversation.prioritise(form.cleaned_data["priority"], request.user)
    return done(request, conversation, _("Priority set"), before)


@require_POST
def revert(request: Request, token: str) -> HttpResponse:
    """Takes back what the signed address names, if nobody acted since."""
    try:
        conversation = reversal.revert(token, request.user)
    except reversal.Refused as refusal:
        return HttpResponse(_(str(refusal)), status=409, content_type="text/plain; charset=utf-8")
    if is_alive(request):
        return HttpResponse(_("Undone."), content_type="text/plain; charset=utf-8")
    return HttpResponseRedirect(reverse("inbox:conversation", args=[conversation.pk]), status=303)


@require_POST
def deal_top(request: Request, slug: str) -> HttpResponse:
    """Claims the most urgent of this view that is nobody's for the reader and opens it."""
    queue = queue_of(request, slug)
    pk = queue.deal()
    return HttpResponseRedirect(queue.url if pk is None else queue.url_of(pk), status=303)

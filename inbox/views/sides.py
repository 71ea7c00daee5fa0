"""What stands beside the thread: who else is here, how far it was read, why it is here, what the palette finds, and
the few rules of style that are the reader's own."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from inbox import desk, presence
from inbox import pane as panes
from inbox.models import Conversation, Event
from inbox.queue import sentence
from inbox.talk import Talk
from inbox.views.answering import SLUG, act, conversation_or_404, shown
from inbox.views.desk import queue_of
from inbox.why import why
from socialcare.pages import Request, is_number

FOUND = 8


def here(request: Request, pk: int) -> HttpResponse:
    """POST: what the reader does here. GET: what the others do."""
    return beat(request, pk=pk) if request.method == "POST" else others(request, pk=pk)


@act
def beat(request: Request, conversation: Conversation) -> HttpResponse:
    presence.beat(conversation, request.user, request.POST.get("doing", ""))
    return HttpResponse(status=204)


@require_safe
def others(request: Request, pk: int) -> HttpResponse:
    conversation = conversation_or_404(request, pk)
    told = presence.others(conversation.pk, request.user)
    return shown(request, "inbox/talk_answer.html", {"here": told}, part="here")


@require_safe
def replying(request: Request) -> HttpResponse:
    """Where others are replying, for the rows of every list: one answer for all of them and no statement of its own."""
    told = presence.replying(sorted(request.user.readable_team_ids), request.user)
    return shown(request, "inbox/queue.html", {"replying": told}, part="replying")


@act
def seen(request: Request, conversation: Conversation) -> HttpResponse:
    """The reader has seen the conversation up to a number; it never goes back."""
    said = request.POST.get("seq", "")
    if is_number(said):
        Talk(conversation, request.user, queue_of(request, "all")).seen(int(said))
    return HttpResponse(status=204)


@require_safe
def trace(request: Request, pk: int) -> HttpResponse:
    """Why it is here, as a page: the stored decision and every move since."""
    conversation = conversation_or_404(request, pk)
    moves = Event.objects.filter(conversation=conversation, happening__in=["assigned", "claimed", "released"])
    readable = {team.stream for team in request.user.readable_teams}
    told = [
        {"sentence": sentence(event) if event.stream in readable else _("Moved away"), "at": event.at}
        for event in moves.timeline().select_related("actor")[:200]
    ]
    slug = request.GET.get("view", "all")
    back = f"{reverse('inbox:conversation', args=[pk])}?view={slug if SLUG.match(slug) else 'all'}"
    context = {"conversation": conversation, "why": why(conversation, request.user), "moves": told, "back": back}
    return shown(request, "inbox/trace.html", context)


@require_safe
def palette(request: Request) -> HttpResponse:
    """Views, conversations and people whose words begin like this, only what the reader may see."""
    said = request.GET.get("q", "").strip()[:80]
    kind, words = (said[0], said[1:].strip()) if said[:1] in ("#", "@") else ("", said)
    items = [] if kind or not words else _views(request, words)
    items += _conversations(request, kind, words) if len(words) > 1 else []
    return shown(request, "inbox/palette.html", {"items": items}, part="items")


def _views(request: Request, words: str) -> list[dict[str, str]]:
    agent = request.user
    if not agent.readable_teams:
        return []
    places = [(str(view.label), view.name) for view in desk.standard()]
    places += [(team.name, panes.slug_of(team)) for team in agent.readable_teams]
    found = [(text, slug) for text, slug in places if words.lower() in text.lower()]
    return [
        {"kind": _("Go"), "text": text, "url": reverse("inbox:view", args=[slug]), "hint": _("view")}
        for text, slug in found[:FOUND]
    ]


def _conversations(request: Request, kind: str, words: str) -> list[dict[str, str]]:
    """Open conversations by person or subject, which the queue's index holds however many were ever closed; the whole
    text is the search page's work."""
    agent = request.user
    person = Q(identity__name__icontains=words) | Q(identity__handle__icontains=words)
    meant = {"#": Q(tags__contains=[words.lower()]), "@": person, "": person | Q(excerpt__icontains=words)}[kind]
    found = Conversation.objects.visible_to(agent).open().filter(meant)
    found = found.select_related("identity", "team").defer("trace", "context").order_by("-newest_at", "-id")
    return [
        {
            "kind": _("Find"),
            "text": f"{one.identity} — {one.excerpt}",
            "url": reverse("inbox:conversation", args=[one.pk]),
            "hint": one.team.name,
        }
        for one in found[:FOUND]
    ]


@require_safe
@cache_control(private=True, max_age=60)
def me_css(request: Request) -> HttpResponse:
    """What is the reader's own in lists that are the same for everybody."""
    rule = f'@layer pages {{ .row[data-agent="{request.user.pk}"] .row__mark {{ font-weight: 600; }} }}\n'
    return HttpResponse(rule, content_type="text/css; charset=utf-8")

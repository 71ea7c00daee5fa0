"""The desk: the queue, a conversation in it, and what a live page asks again. One view a noun; the answer to `since`
comes from the same queryset and the same templates as the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_safe

from inbox import desk, filters, presence
from inbox import pane as panes
from inbox.changes import Lack, answers, marks_of, numbers_of, written
from inbox.forms import snooze_choices
from inbox.models import SavedView, Team
from inbox.queue import WHOLE, Queue
from inbox.rights import may_read_figures
from inbox.talk import Talk
from inbox.views.answering import SLUG, conversation_or_404, is_alive, shown
from socialcare.pages import Request, address, is_number

SAVED = "saved-"
DENSITIES = {"normal": _lazy("Normal"), "roomy": _lazy("Roomy"), "dense": _lazy("Dense")}


@require_safe
def start(request: Request) -> HttpResponse:
    """The first page: the queue, the figures for who reads those alone, or a calm word for who has no team yet."""
    if not request.user.readable_teams:
        if may_read_figures(request.user) and Team.objects.filter(private=False).exists():
            return HttpResponseRedirect(reverse("reports"))
        return shown(request, "inbox/start.html", {})
    return HttpResponseRedirect(reverse("inbox:view", args=["all"]))


def queue_of(request: Request, slug: str) -> Queue:
    """The queue a request names, with its filters and order; 404 for a view that is not the reader's to see."""
    agent = request.user
    if not agent.readable_teams:
        raise Http404
    if slug.startswith(SAVED):
        return saved_queue(request, slug)
    order, chosen = request.GET.get("order", ""), filters.read(request.GET)
    if slug in desk.View.kinds():
        return Queue(desk.View.named(slug), agent, slug=slug, chosen=chosen, order=order)
    team = panes.team_named(slug, agent.readable_teams)
    if team is None:
        raise Http404
    return Queue(desk.All, agent, slug=slug, team=team, chosen=chosen, order=order)


def saved_queue(request: Request, slug: str) -> Queue:
    """A saved view as it was saved, unless the address says what to look at instead."""
    number = slug.removeprefix(SAVED)
    known = SavedView.objects.shown_to(request.user)
    saved = get_object_or_404(known, pk=int(number) if is_number(number) else 0)
    chosen, order = saved.filters, saved.order
    if "order" in request.GET or any(name in request.GET for name in filters.Filter.kinds()):
        chosen, order = filters.read(request.GET), request.GET.get("order", "")
    view = desk.View.named(saved.view)
    return Queue(view, request.user, slug=slug, team=saved.within, chosen=chosen, order=order, saved=saved)


@require_safe
def view(request: Request, slug: str) -> HttpResponse:
    """A view: the whole desk, the next rows of its list, or what changed since the numbers a page holds."""
    queue = queue_of(request, slug)
    if "since" in request.GET:
        return changes(request, queue)
    if "after" in request.GET:
        return next_rows(request, queue)
    return shown(request, "inbox/desk.html", desk_context(request, queue), current=slug)


def changes(request: Request, queue: Queue) -> HttpResponse:
    """Rows that changed, the personal marks apart, and the numbers all this was true at."""
    held = request.GET.get("held", "")
    lack = Lack(queue, numbers_of(request.GET["since"]), int(held) if is_number(held) and len(held) < 6 else 0)
    [answer] = answers([lack])
    response = HttpResponse(answer.body, status=200 if answer.body or answer.whole else 204)
    for name, value in answer.headers.items():
        response[name] = value
    return response


def next_rows(request: Request, queue: Queue) -> HttpResponse:
    """One more page of rows, to stand at the end of the list."""
    shown_already = request.GET.get("shown", "")
    before = int(shown_already) if is_number(shown_already) and len(shown_already) < 6 else 0
    try:
        conversations, more = queue.page(request.GET["after"])
    except ValueError as error:
        raise Http404 from error
    count = before + len(conversations)
    context = {
        "rows": queue.rows(conversations),
        "marks": marks_of([(request.user.pk, conversations)])[0],
        "next": queue.url_with(after=more, shown=count) if more and count < WHOLE else "",
        "limit_reached": bool(more) and count >= WHOLE,
    }
    return shown(request, "inbox/queue.html", context, part="more")


def desk_context(request: Request, queue: Queue, talk: Talk | None = None) -> dict[str, Any]:
    """Everything the desk shows around a conversation. The numbers come first, so that they never claim a row that
    is not shown."""
    agent = request.user
    counts = desk.counts_of(agent.readable_teams, agent)
    mark = written({team.stream: counts.get((team.stream, desk.READ_AT), 0) for team in queue.teams})
    conversations, more = queue.page()
    query = f"?{queue.url.partition('?')[2]}" if "?" in queue.url else ""
    density = request.GET.get("density", agent.density)
    total = queue.view.total(counts, queue.teams, agent)
    return {
        "title": queue.title,
        "pane": panes.pane(agent, queue.slug, counts),
        "queue": {
            "title": queue.title,
            "slug": queue.slug,
            "url": queue.url,
            "mark": mark,
            "streams": " ".join(team.stream for team in agent.readable_teams),
            "streams_mark": " ".join(f"{team.stream}=0" for team in agent.readable_teams),
            "here": " ".join(presence.stream_of(team.pk) for team in agent.readable_teams),
            "here_mark": " ".join(f"{presence.stream_of(team.pk)}=0" for team in agent.readable_teams),
            "query": query,
            "rows": queue.rows(conversations),
            "total": total if not queue.filters else -1,
            "live_total": "" if queue.filters else f"%d {queue.view.noun}",
            "facts": facts_of(queue, total, len(conversations), bool(more)),
            "next": queue.url_with(after=more, shown=len(conversations)) if more else "",
            "density": density if density in DENSITIES else "normal",
            "empty": empty_of(queue, total),
            **first_marks(queue, conversations),
            "orders": orders_of(queue),
            "densities": tuple(Option(name, str(text), name == density) for name, text in DENSITIES.items()),
            "save_url": address("inbox:save_view", queue.slug) + query,
            "saved": queue.saved,
            "is_changed": queue.is_changed,
            "chosen": chips_of(queue),
            "deal_url": address("inbox:deal", queue.slug) + query,
            "bulk_url": address("inbox:bulk", queue.slug) + query,
            "bulk_teams_url": address("inbox:bulk", queue.slug) + "?only=teams",
            "put_away": issubclass(queue.view, desk.PutAway) and queue.view is not desk.Snoozed,
            "snoozes": lambda: snooze_choices(timezone.now()),
            "filters_url": address("inbox:filters", queue.slug) + query,
        },
        "talk": talk,
    }


@dataclass(frozen=True)
class Option:
    """One of several ways to show the queue."""

    value: str
    text: str
    current: bool


def orders_of(queue: Queue) -> tuple[Option, ...]:
    """The orders this view can stand in, each an address."""
    orders = [desk.Order.named(name) for name in queue.view.orders]
    return tuple(Option(queue.url_with(order=one.name), str(one.label), one is queue.order) for one in orders)


def first_marks(queue: Queue, conversations: list[Any]) -> dict[str, str]:
    """The personal marks of the first page, as the list's frame wants them."""
    [marks] = marks_of([(queue.agent.pk, conversations)])
    told = {"of": marks.of, "unread": marks.unread, "drafts": marks.drafts}
    return {name: " ".join(map(str, ids)) for name, ids in told.items()}


def facts_of(queue: Queue, total: int, count: int, more: bool) -> str:
    """How many there are, in words; a filtered list counts only what it read."""
    if queue.filters:
        return _("%(n)d+ of %(total)d match") % {"n": count, "total": total} if more else _("%d match") % count
    return f"{total} {queue.view.noun}"


def empty_of(queue: Queue, total: int) -> dict[str, Any]:
    if queue.filters:
        url = address("inbox:view", queue.slug)
        return {
            "what": _("0 of %d open match.") % total,
            "action": {"url": url, "text": _("Clear filters")},
        }
    words = _("Nobody is waiting in %s.") % queue.team.name if queue.team else str(queue.view.empty)
    return {"what": words, "why": _("New messages appear here by themselves.")}


def chips_of(queue: Queue) -> list[dict[str, Any]]:
    """The filters that are set, each with the address without it."""
    chips = []
    for name, values in queue.filters.items():
        kind = filters.Filter.named(name)
        said = dict(kind.choices(queue.teams)) if name in ("channel", "agent", "state", "network", "language") else {}
        for value in values:
            rest = [other for other in values if other != value]
            words = f"{kind.label}: {said.get(str(value), value)}"
            chips.append({"text": words, "url": queue.url_with(**{name: rest or None})})
    return chips


@dataclass(frozen=True)
class Choice:
    """A filter with its choices, for the form."""

    name: str
    label: str
    choices: list[tuple[str, str, bool]]


@require_safe
def choose_filters(request: Request, slug: str) -> HttpResponse:
    """The form of all filters of a view."""
    queue = queue_of(request, slug)
    fields = []
    for name, kind in filters.Filter.kinds().items():
        set_now = {str(value) for value in queue.filters.get(name, [])}
        choices = [(value, words, value in set_now) for value, words in kind.choices(queue.teams)]
        if choices:
            fields.append(Choice(name, str(kind.label), choices))
    # A saved view asked for without its filters is asked for as it was saved: the order says that it is not.
    order = queue.order.name if queue.saved else ""
    context = {"queue": queue, "fields": fields, "order": order, "action": reverse("inbox:view", args=[slug])}
    return shown(request, "inbox/filters.html", context, part="form" if is_alive(request) else "", current=slug)


@require_safe
def views(request: Request) -> HttpResponse:
    """All views as a page of their own, for the narrow screen."""
    return shown(request, "inbox/views.html", {"pane": {**panes.pane(request.user), "current": "views"}})


@require_safe
def counts(request: Request) -> HttpResponse:
    """The inside of the views pane with its counts as they are now."""
    slug = request.GET.get("current", "")
    current = slug if SLUG.match(slug) else ""
    return shown(request, "inbox/views.html", {"pane": panes.pane(request.user, current, whole=False)}, part="counts")


@require_safe
def conversation(request: Request, pk: int) -> HttpResponse:
    """A conversation open in its queue. htmx gets the conversation alone, since the queue beside it stays."""
    found = conversation_or_404(request, pk)
    queue = around(request)
    talk = Talk(found, request.user, queue)
    if "since" in request.GET:
        return news(request, talk)
    talk.open(earlier="earlier" in request.GET)
    if is_alive(request) or "HX-History-Restore-Request" in request.headers:
        return shown(request, "inbox/talk_answer.html", {"talk": talk, "title": queue.title}, part="answer")
    return shown(request, "inbox/desk.html", desk_context(request, queue, talk), current=queue.slug)


def around(request: Request) -> Queue:
    """The queue a conversation is opened in; a colleague's link may name a view that is not the reader's."""
    try:
        return queue_of(request, request.GET.get("view", "all"))
    except Http404:
        return queue_of(request, "all")


def news(request: Request, talk: Talk) -> HttpResponse:
    """What came or changed in the thread, with its head and its composer's line."""
    talk.since(numbers_of(request.GET["since"]))
    response = shown(request, "inbox/talk_answer.html", {"talk": talk}, part="news")
    response["X-Mark"] = talk.mark
    return response

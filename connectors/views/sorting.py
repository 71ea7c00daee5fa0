"""Set-up of what tells apart and hides what topics find: themes and exclusions, each tried before it is kept."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from connectors.models import Exclusion, Theme, Topic, TopicMention
from connectors.topics import exclusions as excluding
from connectors.topics.counting import counted, counts
from connectors.topics.days import DAYS, window
from connectors.topics.forms import ExclusionForm, ThemeForm
from connectors.topics.hiding import Hiding
from connectors.topics.query import QueryError, parse
from connectors.topics.themes import MOST
from connectors.topics.trial import tried
from connectors.views.topics import mine, tabs, unread
from inbox.models import Agent
from inbox.once import once
from inbox.rights import admins_only, managers_too
from inbox.views.answering import shown
from socialcare.pages import Request


@require_GET
@managers_too
def themes(request: Request, pk: int) -> HttpResponse:
    known = Topic.objects.filter(pk=mine(request.user, pk).pk).with_sorting()
    topic = counted(known, request.user, timezone.now()).get()
    found = counts(topic)
    rows = [{"theme": theme, "count": found.by.get(theme["id"], 0)} for theme in topic.theme_rows]
    context = {"topic": topic, "rows": rows, "counted": found, "days": DAYS, "full": len(rows) >= MOST}
    return shown(request, "connectors/topic_themes.html", context | {"tabs": tabs(topic, "themes")})


@managers_too
@once
def theme(request: Request, pk: int, theme: int | None = None) -> HttpResponse:
    """The editor. Every button posts the whole form; only “save” keeps anything."""
    topic = mine(request.user, pk)
    one = get_object_or_404(topic.themes, pk=theme) if theme else Theme(topic=topic)
    if theme is None and topic.themes.count() >= MOST:
        raise Http404
    if request.method != "POST":
        return _editor(request, topic, one, ThemeForm(one))
    form = ThemeForm(one, request.POST)
    if request.POST.get("do") != "save":
        return _editor(request, topic, one, form, judged=False)
    if not form.is_valid():
        return _editor(request, topic, one, form, status=422)
    one.version = form.cleaned_data.pop("version")
    if not one.rewrite(request.user, **form.cleaned_data):
        return _overtaken(request, topic, one)
    messages.info(request, _("“%s” marks what the topic finds.") % one.name)
    return HttpResponseRedirect(reverse("topic_set_up:themes", args=[topic.pk]), status=303)


def _overtaken(request: Request, topic: Topic, one: Theme) -> HttpResponse:
    """Somebody kept another version: what was typed stays, and keeping it once more puts it in the other's place."""
    now = get_object_or_404(topic.themes, pk=one.pk)
    given = request.POST.copy()
    given["version"] = str(now.version)
    words = _("Somebody changed this theme meanwhile. Keep yours to put it in its place, or reload to see theirs.")
    return _editor(request, topic, now, ThemeForm(now, given), words=words, status=409)


def _editor(
    request: Request,
    topic: Topic,
    one: Theme,
    form: ThemeForm,
    *,
    judged: bool = True,
    words: str = "",
    status: int = 200,
) -> HttpResponse:
    query = str(form["query"].value() or "")
    context = {"topic": topic, "theme": one, "form": form, "judged": judged and form.is_bound, "words": words}
    context |= {"tabs": tabs(topic, "themes"), "days": DAYS, **_reads(request.user, topic, query)}
    return shown(request, "connectors/topic_theme.html", context, status=status)


def _reads(agent: Agent, topic: Topic, query: str) -> dict[str, Any]:
    """How the query is read and what it would mark; or where reading stopped and why."""
    if not query.strip():
        return {}
    try:
        tree = parse(query)
    except QueryError as error:
        return unread(query, error)
    return {"tree": str(tree), "trial": tried(tree, agent, topic, timezone.now())}


@require_POST
@managers_too
def theme_removal(request: Request, pk: int, theme: int) -> HttpResponse:
    get_object_or_404(mine(request.user, pk).themes, pk=theme).remove(request.user)
    return HttpResponseRedirect(reverse("topic_set_up:themes", args=[pk]), status=303)


@managers_too
def exclusions(request: Request, pk: int) -> HttpResponse:
    return _exclusions(request, mine(request.user, pk))


@admins_only
def all_exclusions(request: Request) -> HttpResponse:
    """Those for all topics."""
    return _exclusions(request, None)


def _exclusions(request: Request, topic: Topic | None) -> HttpResponse:
    """What is hidden, and the form for more: “try” says what it would have hidden, “add” keeps it."""
    form = ExclusionForm(request.POST) if request.method == "POST" else ExclusionForm()
    trial, good = None, request.method == "POST" and form.is_valid()
    if good and request.POST.get("do") == "add":
        given = form.cleaned_data["kind"], form.cleaned_data["text"]
        if not excluding.exclude(topic, [given], request.user):
            messages.info(request, _("“%s” is excluded already.") % given[1])
        return HttpResponseRedirect(request.path, status=303)
    if good:
        tree = Hiding.named(form.cleaned_data["kind"]).tree(form.cleaned_data["text"])
        trial = tried(tree, request.user, topic, timezone.now())
    waiting = [topic] if topic else Topic.objects.read_by(request.user).filter(sort_at__isnull=False)
    context: dict[str, Any] = {"topic": topic, "form": form, "trial": trial, "days": DAYS}
    context["rows"] = _rows(request.user, topic)
    context |= {"tabs": tabs(topic, "exclusions") if topic else [], "sorting": waiting}
    status = 422 if request.method == "POST" and not good else 200
    return shown(request, "connectors/topic_exclusions.html", context, status=status)


def _rows(agent: Agent, topic: Topic | None) -> list[dict[str, Any]]:
    """Each exclusion with how many posts of the last days it hides that the agent may read."""
    hidden = TopicMention.objects.hidden().readable_by(agent)
    hidden = hidden.filter(topic__in=[topic] if topic else Topic.objects.read_by(agent))
    recent = hidden.filter(posted_at__gte=window(timezone.now())[0][0])
    counts = dict(recent.values_list("hidden_by").annotate(n=Count("mention", distinct=True)))
    covering = Exclusion.objects.covering(topic) if topic else Exclusion.objects.of(None)
    return [
        {"exclusion": one, "count": counts.get(one.pk, 0), "own": topic is None or one.topic_id is not None}
        for one in covering.select_related("created_by")
    ]


@require_POST
@managers_too
def exclusion_removal(request: Request, exclusion: int) -> HttpResponse:
    """What it hid comes back."""
    one = get_object_or_404(Exclusion.objects.select_related("topic__team"), pk=exclusion)
    if not (request.user.is_admin if one.topic is None else one.topic.may_be_changed_by(request.user)):
        raise Http404
    name, where = ("exclusions", [one.topic_id]) if one.topic_id else ("all_exclusions", [])
    one.remove(request.user)
    messages.info(request, _("What it hid comes back."))
    return HttpResponseRedirect(reverse(f"topic_set_up:{name}", args=where), status=303)

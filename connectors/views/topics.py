"""Set-up of topics: the list, and the editor that checks the query while it is typed and shows what it would find."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Prefetch
from django.http import Http404, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from connectors.base import Connector
from connectors.models import Channel, Exclusion, Topic
from connectors.topics.coverage import listening
from connectors.topics.exclusions import MOST, exclude
from connectors.topics.forms import TopicForm
from connectors.topics.hiding import ByPhrase, HidingError
from connectors.topics.preview import preview
from connectors.topics.query import QueryError, parse_topic
from connectors.topics.sizing import size
from connectors.topics.tree import Tree
from inbox.models import Agent
from inbox.once import once
from inbox.rights import managers_too
from inbox.views.answering import shown
from socialcare.pages import Request, is_number

LIST = "/set-up/topics/"


@require_GET
@managers_too
def topics(request: Request) -> HttpResponse:
    named = Prefetch("channels", Channel.objects.named_to(request.user))
    found = Topic.objects.read_by(request.user).select_related("team").prefetch_related(named)
    rows = [{"topic": topic, "mine": topic.may_be_changed_by(request.user)} for topic in found]
    return shown(request, "connectors/topics.html", {"topics": rows})


@managers_too
@once
def topic(request: Request, pk: int | None = None) -> HttpResponse:
    """The editor. Every button posts the whole form; only “save” keeps anything."""
    one = mine(request.user, pk) if pk else Topic()
    if request.method != "POST":
        form = TopicForm.of(request.user, one) if pk else TopicForm(request.user)
        return _editor(request, one, form)
    verb = request.POST.get("do", "look")
    if verb != "save":
        return _editor(request, one, _draft(request))
    form = TopicForm(request.user, request.POST)
    form.kept = one.pk
    if not form.is_valid():
        return _editor(request, one, form, status=422)
    one.version = form.cleaned_data["version"]
    if not _kept(request, one, form):
        return _overtaken(request, pk, form)
    messages.info(request, _("“%s” listens.") % one.name if one.active else _("“%s” is kept, and off.") % one.name)
    return HttpResponseRedirect(LIST, status=303)


@transaction.atomic
def _kept(request: Request, one: Topic, form: TopicForm) -> bool:
    """The topic, and the words that were chosen to be excluded from it. Channels that are not named to whoever sent the
    form stay chosen."""
    unnamed = one.channels.exclude(pk__in=Channel.objects.named_to(request.user)) if one.pk else ()
    if not one.rewrite(request.user, [*form.cleaned_data["channels"], *unnamed], **form.values()):
        return False
    exclude(one, ((ByPhrase.name, word) for word in _excluded(request)), request.user)
    return True


def mine(agent: Agent, pk: int) -> Topic:
    one = get_object_or_404(Topic.objects.select_related("team"), pk=pk)
    if not one.may_be_changed_by(agent):
        raise Http404
    return one


def _overtaken(request: Request, pk: int | None, form: TopicForm) -> HttpResponse:
    """Somebody kept another version: what was typed stays, and keeping it once more puts it in the other's place."""
    one = get_object_or_404(Topic, pk=pk)
    given = request.POST.copy()
    given["version"] = str(one.version)
    form = TopicForm(request.user, given)
    words = _("Somebody changed this topic meanwhile. Keep yours to put it in its place, or reload to see theirs.")
    return _editor(request, one, form, words=words, status=409)


def _draft(request: Request) -> TopicForm:
    """What was typed, not judged yet."""
    return TopicForm(request.user, initial=_initial(request.POST))


def _excluded(request: Request) -> list[str]:
    """Words that are to be excluded when the topic is kept; a button adds one or takes it back."""
    verb, _colon, pressed = request.POST.get("do", "").partition(":")
    given = [*request.POST.getlist("excluded"), *([pressed] if verb == "exclude" else [])]
    words = []
    for word in given[:MOST]:
        try:
            words.append(ByPhrase.read(word))
        except HidingError:
            continue  # none of ours
    return [word for word in dict.fromkeys(words) if (verb, word) != ("include", pressed)]


def _initial(given: QueryDict) -> dict[str, Any]:
    known = {name: given.get(name, "") for name in ("name", "query", "how", "whose", "team", "version")}
    return {**known, "channels": given.getlist("channels"), "active": "active" in given}


def _editor(request: Request, one: Topic, form: TopicForm, *, words: str = "", status: int = 200) -> HttpResponse:
    query = str(form["query"].value() or "")
    chosen = [int(pk) for pk in form["channels"].value() or () if is_number(str(pk))]
    excluded = _excluded(request) if request.method == "POST" else []
    hides = [each.tree for each in Exclusion.objects.covering(one if one.pk else None) if each.is_known]
    hides += [ByPhrase.tree(word) for word in excluded]
    reads = _reads(request.user, query, chosen, hides, _counted(request))
    context = {"topic": one, "form": form, "words": words, "query": query, "excluded": excluded, **reads}
    context["tabs"] = tabs(one, "topic")
    return shown(request, "connectors/topic.html", context, status=status)


def tabs(topic: Topic, current: str) -> list[dict[str, Any]]:
    """Of the set-up of a topic that is kept."""
    if not topic.pk:
        return []
    pages = (
        ("topic", _("Query"), None),
        ("themes", _("Themes"), topic.themes.count()),
        ("exclusions", _("Exclusions"), topic.exclusions.count()),
    )
    return [
        {
            "url": reverse(f"topic_set_up:{name}", args=[topic.pk]),
            "text": text,
            "count": count,
            "current": name == current,
        }
        for name, text, count in pages
    ]


def _counted(request: Request) -> str:
    """The channel whose network is to say how much it would find; nobody else's page costs money."""
    verb, _colon, pressed = request.POST.get("do", "").partition(":")
    return pressed if request.method == "POST" and verb == "count" else ""


def _reads(agent: Agent, query: str, chosen: list[int], hides: list[Tree], counted: str) -> dict[str, Any]:
    """How the query is read and what it would find; or where reading stopped and why."""
    if not query.strip():
        return {}
    try:
        tree = parse_topic(query)
    except QueryError as error:
        return unread(query, error)
    channels = Channel.objects.named_to(agent).order_by("name")
    covered = channels.filter(pk__in=chosen) if chosen else channels
    now = timezone.now()
    found = preview(tree, agent, chosen, now, hides)
    per_day = found.per_day(now)
    known = covered.filter(network__in=Connector.kinds())
    asked = known.filter(pk=counted) if is_number(counted) else known.none()
    sizes = {channel.pk: size(channel, tree, now) for channel in asked}
    reads = listening(tree, covered, per_day, sizes)
    return {"tree": str(tree), "found": found, "per_day": per_day, "listening": reads}


def unread(query: str, error: QueryError) -> dict[str, Any]:
    """Where reading a query stopped and why."""
    marked = {"before": query[: error.start], "wrong": query[error.start : error.end], "after": query[error.end :]}
    return {"error": error, "marked": marked}


@require_POST
@managers_too
def removal(request: Request, pk: int) -> HttpResponse:
    mine(request.user, pk).remove(request.user)
    return HttpResponseRedirect(LIST, status=303)

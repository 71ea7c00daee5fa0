"""What topics found, for those who may read them: the list of topics, the posts of one, and making a conversation of
a post that was only listed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connectors.models import Channel, Exclusion, Topic, TopicMention
from connectors.topics import rivals
from connectors.topics.counting import counted, counts
from connectors.topics.coverage import listening, whole_since
from connectors.topics.days import DAYS
from connectors.topics.exclusions import restore
from connectors.topics.lines import Line, page_of, page_of_hidden
from connectors.topics.models import TopicQuerySet
from connectors.topics.query import QueryError
from connectors.topics.voice import Heard, voice
from inbox.models import Agent, Conversation, Mention
from inbox.models.conversation import State
from inbox.rights import View
from inbox.views.answering import shown
from socialcare.pages import Request, is_number

SPANS = (7, 28, 90)


def workers_only[**P](view: View[P]) -> View[P]:
    """For everybody who has anything to do with conversations."""

    @wraps(view)
    def guarded(request: Request, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        if not request.user.works:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


@require_GET
@workers_only
def topics(request: Request) -> HttpResponse:
    rows = [{"topic": each, "count": counts(each).shown} for each in _counted(request)]
    return shown(request, "connectors/topic_index.html", {"topics": rows, "days": DAYS}, current="topics")


@require_GET
@workers_only
def share_of_voice(request: Request) -> HttpResponse:
    """Own topics beside those about rivals."""
    given = request.GET.get("days", "")
    days = int(given) if given in map(str, SPANS) else SPANS[1]
    until = timezone.now()
    found = list(Topic.objects.read_by(request.user).listening().order_by("rival", "name"))
    heard = voice(found, request.user, until - timedelta(days=days), until)
    rows = [{"topic": each, "heard": heard.topics.get(each.pk, Heard()), "share": heard.of(each.pk)} for each in found]
    context = {"voice": heard, "rows": rows, "days": days, "spans": SPANS, "since": until - timedelta(days=days)}
    context |= {"until": until, "rivals": any(each.rival for each in found)}
    return shown(request, "connectors/topic_voice.html", context, current="topics")


@require_GET
@workers_only
def posts(request: Request, pk: int) -> HttpResponse:
    """Newest first, alike ones in one line; `alike` shows all of one such line, `theme` what carries it (0: none)."""
    topic = get_object_or_404(_counted(request).with_sorting(), pk=pk)
    alike, theme = _number(request, "alike"), _number(request, "theme")
    themes, found = {each["id"]: each for each in topic.theme_rows}, counts(topic)
    theme = theme if theme == 0 or theme in themes else None
    page = page_of(topic, request.user, request.GET.get("after", ""), alike or None, theme)
    context = {
        "topic": topic,
        "rows": [_row(line, themes) for line in page.lines],
        "older": page.older,
        "alike": alike,
        "theme": theme,
        "themes": [{"theme": each, "count": found.by.get(pk, 0)} for pk, each in themes.items()],
        "counted": found,
        "days": DAYS,
        "first": "after" not in request.GET,
        "mine": topic.may_be_changed_by(request.user),
        "tabs": _tabs(topic, found.hidden, "posts"),
        **_coverage(topic, request.user),
    }
    return shown(request, "connectors/topic_posts.html", context, current="topics")


def _counted(request: Request) -> TopicQuerySet:
    return counted(Topic.objects.read_by(request.user).select_related("team"), request.user, timezone.now())


def _number(request: Request, name: str) -> int | None:
    given = request.GET.get(name, "")
    return int(given) if is_number(given) else None


def _tabs(topic: Topic, hidden: int, current: str) -> list[dict[str, Any]]:
    pages = (("posts", _("Posts"), None), ("excluded", _("Excluded"), hidden))
    return [
        {"url": reverse(f"topics:{name}", args=[topic.pk]), "text": text, "count": count, "current": name == current}
        for name, text, count in pages
    ]


@require_GET
@workers_only
def excluded(request: Request, pk: int | None = None) -> HttpResponse:
    """What exclusions hide of one topic, or of all the reader knows; `by` asks for one of them."""
    topics = Topic.objects.read_by(request.user)
    topic = get_object_or_404(_counted(request).with_sorting(), pk=pk) if pk else None
    by = _number(request, "by")
    known = {each.pk: each for each in Exclusion.objects.covering(topic).order_by("kind", "text")}
    findings = TopicMention.objects.filter(topic__in=[topic] if topic else topics).readable_by(request.user)
    if by in known or topic is None:
        findings = findings.filter(hidden_by__in=[by] if by in known else known)
    rows, older = page_of_hidden(findings, request.GET.get("after", ""))
    context = {
        "topic": topic,
        "rows": [_hidden_row(found, known, request.user) for found in rows],
        "older": older,
        "by": known.get(by or 0),
        "first": "after" not in request.GET,
        "mine": topic is not None and topic.may_be_changed_by(request.user),
        "tabs": _tabs(topic, counts(topic).hidden, "excluded") if topic else [],
    }
    return shown(request, "connectors/topic_excluded.html", context, current="topics")


def _hidden_row(found: TopicMention, known: dict[int, Exclusion], agent: Agent) -> dict[str, Any]:
    mine = found.topic.may_be_changed_by(agent)
    return {**_row(Line(found), {}), "found": found, "by": known.get(found.hidden_by_id or 0), "mine": mine}


@require_POST
@workers_only
def restoration(request: Request, pk: int, mention: int) -> HttpResponse:
    """Shows a post that an exclusion hides."""
    topic = get_object_or_404(Topic.objects.read_by(request.user).select_related("team"), pk=pk)
    if not topic.may_be_changed_by(request.user):
        raise Http404
    readable = topic.found.readable_by(request.user).select_related("mention__conversation", "topic__team")
    if not restore(get_object_or_404(readable, mention=mention), request.user):
        messages.info(request, _("Somebody was faster."))
    return HttpResponseRedirect(reverse("topics:excluded", args=[topic.pk]), status=303)


def _coverage(topic: Topic, agent: Agent) -> dict[str, Any]:
    """From when on the list is complete, channel by channel, of those the agent may know of; nothing for a query that
    cannot be read any more."""
    try:
        heard = listening(topic.tree, Channel.objects.covered_by(topic).named_to(agent))
    except QueryError:
        return {}
    return {"listening": heard, "complete_since": whole_since(heard)}


def _row(line: Line, themes: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    mention = line.found.mention
    gone = mention.state in ("deleted", "withheld")
    heard = mention.conversation.state == State.HEARD
    url = mention.url if mention.url.startswith(("https://", "http://")) and not gone else ""
    return {
        "line": line,
        "themes": [themes[pk] for pk in line.found.themes if pk in themes],
        "mention": mention,
        "gone": gone,
        "heard": heard and not gone,
        "queued": not heard,
        "url": url,
    }


@require_http_methods(["GET", "POST"])
@workers_only
def answer(request: Request, mention: int) -> HttpResponse:
    """The one question before a post about somebody else is answered."""
    readable = Mention.objects.filter(conversation__in=Conversation.objects.visible_to(request.user))
    related = ("identity", "channel", "conversation")
    one = get_object_or_404(readable.select_related(*related).defer("raw"), pk=mention)
    back = f"{reverse('inbox:conversation', args=[one.conversation_id])}#reply-text"
    name = rivals.topic_of(one)
    if request.method == "POST":
        rivals.want(one, request.user)
    if request.method == "POST" or not name:
        return HttpResponseRedirect(back, status=303)
    return shown(request, "connectors/topic_answer.html", {"mention": one, "name": name}, current="topics")


@require_POST
@workers_only
def conversation(request: Request, pk: int, mention: int) -> HttpResponse:
    """Takes a post that was only listed into the queue of its team."""
    topic = get_object_or_404(Topic.objects.read_by(request.user).select_related("team"), pk=pk)
    readable = topic.found.readable_by(request.user)
    found = get_object_or_404(readable.select_related("mention__conversation"), mention=mention)
    one = found.mention.conversation
    why = f"it matters for {topic.called_in(one.team_id)}"
    if one.state == State.HEARD and not one.reopen(request.user, why):
        messages.info(request, _("Somebody was faster."))
    return HttpResponseRedirect(reverse("inbox:conversation", args=[one.pk]), status=303)

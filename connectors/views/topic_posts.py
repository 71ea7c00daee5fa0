"""What topics found, for those who may read them: the list of topics, the posts of one, and making a conversation of
a post that was only listed."""

from __future__ import annotations

from datetime import timedelta
from functools import wraps
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connectors.models import Channel, Topic
from connectors.topics import rivals
from connectors.topics.coverage import listening, whole_since
from connectors.topics.lines import Line, page_of
from connectors.topics.preview import DAYS
from connectors.topics.query import QueryError
from connectors.topics.voice import Heard, voice
from inbox.models import Agent, Conversation, Mention
from inbox.models.conversation import State
from inbox.rights import View
from inbox.views.answering import shown
from socialcare.pages import Request

SPANS = (7, 28, 90)


def workers_only[**P](view: View[P]) -> View[P]:
    """For everybody who has anything to do with conversations."""

    @wraps(view)
    def guarded(request: Request, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        if not request.user.works:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def _found(agent: Agent) -> Q:
    return Q(found__mention__conversation__team__in=agent.readable_team_ids)


@require_GET
@workers_only
def topics(request: Request) -> HttpResponse:
    recent = Q(found__posted_at__gte=timezone.now() - timedelta(days=DAYS))
    mine = Topic.objects.read_by(request.user).select_related("team")
    counted = mine.annotate(recent=Count("found", filter=recent & _found(request.user)))
    return shown(request, "connectors/topic_index.html", {"topics": counted, "days": DAYS}, current="topics")


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
    """Newest first, alike ones in one line; `alike` shows all of one such line."""
    topic = get_object_or_404(Topic.objects.read_by(request.user).select_related("team"), pk=pk)
    given = request.GET.get("alike", "")
    alike = int(given) if given.isdecimal() and len(given) < 19 else None
    page = page_of(topic, request.user, request.GET.get("after", ""), alike)
    context = {
        "topic": topic,
        "rows": [_row(line) for line in page.lines],
        "older": page.older,
        "alike": alike,
        "first": "after" not in request.GET,
        "mine": topic.may_be_changed_by(request.user),
        **_coverage(topic),
    }
    return shown(request, "connectors/topic_posts.html", context, current="topics")


def _coverage(topic: Topic) -> dict[str, Any]:
    """From when on the list is complete, channel by channel; nothing for a query that cannot be read any more."""
    try:
        heard = listening(topic.tree, Channel.objects.covered_by(topic))
    except QueryError:
        return {}
    return {"listening": heard, "complete_since": whole_since(heard)}


def _row(line: Line) -> dict[str, Any]:
    mention = line.found.mention
    gone = mention.state in ("deleted", "withheld")
    heard = mention.conversation.state == State.HEARD
    url = mention.url if mention.url.startswith(("https://", "http://")) and not gone else ""
    return {
        "line": line,
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
    topic = get_object_or_404(Topic.objects.read_by(request.user), pk=pk)
    readable = topic.found.filter(mention__conversation__team__in=request.user.readable_team_ids)
    found = get_object_or_404(readable.select_related("mention__conversation"), mention=mention)
    one = found.mention.conversation
    if one.state == State.HEARD and not one.reopen(request.user, f"it matters for the topic “{topic.name}”"):
        messages.info(request, _("Somebody was faster."))
    return HttpResponseRedirect(reverse("inbox:conversation", args=[one.pk]), status=303)

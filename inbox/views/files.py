"""Files of an answer: into the draft, described, taken out again, and shown to those only who may read the
conversation. A draft's files are its author's alone. A network that is to show one may fetch it, while the answer is on
its way, by an address that only it was given."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_safe

from inbox.attaching import Attaching
from inbox.files import Unfit
from inbox.models import Attachment, Conversation, Event
from inbox.views.answering import act, conversation_or_404, shown
from socialcare.pages import Request

DAY = 86_400
KINDS = ("reply", "private")


def attaching(request: Request, conversation: Conversation, kind: str) -> Attaching:
    if kind not in KINDS:
        raise Http404
    mine = list(Attachment.objects.drafted(request.user, conversation, kind).light())
    return Attaching(conversation, conversation.last_inbound(), kind, mine)


@require_http_methods(["GET", "POST"])
def files(request: Request, pk: int) -> HttpResponse:
    """The files of the reader's draft; by POST another one is added."""
    conversation = conversation_or_404(request, pk)
    if request.method == "GET":
        return _items(request, attaching(request, conversation, request.GET.get("kind", "")))
    draft = attaching(request, conversation, request.POST.get("kind", ""))
    try:
        added = [draft.add(request.user, given) for given in request.FILES.getlist("new")]
    except Unfit as unfit:
        return HttpResponse(str(unfit), status=422, content_type="text/plain; charset=utf-8")
    now = attaching(request, conversation, draft.kind)
    return _items(request, now, only={one.pk for one in added})


def _items(request: Request, draft: Attaching, only: set[int] | None = None) -> HttpResponse:
    context: dict[str, Any] = {"attaching": draft}
    context["files"] = [one for one in draft.files if only is None or one.pk in only]
    return shown(request, "inbox/files.html", context, part="items")


def file(request: Request, pk: int, key: UUID) -> HttpResponse:
    """The bytes, or by POST what the file is described as."""
    conversation = conversation_or_404(request, pk)
    readable = Attachment.objects.filter(Q(reply__isnull=False) | Q(agent=request.user), conversation=conversation)
    one = get_object_or_404(readable if request.method == "GET" else readable.light(), key=key)
    kept = Event.objects.kept_from(request.user, conversation, "reply_queued")
    if one.reply_id and kept.filter(payload__reply=one.reply_id).exists():
        raise Http404
    if request.method == "GET":
        return _bytes(one)
    if request.method != "POST" or not one.describe(request.POST.get("description", "")):
        raise Http404
    return HttpResponse(status=204)


@login_not_required
@require_safe
def lent(request: Request, token: str) -> HttpResponse:
    """A file of an answer that is on its way, for the network that is to show it."""
    return _bytes(get_object_or_404(Attachment.objects.lent(token)), kept="no-store")


def _bytes(one: Attachment, kept: str = f"private, max-age={DAY}, immutable") -> HttpResponse:
    disposition = content_disposition_header(not one.is_shown, one.name)
    return HttpResponse(
        bytes(one.body),
        content_type=one.content_type,
        headers={
            "Cache-Control": kept,
            "Content-Disposition": disposition or "attachment",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )


@act
def removal(request: Request, conversation: Conversation, key: UUID) -> HttpResponse:
    """Takes a file out of the draft; what the network says to the rest comes back."""
    one = get_object_or_404(Attachment.objects.drafted(request.user, conversation).light(), key=key)
    one.remove()
    return _items(request, attaching(request, conversation, one.kind), only=set())

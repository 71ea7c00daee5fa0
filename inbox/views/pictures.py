"""Pictures of posts, from our own copies only and for those only who may read the conversation."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from inbox import ringing
from inbox.models import Mention, Picture
from inbox.models.picture import picture_url, version_of
from inbox.views.answering import conversation_or_404
from socialcare.pages import Request

DAY = 86_400
SOON = 1  # seconds after which a browser asks again


@require_safe
def picture(request: Request, pk: int, mention: int, place: int) -> HttpResponse:
    """The copy; 503 while it is being fetched, 404 when there is none to be had."""
    conversation = conversation_or_404(request, pk)
    meant = get_object_or_404(Mention.objects.only("media"), conversation=conversation, pk=mention)
    source = picture_url(meant.media, place)
    if not source:
        raise Http404
    copy, wanted = Picture.objects.get_or_create(mention=meant, place=place, defaults={"source": source})
    if copy.want(source) or wanted:
        ringing.task("connectors.tasks.fetch_pictures")
    if copy.state in ("refused", "resting"):
        raise Http404
    if copy.state != "ready":
        return HttpResponse(status=503, headers={"Retry-After": str(SOON), "Cache-Control": "no-store"})
    lasting = request.GET.get("v") == version_of(source)
    return HttpResponse(
        bytes(copy.body),
        content_type="image/webp",
        headers={
            "Cache-Control": f"private, max-age={DAY}, immutable" if lasting else "private, no-cache",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )

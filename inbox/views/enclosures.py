"""Films, sounds and files that stand with a post, from our own copies only and for those only who may read the
conversation. What browsers can play is played on a page of ours; everything else is handed out to be saved."""

from __future__ import annotations

import re

from django.db.models import BinaryField, F, Func
from django.db.models.functions import Length
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from inbox import ringing
from inbox.entries import media_of
from inbox.models import Enclosure, Mention
from inbox.models.enclosure import ADDRESSES, enclosure_of
from inbox.views.answering import conversation_or_404
from socialcare.pages import Request

PIECE = 1_000_000  # bytes of one answer to a player
AGAIN = 1  # seconds after which the page looks again
_SAID = re.compile(r" \([^()]*\)$")
_RANGE = re.compile(r"bytes=(\d{0,12})-(\d{0,12})")


def _wanted(request: Request, pk: int, mention: int, place: int) -> tuple[Mention, str]:
    conversation = conversation_or_404(request, pk)
    rows = Mention.objects.only("media", "url", "conversation_id")
    meant = get_object_or_404(rows.exclude(state="deleted"), conversation=conversation, pk=mention)
    source = enclosure_of(meant.media, place)
    if not source:
        raise Http404
    return meant, source


@require_safe
def enclosure(request: Request, pk: int, mention: int, place: int) -> HttpResponse:
    """The page of one: it waits while a worker fetches the file, and then plays it or offers to save it."""
    meant, source = _wanted(request, pk, mention, place)
    light = Enclosure.objects.defer("body")
    copy, wanted = light.get_or_create(mention=meant, place=place, defaults={"source": source})
    wanted = copy.want(source) or wanted
    Enclosure.objects.filter(pk=copy.pk).update(wanted_at=timezone.now())  # kept a week from the last look
    if wanted:
        ringing.task("connectors.tasks.fetch_enclosures")
    there = source if source.startswith(ADDRESSES) else meant.url
    answer = render(request, "inbox/enclosure.html", {
        "copy": copy,
        "medium": media_of(meant)[place],
        "page": request.path,
        "file": reverse("inbox:enclosure_file", args=[pk, mention, place]),
        "back": reverse("inbox:conversation", args=[pk]),
        "there": there,
    })  # fmt: skip
    answer["Cache-Control"] = "no-store"
    if copy.state in ("due", "fetching"):
        answer["Refresh"] = str(AGAIN)
    return answer


@require_safe
def content(request: Request, pk: int, mention: int, place: int) -> HttpResponse:
    """The bytes: what a player asks for piece by piece, or the whole file to be saved."""
    meant, source = _wanted(request, pk, mention, place)
    ready = Enclosure.objects.filter(mention=meant, place=place, source=source, state="ready")
    found = ready.values_list("type", Length("body")).first()
    if found is None:
        raise Http404
    kind, size = found
    asked = _asked(request.headers.get("Range", ""), size) if kind else None
    first, last = asked or (0, size - 1)
    if first > last:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    piece = Func(F("body"), first + 1, last - first + 1, function="substring", output_field=BinaryField())
    body = ready.values_list(piece, flat=True).get()
    answer = HttpResponse(bytes(body), content_type=kind or "application/octet-stream")
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer["X-Content-Type-Options"], answer["Cache-Control"] = "nosniff", "private, no-cache"
    if not kind:
        answer["Content-Disposition"] = content_disposition_header(True, _name(meant, place)) or "attachment"
        return answer
    answer["Accept-Ranges"] = "bytes"
    if asked:
        answer.status_code = 206
        answer["Content-Range"] = f"bytes {first}-{last}/{size}"
    return answer


def _name(mention: Mention, place: int) -> str:
    """What the file is saved as: its name without what is said of its kind and size."""
    return _SAID.sub("", str(media_of(mention)[place]["name"]))[:150]


def _asked(said: str, size: int) -> tuple[int, int] | None:
    """First and last byte of what a player asks for, a piece at most; None where it asks for none, or for several."""
    met = _RANGE.fullmatch(said.strip())
    if not met or met[0] == "bytes=-":
        return None
    if not met[1]:  # so many of its last bytes
        first, last = max(0, size - int(met[2])), size - 1
    else:
        first, last = int(met[1]), min(int(met[2]) if met[2] else size - 1, size - 1)
    return first, min(last, first + PIECE - 1)

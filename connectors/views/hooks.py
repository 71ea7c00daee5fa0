"""The door for webhooks: what is well signed is stored and committed before it is answered; it is worked off later,
like a page of posts."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from connectors import withdrawing
from connectors.base import Accepted, Challenge, Fault, Incoming
from connectors.connecting import read_soon
from connectors.deliveries import Withdrawn
from connectors.models import Channel, Delivery
from connectors.opening import opened
from inbox.models.reply import Clock

LARGEST = 2**20


@csrf_exempt
@login_not_required
def hook(request: HttpRequest, path: str) -> HttpResponse:
    """One delivery to the channel whose secret path this is; unknown paths are a 404 like any other."""
    channel = Channel.objects.filter(path=path).first()
    if channel is None:
        raise Http404
    try:
        body = request.body
    except (RequestDataTooBig, UnreadablePostError):
        return _refused(413, "A delivery has at most 1 MB.")
    if len(body) > LARGEST:
        return _refused(413, "A delivery has at most 1 MB.")
    return _judged(channel, _incoming(request, body), timezone.now())


@require_safe
@login_not_required
def deletion(request: HttpRequest, code: str) -> HttpResponse:
    """What became of a request to delete, for whoever has its confirmation code."""
    found = withdrawing.carried_out(code)
    context = {"deleted": 0, "own": False, **found.answer, "at": found.at, "code": code} if found else {}
    return render(request, "connectors/deletion.html", context, status=200 if found else 404)


def _incoming(request: HttpRequest, body: bytes) -> Incoming:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Incoming(request.method or "", headers, body, {name: str(request.GET[name]) for name in request.GET})


def _judged(channel: Channel, incoming: Incoming, now: datetime) -> HttpResponse:
    try:
        verdict = opened(channel).receive(incoming, now)
    except Fault:
        return _refused(503, "This channel cannot check signatures at the moment.")
    if isinstance(verdict, Challenge):
        return HttpResponse(verdict.body, content_type=verdict.content_type)
    if not isinstance(verdict, Accepted):
        return _refused(verdict.status, verdict.reason)
    if isinstance(verdict, Withdrawn):
        return JsonResponse(withdrawing.withdraw(channel, verdict), status=verdict.status)
    try:
        text = incoming.body.decode()
    except UnicodeDecodeError:
        return _refused(400, "The body is not UTF-8.")
    if "\0" in text:
        return _refused(400, "The body holds a NUL character.")
    return JsonResponse(_kept(channel, verdict, text), status=verdict.status)


@transaction.atomic
def _kept(channel: Channel, accepted: Accepted, text: str) -> object:
    """The row is unique, by its name and by its proof, so a repeat stores nothing and gets the first answer: who caught
    a delivery on its way could else have it taken again under another name, and put old words over newer ones."""
    named, proven = {"delivery_id": accepted.delivery}, {"proof": accepted.proof}
    fresh = Delivery(channel=channel, **named, **proven, body=text, answer=accepted.answer)
    Delivery.objects.bulk_create([fresh], ignore_conflicts=True)
    Channel.objects.filter(pk=channel.pk).update(next_poll_at=Clock())
    read_soon()
    known = Delivery.objects.filter(channel=channel)
    first = known.filter(**proven).first() if accepted.proof else None
    return (first or known.get(**named)).answer


def _refused(status: int, reason: str) -> HttpResponse:
    return JsonResponse({"error": reason}, status=status)

"""A form that makes something makes it once, however often its button is pressed. Django writes a token into a form
that is another one each time a page is made, so the same form sent twice is told from two forms that say the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Concatenate

from django.core.cache import cache
from django.db import transaction
from django.http import HttpResponseBase, HttpResponseRedirect

from socialcare.pages import Request

TOKEN = "csrfmiddlewaretoken"  # noqa: S105 - the name of a field
KEPT = 3600  # seconds for which a form is known

type View[**P] = Callable[Concatenate[Request, P], HttpResponseBase]


def once[**P](view: View[P]) -> View[P]:
    """For views that answer with a redirect when they have made something. What they make and the mark that the form
    was taken are one transaction: the second press waits for the first one's end and is sent where that went, or does
    the work itself when nothing came of the first. A view with several buttons keeps only by “save”."""

    @wraps(view)
    def guarded(request: Request, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        keeps = request.method == "POST" and request.POST.get("do", "save") == "save"
        if not keeps or TOKEN not in request.POST:
            return view(request, *args, **kwargs)
        with transaction.atomic():
            name = form_sent(request)
            if not cache.add(name, request.get_full_path(), KEPT):
                return HttpResponseRedirect(cache.get(name) or request.get_full_path(), status=303)
            answer = view(request, *args, **kwargs)
            if isinstance(answer, HttpResponseRedirect):
                cache.set(name, answer.url, KEPT)
            else:
                cache.delete(name)
            return answer

    return guarded


def form_sent(request: Request) -> str:
    """Its name: the same one for every press of the same form, by the same person."""
    said = json.dumps([request.user.pk, request.get_full_path(), sorted(request.POST.lists())])
    return f"once:{hashlib.sha256(said.encode()).hexdigest()}"

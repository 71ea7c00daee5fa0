"""How a view answers: a whole page or the part that was asked for, with the headers every answer carries."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import BadRequest, DisallowedHost
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.functional import lazy

if TYPE_CHECKING:
    from inbox.models import Agent


class Request(HttpRequest):
    """A request behind the login: its user is an agent."""

    if TYPE_CHECKING:
        user: Agent


def is_number(text: str) -> bool:
    """Whether this is the number of a row: digits that every column of ours holds. Python refuses to read longer ones
    with an error of its own."""
    return text.isascii() and text.isdigit() and len(text) < 19


@lru_cache(maxsize=1_000)
def address(name: str, *parts: str) -> str:
    """Where a page is that many pages name, such as a view; what there are many of has no place here."""
    return reverse(name, args=parts)


def page(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, part: str = "", status: int = 200
) -> HttpResponse:
    """Renders the template, or its partial `part`. htmx gets the whole page and selects what it needs, so that a
    history restore, a reload and a swap are the same answer."""
    response = render(request, f"{template}#{part}" if part else template, context or {}, status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target", "Cookie"])
    return response


class PlainInput:
    """What stands in an address or a form, before a view looks at it. A line ends with one LF, as the box showed and
    counted it: browsers send CR LF. No text column takes a NUL and nobody types one: where one is, nothing else is
    looked at. What a view reads as bytes, a delivery or an uploaded file, it judges itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("a NUL in the address")
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., Any], _args: Any, _given: Any) -> None:
        """After the check of the form's token, which has read the form already."""
        if request.method != "POST" or getattr(view, "csrf_exempt", False):
            return
        parts = [part for name, values in request.POST.lists() for part in (name, *values)]
        for name, files in request.FILES.lists():
            parts += [name, *(str(file.name) for file in files)]
        if any("\0" in str(part) for part in parts):
            raise BadRequest("a NUL in the form")
        if any("\r" in str(part) for part in parts):
            request.POST = _with_plain_breaks(request.POST)  # type: ignore[assignment]


def _with_plain_breaks(form: QueryDict) -> QueryDict:
    plain = QueryDict(mutable=True, encoding=form.encoding)
    for name, values in form.lists():
        plain.setlist(name, [str(value).replace("\r\n", "\n").replace("\r", "\n") for value in values])
    plain._mutable = False
    return plain


def unreadable(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page of what cannot be read; under a name that is not ours, the way to where this installation is. Without
    context processors: they may be what the request broke."""
    elsewhere = settings.PUBLIC_URL if isinstance(exception, DisallowedHost) else ""
    return HttpResponse(render_to_string("400.html", {"elsewhere": elsewhere}), status=400)


class ResponseHeaders:
    """No shared cache keeps a signed-in page; no browser feature is open; no other site may embed what we answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("X-Build", settings.VERSION)
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response


KEPT = 30  # seconds


def _read() -> str:
    from socialcare.models import Organisation

    return Organisation.objects.values_list("name", flat=True).first() or "Socialcare"


@lru_cache(maxsize=1)
def _organisation(_half_minute: int) -> str:
    return _read()


def organisation() -> str:
    """The name of the house; each process reads it again twice a minute. Until the set-up is finished nothing is kept:
    the first page after it bears the name that was just given."""
    from socialcare.first_run import Progress

    return _organisation(int(time.monotonic() / KEPT)) if Progress.known else _read()


_named = lazy(organisation, str)  # once: it makes a class


def frame(request: HttpRequest) -> dict[str, Any]:
    """What base.html needs beside the page's own context."""
    return {
        "version": settings.VERSION,
        "public_url": settings.PUBLIC_URL,
        "organisation": _named(),
        "bundled": settings.BUNDLED,
    }

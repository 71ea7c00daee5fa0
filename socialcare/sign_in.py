"""Who has no login: a page is sent to the sign-in; what a living page asks gets a plain 401, which its scripts
understand, instead of the sign-in page as if it were the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase


class SignInRequired(LoginRequiredMiddleware):
    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponseBase:
        asked_by_script = request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate"
        if "HX-Request" in request.headers or asked_by_script:
            return HttpResponse("You are signed out.", status=401, content_type="text/plain")
        return super().handle_no_permission(request, view_func)

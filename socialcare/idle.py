"""Who does nothing for two hours is signed out: a desk left open in a shared room is nobody's any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth import SESSION_KEY, logout
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse

LONGEST, WRITTEN = 2 * 3600, 300  # seconds; the time of the last use is written this often at most
USED = "used_at"
BY_ITSELF = ("/counts/", "/presence/")  # what an open page asks without anybody at it, besides `since`


class SignOutIdle:
    """Costs a write every five minutes at most; the session is read for the sign-in anyway."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if SESSION_KEY in request.session:
            now = int(time.time())
            used = request.session.get(USED)
            if used is not None and not is_in_use(request.session, now):
                logout(request)
            elif used is None or (now - used > WRITTEN and _by_a_person(request)):
                request.session[USED] = now
        return self.get_response(request)


def is_in_use(session: Mapping[str, Any] | SessionBase, now: int) -> bool:
    """Whether somebody was at it within the last two hours, as far as that is noted."""
    used = session.get(USED)
    return used is not None and now - used <= LONGEST


def _by_a_person(request: HttpRequest) -> bool:
    return "since" not in request.GET and not request.path.endswith(BY_ITSELF)

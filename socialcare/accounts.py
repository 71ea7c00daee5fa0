"""How people sign in: by e-mail and password; nobody signs up, an admin invites."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse

from inbox.models import Agent

SEEN = ("account/messages/logged_in.txt", "account/messages/logged_out.txt")


def absent(request: HttpRequest, key: str = "") -> HttpResponse:
    """A page of the sign-in library that this program does not use."""
    raise Http404


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    @transaction.atomic
    def set_password(self, user: Agent, password: str) -> None:
        """A password changed or reset ends what was opened with the old one: pages and sockets too."""
        super().set_password(user, password)
        user.rights_changed(user)

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *told: Any, **more: Any
    ) -> None:
        """That one is signed in or out is plain to see; the words would wait for the first page that shows any."""
        if message_template not in SEEN:
            super().add_message(request, level, message_template, *told, **more)

    def get_login_redirect_url(self, request: HttpRequest) -> Any:
        return "/"

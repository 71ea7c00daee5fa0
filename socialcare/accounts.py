"""How people sign in: by e-mail and password; nobody signs up, an admin invites. Whoever asks chooses the Host of a
request, within ALLOWED_HOSTS with any port: no limit and no mail depends on it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from inbox.models import Agent

SEEN = ("account/messages/logged_in.txt", "account/messages/logged_out.txt")


def absent(request: HttpRequest, key: str = "") -> HttpResponse:
    """A page of the sign-in library that this program does not use."""
    raise Http404


def site() -> SimpleNamespace:
    """What mails name and lead to: PUBLIC_URL."""
    place = urlsplit(settings.PUBLIC_URL).netloc
    return SimpleNamespace(name=place, domain=place)


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """An account is one account for the limit, under whatever name and port it is asked for."""
        return str(credentials.get("email", "")).strip().lower()

    def get_reset_password_from_key_url(self, key: str) -> str:
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return settings.PUBLIC_URL + path.replace("UID-KEY", key)

    def format_email_subject(self, subject: str) -> str:
        return f"[{site().name}] {subject}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        super().send_mail(template_prefix, email, {**context, "current_site": site()})

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

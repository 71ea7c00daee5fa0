"""The first minutes of an installation: the link that opens the wizard, and the door that leads everybody there until
the set-up is finished. The wizard's pages are in socialcare/wizard.py."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone

from inbox.models import Agent
from socialcare.models import Organisation, digest

OPEN = ("/static/", "/livez", "/readyz", "/first-run/", "/hooks/", "/favicon.ico", "/me.css")
SESSION = "first_run"


class Progress:
    """Whether the set-up is finished, remembered by this process once it is, so that it costs no query any more."""

    known = False

    @classmethod
    def is_finished(cls) -> bool:
        """Finished once an admin exists, unless the wizard was begun and not ended."""
        if not cls.known:
            has_admin = Agent.objects.filter(is_admin=True).exists()
            cls.known = has_admin and not Organisation.objects.filter(finished_at=None).exists()
        return cls.known


def link() -> str | None:
    """A new link to the wizard, which ends the one before it; None once there is an admin. Only a digest is kept."""
    if Agent.objects.filter(is_admin=True).exists():
        return None
    token = secrets.token_urlsafe(24)
    Organisation.objects.update_or_create(pk=1, defaults={"link_digest": digest(token)})
    return f"{settings.PUBLIC_URL}/first-run/open/{token}/"


def finish(name: str = "", zone: str = "") -> None:
    """The set-up is over: the desk opens for everybody."""
    given = {key: value for key, value in (("name", name), ("zone", zone)) if value}
    Organisation.objects.update_or_create(pk=1, defaults={**given, "link_digest": "", "finished_at": timezone.now()})


def holds_link(request: HttpRequest) -> bool:
    """Whether this browser opened the newest link, and there is no admin yet who would have to sign in instead."""
    held = request.session.get(SESSION)
    if not held or Agent.objects.filter(is_admin=True).exists():
        return False
    return Organisation.objects.filter(link_digest=held).exists()


class SendToWizard:
    """Until the set-up is finished, every page says where it goes on; signed-in admins are taken there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if Progress.known or request.path.startswith(OPEN) or Progress.is_finished():
            return self.get_response(request)
        has_admin = Agent.objects.filter(is_admin=True).exists()
        if has_admin and request.path.startswith("/account/"):
            return self.get_response(request)
        if request.user.is_authenticated and request.user.is_admin:
            return HttpResponseRedirect("/first-run/")
        return render(request, "first_run/wait.html", {"has_admin": has_admin}, status=503)

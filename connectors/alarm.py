"""What an admin must not overlook, on every page: a channel that stands still until somebody connects it again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from connectors.access import ending, ends_in_words
from connectors.models import Channel

SOON = timedelta(days=7)  # before access ends; until then the notice is enough


def banner(request: HttpRequest) -> dict[str, Any]:
    """`banner` for parts/banner.html. Asked for only where a page has a place for it, and by nobody but admins."""
    return {"banner": SimpleLazyObject(lambda: _banner(request))}


def _banner(request: HttpRequest) -> dict[str, Any] | None:
    if not getattr(getattr(request, "user", None), "is_admin", False):
        return None
    now = timezone.now()
    broken = list(Channel.objects.filter(paused=False, state__in=Channel.NEEDS_A_PERSON).order_by("fault_since", "pk"))
    return _of("danger", broken, now) or _of("warn", list(ending(now).filter(access_until__lte=now + SOON)), now)


def _of(mood: str, channels: list[Channel], now: datetime) -> dict[str, Any] | None:
    if not channels:
        return None
    first = channels[0]
    words = first.fault_words if mood == "danger" else ends_in_words(first, now)
    return {
        "mood": mood,
        "text": _("%(name)s: %(words)s") % {"name": first.name, "words": words},
        "action": {"url": f"/set-up/channels/{first.pk}/secrets/", "text": _("Connect again")},
        "more": len(channels) - 1,
    }

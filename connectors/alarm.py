"""What an admin must not overlook, on every page: a channel that stands still until somebody connects it again."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from connectors.access import ending, ends_in_words
from connectors.models import Channel

SOON = timedelta(days=7)  # before access ends; until then the notice is enough
KEPT = 5  # seconds


def banner(request: HttpRequest) -> dict[str, Any]:
    """`banner` for parts/banner.html. Asked for only where a page has a place for it, and by nobody but admins."""
    return {"banner": SimpleLazyObject(lambda: _banner(request))}


def _banner(request: HttpRequest) -> dict[str, Any] | None:
    if not getattr(getattr(request, "user", None), "is_admin", False):
        return None
    return None if is_calm(int(time.monotonic() / KEPT)) else standing()


def standing() -> dict[str, Any] | None:
    """The banner as things stand now. Its `key` tells one trouble from another."""
    now = timezone.now()
    channels = list(_concerned(now))
    if channels:
        is_calm.cache_clear()
    broken = [channel for channel in channels if channel.state in Channel.NEEDS_A_PERSON]
    return _of("danger", broken, now) or _of("warn", channels, now)


@lru_cache(maxsize=1)
def is_calm(_moment: int) -> bool:
    """Whether there is nothing to say, which each process believes for some seconds. A trouble that is there is read
    for every page, so that it is gone with its cause."""
    return not _concerned(timezone.now()).exists()


def _concerned(now: datetime) -> QuerySet[Channel]:
    broken = Q(paused=False, state__in=Channel.NEEDS_A_PERSON)
    soon = Q(pk__in=ending(now).filter(access_until__lte=now + SOON).order_by().values("pk"))
    return Channel.objects.filter(broken | soon).order_by("fault_since", "name", "pk")


def _key(mood: str, channels: list[Channel]) -> str:
    """Another one as soon as a channel, its fault or the time of it is another."""
    troubles = [
        (each.pk, each.fault, each.fault_since) if mood == "danger" else (each.pk, each.access_until)
        for each in channels
    ]
    return f"{mood}-{blake2b(repr(troubles).encode(), digest_size=6).hexdigest()}"


def _of(mood: str, channels: list[Channel], now: datetime) -> dict[str, Any] | None:
    if not channels:
        return None
    first = channels[0]
    words = first.fault_words if mood == "danger" else ends_in_words(first, now)
    return {
        "key": _key(mood, channels),
        "mood": mood,
        "text": _("%(name)s: %(words)s") % {"name": first.name, "words": words},
        "action": {"url": f"/set-up/channels/{first.pk}/secrets/", "text": _("Connect again")},
        "more": len(channels) - 1,
    }

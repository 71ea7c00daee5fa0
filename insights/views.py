"""The health page, and the two questions machines ask without signing in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from connectors import health as channel_health
from inbox.rights import admins_only, may_read_figures
from inbox.views.answering import shown
from insights import standing
from insights.health import figures
from socialcare.pages import Request


@require_safe
@admins_only
def health(request: Request) -> HttpResponse:
    now = timezone.now()
    channels = channel_health.of_all(now)
    late = channel_health.lateness([one.channel for one in channels], now, request.user)
    rows = [{"one": one, "late": late[one.channel.pk], "costs": channel_health.costs(one, now)} for one in channels]
    return shown(request, "insights/health.html", {"health": figures(now), "channels": rows})


@require_safe
def reports(request: Request) -> HttpResponse:
    """Where the work stands, for readers of figures, managers and admins."""
    lines = standing.lines(request.user, timezone.now()) if may_read_figures(request.user) else []
    if not lines:
        raise Http404
    totals = {
        name: sum(getattr(line, name) for line in lines) for name in ("open", "ours", "free", "snoozed", "failed")
    }
    oldest = max((line.oldest for line in lines if line.oldest is not None), default=None)
    context = {"lines": lines, "totals": totals, "oldest": oldest}
    return shown(request, "insights/reports.html", context, current="reports")


@require_safe
@login_not_required
def livez(request: HttpRequest) -> HttpResponse:
    """This process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@login_not_required
def readyz(request: HttpRequest) -> HttpResponse:
    """It can work: the database answers. Nothing else is said."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return HttpResponse("not ok\n", content_type="text/plain", status=503)
    return HttpResponse("ok\n", content_type="text/plain")

"""Search: everything that was ever said, for those who may read it. The address holds the whole question."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from inbox.searching.page import SearchPage
from inbox.views.answering import is_alive, shown, zone_of
from socialcare.pages import Request


@require_safe
def search(request: Request) -> HttpResponse:
    """The page; for a page that is alive what was found, or the next rows of it."""
    if not request.user.readable_teams:
        raise Http404
    with timezone.override(zone_of(request.user)):
        page = SearchPage(request.GET, request.user)
        try:
            found = page.found
        except ValueError as error:
            raise Http404 from error
        context = {"search": page, "found": found}
        if is_alive(request) and "after" in request.GET:
            return shown(request, "inbox/search.html", context, part="more")
        if request.headers.get("HX-Target", "").endswith("search-found"):
            response = shown(request, "inbox/search.html", context, part="found")
            response["HX-Replace-Url"] = page.address()
            return response
        return shown(request, "inbox/search.html", context, current="search")

"""What is answered while the database is away, as during its restart: not now, but in a moment. That is no fault of a
page and needs no stack trace; every other failure keeps its own page and trace."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views.defaults import server_error

AGAIN_IN = 5  # seconds; what dies is started again sooner
# SQLSTATE of servers that end, begin or are full: https://www.postgresql.org/docs/current/errcodes-appendix.html
ENDING = frozenset(("57P01", "57P02", "57P03", "57P05", "53300"))


def is_away(error: BaseException | None) -> bool:
    """Whether no connection could be had or the one there was broke. A statement that took too long is not that."""
    if isinstance(error, InterfaceError):
        return True
    code = getattr(error.__cause__, "pgcode", None) if isinstance(error, OperationalError) else "not of a database"
    return code is None or code in ENDING or code.startswith("08")


def failed(request: HttpRequest) -> HttpResponse:
    """Django calls this for every exception that nobody caught, with the exception at hand."""
    if not is_away(sys.exc_info()[1]):
        return server_error(request)
    page = loader.get_template("503.html").render()
    return HttpResponse(page, status=503, headers={"Retry-After": str(AGAIN_IN)})

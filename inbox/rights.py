"""Who may open a set-up page. Absent and forbidden look alike: both are a 404."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate

from django.http import Http404, HttpResponseBase

from socialcare.pages import Request

if TYPE_CHECKING:
    from inbox.models import Agent

type View[**P] = Callable[Concatenate[Request, P], HttpResponseBase]


def admins_only[**P](view: View[P]) -> View[P]:
    @wraps(view)
    def guarded(request: Request, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not (request.user.is_active and request.user.is_admin):
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def may_read_figures(agent: Agent) -> bool:
    """Readers, managers and admins; of which teams is up to the view's queries."""
    return agent.is_active and (agent.is_reader or agent.manages_any)


def managers_too[**P](view: View[P]) -> View[P]:
    """Admins, and managers of any team; what a manager sees and changes there is up to the view's queries."""

    @wraps(view)
    def guarded(request: Request, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not (request.user.is_active and request.user.manages_any):
            raise Http404
        return view(request, *args, **kwargs)

    return guarded

"""The door for the question after a bell, `GET /views/…/?since=…`, which every open page asks: all who ask while others
are answered are answered together, without a handler, a middleware or a statement for each. It answers only what is
plain; whatever is unusual in a request, and whatever goes wrong, goes on to Django, which answers the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

import structlog
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, parse_cookie
from django.http.request import split_domain_port, validate_host
from django.urls import reverse
from django.utils import translation
from django.utils.module_loading import import_string

from inbox import desk
from inbox.changes import Answer, Lack, answers, numbers_of
from inbox.models import Agent
from inbox.pane import team_named
from inbox.queue import Queue
from socialcare.away import is_away
from socialcare.first_run import Progress
from socialcare.signed_in import readers

log = structlog.get_logger(__name__)
PATIENCE = 3.0  # seconds; who waited longer is answered by Django
MOST = 100  # answered at once
PLAIN = frozenset(("since", "held", "order"))
FRAME = (  # of settings.MIDDLEWARE, those that put the same on every answer
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "socialcare.pages.ResponseHeaders",
    "django.middleware.locale.LocaleMiddleware",
)
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Question:
    """A request as far as its answer depends on it."""

    session: str
    slug: str
    since: str
    held: int
    order: str
    languages: tuple[str, str]  # that the browser asks for, and that a cookie names
    secure: bool


@dataclass(frozen=True)
class Said:
    """An answer as it is sent."""

    status: int
    headers: Headers
    body: bytes


class Asking:
    """Stands before the application that answers everything else. `answered` is told what one answer cost."""

    def __init__(self, application: Any, answered: Callable[[float], None]) -> None:
        self.application, self.answered = application, answered
        self._waiting: list[tuple[Question, asyncio.Future[Said | None]]] = []
        self._working: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "asking")
        for kept in (frame, _is_our_name):
            kept.cache_clear()  # they were made with the settings of another door

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        question = read(scope)
        said = await self._ask(question) if question else None
        if said is None:
            await self.application(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": said.status, "headers": said.headers})
        await send({"type": "http.response.body", "body": said.body})

    async def _ask(self, question: Question) -> Said | None:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Said | None] = loop.create_future()
        self._waiting.append((question, answer))
        late = loop.call_later(PATIENCE, _settle, answer, None)
        if self._working is None or self._working.done():
            self._working = loop.create_task(self._work())
        said = await answer
        late.cancel()
        return said

    async def _work(self) -> None:
        """Answers all who wait, and those who came meanwhile, until nobody waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            some, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            said = await loop.run_in_executor(self._thread, self._answer, [question for question, _ in some])
            for (_, answer), one in zip(some, said, strict=True):
                _settle(answer, one)

    def _answer(self, questions: list[Question]) -> Sequence[Said | None]:
        """In the one thread of its own. A failure is Django's to tell, since it will meet the same."""
        begun = time.thread_time()
        close_old_connections()
        try:
            return answer(questions)
        except Exception as error:
            log.exception("questions go on to Django", exc_info=not is_away(error))
            return [None] * len(questions)
        finally:
            close_old_connections()
            each = (time.thread_time() - begun) / len(questions)
            for _ in questions:
                self.answered(each)


def _settle(answer: asyncio.Future[Said | None], said: Said | None) -> None:
    if not answer.done():
        answer.set_result(said)


def _is_key(session: str) -> bool:
    """Nothing else is a session of ours, and what no database takes must not spoil the answer of others."""
    return session.isascii() and session.isalnum() and len(session) <= 40


def read(scope: Any) -> Question | None:
    """The question a request asks; None for every other request."""
    before, after = _path()
    path, query = scope["path"], scope["query_string"]
    if b"since=" not in query or scope["method"] != "GET" or not (path.startswith(before) and path.endswith(after)):
        return None
    slug = path.removeprefix(before).removesuffix(after)
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    cookies = parse_cookie(headers.get(b"cookie", ""))
    session = cookies.get(settings.SESSION_COOKIE_NAME, "")
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    asked = dict(pairs)
    plain = asked.keys() <= PLAIN and len(pairs) == len(asked) and "\0" not in slug
    if not (plain and _is_key(session) and Progress.known and _is_our_name(headers.get(b"host", ""))):
        return None
    held = asked.get("held", "")
    return Question(
        session,
        slug,
        asked.get("since", ""),
        int(held) if held.isascii() and held.isdigit() and len(held) < 6 else 0,
        asked.get("order", ""),
        (headers.get(b"accept-language", ""), cookies.get(settings.LANGUAGE_COOKIE_NAME, "")),
        _is_secure(scope, headers),
    )


@cache
def _path() -> tuple[str, str]:
    """What stands before and behind a view's slug."""
    before, _slug, after = reverse("inbox:view", args=["slug"]).partition("slug")
    return before, after


@lru_cache(maxsize=64)
def _is_our_name(host: str) -> bool:
    name, _port = split_domain_port(host)
    return bool(name) and validate_host(name, settings.ALLOWED_HOSTS)


def _is_secure(scope: Any, headers: dict[bytes, str]) -> bool:
    trusted = settings.SECURE_PROXY_SSL_HEADER
    if trusted:
        name = trusted[0].removeprefix("HTTP_").replace("_", "-").lower().encode()
        if name in headers:
            return headers[name].split(",")[0].strip() == trusted[1]
    return str(scope.get("scheme", "http")) == "https"


def answer(questions: Sequence[Question]) -> list[Said | None]:
    """To each what Django would answer, None where that is more than rows."""
    agents = readers({question.session for question in questions})
    said: list[Said | None] = [None] * len(questions)
    together: dict[str, list[tuple[int, Lack, Headers]]] = {}
    for place, question in enumerate(questions):
        agent = agents.get(question.session)
        queue = queue_of(question, agent) if agent else None
        if queue:
            language, headers = frame(question.secure, question.languages)
            lack = Lack(queue, numbers_of(question.since), question.held)
            together.setdefault(language, []).append((place, lack, headers))
    for language, asked in together.items():
        with translation.override(language):
            for (place, _lack, headers), one in zip(asked, answers([lack for _, lack, _ in asked]), strict=True):
                said[place] = _said(one, headers)
    return said


def queue_of(question: Question, agent: Agent) -> Queue | None:
    """A standard view or a team of the reader's, without filters."""
    if not agent.readable_teams:
        return None
    if question.slug in desk.View.kinds():
        return Queue(desk.View.named(question.slug), agent, slug=question.slug, order=question.order)
    team = team_named(question.slug, agent.readable_teams)
    return Queue(desk.All, agent, slug=question.slug, team=team, order=question.order) if team else None


def _said(one: Answer, headers: Headers) -> Said:
    own = [(name.lower().encode(), value.encode("latin-1")) for name, value in one.headers.items()]
    if not one.body and not one.whole:
        return Said(204, [*headers, *own], b"")
    body = one.body.encode()
    return Said(200, [*headers, *own, (b"content-length", str(len(body)).encode())], body)


@lru_cache(maxsize=256)
def frame(secure: bool, languages: tuple[str, str]) -> tuple[str, Headers]:
    """The language such a request is answered in, and the headers that every answer carries, from the very middleware
    that puts them there."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": BytesIO()}
    environ |= {"wsgi.url_scheme": "https" if secure else "http", "HTTP_ACCEPT_LANGUAGE": languages[0]}
    request = WSGIRequest(environ)
    request.COOKIES = {settings.LANGUAGE_COOKIE_NAME: languages[1]} if languages[1] else {}
    found: list[str] = []

    def inside(_request: HttpRequest) -> HttpResponse:
        found.append(translation.get_language() or settings.LANGUAGE_CODE)
        return HttpResponse()

    chain: Any = inside
    for path in reversed(FRAME):
        chain = import_string(path)(chain)
    with translation.override(None):
        response = chain(request)
    return found[0], [(name.lower().encode(), value.encode("latin-1")) for name, value in response.items()]

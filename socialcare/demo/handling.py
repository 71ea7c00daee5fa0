"""One request to the demo network: checked, made to go wrong where that was ordered, and led to who answers it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from socialcare.demo.posts import JSON, Said

if TYPE_CHECKING:
    from socialcare.demo.server import DemoServer

BODY_LIMIT, FILE_LIMIT = 100_000, 12_000_000
LOCAL = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")


class Refusal(Exception):
    def __init__(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.headers = status, code, headers or {}


@dataclass
class Fault:
    """`kind` happens to the next `count` requests whose method is `method` (any, when empty). hang: never answered
    and not made · made_hang: made, never answered · rate: 429 · error: 500 · html: a page for JSON · gone: 404 ·
    token: 401 · refuse: 403."""

    kind: str
    count: int = 1
    method: str = ""
    seconds: float = 30.0


class Handler(BaseHTTPRequestHandler):
    """One request. Routes are regular expressions on “METHOD path”."""

    server: "DemoServer"
    protocol_version = "HTTP/1.1"
    routes: ClassVar[list[tuple[re.Pattern[str], Callable[..., Any]]]] = []

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        length = self.headers.get("Content-Length", "0")
        limit = FILE_LIMIT if parts.path == "/api/media" else BODY_LIMIT
        raw = self.rfile.read(min(int(length), limit)) if length.isdecimal() else b""
        self.query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        try:
            self._check(parts.path, raw)
            self.body: JSON = json.loads(raw) if raw else {}
            self._route(f"{self.command} {parts.path}")
        except Refusal as refusal:
            if refusal.code == "html":
                self.give_page("<h1>Please sign in</h1>")
            else:
                self.give({"error": refusal.code}, refusal.status, refusal.headers)
        except (KeyError, ValueError, TypeError) as error:
            missing = isinstance(error, KeyError)
            self.give({"error": "not_found" if missing else "invalid"}, 404 if missing else 400)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

    def _check(self, path: str, raw: bytes) -> None:
        # A web page somewhere must not be able to drive this through the browser of whoever tries the demo.
        if not LOCAL.fullmatch(self.headers.get("Host", "")):
            raise Refusal(403, "host")
        if raw and self.headers.get_content_type() != "application/json":
            raise Refusal(415, "json_only")
        if not path.startswith("/api/"):
            return
        self.server.requests.append(f"{self.command} {path}")
        self.fault = self.server.fault_for(self.command)
        kind = self.fault.kind if self.fault else ""
        if kind == "hang":
            self.server.hang(self.fault)
            raise ConnectionAbortedError
        if kind in _REFUSALS:
            raise _REFUSALS[kind](self.fault)
        self._signed_in()

    def _signed_in(self) -> None:
        if self.server.network.token_broken or self.headers.get("Authorization") != f"Bearer {self.server.token}":
            raise Refusal(401, "token")

    def _route(self, asked: str) -> None:
        for pattern, act in self.routes:
            if found := pattern.fullmatch(asked):
                self.server.network.advance()
                act(self, **found.groupdict())
                return
        raise Refusal(404, "no_such_address")

    def give(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._write(json.dumps(value).encode(), status, "application/json", headers or {})

    def give_page(self, html: str, status: int = 200) -> None:
        page = f"<!doctype html><meta charset=utf-8><title>Demo network</title><body>{html}"
        policy = {"Content-Security-Policy": "default-src 'none'; img-src 'self'"}
        self._write(page.encode(), status, "text/html; charset=utf-8", policy)

    def _write(self, raw: bytes, status: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args: Any) -> None:
        """The ledger is the log."""


_REFUSALS: dict[str, Callable[[Any], Refusal]] = {
    "rate": lambda fault: Refusal(429, "rate", {"Retry-After": str(round(fault.seconds))}),
    "error": lambda fault: Refusal(500, "broken"),
    "gone": lambda fault: Refusal(404, "not_found"),
    "token": lambda fault: Refusal(401, "token"),
    "html": lambda fault: Refusal(200, "html"),
    "refuse": lambda fault: Refusal(403, "policy"),
}


def route(pattern: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def register(act: Callable[..., None]) -> Callable[..., None]:
        Handler.routes.append((re.compile(pattern), act))
        return act

    return register


def shown(handler: Handler, post: Said) -> JSON:
    media = [each | {"url": f"{handler.server.url}/media/{each['id']}"} for each in post.media]
    return post.shown() | {"url": f"{handler.server.url}/posts/{post.id}", "media": media}

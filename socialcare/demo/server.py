"""The demo network's HTTP face: its API, a page for each thread, and a control desk for stories, tests and trials.
Loopback only."""

import base64
import json
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from socialcare.demo.network import BRAND, JSON, Network, Said

TOKEN = "demo"  # noqa: S105  the demo network guards nothing
LONGEST = 500
BODY_LIMIT, FILE_LIMIT = 100_000, 12_000_000
PICTURES = ("image/jpeg", "image/png", "image/gif", "image/webp")
LOCAL = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")
FAULTS = ("hang", "made_hang", "rate", "error", "html", "gone", "token", "refuse")


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


class DemoServer(ThreadingHTTPServer):
    """`with DemoServer(network) as server:` or `serve_forever()`. A `listener` is a socket that listens already."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, network: Network, port: int = 0, listener: socket.socket | None = None) -> None:
        super().__init__(("127.0.0.1", port), Handler, bind_and_activate=listener is None)
        if listener is not None:
            self.socket.close()
            self.socket, self.server_address = listener, listener.getsockname()
        self.network, self.token = network, TOKEN
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def fault_for(self, method: str) -> Fault | None:
        with self.network.lock:
            for fault in self.faults:
                if fault.method in ("", method):
                    fault.count -= 1
                    self.faults = [each for each in self.faults if each.count > 0]
                    return fault
        return None

    def hang(self, fault: Fault | None) -> None:
        self.closing.wait(fault.seconds if fault else 0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up, or was made to wait until it did."""

    def start(self) -> None:
        """Serve on a thread of this process."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()


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


def _shown(handler: Handler, post: Said) -> JSON:
    media = [each | {"url": f"{handler.server.url}/media/{each['id']}"} for each in post.media]
    return post.shown() | {"url": f"{handler.server.url}/posts/{post.id}", "media": media}


@route("GET /api/me")
def me(handler: Handler) -> None:
    handler.give({"id": BRAND, "name": "Brand", "longest": LONGEST, "version": "demo"})


@route("GET /api/changes")
def changes(handler: Handler) -> None:
    limit = max(1, min(int(handler.query.get("limit", "50")), 200))
    after = int(handler.query.get("after", "0"))
    if since := handler.query.get("since"):
        after = handler.server.network.number_at(datetime.fromisoformat(since))
    posts, number, more = handler.server.network.changes(after, limit)
    handler.give({"posts": [_shown(handler, post) for post in posts], "number": number, "more": more})


@route("GET /api/posts")
def posts(handler: Handler) -> None:
    network = handler.server.network
    wanted = [network.posts[one] for one in handler.query.get("ids", "").split(",") if one in network.posts]
    handler.give({"posts": [_shown(handler, post) for post in wanted]})


@route("GET /api/mine")
def mine(handler: Handler) -> None:
    """Our own, the newest first, and the number below which it goes on."""
    before = int(handler.query.get("before", "0"))
    own = [post for post in handler.server.network.own() if not before or post.number < before]
    page = own[:100]
    more = page[-1].number if len(own) > len(page) else None
    handler.give({"posts": [_shown(handler, post) for post in page], "before": more})


@route("GET /api/posts/(?P<post>[^/]+)/above")
def above(handler: Handler, post: str) -> None:
    handler.give({"posts": [_shown(handler, each) for each in handler.server.network.ancestors(post)]})


@route("POST /api/media")
def bring(handler: Handler) -> None:
    """A file for an answer to come: `type`, `description` and `data` in base64."""
    kind, body = str(handler.body["type"]), base64.b64decode(handler.body["data"], validate=True)
    if kind not in PICTURES:
        raise Refusal(422, "type")
    name = handler.server.network.upload(kind, str(handler.body.get("description") or ""), body)
    handler.give({"id": name}, 201)


@route("GET /media/(?P<name>[0-9a-f]+)")
def file(handler: Handler, name: str) -> None:
    network = handler.server.network
    body = network.body(name)
    safe = {"Content-Security-Policy": "default-src 'none'; sandbox", "X-Content-Type-Options": "nosniff"}
    handler._write(body, 200, str(network.files[name]["type"]), safe)


@route("POST /api/posts")
def answer(handler: Handler) -> None:
    text, parent = str(handler.body["text"]), str(handler.body["reply_to"])
    if not text.strip() or len(text) > LONGEST:
        raise Refusal(422, "length")
    hanging: JSON = {"media": [str(one) for one in handler.body["media"]]} if handler.body.get("media") else {}
    post = handler.server.network.answer(text, parent, handler.headers.get("Idempotency-Key", ""), **hanging)
    if handler.fault and handler.fault.kind == "made_hang":
        handler.server.hang(handler.fault)
        raise ConnectionAbortedError
    handler.give(_shown(handler, post), 201)


def _own(handler: Handler, post: str) -> None:
    if handler.server.network.posts[post].author["id"] != BRAND:
        raise Refusal(403, "not_yours")


@route("PUT /api/posts/(?P<post>[^/]+)")
def change(handler: Handler, post: str) -> None:
    _own(handler, post)
    handler.give(_shown(handler, handler.server.network.edit(post, str(handler.body["text"]))))


@route("DELETE /api/posts/(?P<post>[^/]+)")
def remove(handler: Handler, post: str) -> None:
    _own(handler, post)
    handler.give(_shown(handler, handler.server.network.delete(post)))


@route("POST /api/posts/(?P<post>[^/]+)/(?P<verb>like|unlike|hide|unhide)")
def mark(handler: Handler, post: str, verb: str) -> None:
    name = "liked" if verb.endswith("like") else "hidden"
    handler.give(_shown(handler, handler.server.network.set_mark(post, name, not verb.startswith("un"))))


def _pictures(post: Said) -> str:
    return "".join(f'<img src="/media/{one["id"]}" alt="{escape(one["description"])}" width=320>' for one in post.media)


@route("GET /(posts/(?P<post>[^/]+))?")
def page(handler: Handler, post: str | None) -> None:
    network = handler.server.network
    root = network.posts[post].root if post else ""
    thread = [each for each in network.posts.values() if not each.deleted and root in ("", each.root)]
    said = "".join(
        f"<article id={each.id}><h2>{escape(each.author['name'])}</h2><p>{escape(each.text)}</p>{_pictures(each)}"
        "</article>"
        for each in thread[-100:]
    )
    handler.give_page(f"<h1>Demo network</h1>{said}")


@route("GET /control/ledger")
def ledger(handler: Handler) -> None:
    handler.give(handler.server.network.ledger() | {"requests": handler.server.requests[-1_000:]})


@route("POST /control/say")
def say(handler: Handler) -> None:
    body = handler.body
    at = datetime.fromisoformat(body["at"]) if body.get("at") else None
    post = handler.server.network.say(body["person"], body["text"], body.get("reply_to"), body.get("lang", ""), at)
    handler.give(_shown(handler, post), 201)


@route("POST /control/burst")
def burst(handler: Handler) -> None:
    """`count` posts at once: near-equal ones when `text` is given, else whatever people say."""
    network, text = handler.server.network, handler.body.get("text")
    made = []
    for number in range(min(int(handler.body["count"]), 10_000)):
        at = network.now() + timedelta(microseconds=number)
        made.append(network.say(f"Customer {number}", f"{text} {number}", at=at) if text else network.strike_up(at))
    handler.give({"made": [post.id for post in made]}, 201)


@route("POST /control/posts/(?P<post>[^/]+)")
def rewrite(handler: Handler, post: str) -> None:
    """Anybody's post: `{"text": …}` edits it, `{"deleted": true}` removes it."""
    network = handler.server.network
    done = network.delete(post) if handler.body.get("deleted") else network.edit(post, str(handler.body["text"]))
    handler.give(_shown(handler, done))


@route("POST /control/fault")
def order_fault(handler: Handler) -> None:
    fault = Fault(**handler.body)
    if fault.kind not in (*FAULTS, "none"):
        raise ValueError(fault.kind)
    with handler.server.network.lock:
        handler.server.faults = [] if fault.kind == "none" else [*handler.server.faults, fault]
    handler.give({"faults": len(handler.server.faults)})


@route("POST /control/settings")
def adjust(handler: Handler) -> None:
    """`token_broken`, `token` (the new one that is accepted), `pace`."""
    network = handler.server.network
    network.token_broken = bool(handler.body.get("token_broken", network.token_broken))
    network.pace = float(handler.body.get("pace", network.pace))
    handler.server.token = str(handler.body.get("token", handler.server.token))
    handler.give(network.ledger() | {"posts": len(network.posts)})

"""What a client of the demo network may ask for and do."""

import base64
from datetime import datetime

from socialcare.demo.handling import Handler, Refusal, route, shown
from socialcare.demo.network import BRAND
from socialcare.demo.posts import JSON

LONGEST = 500
PICTURES = ("image/jpeg", "image/png", "image/gif", "image/webp")


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
    handler.give({"posts": [shown(handler, post) for post in posts], "number": number, "more": more})


@route("GET /api/posts")
def posts(handler: Handler) -> None:
    network = handler.server.network
    wanted = [network.posts[one] for one in handler.query.get("ids", "").split(",") if one in network.posts]
    handler.give({"posts": [shown(handler, post) for post in wanted]})


@route("GET /api/mine")
def mine(handler: Handler) -> None:
    """Our own, the newest first, and the number below which it goes on."""
    before = int(handler.query.get("before", "0"))
    own = [post for post in handler.server.network.own() if not before or post.number < before]
    page = own[:100]
    more = page[-1].number if len(own) > len(page) else None
    handler.give({"posts": [shown(handler, post) for post in page], "before": more})


@route("GET /api/posts/(?P<post>[^/]+)/above")
def above(handler: Handler, post: str) -> None:
    handler.give({"posts": [shown(handler, each) for each in handler.server.network.ancestors(post)]})


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
    handler.give(shown(handler, post), 201)


def _own(handler: Handler, post: str) -> None:
    if handler.server.network.posts[post].author["id"] != BRAND:
        raise Refusal(403, "not_yours")


@route("PUT /api/posts/(?P<post>[^/]+)")
def change(handler: Handler, post: str) -> None:
    _own(handler, post)
    handler.give(shown(handler, handler.server.network.edit(post, str(handler.body["text"]))))


@route("DELETE /api/posts/(?P<post>[^/]+)")
def remove(handler: Handler, post: str) -> None:
    _own(handler, post)
    handler.give(shown(handler, handler.server.network.delete(post)))


@route("POST /api/posts/(?P<post>[^/]+)/(?P<verb>like|unlike|hide|unhide)")
def mark(handler: Handler, post: str, verb: str) -> None:
    name = "liked" if verb.endswith("like") else "hidden"
    handler.give(shown(handler, handler.server.network.set_mark(post, name, not verb.startswith("un"))))

"""A page for each thread of the demo network, and its control desk for stories, tests and trials."""

from datetime import datetime, timedelta
from html import escape

from socialcare.demo.handling import Fault, Handler, route, shown
from socialcare.demo.posts import Said

FAULTS = ("hang", "made_hang", "rate", "error", "html", "gone", "token", "refuse")


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
    handler.give(shown(handler, post), 201)


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
    handler.give(shown(handler, done))


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

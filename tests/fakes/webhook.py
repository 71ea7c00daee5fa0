"""A system that signs its deliveries and takes replies, each key once."""

import json
import time
from base64 import b64decode
from datetime import UTC, datetime

from connectors.base import Accepted, Incoming
from connectors.faults import Invalid
from connectors.networks.webhook import signature
from tests.fakes.network import CANARY, FakeNetwork
from tests.fakes.server import Reply


class Fake(FakeNetwork):
    name = source = "webhook"
    secrets = {"secret": CANARY}
    takes_files = True
    gap_on_bad_cursor = tells_own = tells_others = parent_may_be_gone = False
    # The receiver owes its 2xx and no more, so any whole 2xx is a reply taken.
    taken_answers = {"sign-in page", "wrong type", "error in 200"}

    # Its address for replies knows of no posts and of no access of the channel: only that reply failed.
    write_faults = {fault: {Invalid} for fault in ("401", "403", "404")}

    def __init__(self):
        super().__init__()
        self.items, self.keys, self.delivered = [], {}, 0

    def settings(self):
        return {"path": "secret-path", "target": f"{self.server.url}/replies"}

    def say(self, text, person="carla", parent=None, **more):
        number, at = self.next()
        author = {"id": person, "name": person.title()}
        item = {"id": str(number), "kind": "mention", "text": text, "author": author, "created_at": at.isoformat()}
        self.items.append(item | ({"parent_id": parent} if parent else {}) | more)
        return str(number)

    def edit(self, identity, text):
        self.items.append({**self._latest(identity), "text": text})

    def delete(self, identity):
        self.items.append({**self._latest(identity), "text": "", "state": "deleted"})

    def _latest(self, identity):
        return next(item for item in reversed(self.items) if item.get("id") == identity)

    def above(self, first, second):
        return []

    def carries(self, text):
        return text[:900_000]  # a delivery has at most a megabyte

    def spoil(self):
        self.items.append({"id": "77", "text": "x", "author": None, "created_at": "soon"})

    def odd(self):
        return self.say("odd", unknown={"a": 1}, url=None, media=None, rating="4.5", html=None)

    def ids(self):
        return {item["id"] for item in self.items if item["author"]}

    def made(self):
        return list(self.keys.values())

    def attached(self, made):
        return [(b64decode(each["data"]), each["description"]) for each in made["files"]]

    def answer(self, asked):
        body, key = asked.json(), asked.headers["idempotency-key"]
        good = signature(CANARY, asked.headers["x-care-timestamp"], asked.body) == asked.headers["x-care-signature"]
        if not good:
            return Reply(403)
        if key in self.keys:
            return Reply(409, {"id": f"r-{key}"})
        self.keys[key] = body
        return Reply(201, {"id": f"r-{key}"})

    def delivery(self, body, secret=CANARY, stamp=None, **headers):
        stamp = str(int(time.time()) if stamp is None else stamp)
        signed = {
            "content-type": "application/json", "x-care-timestamp": stamp, "x-care-delivery": "d-1",
            "x-care-signature": signature(secret, stamp, body),
        }  # fmt: skip
        return Incoming("POST", signed | headers, body)

    def push(self, path, door):
        """What was not taken is delivered again, perhaps with what came since."""
        with self.lock:
            start, batch = self.delivered, self.items[self.delivered :][:100]
        incoming = self.delivery(json.dumps(batch).encode(), **{"x-care-delivery": f"d-{start}-{len(batch)}"})
        if batch and door(incoming.headers, incoming.body) == 202:
            self.delivered = start + len(batch)

    def read(self, connector, cursor=None, requests=50, now=None):
        start = (cursor or {}).get("number", 0)
        start = start if isinstance(start, int) else 0
        posts, bad = [], []
        for place in range(start, len(self.items), 100):
            body = json.dumps(self.items[place : place + 100]).encode()
            now = datetime.now(UTC)
            assert isinstance(connector.receive(self.delivery(body), now), Accepted)
            page = connector.unpack(body, now)
            posts += page.posts
            bad += page.bad
        return posts, bad, {"number": len(self.items)}, []

"""The demo network itself, behind a door that can be shut on it."""

import http.client
from urllib.parse import urlencode

from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer
from tests.fakes.network import CANARY, FakeNetwork
from tests.fakes.server import Reply


class Forgetful(Network):
    """A network without idempotency: the same key posts again. The ledger notes the key all the same."""

    def answer(self, text, reply_to, key, author="brand"):
        with self.lock:
            post = super().answer(text, reply_to, "", author)
            post.key = key
            return post


class Fake(FakeNetwork):
    name, source = "demo", "mentions"
    secrets = {"token": CANARY}
    takes_files, uploads = True, ("/api/media",)

    def __init__(self):
        super().__init__()
        self.network = Network(seed=5, pace=0)
        self.demo = DemoServer(self.network)
        self.demo.token = CANARY
        self.demo.start()
        self.spoiled = False

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.demo.stop()

    def settings(self):
        return {"base_url": self.server.url}

    def say(self, text, person="carla", parent=None):
        return self.network.say(person, text, parent).id

    def edit(self, identity, text):
        self.network.edit(identity, text)

    def delete(self, identity):
        self.network.delete(identity)

    def spoil(self):
        self.network.say("Customer 9", "x").created_at = "soon"

    def odd(self):
        post = self.network.say("Customer 8", "odd")
        post.author = post.author | {"followers": "12", "unknown": None}
        return post.id

    def ids(self):
        return {post.id for post in self.network.posts.values() if post.created_at != "soon"}

    def forget_keys(self):
        self.network.__class__ = Forgetful

    def texts(self):
        return [post.text for post in self.made() if not post.deleted]

    def made(self):
        return [post for post in self.network.posts.values() if post.author["id"] == "brand"]

    def attached(self, made):
        return [(self.network.body(each["id"]), each["description"]) for each in made.media]

    def answer(self, asked):
        query = urlencode(asked.query)
        if self.stuck and "after=" in query:
            query = "after=0&limit=100"
        connection = http.client.HTTPConnection("127.0.0.1", self.demo.server_address[1], timeout=5)
        headers = {name: value for name, value in asked.headers.items() if name not in ("host", "accept-encoding")}
        connection.request(asked.method, f"{asked.path}?{query}", asked.body, headers)
        got = connection.getresponse()
        body = got.read()
        connection.close()
        if self.stuck:
            body = body.replace(b'"more": false', b'"more": true')
        return Reply(got.status, body, {"Content-Type": got.getheader("Content-Type")})

"""What the contract suite needs of every fake network: a ledger, people who speak, edit and delete, and faults on
order."""

from datetime import UTC, datetime, timedelta

from connectors.base import Budget, Connector, Secrets
from connectors.http import Seam
from tests.fakes.server import FakeServer, Reply

CANARY = "canary-4f1c9e77"
FAULTS = {
    "429": Reply(429, {"error": "x"}),
    "429 with wait": Reply(429, {"error": "x"}, {"Retry-After": "40"}),
    "401": Reply(401, {"error": "x"}),
    "403": Reply(403, {"error": "x"}),
    "404": Reply(404, {"error": "x"}),
    "422": Reply(422, {"error": "texte traduit"}),
    "500": Reply(500, {"error": "x"}),
    "502 page": Reply(502, "<html>Bad gateway</html>"),
    "503 with wait": Reply(503, "", {"Retry-After": "40"}),
    "redirect": Reply(302, "", {"Location": "http://127.0.0.1:1/elsewhere"}),
    "sign-in page": Reply(200, "<html><body>Please sign in</body></html>", {"Content-Type": "text/html"}),
    "wrong type": Reply(200, "17", {"Content-Type": "application/json"}),
    "error in 200": Reply(200, {"error": "not today"}),
    "cut": Reply(200, '[{"id": "1", "text": "' + "x" * 500, manner="cut"),
    "huge": Reply(200, b"[" + b" " * 11_000_000 + b"]"),
    "hang": Reply(manner="hang"),
    "reset": Reply(manner="reset"),
    "trickle": Reply(200, "[" + " " * 1_000 + "]", manner="trickle"),
}


class FakeNetwork:
    """Subclasses give `name`, `settings()`, `answer(asked)`, `say`, `edit`, `delete`, `spoil` and `ids`."""

    name = source = ""
    secrets = {"access_token": CANARY}
    writes = True

    def __init__(self):
        self.faults, self.kept, self.number = [], [], 0
        self.stuck = False
        self.server = FakeServer(self._answer)
        self.start = datetime.now(UTC) - timedelta(hours=1)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.close()

    def order(self, fault, method=""):
        """The next request with this method goes wrong."""
        self.faults.append((method, fault))

    def _answer(self, asked):
        for place, (method, fault) in enumerate(self.faults):
            if method in ("", asked.method):
                del self.faults[place]
                return self.made_unanswered(asked) if fault == "made, unanswered" else FAULTS[fault]
        return self.answer(asked)

    def made_unanswered(self, asked):
        self.answer(asked)
        return Reply(manner="reset")

    def next(self):
        """A number and a time for the next post."""
        self.number += 1
        return self.number, self.start + timedelta(seconds=self.number)

    def facts(self):
        return {}

    def connector(self, secrets=None, whole=0.6, guard=lambda: None):
        seam = Seam(hidden=[CANARY], allow=["127.0.0.1"], guard=guard, record=self.kept.append, whole=whole)
        settings = {**self.settings(), "facts": self.facts()}
        return Connector.named(self.name)(settings, Secrets(self.secrets if secrets is None else secrets), seam)

    def read(self, connector, cursor=None, requests=50, now=None):
        """Everything one poll gives: posts, bad items, the cursor, gaps."""
        posts, bad, gaps = [], [], []
        for page in connector.poll(self.source, cursor, Budget(requests=requests), now or datetime.now(UTC)):
            posts += page.posts
            bad += page.bad
            gaps += page.gaps
            cursor = page.cursor
        return posts, bad, cursor, gaps

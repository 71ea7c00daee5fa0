"""What the fakes of Facebook and Instagram share: Graph's manners. Everything refused is a 400 with a code, pages are
newest first with a token, and the address of the next page holds the access token."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from urllib.parse import parse_qs

from tests.fakes.network import CANARY, FakeNetwork
from tests.fakes.server import Reply, parts_of

SECRET = "app-secret-77aa"
FEW = 100


def refused(code, subcode=None, status=400, headers=None):
    error = {"message": "texte traduit", "type": "OAuthException", "code": code, "fbtrace_id": "Ax"}
    return Reply(status, {"error": error | ({"error_subcode": subcode} if subcode else {})}, dict(headers or {}))


WAIT = {
    "X-Business-Use-Case-Usage": json.dumps(
        {
            "1": [
                {
                    "type": "pages",
                    "call_count": 100,
                    "total_cputime": 9,
                    "total_time": 8,
                    "estimated_time_to_regain_access": 1,
                }
            ]
        }
    )
}
CODES = {
    "429": (32, None, 400, None), "429 with wait": (80001, None, 400, WAIT), "401": (190, 460, 400, None),
    "403": (200, None, 403, None), "404": (100, 33, 400, None), "422": (100, None, 400, None),
    "500": (2, None, 500, None),
}  # fmt: skip
GONE = (100, 33)


def stamp(at):
    return at.strftime("%Y-%m-%dT%H:%M:%S+0000")


def form(asked):
    if asked.headers["content-type"].startswith("multipart"):
        parts = parts_of(asked)
        return {name: part if name == "source" else str(part, "utf-8") for name, part in parts.items()
                if not name.endswith(".name")}  # fmt: skip
    return {name: values[0] for name, values in parse_qs(asked.body.decode(), keep_blank_values=True).items()}


class UnknownToken(Exception):
    """A page was asked for by a token that is none, or is one no longer."""


class FakeGraph(FakeNetwork):
    secrets = {"access_token": CANARY, "app_secret": SECRET, "verify_token": "our word"}
    app = {"app_id": "app-1", "page": ""}

    def settings(self):
        return {**self.app, "base_url": self.server.url}

    def __init__(self):
        super().__init__()
        self.age = 0  # of the tokens that it takes

    def forget_pages(self):
        self.age += 1
        return True

    def _told(self, asked):
        try:
            return super()._told(asked)
        except UnknownToken:
            return refused(100)

    def fault(self, name):
        return refused(*CODES[name]) if name in CODES else super().fault(name)

    def answer(self, asked):
        """Who may ask, then the subclass."""
        path = asked.path.removeprefix("/v26.0/").strip("/")
        given = form(asked) if asked.method == "POST" else dict(asked.query)
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if path == "oauth/access_token":
            return self.gives_token(given)
        if token not in self.known_tokens():
            return refused(190)
        if given.get("appsecret_proof") != hmac.new(SECRET.encode(), token.encode(), hashlib.sha256).hexdigest():
            return refused(100)
        if path == "debug_token":
            return self.token_info(given)
        if path == "me/accounts":
            return Reply(200, {"data": [*self.pages, *self.other_pages], "paging": {"cursors": {"after": "x"}}})
        return self.answered(asked.method, path, given)

    pages, other_pages = ({"id": "1", "name": "Acme", "access_token": CANARY},), ()
    scopes, who = (), "10158000000004711"

    def known_tokens(self):
        return {CANARY, "person-long-token", f"app-1|{SECRET}"}

    def gives_token(self, given):
        if given.get("client_secret") != SECRET:
            return refused(1, status=400)
        if given.get("code") == "the-code":
            return Reply(200, {"access_token": "person-short-token", "token_type": "bearer"})
        if given.get("fb_exchange_token") == "person-short-token":
            return Reply(200, {"access_token": "person-long-token", "token_type": "bearer", "expires_in": 5184000})
        return refused(100)

    def token_info(self, given):
        assert given["input_token"] == CANARY
        return Reply(200, {"data": {"app_id": "app-1", "type": "PAGE", "is_valid": True, "scopes": list(self.scopes),
                                    "user_id": self.who,
                                    "expires_at": 0, "data_access_expires_at": 4_000_000_000}},
                     {"facebook-api-version": "v26.0"})  # fmt: skip

    def answered(self, method, path, given):
        raise NotImplementedError

    def page(self, items, given, time="created_time", few=FEW):
        """Items newest first, after a token, not older than `since`."""
        found = sorted(items, key=lambda item: (str(item.get(time)), str(item.get("id"))), reverse=True)
        since = int(given.get("since") or 0)
        found = [item for item in found if _seconds(item.get(time)) >= since]
        if self.stuck:
            return {"data": found[:3], "paging": self.paging("again", True)}
        start = self.begins([item.get("id") for item in found], given.get("after"))
        size = min(int(given.get("limit") or 25), few)
        shown = found[start : start + size]
        told = {"data": shown}
        if shown:
            told["paging"] = self.paging(shown[-1]["id"], start + size < len(found))
        return told

    def begins(self, ids, after):
        """Where the page of a token begins among what is listed."""
        if not after:
            return 0
        identity, _, age = after.rpartition("~")
        if identity not in ids or age != str(self.age):
            raise UnknownToken
        return ids.index(identity) + 1

    def whole(self, items, given):
        """A list of one page."""
        self.begins((), given.get("after"))
        return {"data": items}

    def paging(self, after, more):
        after = f"{after}~{self.age}"
        told = {"cursors": {"before": "b", "after": after}}
        return told | ({"next": f"https://graph.facebook.com/next?access_token={CANARY}&after={after}"} if more else {})

    def now(self):
        return stamp(datetime.now(UTC) + self.skew)


def _seconds(text):
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except (TypeError, ValueError):
        return 4_000_000_000

"""A mail provider's server for signing in (OAuth 2, authorization code with PKCE): a page of consent, tokens that end,
refresh tokens that are good once, and a mailbox that takes the newest token alone."""

import base64
import hashlib
from urllib.parse import parse_qs, urlencode

from tests.fakes.network import CANARY
from tests.fakes.server import FakeServer, Reply

CLIENT, SECRET = "acme-desk", f"{CANARY}-app"


class Authority:
    """`mailbox` is the fake that the tokens open. `forgetful`: gives no refresh token."""

    def __init__(self, mailbox):
        self.mailbox, self.count, self.asked, self.refresh, self.forgetful = mailbox, 0, {}, "", False
        self.server = FakeServer(self.answer)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.close()

    def settings(self, provider="other"):
        there = {"sign_in_url": f"{self.server.url}/authorize", "token_url": f"{self.server.url}/token"}
        return {"provider": provider, "client_id": CLIENT, "rights": "mail offline", **there}

    def answer(self, asked):
        if asked.path == "/authorize":
            self.asked = dict(asked.query)
            back = {"code": "the-code", "state": self.asked["state"]}
            page = f'<a href="{self.asked["redirect_uri"]}?{urlencode(back)}">Allow</a>'
            return Reply(200, page, {"Content-Type": "text/html"})
        given = {name: each[0] for name, each in parse_qs(asked.body.decode()).items()}
        if (given.get("client_id"), given.get("client_secret")) != (CLIENT, SECRET):
            return Reply(401, {"error": "invalid_client"})
        good = self.proven(given) if given["grant_type"] == "authorization_code" else self.known(given)
        return self.tokens() if good else Reply(400, {"error": "invalid_grant"})

    def proven(self, given):
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        told = (given["code"], given["redirect_uri"], challenge)
        return told == ("the-code", self.asked["redirect_uri"], self.asked["code_challenge"])

    def known(self, given):
        return bool(self.refresh) and given["refresh_token"] == self.refresh

    def tokens(self):
        self.count += 1
        self.mailbox.token = f"{CANARY}-access-{self.count}".encode()
        self.refresh = "" if self.forgetful else f"{CANARY}-again-{self.count}"
        told = {"access_token": self.mailbox.token.decode(), "token_type": "Bearer", "expires_in": 3600}
        return Reply(200, told | ({"refresh_token": self.refresh} if self.refresh else {}))

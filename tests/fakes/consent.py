"""The page on which a network asks whether somebody's app may use an account: for any fake, because they differ in the
address only. Codes are good for whoever proves to have asked (PKCE), as with the real ones."""

import base64
import hashlib
import json
from html import escape
from urllib.parse import parse_qs, urlencode

from tests.fakes.server import Reply

PAGES = ("/oauth/authorize", "/2/oauth2/authorize", "/dialog/oauth", "/oauth/v2/authorization", "/o/oauth2/v2/auth",
         "/api/v1/authorize")  # fmt: skip
NO = {"error": "access_denied", "error_description": "The user denied the request"}


class Consent:
    """Puts the page before what the fake answers. `asked` is how it was last called, `code` the one that is good,
    `gives` the one that comes back, `refusal` what comes back instead of it."""

    def __init__(self, fake, code="the-code"):
        self.fake, self.inner, self.code, self.gives = fake, fake.answer, code, code
        self.asked, self.refusal = {}, NO
        fake.answer = self.answer

    def answer(self, asked):
        if asked.method == "GET" and asked.path.endswith(PAGES):
            self.asked = dict(asked.query)
            return Reply(200, self.page(), {"Content-Type": "text/html; charset=utf-8"})
        if asked.path == "/api/v1/apps":
            return Reply(200, {"client_id": "app", "client_secret": "app-secret"})
        if asked.method == "POST" and not self.proven(asked):
            return Reply(400, {"error": "invalid_grant"})
        if asked.path == "/oauth/token":
            good = json.loads(asked.body)["code"] == self.code
            return Reply(200 if good else 400, {"access_token": self.fake.secrets["access_token"]} if good else {})
        return self.inner(asked)

    def proven(self, asked):
        """Nothing was asked to be proven, or it is proven now."""
        text = asked.body.decode(errors="replace")
        given = json.loads(text) if text.startswith("{") else {name: each[0] for name, each in parse_qs(text).items()}
        if "code" not in given or "code_challenge" not in self.asked:
            return True
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=") == self.asked["code_challenge"]

    def page(self):
        back, state = self.asked["redirect_uri"], {"state": self.asked["state"]}
        yes, no = (f"{back}?{urlencode(state | more)}" for more in ({"code": self.gives}, self.refusal))
        return f'<h1>May it?</h1><a href="{escape(yes)}">Allow</a> <a href="{escape(no)}">Refuse</a>'

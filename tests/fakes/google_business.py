"""Reviews of one place in Google Maps."""

from urllib.parse import parse_qs

from connectors.faults import AuthExpired
from tests.fakes.network import CANARY, NO_GRANT
from tests.fakes.reviews import FakeReviews, stamp
from tests.fakes.server import Reply
from tests.fakes.youtube import refused

PLACE = "accounts/1/locations/2"
WORDS = ["", "ONE", "TWO", "THREE", "FOUR", "FIVE"]


def no(status, word, **headers):
    return Reply(status, {"error": {"code": status, "message": "texte traduit", "status": word}},
                 {name.replace("_", "-"): value for name, value in headers.items()})  # fmt: skip


def says(name):
    """How Google puts a fault; None for those of the transport."""
    told = {
        "429": lambda: no(429, "RESOURCE_EXHAUSTED"),
        "429 with wait": lambda: no(429, "RESOURCE_EXHAUSTED", Retry_After="40"),
        "401": lambda: no(401, "UNAUTHENTICATED"),
        "403": lambda: no(403, "PERMISSION_DENIED"),
        "404": lambda: no(404, "NOT_FOUND"),
        "422": lambda: no(400, "INVALID_ARGUMENT"),
        "500": lambda: refused(500, "backendError"),
    }
    return told[name]() if name in told else None


class Fake(FakeReviews):
    name, source = "google_business", f"reviews:{PLACE}"
    refuses_renewal = NO_GRANT
    secrets = {"access_token": CANARY, "refresh_token": f"{CANARY}-again", "client_secret": "client-secret-12"}
    prefix = f"{PLACE}/reviews/"
    read_faults = write_faults = {"401": {AuthExpired}}

    def __init__(self):
        super().__init__()
        self.places, self.scope = {PLACE: ("Acme", "Lyon")}, "https://www.googleapis.com/auth/business.manage"

    def settings(self):
        return {"base_url": self.server.url, "client_id": "client-1", "places": [PLACE]}

    def fault(self, name):
        return says(name) or super().fault(name)

    def odd(self):
        return self.say("odd", reviewer=None, starRating=None, unknown={"a": [1]}, reviewReply=None, updateTime=None)

    def told(self, one):
        review = self.reviews[one]
        told = {"name": self.prefix + one, "reviewId": one, "comment": review["text"],
                "starRating": WORDS[review["stars"]],
                "reviewer": {"displayName": review["who"], "profilePhotoUrl": "https://lh3.example/a"},
                "createTime": stamp(review["at"]), "updateTime": stamp(review["changed"])}  # fmt: skip
        if one in self.spoiled:
            told["createTime"] = "soon"
        if review["answer"]:
            told["reviewReply"] = {"comment": review["answer"]["text"], "updateTime": stamp(review["answer"]["at"])}
        return told | review["more"]

    def answer(self, asked):
        if asked.path == "/token":
            return self.gives({name: values[0] for name, values in parse_qs(asked.body.decode()).items()})
        if asked.headers.get("authorization") != f"Bearer {CANARY}":
            return no(401, "UNAUTHENTICATED")
        if asked.path.startswith("/v1/accounts"):
            return Reply(200, self.managed(asked))
        path = asked.path.removeprefix("/v4/")
        if path == f"{PLACE}/reviews":
            assert asked.one("orderBy") == "updateTime desc"
            shown, onward = self.part(asked.one("pageToken"), int(asked.one("pageSize")))
            told = {"reviews": [self.told(one) for one in shown], "averageRating": 2.0} if shown else {}
            return Reply(200, told | ({"nextPageToken": onward} if onward else {}))
        if path.removesuffix("/reviews") in self.places and path.endswith("/reviews"):
            return Reply(200, {})
        one, _, edge = path.removeprefix(self.prefix).partition("/")
        if one not in self.reviews:
            return no(404, "NOT_FOUND")
        if edge != "reply":
            return Reply(200, self.told(one))
        if asked.method == "DELETE":
            found, self.reviews[one]["answer"] = self.reviews[one]["answer"], None
            return Reply(200, {}) if found else no(404, "NOT_FOUND")
        self.replied(one, asked.json()["comment"])
        return Reply(200, self.told(one)["reviewReply"])

    def gives(self, given):
        right = {"authorization_code": ("code", "the-code"), "refresh_token": ("refresh_token", f"{CANARY}-again")}
        name, value = right[given["grant_type"]]
        if given.get("client_secret") != self.secrets["client_secret"] or given.get(name) != value:
            return Reply(400, {"error": "invalid_grant"})
        told = {"access_token": CANARY, "expires_in": 3599, "token_type": "Bearer", "scope": self.scope}
        return Reply(200, told | ({"refresh_token": f"{CANARY}-again"} if name == "code" else {}))

    def managed(self, asked):
        """The accounts, a page each, or the places of one."""
        accounts = sorted({"/".join(place.split("/")[:2]) for place in self.places})
        if asked.path == "/v1/accounts":
            start = int(asked.one("pageToken") or 0)
            onward = {"nextPageToken": str(start + 1)} if start + 1 < len(accounts) else {}
            return {"accounts": [{"name": one} for one in accounts[start : start + 1]]} | onward
        assert "title" in asked.one("readMask")
        own = asked.path.removeprefix("/v1/").removesuffix("/locations")
        return {"locations": [
            {"name": "/".join(place.split("/")[2:]), "title": title, "storefrontAddress": {"locality": town},
             "metadata": {"mapsUri": f"https://maps.example/{place.rpartition('/')[2]}"}}
            for place, (title, town) in self.places.items() if place.startswith(f"{own}/")
        ]}  # fmt: skip

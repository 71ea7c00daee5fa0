"""Reviews of one app in the App Store: each call signed anew, answers beside the reviews, edits told with old dates."""

import jwt

from tests.fakes.network import CANARY, FAULTS
from tests.fakes.reviews import EC, FakeReviews, pem, stamp
from tests.fakes.server import Reply

APP = "6001"
LEFT = {"x-rate-limit": "user-hour-lim:3600;user-hour-rem:3598;"}


def no(status, code, **headers):
    told = {"errors": [{"id": "e", "status": str(status), "code": code, "title": "texte traduit", "detail": "x"}]}
    return Reply(status, told, {name.replace("_", "-"): value for name, value in headers.items()})


class Fake(FakeReviews):
    name, source = "app_store", f"reviews:{APP}"
    # The canary stands where browsers put what surrounds a key.
    secrets = {"private_key": f"{CANARY}{pem(EC)}"}

    def settings(self):
        return {"base_url": self.server.url, "apps": [APP], "issuer_id": "issuer-1", "key_id": "KEY1"}

    def fault(self, name):
        told = {
            "429": lambda: no(429, "RATE_LIMIT_EXCEEDED"),
            "429 with wait": lambda: no(429, "RATE_LIMIT_EXCEEDED", Retry_After="40"),
            "401": lambda: no(401, "NOT_AUTHORIZED"),
            "403": lambda: no(403, "FORBIDDEN_ERROR"),
            "404": lambda: no(404, "NOT_FOUND"),
            "422": lambda: no(409, "ENTITY_ERROR.ATTRIBUTE.INVALID"),
            "500": lambda: no(500, "UNEXPECTED_ERROR"),
        }
        return told[name]() if name in told else FAULTS[name]

    def odd(self):
        return self.say("odd", rating="4", reviewerNickname=None, title=None, territory=None, unknown=[1])

    def told(self, one):
        review = self.reviews[one]
        about = {"rating": review["stars"], "title": "About the tea", "body": review["text"], "territory": "DEU",
                 "reviewerNickname": review["who"], "createdDate": stamp(review["at"])} | review["more"]  # fmt: skip
        if one in self.spoiled:
            about["createdDate"] = "soon"
        link = {"type": "customerReviewResponses", "id": f"a-{one}"} if review["answer"] else None
        return {"type": "customerReviews", "id": one, "attributes": about, "links": {"self": "x"},
                "relationships": {"response": {"data": link, "links": {}}}}  # fmt: skip

    def beside(self, shown):
        return [{"type": "customerReviewResponses", "id": f"a-{one}", "attributes": {
                 "responseBody": answer["text"], "lastModifiedDate": stamp(answer["at"]), "state": "PENDING_PUBLISH"}}
                for one in shown if (answer := self.reviews[one]["answer"])]  # fmt: skip

    def newest(self, by="at"):
        return super().newest("at")

    def answer(self, asked):
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, EC.public_key(), ["ES256"], audience="appstoreconnect-v1")
        except jwt.PyJWTError:
            return no(401, "NOT_AUTHORIZED")
        assert (claims["iss"], jwt.get_unverified_header(token)["kid"]) == ("issuer-1", "KEY1")
        assert claims["exp"] - claims["iat"] <= 20 * 60
        return self.given(asked, asked.path.removeprefix("/v1/").split("/"))

    def given(self, asked, path):
        if path[0] == "apps" and len(path) == 2:
            if path[1] != APP:
                return no(404, "NOT_FOUND")
            return Reply(200, {"data": {"type": "apps", "id": path[1], "attributes": {"name": "Tea"}}})
        if path[0] == "apps":
            assert (asked.one("sort"), asked.one("include")) == ("-createdDate", "response")
            shown, onward = self.part(asked.one("cursor"), int(asked.one("limit")))
            links = {"next": f"https://elsewhere.example/v1/x?cursor={onward}&limit=200"} if onward else {}
            told = {"data": [self.told(one) for one in shown], "included": self.beside(shown), "links": links}
            return Reply(200, told, dict(LEFT))
        if asked.method == "POST":
            return self.posted(asked.json()["data"])
        one = path[1].removeprefix("a-")
        if one not in self.reviews:
            return no(404, "NOT_FOUND")
        if asked.method == "DELETE":
            self.reviews[one]["answer"] = None
            return Reply(204)
        return Reply(200, {"data": self.told(one), "included": self.beside([one])})

    def posted(self, given):
        one = given["relationships"]["review"]["data"]["id"]
        if one not in self.reviews:
            return no(404, "NOT_FOUND")
        self.replied(one, given["attributes"]["responseBody"])
        return Reply(201, {"data": {"type": "customerReviewResponses", "id": f"a-{one}", "attributes": {}}})

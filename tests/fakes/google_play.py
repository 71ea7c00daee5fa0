"""Reviews of one app in Google Play, for a service account that proves itself with its key."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import jwt

from tests.fakes.google_business import says
from tests.fakes.network import CANARY
from tests.fakes.reviews import RSA, FakeReviews, pem
from tests.fakes.server import Reply
from tests.fakes.youtube import refused

APP, ACCESS = "com.acme.tea", "ya29.given-while-running"


def seconds(at):
    return {"seconds": str(int(at.timestamp())), "nanos": 5}


class Fake(FakeReviews):
    name, source = "google_play", f"reviews:{APP}"
    secrets = {"service_account": json.dumps({"type": "service_account", "client_email": "care@acme.example",
               "private_key": pem(RSA), "private_key_id": CANARY})}  # fmt: skip
    prefix = f"{APP}/"
    forgets = True

    def fault(self, name):
        return says(name) or super().fault(name)

    def settings(self):
        return {"base_url": self.server.url, "apps": [APP]}

    def _answer(self, asked):
        """The token is given whatever is ordered to go wrong with the next request."""
        return self.gives(asked) if asked.path == "/token" else super()._answer(asked)

    def gives(self, asked):
        given = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        try:
            claims = jwt.decode(given["assertion"], RSA.public_key(), ["RS256"],
                                audience="https://oauth2.googleapis.com/token")  # fmt: skip
        except jwt.PyJWTError:
            return Reply(400, {"error": "invalid_grant"})
        assert claims["iss"] == "care@acme.example"
        assert claims["scope"].endswith("/auth/androidpublisher")
        return Reply(200, {"access_token": ACCESS, "expires_in": 3599, "token_type": "Bearer"})

    def newest(self, by="changed"):
        week = datetime.now(UTC) - timedelta(days=7)
        return [one for one in super().newest(by) if self.reviews[one][by] > week]

    def odd(self):
        odd = {"reviewerLanguage": None, "device": None, "thumbsUpCount": "3", "unknown": 1, "starRating": "4"}
        return self.say("odd", **odd)

    def told(self, one):
        review = self.reviews[one]
        user = {"text": review["text"], "lastModified": seconds(review["changed"]), "starRating": review["stars"],
                "reviewerLanguage": "en_GB", "device": "walleye", "appVersionName": "1.2"} | review["more"]  # fmt: skip
        if one in self.spoiled:
            user["lastModified"] = {"seconds": "soon"}
        said = [{"userComment": user}]
        if review["answer"]:
            said.append({"developerComment": {"text": review["answer"]["text"],
                                              "lastModified": seconds(review["answer"]["at"])}})  # fmt: skip
        return {"reviewId": one, "authorName": review["who"], "comments": said}

    def answer(self, asked):
        if asked.headers.get("authorization") != f"Bearer {ACCESS}":
            return refused(401, "authError")
        root = f"/androidpublisher/v3/applications/{APP}/reviews"
        if asked.path == root:
            shown, onward = self.part(asked.one("token"), int(asked.one("maxResults")))
            told = {"reviews": [self.told(one) for one in shown]} if shown else {}
            return Reply(200, told | ({"tokenPagination": {"nextPageToken": onward}} if onward else {}))
        one, _, act = asked.path.removeprefix(f"{root}/").partition(":")
        if one not in self.reviews:
            return refused(404, "notFound")
        if asked.method == "GET":
            return Reply(200, self.told(one))
        assert act == "reply"
        if len(asked.json()["replyText"]) > 350:
            return refused(400, "replyTooLong")
        self.replied(one, asked.json()["replyText"])
        return Reply(200, {"result": {"replyText": asked.json()["replyText"], "lastEdited": seconds(self.start)}})

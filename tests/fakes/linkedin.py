"""A page of LinkedIn as its documentation describes it: one post of ours, comments with answers that hang on them, and
notifications that tell where something was said."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote

from tests.fakes.network import CANARY, FAULTS, FakeNetwork
from tests.fakes.server import Reply

ME, POST, SECRET = "urn:li:organization:77", "urn:li:activity:500", "client-secret-12"


def no(status, code, **headers):
    told = {"status": status, "code": code, "serviceErrorCode": 65600, "message": "texte traduit"}
    return Reply(status, told, {name.replace("_", "-"): value for name, value in headers.items()})


class Fake(FakeNetwork):
    name, source = "linkedin", "comments"
    takes_files, uploads = True, ("/rest/images", "/dms-uploads")
    secrets = {"access_token": CANARY, "client_secret": SECRET}
    page_requests = 3
    """The list of notifications, the comments, the answers below one."""

    def __init__(self):
        super().__init__()
        self.comments, self.images = {}, {}
        self.notified, self.access = True, CANARY
        self.mentions = []
        self.earlier = []  # posts that its list shows before the one of ours

    def settings(self):
        return {"base_url": self.server.url, "client_id": "client-1", "organization": "77"}

    def facts(self):
        return {"account_id": ME}

    def fault(self, name):
        told = {
            "429": lambda: no(429, "TOO_MANY_REQUESTS"),
            "429 with wait": lambda: no(429, "TOO_MANY_REQUESTS", Retry_After="40"),
            "401": lambda: no(401, "INVALID_ACCESS_TOKEN"),
            "403": lambda: no(403, "ACCESS_DENIED"),
            "404": lambda: no(404, "NOT_FOUND"),
            "422": lambda: no(422, "UNPROCESSABLE_ENTITY"),
            "500": lambda: no(500, "INTERNAL_SERVER_ERROR"),
        }
        return told[name]() if name in told else FAULTS[name]

    def above(self, first, second):
        return [first]

    # People

    def urn(self, number):
        return f"urn:li:comment:({POST},{number})"

    def keep(self, text, actor, parent, at, **more):
        number, _ = self.next()
        number += 6000
        parent = self.top(parent) if parent else None
        moment = int(at.timestamp() * 1000)
        self.comments[self.urn(number)] = {
            "$URN": self.urn(number), "id": str(number), "actor": actor, "object": POST,
            "created": {"actor": actor, "time": moment}, "lastModified": {"actor": actor, "time": moment},
            "message": {"attributes": [], "text": text},
        } | ({"parentComment": parent} if parent else {}) | more  # fmt: skip
        return self.urn(number)

    def top(self, identity):
        return self.comments.get(identity, {}).get("parentComment") or identity

    def say(self, text, person="carla", parent=None, **more):
        _, at = self.next()
        return self.keep(text, f"urn:li:person:{person}", parent, at, **more)

    def name_us(self, text, person="carla", **more):
        """Somebody's own post that names the page."""
        number, at = self.next()
        share = {"owner": f"urn:li:person:{person}", "text": text, "mediaCategory": "NONE"}
        self.mentions.append({
            "action": "SHARE_MENTION", "organizationalEntity": ME, "generatedActivity": f"urn:li:share:{800 + number}",
            "lastModifiedAt": int(at.timestamp() * 1000), "decoratedGeneratedActivity": {"share": share},
        } | more)  # fmt: skip
        return self.mentions[-1]["generatedActivity"]

    def edit(self, identity, text):
        self.comments[identity]["message"] = {"text": text}
        self.comments[identity]["lastModified"] = {"time": int(datetime.now(UTC).timestamp() * 1000)}

    def delete(self, identity):
        del self.comments[identity]

    def close_off(self):
        self.source = "posts"
        self.earlier.insert(0, {"id": "urn:li:share:700", "publishedAt": int(datetime.now(UTC).timestamp() * 1000)})
        self.forbid("urn:li:share:700/comments")
        return True

    def spoil(self):
        self.comments[self.urn(5)] = {"$URN": self.urn(5), "id": "5", "object": POST, "created": {"time": "soon"}}

    def odd(self):
        one = self.say("odd", unknown=[1], likesSummary=None, commentsSummary=None, lastModified=None)
        self.comments[one]["created"]["time"] = str(self.comments[one]["created"]["time"])
        return one

    def ids(self):
        return {one for one, told in self.comments.items() if one != self.urn(5) and told["actor"] != ME}

    def made(self):
        return [told for told in self.comments.values() if told.get("actor") == ME]

    def attached(self, made):
        return [(self.images[each["entity"]["image"]]["bytes"], None) for each in made["content"]]

    # Answers

    def answer(self, asked):
        if asked.path.startswith("/oauth/v2"):
            return self.gives({name: values[0] for name, values in parse_qs(asked.body.decode()).items()})
        if asked.headers.get("authorization") != f"Bearer {self.access}":
            return no(401, "INVALID_ACCESS_TOKEN")
        if asked.path.startswith("/dms-uploads/"):
            self.images[unquote(asked.path.removeprefix("/dms-uploads/"))]["bytes"] = asked.body
            return Reply(201)
        assert asked.headers["x-restli-protocol-version"] == "2.0.0"
        if asked.headers["linkedin-version"] < "202501":
            return no(426, "NONEXISTENT_VERSION")
        head, *rest = asked.path.removeprefix("/rest/").split("/")
        if head == "organizations":
            return Reply(200, {"id": 77, "localizedName": "Acme", "vanityName": "acme-tea"},
                         {"Date": "Sun, 22 Nov 2026 05:00:00 GMT"})  # fmt: skip
        if head == "images":
            return self.image(asked, *map(unquote, rest))
        if head == "organizationalEntityNotifications":
            return self.notifications(asked)
        if head == "posts":
            assert asked.one("author") == ME
            born = int(self.start.timestamp() * 1000)
            return self.page(asked, [*self.earlier, {"id": POST, "publishedAt": born, "commentary": "Our new tea"}])
        return self.actions(asked, *map(unquote, rest))

    def gives(self, given):
        if given.get("client_secret") != SECRET or given.get("code", given.get("refresh_token")) != "the-code":
            return Reply(400, {"error": "invalid_grant"})
        return Reply(200, {"access_token": CANARY, "expires_in": 5184000, "scope": "r_organization_social"})

    def image(self, asked, urn=""):
        """Announced, then brought; looked through until the second question."""
        if asked.method == "GET":
            image = self.images[urn]
            image["asked"] += 1
            status = "PROCESSING" if image["asked"] < 2 else "AVAILABLE"
            return Reply(200, {"id": urn, "status": status if image["bytes"] else "WAITING_UPLOAD"})
        assert asked.one("action") == "initializeUpload"
        assert asked.json()["initializeUploadRequest"]["owner"] == ME
        urn = f"urn:li:image:{len(self.images)}"
        self.images[urn] = {"bytes": b"", "asked": 0}
        value = {"image": urn, "uploadUrl": f"{self.server.url}/dms-uploads/{urn}", "uploadUrlExpiresAt": 4_000_000}
        return Reply(200, {"value": value})

    def notifications(self, asked):
        if not self.notified:
            return no(403, "ACCESS_DENIED")
        assert asked.one("organizationalEntity") == ME
        assert asked.one("actions") in ("List(COMMENT)", "List(COMMENT,SHARE_MENTION)")
        mentions = self.mentions if "MENTION" in asked.one("actions") else []
        times = [told["created"]["time"] for one, told in self.comments.items() if one != self.urn(5)]
        found = [
            {"action": "COMMENT", "sourcePost": POST, "lastModifiedAt": max(map(int, times), default=0) + len(times)}
        ]
        return self.page(asked, [*mentions, *(found if times else [])])

    def page(self, asked, items):
        start, count = int(asked.one("start", "0")), int(asked.one("count"))
        if self.stuck:
            link = {"rel": "next", "href": f"{asked.path}?start=7&count={count}"}
            return Reply(200, {"elements": items[:3], "paging": {"start": 0, "count": count, "links": [link]}})
        more = start + count < len(items)
        links = (
            [{"rel": "next", "href": f"https://elsewhere.example/x?start={start + count}&count={count}"}]
            if more
            else []
        )
        paging = {"start": start, "count": count, "links": links}
        return Reply(200, {"elements": items[start : start + count], "paging": paging})

    def shown(self, one):
        below = sum(told.get("parentComment") == one for told in self.comments.values())
        summary = {"commentsSummary": {"aggregatedTotalComments": below}} if below else {}
        return summary | self.comments[one]

    def actions(self, asked, urn, edge, number=""):
        if number:
            return self.one(asked, f"urn:li:comment:({urn},{number})")
        named = {told["generatedActivity"] for told in self.mentions}
        if urn != POST and urn not in self.comments and urn not in named:
            return no(404, "NOT_FOUND")
        if asked.method == "POST":
            given = asked.json()
            assert given["actor"] == ME
            assert given["object"] in (POST, urn)
            hung = {"content": given["content"]} if "content" in given else {}
            assert all(self.images[each["entity"]["image"]]["asked"] > 1 for each in hung.get("content", ()))
            hung |= {} if given["object"] == POST else {"object": urn}
            one = self.keep(given["message"]["text"], ME, given.get("parentComment"), datetime.now(UTC), **hung)
            return Reply(201, self.comments[one], {"x-restli-id": self.comments[one]["id"]})
        return self.page(asked, [self.shown(one) for one, told in self.comments.items()
                                 if told.get("parentComment", told["object"]) == urn])  # fmt: skip

    def one(self, asked, one):
        if one not in self.comments:
            return no(404, "NOT_FOUND")
        if asked.method == "GET":
            return Reply(200, self.shown(one))
        assert asked.one("actor") == ME
        if asked.method == "DELETE":
            self.delete(one)
            return Reply(204)
        assert asked.headers["x-restli-method"] == "PARTIAL_UPDATE"
        self.edit(one, json.loads(asked.body)["patch"]["message"]["$set"]["text"])
        return Reply(204)

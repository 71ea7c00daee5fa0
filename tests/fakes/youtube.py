"""Comments of YouTube as its interface tells them: threads newest first with at most five replies, held ones in lists
of their own, every refusal with a reason, and a count of the units that were used."""

from datetime import UTC, datetime
from urllib.parse import parse_qs

from connectors.faults import AuthExpired
from tests.fakes.network import CANARY, NO_GRANT, FakeNetwork
from tests.fakes.server import Reply

ME, VIDEO, SECRET = "UCacme", "vid00000001", "client-secret-12"
HANDLES = {ME: "@acme"}


def refused(status, reason, **headers):
    error = {"code": status, "message": "texte traduit", "errors": [{"domain": "youtube.x", "reason": reason}]}
    return Reply(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


def stamp(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Fake(FakeNetwork):
    name, source = "youtube", "comments"
    spoils = True
    refuses_renewal = NO_GRANT
    secrets = {"access_token": CANARY, "refresh_token": f"{CANARY}-again", "client_secret": SECRET}
    read_faults = write_faults = {"401": {AuthExpired}}

    def __init__(self):
        super().__init__()
        self.comments, self.rejected, self.banned, self.units, self.spoiled = {}, {}, set(), 0, []
        self.access = CANARY
        self.age = 0  # of the tokens of pages

    def forget_pages(self):
        self.age += 1
        return True

    def settings(self):
        return {"base_url": self.server.url, "client_id": "client-1"}

    def facts(self):
        return {"account_id": ME}

    def fault(self, name):
        told = {
            "429": lambda: refused(403, "rateLimitExceeded"),
            "429 with wait": lambda: refused(403, "userRateLimitExceeded", Retry_After="40"),
            "401": lambda: refused(401, "authError"),
            "403": lambda: refused(403, "forbidden"),
            "404": lambda: refused(404, "commentNotFound"),
            "422": lambda: refused(400, "commentTextTooLong"),
            "500": lambda: refused(500, "backendError"),
        }
        return told[name]() if name in told else super().fault(name)

    def above(self, first, second):
        return [first]

    # People

    def say(self, text, person="carla", parent=None, held="", **more):
        number, at = self.next()
        return self.keep(text, f"UC{person}", f"@{person}", parent, at, number, held, **more)

    def keep(self, text, channel, name, parent, at, number, held="", **more):
        # Said to an answer, it stands below the first comment.
        parent = parent and parent.partition(".")[0]
        identity = f"{parent}.a{number}" if parent else f"Ug{number:05}"
        self.comments[identity] = {
            "textDisplay": text, "authorDisplayName": name, "authorChannelId": {"value": channel},
            "authorChannelUrl": f"http://www.youtube.com/{name}", "canRate": True, "viewerRating": "none",
            "authorProfileImageUrl": "https://yt3.example/a.jpg", "likeCount": 0, "publishedAt": stamp(at),
            "updatedAt": stamp(at), "channelId": ME,
        } | ({"parentId": parent} if parent else {}) | ({"moderationStatus": held} if held else {}) | more  # fmt: skip
        return identity

    def edit(self, identity, text):
        self.comments[identity] |= {"textDisplay": text, "updatedAt": stamp(datetime.now(UTC))}

    def delete(self, identity):
        del self.comments[identity]

    def close_off(self):
        """A thread with more answers than it is shown with."""
        first = self.say("closed since")
        for number in range(8):
            self.say(f"answer {number}", parent=first)
        self.forbid(first)
        return True

    def spoil(self):
        number, _ = self.next()
        self.comments[f"Ug{number:05}"] = {"textDisplay": "x", "publishedAt": "soon"}

    def odd(self):
        odd = {"authorChannelId": None, "authorProfileImageUrl": None, "likeCount": "3", "unknown": [1]}
        return self.say("odd", **odd, canRate=None, updatedAt=None)

    def ids(self):
        return {one for one, told in self.comments.items() if told["publishedAt"] != "soon" and not self.is_ours(told)}

    def is_ours(self, told):
        return (told.get("authorChannelId") or {}).get("value") == ME

    def made(self):
        return [told for told in self.comments.values() if self.is_ours(told)]

    # Answers

    def answer(self, asked):
        if asked.path == "/token":
            return self.gives({name: values[0] for name, values in parse_qs(asked.body.decode()).items()})
        if asked.headers.get("authorization") != f"Bearer {self.access}":
            return refused(401, "authError")
        path = asked.path.removeprefix("/youtube/v3/")
        self.units += 50 if self.is_writing(asked) else 1
        if path == "channels":
            return Reply(200, {"items": [{"id": ME, "snippet": {"title": "Acme", "customUrl": "@acme"}}]})
        if path == "commentThreads":
            return self.threads(asked)
        if path == "comments/setModerationStatus":
            return self.moderate(asked)
        return {"GET": self.replies, "POST": self.insert, "PUT": self.update, "DELETE": self.remove}[asked.method](
            asked
        )

    def gives(self, given):
        right = {"authorization_code": ("code", "the-code"), "refresh_token": ("refresh_token", f"{CANARY}-again")}
        name, value = right[given["grant_type"]]
        if given.get(name) != value or given.get("client_secret") != SECRET:
            return Reply(400, {"error": "invalid_grant", "error_description": "Bad Request"})
        told = {"access_token": self.access, "expires_in": 3599, "token_type": "Bearer",
                "scope": "https://www.googleapis.com/auth/youtube.force-ssl"}  # fmt: skip
        return Reply(200, told | ({"refresh_token": f"{CANARY}-again"} if name == "code" else {}))

    def expire(self):
        self.access = f"{CANARY}-{len(self.server.asked)}"
        return True

    def comment(self, identity, given=True):
        snippet = dict(self.comments[identity])
        if not given:  # asked by number, it does not tell
            snippet.pop("moderationStatus", None)
        if self.is_ours(snippet):
            snippet["textOriginal"] = snippet["textDisplay"]
        return {"kind": "youtube#comment", "id": identity, "snippet": snippet}

    def below(self, thread):
        return [one for one, told in self.comments.items() if told.get("parentId") == thread]

    def thread(self, identity, shown=lambda one: True):
        below = [one for one in self.below(identity) if shown(one)]
        told = {"kind": "youtube#commentThread", "id": identity, "snippet": {
            "channelId": ME, "videoId": VIDEO, "topLevelComment": self.comment(identity), "isPublic": True,
            "canReply": self.comments[identity].get("canReply", True), "totalReplyCount": len(below)}}  # fmt: skip
        # The newest ones, as YouTube chooses them.
        return told | ({"replies": {"comments": [self.comment(one) for one in below[-5:]]}} if below else {})

    def threads(self, asked):
        wanted = asked.one("moderationStatus", "")
        if ids := asked.one("id"):
            assert not wanted
            assert len(ids.split(",")) <= 50
            return Reply(200, {"items": [self.thread(one) for one in ids.split(",") if one in self.comments]})
        assert asked.one("allThreadsRelatedToChannelId") == ME
        assert asked.one("order") == "time"
        tops = [one for one, told in self.comments.items() if "parentId" not in told
                and told.get("moderationStatus", "") == wanted]  # fmt: skip
        tops.sort(key=lambda one: one, reverse=True)
        return self.page(asked, [self.thread(one, lambda each: not self.comments[each].get("moderationStatus"))
                                 for one in tops])  # fmt: skip

    def page(self, asked, items):
        if self.stuck:
            return Reply(200, {"items": items[:3], "nextPageToken": "again"})
        token, _, age = asked.one("pageToken", f"0~{self.age}").partition("~")
        if not token.isdecimal() or age != str(self.age):
            return refused(400, "invalidPageToken")
        start, size = int(token), int(asked.one("maxResults"))
        told = {"kind": "x", "pageInfo": {"totalResults": 7}, "items": items[start : start + size]}
        onward = {"nextPageToken": f"{start + size}~{self.age}"} if start + size < len(items) else {}
        return Reply(200, told | onward)

    def replies(self, asked):
        if ids := asked.one("id"):
            return Reply(200, {"items": [self.comment(one, False) for one in ids.split(",") if one in self.comments]})
        if asked.one("parentId") not in self.comments:
            return refused(404, "parentCommentNotFound")
        return self.page(asked, [self.comment(one) for one in self.below(asked.one("parentId"))])

    def insert(self, asked):
        given = asked.json()["snippet"]
        above = self.comments.get(given["parentId"])
        if above is None:
            return refused(404, "parentCommentNotFound")
        if above.get("canReply") is False:
            return refused(403, "commentsDisabled")
        number, _ = self.next()
        identity = self.keep(given["textOriginal"], ME, "@acme", given["parentId"], datetime.now(UTC), number)
        return Reply(200, self.comment(identity))

    def update(self, asked):
        given = asked.json()
        if given["id"] not in self.comments:
            return refused(404, "commentNotFound")
        self.edit(given["id"], given["snippet"]["textOriginal"])
        return Reply(200, self.comment(given["id"]))

    def remove(self, asked):
        if asked.one("id") not in self.comments:
            return refused(404, "commentNotFound")
        self.delete(asked.one("id"))
        return Reply(204)

    def moderate(self, asked):
        one, wanted = asked.one("id"), asked.one("moderationStatus")
        told = self.comments.get(one) or self.rejected.get(one)
        if told is None:
            return refused(404, "commentNotFound")
        if asked.one("banAuthor") == "true":
            self.banned.add(told["authorChannelId"]["value"])
        if wanted == "rejected":
            self.rejected[one] = self.comments.pop(one, told)
        elif wanted == "published":
            told.pop("moderationStatus", None)
        else:
            told["moderationStatus"] = wanted
        return Reply(204)

"""The Mastodon API as far as we use it, with ids as a server makes them and pages newest first."""

from datetime import UTC, datetime
from html import escape
from urllib.parse import parse_qs

from connectors.networks.mastodon.joining import SCOPES
from tests.fakes.network import CANARY, FakeNetwork
from tests.fakes.server import Reply, parts_of

ME = {"id": "1", "acct": "brand", "uri": "https://fake.example/users/brand", "url": "https://fake.example/@brand"}

TOLD = {
    "accounts/verify_credentials": ME,
    "/api/v2/instance": {"domain": "fake.example", "version": "4.6.4", "configuration": {}},
    "/api/v2/notifications/policy": {"for_private_mentions": "filter"},
}


class Fake(FakeNetwork):
    name, source = "mastodon", "notifications"
    secrets = {"access_token": CANARY, "client_id": "app-1", "client_secret": f"{CANARY}-app", "scope": SCOPES}
    takes_files, uploads = True, ("/api/v2/media",)
    taken_reads = {"422"}  # of a server without quotes, which is asked again without them

    def __init__(self):
        super().__init__()
        self.files, self.media, self.slow_files = {}, {}, 0
        self.statuses, self.notified, self.keys, self.forgets = {}, [], {}, False
        self.blocked, self.reports = set(), []

    def settings(self):
        return {"server": self.server.url, "hashtags": "#tea"}

    def facts(self):
        return {"account_id": ME["uri"], "local_id": "1", "longest": 500, "link": 23}

    def _status(self, text, account, parent=None, visibility="public", **more):
        number, at = self.next()
        at = datetime.now(UTC) if account is ME else at
        identity = str(int(at.timestamp() * 1000) << 16 | number)
        status = {
            "id": identity, "created_at": at.isoformat().replace("+00:00", "Z"), "edited_at": None, "account": account,
            "content": f"<p>{escape(text)}</p>", "in_reply_to_id": parent, "visibility": visibility, "spoiler_text": "",
            "uri": f"https://fake.example/s/{identity}", "url": f"https://fake.example/@x/{identity}", "language": "en",
            "media_attachments": [], "favourited": False, "reblog": None,
        } | more  # fmt: skip
        self.statuses[identity] = status
        return status

    def say(self, text, person="carla", parent=None, **more):
        uri = f"https://fake.example/users/{person}"
        account = {
            "id": person,
            "acct": person,
            "uri": uri,
            "url": uri,
            "display_name": person.title(),
            "followers_count": 3,
        }
        status = self._status(text, account | more.pop("account", {}), parent, **more)
        self.notified.append({"id": str(len(self.notified) + 1), "type": "mention", "status": status})
        return status["id"]

    def mutter(self, text, person="carla", **more):
        """Said to nobody: only who searches finds it."""
        identity = self.say(text, person, **more)
        self.notified.pop()
        return identity

    def notify(self, identity):
        self.notified.append({"id": str(len(self.notified) + 1), "type": "mention", "status": self.statuses[identity]})

    def edit(self, identity, text):
        self.statuses[identity] |= {"content": f"<p>{escape(text)}</p>", "edited_at": self.next()[1].isoformat()}

    def delete(self, identity):
        del self.statuses[identity]
        for each in self.notified:
            if each["status"] and each["status"]["id"] == identity:
                each["status"] = None

    def spoil(self):
        number = str(len(self.notified) + 1)
        self.notified.append(
            {"id": number, "type": "mention", "status": {"id": 7, "account": None, "created_at": "soon"}}
        )

    def odd(self):
        odd = {"unknown": {"a": [1]}, "media_attachments": None, "language": None, "account": {"followers_count": "12"}}
        self.notified.append({"id": str(len(self.notified) + 1), "type": "moon_landing", "status": None})
        return self.say("odd", **odd)

    def ids(self):
        return {each["status"]["id"] for each in self.notified if each["status"] and each["status"].get("content")}

    def forget_keys(self):
        self.forgets = True

    def made(self):
        return [status for status in self.statuses.values() if status["account"] is ME]

    def attached(self, made):
        return [(self.files[each["id"]], each["description"]) for each in made["media_attachments"]]

    def _file(self, asked):
        given = parts_of(asked)
        identity = str(len(self.files) + 1)
        self.files[identity] = given["file"]
        description = given.get("description", b"").decode() or None
        self.media[identity] = {"id": identity, "type": "image", "url": "", "description": description}
        return Reply(202 if self.slow_files else 200, self.media[identity])

    def _look(self, identity):
        self.slow_files = max(0, self.slow_files - 1)
        return Reply(206 if self.slow_files else 200, self.media[identity])

    def answer(self, asked):
        path = asked.path.removeprefix("/api/v1/")
        if asked.headers.get("authorization") != f"Bearer {self.secrets['access_token']}":
            return Reply(401, {"error": "x"})
        if path == "notifications":
            return Reply(200, self._page(self.notified, asked))
        if path.startswith("timelines/tag/"):
            return Reply(200, self._page(list(self.statuses.values()), asked))
        if path == "/api/v2/search":
            words = asked.one("q").lower().split()
            found = [one for one in self.statuses.values() if all(word in one["content"].lower() for word in words)]
            return Reply(200, {"statuses": self._page(found, asked)})
        if path == "/api/v2/media" or path.startswith("media/"):
            return self._look(path.removeprefix("media/")) if asked.method == "GET" else self._file(asked)
        if path.startswith("accounts/") and path.endswith("/block"):
            self.blocked.add(path.split("/")[1])
            return Reply(200, {"id": path.split("/")[1], "blocking": True})
        if path.rstrip("/") == "reports":
            self.reports.append(parse_qs(asked.body.decode()))
            return Reply(200, {"id": str(len(self.reports)), "action_taken": False})
        if path == "accounts/1/statuses":
            return Reply(200, self.made()[::-1][:40])
        return Reply(200, TOLD[path]) if path in TOLD else self._statuses(asked, path)

    def _page(self, items, asked):
        above, limit, below = asked.one("min_id", ""), int(asked.one("limit")), asked.one("max_id", "")
        if self.stuck:
            return items[:limit][::-1]
        if below:
            return [item for item in items if int(item["id"]) < int(below)][-limit:][::-1]
        if not above:
            return items[::-1][:limit]
        return [item for item in items if int(item["id"]) > int(above)][:limit][::-1]

    def _statuses(self, asked, path):
        _, _, rest = path.partition("statuses")
        identity, _, verb = rest.strip("/").partition("/")
        if asked.method == "POST" and not identity:
            return self._post(asked)
        if not identity:
            return Reply(200, [self.statuses[one] for one in asked.many("id[]") if one in self.statuses])
        status = self.statuses.get(identity)
        if status is None:
            return Reply(404, {"error": "x"})
        if verb in ("favourite", "unfavourite"):
            status["favourited"] = verb == "favourite"
        elif verb in ("mute", "unmute"):
            status["muted"] = verb == "mute"
        elif verb == "context":
            above, parent = [], status["in_reply_to_id"]
            while parent:
                above.insert(0, self.statuses[parent])
                parent = self.statuses[parent]["in_reply_to_id"]
            return Reply(200, {"ancestors": above, "descendants": []})
        elif asked.method == "DELETE":
            self.delete(identity)
        elif asked.method == "PUT":
            given = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
            self.edit(identity, given["status"])
            status |= _behind(given)  # what is not said again is taken away
        return Reply(200, status)

    def _post(self, asked):
        given = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        named = [self.media[one] for one in parse_qs(asked.body.decode()).get("media_ids[]", [])]
        key = asked.headers.get("idempotency-key")
        if key not in self.keys or self.forgets:
            self.keys[key] = self._status(given["status"], ME, given["in_reply_to_id"], given["visibility"],
                                          media_attachments=named, **_behind(given))  # fmt: skip
        return Reply(200, self.keys[key])


def _behind(given):
    warning = given.get("spoiler_text", "")
    return {"spoiler_text": warning, "sensitive": bool(warning) or given.get("sensitive") in ("1", "true", "True")}

"""A server of the AT protocol as far as we use it: records in repositories, notifications and search newest first,
sessions that run out."""

import hashlib
import json
from datetime import UTC, datetime

from connectors.networks.bluesky.api import GATES
from tests.fakes.network import CANARY, FAULTS, FakeNetwork
from tests.fakes.server import Reply

ME, POSTS = "did:plc:brand", "app.bsky.feed.post"
MEMBER = {"did": ME, "handle": "brand.test", "displayName": "Brand"}
PUBLIC = ("searchPosts", "getPosts", "getPostThread", "getProfile", "getRecord")
REFRESH, PASSWORD = "canary-4f1c9e77-again", "canary-4f1c9e77-app"


def named(status, error, **headers):
    return Reply(status, {"error": error, "message": "x"}, dict(headers))


class Fake(FakeNetwork):
    name, source = "bluesky", "notifications"
    takes_files, uploads = True, ("/xrpc/com.atproto.repo.uploadBlob", "/xrpc/app.bsky.video.uploadVideo")
    secrets = {"access_jwt": CANARY, "refresh_jwt": REFRESH, "app_password": PASSWORD}

    def __init__(self):
        super().__init__()
        self.blobs, self.jobs, self.vouchers = {}, {}, set()
        self.age = 0  # of the tokens of pages
        self.records, self.people, self.told, self.hidden = {}, {ME: MEMBER}, [], set()
        self.commits, self.tokens, self.expired, self.passwords = [], {CANARY}, set(), {PASSWORD}
        self.closed, self.shut, self.unnamed, self.logins, self.reports = set(), set(), set(), 0, []
        self.search_refused = False

    def forget_pages(self):
        self.age += 1
        return True

    def settings(self):
        here = self.server.url
        return {"server": here, "appview": here, "video_url": here, "handle": "@brand.test", "searches": "tea"}

    def facts(self):
        return {"account_id": ME, "handle": "brand.test"}

    def fault(self, name):
        """It answers most of its faults with 400 and a name."""
        return {
            "401": named(401, "AuthMissing"),
            "404": named(400, "NotFound"),
            "422": named(400, "InvalidRequest"),
        }.get(name, FAULTS[name])

    def most(self, connector, unit):
        """Three hundred characters, but never more than three thousand bytes."""
        return min(300, 3_000 // len(unit.encode()))

    # People

    def join(self, person):
        did = f"did:plc:{person}"
        self.people.setdefault(did, {"did": did, "handle": f"{person}.test", "displayName": person.title()})
        return did

    def say(self, text, person="carla", parent=None, reason=None, **more):
        number, at = self.next()
        record = {"$type": POSTS, "text": text, "createdAt": _zulu(at), "langs": ["en"]} | more
        if parent:
            above = self.records[parent]
            root = (above["record"].get("reply") or {}).get("root") or _ref(above)
            record["reply"] = {"root": root, "parent": _ref(above)}
        uri = self.keep(self.join(person), POSTS, f"3k{number:011d}", record, at)
        self.told.append((uri, reason or ("reply" if parent else "mention")))
        return uri

    def keep(self, did, collection, rkey, record, at=None):
        uri = f"at://{did}/{collection}/{rkey}"
        cid = "bafy" + hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:40]
        if uri not in self.records or self.records[uri]["cid"] != cid:
            self.commits.append(uri)
            at = self.records[uri]["at"] if uri in self.records else at or datetime.now(UTC)
            self.records[uri] = {"uri": uri, "cid": cid, "record": record, "did": did, "at": at}
        return uri

    def edit(self, uri, text):
        one = self.records[uri]
        self.keep(one["did"], POSTS, uri.rpartition("/")[2], one["record"] | {"text": text})

    def delete(self, uri):
        del self.records[uri]
        self.told = [(each, reason) for each, reason in self.told if each != uri]

    def spoil(self):
        uri = self.say("x")
        self.records[uri] |= {"record": None, "bad": True}

    def odd(self):
        uri = self.say("odd", langs=None, facets=[None, {"index": 7}], embed=None, unknown={"a": [1]})
        self.people["did:plc:carla"] |= {"followersCount": "12", "handle": None, "viewer": None}
        self.told.append((uri, "moon-landing"))
        return uri

    def ids(self):
        return {uri for uri, one in self.records.items() if one["did"] != ME and POSTS in uri and "bad" not in one}

    def made(self):
        return [one for uri, one in self.records.items() if one["did"] == ME and POSTS in uri]

    def own(self, collection):
        return [one["record"] for uri, one in self.records.items() if uri.startswith(f"at://{ME}/{collection}/")]

    # The server

    def view(self, uri):
        one = self.records[uri]
        like = next((u for u, o in self.records.items() if "like/" in u and o["record"]["subject"]["uri"] == uri), None)
        viewer = {"replyDisabled": uri in self.closed} | ({"like": like} if like else {})
        author = self.people[one["did"]]
        gate = self.records.get(f"at://{ME}/{GATES}/{uri.rpartition('/')[2]}") if one["did"] == ME else None
        gated = {"threadgate": {"uri": gate["uri"], "cid": gate["cid"], "record": gate["record"]}} if gate else {}
        return {"uri": uri, "cid": one["cid"], "author": author, "record": one["record"], "viewer": viewer,
                "indexedAt": _zulu(one["at"])} | gated  # fmt: skip

    def answer(self, asked):
        method = asked.path.removeprefix("/xrpc/")
        answers = {
            "com.atproto.server.createSession": self._login,
            "com.atproto.server.refreshSession": self._again,
            "com.atproto.server.getSession": self._whose,
            "com.atproto.server.getServiceAuth": self._vouch,
            "app.bsky.video.uploadVideo": self._video,
            "app.bsky.video.getJobStatus": self._job,
            "com.atproto.identity.resolveHandle": self._resolve,
            "com.atproto.repo.getRecord": self._get,
            "com.atproto.repo.putRecord": self._put,
            "com.atproto.repo.uploadBlob": self._blob,
            "com.atproto.repo.deleteRecord": self._drop,
            "com.atproto.moderation.createReport": self._report,
            "app.bsky.graph.muteActor": self._mute,
            "app.bsky.graph.unmuteActor": self._mute,
            "app.bsky.actor.getProfile": self._profile,
            "app.bsky.feed.getPosts": self._posts,
            "app.bsky.feed.getPostThread": self._thread,
            "app.bsky.feed.searchPosts": self._search,
            "app.bsky.notification.listNotifications": self._notifications,
        }  # fmt: skip
        refused = self._refused(asked, method)
        return refused or answers.get(method, lambda asked: named(501, "MethodNotImplemented"))(asked)

    def _refused(self, asked, method):
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if method.startswith("app.bsky.video."):  # another service, which knows no sessions
            return None
        if method.endswith("searchPosts") and not token and self.search_refused:
            return Reply(403, {}, {})
        if method.endswith(("createSession", "refreshSession")) or (method.endswith(PUBLIC) and not token):
            return None
        if not token:
            return named(401, "AuthMissing")
        if token in self.expired:
            return named(400, "ExpiredToken")
        return None if token in self.tokens else named(400, "InvalidToken")

    def _session(self):
        self.logins += 1
        self.tokens.add(access := f"access-{self.logins}")
        self.tokens.add(refresh := f"refresh-{self.logins}")
        return Reply(200, {"did": ME, "handle": "brand.test", "accessJwt": access, "refreshJwt": refresh})

    def _login(self, asked):
        good = asked.json() in [{"identifier": "brand.test", "password": password} for password in self.passwords]
        return self._session() if good else named(401, "AuthenticationRequired")

    def _again(self, asked):
        token = asked.headers["authorization"].removeprefix("Bearer ")
        if token not in {REFRESH, *self.tokens} - self.expired:
            self.spent()
            return named(400, "ExpiredToken")
        self.renewed()
        self.expired.add(token)
        return self._session()

    def expire(self):
        self.expired |= {token for token in self.tokens if not token.startswith("refresh-")}
        return True

    def _resolve(self, asked):
        found = [did for did, one in self.people.items() if one["handle"] == asked.one("handle")]
        return Reply(200, {"did": found[0]}) if found else named(400, "InvalidRequest")

    def _profile(self, asked):
        if asked.one("actor") in self.shut:
            return named(400, "InvalidRequest")
        return Reply(200, self.people[asked.one("actor")])

    def _get(self, asked):
        uri = f"at://{asked.one('repo')}/{asked.one('collection')}/{asked.one('rkey')}"
        # The view of the whole network has no name for an account that was closed, and older ones for no record either.
        if asked.one("repo") in self.shut or uri in self.unnamed:
            return named(400, "InvalidRequest")
        one = self.records.get(uri)
        if one is None:
            return named(400, "RecordNotFound")
        return Reply(200, {"uri": one["uri"], "cid": one["cid"], "value": one["record"]})

    def _put(self, asked):
        given = asked.json()
        uri = f"at://{ME}/{given['collection']}/{given['rkey']}"
        there = self.records.get(uri)
        if "swapRecord" in given and given["swapRecord"] != (there and there["cid"]):
            return named(400, "InvalidSwap")
        self.keep(ME, given["collection"], given["rkey"], given["record"])
        return Reply(200, {"uri": uri, "cid": self.records[uri]["cid"]})

    def _blob(self, asked):
        link = hashlib.sha256(asked.body).hexdigest()
        self.blobs[link] = asked.body
        ref = {"ref": {"$link": link}, "mimeType": asked.headers["content-type"], "size": len(asked.body)}
        return Reply(200, {"blob": {"$type": "blob"} | ref})

    def _whose(self, asked):
        service = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": self.server.url}
        return Reply(200, {"did": ME, "handle": "brand.test", "didDoc": {"id": ME, "service": [service]}})

    def _vouch(self, asked):
        assert asked.one("aud") == "did:web:127.0.0.1"
        assert asked.one("lxm") == "com.atproto.repo.uploadBlob"
        self.vouchers.add(token := f"{CANARY}-voucher-{len(self.vouchers)}")
        return Reply(200, {"token": token})

    def _video(self, asked):
        """It is done at the third question; the same bytes are the same job."""
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.vouchers:
            return named(401, "AuthMissing")
        assert asked.one("did") == ME
        job = hashlib.sha256(asked.body).hexdigest()[:12]
        there = job in self.jobs
        self.jobs.setdefault(job, [asked.body, 0])
        status = {"jobId": job, "did": ME, "state": "JOB_STATE_CREATED"}
        return Reply(409, status | {"error": "already_exists"}) if there else Reply(200, {"jobStatus": status})

    def _job(self, asked):
        body, looks = self.jobs[asked.one("jobId")]
        self.jobs[asked.one("jobId")][1] += 1
        status = {"jobId": asked.one("jobId"), "did": ME, "state": "JOB_STATE_ENCODING", "progress": 30}
        if b"broken" in body:
            status |= {"state": "JOB_STATE_FAILED", "error": "encoding_failure"}
        elif looks >= 2:
            link = hashlib.sha256(body).hexdigest()
            self.blobs[link] = body
            blob = {"$type": "blob", "ref": {"$link": link}, "mimeType": "video/mp4", "size": len(body)}
            status |= {"state": "JOB_STATE_COMPLETED", "blob": blob}
        return Reply(200, {"jobStatus": status})

    def attached(self, made):
        told = made["record"].get("embed", {"images": ()})
        if "video" in told:
            return [(self.blobs[told["video"]["ref"]["$link"]], told["alt"])]
        return [(self.blobs[each["image"]["ref"]["$link"]], each["alt"]) for each in told["images"]]

    def _drop(self, asked):
        given = asked.json()
        self.records.pop(f"at://{given['repo']}/{given['collection']}/{given['rkey']}", None)
        return Reply(200, {})

    def _mute(self, asked):
        person = self.people[asked.json()["actor"]]
        person["viewer"] = {"muted": "unmute" not in asked.path}
        return Reply(200, "")

    def _report(self, asked):
        """Of a post as it stands; each one is read by somebody."""
        subject = asked.json()["subject"]
        view = self.view(subject["uri"])
        if (subject["$type"], subject["cid"]) != ("com.atproto.repo.strongRef", view["cid"]):
            return named(400, "InvalidRequest")
        self.reports.append((subject["uri"], asked.json()["reasonType"].rpartition("#")[2]))
        return Reply(200, {"id": len(self.reports), "reportedBy": ME, **asked.json()})

    def _posts(self, asked):
        uris = asked.many("uris")
        if len(uris) > 25:
            return named(400, "InvalidRequest")
        return Reply(200, {"posts": [self.view(uri) for uri in uris if uri in self.records and uri not in self.hidden]})

    def _thread(self, asked):
        if asked.one("uri") not in self.records:
            return named(400, "NotFound")
        return Reply(200, {"thread": self._node(asked.one("uri"))})

    def _node(self, uri):
        if uri not in self.records:
            return {"$type": "app.bsky.feed.defs#notFoundPost", "uri": uri, "notFound": True}
        node = {"post": self.view(uri)}
        if above := (self.records[uri]["record"].get("reply") or {}).get("parent"):
            node["parent"] = self._node(above["uri"])
        return node

    def _search(self, asked):
        fitting = [uri for uri, one in self.records.items() if asked.one("q") in (one["record"] or {}).get("text", "")]
        return self._paged("posts", [self.view(uri) for uri in fitting], asked)

    def _notifications(self, asked):
        wanted = {*asked.many("reasons"), "moon-landing"}
        told = [self.view(uri) | {"reason": reason, "viewer": None} for uri, reason in self.told if reason in wanted]
        return self._paged("notifications", told, asked)

    def _paged(self, what, items, asked):
        items.sort(key=lambda item: item["indexedAt"], reverse=True)
        if self.stuck:
            return Reply(200, {what: items[:100], "cursor": "for ever"})
        cursor, limit = asked.one("cursor", ""), int(asked.one("limit"))
        at, _, age = cursor.rpartition("~")
        if cursor and (not at or age != str(self.age)):
            return named(400, "InvalidRequest")
        below = [item for item in items if not at or item["indexedAt"] < at][:limit]
        return Reply(200, {what: below} | ({"cursor": f"{below[-1]['indexedAt']}~{self.age}"} if below else {}))


def _ref(one):
    return {"uri": one["uri"], "cid": one["cid"]}


def _zulu(time):
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""The API of X as far as we use it: ids that carry their time, newest first with page tokens, edits with ids of their
own, only the summoned may be answered, a repeated text is refused."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import pairwise

from connectors.faults import AuthExpired
from connectors.networks.x.access import SCOPES
from connectors.networks.x.api import id_at
from tests.fakes.network import CANARY, NO_GRANT, FakeNetwork
from tests.fakes.server import Reply, parts_of

ME = {"id": "7001", "name": "Acme", "username": "acme"}
LEAST_PAGE = {"mentions": 5, "tweets": 5, "recent": 10, "dm_events": 1}

OLD_NAMES = ["tweet.fields", "referenced_tweets", "note_tweet", "edit_history_tweet_ids"]


def problem(status, kind="", title="x", detail="", **more):
    kind = f"https://api.twitter.com/2/problems/{kind}" if kind else "about:blank"
    body = {"title": title, "detail": detail or title, "type": kind, "status": status} | more
    return Reply(status, body, {"Content-Type": "application/problem+json"})


FAULTS = {
    "401": lambda: problem(401, title="Unauthorized"),
    "403": lambda: problem(403, title="Forbidden", detail="You are not permitted to perform this action."),
    "404": lambda: problem(404, "resource-not-found", title="Not Found Error"),
    "422": lambda: problem(
        400, "invalid-request", errors=[{"parameters": {"text": ["?"]}, "message": "texte traduit"}]
    ),
    "429": lambda: problem(429, "rate-limit-exceeded", title="Too Many Requests"),
}


def _called_anew(told):
    if isinstance(told, list):
        return [_called_anew(each) for each in told]
    if not isinstance(told, dict):
        return told
    old = {*OLD_NAMES, "tweets"}
    return {name.replace("tweet", "post") if name in old else name: _called_anew(value) for name, value in told.items()}


class Fake(FakeNetwork):
    name, source = "x", "mentions"
    refuses_renewal = NO_GRANT
    takes_files, uploads = True, ("/2/media/",)
    secrets = {"access_token": CANARY, "refresh_token": f"{CANARY}-again", "client_secret": f"{CANARY}-app",
               "scope": " ".join(SCOPES)}  # fmt: skip
    read_faults = write_faults = {"401": {AuthExpired}}

    def __init__(self):
        super().__init__()
        self.files, self.described, self.parts, self.looks = {}, {}, {}, {}
        self.processing = {"state": "pending", "check_after_secs": 1}
        # Reading looks a quarter of an hour back; whatever is said now is at most that old.
        self.start = datetime.now(UTC) - timedelta(minutes=6)
        self.media, self.told_of_media, self.passed = {}, set(), timedelta(0)
        self.posts, self.users, self.messages, self.spoiled, self.hidden = {}, {ME["id"]: ME}, [], [], set()
        self.jobs, self.audited, self.reasons = {}, {}, {}
        self.muted, self.bearer, self.counts, self.quota = set(), f"{CANARY}-bearer", {}, (1_200, 3_000_000)
        self.access, self.refresh, self.asked_names = self.secrets["access_token"], self.secrets["refresh_token"], "old"

    def settings(self):
        return {"base_url": self.server.url, "client_id": "app-1", "searches": ["acme"]}

    def facts(self):
        return {"account_id": ME["id"], "username": ME["username"], "longest": 280}

    # People

    def person(self, name, **more):
        number = str(9000 + sum(map(ord, name)))
        self.users[number] = {
            "id": number, "name": name.title(), "username": name, "protected": False, "receives_your_dm": True,
            "public_metrics": {"followers_count": 3, "following_count": 1, "tweet_count": 9, "listed_count": 0},
        } | more  # fmt: skip
        return self.users[number]

    def post(self, author, text, parent=None, quoted=None, **more):
        number, at = self.next()
        at = datetime.now(UTC) if author is ME else at
        identity = str(int(id_at(at)) + number)
        referenced = [{"type": "replied_to", "id": parent}] if parent else []
        referenced += [{"type": "quoted", "id": quoted}] if quoted else []
        above = self.posts.get(parent, {})
        self.posts[identity] = {
            "id": identity, "text": escape(text, quote=False), "author_id": author["id"], "lang": "en",
            "created_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "conversation_id": above.get("conversation_id", identity), "edit_history_tweet_ids": [identity],
            "possibly_sensitive": False, "reply_settings": "everyone",
        } | ({"in_reply_to_user_id": above["author_id"]} if above else {}) | (
            {"referenced_tweets": referenced} if referenced else {}
        ) | more  # fmt: skip
        return identity

    def say(self, text, person="carla", parent=None, names_us=True, **more):
        """Somebody writes; `names_us` puts our name at the end, where people put it."""
        where = {"start": len(text) + 1, "end": len(text) + 6, "username": ME["username"], "id": ME["id"]}
        entities = {"entities": {"mentions": [where]}} if names_us else {}
        said = f"{text} @{ME['username']}" if names_us else text
        return self.post(self.person(person), said, parent, **entities | more)

    def film(self, kind="video", **more):
        """What hangs from a post, for `say(**film())`; `more` instead of what X tells of it."""
        key = f"13_{7000 + len(self.media)}"
        rates = ((256_000, "low"), (2_176_000, "high"), (832_000, "middle"))
        files = [{"bit_rate": rate, "content_type": "video/mp4", "url": f"https://video.example/{name}.mp4"}
                 for rate, name in rates]  # fmt: skip
        stream = {"content_type": "application/x-mpegURL", "url": "https://video.example/all.m3u8"}
        self.media[key] = {
            "media_key": key, "type": kind, "preview_image_url": "https://pbs.example/still.jpg",
            "variants": [stream, *files], "alt_text": "a kettle that boils",
        } | more  # fmt: skip
        return {"attachments": {"media_keys": [key]}}

    def message(self, text, person="carla", ours=False):
        number, at = self.next()
        at = datetime.now(UTC) if ours else at
        other = self.person(person)["id"]
        self.messages.append({
            "id": str(int(id_at(at)) + number), "event_type": "MessageCreate", "text": text,
            "sender_id": ME["id"] if ours else other, "dm_conversation_id": f"{other}-{ME['id']}",
            "created_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        })  # fmt: skip
        return self.messages[-1]["id"]

    def edit(self, identity, text):
        """An edit has an id of its own; every version tells all of them."""
        first = self.posts[identity]
        number, _ = self.next()
        new = str(int(id_at(datetime.now(UTC))) + number)
        history = [*first["edit_history_tweet_ids"], new]
        made_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.posts[new] = first | {"id": new, "text": escape(text, quote=False), "created_at": made_at}
        for each in history:
            self.posts[each]["edit_history_tweet_ids"] = history

    def delete(self, identity):
        for each in self.posts[identity]["edit_history_tweet_ids"]:
            self.posts.pop(each, None)

    def spoil(self):
        number, at = self.next()
        self.spoiled.append({"id": str(int(id_at(at)) + number), "text": "x", "author_id": None, "created_at": "soon"})

    def odd(self):
        odd = {"entities": None, "attachments": None, "lang": None, "unknown": {"a": [1]}, "referenced_tweets": None}
        identity = self.say("odd", person="carl", names_us=False, **odd)
        self.users[self.posts[identity]["author_id"]]["public_metrics"] = {"followers_count": "12"}
        return identity

    def ids(self):
        return {each["edit_history_tweet_ids"][0] for each in self.posts.values() if each["author_id"] != ME["id"]}

    def made(self):
        ours = [each for each in self.posts.values() if each["author_id"] == ME["id"]]
        return ours + [each for each in self.messages if each["sender_id"] == ME["id"]]

    def fault(self, name):
        if name == "429 with wait":
            reset = str(int((datetime.now(UTC) + self.skew + timedelta(seconds=45)).timestamp()))
            told = {"x-rate-limit-limit": "450", "x-rate-limit-remaining": "0", "x-rate-limit-reset": reset}
            reply = FAULTS["429"]()
            return Reply(429, reply.body, reply.headers | told)
        return FAULTS[name]() if name in FAULTS else super().fault(name)

    # The server

    def answer(self, asked):
        if asked.path == "/2/oauth2/token":
            return self._token(asked)
        if asked.path.startswith("/storage/"):
            return self._stored(asked, asked.path.rpartition("/")[2])
        parts = asked.path.split("/")[2:]
        of_the_app = parts in (["tweets", "counts", "recent"], ["usage", "tweets"], ["compliance", "jobs"])
        if asked.headers.get("authorization") != f"Bearer {self.bearer if of_the_app else self.access}":
            return FAULTS["401"]()
        if of_the_app:
            return {"tweets": self._counted, "usage": self._used, "compliance": self._job}[parts[0]](asked)
        if asked.method == "GET":
            reply = self._get(asked, parts)
            return replace(reply, body=_called_anew(reply.body)) if self.asked_names == "new" else reply
        return self._written(asked, parts)

    def _written(self, asked, parts):
        if asked.method == "PUT":
            return self._hide(parts[1], asked.json()["hidden"])
        if parts[0] == "users" and parts[2] == "muting":
            return self._mute(asked, parts[3:])
        if asked.method == "DELETE":
            return self._remove(parts[1])
        if parts[0] == "media":
            return self._file(asked, parts[1:])
        if parts[0] == "dm_conversations":
            return self._write(parts[2], asked.json()["text"])
        return self._post(asked.json())

    def _job(self, asked):
        """One at a time; its addresses are good for whoever knows them."""
        if asked.method == "GET":
            assert asked.one("type") == "tweets"
            return Reply(200, {"data": list(self.jobs.values())} if self.jobs else {"meta": {"result_count": 0}})
        if any(job["status"] in ("created", "in_progress") for job in self.jobs.values()):
            return Reply(409, {"title": "Conflict", "type": "about:blank"})
        identity, at = str(7000 + len(self.jobs)), datetime.now(UTC).isoformat()
        where = f"{self.server.url}/storage/{{}}/{identity}?X-Goog-Signature={CANARY}".format
        self.jobs[identity] = {
            "id": identity, "name": asked.json()["name"], "type": asked.json()["type"], "status": "created",
            "created_at": at, "upload_url": where("up"), "download_url": where("down"),
            "upload_expires_at": at, "download_expires_at": at,
        }  # fmt: skip
        return Reply(200, {"data": self.jobs[identity]})

    def _stored(self, asked, identity):
        assert "authorization" not in asked.headers
        if asked.one("X-Goog-Signature") != CANARY:
            return Reply(403, "<Error/>")
        if asked.method == "PUT":
            assert asked.headers["content-type"] == "text/plain"
            self.audited[identity] = asked.body.decode().split("\n")
            self.jobs[identity]["status"] = "in_progress"
            return Reply(200, "")
        told = [{"id": one, "action": "delete", "reason": self.reasons.get(one, "deleted")}
                for one in self.audited[identity] if one not in self.posts or one in self.reasons]  # fmt: skip
        return Reply(200, "\n".join(map(json.dumps, told)) + "\n")

    def _file(self, asked, parts):
        if parts == ["metadata"]:
            given = asked.json()
            self.described[given["id"]] = given["metadata"]["alt_text"]["text"]
            return Reply(200, {"data": {"id": given["id"]}})
        if parts[1:] == ["initialize"]:
            given, identity = asked.json(), str(9000 + len(self.files))
            assert given["media_category"] in ("tweet_video", "tweet_gif")
            self.files[identity], self.parts[identity] = None, (given["total_bytes"], {})
            return Reply(200, {"data": self._shown(identity), "meta": {}})
        if parts[2:]:
            return self._part(asked, parts[1], parts[2])
        given, identity = parts_of(asked), str(9000 + len(self.files))
        assert given["media_category"] == b"tweet_image"
        self.files[identity] = given["media"]
        return Reply(200, {"data": self._shown(identity), "meta": {}})

    def _part(self, asked, identity, what):
        total, held = self.parts[identity]
        if what == "append":
            given = parts_of(asked)
            held[int(given["segment_index"])] = given["media"]
            return Reply(200, {"data": {"expires_at": 1795348849}, "meta": {}})
        body = b"".join(held[number] for number in sorted(held))
        if len(body) != total or self.files[identity] is not None:
            return problem(400, "invalid-request", errors=[{"message": "The parts do not make the file."}])
        self.files[identity] = body
        self.looks[identity] = 0
        return Reply(
            200, {"data": self._shown(identity) | {"processing_info": self.processing | {"type": "x"}}, "meta": {}}
        )

    def _looked(self, identity):
        """It is done at the third look."""
        self.looks[identity] += 1
        states = ["in_progress", "in_progress", "failed" if b"broken" in self.files[identity] else "succeeded"]
        info = {"state": states[min(self.looks[identity], 3) - 1], "progress_percent": 33, "check_after_secs": 1}
        return Reply(200, {"data": self._shown(identity) | {"processing_info": info | {"type": "x"}}, "meta": {}})

    @staticmethod
    def _shown(identity):
        return {"id": identity, "media_key": f"3_{identity}", "expires_after_secs": 86400}

    def attached(self, made):
        return [(self.files[one], self.described.get(one)) for one in made["attached"]]

    def _token(self, asked):
        from urllib.parse import parse_qs

        given = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        self.token_asked = given | {"authorization": asked.headers.get("authorization", "")}
        if given["grant_type"] == "refresh_token" and given["refresh_token"] != self.refresh:
            self.spent()
            return Reply(
                400, {"error": "invalid_request", "error_description": "Value passed for the token was invalid."}
            )
        self.renewed()
        self.sign_in()
        return Reply(200, {
            "token_type": "bearer", "expires_in": 7200, "access_token": self.access, "refresh_token": self.refresh,
            "scope": self.secrets["scope"],
        })  # fmt: skip

    def expire(self):
        self.access = "ended"
        return True

    def sign_in(self):
        number = len(self.server.asked)
        self.access, self.refresh = f"{CANARY}-access-{number}", f"{CANARY}-refresh-{number}"
        return {"access_token": self.access, "refresh_token": self.refresh}

    def _get(self, asked, parts):
        if unknown := self._unknown(asked):
            return problem(400, "invalid-request", errors=[{"parameters": unknown, "message": "unknown"}])
        self.told_of_media = {"media_key", "type", *asked.one("media.fields", "").split(",")}
        if parts[0] == "media":
            assert asked.one("command") == "STATUS"
            return self._looked(asked.one("media_id"))
        if parts == ["users", "me"]:
            return Reply(200, {"data": ME | {"verified": True, "subscription_type": "None"}})
        if parts[-1] == "dm_events":
            events = [one for one in self.messages if parts[0] == "dm_events" or parts[2] in one["dm_conversation_id"]]
            return self._page(events, asked, "dm_events")
        if parts == ["tweets"]:
            return self._look_up(asked.one("ids").split(","))
        of_all = [*self.posts.values(), *self.spoiled]
        latest = [each for each in of_all if each["id"] == each.get("edit_history_tweet_ids", [each["id"]])[-1]]
        if parts[-1] == "tweets":
            latest = [each for each in latest if each["author_id"] == parts[1]]
        elif parts[-1] == "mentions":
            latest = [each for each in latest if each["author_id"] != ME["id"]]
        return self._page(latest, asked, parts[-1])

    def _unknown(self, asked):
        """The first parameter in which something is called as it no longer is, or not yet."""
        wrong = OLD_NAMES if self.asked_names == "new" else [name.replace("tweet", "post") for name in OLD_NAMES]
        for name, value in asked.query:
            if name == wrong[0] or (
                (name == "expansions" or name.endswith(".fields")) and any(each in value for each in wrong)
            ):
                return {name: [value]}
        return {}

    def _look_up(self, ids):
        found = [self.posts[one] for one in ids if one in self.posts]
        errors = [
            {"resource_type": "tweet", "resource_id": one, "value": one, "parameter": "ids", "title": "Not Found Error",
             "detail": f"Could not find tweet with ids: [{one}].",
             "type": "https://api.twitter.com/2/problems/resource-not-found"}
            for one in ids if one not in self.posts
        ]  # fmt: skip
        body = ({"data": found} if found else {}) | ({"errors": errors} if errors else {})
        return Reply(200, body | self._includes(found))

    def _page(self, items, asked, kind):
        limit, token = int(asked.one("max_results", "100")), asked.one("pagination_token", "")
        if not LEAST_PAGE[kind] <= limit <= 100:
            return problem(400, "invalid-request", errors=[{"parameters": {"max_results": [str(limit)]}}])
        above = int(asked.one("since_id", "0"))
        if kind == "recent" and 0 < above < int(id_at(datetime.now(UTC) + self.passed - timedelta(days=7))):
            return problem(400, "invalid-request", errors=[{"parameters": {"since_id": [str(above)]}}])
        items = sorted((item for item in items if int(item["id"]) > above), key=lambda item: -int(item["id"]))
        if self.stuck:
            return self._list(items[:limit], "the-same-for-ever")
        if token and not token.startswith("older-than-"):
            return problem(400, "invalid-request", errors=[{"parameters": {"pagination_token": [token]}}])
        below = int(token.removeprefix("older-than-") or 10**19)
        items = [item for item in items if int(item["id"]) < below]
        more = f"older-than-{items[limit - 1]['id']}" if len(items) > limit else ""
        return self._list(items[:limit], more)

    def _list(self, items, token):
        meta = {"result_count": len(items)} | ({"next_token": token} if token else {})
        if items and "dm_conversation_id" not in items[0]:
            meta |= {"newest_id": items[0]["id"], "oldest_id": items[-1]["id"]}
        body = ({"data": items} if items else {}) | self._includes(items) | {"meta": meta}
        return Reply(200, body)

    def _includes(self, items):
        authors = {each.get("author_id") or each.get("sender_id") for each in items}
        users = [self.users[one] for one in sorted(filter(None, authors))]
        named = {ref["id"] for each in items for ref in each.get("referenced_tweets") or ()}
        posts = [self.posts[one] for one in sorted(named) if one in self.posts]
        keys = [key for each in items for key in (each.get("attachments") or {}).get("media_keys", ())]
        media = [{name: value for name, value in self.media[key].items() if name in self.told_of_media} for key in keys]
        given = ({"users": users} if users else {}) | ({"tweets": posts} if posts else {})
        given |= {"media": media} if media else {}
        return {"includes": given} if given else {}

    def _post(self, given):
        parent = self.posts.get(given["reply"]["in_reply_to_tweet_id"])
        if parent is None:
            detail = "The reply tweet ID is not valid."
            return problem(400, "invalid-request", detail=detail, errors=[{"message": detail}])
        named = any(one["id"] == ME["id"] for one in (parent.get("entities") or {}).get("mentions", ()))
        if not named and parent["author_id"] != ME["id"] and parent.get("in_reply_to_user_id") != ME["id"]:
            return problem(403, title="Forbidden", detail="You may only reply where you are mentioned.")
        if any(post["text"].endswith(escape(given["text"], quote=False)) for post in self.made() if "lang" in post):
            detail = "You are not allowed to create a Tweet with duplicate content."
            return problem(403, title="Forbidden", detail=detail)
        to = self.users[parent["author_id"]]["username"]
        hanging = given.get("media", {}).get("media_ids", [])
        link = " https://t.co/aBcDeFgHiJ" if hanging else ""
        made = self.post(ME, f"@{to} {given['text']}{link}", parent["id"])
        self.posts[made]["attached"] = hanging
        return Reply(201, {"data": {"id": made, "text": self.posts[made]["text"]}})

    def _write(self, to, text):
        person = self.users[to]
        if person["receives_your_dm"] is False:
            return problem(403, title="Forbidden", detail="You cannot send messages to this user.")
        made = self.message(text, person["username"], ours=True)
        return Reply(201, {"data": {"dm_event_id": made, "dm_conversation_id": f"{to}-{ME['id']}"}})

    def _counted(self, asked):
        """Of the last seven days, by days, in the order of time."""
        found = next((count for words, count in self.counts.items() if words in asked.one("query")), 0)
        now = datetime.now(UTC).replace(microsecond=0)
        days = [now - timedelta(days=back) for back in range(7, -1, -1)]
        each = [{"start": one.isoformat(), "end": two.isoformat(), "tweet_count": 0} for one, two in pairwise(days)]
        each[-1]["tweet_count"] = found
        return Reply(200, {"data": each, "meta": {"total_tweet_count": found}})

    def _used(self, asked):
        spent, cap = self.quota
        told = {"project_id": "1234", "project_usage": spent, "project_cap": cap, "cap_reset_day": 9}
        wanted = asked.one("usage.fields").split(",")
        return Reply(200, {"data": {name: value for name, value in told.items() if name in wanted}})

    def _mute(self, asked, target):
        (self.muted.discard(target[0]) if target else self.muted.add(asked.json()["target_user_id"]))
        return Reply(200, {"data": {"muting": not target}})

    def _hide(self, identity, hidden):
        root = self.posts.get(self.posts[identity]["conversation_id"], {})
        if root.get("author_id") != ME["id"]:
            return problem(403, title="Forbidden", detail="You may hide replies in your own conversations only.")
        (self.hidden.add if hidden else self.hidden.discard)(identity)
        return Reply(200, {"data": {"hidden": hidden}})

    def _remove(self, identity):
        if identity not in self.posts:
            return FAULTS["404"]()
        self.delete(identity)
        return Reply(200, {"data": {"deleted": True}})

"""Threads: a thread of ours with replies, mentions, containers that nobody sees until they are published."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from connectors.base import Prepared
from tests.fakes.graph import GONE, SECRET, FakeGraph, form, refused, stamp
from tests.fakes.network import CANARY
from tests.fakes.server import Reply

OURS = "500"


class Fake(FakeGraph):
    name, source = "threads", "replies"
    takes_files, uploads = True, ("/v1.0/me/threads",)

    def __init__(self):
        super().__init__()
        self.posts = {OURS: self.post(OURS, "Our new tea is here", "acme", stamp(self.start))}
        self.ours = [self.posts[OURS]]
        self.containers, self.holds, self.reads, self.found = {}, {}, 0, []
        self.public, self.approved = [], True
        self.scopes = ["threads_basic", "threads_manage_replies", "threads_keyword_search"]
        self.numbers = count(7000)  # none is given twice, whatever was deleted

    def settings(self):
        return {"app_id": "app-1", "base_url": self.server.url, "searches": ["tea"], "reached": True}

    def facts(self):
        return {"account_id": "77", "username": "acme"}

    def connector(self, *args, **kwargs):
        """Sends in two steps, as the outbox does."""
        connector = super().connector(*args, **kwargs)
        one_step = connector.send

        def send(outgoing):
            answer = one_step(outgoing)
            return one_step(replace(outgoing, prepared=answer.token)) if isinstance(answer, Prepared) else answer

        connector.send = send
        return connector

    def is_writing(self, asked):
        """A container is invisible: only its publishing changes something."""
        return asked.path.endswith("/threads_publish") or (
            super().is_writing(asked) and "/me/threads" not in asked.path
        )

    def is_upload(self, asked):
        return asked.path == self.uploads[0]

    def post(self, identity, text, username, at, above="", **more):
        told = {"id": identity, "text": text, "username": username, "permalink": f"https://www.threads.net/t/{identity}",
                "timestamp": at, "media_type": "TEXT_POST", "is_quote_post": False, "has_replies": False}  # fmt: skip
        if above:
            told |= {"replied_to": {"id": above}, "root_post": {"id": OURS}, "is_reply": True,
                     "is_reply_owned_by_me": username == "acme", "hide_status": "NOT_HUSHED"}  # fmt: skip
        return told | more

    def say(self, text, person="carla", parent=None, **more):
        number, at = self.next()
        identity = str(6000 + number)
        self.posts[identity] = self.post(identity, text, person, stamp(at), parent or OURS, **more)
        return identity

    def mutter(self, text, person="theo", **more):
        """Somebody says it to nobody in particular."""
        number, at = self.next()
        self.public.append(self.post(str(4000 + number), text, person, stamp(at), **more))
        return self.public[-1]["id"]

    def searched(self, words):
        """Any of the words will do: it finds more than was asked for. Where the app is not approved it looks through
        our own posts."""
        assert '"' not in words
        if not self.approved:
            return self.ours
        return self.found + [one for one in self.public if any(word in one["text"].lower() for word in words.split())]

    def edit(self, identity, text):
        self.posts[identity]["text"] = text

    def delete(self, identity):
        del self.posts[identity]

    def close_off(self):
        self.ours.append(self.post("501", "News", "acme", self.now()))
        self.forbid("501")
        return True

    def above(self, first, second):
        return [second]

    def spoil(self):
        self.posts["7"] = {"id": "7", "text": "x", "timestamp": "soon", "replied_to": {"id": OURS}}

    def odd(self):
        return self.say("odd", media_url=None, root_post=None, hide_status=None, unknown=[1], has_replies="1")

    def ids(self):
        return {one for one, post in self.posts.items() if one != OURS and post["timestamp"] != "soon"}

    def made(self):
        return [post for one, post in self.posts.items() if one != OURS and post.get("username") == "acme"]

    def attached(self, made):
        held = self.holds[made["id"]]
        files = [self.containers[one] for one in held.get("children", "").split(",") if one] or [held]
        return [(one["bytes"], one.get("alt_text")) for one in files]

    # Answers

    def answer(self, asked):
        given = form(asked) if asked.method == "POST" else dict(asked.query)
        path = asked.path.strip("/")
        if path in ("oauth/access_token", "access_token", "refresh_access_token"):
            return self.gives(path, given)
        if asked.headers.get("authorization") != f"Bearer {CANARY}":
            return refused(190)
        head, _, edge = path.removeprefix("v1.0/").partition("/")
        if asked.method == "GET":
            return self.read_post(head, edge, given)
        return self.written(asked.method, head, edge, given)

    def gives(self, path, given):
        right = {"oauth/access_token": ("code", "the-code"), "access_token": ("access_token", "short-token"),
                 "refresh_access_token": ("access_token", CANARY)}[path]  # fmt: skip
        if given.get(right[0]) != right[1] or given.get("client_secret", SECRET) != SECRET:
            return refused(100)
        if path == "oauth/access_token":
            return Reply(200, {"access_token": "short-token", "user_id": 77})
        return Reply(200, {"access_token": CANARY, "token_type": "bearer", "expires_in": 5183944})

    def read_post(self, head, edge, given):
        if head == "me" and not edge:
            return Reply(200, {"id": "77", "username": "acme", "name": "Acme"})
        if head == "me":
            return Reply(200, self.mine(edge, given))
        if head == "keyword_search":
            return Reply(200, self.page(self.searched(given["q"].lower()), given, "timestamp"))
        if head == "debug_token":
            assert given["input_token"] == CANARY
            return Reply(200, {"data": {"is_valid": True, "user_id": 77, "scopes": self.scopes}})
        if head in self.containers:
            return Reply(200, {"id": head, **self.progress(self.containers[head])})
        if head not in self.posts:
            return refused(*GONE)
        if not edge:
            return Reply(200, self.posts[head])
        below = self.below(head)
        if edge == "replies":
            below = [post for post in below if post["replied_to"]["id"] == head]
        return Reply(200, self.page(below, given, "timestamp"))

    def below(self, head):
        """Whatever was said to it, and to that."""
        answers = [post for post in self.posts.values() if (post.get("replied_to") or {}).get("id") == head]
        return [one for answer in answers for one in (answer, *self.below(answer["id"]))]

    def progress(self, container):
        """It looks through what it fetched until the second question."""
        container["asked"] = container.get("asked", 0) + 1
        if "status" in container:
            return {"status": container["status"]}
        if container.get("bytes", b"none") is None:
            return {"status": "ERROR", "error_message": "FAILED_DOWNLOADING_VIDEO"}
        return {"status": "IN_PROGRESS" if "bytes" in container and container["asked"] < 2 else "FINISHED"}

    def fetched(self, given):
        """A container as it was asked for, with what stands at the address of its file."""
        where = given.get("image_url") or given.get("video_url")
        assert given["media_type"] in (("IMAGE", "VIDEO") if where else ("TEXT", "CAROUSEL"))
        return given | ({"bytes": self.web.get(where)} if where else {})

    def mine(self, edge, given):
        if edge == "threads_publishing_limit":
            return {"data": [{"reply_quota_usage": 3, "reply_config": {"quota_total": 1000, "quota_duration": 86400}}]}
        return self.whole(self.ours[::-1], given) if edge == "threads" else self.page(self.found, given, "timestamp")

    def written(self, method, head, edge, given):
        if edge == "threads":
            self.containers[str(9000 + len(self.containers))] = self.fetched(given)
            return Reply(200, {"id": str(8999 + len(self.containers))})
        if edge == "threads_publish":
            made = self.containers[given["creation_id"]]
            if self.progress(made)["status"] == "IN_PROGRESS" or "is_carousel_item" in made:
                return refused(24, 4279009)
            made["status"] = "PUBLISHED"
            identity = str(next(self.numbers))
            self.holds[identity] = made
            now = stamp(datetime.now(UTC))
            self.posts[identity] = self.post(identity, made["text"], "acme", now, made["reply_to_id"])
            return Reply(200, {"id": identity})
        if head not in self.posts:
            return refused(*GONE)
        if method == "DELETE":
            self.delete(head)
        else:
            self.posts[head]["hide_status"] = "HIDDEN" if given["hide"] == "true" else "UNHUSHED"
        return Reply(200, {"success": True})

"""Reddit as far as we use it: listings from new to old by full names, an inbox, comments, refusals inside 200, and
marks where something was deleted."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl

from connectors.faults import AuthExpired, PolicyRefused, Unreadable
from tests.fakes.network import CANARY, NO_GRANT, FakeNetwork
from tests.fakes.server import Reply

ME, POST = "AcmeCare", "t3_tea"


def no(code, **more):
    return Reply(200, {"json": {"errors": [[code, "texte traduit", "text"]]} | more})


class Fake(FakeNetwork):
    name, source = "reddit", "inbox"
    refuses_renewal = NO_GRANT
    secrets = {"access_token": CANARY, "refresh_token": f"r-{CANARY}", "client_secret": f"s-{CANARY}"}
    read_faults = {"401": {AuthExpired}, "422": {Unreadable}}  # refusals within a success are of writes only
    write_faults = {"401": {AuthExpired}, "403": {PolicyRefused}}

    def __init__(self):
        super().__init__()
        self.things, self.locked, self.page, self.written = {}, set(), 100, []
        self.told, self.codes, self.access = [], {"good": ME}, CANARY
        self.talks, self.scope = {}, "identity read submit modposts mysubreddits"
        self.moderates = ["all"]  # what the account may do as a moderator of r/acme
        self.things[POST] = self.thing("t3", POST, ME, "Tell us", self.start, title="Our new tea")

    def settings(self):
        return {"base_url": self.server.url, "client_id": "app", "subreddits": ["acme"], "moderation": "yes"}

    def facts(self):
        return {"name": ME, "moderates": ["acme"]}

    def above(self, first, second):
        return [second]

    # People

    @staticmethod
    def thing(kind, name, author, text, at, **more):
        words = {"selftext": text} if kind == "t3" else {"body": text}
        data = {
            "name": name, "id": name[3:], "author": author, "author_fullname": f"t2_{author.lower()}", "edited": False,
            "created_utc": at.timestamp(), "created": at.timestamp(), "locked": False, "archived": False, "replies": "",
            "subreddit": "acme", "permalink": f"/r/acme/comments/tea/our_new_tea/{name[3:]}/", "score": 1,
            "num_reports": 0, "banned_by": None, "removed": False, "spam": False, "approved": False,
        }  # fmt: skip
        return {"kind": kind, "data": data | words | more}

    def keep(self, kind, author, text, at, parent, **more):
        name = f"{kind}_{self.number:x}"
        below = {"parent_id": parent or POST, "link_id": POST} if kind == "t1" else {}
        self.things[name] = self.thing(kind, name, author, text, at, **{**below, **more})
        return name

    def say(self, text, person="carla", parent=None, **more):
        _, at = self.next()
        name = self.keep("t1", person, text, at, parent, **{"type": "username_mention"} | more)
        self.told.append(name)
        return name

    def submit(self, title, person="theo", text="", **more):
        """Somebody begins a thread somewhere."""
        _, at = self.next()
        return self.keep("t3", person, text, at, None, title=title, subreddit="tea", **more)

    def searched(self, words):
        """Posts alone, by their titles and texts; other forms of a word will do."""
        found = []
        for one in self.things.values():
            said = f"{one['data'].get('title')} {one['data'].get('selftext')}".lower()
            if one["kind"] == "t3" and all(word.strip('"').rstrip("s") in said for word in words.lower().split()):
                found.append(one)
        return found

    def write(self, text, person="carla", parent=None):
        """A private message."""
        _, at = self.next()
        first = self.things[parent]["data"]["first_message_name"] or parent if parent else None
        name = f"t4_{self.number:x}"
        data = {
            "name": name, "id": name[3:], "author": person, "body": text, "created_utc": at.timestamp(), "dest": ME,
            "subject": "Hello", "first_message_name": first, "parent_id": parent, "context": "", "type": "unknown",
            "subreddit": None, "was_comment": False, "new": True,
        }  # fmt: skip
        self.things[name] = {"kind": "t4", "data": data}
        self.told.append(name)
        return name

    def ask_moderators(self, text, person="carla", talk=None, mod=False, **more):
        """A message to the moderators of a subreddit, or by one of them."""
        _, at = self.next()
        return self.mail(text, person, talk, at, mod, **more)

    def mail(self, text, person, talk, at, mod, **more):
        one = f"m{self.number:x}" if at else f"m{self.number}"
        talk = talk or f"c{self.number:x}"
        about = {
            "id": talk,
            "subject": "Hello",
            "isInternal": False,
            "isRepliable": True,
            "owner": {"displayName": "acme"},
        }
        held = self.talks.setdefault(talk, {"conversation": about, "messages": {}})
        held["conversation"]["lastUpdated"] = at.isoformat()
        author = {"name": person, "id": 7, "isMod": mod, "isOp": not held["messages"], "isParticipant": not mod}
        held["messages"][one] = {"id": one, "author": author, "body": f"<p>{text}</p>", "bodyMarkdown": text,
                                 "date": at.isoformat(), "isInternal": False} | more  # fmt: skip
        return f"modmail/{talk}/{one}"

    def edit(self, name, text):
        self.things[name]["data"] |= {"body": text, "edited": datetime.now(UTC).timestamp()}

    def delete(self, name):
        self.things[name]["data"] |= {"author": "[deleted]", "body": "[deleted]", "author_fullname": None}
        self.told.remove(name)

    def close_off(self):
        self.scope, self.source = f"{self.scope} modmail", "modmail:acme"
        self.say = lambda text, **more: self.ask_moderators(text)
        self.forbid(self.say("closed since").split("/")[1])
        return True

    def spoil(self):
        self.say("x", created_utc="soon")

    def odd(self):
        return self.say("odd", author_fullname=None, link_id=None, edited=None, permalink=None, unknown={"a": [1]})

    def ids(self):
        return {name for name in self.told if self.things[name]["data"]["created_utc"] != "soon"}

    def made(self):
        return [one for one in self.things.values() if one["data"]["author"] == ME and one["kind"] != "t3"]

    def texts(self):
        return [one["data"]["body"] for one in self.made()]

    # The server

    def answer(self, asked):
        path = asked.path.strip("/")
        if path == "api/v1/access_token":
            return self.signed(dict(parse_qsl(asked.body.decode())), asked)
        if asked.headers.get("authorization") != f"bearer {self.access}":
            return Reply(401, {"message": "Unauthorized", "error": 401})
        if asked.method == "POST":
            return self.posted(path, dict(parse_qsl(asked.body.decode(), keep_blank_values=True)))
        reply = self.got(path, asked)
        used = len(self.server.asked)
        reply.headers |= {
            "x-ratelimit-used": str(used), "x-ratelimit-remaining": f"{max(0, 600 - used)}.0",
            "x-ratelimit-reset": "300",
        }  # fmt: skip
        return reply

    def got(self, path, asked):
        if path == "api/v1/me":
            return Reply(200, {"name": ME, "id": "brand"})
        if path == "api/info":
            names = asked.one("id").split(",")
            return self.listing([self.things[name] for name in names if name in self.things])
        if path == "subreddits/mine/moderator":
            return self.mine()
        if path.startswith("message/"):
            sent = [one for one in self.made() if one["kind"] == "t4"]
            told = [self.briefly(self.things[name]) for name in self.told]
            return self.paged(told if path == "message/inbox" else sent, asked)
        if path == f"user/{ME.lower()}/comments":
            return self.paged([one for one in self.made() if one["kind"] == "t1"], asked)
        if path == "api/mod/conversations":
            return self.mails(asked)
        if path.startswith("api/mod/conversations/"):
            assert asked.one("markRead") == "false"
            held = self.talks.get(path.rpartition("/")[2])
            return Reply(200, held) if held else Reply(404, {"message": "Not Found", "error": 404})
        if path == "search":
            assert (asked.one("sort"), asked.one("type")) == ("new", "link")
            return self.paged(self.searched(asked.one("q")), asked)
        kind = {"comments": "t1", "new": "t3"}[path.rpartition("/")[2]]
        return self.paged([one for one in self.things.values() if one["kind"] == kind], asked)

    def mine(self):
        """The subreddits of which we are a moderator."""
        if "mysubreddits" not in self.scope:
            return Reply(403, {"message": "Forbidden", "error": 403})
        about = {"display_name": "Acme", "name": "t5_1", "mod_permissions": self.moderates}
        return self.listing([{"kind": "t5", "data": about}] if self.moderates is not None else [])

    @staticmethod
    def briefly(thing):
        """As the inbox tells of it."""
        left_out = ("num_reports", "banned_by", "removed", "spam", "approved", "locked", "archived")
        return thing | {"data": {key: value for key, value in thing["data"].items() if key not in left_out}}

    def mails(self, asked):
        """The conversations that changed last, each with its newest message."""
        if "modmail" not in self.scope:
            return Reply(403, {"message": "Forbidden", "error": 403})
        assert (asked.one("entity"), asked.one("sort"), asked.one("state")) == ("acme", "recent", "all")
        order = sorted(self.talks, key=lambda one: self.talks[one]["conversation"]["lastUpdated"], reverse=True)
        start = order.index(asked.one("after")) + 1 if asked.one("after") in order else 0
        order = order[start : start + min(self.page, int(asked.one("limit")))]
        talks = {one: self.talks[one]["conversation"] for one in order}
        return Reply(200, {"conversations": talks, "conversationIds": order, "messages": {}, "viewerId": ""})

    def paged(self, things, asked):
        newest, names = things[::-1], [one["data"]["name"] for one in things[::-1]]
        after = asked.one("after")
        start = names.index(after) + 1 if after in names and not self.stuck else 0
        page = newest[start : start + min(self.page, int(asked.one("limit", "25")))]
        more = bool(page) and (self.stuck or start + len(page) < len(newest))
        return self.listing(page, page[-1]["data"]["name"] if more else None)

    @staticmethod
    def listing(things, after=None):
        return Reply(200, {"kind": "Listing", "data": {"children": things, "after": after, "before": None}})

    def signed(self, given, asked):
        if not asked.headers.get("authorization", "").startswith("Basic "):
            return Reply(401, {"message": "Unauthorized", "error": 401})
        if given["grant_type"] == "authorization_code" and given["code"] not in self.codes:
            return Reply(200, {"error": "invalid_grant"})
        token = {
            "access_token": self.access,
            "token_type": "bearer",
            "expires_in": 86_400,
            "scope": self.scope,
        }
        more = {} if given["grant_type"] == "client_credentials" else {"refresh_token": f"r-{CANARY}"}
        return Reply(200, token | more)

    def expire(self):
        self.access = f"{CANARY}-{len(self.server.asked)}"
        return True

    def posted(self, path, given):
        assert given["api_type"] == "json"
        if path.startswith("api/mod/conversations/"):
            assert (given["isInternal"], given["isAuthorHidden"]) == ("false", "false")
            talk = path.rpartition("/")[2]
            if not self.talks[talk]["conversation"]["isRepliable"]:
                return Reply(403, {"message": "Forbidden", "error": 403})
            self.number += 1
            self.mail(given["body"], ME, talk, datetime.now(UTC), True)
            return Reply(200, self.talks[talk])
        if path == "api/comment":
            return self.commented(given["thing_id"], given["text"])
        name = given.get("thing_id") or given["id"]
        if path in ("api/remove", "api/approve", "api/lock", "api/unlock"):
            return self.moderated(path.partition("/")[2], self.things[name]["data"], given)
        if path == "api/del":
            self.things[name]["data"] |= {"author": "[deleted]", "body": "[deleted]"}
            return Reply(200, {})
        if name not in self.things:
            return no("NO_THING_ID")
        self.edit(name, given["text"])
        return Reply(200, {"json": {"errors": [], "data": {"things": [self.things[name]]}}})

    def moderated(self, act, thing, given):
        """By a moderator, who may do it as often as he likes."""
        rights = {*(self.moderates or ())}
        if "modposts" not in self.scope or not rights & {"all", "posts"} or thing["subreddit"] != "acme":
            return Reply(403, {"message": "Forbidden", "error": 403})
        if act in ("lock", "unlock"):
            thing["locked"] = act == "lock"
        elif act == "approve":
            thing |= {"removed": False, "spam": False, "approved": True, "banned_by": None, "num_reports": 0}
            thing.pop("removed_by_category", None)
        else:
            spam = given["spam"] == "true"
            thing |= {"removed": not spam, "spam": spam, "approved": False, "banned_by": ME}
        return Reply(200, {})

    def commented(self, parent, text):
        above = self.things.get(parent)
        if above is None or above["data"]["author"] == "[deleted]":
            return no("DELETED_COMMENT")
        if parent in self.locked:
            return no("THREAD_LOCKED")
        if len(text) > 10_000:
            return no("TOO_LONG")
        self.number += 1
        if above["kind"] == "t4":
            name = f"t4_{self.number:x}"
            data = dict(above["data"], name=name, author=ME, body=text, parent_id=parent)
            self.things[name] = {"kind": "t4", "data": data | {"created_utc": datetime.now(UTC).timestamp()}}
        else:
            name = self.keep("t1", ME, text, datetime.now(UTC), parent)
        return Reply(200, {"json": {"errors": [], "data": {"things": [self.things[name]]}}})

    def fault(self, name):
        return {"422": no("BAD_COMMENT")}.get(name) or super().fault(name)

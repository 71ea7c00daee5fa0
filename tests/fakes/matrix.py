"""A Matrix homeserver with a room of customers: one stream of events, of which a sync tells the newest of each room;
answers made once for their key; what is taken back stays as an empty event."""

import json
import re
import time
from datetime import UTC, datetime
from itertools import count
from urllib.parse import unquote

from connectors.base import AuthExpired
from tests.fakes.network import CANARY, FAULTS, FakeNetwork
from tests.fakes.server import Reply

HOST = "matrix.example"
ME, ROOM = f"@care:{HOST}", f"!help/desk:{HOST}"
MESSAGES = ("m.room.message", "m.sticker")
ROOMS = re.compile(r"/_matrix/client/v[13]/rooms/([^/]+)/(.*)")
MEDIA = "/_matrix/media/"
AGAIN = f"{CANARY}-again"


def no(status, code, **more):
    return Reply(status, {"errcode": code, "error": "texte traduit"} | more)


def user(person):
    return f"@{person}:{HOST}"


class Fake(FakeNetwork):
    name, source = "matrix", "rooms"
    takes_files, uploads = True, (MEDIA,)
    secrets = {"access_token": CANARY, "refresh_token": AGAIN}
    read_faults = write_faults = {"401": {AuthExpired}}

    def __init__(self):
        super().__init__()
        self.log, self.events, self.txns, self.files, self.likes = [], {}, {}, {}, {}
        self.numbers, self.keeps_keys, self.bundles, self.closed = count(1), True, True, set()
        self.rooms, self.joined, self.invited, self.encrypted = {}, {}, {}, set()
        self.homeserver = ""
        self.became, self.offered, self.away = {}, {}, set()  # old room: new one; room: whether it takes anybody
        self.others = set()  # rooms that continue none
        self.access, self.ended, self.refresh, self.unused = {CANARY}, set(), {AGAIN}, {}
        self.found(ROOM, "public", members=40)

    def settings(self):
        return {"homeserver": self.server.url}

    def facts(self):
        return {"base": self.server.url, "user_id": ME, "account_id": ME, "rooms": {}, "largest": 8_000_000}

    def fault(self, name):
        told = {
            "429": (429, "M_LIMIT_EXCEEDED", {}), "401": (401, "M_UNKNOWN_TOKEN", {"soft_logout": False}),
            "429 with wait": (429, "M_LIMIT_EXCEEDED", {"retry_after_ms": 40_000}), "403": (403, "M_FORBIDDEN", {}),
            "404": (404, "M_NOT_FOUND", {}), "422": (400, "M_BAD_JSON", {}),
        }  # fmt: skip
        status, code, more = told.get(name, (0, "", {}))
        return no(status, code, **more) if status else FAULTS[name]

    def above(self, first, second):
        return [second]

    def carries(self, text):
        return text if len(json.dumps(text)) < 60_000 else None  # of an event of 64 kB

    def forget_keys(self):
        """Servers keep them for a day or less."""
        self.keeps_keys = False

    # People

    def found(self, room, rule="invite", members=2, name="Help desk"):
        """A room the account is in."""
        self.rooms[room] = {"rule": rule, "members": members, "name": name}
        self.joined[room] = len(self.log)

    def upgrade(self, old, new, anybody=True, at=None):
        """`old` says that it became `new`, in which we are not yet."""
        self.keep("m.room.tombstone", user("owner"), {"body": "moved", "replacement_room": new}, old, at, state_key="")
        self.became[old] = new
        self.offered[new] = anybody

    def invite(self, room, private):
        self.log.append(None)  # the stream went on
        self.invited[room] = (len(self.log), private)

    def keep(self, kind, sender, content, room, at=None, **more):
        at = at or datetime.now(UTC)
        event = {
            "type": kind, "event_id": f"$event{next(self.numbers):06d}", "sender": sender, "content": content,
            "origin_server_ts": int(at.timestamp() * 1000), "room_id": room, "unsigned": {"age": 12},
        } | more  # fmt: skip
        self.log.append(event)
        self.events[event["event_id"]] = event
        return event

    def say(self, text, person="carla", parent=None, room=ROOM, **more):
        _, at = self.next()
        content = {"msgtype": "m.text", "body": text} | more
        if parent:
            content["m.relates_to"] = {"m.in_reply_to": {"event_id": self.at(parent)["event_id"]}}
        return self.name_of(self.keep("m.room.message", user(person), content, room, at))

    @staticmethod
    def name_of(event):
        return f"{event['room_id']}/{event['event_id']}"

    def at(self, identity):
        return self.events[identity[identity.index("/$") + 1 :]]

    def edit(self, identity, text):
        event = self.at(identity)
        self.replaced(event, event["sender"], {"msgtype": "m.text", "body": text})

    def replaced(self, event, sender, new):
        relation = {"rel_type": "m.replace", "event_id": event["event_id"]}
        content = {**new, "body": f"* {new['body']}", "m.new_content": new, "m.relates_to": relation}
        edit = self.keep("m.room.message", sender, content, event["room_id"])
        if self.bundles:
            event["unsigned"]["m.relations"] = {"m.replace": edit}
        return edit

    def delete(self, identity):
        event = self.at(identity)
        self.redacted(event, event["sender"])

    def redacted(self, event, sender):
        done = self.keep("m.room.redaction", sender, {"redacts": event["event_id"]}, event["room_id"])
        event["content"], event["unsigned"] = {}, {"redacted_because": done}
        return done

    def spoil(self):
        self.keep("m.room.message", user("carla"), {"msgtype": "m.text", "body": "x"}, ROOM, origin_server_ts="soon")

    def odd(self):
        self.keep("m.moon.landing", user("carla"), {"body": None}, ROOM)
        self.keep("m.reaction", user("carla"), {"m.relates_to": "nothing"}, ROOM)
        event = self.at(self.say("odd", format=None, formatted_body=[1], unknown={"a": 1}))
        event |= {"unsigned": None, "origin_server_ts": str(int(time.time() * 1000)), "moon": [1]}
        return self.name_of(event)

    def is_said(self, event):
        relation = (event or {}).get("content", {}).get("m.relates_to")
        edits = isinstance(relation, dict) and relation.get("rel_type") == "m.replace"
        return bool(event) and event["type"] in MESSAGES and not edits

    def ids(self):
        said = (each for each in self.log if self.is_said(each) and each["origin_server_ts"] != "soon")
        return {self.name_of(each) for each in said if each["content"] and each["room_id"] in self.rooms}

    def made(self):
        return [each for each in self.log if self.is_said(each) and each["sender"] == ME]

    def texts(self):
        return [json.dumps(self.now(each), ensure_ascii=False) for each in self.made() if each["content"]]

    @staticmethod
    def now(event):
        edit = event["unsigned"].get("m.relations", {}).get("m.replace")
        return edit["content"]["m.new_content"] if edit else event["content"]

    def attached(self, made):
        return [(self.files[made["content"]["url"]], None)]

    # The server

    def answer(self, asked):
        if asked.path == "/.well-known/matrix/client":
            told = {"m.homeserver": {"base_url": self.homeserver or self.server.url}}
            return Reply(200, told) if self.homeserver is not None else Reply(404, "<html>nothing</html>")
        if asked.path == "/_matrix/client/v3/refresh":
            return self.renews(asked.json().get("refresh_token"))
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.access - self.ended:
            return no(401, "M_UNKNOWN_TOKEN", soft_logout=token in self.ended)
        self.used(token)
        if asked.path.startswith(MEDIA):
            address = f"mxc://{HOST}/{len(self.files)}"
            self.files[address] = asked.body
            return Reply(200, {"content_uri": address})
        path = asked.path.removeprefix("/_matrix/client/")
        if path == "v3/account/whoami":
            return Reply(200, {"user_id": ME, "device_id": "CARE", "is_guest": False})
        if path == "v1/media/config":
            return Reply(200, {"m.upload.size": 8_000_000})
        if path == "v3/sync":
            return self.sync(asked)
        if path.startswith("v3/directory/room/"):
            named = {f"#help:{HOST}": ROOM}
            room = named.get(unquote(path.rpartition("/")[2]))
            return Reply(200, {"room_id": room, "servers": [HOST]}) if room else no(404, "M_NOT_FOUND")
        if path.startswith("v3/join/"):
            return self.joins(unquote(path.rpartition("/")[2]))
        room, rest = ROOMS.fullmatch(asked.path).groups()
        return self.in_room(asked, unquote(room), [unquote(each) for each in rest.split("/")])

    def renews(self, token):
        """What was given before stays good until what was given for it is used."""
        if token not in self.refresh:
            return no(401, "M_UNKNOWN_TOKEN", soft_logout=False)
        self.used(token)
        access, again = (f"{CANARY}-{kind}-{next(self.numbers)}" for kind in ("access", "refresh"))
        self.unused |= {access: token, again: token}
        self.access.add(access)
        self.refresh.add(again)
        return Reply(200, {"access_token": access, "refresh_token": again, "expires_in_ms": 300_000})

    def used(self, token):
        self.refresh.discard(self.unused.pop(token, None))

    def expire(self):
        self.ended |= self.access
        return True

    def joins(self, room):
        if room in self.away:
            return no(502, "M_UNKNOWN")
        if room not in self.rooms:
            invited = self.invited.pop(room, None) is not None
            if not invited and not self.offered.get(room):
                return no(403, "M_FORBIDDEN")
            before = next((old for old, new in self.became.items() if new == room), None)
            self.found(room, members=self.rooms[before]["members"] if before in self.rooms else 2)
        return Reply(200, {"room_id": room})

    def in_room(self, asked, room, path):
        if path == ["join"]:
            return self.joins(room)
        if path == ["leave"]:
            self.rooms.pop(room, None)
            return Reply(200, {})
        if room not in self.rooms or room in self.closed:
            return no(403, "M_FORBIDDEN")
        if path[0] == "messages":
            return self.messages(asked, room)
        if path[0] == "state":
            told = {each["type"]: each["content"] for each in self.standing(room)}
            return Reply(200, told[path[1]]) if path[1] in told else no(404, "M_NOT_FOUND")
        event = self.events.get(path[1])
        if path[0] == "context":
            state = [self.member(event["sender"], room)] if event else []
            told = {"event": event, "state": state, "events_before": [], "events_after": []}
            return Reply(200, told) if event else no(404, "M_NOT_FOUND")
        if path[0] == "relations":
            likes = [each for each in self.log if each and each["type"] == "m.reaction" and each["content"]]
            return Reply(200, {"chunk": [each for each in likes if self.target(each) == path[1]]})
        return self.written(asked, room, path, event)

    @staticmethod
    def target(event):
        relation = event["content"].get("m.relates_to")
        return relation.get("event_id") if isinstance(relation, dict) else None

    def written(self, asked, room, path, event):
        """send/<type>/<key> and redact/<event>/<key>."""
        key, content = asked.path, asked.json()
        if room in self.became:
            return no(403, "M_FORBIDDEN")
        if self.keeps_keys and key in self.txns:
            return Reply(200, {"event_id": self.txns[key]})
        if path[0] == "redact":
            made = self.redacted(event, ME) if event else None
        elif path[1] == "m.reaction" and any(self.same_like(each, content) for each in self.log):
            return no(400, "M_DUPLICATE_ANNOTATION")
        elif content.get("m.relates_to", {}).get("rel_type") == "m.replace":
            made = self.replaced(self.events[self.target({"content": content})], ME, content["m.new_content"])
        else:
            made = self.keep(path[1], ME, content, room, unsigned={"age": 1, "transaction_id": path[2]})
        if made is None:
            return no(404, "M_NOT_FOUND")
        self.txns[key] = made["event_id"]
        return Reply(200, {"event_id": made["event_id"]})

    @staticmethod
    def same_like(event, content):
        return bool(event) and event["sender"] == ME and event["type"] == "m.reaction" and event["content"] == content

    def member(self, sender, room):
        name = sender[1:].partition(":")[0].title()
        content = {"membership": "join", "displayname": name}
        return self.state("m.room.member", room, sender, **content) | {"sender": sender}

    def sync(self, asked):
        wanted, since = json.loads(asked.one("filter"))["room"], asked.one("since", "")
        if since and not re.fullmatch(r"s\d+", since):
            return no(400, "M_INVALID_PARAM")
        start = int(since[1:]) if since else 0
        chosen = wanted.get("rooms")
        if not all(room.startswith("!") for room in chosen or ()):
            return no(400, "M_BAD_JSON")
        rooms = {room for room in self.rooms if chosen is None or room in chosen}
        told = {room: self.room(room, start, since, wanted["timeline"]) for room in rooms}
        invited = {room: {"invite_state": {"events": [self.invitation(private)]}}
                   for room, (at, private) in self.invited.items() if at > start}  # fmt: skip
        join = {room: each for room, each in told.items() if each}
        nxt = since if self.stuck and since else f"s{len(self.log)}"
        return Reply(200, {"next_batch": nxt, "rooms": {"join": join, "invite": invited, "leave": {}}})

    @staticmethod
    def invitation(private):
        return {"type": "m.room.member", "state_key": ME, "sender": user("carla"),
                "content": {"membership": "invite", "is_direct": private}}  # fmt: skip

    def room(self, room, start, since, timeline):
        fresh = not since or self.joined[room] > start
        first = 0 if fresh else start
        if self.stuck:
            events = [each for each in self.log if each and each["room_id"] == room][:3]
            return {"timeline": {"events": events, "limited": True, "prev_batch": "t0"}}
        found = self.within(room, first, len(self.log), timeline["types"])
        if not found and not fresh:
            return None
        shown = found[-timeline["limit"] :]
        limited = len(found) > len(shown) or (fresh and bool(since))
        senders = {each["sender"] for _, each in shown}
        state = [self.member(sender, room) for sender in sorted(senders)]
        told = self.rooms[room]
        if fresh:
            state += self.standing(room)
        prev = f"t{shown[0][0] if shown else len(self.log)}"
        summary = {"m.joined_member_count": told["members"], "m.invited_member_count": 0} if fresh else {}
        return {"timeline": {"events": [each for _, each in shown], "limited": limited, "prev_batch": prev},
                "state": {"events": state}, "summary": summary, "unread_notifications": {}}  # fmt: skip

    def standing(self, room):
        told = self.rooms[room]
        before = told.get("claims") or next((old for old, new in self.became.items() if new == room), None)
        before = None if room in self.others else before
        state = [
            self.state("m.room.create", room, **({"predecessor": {"room_id": before}} if before else {})),
            self.state("m.room.join_rules", room, join_rule=told["rule"]),
            self.state("m.room.name", room, name=told["name"]),
        ]
        state += [self.state("m.room.encryption", room, algorithm="m.megolm.v1")] if room in self.encrypted else []
        return state + [
            each for each in self.log if each and (each["type"], each["room_id"]) == ("m.room.tombstone", room)
        ]

    def state(self, kind, room, key="", **content):
        made = int(self.start.timestamp() * 1000)
        return {"type": kind, "state_key": key, "sender": user("owner"), "content": content, "room_id": room,
                "event_id": f"${kind}-{key}", "origin_server_ts": made}  # fmt: skip

    def within(self, room, first, last, types):
        return [(place, each) for place, each in enumerate(self.log)
                if each and first <= place < last and each["room_id"] == room and each["type"] in types]  # fmt: skip

    def messages(self, asked, room):
        if self.stuck:
            return Reply(200, {"start": "t0", "end": "t0", "chunk": self.room(room, 0, "", {})["timeline"]["events"]})
        wanted = json.loads(asked.one("filter", "{}")).get("types", [*MESSAGES, "m.room.redaction"])
        last = int(asked.one("from", f"t{len(self.log)}")[1:])
        first = int(asked.one("to", "s0")[1:])
        found = self.within(room, first, last, wanted)[::-1]
        shown = found[: min(int(asked.one("limit", "10")), 100)]
        more = {"end": f"t{shown[-1][0]}"} if len(found) > len(shown) else {}
        state = [self.member(sender, room) for sender in sorted({each["sender"] for _, each in shown})]
        return Reply(200, {"start": f"t{last}", "chunk": [each for _, each in shown], "state": state} | more)

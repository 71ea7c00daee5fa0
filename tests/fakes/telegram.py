"""The Telegram Bot API as far as we use it: a queue that forgets what is confirmed by asking for more, chats, and
refusals by code."""

import json
import time
from datetime import UTC, datetime, timedelta

from tests.fakes.network import CANARY, FakeNetwork
from tests.fakes.server import Reply, parts_of

BOT = 4711
TOKEN = f"{BOT}:{CANARY}"
WRITING = ("sendMessage", "sendPhoto", "editMessageText", "editMessageCaption", "deleteMessage")


def no(code, status=None, **parameters):
    more = {"parameters": parameters} if parameters else {}
    return Reply(status or code, {"ok": False, "error_code": code, "description": "texte traduit", **more})


class Fake(FakeNetwork):
    name, source = "telegram", "updates"
    takes_files = True
    secrets = {"token": TOKEN}
    forgets = True
    tells_own = tells_others = tells_deletions = looks_back = parent_may_be_gone = False

    def __init__(self):
        super().__init__()
        from connectors.faults import AuthRevoked, Gone

        self.read_faults, self.write_faults = {"404": {AuthRevoked}}, {"404": {AuthRevoked}, "403": {Gone}}
        self.arrived = {}
        self.updates, self.messages, self.bad, self.moved, self.written = [], {}, set(), {}, []
        self.hook, self.blocked, self.number_of_update = "", set(), 1000
        self.files = {}  # bytes by the id they are asked for
        self.asker = None  # who is kept waiting for updates
        self.last_asked = (None, 0.0)  # from which number, and when

    def settings(self):
        return {"base_url": self.server.url}

    def facts(self):
        return {"account_id": str(BOT)}

    def fault(self, name):
        wait = {"retry_after": 40} if name == "429 with wait" else {}
        codes = {"429": 429, "429 with wait": 429, "401": 401, "403": 403, "404": 404, "422": 400}
        if name == "error in 200":
            return Reply(200, {"ok": False, "description": "not today"})
        return no(codes[name], **wait) if name in codes else super().fault(name)

    def is_writing(self, asked):
        return asked.path.endswith(WRITING)

    def above(self, first, second):
        return []

    def update(self, kind, message):
        self.number_of_update += 1
        self.updates.append({"update_id": self.number_of_update, kind: message})
        self.arrived[self.number_of_update] = self.start

    def say(self, text, person="carla", parent=None, chat=None, **more):
        number, at = self.next()
        user = {"id": sum(person.encode()), "is_bot": False, "first_name": person.title(), "username": person}
        message = {
            "message_id": number, "date": int(at.timestamp()), "text": text, "from": user,
            "chat": chat or {"id": user["id"], "type": "private", "first_name": person.title()},
        } | more  # fmt: skip
        if parent:
            message["reply_to_message"] = self.messages[parent]
        identity = f"{message['chat']['id']}:{number}"
        self.messages[identity] = message
        self.update("message", message)
        return identity

    def edit(self, identity, text):
        self.messages[identity] = {**self.messages[identity], "text": text, "edit_date": int(time.time())}
        self.update("edited_message", self.messages[identity])

    def delete(self, identity):
        del self.messages[identity]

    def spoil(self):
        self.update("message", {"message_id": "x", "date": "soon", "chat": None, "text": "?"})

    def odd(self):
        self.update("moon_landing", {"a": [1]})
        self.update("my_chat_member", {"new_chat_member": {"status": "kicked"}})
        return self.say("odd", unknown={"a": 1}, entities=None, photo=None, edit_date=None, date=str(int(time.time())))

    def ids(self):
        return set(self.messages)

    def made(self):
        return self.written

    def _answer(self, asked):
        """Who asks for updates and would wait is kept outside the lock."""
        if not asked.path.endswith("/getUpdates"):
            return super()._answer(asked)
        given = asked.json()
        offset, seconds, now = given.get("offset", 0), given["timeout"], time.monotonic()
        last, at = self.last_asked
        self.last_asked = (offset, now)
        if self.asker is not None and offset == last and now < at + 3:
            seconds = max(3, seconds)  # as the service does to who asks in circles; elsewhere it would only be slow
        answer = super()._answer(asked)
        return self._kept(asked, answer, given["limit"], now + seconds) if seconds and is_empty(answer) else answer

    def _kept(self, asked, answer, limit, until):
        """Until there is something to say, or somebody else is to be kept."""
        self.asker = asked
        while is_empty(answer) and time.monotonic() < until and not asked.gone() and not self.server.stop.wait(0.01):
            if self.asker is not asked or self.hook:
                answer = no(409)
                break
            with self.lock:
                answer = self.queue({"limit": limit})
        self.asker = None if self.asker is asked else self.asker
        return answer

    def answer(self, asked):
        if asked.path.startswith(f"/file/bot{TOKEN}/"):
            return Reply(200, self.files[asked.path.rpartition("/")[2]])
        _, who, method = asked.path.split("/")
        if who != f"bot{TOKEN}":
            return no(401)
        given = asked.json() if "json" in asked.headers["content-type"] else self.with_file(asked)
        if method == "getMe":
            return yes({"id": BOT, "is_bot": True, "first_name": "Brand", "username": "brand_bot"})
        if method == "getWebhookInfo":
            return yes({"url": self.hook})
        if method == "setWebhook":
            self.hook, self.hook_secret = given["url"], given["secret_token"]
            return yes(True)
        if method == "deleteWebhook":
            self.hook = ""
            return yes(True)
        if method == "getUpdates":
            return self.queue(given)
        return getattr(self, method)(given)

    def getFile(self, given):
        return yes({"file_path": f"documents/{given['file_id']}"}) if given["file_id"] in self.files else no(400)

    def with_file(self, asked):
        parts = parts_of(asked)
        file = next(parts[name] for name in ("photo", "animation", "video", "document") if name in parts)
        return {"text": parts["caption"].decode(), "chat_id": int(parts["chat_id"]), "file": file,
                "reply_parameters": json.loads(parts["reply_parameters"])}  # fmt: skip

    def attached(self, made):
        return [(made["file"], None)]

    def queue(self, given):
        if self.hook:
            return no(409)
        if self.stuck:
            return yes(self.updates[: given["limit"]])
        if given.get("offset"):
            self.updates = [each for each in self.updates if each["update_id"] >= given["offset"]]
        day = datetime.now(UTC) - timedelta(days=1)
        kept = [each for each in self.updates if self.arrived[each["update_id"]] > day]
        return yes(kept[: given["limit"]])

    def sendMessage(self, given):
        if given["chat_id"] in self.blocked:
            return no(403)
        if given["chat_id"] in self.moved:
            return no(400, migrate_to_chat_id=self.moved[given["chat_id"]])
        number, at = self.next()
        message = {
            "message_id": number,
            "date": int(at.timestamp()),
            "text": given["text"],
            "chat": {"id": given["chat_id"]},
        }
        self.written.append(given)
        return yes(message)

    sendPhoto = sendAnimation = sendVideo = sendDocument = sendMessage

    def editMessageText(self, given):
        return yes(True)

    def deleteMessage(self, given):
        return no(400, 200)


def is_empty(reply):
    return isinstance(reply.body, dict) and reply.body.get("result") == []


def yes(result):
    return Reply(200, {"ok": True, "result": result})

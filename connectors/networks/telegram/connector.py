"""Telegram, by a bot. Updates are a queue that the server empties when it is asked for what follows, so the next
number is only ever asked for once what came before is committed. A bot cannot read back what it wrote: an answer whose
fate is unknown is for a person. Limits and lifetimes of the real service are unverified."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy

from connectors.base import (
    JSON,
    CannotKnow,
    Capability,
    Check,
    Done,
    Field,
    InDoubt,
    Invalid,
    Measure,
    MediaRule,
    Needs,
    Outgoing,
    Post,
    PostState,
    Prepared,
    Sent,
    Source,
    TextRule,
    Unreadable,
    Verb,
    Way,
)
from connectors.media import NAMES
from connectors.networks.telegram.announcing import Announced
from connectors.networks.telegram.api import (
    link_of,
    moved_to,
    said,
    utf16,
)

DELETABLE = timedelta(hours=48)
_DONE_BEFORE = {"edit": "message is not modified", "delete": "message to delete not found"}
"""What the service says to a repeat (its words as they were in 2026)."""
FETCHING = 40.0  # seconds a file may take, with the question where it lies
_PATH = re.compile(r"[\w./-]{1,300}", re.ASCII)
_METHODS = {
    "image": ("sendPhoto", "photo"), "animation": ("sendAnimation", "animation"), "video": ("sendVideo", "video"),
}  # fmt: skip


class Telegram(Announced):
    name = "telegram"
    label = "Telegram"
    needs = Needs(
        way=Way.NOW,
        does=gettext_lazy("What people write to your bot, in private and in groups; answers as the bot."),
        apply=gettext_lazy("A bot of your own: BotFather, in Telegram itself, makes one in a minute."),
        cost=gettext_lazy("Free."),
    )
    form = (
        Field(
            "token",
            "Bot token",
            "From BotFather; one bot, one channel, and nobody else reading it",
            secret=True,
            account=True,
        ),
        Field(
            "arrival",
            "Messages are",
            "Both are quick; what is delivered needs an address here that Telegram reaches by https",
            kind="choice",
            choices=(("asked", "Asked for"), ("delivered", "Delivered to us")),
        ),
        Field(
            "webhook_secret",
            "Webhook secret",
            "One is made when this is empty",
            secret=True,
            required=False,
            advanced=True,
        ),
    )
    sources = (Source("updates", "Messages to the bot", 5, 2, 60),)
    text_rule = TextRule(4096, "UTF-16 units")
    hooked = True

    # Answering

    def send(self, outgoing: Outgoing) -> Sent | Prepared:
        chat, _, number = outgoing.parent.external_id.partition(":")
        given: JSON = {"chat_id": int(outgoing.prepared or chat), "text": outgoing.text}
        topic = outgoing.parent.raw.get("message_thread_id")
        if topic and outgoing.parent.raw.get("is_topic_message"):
            given["message_thread_id"] = topic
        if not outgoing.prepared:  # in a group that moved, the old numbers mean nothing
            given["reply_parameters"] = {"message_id": int(number), "allow_sending_without_reply": True}
        try:
            made = self._sent(given, outgoing)
        except Invalid:
            new = moved_to(self.seam.last) if self.seam.last is not None else None
            if new is None or outgoing.prepared:
                raise
            return Prepared(str(new))
        if not isinstance(made, dict) or not isinstance(made.get("message_id"), int):
            raise InDoubt("The answer to a new message has no number.")
        where = made["chat"] if isinstance(made.get("chat"), dict) else {}
        return Sent(f"{where.get('id') or given['chat_id']}:{made['message_id']}", link_of(where, made["message_id"]))

    def _sent(self, given: JSON, outgoing: Outgoing) -> Any:
        """One message; with a file its words are the file's caption."""
        if not outgoing.media:
            return self._ask("sendMessage", given, write=True)
        medium = outgoing.media[0]
        method, part = _METHODS.get(medium.kind, ("sendDocument", "document"))
        told = {"caption" if name == "text" else name: value for name, value in given.items()}
        form = {name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in told.items()}
        return self._ask(method, form, write=True, files={part: (medium.name, medium.read(), medium.type)})

    def enclosed(self, post: Post, ref: str, size: int) -> bytes:
        ends = time.monotonic() + FETCHING
        told = self._ask("getFile", {"file_id": ref})
        path = str(told.get("file_path") or "") if isinstance(told, dict) else ""
        if not _PATH.fullmatch(path) or ".." in path:
            raise Unreadable("It does not say where the file is.")
        address = f"{self._base}/file/bot{self._token}/{path}"
        left = max(0.0, ends - time.monotonic())
        return self.seam.answer("GET", address, size=size, whole=left, bucket="telegram").content

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        sizes = {"image": 8_000_000, "animation": 8_000_000, "video": 8_000_000, "file": 8_000_000}
        return MediaRule(types=frozenset(NAMES), most=1, sizes=sizes, side=5_000, text=1_024)

    def find(self, outgoing: Outgoing) -> CannotKnow:
        return CannotKnow("A bot cannot read what it wrote. Look into the chat with another account, or ask there.")

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        chat, _, number = post.external_id.partition(":")
        given: JSON = {"chat_id": int(chat), "message_id": int(number)}
        if verb not in ("edit", "delete"):
            return super().do(verb, post, text)
        try:
            if verb == "delete":
                self._ask("deleteMessage", given, write=True)
            else:
                self._edit(given, text)
        except Invalid:
            if _DONE_BEFORE[verb] not in said(self.seam.last):
                raise
        return Done()

    def _edit(self, given: JSON, text: str) -> None:
        """The words of a file are its caption, and stand in another field. Which it was is not told."""
        try:
            self._ask("editMessageText", {**given, "text": text}, write=True)
        except Invalid:
            if _DONE_BEFORE["edit"] in said(self.seam.last):
                return
            self._ask("editMessageCaption", {**given, "caption": text}, write=True)

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state is PostState.DELETED:
            return {"reply": Capability(False, "The message was deleted.", hand_off=post.url)}
        if post.ours:
            until = post.created_at + DELETABLE
            able = Capability(True, until=until) if now < until else Capability(False, "It is older than two days.")
            return {"reply": Capability(True), "edit": Capability(True), "delete": able}
        return {"reply": Capability(True, hand_off=post.url)}

    def measure(self, text: str, post: Post | None = None, *, private: bool = False) -> Measure:
        limit, unit, used = self.text_rule.limit or 0, self.text_rule.unit, utf16(text.strip())
        problems = (f"{used - limit} {unit} too long.",) if used > limit else ()
        return Measure(used, limit, unit, problems)

    def check(self) -> Check:
        me, hook = self._ask("getMe", {}), self._ask("getWebhookInfo", {})
        if not isinstance(me, dict) or not isinstance(me.get("id"), int):
            raise Unreadable("The answer does not say which bot this is.")
        handle = str(me.get("username") or "")
        return Check(
            account_id=str(me["id"]),
            account_name=str(me.get("first_name") or handle),
            account_url=f"https://t.me/{handle}" if handle else "",
            server="Telegram",
            facts={"account_id": str(me["id"]), "moves": self._moves},
            warnings=tuple(self._warnings(me, hook if isinstance(hook, dict) else {})),
        )

    def _warnings(self, me: Mapping[str, Any], hook: Mapping[str, Any]) -> Iterator[str]:
        delivered = self.delivered(self.settings)
        if hook.get("url") and not delivered:
            yield "Messages are delivered to another address, so they cannot be asked for: call deleteWebhook first."
        if delivered and not hook.get("url"):
            yield "Nothing is delivered yet; that begins when the channel listens, if Telegram reaches us by https."
        if delivered and hook.get("last_error_message"):
            yield f"Telegram could not deliver: {str(hook['last_error_message'])[:200]}"
        if me.get("can_join_groups") and me.get("can_read_all_group_messages") is False:
            yield "In groups it hears only what is said to it, unless BotFather turns its privacy mode off."

"""Telegram, by a bot. Updates are a queue that the server empties when it is asked for what follows, so the next
number is only ever asked for once what came before is committed. A bot cannot read back what it wrote: an answer whose
fate is unknown is for a person. Limits and lifetimes of the real service are unverified."""

import hmac
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy

from connectors.base import (
    JSON,
    Accepted,
    AuthRevoked,
    Bad,
    Budget,
    CannotKnow,
    Capability,
    Challenge,
    Check,
    Connector,
    Done,
    Fault,
    Field,
    Incoming,
    InDoubt,
    Invalid,
    Measure,
    MediaRule,
    Needs,
    Outgoing,
    Page,
    Post,
    PostKind,
    PostState,
    Prepared,
    Rejected,
    Sent,
    Source,
    TextRule,
    Unreadable,
    Verb,
    Way,
)
from connectors.http import UPLOAD
from connectors.media import NAMES
from connectors.networks.telegram.api import (
    Queue,
    author_of,
    link_of,
    media_of,
    moved_to,
    refusal,
    time_of,
    utf16,
    visibility_of,
)
from connectors.text import read_json

PUBLIC = "https://api.telegram.org"
WINDOW = timedelta(hours=48)
LIMIT = 100
DELETABLE = timedelta(hours=48)
_HEARD = ("message", "edited_message")
_METHODS = {
    "image": ("sendPhoto", "photo"), "animation": ("sendAnimation", "animation"), "video": ("sendVideo", "video"),
}  # fmt: skip
_ASKED = ["message", "edited_message", "callback_query", "my_chat_member"]
_TOKEN = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{5,200}")


class Telegram(Connector):
    name = "telegram"
    label = "Telegram"
    needs = Needs(
        way=Way.NOW,
        does=gettext_lazy("What people write to your bot, in private and in groups; answers as the bot."),
        apply=gettext_lazy("A bot of your own: BotFather, in Telegram itself, makes one in a minute."),
        cost=gettext_lazy("Free."),
    )
    form = (
        Field("token", "Bot token", "From BotFather; one bot, one channel, and nobody else reading it", secret=True),
        Field(
            "arrival",
            "Messages are",
            "Delivered is quicker; Telegram has to reach this installation by https",
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

    @property
    def space(self) -> str:
        # Every bot has a chat of its own with the same person, under the same number.
        return f"telegram:{self._token.partition(':')[0]}"

    @property
    def _token(self) -> str:
        return self.secrets.get("token", "")

    def listening(self) -> tuple[Source, ...]:
        return () if self.delivered(self.settings) else self.sources

    @classmethod
    def delivered(cls, settings: Mapping[str, Any]) -> bool:
        return bool(settings.get("arrival") == "delivered")

    @property
    def _hook_secret(self) -> str:
        """What deliveries have to carry. Without one of its own it follows from the token, which only we and Telegram
        have, and from the channel's address."""
        path = str(self.settings.get("path") or "")
        derived = hmac.new(self._token.encode(), f"deliveries to {path}".encode(), "sha256").hexdigest()
        return self.secrets.get("webhook_secret") or (derived if self._token and path else "")

    def arrange(self, address: str, *, wanted: bool) -> None:
        if wanted:
            given = {"url": address, "secret_token": self._hook_secret, "allowed_updates": _ASKED}
            self._ask("setWebhook", given)
            return
        hook = self._ask("getWebhookInfo", {})
        if isinstance(hook, dict) and hook.get("url") == address:
            self._ask("deleteWebhook", {"drop_pending_updates": False})

    def _ask(
        self, method: str, given: Mapping[str, Any], *, now: datetime | None = None, write: bool = False,
        files: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        """The result of a method."""
        if not _TOKEN.fullmatch(self._token):  # it is a part of the address
            raise AuthRevoked("This is no token of a bot.")
        base = str(self.settings.get("base_url") or PUBLIC).rstrip("/")
        url = f"{base}/bot{self._token}/{method}"

        def judge(answer: Any) -> Fault | None:
            return refusal(answer, now)

        body: JSON = {"data": given, "files": files, "whole": UPLOAD} if files else {"json": given}
        answer = self.seam.answer("POST", url, now=now, write=write, bucket="telegram", judge=judge, **body)
        told = answer.json(dict)
        if told.get("ok") is not True:  # some servers refuse with 200
            raise refusal(answer, now) or answer.unreadable("It says neither yes nor no.")
        return told.get("result")

    # Listening

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        queue, gaps = Queue.read(cursor, now)
        history_before = now - WINDOW if cursor is None or gaps else None
        while not budget.spent:
            budget.spend()
            given: JSON = {"timeout": 0, "limit": LIMIT, "allowed_updates": _ASKED}
            if queue.update is not None:
                given["offset"] = queue.update + 1
            items = self._ask("getUpdates", given, now=now)
            if not isinstance(items, list):
                raise Unreadable("The updates are no list.")
            fresh = [item for item in items if queue.is_new(item)]
            posts, bad = self._mapped(fresh, queue, history_before)
            forward = queue.reached(fresh, now)
            # What is asked for next deletes this page there: whoever takes the next page has committed this one.
            more = len(items) >= LIMIT and forward
            repeats = int(bool(items) and not fresh)
            yield Page(posts=posts, bad=bad, cursor=queue.kept(), end=not more, gaps=gaps, repeats=repeats)
            gaps = ()
            if not more:
                return

    def _mapped(
        self, items: list[Any], queue: Queue, history_before: datetime | None
    ) -> tuple[tuple[Post, ...], tuple[Bad, ...]]:
        posts: dict[str, Post] = {}
        bad = []
        for number, item in enumerate(items):
            try:
                post = self._heard(item, queue, history_before)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
                named = str(item.get("update_id") or "") if isinstance(item, dict) else ""
                bad.append(Bad(named or None, f"{type(error).__name__}: {error}", item, number))
                continue
            if post is not None:
                posts[post.external_id] = post
        return tuple(sorted(posts.values(), key=lambda post: (post.created_at, post.external_id))), tuple(bad)

    def _heard(self, item: Any, queue: Queue, history_before: datetime | None) -> Post | None:
        """The post of an update; None for what nobody said: joining, leaving, pressed buttons."""
        message = next((item[kind] for kind in _HEARD if item.get(kind)), None)
        if message is None:
            return None
        if message.get("migrate_to_chat_id"):
            queue.moved(int(message["chat"]["id"]), int(message["migrate_to_chat_id"]))
            return None
        text, media = str(message.get("text") or message.get("caption") or ""), media_of(message)
        return self._post(message, text, media, queue, history_before) if text or media else None

    def _post(self, message: Any, text: str, media: Any, queue: Queue, history_before: datetime | None = None) -> Post:
        chat, number, created_at = message["chat"], int(message["message_id"]), time_of(message["date"])
        author = author_of(message.get("sender_chat") or message["from"])
        edited_at = time_of(message["edit_date"]) if message.get("edit_date") else None
        above, topic = message.get("reply_to_message"), message.get("message_thread_id")
        root = queue.first_id(int(chat["id"]))
        private = chat.get("type") == "private"
        return Post(
            external_id=f"{int(chat['id'])}:{number}",
            kind=PostKind.DIRECT if private else PostKind.REPLY if above else PostKind.MENTION,
            source="updates",
            author=author,
            text=text,
            created_at=created_at,
            edited_at=edited_at,
            lang=str((message.get("from") or {}).get("language_code") or ""),
            parent_id=f"{int(chat['id'])}:{int(above['message_id'])}" if above else None,
            root_id=f"{root}/{topic}" if topic and message.get("is_topic_message") else str(root),
            url=link_of(chat, number),
            media=media,
            visibility=visibility_of(chat),
            state=PostState.EDITED if edited_at else PostState.LIVE,
            ours=author.external_id == self._token.partition(":")[0],
            history=history_before is not None and created_at < history_before,
            raw=message,
        )

    def receive(self, incoming: Incoming, now: datetime) -> Accepted | Challenge | Rejected:
        """Telegram repeats what is not answered with 2xx; the number of the update tells a repeat."""
        secret = self._hook_secret
        given = incoming.headers.get("x-telegram-bot-api-secret-token", "")
        if incoming.method != "POST":
            return Rejected(405, "Deliveries are POSTed.")
        if not secret or not hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace")):
            return Rejected(403, "The secret token is wrong.")
        try:
            number = _delivered(incoming.body)["update_id"]
        except (ValueError, KeyError):
            return Rejected(400, "The body is no update.")
        return Accepted(f"update:{number}", {"accepted": 1}, 200)

    def unpack(self, body: bytes, now: datetime) -> Page:
        posts, bad = self._mapped([_delivered(body)], Queue(None, now, {}), None)
        return Page(posts=posts, bad=bad, cursor={}, end=True)

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

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        sizes = {"image": 8_000_000, "animation": 8_000_000, "video": 8_000_000, "file": 8_000_000}
        return MediaRule(types=frozenset(NAMES), most=1, sizes=sizes, side=5_000, text=1_024)

    def find(self, outgoing: Outgoing) -> CannotKnow:
        return CannotKnow("A bot cannot read what it wrote. Look into the chat with another account, or ask there.")

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        chat, _, number = post.external_id.partition(":")
        given: JSON = {"chat_id": int(chat), "message_id": int(number)}
        if verb == "edit":
            self._ask("editMessageText", {**given, "text": text}, write=True)
        elif verb == "delete":
            self._ask("deleteMessage", given, write=True)
        else:
            return super().do(verb, post, text)
        return Done()

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state is PostState.DELETED:
            return {"reply": Capability(False, "The message was deleted.", hand_off=post.url)}
        if post.ours:
            until = post.created_at + DELETABLE
            able = Capability(True, until=until) if now < until else Capability(False, "It is older than two days.")
            return {"reply": Capability(True), "edit": Capability(True), "delete": able}
        return {"reply": Capability(True, hand_off=post.url)}

    def measure(self, text: str, post: Post | None = None) -> Measure:
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
            facts={"account_id": str(me["id"])},
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


def _delivered(body: bytes) -> JSON:
    """One update; ValueError for what is none."""
    try:
        item = read_json(body)
    except (ValueError, RecursionError):
        raise ValueError("The body is not JSON.") from None
    if not isinstance(item, dict) or not isinstance(item.get("update_id"), int):
        raise ValueError("The body is no update.")
    return item

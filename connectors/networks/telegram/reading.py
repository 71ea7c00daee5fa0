"""What a bot is told, as posts: asked for, or delivered to an address of ours."""

import hmac
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.base import (
    JSON,
    MAPPING,
    Accepted,
    AuthRevoked,
    Bad,
    Budget,
    Challenge,
    Connector,
    Fault,
    Incoming,
    Page,
    Post,
    PostKind,
    PostState,
    Rejected,
    Source,
    Unreadable,
)
from connectors.http import UPLOAD
from connectors.networks.telegram.api import (
    Queue,
    author_of,
    link_of,
    media_of,
    refusal,
    time_of,
    visibility_of,
)
from connectors.text import read_json

WINDOW = timedelta(hours=48)
_HEARD = ("message", "edited_message")
ASKED = ["message", "edited_message", "callback_query", "my_chat_member"]
LIMIT = 100
PUBLIC = "https://api.telegram.org"
TOKEN = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{5,200}")


class Reading(Connector):
    """Registers no network."""

    @property
    def space(self) -> str:
        # Every bot has a chat of its own with the same person, under the same number.
        return f"telegram:{self._token.partition(':')[0]}"

    @property
    def _token(self) -> str:
        return self.secrets.get("token", "")

    @property
    def _base(self) -> str:
        return str(self.settings.get("base_url") or PUBLIC).rstrip("/")

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
            given = {"url": address, "secret_token": self._hook_secret, "allowed_updates": ASKED}
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
        if not TOKEN.fullmatch(self._token):  # it is a part of the address
            raise AuthRevoked("This is no token of a bot.")
        url = f"{self._base}/bot{self._token}/{method}"

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
        queue, gaps = Queue.read(cursor, now, self._moves)
        history_before = now - WINDOW if cursor is None or gaps else None
        while not budget.spent:
            budget.spend()
            given: JSON = {"timeout": 0, "limit": LIMIT, "allowed_updates": ASKED}
            if queue.update is not None:
                given["offset"] = queue.update + 1
            items = self._ask("getUpdates", given, now=now)
            if not isinstance(items, list):
                raise Unreadable("The updates are no list.")
            fresh = [item for item in items if queue.is_new(item)]
            posts, bad = self._mapped(fresh, queue, history_before)
            forward = queue.reached(fresh, now)
            # What is asked for next deletes this page there: whoever takes the next page has committed this one. It is
            # asked for although this page was not full, since what is left unconfirmed is announced on and on; only
            # who looks for the first time is told that there is more when there is.
            more = forward and (cursor is not None or len(items) >= LIMIT)
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
            except MAPPING as error:
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
            self._keep(queue.moves)
            return None
        text, media = str(message.get("text") or message.get("caption") or ""), media_of(message)
        return self._post(message, text, media, queue, history_before) if text or media else None

    @property
    def _moves(self) -> JSON:
        return dict(self.facts.get("moves") or {})

    def _keep(self, moves: JSON) -> None:
        """Beside the cursor, which deliveries do not have."""
        if moves != self._moves:
            self.facts = {**self.facts, "moves": moves}
            self.learned({"moves": moves})

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
        posts, bad = self._mapped([_delivered(body)], Queue(None, now, self._moves), None)
        return Page(posts=posts, bad=bad, cursor={}, end=True)


def _delivered(body: bytes) -> JSON:
    """One update; ValueError for what is none."""
    try:
        item = read_json(body)
    except (ValueError, RecursionError):
        raise ValueError("The body is not JSON.") from None
    if not isinstance(item, dict) or not isinstance(item.get("update_id"), int):
        raise ValueError("The body is no update.")
    return item

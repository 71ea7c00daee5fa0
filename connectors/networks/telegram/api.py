"""Reads the small entities of the Telegram Bot API: people, chats, files, and what a refusal means."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from connectors.answers import Answer
from connectors.faults import (
    AuthRevoked,
    Fault,
    Gone,
    InDoubt,
    Invalid,
    NotPermitted,
    RateLimited,
    Unavailable,
)
from connectors.posts import JSON, Author, Gap, Media, Visibility

_FILES = {
    "animation": "video", "video": "video", "video_note": "video", "voice": "audio", "audio": "audio",
    "document": "file", "sticker": "image",
}  # fmt: skip
_SHOWN = {"location": "a place", "venue": "a place", "contact": "a contact", "poll": "a poll", "dice": "a die"}


def time_of(value: Any) -> datetime:
    return datetime.fromtimestamp(int(value), UTC)


def author_of(user: Mapping[str, Any]) -> Author:
    """A user, or the chat in whose name an administrator writes."""
    handle = str(user.get("username") or "")
    names = (user.get("first_name"), user.get("last_name"), user.get("title"))
    return Author(
        external_id=str(int(user["id"])),
        handle=handle,
        name=" ".join(str(name) for name in names if name) or handle,
        url=f"https://t.me/{handle}" if handle else "",
        bot=bool(user.get("is_bot")),
    )


def visibility_of(chat: Mapping[str, Any]) -> Visibility:
    if chat.get("type") == "private":
        return Visibility.DIRECT
    return Visibility.PUBLIC if chat.get("username") else Visibility.FOLLOWERS


def link_of(chat: Mapping[str, Any], message_id: int) -> str:
    """Where the message stands, for those who may see it; private chats have no addresses."""
    if chat.get("username") and chat.get("type") != "private":
        return f"https://t.me/{chat['username']}/{message_id}"
    inner = str(chat.get("id", "")).removeprefix("-100")
    return f"https://t.me/c/{inner}/{message_id}" if chat.get("type") == "supergroup" else ""


def media_of(message: Mapping[str, Any]) -> tuple[Media, ...]:
    """What came along; a file is given out by its id, because its address would hold the bot's token."""
    found = [
        Media(kind=kind, url="", description=_named(message[name], name), ref=_file_id(message[name]))
        for name, kind in _FILES.items()
        if isinstance(message.get(name), dict)
    ]
    if sizes := message.get("photo"):
        largest = sizes[-1] if isinstance(sizes, list) and isinstance(sizes[-1], dict) else {}
        found.append(Media(kind="image", url="", description="a picture", ref=_file_id(largest)))
    found += [Media(kind="file", url="", description=words) for name, words in _SHOWN.items() if message.get(name)]
    return tuple(found)


def _file_id(file: Mapping[str, Any]) -> str:
    return str(file.get("file_id") or "")[:300]


def _named(file: Mapping[str, Any], kind: str) -> str:
    return str(file.get("file_name") or file.get("emoji") or kind.replace("_", " "))[:200]


def utf16(text: str) -> int:
    """Length as Telegram counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def refusal(answer: Answer, now: datetime | None = None) -> Fault | None:
    """The fault of a body that says `ok: false`, by its code alone; None when it is no such body."""
    try:
        body = answer.json(dict)
    except Fault:
        return None
    code = body.get("error_code")
    if body.get("ok") is not False or not isinstance(code, int):
        return None
    told = body.get("parameters")
    detail, parameters = f"The answer was {code}.", told if isinstance(told, dict) else {}
    if code == 429:
        wait = parameters.get("retry_after")
        seconds = min(wait, 86_400) if isinstance(wait, int) and wait > 0 else 60
        until = (now or datetime.now(UTC)) + timedelta(seconds=seconds)
        return RateLimited(detail, until=until, bucket="telegram", status=code)
    if code == 409:
        words = "Another program reads this bot's messages, or they are sent to an address elsewhere."
        return Unavailable(words, status=code)
    if code >= 500:
        return (InDoubt if answer.write else Unavailable)(detail, status=code)
    if code == 403 and answer.write:  # blocked by the user, thrown out of the group, or the user never wrote
        return Gone("The bot may not write there any more.", what="chat", status=code)
    by_code: dict[int, type[Fault]] = {401: AuthRevoked, 404: AuthRevoked, 400: Invalid}
    return by_code.get(code, NotPermitted)(detail, status=code)


def said(answer: Answer | None) -> str:
    """The words of a refusal, for where nothing else tells what was done before from what cannot be done. They may
    change, and then a repeat is a refusal again."""
    try:
        return str(answer.json(dict).get("description") or "").lower() if answer is not None else ""
    except Fault:
        return ""


def moved_to(answer: Answer) -> int | None:
    """The new id of a group that became a supergroup, when a refusal names it."""
    try:
        parameters = answer.json(dict).get("parameters")
    except Fault:
        return None
    new = parameters.get("migrate_to_chat_id") if isinstance(parameters, dict) else None
    return new if isinstance(new, int) else None


KEPT = timedelta(hours=24)
"""What nobody fetched is thrown away after a day."""
NUMBERED_ANEW = timedelta(days=6)
"""After a week without messages the server numbers its updates anew, perhaps from below."""
MOVES = 200


class Queue:
    """Where reading stands: the last update that was read and when, when we asked last, and which groups had another
    id before."""

    def __init__(self, update: int | None, at: datetime, moves: dict[str, str], asked: datetime | None = None) -> None:
        self.update, self.at, self.moves, self.asked = update, at, _newest(moves), asked or at

    @classmethod
    def read(cls, cursor: JSON | None, now: datetime, moves: JSON) -> tuple[Self, tuple[Gap, ...]]:
        """`moves`: those that are known beside the cursor."""
        if cursor is None:
            return cls(None, now, moves), ()
        try:
            update, at = cursor["update"], datetime.fromisoformat(cursor["at"])
            moves = {**moves, **{str(new): str(old) for new, old in cursor["moves"].items()}}
            asked = datetime.fromisoformat(cursor.get("asked") or cursor["at"])
            if at.tzinfo is None or asked.tzinfo is None or not (update is None or isinstance(update, int)):
                raise ValueError("no place")
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls(None, now, moves), (Gap(None, now, "The place where reading stopped could not be used."),)
        away = now - asked > KEPT
        gaps = (Gap(asked, now - KEPT, "Telegram keeps for a day what nobody fetches."),) if away else ()
        return cls(update if now - at < NUMBERED_ANEW else None, at, moves, asked), gaps

    def is_new(self, item: Any) -> bool:
        number = item.get("update_id") if isinstance(item, dict) else None
        return not isinstance(number, int) or self.update is None or number > self.update

    def reached(self, fresh: list[Any], now: datetime) -> bool:
        """Whether reading went on."""
        self.asked = now
        found = (item.get("update_id") for item in fresh if isinstance(item, dict))
        numbers = [number for number in found if isinstance(number, int)]
        if numbers:
            self.update, self.at = max(numbers), now
        return bool(numbers)

    def moved(self, old: int, new: int) -> None:
        """A group became a supergroup with another id; its conversations go on."""
        self.moves = _newest({**self.moves, str(new): self.first_id(old)})

    def first_id(self, chat: int) -> str:
        return self.moves.get(str(chat), str(chat))

    def kept(self) -> JSON:
        told = {"at": self.at.isoformat(), "asked": self.asked.isoformat()}
        return {"update": self.update, "moves": self.moves, **told}


def _newest(moves: JSON) -> dict[str, str]:
    return dict(list(moves.items())[-MOVES:])

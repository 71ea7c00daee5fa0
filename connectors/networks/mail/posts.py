"""From a mail to a post: who wrote it, which thread it stands in, and whether anybody wrote it by hand at all."""

import re
from collections.abc import Sequence
from datetime import datetime

from connectors.media import IMAGES
from connectors.networks.mail.answer import ANSWERS, id_of, is_own_id
from connectors.networks.mail.imap import Weight
from connectors.networks.mail.message import QUOTE_KEPT, Mail
from connectors.posts import Author, Media, Post, PostKind, Undelivered, Visibility

FILES = 50
_BEFORE = re.compile(r"[!-;=?A-~]{1,200}")
_STATUS = re.compile(r"^Status:\s*(\d\.\d{1,3}\.\d{1,3})", re.IGNORECASE | re.MULTILINE)
_RECIPIENT = re.compile(r"^(?:Final|Original)-Recipient:\s*[\w-]+;\s*<?([^\s<>]{3,320})", re.IGNORECASE | re.MULTILINE)
_DIAGNOSTIC = re.compile(
    r"^Diagnostic-Code:\s*[\w-]+;\s*(.{3,400}(?:\n[ \t].{1,400}){0,3})", re.IGNORECASE | re.MULTILINE
)
_MEANINGS = (
    ("5.1.", "There is no such address"),
    ("5.2.1", "The mailbox is closed"),
    ("5.2.2", "The mailbox is full"),
    ("5.3.4", "The mail is too large"),
    ("5.4.", "The other mail server could not be reached"),
    ("5.7.", "The other mail server refused it"),
)
"""What codes of RFC 3463 mean, the longer ones before the shorter."""


def post_of(
    mail: Mail, source: str, address: str, weight: Weight, now: datetime, history_before: datetime | None
) -> Post | None:
    """None for what is no message to us: a copy of our own. ValueError when there is nobody who wrote it."""
    ours = source == "sent"
    if not ours and is_own_id(mail.id, address) and mail.sender()[1] == address:
        return None
    name, who = mail.sender() if ours else mail.correspondent(address)
    returned = "" if ours else _returned(mail, address)
    parts = mail.text(whole=ours and is_own_id(mail.id, address))
    automatic = "" if ours else mail.automatic(address.rpartition("@")[2])
    created_at, dated = mail.written_at(weight.arrived_at, now)
    chain = mail.chain
    return Post(
        external_id=mail.id if ours and mail.id else mail.external_id,
        kind=PostKind.MAIL,
        source=source,
        author=Author(external_id=who, handle=who, name=name),
        text=_told(mail, parts.text) if returned else parts.text,
        created_at=created_at,
        dated=dated,
        lang=mail.header("content-language")[:12],
        parent_id=_parent_of_ours(mail, address) if ours else returned or _parent(chain, mail, address),
        root_id=chain[0] if chain else mail.id or mail.external_id,
        media=_media(mail, weight.size),
        visibility=Visibility.DIRECT,
        ours=ours,
        subject=mail.subject,
        # What a program sent is kept and shown, but waits for nobody; that an answer of ours came back is news.
        history=(bool(automatic) and not returned) or (history_before is not None and created_at < history_before),
        grants={"automatic": automatic} if automatic else {},
        raw={
            "message_id": mail.id,
            "in_reply_to": mail.answers,
            "references": chain,
            "subject": mail.subject,
            "from": mail.header("from")[:500],
            "to": [where for _, where in mail.addresses("to")],
            "cc": [where for _, where in mail.addresses("cc")],
            "answer_to": _answer_to(mail, ours, who),
            "quoted": parts.quoted[:QUOTE_KEPT],
            "signature": parts.signature[:QUOTE_KEPT],
            **({"report": mail.report} if mail.report else {}),
            **({"returned": returned, "why": _why(mail)} if returned else {}),
        },
    )


def undelivered(posts: Sequence[Post]) -> tuple[Undelivered, ...]:
    """What these mails say of answers of ours that reached nobody."""
    return tuple(
        Undelivered(str(post.raw["returned"]), str(post.raw["why"]), post.external_id)
        for post in posts
        if post.raw.get("returned")
    )


def parent_of_sent(post: Post) -> str:
    """The Message-ID that a mail of ours answers."""
    return str(post.raw.get("in_reply_to") or "")


def _parent(chain: list[str], mail: Mail, address: str) -> str | None:
    """The newest mail of ours in the thread, by which it is found for certain; else what it says it answers."""
    own = [each for each in chain if is_own_id(each, address)]
    return own[-1] if own else mail.answers or (chain[-1] if chain else None)


def _parent_of_ours(mail: Mail, address: str) -> str | None:
    """What we answered, where we wrote it down; an answer given elsewhere names a Message-ID and no more."""
    if mail.answers and is_own_id(mail.answers, address):
        return mail.answers
    mark = mail.header(ANSWERS.lower())
    return f"{mail.answers}#{mark}" if mail.answers and re.fullmatch(r"[0-9a-f]{12}", mark) else None


def _answer_to(mail: Mail, ours: bool, who: str) -> list[str]:
    if ours:
        return [where for _, where in mail.addresses("to")]
    asked = [where for _, where in mail.addresses("reply-to")]
    return asked[:5] or [who]


def _returned(mail: Mail, address: str) -> str:
    """The id of the mail of ours that could not be delivered; "" when this says no such thing."""
    bounced = mail.report or (mail.header("return-path").strip() == "<>" and _is_postmaster(mail))
    if not bounced:
        return ""
    text, end = mail.raw.decode("ascii", "replace"), id_of("", address)
    for found in re.finditer(re.escape(end), text, re.IGNORECASE):
        before = text[max(found.start() - 200, 0) : found.start()]
        if key := _BEFORE.match(before[::-1]):  # backwards, so that no stranger makes it slow
            return key[0][::-1] + found[0]
    return ""


def _is_postmaster(mail: Mail) -> bool:
    return mail.sender()[1].partition("@")[0] in ("mailer-daemon", "postmaster")


def _why(mail: Mail) -> str:
    """What became of it, in words, and what the server said."""
    recipient, status, said = (kind.search(mail.report) for kind in (_RECIPIENT, _STATUS, _DIAGNOSTIC))
    code = status[1] if status else ""
    words = next((words for start, words in _MEANINGS if code.startswith(start)), "It was returned.")
    whom = f" ({recipient[1]})" if recipient else ""
    told = " ".join(said[1].split())[:160] if said else code
    return f"{words.removesuffix('.')}{whom}.{f' The server said: {told}' if told else ''}"


def _told(mail: Mail, text: str) -> str:
    recipient, status = _RECIPIENT.search(mail.report), _STATUS.search(mail.report)
    whom = f" to {recipient[1]}" if recipient else ""
    return f"Our answer{whom} could not be delivered{f' ({status[1]})' if status else ''}.\n\n{text}".strip()


def _media(mail: Mail, size: int) -> tuple[Media, ...]:
    """What is attached, by name and size: the content stays in the mailbox until somebody wants to see it."""
    found = [
        Media(kind="image" if file.kind in IMAGES else "file", url="", ref=str(number),
              description=f"{file.name} ({file.kind}, {_size(file.size)})")
        for number, file in enumerate(mail.files)
    ]  # fmt: skip
    if len(mail.raw) < size:
        found.append(Media(kind="file", url="", description=f"The rest of the mail ({_size(size - len(mail.raw))})"))
    return tuple(found[:FILES])


def _size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{max(size // 1000, 1)} kB"

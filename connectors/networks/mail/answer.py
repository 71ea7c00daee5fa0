"""The mail that carries an answer: the same bytes whenever it is made again, recognisable as ours when it comes back,
and bound to the thread by every mark that mail programs keep."""

import hashlib
import re
from dataclasses import dataclass
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

from connectors.faults import Invalid
from connectors.media import Medium
from connectors.networks.mail.message import cleaned, token_in
from connectors.posts import Post
from connectors.replies import Capability, Outgoing
from connectors.text import storable

ANSWERS = "X-Care-Answers"
"""Which of the mails with the Message-ID in In-Reply-To this answers: their ids are anybody's to repeat."""
MARK = "X-Care-Mark"
"""The mark in the subject once more, where no program folds or encodes it."""
LONGEST_CHAIN = 20
_ANSWER = re.compile(r"^\s*(re|aw|sv|vs|antw|odp|rif|res|ha|回复|答复)(\[\d+\])?\s*[:：]", re.IGNORECASE)
_ADDRESS = re.compile(r"[!-?A-~]+@[!-?A-~]+")
_SAFE_ID = re.compile(r"[!-;=?-~]{3,250}")


@dataclass(frozen=True, slots=True)
class Letter:
    """What is handed in."""

    id: str
    recipients: tuple[str, ...]
    content: bytes


def id_of(key: str, address: str) -> str:
    """The Message-ID of the answer with this key, without brackets; known before anything is sent."""
    return f"{key}.care@{address.rpartition('@')[2]}"


def is_own_id(message_id: str, address: str) -> bool:
    return message_id.lower().endswith(f".care@{address.rpartition('@')[2]}")


def letter(outgoing: Outgoing, address: str, name: str) -> Letter:
    """Raises Invalid when there is nobody it could go to."""
    parent, own_id = outgoing.parent, id_of(outgoing.key, address)
    recipients = recipients_of(parent)
    if not _ADDRESS.fullmatch(address):
        raise Invalid("The channel's own address cannot be used.", field="address")
    above, subject = parent_id(parent), _subject(parent, outgoing.key)
    heads = [
        f"From: {formataddr((' '.join(name.split()), address))}",
        f"To: {', '.join(recipients)}",
        f"Subject: {_encoded(subject)}",
        f"{MARK}: {token_in(subject)}",
        f"Date: {format_datetime(outgoing.since)}",
        f"Message-ID: <{own_id}>",
        *([f"In-Reply-To: <{above}>"] if _SAFE_ID.fullmatch(above) else []),
        *_references(parent, above),
    ]
    if "#" in parent.external_id:
        heads.append(f"{ANSWERS}: {parent.external_id.rpartition('#')[2]}")
    if re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", outgoing.lang):
        heads.append(f"Content-Language: {outgoing.lang}")
    content = EmailMessage(policy.SMTP.clone(cte_type="7bit"))
    content.set_content(storable(outgoing.text))
    for medium in outgoing.media:
        _hang(content, medium)
    if outgoing.media:  # the library would choose another one each time
        content.set_boundary(f"care-{token(outgoing.key)}-{token(own_id)}")
    return Letter(own_id, recipients, "\r\n".join(heads).encode("ascii") + b"\r\n" + content.as_bytes())


def _hang(content: EmailMessage, medium: Medium) -> None:
    kind, _, inner = medium.type.partition("/")
    content.add_attachment(medium.read(), maintype=kind, subtype=inner, filename=storable(medium.name))
    *_rest, part = content.iter_parts()
    if medium.description:
        part["Content-Description"] = " ".join(storable(medium.description).split())


def recipients_of(post: Post) -> tuple[str, ...]:
    """Whom an answer to this post goes to."""
    given = post.raw.get("answer_to")
    asked = given if isinstance(given, list) and given else [post.author.external_id]
    found = tuple(dict.fromkeys(cleaned(str(each)) for each in asked))
    if not found or not all(_ADDRESS.fullmatch(each) for each in found):
        raise Invalid("The address of the recipient cannot be used.", field="recipient")
    return found


def goes_to(post: Post) -> Capability:
    """An answer to this post with whom it reaches. Anybody can write a sender of their choice above a mail that asks
    for answers at their own address, so any other address than the sender's is somebody's to say yes to."""
    recipients, writer = recipients_of(post), post.author.external_id
    told = ", ".join(recipients)
    if post.ours or recipients == (writer,):
        return Capability(True, f"Goes to {told}.")
    reason = f"The mail says that {writer} wrote it, and asks for answers at {told}. Anybody can write such a mail."
    return Capability(True, reason, elsewhere=told)


def parent_id(post: Post) -> str:
    """The Message-ID of a stored mail."""
    return str(post.raw.get("message_id") or post.external_id.rpartition("#")[0] or post.external_id)


def _references(parent: Post, above: str) -> list[str]:
    told = parent.raw.get("references")
    chain = [each for each in (*(told if isinstance(told, list) else ()), above) if _SAFE_ID.fullmatch(str(each))]
    chain = list(dict.fromkeys(chain))
    if len(chain) > LONGEST_CHAIN:
        chain = [chain[0], *chain[1 - LONGEST_CHAIN :]]  # the first one names the thread
    return ["References: " + "\r\n ".join(f"<{each}>" for each in chain)] if chain else []


def _subject(parent: Post, key: str) -> str:
    """That of what is answered, with a mark by which the thread is found when a program drops all others."""
    told = " ".join(storable(str(parent.raw.get("subject") or parent.subject)).split())[:200]
    told = "".join(letter for letter in told if letter.isprintable())
    subject = told if _ANSWER.match(told) else f"Re: {told}".rstrip(": ") if told else "Re:"
    return subject if token_in(subject) else f"{subject} [#{token(key)}]"


def _encoded(subject: str) -> str:
    charset = "us-ascii" if subject.isascii() else "utf-8"
    return Header(subject, charset, header_name="Subject").encode(linesep="\r\n")


def token(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:8]

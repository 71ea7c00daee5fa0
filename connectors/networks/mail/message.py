"""A mail as it came over the wire, read into what we keep of it. Everything in it is a stranger's word: an address is
believed, a name is not, a Message-ID is anybody's to repeat."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.policy import Compat32
from email.utils import getaddresses, parseaddr, parsedate_to_datetime

import idna

from connectors.networks.mail.text import Parts, split, split_html
from connectors.text import is_trap, plain

CHAIN, NESTED, HEADER, MOST_PARTS = 100, 20, 20_000, 10_000
"""Ids of one thread, parts within parts, characters of one header, lines that could begin a part."""
QUOTE_KEPT = 20_000
_ID = re.compile(r"<\s*([^<>\s]{1,900})\s*>")
_ADDRESS = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+")
_TOKEN = re.compile(r"\[#([0-9a-f]{8})\]")
_FAILED = re.compile(r"^Action:\s*failed", re.IGNORECASE | re.MULTILINE)
_FUTURE = timedelta(minutes=5)


class _Bounded(Compat32):
    """The library takes a minute for a header of a megabyte, and nobody writes one."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:HEADER]


@dataclass(frozen=True, slots=True)
class File:
    """Something attached; its content stays where it is."""

    name: str
    kind: str
    size: int


@dataclass(slots=True)
class Mail:
    """One message. `digest` tells it from another one that carries the same Message-ID."""

    headers: dict[str, list[str]]
    digest: str
    leaves: list[Message]
    raw: bytes
    report: str = ""
    """The text of a delivery report that says the delivery failed."""

    def text(self, *, whole: bool = False) -> Parts:
        """What is written in it. `whole`: quotes and signature stay where they are."""
        return _text(self.leaves, whole)

    @property
    def files(self) -> list[File]:
        return list(_files(self.leaves))

    def content(self, number: int) -> bytes:
        """The bytes of the attached file with this number, counted from 0; IndexError when there is none."""
        payload = list(filter(_is_file, self.leaves))[number].get_payload(decode=True)
        return payload if isinstance(payload, bytes) else b""

    def header(self, name: str) -> str:
        return self.headers.get(name, [""])[0]

    @property
    def id(self) -> str:
        return next(iter(ids(self.header("message-id"))), self.header("message-id").strip(" <>"))

    @property
    def external_id(self) -> str:
        """Anybody can repeat a Message-ID; with the digest nobody overwrites a stored mail."""
        return f"{self.id}#{self.digest}"

    @property
    def answers(self) -> str:
        """The id in In-Reply-To."""
        return next(iter(ids(self.header("in-reply-to"))), "")

    @property
    def chain(self) -> list[str]:
        """The ids of the thread above, the oldest first."""
        above = ids(self.header("references"))[:CHAIN]
        return above if not self.answers or self.answers in above else [*above, self.answers]

    @property
    def subject(self) -> str:
        return decoded(self.header("subject"))[:1000]

    def addresses(self, name: str) -> list[tuple[str, str]]:
        """(name, address) of a header with several."""
        try:
            found = getaddresses(self.headers.get(name, [])[:20])[:100]
        except RecursionError:  # comments within comments, which nobody writes to be understood
            return []
        return [(decoded(who), cleaned(where)) for who, where in found if _ADDRESS.fullmatch(where)]

    def sender(self) -> tuple[str, str]:
        """(name, address); ValueError when there is none that could be answered."""
        try:
            name, address = parseaddr(self.header("from"))
        except RecursionError:
            name = address = ""
        if not _ADDRESS.fullmatch(address):
            raise ValueError("The mail has no sender.")
        return decoded(name), cleaned(address)

    def correspondent(self, address: str) -> tuple[str, str]:
        """Who writes to `address`. A form on a website writes in our own name and asks to answer somebody else."""
        who = self.sender()
        return next(iter(self.addresses("reply-to")), who) if who[1] == address else who

    def written_at(self, arrived_at: datetime | None, now: datetime) -> tuple[datetime, bool]:
        """When it was written, and whether somebody said so. A clock ahead of its own arrival is not believed."""
        latest = arrived_at or now
        try:
            said = parsedate_to_datetime(self.header("date"))
            said = said if said.tzinfo else said.replace(tzinfo=UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            return latest, arrived_at is not None
        return (said, True) if said <= latest + _FUTURE else (latest, arrived_at is not None)

    def automatic(self, domain: str) -> str:
        """Why nobody wrote this by hand, in words, or "". A list of our own domain is how many teams share mail."""
        told = self.header("auto-submitted").split(";")[0].strip().lower()
        listed = self.header("list-id")
        if self.report or self.header("content-type").lower().startswith("multipart/report"):
            return "It is a report of a mail server."
        if self.header("return-path").strip() == "<>":
            return "It was sent without an address for answers."
        if told and told != "no":
            return "It says of itself that it was sent automatically."
        if listed and domain not in listed.lower():
            return "It was sent through a mailing list."
        if self.header("precedence").strip().lower() in ("bulk", "junk", "list") and not listed:
            return "It was sent in bulk."
        marks = ("x-auto-response-suppress", "x-autoreply", "x-autorespond")
        return "It wants no automatic answers, as programs do." if any(map(self.header, marks)) else ""


def read(raw: bytes) -> Mail:
    """Raises ValueError for what is no mail."""
    if raw.count(b"\n--") > MOST_PARTS:
        raise ValueError("The mail has more parts than anybody sends.")
    try:
        message = message_from_bytes(raw, policy=_Bounded())
        parts = list(_parts(message))
    except (RecursionError, MessageError, LookupError) as error:
        raise ValueError(
            f"The mail is nested or coded in a way that cannot be read ({type(error).__name__})."
        ) from error
    headers: dict[str, list[str]] = {}
    for name, value in message.raw_items():
        headers.setdefault(name.lower(), []).append(_unfolded(str(value)))
    body = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[-1]
    seed = "\0".join(headers.get(name, [""])[0] for name in ("from", "date")).encode("utf-8", "replace")
    digest = hashlib.sha256(seed + b"\0" + body).hexdigest()[:12]
    return Mail(headers, digest, parts, raw, _report(message, parts))


def _unfolded(value: str) -> str:
    """A header on one line; bytes that nobody declared are UTF-8 these days."""
    value = (
        value[:HEADER].encode("ascii", "surrogateescape").decode("utf-8", "replace") if not value.isascii() else value
    )
    return " ".join(value[:HEADER].split())


def _parts(message: Message, depth: int = 0) -> Iterator[Message]:
    """The leaves, and mails within the mail as one leaf each."""
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        if depth < NESTED:
            for part in message.get_payload():
                if isinstance(part, Message):
                    yield from _parts(part, depth + 1)
    else:
        yield message


def _is_file(part: Message) -> bool:
    if part.get_content_disposition() == "attachment" or part.get_filename():
        return True
    return part.get_content_type() not in ("text/plain", "text/html")


def _text(parts: list[Message], whole: bool) -> Parts:
    shown = [part for part in parts if not _is_file(part)]
    texts = {
        kind: "\n".join(_content(part) for part in shown if part.get_content_type() == kind)
        for kind in ("text/plain", "text/html")
    }
    text, html = texts["text/plain"], texts["text/html"]
    if text.strip():
        return Parts(text.replace("\r\n", "\n").rstrip("\n")) if whole else split(text)
    return Parts(plain(html)) if whole else split_html(html)


def _content(part: Message) -> str:
    raw = part.get_payload(decode=True)
    data = raw if isinstance(raw, bytes) else b""
    return _decoded_bytes(data, part.get_content_charset() or "utf-8")


def _decoded_bytes(data: bytes, charset: str) -> str:
    try:
        return data.decode("utf-8" if is_trap(charset) else charset, "replace")
    except (LookupError, ValueError):  # no charset we know
        return data.decode("utf-8", "replace")


def _files(parts: list[Message]) -> Iterator[File]:
    for number, part in enumerate(filter(_is_file, parts), 1):
        payload = part.get_payload(decode=True)
        size = len(payload) if isinstance(payload, bytes) else 0
        name = decoded(str(part.get_filename() or f"part {number}"))[:200]
        yield File(name, part.get_content_type(), size)


def _report(message: Message, parts: list[Message]) -> str:
    """What a mail server reports of a delivery that failed for good."""
    if message.get_content_type() != "multipart/report":
        return ""
    found = [part.as_bytes() for part in parts if part.get_content_type() == "message/delivery-status"]
    told = b"\n".join(found).decode("utf-8", "replace")  # whatever charset it says it has
    return told[:4000] if _FAILED.search(told) else ""


def ids(header: str) -> list[str]:
    return _ID.findall(header)


def token_in(subject: str) -> str:
    found = _TOKEN.search(subject)
    return found[1] if found else ""


def decoded(header: str) -> str:
    """A header's words as people read them."""
    try:
        pieces = decode_header(header)
    except (HeaderParseError, ValueError):
        return header
    said = "".join(
        piece if isinstance(piece, str) else _decoded_bytes(piece, charset or "utf-8") for piece, charset in pieces
    )
    return " ".join(said.split())


def cleaned(address: str) -> str:
    """One spelling of an address: lower case, the domain as the wire has it."""
    local, _, domain = address.strip().lower().rpartition("@")
    try:
        domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except UnicodeError:
        pass  # no domain that could exist; it is still the sender's name for themselves
    return f"{local}@{domain}"

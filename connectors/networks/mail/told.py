"""What a mail server tells, read: numbers, bodies, and its refusals as faults."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.faults import (
    AuthRevoked,
    Fault,
    Gone,
    Invalid,
    NotPermitted,
    QuotaSpent,
    RateLimited,
    Unavailable,
)

UID = re.compile(rb"\bUID (\d+)")
_CODE = re.compile(rb"\[([A-Z-]+)")
_ARRIVED = re.compile(rb'\bINTERNALDATE "\s*([^"]{10,40})"')


def refused(said: bytes, signing_in: bool, kind: str = "NO", opening: bool = False) -> Fault:
    """By the code in brackets; words are the server's own and in its own language. Many give no code to a folder that
    is not there."""
    code = code_in(said)
    detail = f"The mail server answered {kind}{f' [{code}]' if code else ''}."
    now = datetime.now(UTC)
    if code in ("UNAVAILABLE", "INUSE", "SERVERBUG", "CORRUPTION"):
        return Unavailable(detail)
    if code in ("LIMIT", "THROTTLED"):
        return RateLimited(detail, until=now + timedelta(minutes=1), bucket="imap")
    if code == "OVERQUOTA":
        return QuotaSpent(detail, until=now + timedelta(minutes=15), bucket="imap")
    if code in ("AUTHORIZATIONFAILED", "NOPERM", "CONTACTADMIN", "PRIVACYREQUIRED"):
        return NotPermitted(detail, what="mailbox")
    if code in ("AUTHENTICATIONFAILED", "EXPIRED") or (signing_in and kind == "NO"):
        return AuthRevoked(detail)
    if code in ("NONEXISTENT", "TRYCREATE") or (opening and kind == "NO" and not code):
        return Gone("The folder is not there.", what="folder")
    if kind == "BYE":
        return Unavailable(detail)
    return Invalid(detail, field="command") if kind == "BAD" else NotPermitted(detail, what="folder")


def code_in(said: bytes) -> str:
    found = _CODE.search(said.upper())
    return found[1].decode() if found else ""


def bodies_in(items: Sequence[Any]) -> Iterator[tuple[int, bytes]]:
    """(UID, body); some servers give the number before the body and some behind it."""
    for place, item in enumerate(items):
        if isinstance(item, tuple):
            after = items[place + 1] if place + 1 < len(items) else b""
            uid = UID.search(item[0]) or UID.search(after if isinstance(after, bytes) else b"")
            if uid:
                yield int(uid[1]), item[1]


def arrived(told: bytes) -> datetime | None:
    found = _ARRIVED.search(told)
    try:
        return datetime.strptime(found[1].decode(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC) if found else None
    except (ValueError, OverflowError):
        return None

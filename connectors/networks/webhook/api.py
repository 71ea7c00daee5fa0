"""What a delivery says and what a receiver gets: signed bodies, items in plain JSON, values that may be anything."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from connectors.base import JSON, Media, Medium
from connectors.text import read_json

ITEMS = 100


def file_of(medium: Medium) -> JSON:
    """A file as a receiver gets it, whole: it has no right to fetch anything from us."""
    data = base64.b64encode(medium.read()).decode()
    return {"name": medium.name, "type": medium.type, "description": medium.description, "data": data}


def signature(secret: str, stamp: str, body: bytes) -> str:
    """`v1=` and the hex HMAC-SHA256 of `<timestamp>.<raw body>`."""
    return "v1=" + hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def items_in(body: bytes) -> Sequence[Any]:
    def once(pairs: list[tuple[str, Any]]) -> JSON:
        # Two readers of one body could otherwise believe different things.
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError("A key stands twice in one object.")
        return dict(pairs)

    try:
        value = read_json(body.decode(), object_pairs_hook=once)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError("The body is not JSON in UTF-8.") from None
    items = value if isinstance(value, list) else [value]
    if not 0 < len(items) <= ITEMS:
        raise ValueError(f"A delivery has 1 to {ITEMS} items.")
    return items


def named(item: Mapping[str, Any], name: str, what: str) -> str:
    """The id under `name`; `what` is where it stands in the item."""
    value = item.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise ValueError(f"{what} is missing")
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f"{what} is neither text nor a whole number")
    return str(value)


def object_in(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = item.get(name)
    if value is None:
        raise ValueError(f"{name} is missing")
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def time_in(item: Mapping[str, Any], name: str) -> datetime:
    """UTC where it does not say."""
    value = item.get(name)
    if value is None:
        raise ValueError(f"{name} is missing")
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=at.tzinfo or UTC)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is not a time such as 2026-11-22T21:17:00Z") from None


def one_in[T: StrEnum](item: Mapping[str, Any], name: str, usual: T) -> T:
    value = item.get(name) or usual.value
    kinds = type(usual)
    if value not in list(kinds):
        raise ValueError(f"{name} is none of {', '.join(kinds)}")
    return kinds(value)


def media_in(item: Mapping[str, Any]) -> tuple[Media, ...]:
    given = item.get("media") or ()
    if not isinstance(given, list | tuple) or not all(isinstance(each, dict) and each.get("url") for each in given):
        raise ValueError("media is not a list of objects with url")
    return tuple(Media(kind=str(each.get("kind") or "file"), url=address_of(each["url"])) for each in given)


def text_in(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    return value or ""


def rating_of(value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        rating = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("rating is no number of stars") from None
    if not rating.is_finite() or abs(rating) > 1_000:
        raise ValueError("rating is no number of stars")
    return rating


def address_of(value: Any) -> str:
    text = str(value or "")
    return text if text.startswith(("https://", "http://")) else ""

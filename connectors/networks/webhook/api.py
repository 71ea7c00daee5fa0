"""What a delivery says and what a receiver gets: signed bodies, items in plain JSON, values that may be anything."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from connectors.base import JSON, Medium
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


def named(value: Any, what: str) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
        raise ValueError(f"{what} is missing")
    return str(value)


def text_in(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    return value or ""


def rating_of(value: Any) -> Decimal | None:
    if value is None:
        return None
    rating = Decimal(str(value))
    if not rating.is_finite() or abs(rating) > 1_000:
        raise ValueError("rating is no number of stars")
    return rating


def address_of(value: Any) -> str:
    text = str(value or "")
    return text if text.startswith(("https://", "http://")) else ""

"""Meta's word that a person took access back from our app, or wants deleted what the app holds of them. The library has
a check of signed requests too, but compares carelessly."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from connectors.deliveries import Rejected, Withdrawn
from connectors.text import read_json

BEGINS = b"signed_request="


def withdrawn(body: bytes, secret: str, app: str) -> Withdrawn | Rejected:
    given = parse_qs(body.decode("utf-8", "replace")).get("signed_request", [""])[0]
    sign, _dot, payload = given.partition(".")
    wanted = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
    if not secret or not hmac.compare_digest(wanted, _bytes(sign)):
        return Rejected(403, "The signature is wrong.")
    told = _told(payload)
    if str(told.get("algorithm") or "").upper() != "HMAC-SHA256" or not told.get("user_id"):
        return Rejected(400, "It does not say who asks.")
    name = hashlib.sha256(given.encode()).hexdigest()[:32]
    return Withdrawn(delivery=f"withdrawn:{name}", answer={}, status=200, account=str(told["user_id"]), app=app)


def _told(payload: str) -> Mapping[str, Any]:
    try:
        told = read_json(_bytes(payload))
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _bytes(text: str) -> bytes:
    """What was written without its padding; nothing where it is no base64."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""

"""Tokens we sign ourselves with a private key of the organisation's, which stores give out instead of passwords. They
hold the time they are made, so this reads the clock, as the seam does."""

import re
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.faults import AuthRevoked
from connectors.text import read_json

LIVES = 15 * 60
"""Seconds. Apple takes no token that is made for more than twenty minutes."""
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----(.*?)-----END \1-----", re.DOTALL)


def pem(text: str) -> str:
    """A private key with its lines, which password fields of browsers take away."""
    found = _PEM.search(text.replace("\\n", "\n"))
    if not found:
        raise AuthRevoked("The private key is not in PEM form: it begins with -----BEGIN PRIVATE KEY-----.")
    body = "\n".join(textwrap.wrap(re.sub(r"\s", "", found[2]), 64))
    return f"-----BEGIN {found[1]}-----\n{body}\n-----END {found[1]}-----\n"


def signed(claims: Mapping[str, Any], key: str, algorithm: str, key_id: str) -> str:
    """A JWT of these claims, with the times of its making and its end."""
    import jwt

    made = int(datetime.now(UTC).timestamp())
    headers = {"kid": key_id} if key_id else None
    try:
        return jwt.encode({**claims, "iat": made, "exp": made + LIVES}, pem(key), algorithm=algorithm, headers=headers)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise AuthRevoked("The private key cannot be used.") from None


def service_account(text: str) -> Mapping[str, str]:
    """What the file of a Google service account holds."""
    try:
        held = read_json(text)
        return {name: str(held[name]) for name in ("client_email", "private_key", "private_key_id")}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise AuthRevoked("This is not the JSON file of a service account.") from None

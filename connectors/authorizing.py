"""Where a person is sent to sign in (OAuth 2, authorization code), the proof that whoever brings the code back is the
one who asked (PKCE, RFC 7636), and whether tokens were given."""

import base64
import hashlib
import secrets as randomness
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from connectors.faults import AuthRevoked

if TYPE_CHECKING:
    from connectors.answers import Answer

NO = frozenset(
    {"invalid_grant", "invalid_client", "invalid_request", "unauthorized_client", "unsupported_grant_type",
     "invalid_scope", "access_denied"}
)  # fmt: skip
"""The words of a plain no (RFC 6749, 5.2)."""


def proof() -> tuple[str, dict[str, str]]:
    """The verifier to keep until the code comes, and what of it goes along with the address."""
    verifier = randomness.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    return verifier, {"code_challenge": challenge, "code_challenge_method": "S256"}


def address(
    endpoint: str, client_id: str, redirect_uri: str, state: str, scopes: Sequence[str], between: str = " ", **more: str
) -> str:
    """The address of the network's own page; networks differ in what stands `between` the scopes."""
    asked = {
        "response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, "scope": between.join(scopes),
        "state": state,
    }  # fmt: skip
    return f"{endpoint}?{urlencode(asked | more)}"


def tokens(answer: "Answer", label: str) -> Mapping[str, Any]:
    """The tokens in a complete answer. Only a plain no costs a person a sign-in: whatever else has no token in it is a
    server that is not well, and is asked again."""
    told: Mapping[str, Any] = answer.json(dict)
    if told.get("access_token"):
        return told
    if told.get("error") in NO:
        raise AuthRevoked(f"{label} gave no token.", status=answer.status)
    raise answer.unreadable("There is no token in it.")

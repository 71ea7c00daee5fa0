"""Where a person is sent to sign in (OAuth 2, authorization code), and the proof that whoever brings the code back is
the one who asked (PKCE, RFC 7636)."""

import base64
import hashlib
import secrets as randomness
from collections.abc import Sequence
from urllib.parse import urlencode


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

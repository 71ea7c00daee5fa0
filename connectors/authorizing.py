"""Where a person is sent to sign in (OAuth 2, authorization code), the proof that whoever brings the code back is the
one who asked (PKCE, RFC 7636), and whether tokens were given."""

import base64
import hashlib
import secrets as randomness
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from connectors.faults import AuthRevoked, Fault, Unavailable
from connectors.text import read_json

if TYPE_CHECKING:
    from connectors.answers import Answer

NO = frozenset(
    {"invalid_grant", "invalid_client", "invalid_request", "unauthorized_client", "unsupported_grant_type",
     "invalid_scope", "access_denied", "interaction_required", "consent_required", "login_required",
     "deleted_client", "disabled_client"}
)  # fmt: skip
"""The words of a plain no (RFC 6749, 5.2; OpenID Connect, 3.1.2.6), and two of Google's for an app that is gone."""


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


def refused(answer: "Answer", why: str) -> Fault | None:
    """What it means that no token was given. Only a plain no costs a person a sign-in: a page of somebody who stands
    before the server, or a word of its troubles, is a server that is not well, and is asked again."""
    if answer.status not in (400, 401, 403):
        return None
    if error_of(answer) in NO:
        return AuthRevoked(why, status=answer.status)
    return Unavailable("The server that gives access refused without saying why.", status=answer.status)


def error_of(answer: "Answer") -> str:
    """The word for what went wrong, "" where there is none."""
    try:
        told = read_json(answer.content)
    except (ValueError, RecursionError):
        return ""
    return str(told.get("error") or "") if isinstance(told, dict) else ""


def tokens(answer: "Answer", label: str) -> Mapping[str, Any]:
    """The tokens in a complete answer; some servers refuse with 200."""
    told: Mapping[str, Any] = answer.json(dict)
    if told.get("access_token"):
        return told
    if error_of(answer) in NO:
        raise AuthRevoked(f"{label} gave no token.", status=answer.status)
    raise answer.unreadable("There is no token in it.")

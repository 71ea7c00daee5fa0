"""How X lets us in and knocks at our door: OAuth 2 with PKCE, refresh tokens that may change with each use, and the
signatures of its webhooks."""

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from connectors.authorizing import address, proof, refused, tokens
from connectors.base import Challenge, Fault, Grant, Incoming, Rejected, Secrets
from connectors.text import read_json

if TYPE_CHECKING:
    from connectors.answers import Answer
    from connectors.http import Seam

SCOPES = (
    "tweet.read", "users.read", "tweet.write", "tweet.moderate.write", "dm.read", "dm.write", "media.write",
    "mute.write", "offline.access",
)  # fmt: skip
MEANING = {
    "tweet.write": "Replies cannot be posted",
    "tweet.moderate.write": "Replies of others cannot be hidden",
    "dm.read": "Private messages are not read",
    "dm.write": "Private messages cannot be answered",
    "media.write": "Pictures cannot be sent",
    "mute.write": "Nobody can be muted",
    "offline.access": "Access ends after two hours and cannot be renewed",
}
LARGEST = 1_000_000
_GIVEN = ("access_token", "refresh_token", "scope", "expires_in")


def lacking(secrets: Secrets) -> tuple[str, ...]:
    """Scopes that were not given, in our order; none where X did not say which were."""
    granted = secrets.get("scope", "").split()
    return tuple(scope for scope in MEANING if granted and scope not in granted)


def warnings(secrets: Secrets) -> tuple[str, ...]:
    return tuple(f"{MEANING[scope]}: the sign-in lacks {scope}." for scope in lacking(secrets))


def begin(base: str, client_id: str, secrets: Secrets, redirect_uri: str, state: str) -> Grant:
    verifier, asked = proof()
    url = address(f"{base}/2/oauth2/authorize", client_id, redirect_uri, state, SCOPES, **asked)
    return Grant(url, secrets.replace(code_verifier=verifier))


def token(seam: "Seam", base: str, client_id: str, secrets: Secrets, **asked: str) -> Secrets:
    """New credentials for a code or a refresh token. A refresh token that is not replaced stays good."""
    client_secret, request = secrets.get("client_secret", ""), {"client_id": client_id, **asked}
    auth = (client_id, client_secret) if client_secret else None
    url = f"{base}/2/oauth2/token"
    # Asking twice for a token makes nothing twice, so this is no write to be in doubt about.
    answer = seam.answer("POST", url, data=request, write=False, judge=_refused, bucket="x:token", auth=auth)
    given = tokens(answer, "X")
    fresh = {name: str(given[name]) for name in _GIVEN if given.get(name)}
    return secrets.replace(**fresh, code_verifier="")


def _refused(answer: "Answer") -> Fault | None:
    return refused(answer, "X does not accept the sign-in any more, or the app's keys are wrong.")


def knock(incoming: Incoming, secret: str) -> Challenge | Rejected | str:
    """The answer to X's handshake, a refusal, or the id of a delivery that is well signed."""
    if not secret:
        return Rejected(404, "This channel takes no deliveries: it has no API key secret.")
    if incoming.method == "GET":
        crc = incoming.query.get("crc_token", "")
        if not 0 < len(crc) <= 500:
            return Rejected(400, "crc_token is missing.")
        return Challenge(json.dumps({"response_token": signature(secret, crc.encode())}), "application/json")
    if incoming.method != "POST":
        return Rejected(405, "Deliveries are POSTed.")
    if len(incoming.body) > LARGEST:
        return Rejected(413, f"A delivery has at most {LARGEST} bytes.")
    given = incoming.headers.get("x-twitter-webhooks-signature", "").encode("utf-8", "replace")
    if not hmac.compare_digest(signature(secret, incoming.body).encode(), given):
        return Rejected(403, "The signature is wrong.")
    return hashlib.sha256(incoming.body).hexdigest()


def signature(secret: str, body: bytes) -> str:
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def delivered(body: bytes, me: str) -> tuple[str, list[Any], dict[str, Any]]:
    """The source a delivery belongs to, its items, and what comes with them. All accounts of an app share its secret,
    so what is for another one comes well signed too: it is none of ours, least of all a private message."""
    try:
        value = read_json(body)
    except (ValueError, RecursionError):
        raise ValueError("The body is not JSON.") from None
    data = value.get("data") if isinstance(value, dict) else None
    data = data if isinstance(data, dict) else {}
    source = {"post": "mentions", "dm": "direct"}.get(str(data.get("event_type") or "").partition(".")[0])
    payload = data.get("payload")
    if source is None or not isinstance(payload, dict) or not _concerns(data, payload, me):
        return "mentions", [], {}
    return source, [payload], payload.get("includes") or value.get("includes") or {}


def _concerns(data: dict[str, Any], payload: dict[str, Any], me: str) -> bool:
    """Whether X says it is for this account, or, where it says nothing, whether the item names it; of what stays
    unclear the poll knows more."""
    asked = data.get("filter")
    if isinstance(asked, dict) and asked.get("user_id"):
        return str(asked["user_id"]) == me
    entities = payload.get("entities")
    named = entities.get("mentions") if isinstance(entities, dict) else None
    names = {str(each.get("id")) for each in named if isinstance(each, dict)} if isinstance(named, list) else set()
    people = payload.get("participant_ids")
    names |= {str(each) for each in people} if isinstance(people, list) else set()
    told = {str(payload.get("in_reply_to_user_id")), *str(payload.get("dm_conversation_id") or "").split("-")}
    return bool(me) and me in names | told

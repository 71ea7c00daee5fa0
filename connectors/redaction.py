"""Takes secrets out of whatever is kept of a network exchange: addresses, headers, bodies, exception texts, logs."""

import re
from collections.abc import Iterable
from urllib.parse import quote

_NAMES = (
    "access_token refresh_token client_secret appsecret_proof fb_exchange_token input_token id_token code_verifier "
    "code api_key apikey key secret password token accessJwt refreshJwt"
).replace(" ", "|")
_IN_QUERY = re.compile(rf"([?&;]|^|\s)({_NAMES})=[^&\s\"'<>]*", re.IGNORECASE)
_IN_JSON = re.compile(rf'("(?:{_NAMES})"\s*:\s*)"(?:[^"\\]|\\.)*"?', re.IGNORECASE)
_HEADER = re.compile(r"\b(authorization|cookie|set-cookie|idempotency-key)(['\"]?\s*[:=]\s*).*", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_TELEGRAM = re.compile(r"/bot\d+:[A-Za-z0-9_-]+")
_USERINFO = re.compile(r"(\w+://)[^/\s@?#]+@")
WORD = "[redacted]"


def redacted(text: str, hidden: Iterable[str] = ()) -> str:
    """`text` without anything named like a secret, and without the secret values in `hidden` however they are
    quoted."""
    for value in hidden:
        for form in {value, quote(value, safe=""), quote(value)}:
            text = text.replace(form, WORD)
    text = _IN_QUERY.sub(rf"\1\2={WORD}", text)
    text = _IN_JSON.sub(rf'\1"{WORD}"', text)
    text = _HEADER.sub(rf"\1\2{WORD}", text)
    text = _BEARER.sub(rf"\1 {WORD}", text)
    text = _TELEGRAM.sub(f"/bot{WORD}", text)
    return _USERINFO.sub(rf"\1{WORD}@", text)

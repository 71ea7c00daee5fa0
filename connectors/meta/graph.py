"""Meta's Graph API, which Facebook, Instagram and Threads share: the one subclass of facebook-sdk on the seam, what its
error codes mean, how much of its limits is used, and its signatures. Status codes say nothing here: nearly every
refusal is a 400, so the code in the body decides. That Meta takes the token as a Bearer header everywhere is
unverified."""

import hashlib
import hmac
import json
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from connectors.answers import Answer, wait_until
from connectors.faults import (
    AuthExpired,
    AuthRevoked,
    Duplicate,
    Fault,
    Gone,
    InDoubt,
    Invalid,
    NotPermitted,
    PolicyRefused,
    RateLimited,
    Unavailable,
)
from connectors.http import UPLOAD, Seam
from connectors.posts import JSON, Post, Rate
from connectors.rates import http_date
from connectors.text import read_json, storable

with warnings.catch_warnings():
    warnings.simplefilter("ignore", SyntaxWarning)  # the library's patterns are older than this Python
    import facebook

GRAPH, VERSION = "https://graph.facebook.com", "v26.0"
UNTOLD = timedelta(minutes=5)
"""How long to wait when a limit is reached and nobody says until when."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
BUSY, FULL = 75, 95
"""Percent of a limit from which we ask half as often, and not at all."""
_ONWARD = ("after", "until", "__paging_token", "offset")
_EXPIRED = {463, 467}
_LIMITS = {4, 17, 32, 341, 613, *range(80_000, 80_015)}
_NO_ACCESS = {3, 10, *range(200, 300)}
_REFUSED = {
    2_534_014: ("private reply", "A comment takes one private reply, and this one has had it."),
    2_018_278: ("window", "The time for messages to this person is over."),
    2_534_022: ("window", "The time for messages to this person is over."),
}


class Graph(facebook.GraphAPI):  # type: ignore[misc]
    """facebook-sdk with a `request` of ours, through which all its methods go: the library's own puts tokens into
    addresses and loses status, headers and codes. `answer` is the newest whole answer, `rates` how much of the limits
    it says is used."""

    answer: Answer
    rates: tuple[Rate, ...] = ()

    def __init__(
        self,
        seam: Seam,
        token: str,
        *,
        app_secret: str = "",
        base_url: str = "",
        version: str = "",
        now: datetime | None = None,
    ) -> None:
        super().__init__(access_token=token, session=seam)
        # The library's constructor knows versions up to 3.1 only.
        self.version, self.base, self.app_secret, self.now = (
            version or VERSION,
            (base_url or GRAPH).rstrip("/"),
            app_secret,
            now,
        )

    def request(
        self,
        path: str,
        args: Mapping[str, Any] | None = None,
        post_args: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        method: str | None = None,
        post: Post | None = None,
    ) -> JSON:
        """One call; the object it answers. `post`: what a refusal is about, for the link to do it by hand."""
        method = "POST" if post_args is not None else method or "GET"
        given = {name: _field(value) for name, value in (post_args or args or {}).items() if value is not None}
        token = str(given.pop("access_token", "") or self.access_token or "")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if token and self.app_secret:
            given["appsecret_proof"] = proof(self.app_secret, token)
        how: dict[str, Any] = {"data" if method == "POST" else "params": given}
        if files:  # brought to where nobody sees them, so that a lost answer means no more than once again
            how |= {"files": files, "write": False, "whole": UPLOAD}
        judge = judging(self.now, post)
        url = f"{self.base}/{quote(path, safe='/%')}"
        self.answer = self.session.answer(method, url, now=self.now, headers=headers, judge=judge, **how)
        self.rates = usage(self.answer.headers, moment(self.answer, self.now))
        return whole(self.answer, judge)


def whole(answer: Answer, judge: Callable[[Answer], Fault | None]) -> JSON:
    """The object of a 2xx, which may be a refusal all the same."""
    told: JSON = answer.json(dict)
    if "error" in told:
        raise judge(answer) or answer.unreadable("It says error and not which.")
    return told


def proof(app_secret: str, token: str) -> str:
    """Shows Meta that the token is used by the app it was given to."""
    return hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()


def signed(app_secret: str, body: bytes, header: str) -> bool:
    """Whether a delivery is from Meta: X-Hub-Signature-256 over its raw bytes."""
    wanted = "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()
    return bool(app_secret) and hmac.compare_digest(wanted.encode(), header.encode("utf-8", "replace"))


def judging(now: datetime | None, post: Post | None = None) -> Callable[[Answer], Fault | None]:
    """What the code in a refusal means; None leaves it to the status."""

    def judge(answer: Answer) -> Fault | None:
        error = _error(answer)
        code, subcode = _number(error.get("code")), _number(error.get("error_subcode"))
        return _meaning(answer, code, subcode, now, post) if code else None

    return judge


def _meaning(answer: Answer, code: int, subcode: int, now: datetime | None, post: Post | None) -> Fault | None:
    detail = f"Graph error {code}{f', {subcode}' if subcode else ''}."
    status, url = answer.status, post.url if post else ""
    if subcode in _REFUSED:
        rule, words = _REFUSED[subcode]
        return PolicyRefused(words, rule=rule, url=url, status=status)
    if code in (102, 190):
        return (AuthExpired if subcode in _EXPIRED else AuthRevoked)(detail, status=status)
    if code in (1, 2):
        # “Unknown error” and “service unavailable” do not say that nothing was written.
        return (InDoubt if answer.write else Unavailable)(detail, status=status)
    if code in _LIMITS:
        return RateLimited(detail, until=_until(answer, now), bucket="graph", status=status)
    if code in _NO_ACCESS:
        return NotPermitted(f"{detail} The app or the account lacks a permission.", what=str(code), status=status)
    if code in (368, 551):
        return PolicyRefused(detail, rule="blocked", url=url, status=status)
    if code == 506:
        return Duplicate(detail, status=status)
    if code == 803 or (code == 100 and subcode == 33):
        return Gone(detail, what=post.external_id if post else "", status=status)
    return Invalid(detail, field=str(code), status=status) if code == 100 else None


def _error(answer: Answer) -> Mapping[str, Any]:
    try:
        told = read_json(answer.content)
    except (ValueError, RecursionError):
        return {}
    error = told.get("error") if isinstance(told, dict) else None
    return error if isinstance(error, dict) else {}


def _until(answer: Answer, now: datetime | None) -> datetime | None:
    at = moment(answer, now)
    if at is None:
        return None
    told = [rate.reset_at for rate in usage(answer.headers, at) if rate.reset_at]
    waits = [time for time in (*told, wait_until(answer, at)) if time and time > at]
    return max(waits, default=at + UNTOLD)


def moment(answer: Answer, now: datetime | None) -> datetime | None:
    """Now: as we were told, else by the server's own clock."""
    return now or http_date(answer.headers.get("Date", ""))


def usage(headers: Mapping[str, str], now: datetime | None) -> tuple[Rate, ...]:
    """How much of Meta's limits is used, in percent, by app and by account."""
    found = []
    if app := _object(headers.get("X-App-Usage")):
        found.append(_rate("app", app, now))
    for account, uses in _object(headers.get("X-Business-Use-Case-Usage")).items():
        told = [use for use in (uses if isinstance(uses, list) else ()) if isinstance(use, dict)]
        found += [_rate(f"{use.get('type') or 'use'} {account}", use, now) for use in told]
    return tuple(found)


def _rate(bucket: str, use: Mapping[str, Any], now: datetime | None) -> Rate:
    used = max((_number(use.get(name)) for name in ("call_count", "total_time", "total_cputime")), default=0)
    minutes = _number(use.get("estimated_time_to_regain_access"))
    until = now + timedelta(minutes=min(minutes, 10_080)) if now and minutes > 0 else None
    return Rate(bucket[:80], 100, max(0, 100 - used), until)


def pause(rates: tuple[Rate, ...], now: datetime) -> None:
    """Stops the asking, with what was read kept, before Meta does."""
    full = [rate for rate in rates if rate.remaining is not None and rate.remaining <= 100 - FULL]
    if full:
        until = max((rate.reset_at for rate in full if rate.reset_at), default=now + UNTOLD)
        raise RateLimited(f"{FULL} percent of a limit is used.", until=until, bucket=full[0].bucket)


def slower(rates: tuple[Rate, ...], interval: float, now: datetime) -> float | None:
    """Twice the interval when a limit is nearly used up, and until Meta's time when it is; None: as usual."""
    left = min((rate.remaining for rate in rates if rate.remaining is not None), default=100)
    if left > 100 - BUSY:
        return None
    waits = [(rate.reset_at - now).total_seconds() for rate in rates if rate.reset_at]
    full = max([*waits, UNTOLD.total_seconds()]) if left <= 100 - FULL else 0.0
    return max(interval * 2, full)


def time_of(value: Any) -> datetime:
    """A time as Graph writes it: ISO with or without colon in its zone, Unix seconds, or milliseconds."""
    if isinstance(value, int | float) or (isinstance(value, str) and value.isdecimal()):
        seconds = float(value)
        return BEGINNING + timedelta(seconds=seconds / 1000 if seconds > 100_000_000_000 else seconds)
    time = datetime.fromisoformat(value)
    return time.replace(tzinfo=time.tzinfo or UTC)


def rows(told: Any, name: str = "data") -> list[Any]:
    """The list of an edge; an edge that is absent, null or odd has none."""
    found = told.get(name) if isinstance(told, dict) else None
    return found if isinstance(found, list) else []


def listed(answer: Answer, told: JSON) -> list[Any]:
    """The list of a page that must have one."""
    if not isinstance(told.get("data"), list):
        raise answer.unreadable("A page has no list of items.")
    return rows(told)


def following(told: Any) -> str:
    """The token of the next page, "" at the end: a cursor, or for lists by time a time. The address it is taken from
    holds our access token and is never used."""
    paging = told.get("paging") if isinstance(told, dict) else None
    if not isinstance(paging, dict) or not paging.get("next"):
        return ""
    given = dict(parse_qsl(urlsplit(str(paging["next"])).query))
    cursors = paging.get("cursors")
    if isinstance(cursors, dict) and cursors.get("after"):
        given = {"after": str(cursors["after"])}
    return urlencode({name: given[name] for name in _ONWARD if given.get(name)}, errors="replace")


def onward(token: str) -> dict[str, str]:
    """What to ask for to get the page of this token."""
    return dict(parse_qsl(token))


def bare(value: Any) -> Any:
    """An item without page envelopes, tokens and made-up mail addresses."""
    if isinstance(value, dict):
        return {name: bare(each) for name, each in value.items() if name not in ("paging", "access_token", "email")}
    return [bare(each) for each in value] if isinstance(value, list) else value


def version_of(text: str) -> str:
    """What tells an edited item from one read again. Addresses of pictures change with every reading, and deliveries
    lack half of what the poll shows, so the words alone count."""
    return hashlib.sha256(storable(text).encode()).hexdigest()[:32]


def named(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise ValueError("no id")
    return storable(str(value))


def _object(text: str | None) -> JSON:
    try:
        value = read_json(text or "")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 0


def _field(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value

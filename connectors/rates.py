"""Reads what a server says about time: its clock, its dates, and the windows it counts. Everything comes out on our
clock."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from connectors.posts import Rate

_PARTS = ("Limit", "Remaining", "Reset")
_STARTS = ("X-RateLimit-", "RateLimit-", "X-Rate-Limit-")


def http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return date.replace(tzinfo=date.tzinfo or UTC)


def skew(headers: Mapping[str, str], now: datetime) -> timedelta:
    """How far the server's clock is ahead of ours; under two seconds is the road, not the clock."""
    date = http_date(headers.get("Date", ""))
    ahead = date - now if date else timedelta(0)
    return ahead if abs(ahead) > timedelta(seconds=2) else timedelta(0)


def rates(headers: Mapping[str, str], bucket: str, now: datetime, ahead: timedelta) -> tuple[Rate, ...]:
    """A window told in `X-RateLimit-…`, in `RateLimit-…` as newer servers do, or in `X-Rate-Limit-…` as X does."""
    told = {name: next(filter(None, (headers.get(start + name) for start in _STARTS)), "") for name in _PARTS}
    limit, remaining = _number(told["Limit"]), _number(told["Remaining"])
    reset = _reset(told["Reset"], now, ahead)
    if limit is None and remaining is None and reset is None:
        return ()
    return (Rate(bucket, limit, remaining, reset),)


def _number(text: str | None) -> int | None:
    """Some servers count in fractions of a request."""
    whole, _, part = (text or "").strip().partition(".")
    return int(whole) if whole.isdecimal() and len(whole) < 16 and (not part or part.isdecimal()) else None


def _reset(text: str, now: datetime, ahead: timedelta) -> datetime | None:
    """A reset time as ISO, Unix seconds or seconds from now (small numbers), brought onto our clock."""
    if (number := _number(text)) is not None:
        if number < 10_000_000:
            return now + timedelta(seconds=number)
        return datetime.fromtimestamp(number, UTC) - ahead if number < 10_000_000_000 else None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.replace(tzinfo=time.tzinfo or UTC) - ahead

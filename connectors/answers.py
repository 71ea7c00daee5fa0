"""A complete answer of a network, and what its status means where the network's own class does not say otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.faults import (
    AuthRevoked,
    Duplicate,
    Fault,
    Gone,
    InDoubt,
    Invalid,
    NotPermitted,
    RateLimited,
    Unavailable,
    Unreadable,
)
from connectors.posts import Rate
from connectors.rates import http_date, rates, skew
from connectors.redaction import redacted
from connectors.text import read_json, storable

KEPT_BYTES = 2_048
WAIT_UNTOLD = timedelta(seconds=60)
"""How long to wait after a 429 that does not say."""
AT_LEAST = timedelta(seconds=5)  # although a network says that we may come back at once


@dataclass(slots=True)
class Answer:
    """A complete, bounded answer. `moved_to`: where the redirects led, if all of them were permanent."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str
    write: bool = False
    rates: tuple[Rate, ...] = ()
    moved_to: str = ""
    skew: timedelta = field(default=timedelta(0))

    def tell(self, bucket: str, now: datetime) -> None:
        """Fills in what its headers say of the server's clock and of the window it counts."""
        self.skew = skew(self.headers, now)
        self.rates = rates(self.headers, bucket, now, self.skew)

    def json(self, *shapes: type) -> Any:
        """The body as JSON of one of these types; Unreadable for a read, InDoubt for a write (it may have happened)."""
        try:
            value = read_json(self.content)
        except (ValueError, RecursionError):
            raise self.unreadable("It is not JSON.") from None
        if shapes and not isinstance(value, shapes):
            raise self.unreadable(f"It is {type(value).__name__} where {shapes[0].__name__} was expected.")
        return value

    def yes(self) -> None:
        """That something was done: nothing, or a JSON object that tells of no error. A page to sign in says 200 to
        everything, and so do servers that put their errors inside."""
        if 200 <= self.status < 300 and self.content.strip() and (self.json(dict).get("error") is not None):
            raise self.unreadable("It tells of an error.")

    def unreadable(self, why: str) -> Fault:
        excerpt = redacted(storable(self.content[:KEPT_BYTES].decode("utf-8", "replace")))
        return (InDoubt if self.write else Unreadable)(why, body=excerpt, status=self.status)


def usual_fault(answer: Answer, now: datetime, bucket: str = "") -> Fault:
    """What a status means where the network's own section does not say otherwise."""
    status, write = answer.status, answer.write
    detail = f"The answer was {status}."
    if status == 429:
        until = wait_until(answer, now)
        return RateLimited(detail, until=until or now + WAIT_UNTOLD, bucket=bucket, status=status)
    if status >= 500:
        return (InDoubt if write else Unavailable)(detail, until=wait_until(answer, now), status=status)
    by_status: dict[int, type[Fault]] = {401: AuthRevoked, 403: NotPermitted, 404: Gone, 409: Duplicate, 410: Gone}
    if status < 400:
        return (InDoubt if write else Unavailable)(f"It answered with a redirect ({status}).", status=status)
    return by_status.get(status, Invalid)(detail, status=status)


def wait_until(answer: Answer, now: datetime) -> datetime | None:
    """The latest time the answer names, on our clock: Retry-After in seconds or as a date, and windows with nothing
    left."""
    told = [rate.reset_at for rate in answer.rates if rate.reset_at and not rate.remaining]
    after = answer.headers.get("Retry-After", "").strip()
    if after.isdecimal():
        told.append(now + max(AT_LEAST, timedelta(seconds=min(int(after[:9]), 86_400 * 7))))  # “0” is an answer too
    elif after and (date := http_date(after)):
        told.append(date - answer.skew)
    return max((time for time in told if time > now), default=None)

"""The faults a network may name, each with what happens next and what a person is told. Everything else is our own
defect."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import ClassVar


class Outcome(StrEnum):
    """What the journey does about a fault."""

    RETRY = "retry"
    WAIT = "wait"
    IN_DOUBT = "in_doubt"
    RECONNECT = "reconnect"
    PERSON = "person"


class Fault(Exception):
    """`detail`: redacted words of ours for the admin, never the network's text as proof of anything. `until`: not
    before then. `bucket`: the window that is used up (all sources of it wait). `what`: the verb, source or thing
    concerned. `field` and `limit`: what was wrong with our request. `rule` and `url`: which policy, and where to do
    it by hand. `body`: the first 2 kB of an answer nobody could read. `status`: the HTTP status, 0 when there was
    none."""

    outcome: ClassVar[Outcome]
    meaning: ClassVar[str]
    while_connecting: ClassVar[str] = ""
    """The meaning for whoever tries a connection, where nothing was posted and something may be mistyped; "" where it
    is the same."""

    def __init__(
        self,
        detail: str = "",
        *,
        until: datetime | None = None,
        bucket: str = "",
        what: str = "",
        field: str = "",
        limit: int | None = None,
        rule: str = "",
        url: str = "",
        body: str = "",
        status: int = 0,
    ) -> None:
        super().__init__(detail)
        self.detail, self.until, self.bucket, self.what = detail, until, bucket, what
        self.field, self.limit, self.rule, self.url = field, limit, rule, url
        self.body, self.status = body, status

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def words(self) -> str:
        """What a person is told: the meaning, then the detail."""
        return f"{self.meaning} {self.detail}".strip()

    @property
    def words_while_connecting(self) -> str:
        return f"{self.while_connecting} {self.detail}".strip() if self.while_connecting else self.words

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}" if self.detail else self.name


NOT_ACCEPTED = "The network does not accept the access: look at what is entered here, or sign in again."


class AuthExpired(Fault):
    """Renew once under the lease and repeat once; again is `AuthRevoked`."""

    outcome, meaning = Outcome.RETRY, "Access has run out and is being renewed."
    while_connecting = NOT_ACCEPTED


class AuthRevoked(Fault):
    outcome, meaning = (
        Outcome.RECONNECT,
        "The network no longer accepts our access. An admin has to connect the channel again.",
    )
    while_connecting = NOT_ACCEPTED


class NotPermitted(Fault):
    """That verb or source is off; others go on."""

    outcome, meaning = Outcome.PERSON, "This account is not permitted to do that."

    @property
    def words(self) -> str:
        """An address that we do not call is no question of an account."""
        return self.detail if self.what == "address" else super().words


class RateLimited(Fault):
    outcome, meaning = Outcome.WAIT, "The network asks us to wait."


class QuotaSpent(Fault):
    outcome, meaning = Outcome.WAIT, "The quota or the spending limit is used up."


class Duplicate(Fault):
    """Evidence, not proof: look back. Found is sent; absent is failed with this reason."""

    outcome, meaning = Outcome.IN_DOUBT, "The network says it has this text already."


class Gone(Fault):
    outcome, meaning = Outcome.PERSON, "The post is no longer there."
    while_connecting = "The network does not know what is named here."


class PolicyRefused(Fault):
    outcome, meaning = Outcome.PERSON, "The network refuses this for this post."


class Invalid(Fault):
    outcome, meaning = Outcome.PERSON, "The network refused what we sent."


class Unavailable(Fault):
    outcome, meaning = Outcome.RETRY, "The network cannot be reached at the moment."


class InDoubt(Fault):
    """Only of writes: it may have happened."""

    outcome, meaning = Outcome.IN_DOUBT, "No clear answer came; the reply may or may not have been posted."


class Unreadable(Fault):
    """Retried three times, then a person; `body` shows what came."""

    outcome, meaning = Outcome.RETRY, "The network answered something that cannot be read."


@contextmanager
def looked_up(field: str, words: str) -> Iterator[None]:
    """While a connection is tried: what is not there is what an admin entered in that field of the form."""
    try:
        yield
    except Gone as fault:
        raise Gone(words, field=field, status=fault.status) from fault


OF_ONE = (Gone, Invalid, NotPermitted, PolicyRefused, Unreadable)
"""What a network may answer about one post of many: it is left out, and the others are read. Of a list that is asked
for, it concerns all of it."""
CONCERNS_ONE = tuple(fault.__name__ for fault in OF_ONE)
"""Faults by which the network answered: what was asked rests, everything else goes on."""

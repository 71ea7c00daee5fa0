"""Named places between two side effects where a test can make the process die. In a process that is not testing they
are nothing."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

NAMES = frozenset(
    [
        "poll.after_claim",
        "poll.after_fetch",
        "poll.after_fence",
        "poll.after_insert",
        "poll.before_commit",
        "poll.after_commit",
        "poll.before_finish",
        "renew.after_answer",
        "reply.after_take",
        "reply.before_post",
        "reply.after_upload",
        "reply.after_post",
        "reply.after_record",
        "settle.before_read",
        "settle.after_read",
        "event.after_numbers",
        "search.after_take",
        "search.before_commit",
    ]
)
"""Every failpoint there is; a test demands that each is reached."""

_hits: Counter[str] = Counter()


def _armed() -> dict[str, tuple[str, int]]:
    """FAILPOINTS="name=kill@3,other=raise": what happens at the n-th hit (first, if none is said)."""
    if not os.environ.get("TESTING"):
        return {}
    armed = {}
    for item in os.environ.get("FAILPOINTS", "").split(","):
        name, _, what = item.strip().partition("=")
        act, _, nth = what.partition("@")
        if name:
            armed[name] = (act, int(nth or 1))
    return armed


_ARMED = _armed()


def arm() -> None:
    """Reads FAILPOINTS again, in a process that was forked."""
    _ARMED.clear()
    _ARMED.update(_armed())
    _hits.clear()


class Failpoint(Exception):
    """Raised on purpose."""


def failpoint(name: str) -> None:
    """Does what FAILPOINTS asks for here: kill, raise, or stop (freeze for a minute)."""
    if name not in _ARMED:
        return
    act, nth = _ARMED[name]
    _hits[name] += 1
    if _hits[name] != nth:
        return
    if act == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif act == "stop":
        time.sleep(60)  # a frozen process, for tests only
    else:
        raise Failpoint(name)

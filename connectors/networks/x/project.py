"""What X tells the app itself and no account: how many posts a search would find, and what of the project's month is
used up. Both want the app's bearer token, which nobody has to give."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from connectors.base import JSON, AuthRevoked, NotPermitted, Secrets, Unreadable
from connectors.networks.x.calls import Caller

TOKEN = "bearer_token"  # noqa: S105  the name of a field
SOFT = 0.8
"""Of the project's month: from then on the admins are warned."""
_USAGE = {"days": 1, "usage.fields": "cap_reset_day,project_cap,project_usage"}


def caller_of(caller: Caller, base: str) -> Caller:
    """The same with the app's own token."""
    if not caller.secrets.get(TOKEN):
        words = "X counts only for the bearer token of the app, which the settings of this channel lack."
        raise NotPermitted(words, what="counts")
    return Caller(caller.seam, Secrets({"access_token": caller.secrets[TOKEN]}), base)


@contextmanager
def of_the_app() -> Iterator[None]:
    """Around what is asked with the app's own token: one that is no good says nothing about the account's sign-in."""
    try:
        yield
    except AuthRevoked as fault:
        words = "X does not take the app's bearer token; an admin can enter it anew in the settings of this channel."
        raise NotPermitted(words, what="app", field=TOKEN, status=fault.status) from fault


def counted(caller: Caller, query: str) -> int:
    """Posts of the last seven days."""
    with of_the_app():
        answer = caller.read("/2/tweets/counts/recent", {"query": query, "granularity": "day"}, "x:counts")
    meta = answer.json(dict).get("meta")
    told = _number(meta, "total_tweet_count", "total_post_count")
    if told is None:
        raise Unreadable("The answer has no count.", status=answer.status)
    return told


def used(caller: Caller) -> JSON:
    """Posts that the project read in its month, how many it may, and in how many days that begins anew."""
    with of_the_app():
        data = caller.read("/2/usage/tweets", _USAGE, "x:usage").json(dict).get("data")
    found = {
        "used": _number(data, "project_usage"),
        "limit": _number(data, "project_cap"),
        "days": _number(data, "cap_reset_day"),
    }
    return {name: value for name, value in found.items() if value is not None}


def warnings(quota: Mapping[str, Any]) -> tuple[str, ...]:
    spent, limit = quota.get("used"), quota.get("limit")
    if spent is None or not limit or spent < SOFT * limit:
        return ()
    return (f"Of the {limit:,} posts that the app's project may read in a month at X, {spent:,} are read.",)


def _number(told: Any, *names: str) -> int | None:
    """Figures come as text as well."""
    given = [told.get(name) for name in names] if isinstance(told, dict) else []
    found = next((str(each) for each in given if each is not None), "")
    return int(found) if found.isascii() and found.isdecimal() and len(found) < 16 else None

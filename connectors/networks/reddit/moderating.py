"""What moderators of a subreddit may do with what stands there: remove, approve, call spam, lock, and back. Only where
it is wanted, the sign-in allows it, and the account may moderate posts of the subreddit. Nothing was tried in life."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from connectors.posts import Post, Visibility
from connectors.replies import Capability, Verb

SCOPES = ("modposts", "mysubreddits")
POSTS = frozenset({"all", "posts"})
"""Rights of a moderator of which one is enough."""
PATHS = {
    "hide": "api/remove", "spam": "api/remove", "unhide": "api/approve", "unspam": "api/approve",
    "approve": "api/approve", "lock": "api/lock", "unlock": "api/unlock",
}  # fmt: skip
FILTERS = (True, "AutoModerator")
"""Who put away what waits for a moderator: Reddit itself, or the rules of the subreddit."""


def told_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """What only moderators are told: where it lies, and whether it waits for them or was reported."""
    if not any(item.get(name) for name in ("removed", "spam", "banned_by")):
        reports = item.get("num_reports")
        return {"reported": True} if isinstance(reports, int) and reports > 0 else {}
    if item.get("banned_by") in FILTERS:
        return {"waits": True}
    return {"away": "spam" if item.get("spam") else "hidden"}


def moderated(things: Iterable[Any]) -> list[str]:
    """The names of subreddits whose posts we may moderate, in lower case."""
    found = []
    for thing in things:
        about = thing.get("data") if isinstance(thing, dict) else None
        rights = about.get("mod_permissions") if isinstance(about, dict) else None
        if isinstance(about, dict) and about.get("display_name") and (rights is None or POSTS & {*map(str, rights)}):
            found.append(str(about["display_name"]).lower())
    return sorted(found)


def verbs(post: Post, able: Capability) -> dict[Verb, Capability]:
    """What a moderator may do with it, as it stands."""
    away = post.grants.get("away")
    lock: dict[Verb, Capability] = {"unlock" if post.grants.get("locked") else "lock": able}
    if post.visibility is Visibility.HELD:
        return {"approve": able, "hide": able, "spam": able}
    if away:
        return {"unspam" if away == "spam" else "unhide": able}
    reported: dict[Verb, Capability] = {"approve": able} if post.grants.get("reported") else {}
    return {**reported, "hide": able, **lock} if post.ours else {**reported, "hide": able, "spam": able, **lock}


def unseen(post: Post) -> str:
    """Why nobody would see an answer to it, or ""."""
    if post.visibility is Visibility.HELD:
        return "It waits to be approved. Approve it first."
    return "It was removed, so nobody could see the answer." if post.grants.get("away") else ""


def asked(verb: Verb, post: Post) -> dict[str, str]:
    spam = {"spam": "true" if verb == "spam" else "false"} if verb in ("hide", "spam") else {}
    return {"id": post.external_id, **spam}


def after(verb: Verb, post: Post) -> Post:
    """The post as it stands when that was done."""
    grants = dict(post.grants)
    if verb in ("lock", "unlock"):
        return replace(post, grants={**grants, "locked": verb == "lock"})
    grants.pop("reported", None)
    away = {"hide": "hidden", "spam": "spam"}.get(verb, "")
    return replace(post, grants={**grants, "away": away}, visibility=Visibility.PUBLIC)

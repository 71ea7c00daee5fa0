"""Mastodon, and any server that speaks its API. Reads through the seam with a mapping of its own, because the library
refuses whole pages and lacks `include_filtered`; writes through Mastodon.py. Servers other than Mastodon: features
are tried, never told from a version number. A reply to a deleted post may answer 200 on some servers, so the parent
is read before."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

import mastodon
from django.utils.translation import gettext_lazy

from connectors.base import (
    Absent,
    CannotKnow,
    Capability,
    Done,
    Fault,
    Field,
    Found,
    Gone,
    Measure,
    MediaRule,
    Medium,
    Needs,
    Outgoing,
    PolicyRefused,
    Post,
    PostState,
    Sent,
    Source,
    Standing,
    TextRule,
    Uploaded,
    Verb,
    Visibility,
    Way,
)
from connectors.finding import Sought
from connectors.networks.mastodon import uploads
from connectors.networks.mastodon.api import SHOWN
from connectors.networks.mastodon.joining import SCOPES, Joining
from connectors.text import graphemes, names, normalised
from connectors.topics import dialects

_FAR_HANDLE = re.compile(r"@([\w.-]+)@[\w.-]+\w")
_LINK = re.compile(r"(?<![^\W_])https?://[^\s<>\"“”‘’]*[^\s<>\"“”‘’.,;:!?'…)\]]", re.IGNORECASE)


class Mastodon(Joining):
    name = "mastodon"
    label = "Mastodon"
    mutes = "conversation"
    keeps_uploads = 12 * 3600.0
    needs = Needs(
        way=Way.NOW,
        does=gettext_lazy(
            "Mentions, private messages, hashtags and searches on any server with Mastodon’s interface; "
            "public answers and private ones."
        ),
        apply=gettext_lazy(
            "Nothing: you sign in at the account’s own server. Public hashtags need no account at all on most servers."
        ),
        cost=gettext_lazy("Free."),
    )
    form = (
        Field("server", "Server", "Where the account is, or where the hashtags are read", kind="host"),
        Field(
            "access_token",
            "Access token",
            "Only when you do not sign in there",
            secret=True,
            required=False,
            advanced=True,
            account=True,
        ),
        Field(
            "hashtags",
            "Hashtags",
            "One a line; many servers show them without an account",
            required=False,
            kind="lines",
        ),
        Field(
            "searches",
            "Searches",
            "One a line; needs an account and a server with search",
            required=False,
            kind="lines",
        ),
    )
    sources = (
        Source("notifications", "Mentions and messages", 30, 15, 120),
        Source("hashtag", "Hashtag", 60, 30, 600),
        Source("search", "Search", 300, 120, 1800),
    )
    scopes = tuple(SCOPES.split())
    text_rule = TextRule(500)
    oauth = public = True
    recordings = ("mastodon",)
    dialect = dialects.FEDIVERSE

    def _write(self, act: Callable[[mastodon.Mastodon], Any], post: Post) -> Any:
        """One call of the library. Its result and its exceptions are not used: it loses bodies and breaks on odd
        ones."""
        api = mastodon.Mastodon(
            api_base_url=self._base,
            access_token=self._token,
            session=self.seam,
            request_timeout=10,
            ratelimit_method="throw",
            mastodon_version="4.6.0",
            version_check_mode="none",
            user_agent="",
        )
        calls = self.seam.count
        try:
            act(api)
        except (mastodon.MastodonError, AttributeError, TypeError, KeyError, ValueError) as error:
            if self.seam.count == calls:  # refused by ourselves before anything was sent
                raise (error.__context__ or error) from None
        return self.seam.outcome("mastodon", self._refusing(post))

    @staticmethod
    def _refusing(post: Post) -> Callable[[Any], Fault | None]:
        def judge(answer: Any) -> Fault | None:
            if answer.status == 403:
                return PolicyRefused("The server refuses it.", rule="server", url=post.url, status=403)
            return None

        return judge

    def send(self, outgoing: Outgoing) -> Sent:
        parent = outgoing.parent
        path = f"/api/v1/statuses/{quote(parent.external_id, safe='')}"
        if self._ask("GET", path, accept=(404, 410)).status >= 400:
            raise Gone("It was deleted or is no longer visible to us.", what=parent.external_id)
        shown = Visibility.DIRECT if outgoing.private else parent.visibility
        visibility = next((theirs for theirs, ours in SHOWN.items() if ours is shown), "direct")
        answer = self._write(
            lambda api: api.status_post(
                self._said(outgoing.text, parent),
                in_reply_to_id=parent.external_id,
                visibility=visibility,
                spoiler_text=_warning_of(parent.raw) or None,
                language=outgoing.lang or None,
                idempotency_key=outgoing.key,
                media_ids=[medium.token for medium in outgoing.media] or None,
            ),
            parent,
        )
        made = answer.json(dict)
        if not made.get("id"):
            raise answer.unreadable("The answer to a new post has no id.")
        return Sent(str(made["id"]), str(made.get("url") or ""))

    @staticmethod
    def _said(text: str, parent: Post | None) -> str:
        """Whoever is answered hears of it only when named, and as this server names accounts: what another one calls
        carla is somebody else here."""
        if parent is None or parent.ours:
            return text
        account, whole = parent.raw.get("account"), parent.author.handle
        handle = str(account.get("acct") or "") if isinstance(account, dict) else ""
        known = names(text, handle or whole) or ("@" in whole and names(text, whole))
        return text if known or not (handle or whole) else f"@{handle or whole} {text}"

    def standing(self, text: str, post: Post) -> Standing:
        return Standing((post.external_id,), self._said(text, post))

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        me = self.facts.get("local_id") or self._ask("GET", "/api/v1/accounts/verify_credentials").json(dict)["id"]
        path = f"/api/v1/accounts/{quote(str(me), safe='')}/statuses"
        answer = self._ask("GET", path, params=[("limit", "40"), ("exclude_reblogs", "true")])
        items, above = answer.json(list), outgoing.parent.external_id
        own, bad = self._mapped(items, "own", None)
        wanted = _comparable(self._said(outgoing.text, outgoing.parent))
        sought = Sought(outgoing, lambda post: post.parent_id == above and _comparable(post.text) == wanted)
        sought.among((replace(post, ours=True) for post in own), answer.skew, bad)
        return sought.verdict(whole=sought.passed or len(items) < 40)

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        wanted = post.external_id
        acts: dict[str, Callable[[mastodon.Mastodon], Any]] = {
            "like": lambda api: api.status_favourite(wanted),
            "unlike": lambda api: api.status_unfavourite(wanted),
            "edit": lambda api: api.status_update(wanted, text, **self._kept(post)),
            "delete": lambda api: api.status_delete(wanted),
            "mute": lambda api: api.status_mute(wanted),
            "unmute": lambda api: api.status_unmute(wanted),
            "block": lambda api: api.account_block(_account_of(post)),
            "report": lambda api: api.report(_account_of(post), status_ids=[wanted]),
        }
        if verb not in acts:
            return super().do(verb, post, text)
        try:
            answer = self._write(acts[verb], post)
        except Gone:
            if verb == "delete":
                return Done()
            raise
        if verb in ("delete", "block", "report"):
            answer.yes()
            return Done()
        return Done(self._post(answer.json(dict), post.source))

    def _kept(self, post: Post) -> dict[str, Any]:
        """The files and the warning of our own post: an edit that does not name them would take them away."""
        told = self._ask("GET", f"/api/v1/statuses/{quote(post.external_id, safe='')}").json(dict)
        return {
            "spoiler_text": _warning_of(told) or None,
            "sensitive": bool(told.get("sensitive")) or None,
            "media_ids": [str(each["id"]) for each in told.get("media_attachments") or ()] or None,
        }

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The post is no longer there.")}
        if not self._token:
            return {
                "reply": Capability(False, "This channel only listens: no account is connected.", hand_off=post.url)
            }
        able = Capability(True, hand_off=post.url)
        if post.ours:
            return {"reply": able, "edit": able, "delete": able}
        like: Verb = "unlike" if post.grants.get("favourited") else "like"
        return {"reply": able, "private_reply": able, like: able, **self._against(post)}

    def _against(self, post: Post) -> dict[Verb, Capability]:
        """What an account does against others; older sign-ins did not ask for the rights, and kept none. Only what a
        token that was typed may do is not known."""
        granted, url = self.secrets.get("scope", "").split(), post.url
        unknown = not granted and not self.secrets.get("client_id")
        asked: tuple[tuple[Verb, str, str], ...] = (
            ("unmute" if post.grants.get("muted") else "mute", "write:mutes", _MUTED),
            ("block", "write:blocks", ""),
            ("report", "write:reports", ""),
        )
        return {
            verb: Capability(True, words if verb != "unmute" else "", hand_off=url)
            if unknown or {scope, "write"} & {*granted}
            else Capability(False, "The sign-in of this channel does not include it: sign in again.", hand_off=url)
            for verb, scope, words in asked
        }

    def measure(self, text: str, post: Post | None = None, *, private: bool = False) -> Measure:
        limit, link = int(self.facts.get("longest") or 500), int(self.facts.get("link") or 23)
        counted = _LINK.sub("x" * link, self._said(text, post))
        used = graphemes(_FAR_HANDLE.sub(r"@\1", counted)) + graphemes(_warning_of(post.raw) if post else "")
        problems = (f"{used - limit} characters too long.",) if used > limit else ()
        return Measure(used, limit, "characters", problems)

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        return uploads.rule_of(self.facts)

    def upload(self, medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
        return uploads.step(self._ask, medium, so_far)


_MUTED = "The server tells us of nothing more that is answered in this conversation."


def _warning_of(status: Mapping[str, Any]) -> str:
    """What a post stands behind; an answer to it stands behind the same."""
    return str(status.get("spoiler_text") or "")


def _account_of(post: Post) -> str:
    """The author's number on our server."""
    account = post.raw.get("account")
    if not isinstance(account, dict) or not account.get("id"):
        raise Gone("The server has not said who wrote it.", what=post.external_id)
    return str(account["id"])


def _comparable(text: str) -> str:
    """As `normalised`, with far handles as the server shows them: without their host."""
    return _FAR_HANDLE.sub(r"@\1", normalised(text))

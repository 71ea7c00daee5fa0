"""What Facebook and Instagram have in common: both are reached through a page of Facebook, with one app, one sign-in,
one way of messages and one kind of webhook. Names of permissions, review and the life of tokens are unverified."""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy

from connectors.authorizing import address
from connectors.base import (
    JSON,
    MAPPING,
    Accepted,
    AuthRevoked,
    Bad,
    Challenge,
    Check,
    Connector,
    Fault,
    Field,
    Grant,
    Incoming,
    NotPermitted,
    Page,
    Post,
    Rejected,
    Secrets,
    Unreadable,
)
from connectors.meta.graph import Graph, bare, following, moment, named, onward, rows, signed, time_of
from connectors.meta.withdrawing import BEGINS, withdrawn
from connectors.text import read_json

SIGN_IN = "https://www.facebook.com"
BODY, SOON = 1_000_000, timedelta(days=7)
WITHOUT = {
    "pages_show_list": "The page cannot be found",
    "pages_read_engagement": "Comments are not read",
    "pages_read_user_content": "What visitors write on the page is not read",
    "pages_manage_engagement": "Comments can be neither answered nor hidden",
    "pages_manage_metadata": "Meta cannot be asked to deliver at once",
    "pages_messaging": "Messages are neither read nor answered",
    "instagram_basic": "The account is not read",
    "instagram_manage_comments": "Comments are neither read nor answered",
    "instagram_manage_messages": "Messages are neither read nor answered",
}
"""What an admin has to do without when a permission is missing."""
APP = (
    Field("app_id", "App number", "Of your organisation's own app with Meta, which Meta has to approve for customers' "
          "posts", required=False),
    Field("app_secret", "App secret", "Signs requests and proves deliveries", secret=True, required=False),
    Field("page", "Page", "Name or number of the Facebook page; needed when you manage several", required=False),
    Field("access_token", "Access token of the page", "Only when you do not sign in there", secret=True,
          required=False, advanced=True, account=True),
    Field("verify_token", "Word for the webhook", "The same as in the app's settings; empty: no webhook", secret=True,
          required=False, advanced=True),
    Field("human_agent", "Messages after a day", "Up to seven days, if Meta allowed the app “human agent”",
          required=False, kind="choice", choices=(("", "Not allowed"), ("yes", "Allowed to this app")),
          advanced=True),
)  # fmt: skip


class Meta(Connector):
    """A network behind a Facebook page. Subclasses say which permissions they need and who they are there."""

    form: ClassVar[tuple[Field, ...]] = APP
    oauth = True
    hooked = True
    hook_words = gettext_lazy(
        "Enter it in the app at developers.facebook.com under Webhooks as the callback URL, and as the verify token "
        "the word that stands in the settings of this channel as “Word for the webhook”. Deliveries are signed with "
        "the app’s secret. Enter the same address under Facebook Login as the deauthorize callback and the data "
        "deletion request URL."
    )
    hook_secret = "verify_token"  # noqa: S105  the name of a field
    needed: ClassVar[tuple[str, ...]] = ()
    delivers: ClassVar[tuple[str, ...]] = ()
    """What Meta is asked to deliver of the page; where to is entered in the app by hand."""
    ends: datetime | None = None
    """When the token or the access to data ends, as far as a check found out."""
    who = ""
    """Whose access the token is, as Meta calls them for this app; found out by a check too (unverified for pages)."""

    @property
    def _page_id(self) -> str:
        page = str(self.settings.get("page") or "").strip()
        return str(self.facts.get("page_id") or (page if page.isdecimal() else "me"))

    def _graph(self, now: datetime | None = None, token: str = "") -> Graph:
        setting = {name: str(self.settings.get(name) or "") for name in ("base_url", "version")}
        secret = self.secrets.get("app_secret", "")
        return Graph(self.seam, token or self.secrets.get("access_token", ""), app_secret=secret, now=now, **setting)

    # Connecting

    def begin(self, redirect_uri: str, state: str) -> Grant:
        app, secret = str(self.settings.get("app_id") or ""), self.secrets.get("app_secret", "")
        if not app or not secret:
            raise NotPermitted("Signing in needs the number and the secret of your app.", what="oauth")
        base = str(self.settings.get("sign_in_url") or self.settings.get("base_url") or SIGN_IN).rstrip("/")
        url = address(f"{base}/{self._graph().version}/dialog/oauth", app, redirect_uri, state, self.needed, ",")
        return Grant(url, Secrets({"app_secret": secret}))

    def finish(self, code: str, redirect_uri: str, grant: Secrets) -> Secrets:
        """Code, a person's token for an hour, one for two months, and with it the page's own, which stays."""
        app, secret = str(self.settings.get("app_id") or ""), grant.get("app_secret", "")
        nobody = Graph(self.seam, "", base_url=str(self.settings.get("base_url") or ""), version=self._graph().version)
        short = _token(nobody.get_access_token_from_code(code, redirect_uri, app, secret))
        asked = {"grant_type": "fb_exchange_token", "client_id": app, "client_secret": secret,
                 "fb_exchange_token": short}  # fmt: skip
        person = _token(nobody.get_object("oauth/access_token", **asked))
        return grant.replace(access_token=self._page_token(person), user_token=person)

    def _page_token(self, person: str, known: str = "") -> str:
        """The page's own token. `known`: the page it is of already, whatever the settings say since."""
        graph, pages, after = self._graph(token=person), list[Any](), ""
        for _ in range(10):
            told = graph.get_connections("me", "accounts", fields="id,name,access_token", limit=100, **onward(after))
            pages += [each for each in rows(told) if isinstance(each, dict) and each.get("access_token")]
            after = following(told)
            if not after:
                break
        wanted = known or str(self.settings.get("page") or "").strip().casefold()
        fitting = [page for page in pages if wanted in (str(page.get("id")), str(page.get("name")).casefold())]
        chosen = fitting or ([] if wanted else pages)
        if len(chosen) == 1:
            return str(chosen[0]["access_token"])
        names = ", ".join(str(page.get("name") or page.get("id")) for page in pages[:20])
        if not pages:
            why = ("Whoever signed in has no role on a page, or ticked none. Let them be given a role that may answer "
                   "in the page’s name, then sign in again and tick the page.")  # fmt: skip
            raise NotPermitted(why, what="page")
        raise NotPermitted(f"Write one of these into “Page”, then sign in again: {names}.", what="page")

    def renew(self, secrets: Secrets) -> Secrets:
        if not secrets.get("user_token"):
            raise AuthRevoked("The token was not got by signing in, so nobody can renew it but a person.")
        known = str(self.facts.get("page_id") or "")
        return secrets.replace(access_token=self._page_token(secrets["user_token"], known))

    def _token_says(self) -> tuple[tuple[str, ...], list[str]]:
        """Permissions of our token, and what an admin should know of it."""
        app, secret = str(self.settings.get("app_id") or ""), self.secrets.get("app_secret", "")
        if not app or not secret:
            return (), ["Without the app's number and secret nobody can see what the token may do."]
        graph = self._graph()
        try:
            told = graph.debug_access_token(self.secrets.get("access_token", ""), app, secret)
        except Fault as fault:
            return (), [f"The token could not be looked at. {fault.words}"]
        token = told.get("data") if isinstance(told.get("data"), dict) else {}
        now = moment(graph.answer, None)
        self.who = str(token.get("user_id") or "")
        scopes = tuple(str(scope) for scope in rows(token, "scopes"))
        missing = [scope for scope in self.needed if scopes and scope not in scopes]
        warnings = [f"{WITHOUT[scope]}: the permission {scope} is missing." for scope in missing]
        if token.get("type") == "USER":
            warnings.append("The token belongs to a person and not to the page.")
        for name, what in (("expires_at", "The token"), ("data_access_expires_at", "The access to data")):
            ends = token.get(name)
            if isinstance(ends, int) and ends > 0:
                self.ends = min(time_of(ends), self.ends or time_of(ends))
            if now and isinstance(ends, int) and ends > 0 and time_of(ends) < now + SOON:
                warnings.append(f"{what} ends on {time_of(ends):%d %B %Y}: sign in again before.")
        return scopes, warnings

    def check(self) -> Check:
        graph = self._graph()
        me = graph.get_object("me", fields=self._me_fields())
        scopes, warnings = self._token_says()
        spoken = graph.answer.headers.get("facebook-api-version", "")
        if spoken and spoken != graph.version:
            warnings.append(f"Graph answers as {spoken} and not as {graph.version}, which it may no longer know.")
        account = self._account(me, scopes, warnings, f"Graph {spoken or graph.version}")
        known = self.who or str(self.facts.get("signed_in_as") or "")  # when the token could not be looked at this time
        who = {"signed_in_as": known} if known else {}
        return replace(account, expires_at=self.ends, facts={**account.facts, **who})

    def _me_fields(self) -> str:
        raise NotImplementedError

    def _account(self, me: JSON, scopes: tuple[str, ...], warnings: Sequence[str], server: str) -> Check:
        raise NotImplementedError

    # Deliveries

    def subscribe(self) -> None:
        """The app may serve other channels of this page, so what it is delivered already stays."""
        graph, page, app = self._graph(), self._page_id, str(self.settings.get("app_id") or "")
        told = graph.get_connections(page, "subscribed_apps", fields="id,subscribed_fields", limit=100)
        ours = [each for each in rows(told) if isinstance(each, dict) and str(each.get("id")) == app]
        there = {str(field) for each in ours for field in rows(each, "subscribed_fields")}
        if not there.issuperset(self.delivers):
            fields = ",".join(sorted(there.union(self.delivers)))
            graph.request(f"{graph.version}/{page}/subscribed_apps", post_args={"subscribed_fields": fields})

    def receive(self, incoming: Incoming, now: datetime) -> Accepted | Challenge | Rejected:
        return receive(incoming, self.secrets, str(self.settings.get("app_id") or ""))

    def unpack(self, body: bytes, now: datetime) -> Page:
        """What a delivery tells of comments, posts and messages; the rest the poll finds."""
        posts: dict[str, Post] = {}
        bad = []
        for item in told_by(body):
            try:
                post = self._pushed(item, now)
            except MAPPING as error:
                bad.append(Bad(None, f"{type(error).__name__}: {error}", item))
                continue
            if post is not None:
                posts[post.external_id] = post
        return Page(posts=tuple(posts.values()), bad=tuple(bad), cursor={}, end=True)

    def _pushed(self, item: Mapping[str, Any], now: datetime) -> Post | None:
        raise NotImplementedError


def receive(incoming: Incoming, secrets: Mapping[str, str], app: str) -> Accepted | Challenge | Rejected:
    """Meta's handshake, its word that somebody took access back from the `app`, and its signed deliveries. A delivery
    has no number: its hash stands for it."""
    if incoming.method == "POST" and incoming.body.startswith(BEGINS):
        return withdrawn(incoming.body, secrets.get("app_secret", ""), app)
    if incoming.method == "GET":
        given, word = incoming.query.get("hub.verify_token", ""), secrets.get("verify_token", "")
        good = bool(word) and hmac.compare_digest(word.encode(), given.encode("utf-8", "replace"))
        if incoming.query.get("hub.mode") == "subscribe" and good:
            return Challenge(incoming.query.get("hub.challenge", "")[:200])
        return Rejected(403, "The word for the webhook is wrong.")
    if incoming.method != "POST":
        return Rejected(405, "Deliveries are POSTed.")
    if len(incoming.body) > BODY:
        return Rejected(413, f"A delivery has at most {BODY} bytes.")
    if not signed(secrets.get("app_secret", ""), incoming.body, incoming.headers.get("x-hub-signature-256", "")):
        return Rejected(403, "The signature is wrong.")
    try:
        if not isinstance(read_json(incoming.body), dict):
            raise ValueError("no object")
    except (ValueError, RecursionError):
        return Rejected(400, "A delivery is a JSON object.")
    return Accepted(hashlib.sha256(incoming.body).hexdigest(), {}, status=200)


def told_by(body: bytes) -> list[JSON]:
    """The changes and messages of a delivery, each with the account (`to`) and field it is about."""
    told: list[JSON] = []
    for entry in rows(read_json(body), "entry"):
        if not isinstance(entry, dict):
            continue
        about = {"to": str(entry.get("id") or ""), "time": entry.get("time")}
        changes = [each for each in rows(entry, "changes") if isinstance(each, dict)]
        told += [{**about, "field": each.get("field"), "value": each.get("value")} for each in changes]
        told += [{**about, "field": "messaging", "value": each} for each in rows(entry, "messaging")]
    return told


def mapped(items: Sequence[Any], read: Callable[[Any], Post]) -> tuple[list[Post], tuple[Bad, ...]]:
    """Item by item: what cannot be read is set aside and stops no other."""
    posts, bad = [], []
    for place, item in enumerate(items):
        try:
            posts.append(read(item))
        except MAPPING as error:
            identity = str(item["id"]) if isinstance(item, dict) and item.get("id") else None
            bad.append(Bad(identity, f"{type(error).__name__}: {error}", bare(item), place))
    return posts, tuple(bad)


def _token(told: JSON) -> str:
    token = told.get("access_token")
    if not token:
        raise Unreadable("There is no token in Meta's answer.")
    return named(token)

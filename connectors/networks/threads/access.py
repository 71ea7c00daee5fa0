"""Access to Threads: its calls, signing in, and tokens that last 60 days and are renewed half-way."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.utils.translation import gettext_lazy

from connectors.answers import Answer
from connectors.authorizing import address
from connectors.base import (
    JSON,
    MAPPING,
    Accepted,
    Challenge,
    Check,
    Connector,
    Fault,
    Field,
    Grant,
    Incoming,
    Invalid,
    NotPermitted,
    Post,
    Rejected,
    Secrets,
)
from connectors.meta.app import Meta, receive
from connectors.meta.graph import judging, moment, named, usage, whole
from connectors.meta.rounds import page_of

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

API, SIGN_IN = "https://graph.threads.net", "https://threads.net"
DAY = 86_400
_LACKING = gettext_lazy(
    "not asked: the permission threads_keyword_search is missing. Add it to your app and sign in again; what comes "
    "anyway is compared here"
)


class ThreadsAccess(Connector):
    """The connecting half of Threads."""

    form = (
        Field("app_id", "App number", "The Threads number of your organisation's own app with Meta", required=False),
        Field("app_secret", "App secret", "Its Threads secret", secret=True, required=False),
        Field("access_token", "Access token", "Only when you do not sign in there; it ends after 60 days",
              secret=True, required=False, advanced=True, account=True),
        Field("verify_token", "Word for the webhook", "The same as in the app's settings; empty: no webhook",
              secret=True, required=False, advanced=True),
        Field("searches", "Searches", "One a line; needs a permission of its own", required=False, kind="lines"),
    )  # fmt: skip
    scopes = (
        "threads_basic", "threads_content_publish", "threads_manage_replies", "threads_read_replies",
        "threads_manage_mentions", "threads_keyword_search", "threads_delete",
    )  # fmt: skip
    oauth = True
    hooked = True
    hook_words = gettext_lazy(
        "Enter it in the app at developers.facebook.com under Webhooks as the callback URL, and as the verify token "
        "the word that stands in the settings of this channel as “Word for the webhook”. Deliveries are signed with "
        "the app’s Threads secret. Enter the same address in the settings of the app’s access to Threads as the "
        "uninstall callback and the delete callback."
    )
    hook_secret = Meta.hook_secret

    @property
    def _base(self) -> str:
        return str(self.settings.get("base_url") or API).rstrip("/")

    def _ask(
        self,
        method: str,
        path: str,
        given: Mapping[str, Any] | None = None,
        *,
        now: datetime | None = None,
        post: Post | None = None,
        write: bool | None = None,
    ) -> tuple[JSON, Answer]:
        """One call: the object it answers, and the answer for its headers."""
        judge = judging(now, post)
        headers = {"Authorization": f"Bearer {self.secrets.get('access_token', '')}"}
        how: dict[str, Any] = {"data" if method == "POST" else "params": given, "write": write}
        url = f"{self._base}/v1.0/{quote(path, safe='/')}"
        answer = self.seam.answer(method, url, now=now, headers=headers, judge=judge, **how)
        answer.rates = usage(answer.headers, moment(answer, now))
        return whole(answer, judge), answer

    def _page(
        self, path: str, asked: JSON, token: str, restart: Callable[[], bool], now: datetime
    ) -> tuple[JSON, Answer]:
        return page_of(token, restart, lambda **more: self._ask("GET", path, {**asked, **more}, now=now))

    @property
    def can_search(self) -> bool:
        return bool(self.secrets.get("access_token")) and self.facts.get("searches") is not False

    @property
    def cannot_search(self) -> "StrPromise | str":
        return _LACKING if self.facts.get("searches") is False else ""

    def _granted(self) -> tuple[str, ...]:
        """What the token may do (unverified); nothing is known where Threads does not say, which is no fault."""
        try:
            told, _ = self._ask("GET", "debug_token", {"input_token": self.secrets.get("access_token", "")})
            scopes = told["data"]["scopes"]
        except (Fault, *MAPPING):
            return ()
        return tuple(map(str, scopes)) if isinstance(scopes, list) else ()

    def check(self) -> Check:
        me, _ = self._ask("GET", "me", {"fields": "id,username,name"})
        account, name, granted = named(me.get("id")), str(me.get("username") or ""), self._granted()
        return Check(
            account_id=account,
            account_name=f"@{name}" if name else account,
            account_url=f"https://www.threads.net/@{name}" if name else "",
            server="Threads v1.0",
            scopes=granted,
            # Whoever signs in is the account itself, and so it is called when the access is taken back (unverified).
            facts={"account_id": account, "username": name, "signed_in_as": account}
            | ({"searches": "threads_keyword_search" in granted} if granted else {}),
            warnings=self._warnings(),
        )

    def _warnings(self) -> tuple[str, ...]:
        told = (
            []
            if self.secrets.get("expires_at")
            else ["This token was not got by signing in: it ends and is not renewed."]
        )
        try:
            limits, _ = self._ask("GET", "me/threads_publishing_limit", {"fields": "reply_quota_usage,reply_config"})
            limit = limits["data"][0]
            left = int(limit["reply_config"]["quota_total"]) - int(limit["reply_quota_usage"])
        except (NotPermitted, Invalid):
            told.append("It does not tell how many replies are left today; replying may not be permitted.")
        except (*MAPPING, IndexError):
            return tuple(told)
        else:
            told += [f"{left} replies are left for today."] if left < 100 else []
        return tuple(told)

    def begin(self, redirect_uri: str, state: str) -> Grant:
        app, secret = str(self.settings.get("app_id") or ""), self.secrets.get("app_secret", "")
        if not app or not secret:
            raise NotPermitted("Signing in needs the number and the secret of your app.", what="oauth")
        base = str(self.settings.get("sign_in_url") or self.settings.get("base_url") or SIGN_IN).rstrip("/")
        url = address(f"{base}/oauth/authorize", app, redirect_uri, state, self.scopes, ",")
        return Grant(url, Secrets({"app_secret": secret}))

    def finish(self, code: str, redirect_uri: str, grant: Secrets) -> Secrets:
        secret = grant.get("app_secret", "")
        given = {"client_id": str(self.settings.get("app_id") or ""), "client_secret": secret, "code": code,
                 "grant_type": "authorization_code", "redirect_uri": redirect_uri}  # fmt: skip
        judge, url = judging(None), f"{self._base}/oauth/access_token"
        answer = self.seam.answer("POST", url, data=given, write=False, judge=judge)
        short = str(whole(answer, judge).get("access_token") or "")
        asked = {"grant_type": "th_exchange_token", "client_secret": secret, "access_token": short}
        return self._long("access_token", asked, grant)

    def _long(self, path: str, asked: Mapping[str, str], kept: Secrets) -> Secrets:
        """A token for 60 days, with its end by the server's clock."""
        judge = judging(None)
        answer = self.seam.answer("GET", f"{self._base}/{path}", params=asked, judge=judge)
        told, now = whole(answer, judge), moment(answer, None)
        if not told.get("access_token"):
            raise answer.unreadable("There is no token in it.")
        lives = int(told.get("expires_in") or 60 * DAY)
        begins = int(now.timestamp()) if now else 0
        times = {"expires_at": str(begins + lives)} if begins else {"expires_in": str(lives)}
        return kept.replace(access_token=named(told["access_token"]), **times)

    def renew(self, secrets: Secrets) -> Secrets:
        """Ahead of its end; what goes wrong is the caller's to say, and to try again as long as the token lasts."""
        asked = {"grant_type": "th_refresh_token", "access_token": secrets.get("access_token", "")}
        return self._long("refresh_access_token", asked, secrets)

    def receive(self, incoming: Incoming, now: datetime) -> Accepted | Challenge | Rejected:
        return receive(incoming, self.secrets, str(self.settings.get("app_id") or ""))

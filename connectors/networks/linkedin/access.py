"""Access to LinkedIn: its calls, signing in, and tokens that last 60 days and that chosen partners alone can renew."""

from datetime import datetime
from typing import Any, ClassVar

from connectors.answers import Answer
from connectors.authorizing import address, refused, tokens
from connectors.base import (
    JSON,
    AuthRevoked,
    Check,
    Connector,
    Fault,
    Field,
    Grant,
    Invalid,
    NotPermitted,
    Post,
    Secrets,
)
from connectors.faults import looked_up
from connectors.http import UPLOAD
from connectors.networks.linkedin.api import encoded, judging, months_old, onward
from connectors.rates import http_date

API, SIGN_IN, VERSION = "https://api.linkedin.com", "https://www.linkedin.com", "202606"
MEANING = {
    "r_organization_social": "Comments are not read",
    "w_organization_social": "Comments cannot be answered",
    "rw_organization_admin": "New comments are found late",
}
OLD = 10
"""Months after which a version is about to end."""


class LinkedInAccess(Connector):
    """The connecting half of LinkedIn."""

    form: ClassVar[tuple[Field, ...]] = (
        Field("client_id", "Client ID", "Of an app of your own, approved by LinkedIn for the Community Management API. "
              "This network is a beta: nothing of it could be tried without such an app"),
        Field("client_secret", "Client secret", "Of the same app", secret=True),
        Field("organization", "Page", "Its number, as in linkedin.com/company/<number>/admin", account=True),
        Field("version", "Version", f"Year and month of LinkedIn's interface; empty: {VERSION}", required=False,
              advanced=True),
    )  # fmt: skip
    scopes = ("r_organization_social", "w_organization_social", "rw_organization_admin")
    oauth = True

    @property
    def _me(self) -> str:
        number = str(self.settings.get("organization") or "").strip().rpartition(":")[2]
        if not number.isdecimal():
            raise Invalid("The page is named by its number.", field="organization")
        return f"urn:li:organization:{number}"

    @property
    def _version(self) -> str:
        return str(self.settings.get("version") or VERSION).strip()

    def _ask(
        self,
        method: str,
        path: str,
        asked: str = "",
        *,
        now: datetime | None = None,
        post: Post | None = None,
        body: JSON | None = None,
        partial: bool = False,
        write: bool | None = None,
    ) -> Answer:
        """`asked`: the query, written out, because lists in brackets must not be encoded."""
        headers = {
            "Linkedin-Version": self._version,
            "X-Restli-Protocol-Version": "2.0.0",
        } | ({"X-RestLi-Method": "PARTIAL_UPDATE"} if partial else {})  # fmt: skip
        url = f"{self._api}/rest/{path}{'?' if asked else ''}{asked}"
        more: JSON = {} if body is None else {"json": body}
        return self._call(method, url, now, post, headers=headers, write=write, **more)

    def _bring(self, url: str, body: bytes, kind: str, now: datetime | None) -> None:
        """A file to the address that was told for it."""
        headers = {"Content-Type": kind}
        self._call("PUT", url, now, headers=headers, data=body, write=False, whole=UPLOAD)

    def _call(self, method: str, url: str, now: datetime | None, post: Post | None = None, **request: Any) -> Answer:
        if not self.secrets.get("access_token"):
            raise AuthRevoked("Nobody has signed in with this channel yet.")
        headers = {"Authorization": f"Bearer {self.secrets['access_token']}", **request.pop("headers")}
        judge = judging(now, bool(self.secrets.get("refresh_token")), post)
        return self.seam.answer(method, url, now=now, headers=headers, judge=judge, bucket="linkedin", **request)

    @property
    def _api(self) -> str:
        return str(self.settings.get("base_url") or API).rstrip("/")

    def _list(self, path: str, asked: str, now: datetime | None) -> tuple[list[Any], str, Answer]:
        answer = self._ask("GET", path, asked, now=now)
        told = answer.json(dict)
        if not isinstance(told.get("elements"), list):
            raise answer.unreadable("A page has no list of elements.")
        return told["elements"], onward(told), answer

    def check(self) -> Check:
        me = self._me
        number = me.rpartition(":")[2]
        with looked_up("organization", f"There is no page with the number {number} for this sign-in."):
            answer = self._ask("GET", f"organizations/{number}")
        told = answer.json(dict)
        name, vanity = str(told.get("localizedName") or number), str(told.get("vanityName") or number)
        granted = self.secrets.get("scope", "").replace(",", " ").split()
        lacking = [scope for scope in MEANING if granted and scope not in granted]
        warnings = [f"{MEANING[scope]}: the sign-in lacks {scope}." for scope in lacking]
        warnings += self._missing(answer)
        return Check(
            account_id=me,
            account_name=name,
            account_url=f"https://www.linkedin.com/company/{vanity}",
            server=f"LinkedIn {self._version}",
            scopes=tuple(granted),
            facts={"account_id": me},
            warnings=tuple(warnings),
        )

    def _missing(self, answer: Answer) -> list[str]:
        """What an admin should know: a version that ends soon, and notifications we may not read."""
        told, today = [], http_date(answer.headers.get("Date", ""))
        if today and months_old(self._version, today) >= OLD:
            told.append(f"LinkedIn ends version {self._version} soon: enter a newer one, as year and month.")
        try:
            self._list(
                "organizationalEntityNotifications",
                f"q=criteria&actions=List(COMMENT)&organizationalEntity={encoded(self._me)}&start=0&count=1",
                None,
            )
        except (NotPermitted, Invalid):
            told.append("Notifications may not be read: new comments are found several times a day only.")
        return told

    def begin(self, redirect_uri: str, state: str) -> Grant:
        endpoint = f"{self._oauth('sign_in_url')}/authorization"
        return Grant(address(endpoint, self._client, redirect_uri, state, self.scopes), self.secrets)

    @property
    def _client(self) -> str:
        client = str(self.settings.get("client_id") or "").strip()
        if not client:
            raise Invalid("The client ID is missing.", field="client_id")
        return client

    def _oauth(self, setting: str) -> str:
        base = str(self.settings.get(setting) or self.settings.get("base_url") or SIGN_IN).rstrip("/")
        return f"{base}/oauth/v2"

    def finish(self, code: str, redirect_uri: str, grant: Secrets) -> Secrets:
        return self._tokens(grant, grant_type="authorization_code", code=code, redirect_uri=redirect_uri)

    def renew(self, secrets: Secrets) -> Secrets:
        if not secrets.get("refresh_token"):
            raise AuthRevoked("LinkedIn gives chosen partners alone what renews access: sign in again.")
        return self._tokens(secrets, grant_type="refresh_token", refresh_token=secrets["refresh_token"])

    def _tokens(self, kept: Secrets, **asked: str) -> Secrets:
        given = {"client_id": self._client, "client_secret": kept.get("client_secret", ""), **asked}
        url = f"{self._oauth('token_url')}/accessToken"
        answer = self.seam.answer("POST", url, data=given, write=False, judge=_refused)
        told = tokens(answer, "LinkedIn")
        names = ("access_token", "refresh_token", "scope", "expires_in")
        return kept.replace(**{name: str(told[name]) for name in names if told.get(name)})


def _refused(answer: Answer) -> Fault | None:
    return refused(answer, "LinkedIn does not accept the sign-in any more, or the app's keys are wrong.")

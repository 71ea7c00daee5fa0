"""Access to Reddit: its calls, signing in, and sessions of a day, for the account or else for the application alone."""

from typing import Any

from connectors.answers import Answer
from connectors.authorizing import error_of, refused, tokens
from connectors.base import (
    JSON,
    AuthExpired,
    AuthRevoked,
    Check,
    Connector,
    Fault,
    Grant,
    Secrets,
    Unreadable,
)
from connectors.networks.reddit import library, moderating
from connectors.networks.reddit.api import SITE, judged

SCOPES = ("identity", "read", "history", "privatemessages", "submit", "edit")
MODMAIL = "modmail"
"""Asked for where somebody wants modmail read."""


class RedditAccess(Connector):
    """Registers no network."""

    @property
    def _me(self) -> str:
        return str(self.facts.get("name") or "").lower()

    @property
    def _more(self) -> tuple[str, ...]:
        return ((MODMAIL,) if self.settings.get("modmail") else ()) + (moderating.SCOPES if self._wants_acts else ())

    @property
    def _wants_acts(self) -> bool:
        return self.settings.get("moderation") == "yes"

    @property
    def _granted(self) -> frozenset[str]:
        """The scopes of the session; all of them where it does not say."""
        granted = frozenset(self.secrets.get("scope", "").replace(",", " ").split())
        return frozenset({*SCOPES, *self._more}) if not granted or "*" in granted else granted

    @property
    def _library(self) -> library.Library:
        return library.Library(self.seam, str(self.settings.get("base_url") or "").rstrip("/"), judged)

    def _ask(self, method: str, path: str, params: JSON | None = None, data: JSON | None = None) -> Answer:
        token = self.secrets.get("access_token", "")
        if not token:
            raise AuthExpired("There is no session yet.")
        return self._library.ask(token, method, path, params, data)

    def _listing(self, path: str, **params: str) -> tuple[Answer, list[Any], str]:
        answer = self._ask("GET", path, params)
        found = answer.json(dict).get("data")
        if not isinstance(found, dict) or not isinstance(found.get("children"), list):
            raise Unreadable("A page has no list.")
        return answer, found["children"], str(found.get("after") or "")

    def check(self) -> Check:
        if not self.secrets.get("access_token"):
            self.secrets = self.renew(self.secrets)
        if not self.secrets.get("refresh_token"):
            self._listing("r/announcements/new", limit="1")
            return Check(account_name="Reddit", account_url=SITE, server="Reddit")
        me = self._ask("GET", "api/v1/me").json(dict)
        if not isinstance(me.get("name"), str) or not me["name"]:
            raise Unreadable("It does not say who we are.")
        name = str(me["name"])
        return Check(
            account_id=name.lower(),
            account_name=f"u/{name}",
            account_url=f"{SITE}/user/{name}",
            server="Reddit",
            scopes=self.scopes,
            facts={"name": name, "moderates": self._moderated()},
            warnings=self._lacking(),
        )

    def _moderated(self) -> list[str]:
        """Where it may moderate posts, a hundred subreddits at most."""
        if not self._wants_acts or not self._granted >= {*moderating.SCOPES}:
            return []
        return moderating.moderated(self._listing("subreddits/mine/moderator", limit="100")[1])

    def _lacking(self) -> tuple[str, ...]:
        lacking = {*self._more} - self._granted
        modmail = ("Modmail is not read: sign in again, and allow it.",) if MODMAIL in lacking else ()
        acts = ("Nothing can be moderated: sign in again, and allow it.",) if lacking - {MODMAIL} else ()
        return modmail + acts

    def _signer(self, redirect_uri: str | None = None) -> tuple[library.Library, Any]:
        found = self._library
        given = (str(self.settings.get("client_id") or "").strip(), self.secrets.get("client_secret", ""))
        if not all(given):
            raise AuthRevoked("The application or its secret is missing.")
        return found, found.signer(*given, redirect_uri)

    def renew(self, secrets: Secrets) -> Secrets:
        """For the account where one is connected, else for the application alone, which may only read."""
        found, signer = self._signer()
        return _session(secrets, self._token(found, signer, refresh_token=secrets.get("refresh_token", "")))

    def _token(self, found: library.Library, signer: Any, **given: str) -> JSON:
        try:
            answer = found.token(signer, **given)
        except Fault as fault:
            if self.seam.last and (said := _refused(self.seam.last)):
                raise said from fault
            raise
        told: JSON = dict(tokens(answer, "Reddit"))
        self.seam.hidden = (
            *self.seam.hidden,
            *(str(told[key]) for key in ("access_token", "refresh_token") if told.get(key)),
        )
        return told

    def begin(self, redirect_uri: str, state: str) -> Grant:
        _, signer = self._signer(redirect_uri)
        url = signer.authorize_url(duration="permanent", scopes=[*SCOPES, *self._more], state=state)
        return Grant(url, self.secrets)

    def finish(self, code: str, redirect_uri: str, grant: Secrets) -> Secrets:
        found, signer = self._signer(redirect_uri)
        return _session(grant, self._token(found, signer, code=code))


def _refused(answer: Answer) -> Fault | None:
    """Reddit may say the status once more where others have a word; its guard answers with a page."""
    why = "Reddit does not accept the application or the sign-in."
    if answer.status in (400, 401, 403) and error_of(answer) == str(answer.status):
        return AuthRevoked(why, status=answer.status)
    return refused(answer, why)


def _session(secrets: Secrets, told: JSON) -> Secrets:
    fresh = {
        name: str(told[name]) for name in ("access_token", "refresh_token", "expires_in", "scope") if told.get(name)
    }
    return secrets.replace(**fresh)

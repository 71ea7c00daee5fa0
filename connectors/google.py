"""Signing in with Google, and what its refusals mean, for all of its services that we read. Status alone says little: a
403 is a spent quota, a missing right or comments that are off, so the reason in the body decides where there is one."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from connectors.answers import WAIT_UNTOLD, Answer, wait_until
from connectors.authorizing import address, proof, refused, tokens
from connectors.base import (
    AuthExpired,
    AuthRevoked,
    Connector,
    Fault,
    Field,
    Gone,
    Grant,
    InDoubt,
    Invalid,
    NotPermitted,
    PolicyRefused,
    Post,
    QuotaSpent,
    RateLimited,
    Secrets,
    Unavailable,
)
from connectors.text import read_json

SIGN_IN, TOKEN = "https://accounts.google.com/o/oauth2/v2/auth", "https://oauth2.googleapis.com/token"
_SPENT = {"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"}
_BUSY = {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"}
_BROKEN = {"processingFailure", "backendError", "internalError"}
_GONE = {"commentNotFound", "parentCommentNotFound", "commentThreadNotFound", "videoNotFound", "notFound"}
_RIGHTS = {"forbidden", "insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}
_OFF = {"accessNotConfigured", "SERVICE_DISABLED"}
_TEXT = {"commentTextTooLong", "commentTextRequired"}
_POLICY = {
    "commentsDisabled": "Comments are off there.",
    "parentCommentIsPrivate": "The comment is not public.",
}


class GoogleAccess(Connector):
    """A network of Google that people sign in to, with an app of the organisation's own."""

    form: ClassVar[tuple[Field, ...]] = (
        Field("client_id", "Client ID", "Of an OAuth client of your own (web application) in the Google Cloud console"),
        Field("client_secret", "Client secret", "Of the same client", secret=True),
    )
    oauth = True

    def _google(self, setting: str, path: str, public: str) -> str:
        """Where to sign in; a server that stands in for Google answers for all of it."""
        base = str(self.settings.get("base_url") or "").rstrip("/")
        return str(self.settings.get(setting) or (f"{base}{path}" if base else public))

    def begin(self, redirect_uri: str, state: str) -> Grant:
        client = str(self.settings.get("client_id") or "").strip()
        if not client:
            raise Invalid("The client ID is missing.", field="client_id")
        verifier, asked = proof()
        # Without both, Google gives a token for an hour that cannot be renewed.
        asked |= {"access_type": "offline", "prompt": "consent"}
        url = self._google("sign_in_url", "/o/oauth2/v2/auth", SIGN_IN)
        return Grant(
            address(url, client, redirect_uri, state, self.scopes, **asked),
            self.secrets.replace(code_verifier=verifier),
        )

    def finish(self, code: str, redirect_uri: str, grant: Secrets) -> Secrets:
        verifier = grant.get("code_verifier", "")
        asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return self._tokens(grant, **asked, code_verifier=verifier)

    def renew(self, secrets: Secrets) -> Secrets:
        if not secrets.get("refresh_token"):
            raise AuthRevoked("Google gave nothing to renew access with.")
        return self._tokens(secrets, grant_type="refresh_token", refresh_token=secrets["refresh_token"])

    def _tokens(self, kept: Secrets, **asked: str) -> Secrets:
        """A refresh token that is not replaced stays good."""
        url = self._google("token_url", "/token", TOKEN)
        client = {"client_id": str(self.settings.get("client_id") or "").strip()}
        given = given_token(self.seam, url, {**client, "client_secret": kept.get("client_secret", ""), **asked})
        names = ("access_token", "refresh_token", "scope", "expires_in")
        fresh = {name: str(given[name]) for name in names if given.get(name)}
        return kept.replace(**fresh, code_verifier="")

    def _lacking(self) -> tuple[str, ...]:
        """Sentences about what was not ticked at the sign-in, or cannot be renewed."""
        granted = self.secrets.get("scope", "").split()
        missing = [scope for scope in self.scopes if granted and scope not in granted]
        lacking = [f"Nothing can be read or answered: at the sign-in {scope} was not ticked." for scope in missing]
        if not self.secrets.get("refresh_token"):
            lacking.append("Access ends after an hour and cannot be renewed: sign in again.")
        return tuple(lacking)


def given_token(seam: Any, url: str, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """What the token endpoint answers. Asking twice makes nothing twice, so this is no write to be in doubt about."""
    answer = seam.answer("POST", url, data=dict(asked), write=False, judge=_refused, bucket="google:token")
    return tokens(answer, "Google")


def _refused(answer: Answer) -> Fault | None:
    return refused(answer, "Google does not accept the sign-in any more, or the client's ID and secret are wrong.")


def midnight_pacific(now: datetime) -> datetime:
    """When Google counts a new day."""
    there = now.astimezone(ZoneInfo("America/Los_Angeles"))
    return (there + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(now.tzinfo)


def judging(
    now: datetime | None, post: Post | None = None, *, renewable: bool = True
) -> Callable[[Answer], Fault | None]:
    """What a refusal means; None leaves it to the status. `post`: what it is about, for the link to do it by hand."""

    def judge(answer: Answer) -> Fault | None:
        named = reasons(answer)
        return _meaning(answer, named, now, post) or _by_status(answer, named, renewable)

    return judge


def _meaning(answer: Answer, named: tuple[str, ...], now: datetime | None, post: Post | None) -> Fault | None:
    reason, status, said = (named or ("",))[0], answer.status, set(named)
    detail, what = f"Google's reason is {reason}.", post.external_id if post else ""
    if said & _SPENT:
        return QuotaSpent(detail, until=now and midnight_pacific(now), status=status)
    if said & _BUSY or status == 429:
        until = now and (wait_until(answer, now) or now + WAIT_UNTOLD)
        return RateLimited(detail, until=until, bucket="google", status=status)
    if said & _BROKEN:  # it does not say that nothing was written
        return (InDoubt if answer.write else Unavailable)(detail, status=status)
    if said & _GONE:
        return Gone(detail, what=what, status=status)
    if said & _OFF:
        words = "The service is not switched on in the Google Cloud project of the app."
        return NotPermitted(words, what="service", status=status)
    if said & _RIGHTS:
        return NotPermitted(detail, what=reason, status=status)
    if said & _TEXT:
        return Invalid(detail, field="text", status=status)
    if rule := next((each for each in named if each in _POLICY), ""):
        return PolicyRefused(_POLICY[rule], rule=rule, url=post.url if post else "", status=status)
    return None


def _by_status(answer: Answer, named: tuple[str, ...], renewable: bool) -> Fault | None:
    reason = (named or ("",))[0]
    if answer.status == 401 or reason == "authError":
        return (AuthExpired if renewable else AuthRevoked)("Google does not accept the token.", status=answer.status)
    if reason == "keyInvalid":
        return AuthRevoked("Google does not know the app.", status=answer.status)
    if answer.status == 400:
        return Invalid(f"Google's reason is {reason or 'not told'}.", field=reason, status=answer.status)
    return None


def reasons(answer: Answer) -> tuple[str, ...]:
    """The words for what went wrong, the most exact first: the reason, those of the details, the status as a word.
    Nothing where the error is only a sentence."""
    try:
        told = read_json(answer.content)
    except (ValueError, RecursionError):
        return ()
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict):
        return ()
    lists = [each for name in ("errors", "details") if isinstance(each := error.get(name), list)]
    named = [each.get("reason") for found in lists for each in found if isinstance(each, dict)]
    return tuple(str(each) for each in (*named, error.get("status")) if isinstance(each, str) and each)

"""praw's core on our seam: it knows how Reddit is signed in to and spoken to. What it would do besides is turned off:
it waits inside the process and repeats what failed, writing requests too. Its results and exceptions are not used,
because it loses bodies and headers. It is an extra, so that this file may be read where it is missing."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from connectors.answers import Answer
from connectors.faults import Fault, InDoubt, NotPermitted, Unavailable

if TYPE_CHECKING:
    from connectors.http import Seam


def _installed() -> Any:
    try:
        return import_module("prawcore")
    except ImportError:
        return None


prawcore = _installed()
MISSING = "Reddit's library is not installed here: it is the extra “reddit”, see docs/networks/reddit.md."
OAUTH, WEB = "https://oauth.reddit.com", "https://www.reddit.com"
BUCKET = "reddit"


class Library:
    """Calls of one channel. `judge` classes an answer that is no success."""

    def __init__(self, seam: "Seam", base: str, judge: Callable[[Answer], Fault | None]) -> None:
        if prawcore is None:
            raise NotPermitted(MISSING, what="extra")
        self.seam, self.judge = seam, judge
        urls = {"oauth_url": base or OAUTH, "reddit_url": base or WEB}
        agent = str(seam.headers["User-Agent"])
        self.requestor = prawcore.Requestor(session=seam, user_agent=agent, timeout=10, **urls)
        seam.headers["User-Agent"] = agent  # it adds its own name each time

    def signer(self, client_id: str, client_secret: str, redirect_uri: str | None = None) -> Any:
        return prawcore.TrustedAuthenticator(
            client_id=client_id, client_secret=client_secret, redirect_uri=redirect_uri, requestor=self.requestor
        )

    def token(self, signer: Any, *, refresh_token: str = "", code: str = "") -> Answer:
        """A token for a code, for a refresh token, or for the application alone. One that nobody heard of harms
        nothing, so an answer that is lost is no doubtful write."""
        if code:
            authorizer = prawcore.Authorizer(authenticator=signer)
            return self._signed(lambda: authorizer.authorize(code))
        if refresh_token:
            authorizer = prawcore.Authorizer(authenticator=signer, refresh_token=refresh_token)
        else:
            authorizer = prawcore.ReadOnlyAuthorizer(authenticator=signer)
        return self._signed(authorizer.refresh)

    def _signed(self, work: Callable[[], object]) -> Answer:
        try:
            answer = self._outcome(work)
        except InDoubt as fault:
            raise Unavailable(fault.detail, status=fault.status) from fault
        answer.write = False
        return answer

    def ask(
        self, token: str, method: str, path: str, params: Mapping[str, Any] | None = None, data: Any = None
    ) -> Answer:
        """One call, once, now."""
        authorizer = prawcore.ImplicitAuthorizer(
            authenticator=prawcore.UntrustedAuthenticator(client_id="-", requestor=self.requestor),
            access_token=token,
            expires_in=3600,
            scope="*",
        )
        session = prawcore.Session(authorizer=authorizer)
        session._retry_strategy_class = Once
        session._rate_limiter.delay = _at_once
        return self._outcome(lambda: session.request(method=method, path=path, params=params, data=data))

    def _outcome(self, work: Callable[[], object]) -> Answer:
        calls = self.seam.count
        try:
            work()
        except prawcore.RequestException as error:
            first = error.original_exception
            if not isinstance(first, Fault):  # our own guard stopped it before anything was sent
                raise first from None
        except (prawcore.PrawcoreException, ValueError, KeyError, TypeError, AttributeError) as error:
            if self.seam.count == calls:
                raise Unavailable("The library refused to ask.") from error
        return self.seam.outcome(BUCKET, self.judge)


def _at_once() -> None:
    """Instead of waiting for a window: that is what the journey does, without holding a process."""


class Once:
    """Instead of a strategy that tries again."""

    def sleep(self) -> None:
        """Nothing to wait for."""

    def should_retry_on_failure(self) -> bool:
        return False

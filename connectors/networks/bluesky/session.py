"""Talking with a server of the AT protocol: where it is, with which session, and what its errors mean."""

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.base import (
    JSON,
    AuthExpired,
    AuthRevoked,
    Check,
    Connector,
    Fault,
    Gone,
    NotPermitted,
    Secrets,
    Unreadable,
)
from connectors.networks.bluesky.api import claims_of, fault_of

_OWN_PASSWORD = "com.atproto.access"  # noqa: S105  the scope of a session made with it

_SOME_POST = "at://did:plc:z72i7hdynmk6r22z27h6tvur/app.bsky.feed.post/3jxtb5w2hkt2m"  # it need not be there


class Signed(Connector):
    """Registers no network."""

    @property
    def _account(self) -> bool:
        return bool(self.secrets.get("app_password") or self.secrets.get("access_jwt"))

    @property
    def _me(self) -> str:
        return str(self.facts.get("account_id") or "") or str(
            claims_of(self.secrets.get("access_jwt", "")).get("sub", "")
        )

    def _ask(self, method: str, name: str, token: str | None = "", *, content_type: str = "", **request: Any) -> Any:
        """`content_type`: of a body that is no JSON."""
        kind = {"Content-Type": content_type} if content_type else {}
        return self.seam.answer(
            method,
            f"{self._base}/xrpc/{name}",
            headers={**self._signed(token), **kind},
            bucket="bluesky",
            judge=self._judged,
            **request,
        )

    def _signed(self, token: str | None) -> dict[str, str]:
        if token is None or not self._account:
            return {}
        return {"Authorization": f"Bearer {token or self._token}"}

    @property
    def _base(self) -> str:
        """Everything goes to the account's own server, which asks the rest of the network; without an account the
        public view is asked."""
        given, usual = ("server", "bsky.social") if self._account else ("appview", "public.api.bsky.app")
        server = str(self.settings.get(given) or usual).strip().rstrip("/")
        return server if "://" in server else f"https://{server}"

    @property
    def _token(self) -> str:
        if token := self.secrets.get("access_jwt"):
            return token
        raise AuthExpired("There is no session yet.")

    def _judged(self, answer: Any) -> Fault | None:
        fault = fault_of(answer, own=answer.write or "/com.atproto.server." in answer.url)
        if not self._account and (answer.status in (401, 403) or isinstance(fault, AuthExpired | AuthRevoked)):
            return NotPermitted("Without an account the public service refuses this.", status=answer.status)
        # A session the server forgot can be had anew as long as the app password is good.
        if fault and fault.what == "InvalidToken" and self.secrets.get("app_password"):
            return AuthExpired(fault.detail, status=fault.status)
        return fault

    def _views(self, uris: Sequence[str], **request: Any) -> list[Any]:
        found = self._ask("GET", "app.bsky.feed.getPosts", params=[("uris", uri) for uri in uris], **request)
        items = found.json(dict).get("posts")
        if not isinstance(items, list):
            raise Unreadable("Posts were asked for, and the answer has none.")
        return items

    def _record(self, repo: str, collection: str, rkey: str, **request: Any) -> Mapping[str, Any]:
        asked = {"repo": repo, "collection": collection, "rkey": rkey}
        found: Mapping[str, Any] = self._ask("GET", "com.atproto.repo.getRecord", params=asked, **request).json(dict)
        if not found.get("uri"):
            raise Unreadable("A record was asked for, and the answer has none.")
        return found

    def _put(self, collection: str, rkey: str, record: JSON, **more: Any) -> Any:
        body = {"repo": self._me, "collection": collection, "rkey": rkey, "record": record, **more}
        return self._ask("POST", "com.atproto.repo.putRecord", json=body)

    # Connecting

    def check(self) -> Check:
        if not self._account:
            told = self._tried()
            return Check(account_name="Bluesky", account_url="https://bsky.app", server=self._base, warnings=told)
        me = self._ask("GET", "com.atproto.server.getSession").json(dict)
        if self._is_of_another(me) and self.secrets.get("app_password"):
            self.secrets = self._signed_in(self.secrets)
            me = self._ask("GET", "com.atproto.server.getSession").json(dict)
        did, handle = str(me["did"]), str(me.get("handle") or "")
        return Check(
            account_id=did,
            account_name=f"@{handle}",
            account_url=f"https://bsky.app/profile/{did}",
            server=self._base,
            facts={"account_id": did, "handle": handle},
            warnings=self._warnings(me),
        )

    def _tried(self) -> tuple[str, ...]:
        """What the public view lets us do without an account. Where it refuses the search, what Jetstream shows will
        do, if posts can be read one by one."""
        try:
            self._ask("GET", "app.bsky.feed.searchPosts", params={"q": "bluesky", "limit": "1"})
        except NotPermitted:
            words = self.heard_alone(self.settings, self.secrets)
            if not words:
                raise
            self._views([_SOME_POST])
            return (str(words),)
        return ()

    def _is_of_another(self, me: Mapping[str, Any]) -> bool:
        """Whether the session belongs to somebody else than the handle that was typed. Mail addresses open an account
        as well; a handle that leads nowhere was given up."""
        typed = str(self.settings.get("handle") or "").strip().lstrip("@").lower()
        if not typed or "@" in typed or typed == str(me.get("handle") or "").lower():
            return False
        found = self._ask(
            "GET", "com.atproto.identity.resolveHandle", params={"handle": typed}, accept=(400, 404)
        ).json(dict)
        return bool(found.get("did")) and found["did"] != me["did"]

    def _warnings(self, me: Mapping[str, Any]) -> tuple[str, ...]:
        warnings = []
        if me.get("active") is False:
            warnings.append(f"The account is not active ({me.get('status') or 'no reason given'}).")
        if claims_of(self._token).get("scope") == _OWN_PASSWORD:
            warnings.append("This is the account's own password. Make an app password and use that.")
        return tuple(warnings)

    def renew(self, secrets: Secrets) -> Secrets:
        """A session by the refresh token; when that is used up, by the app password, which the network allows thirty
        times in five minutes."""
        if token := secrets.get("refresh_jwt"):
            try:
                return self._session(secrets, "com.atproto.server.refreshSession", token=token)
            except (AuthExpired, AuthRevoked, Gone):
                if not secrets.get("app_password"):
                    raise
        return self._signed_in(secrets)

    def _signed_in(self, secrets: Secrets) -> Secrets:
        if not secrets.get("app_password"):
            raise AuthRevoked("There is no app password to sign in with.")
        handle = str(self.settings.get("handle") or "").strip().lstrip("@")
        given = {"identifier": handle, "password": secrets["app_password"]}
        return self._session(secrets, "com.atproto.server.createSession", token=None, json=given)

    def _session(self, secrets: Secrets, name: str, token: str | None, **request: Any) -> Secrets:
        # A session that nobody heard of harms nothing, so an answer that is lost is no doubtful write.
        answer = self._ask("POST", name, token=token, write=False, **request)
        made = answer.json(dict)
        if not made.get("accessJwt") or not made.get("refreshJwt"):
            raise Unreadable("The server gave no session.")
        tokens = {"access_jwt": str(made["accessJwt"]), "refresh_jwt": str(made["refreshJwt"])}
        self.seam.hidden = (*self.seam.hidden, *tokens.values())
        ends = claims_of(tokens["access_jwt"]).get("exp")
        return secrets.replace(**tokens, expires_at=str(ends) if isinstance(ends, int) else "")

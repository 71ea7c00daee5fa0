"""How a mailbox is reached: by IMAP for reading, by SMTP for handing in, signed in by password or by a token that is
renewed."""

from connectors.answers import Answer
from connectors.authorizing import address, proof, refused, tokens
from connectors.base import AuthExpired, AuthRevoked, Connector, Fault, Grant, Invalid, Secrets
from connectors.networks.mail.authority import authority_of
from connectors.networks.mail.imap import Mailbox
from connectors.networks.mail.message import cleaned
from connectors.networks.mail.smtp import Submission
from connectors.wire import Access, Server


class MailAccess(Connector):
    """Registers no network."""

    @property
    def _address(self) -> str:
        return cleaned(str(self.settings.get("address", "")))

    def _server(self, scheme: str, port: int) -> Server:
        given = self.settings.get(f"{scheme}_port")
        security = str(self.settings.get(f"{scheme}_security") or "tls")
        host = str(self.settings.get(f"{scheme}_host", "")).strip()
        return Server(scheme, host, int(given) if given else port, security)

    @property
    def _by_token(self) -> bool:
        return self.signs_in(self.settings) or not self.secrets.get("password")

    @property
    def _access(self) -> Access:
        if not self._by_token:
            return Access(self.secrets["password"], "")
        if self.secrets.get("refresh_token") and not self.secrets.get("access_token"):
            raise AuthExpired("There is no access token yet.")
        if self.signs_in(self.settings) and not self.secrets.get("access_token"):
            raise AuthRevoked("Nobody has signed in with this mailbox yet.")
        return Access("", self.secrets.get("access_token", ""))

    @property
    def _user(self) -> str:
        return str(self.settings.get("user") or self._address)

    def _mailbox(self, ends: float | None = None) -> Mailbox:
        try:
            return Mailbox(self.seam, self._server("imap", 993), self._user, self._access, ends)
        except AuthRevoked as fault:
            raise self._renewable(fault) from fault

    def _submission(self, ends: float | None = None) -> Submission:
        name = self._address.rpartition("@")[2] or "localhost"
        try:
            server = self._server("smtp", 465)
            return Submission(self.seam, server, self._user, self._access, name=name, ends=ends)
        except AuthRevoked as fault:
            raise self._renewable(fault) from fault

    def _renewable(self, fault: AuthRevoked) -> Fault:
        return AuthExpired(fault.detail) if self._by_token and self.secrets.get("refresh_token") else fault

    @property
    def _client_id(self) -> str:
        return str(self.settings.get("client_id") or "").strip()

    def begin(self, redirect_uri: str, state: str) -> Grant:
        authority = authority_of(self.settings)
        if not self._client_id:
            raise Invalid("The client ID of your app is missing.", field="client_id")
        verifier, asked = proof()
        asked |= {**authority.asked, "login_hint": self._user}
        url = address(authority.sign_in, self._client_id, redirect_uri, state, authority.scopes, **asked)
        return Grant(url, self.secrets.replace(code_verifier=verifier))

    def finish(self, code: str, redirect_uri: str, grant: Secrets) -> Secrets:
        """A sign-in that cannot be renewed would leave the mailbox unread within the hour, and is none."""
        asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        url = authority_of(self.settings).token
        given = self._tokens(url, grant, **asked, code_verifier=grant.get("code_verifier", ""))
        if not given.get("refresh_token"):
            raise AuthRevoked("The provider gave nothing to renew access with: the app lacks the right to it.")
        kept = {"client_secret": grant["client_secret"]} if grant.get("client_secret") else {}
        return Secrets(kept | given)

    def renew(self, secrets: Secrets) -> Secrets:
        """A refresh token that is not replaced stays good."""
        kept = secrets.get("refresh_token", "")
        if not kept or not (self.signs_in(self.settings) or self.settings.get("token_url")):
            return super().renew(secrets)
        url = str(self.settings.get("token_url") or "") or authority_of(self.settings).token
        given = self._tokens(url, secrets, grant_type="refresh_token", refresh_token=kept)
        return secrets.replace(**{"refresh_token": kept, "expires_in": "", **given})

    def _tokens(self, url: str, kept: Secrets, **asked: str) -> dict[str, str]:
        """Asking twice makes nothing twice, so this is no write to be in doubt about."""
        client = {"client_id": self._client_id}
        if secret := kept.get("client_secret"):  # an app that has none must not send one, not even an empty one
            client["client_secret"] = secret
        answer = self.seam.answer("POST", url, data=asked | client, write=False, judge=_refused, bucket="mail:token")
        given = tokens(answer, "The mail provider")
        names = ("access_token", "refresh_token", "expires_in")
        return {name: str(given[name]) for name in names if given.get(name)}


def _refused(answer: Answer) -> Fault | None:
    return refused(answer, "The sign-in is no longer accepted, or the ID and secret of the app are wrong.")

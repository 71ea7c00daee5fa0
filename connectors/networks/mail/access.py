"""How a mailbox is reached: by IMAP for reading, by SMTP for handing in, signed in by password or by a token that is
renewed."""

from connectors.answers import Answer
from connectors.authorizing import refused, tokens
from connectors.base import (
    AuthExpired,
    AuthRevoked,
    Connector,
    Fault,
    Secrets,
)
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
    def _access(self) -> Access:
        if self.secrets.get("refresh_token") and not self.secrets.get("access_token"):
            raise AuthExpired("There is no access token yet.")
        return Access(self.secrets.get("password", ""), self.secrets.get("access_token", ""))

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
        return AuthExpired(fault.detail) if self.secrets.get("refresh_token") else fault

    def renew(self, secrets: Secrets) -> Secrets:
        asked = {
            "grant_type": "refresh_token",
            "refresh_token": secrets.get("refresh_token", ""),
            "client_id": str(self.settings.get("client_id") or ""),
            "client_secret": secrets.get("client_secret", ""),
        }
        url = str(self.settings.get("token_url") or "")
        if not (url and asked["refresh_token"]):
            return super().renew(secrets)
        answer = self.seam.answer("POST", url, data=asked, write=False, judge=_refused)
        given = tokens(answer, "The mail provider")
        return secrets.replace(
            access_token=str(given["access_token"]),
            refresh_token=str(given.get("refresh_token") or asked["refresh_token"]),
            expires_in=str(given.get("expires_in") or ""),
        )


def _refused(answer: Answer) -> Fault | None:
    return refused(answer, "The refresh token is no longer accepted.")

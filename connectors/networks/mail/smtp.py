"""Handing a message in through the seam for mail. Until the message itself travels nothing has happened; from then on
only the server's answer says whether it did."""

import base64
import re
import smtplib
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from connectors.faults import (
    AuthRevoked,
    Fault,
    Gone,
    InDoubt,
    Invalid,
    NotPermitted,
    PolicyRefused,
    QuotaSpent,
    Unavailable,
)
from connectors.http import READ, Seam
from connectors.wire import Access, Broken, Line, Server, TooMuch

_ENHANCED = re.compile(r"^\s*([245]\.\d{1,3}\.\d{1,3})\b")
LARGEST = 64_000
"""Bytes of an answer."""
_LATER = timedelta(minutes=5)


class _Client(smtplib.SMTP):
    """The library's client on our socket."""

    def __init__(self, line: Line, name: str) -> None:
        self.line = line
        super().__init__(timeout=READ, local_hostname=name)
        self._host = line.server.host

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self.line.connected()

    def getreply(self) -> tuple[int, bytes]:
        """As the library's, except that an answer without end is no answer, and is not taken for a 500."""
        said: list[bytes] = []
        left = LARGEST
        if self.file is None:
            self.file = self.sock.makefile("rb")  # type: ignore[union-attr]
        while True:
            line = self.file.readline(left + 1)
            left -= len(line)
            if left < 0:
                raise TooMuch
            if not line.endswith(b"\n"):
                raise Broken("the connection ended inside an answer")
            said.append(line[4:].strip())
            if not line[:3].isdigit():
                return -1, line.strip()
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(said)


class Submission:
    """A signed-in connection for one message. `name`: what we call ourselves there. A context manager."""

    def __init__(
        self, seam: Seam, server: Server, user: str, access: Access, *, name: str, ends: float | None = None
    ) -> None:
        self.line = Line(seam, server, ends)
        try:
            with self._step("SMTP sign in"):
                self.client = _Client(self.line, name)
                self._answered(*self.client.connect(server.host, server.port), good=220)
                self.client.ehlo_or_helo_if_needed()
                if server.security == "starttls":
                    self.client.starttls(context=self.line)  # type: ignore[arg-type]
                    self.client.ehlo_or_helo_if_needed()
                if self.client.has_extn("auth"):
                    self._sign_in(user, access)
        except BaseException:
            self.line.close()
            raise

    def _sign_in(self, user: str, access: Access) -> None:
        if access.token:
            words = f"user={user}\1auth=Bearer {access.token}\1\1"
            # The answer to a challenge is empty: it makes a server that refuses say so.
            self.client.auth("XOAUTH2", lambda challenge=None: words if challenge is None else "")
        elif (user + access.password).isascii():
            self.client.login(user, access.password)
        else:
            self._sign_in_utf8(user, access.password)

    def _sign_in_utf8(self, user: str, password: str) -> None:
        """RFC 4616 has names and passwords in UTF-8; the library knows only ASCII."""
        plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self._answered(*self.client.docmd("AUTH", f"PLAIN {plain}"), good=235)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A word of farewell that waits for no answer: what came of the message is known."""
        try:
            self.client.putcmd("QUIT")
        except (OSError, smtplib.SMTPException):  # the connection is gone already
            pass
        self.line.close()

    def deliver(self, sender: str, recipients: Sequence[str], message: bytes) -> None:
        """The one message. Returns when the server took it; InDoubt when it was on its way and no clear answer came."""
        with self._step("SMTP MAIL"):
            self._answered(*self.client.mail(sender))
            for recipient in recipients:
                code, said = self.client.rcpt(recipient)
                self._answered(code, said, recipient=True, good=251 if code == 251 else 250)
            self._answered(*self.client.docmd("DATA"), good=354)
        self.line.ends = None
        with self._step("SMTP message", doubtful=True):
            lines = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
            lines = re.sub(rb"(?m)^\.", b"..", lines)
            self.client.send(lines + (b"" if lines.endswith(b"\r\n") else b"\r\n") + b".\r\n")
            self._answered(*self.client.getreply(), doubtful=True)

    def _answered(
        self, code: int, said: bytes, *, good: int = 250, recipient: bool = False, doubtful: bool = False
    ) -> None:
        self.line.code, self.line.told = max(code, 0), said.decode("utf-8", "replace")
        if code == good:
            return
        if 400 <= code < 600:
            raise refused(code, self.line.told, recipient=recipient)
        words = "The answer is not SMTP as we know it."
        raise (InDoubt if doubtful else Unavailable)(words, body=self.line.told[:2000], status=max(code, 0))

    @contextmanager
    def _step(self, name: str, *, doubtful: bool = False) -> Iterator[None]:
        with self.line.step(name, doubtful=doubtful):
            try:
                yield
            except smtplib.SMTPResponseException as error:
                said = error.smtp_error
                text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
                self.line.code, self.line.told = max(error.smtp_code, 0), text
                if 400 <= error.smtp_code < 600:
                    raise refused(error.smtp_code, text) from error
                raise (InDoubt if doubtful else Unavailable)("The answer is not SMTP as we know it.") from error
            except smtplib.SMTPNotSupportedError as error:
                raise NotPermitted("The mail server offers no encryption or no sign-in.", what="smtp") from error
            except smtplib.SMTPServerDisconnected:
                raise
            except smtplib.SMTPException as error:
                raise NotPermitted("The mail server offers no sign-in that we know.", what="smtp") from error


def refused(code: int, said: str, *, recipient: bool = False) -> Fault:
    """By the reply code and the enhanced code behind it; words are the server's own."""
    found = _ENHANCED.match(said)
    enhanced = found[1] if found else ""
    subject = enhanced.partition(".")[2]
    detail = f"The mail server answered {code}{f' {enhanced}' if enhanced else ''}."
    later = datetime.now(UTC) + _LATER
    if code in (530, 534, 535, 538):
        return AuthRevoked(detail, status=code)
    if code in (552, 523) or subject in ("3.4", "2.3"):
        return Invalid(f"{detail} The message is too large for it.", field="size", status=code)
    if code == 452:
        return QuotaSpent(detail, until=later, bucket="smtp", status=code)
    if code < 500:
        return Unavailable(detail, until=None if code == 421 else later, status=code)
    if subject.startswith("7.") or code == 554:
        return PolicyRefused(detail, rule="mail", status=code)
    if code in (550, 551) or (recipient and code in (553, 556)):
        return Gone(f"{detail} It does not know the recipient.", what="recipient", status=code)
    return NotPermitted(detail, what="sender", status=code) if code == 553 else Invalid(detail, status=code)

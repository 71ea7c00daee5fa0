"""The seam for mail: what connectors.http promises for HTTP, for IMAP and SMTP. Addresses are checked and pinned,
encryption is a must unless the owner opened the host, every step ends, answers are bounded, faults are classed, no
transaction is open, and what is kept of a step holds no secret."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.addresses import Allowed, Call, Refused, calls, reachable
from connectors.answers import KEPT_BYTES
from connectors.faults import Fault, InDoubt, Invalid, NotPermitted, Unavailable, Unreadable
from connectors.http import CONNECT, READ, Exchange, Seam
from connectors.redaction import redacted
from connectors.text import storable

PORTS = frozenset({25, 143, 465, 587, 993, 2525})
"""Where mail is spoken. A stranger's other ports are not for us to knock at."""
SECURITY = frozenset({"tls", "starttls", "plain"})
KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""Seconds of silence before the first question, and between two; how many may stay without an answer."""
LOT = 1_000_000
"""Bytes after which what arrives is looked at before more is taken."""


class Broken(OSError):
    """The other side ended the connection inside an answer."""


class TooMuch(Exception):
    """The answer is larger than we read."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is read or handed in. `scheme`: imap or smtp; `security`: tls, starttls or plain."""

    scheme: str
    host: str
    port: int
    security: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """What opens a mailbox: a password, or a token of OAuth 2."""

    password: str = ""
    token: str = ""


class Line:
    """One connection to one mail server, worked in steps; each step is a call of its own with its own end."""

    def __init__(self, seam: Seam, server: Server, ends: float | None = None) -> None:
        """`ends`: when all steps together have to be done (see `ends_in`)."""
        self.seam, self.server, self.ends = seam, server, ends
        self.socket: socket.socket | None = None
        self.code, self.told = 0, ""
        """What the server said to the step under way, for the record."""

    @contextmanager
    def step(self, name: str, *, doubtful: bool = False) -> Iterator[Call]:
        """One exchange. `doubtful`: when it breaks, what was asked may have happened all the same."""
        self.seam.guard()
        self.seam.count += 1
        self.code, self.told = 0, ""
        started, at = time.monotonic(), datetime.now(UTC)
        fault: Fault | None = None
        try:
            with calls.open(self._seconds()) as call, _faults(self, call, doubtful):
                if self.socket is not None:
                    call.watch(self.socket)
                yield call
                if call.ended_by_us:
                    raise _late(doubtful)
        except Fault as error:
            fault = self.seam.last_fault = error
            raise
        finally:
            self._keep(name, started, at, fault)

    def _seconds(self) -> float:
        left = self.seam.whole if self.ends is None else min(self.seam.whole, self.ends - time.monotonic())
        if left <= 0:
            raise _late(False)
        return left

    def _keep(self, name: str, started: float, at: datetime, fault: Fault | None) -> None:
        if self.seam.record is None:
            return
        hidden = self.seam.hidden
        exchange = Exchange(
            at=at.isoformat(timespec="seconds"),
            method=name,
            url=redacted(storable(self.server.url), hidden)[:KEPT_BYTES],
            status=self.code,
            milliseconds=round((time.monotonic() - started) * 1000),
            headers={},
            body=redacted(storable(self.told[:KEPT_BYTES]), hidden),
            fault=str(fault or ""),
        )
        self.seam.record(exchange)

    def connected(self) -> socket.socket:
        """A socket to the address that was checked; encrypted where the server is so from its first byte."""
        server, allowed = self.server, self.seam.allowed
        if server.security not in SECURITY:  # an unknown word must not end as no encryption at all
            raise Invalid("The encryption is neither tls, starttls nor plain.", field="security")
        if server.security == "plain" and allowed.address_of(server.host, server.port) is None:
            words = "Mail without encryption is refused; the owner may allow it for this host with FETCH_ALLOW."
            raise NotPermitted(words, what="encryption")
        self._watch(_first_that_answers(addresses(server.host, server.port, allowed), server.port))
        return self.wrap_socket(self.socket, server.host) if server.security == "tls" else self.socket  # type: ignore[arg-type,return-value]

    def wrap_socket(self, plain: socket.socket, server_hostname: str | None = None, **ignored: Any) -> ssl.SSLSocket:
        """Encrypts a connection. Named as in `ssl.SSLContext`, which the libraries expect for STARTTLS."""
        context = ssl.create_default_context()
        secure = context.wrap_socket(plain, server_hostname=self.server.host, do_handshake_on_connect=False)
        self._watch(secure)  # before the handshake, which a server could draw out for ever
        secure.do_handshake()
        return secure

    def _watch(self, connected: socket.socket) -> None:
        self.socket = connected
        if calls.current is not None:
            calls.current.watch(connected)

    def keep_alive(self) -> None:
        """Has the system notice, on a connection that is to stay open in silence, that nobody is there any more."""
        if self.socket is None:
            return
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEP_ALIVE.items():
            if (option := getattr(socket, name, None)) is not None:  # not every system has all of them
                self.socket.setsockopt(socket.IPPROTO_TCP, option, value)

    def arrived(self) -> bytes:
        """What is there to read, without waiting for more; b"" when that is nothing. Broken when it has ended."""
        if self.socket is None:
            raise Broken("there is no connection")
        parts, size = list[bytes](), 0
        self.socket.settimeout(0)
        try:
            while size < LOT:
                parts.append(self.socket.recv(65_536))
                size += len(parts[-1])
                if not parts[-1]:
                    raise Broken("the connection ended")
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        finally:
            self.socket.settimeout(READ)
        return b"".join(parts)

    @property
    def has_more(self) -> bool:
        """Bytes that were decrypted and not taken: a socket does not show them as readable."""
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0

    def shut(self) -> None:
        """Ends what another thread may be doing with it."""
        try:
            if self.socket is not None:
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)  # the plain socket's own, as in `Call`
        except OSError:  # it has ended already
            return

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()


def ends_in(seconds: float) -> float:
    """The end of several steps that have to fit into one lease."""
    return time.monotonic() + seconds


def addresses(host: str, port: int, allowed: Allowed) -> list[str]:
    """The addresses to try for a mail server's name, all of them checked."""
    return reachable(host, port, allowed, PORTS)


def _first_that_answers(found: list[str], port: int) -> socket.socket:
    for address in found[:-1]:
        try:
            return _connected(address, port)
        except OSError:  # a host often has an IPv6 address that we cannot reach; its next one may do
            continue
    return _connected(found[-1], port)


def _connected(address: str, port: int) -> socket.socket:
    connected = socket.create_connection((address, port), CONNECT)
    connected.settimeout(READ)
    return connected


@contextmanager
def _faults(line: Line, call: Call, doubtful: bool) -> Iterator[None]:
    """What went wrong on the way, as a fault; what the server itself refused is classed by who spoke to it."""
    try:
        yield
    except Fault:
        raise
    except TooMuch as error:
        raise (InDoubt if doubtful else Unreadable)("The answer is larger than we read.", what="size") from error
    except Refused as error:
        words = "The address is private or special; the owner may allow it with FETCH_ALLOW."
        raise NotPermitted(words, what="address") from error
    except UnicodeError as error:
        raise Invalid("The address or the name cannot be used.", field="host") from error
    except OSError as error:
        if call.ended_by_us:
            raise _late(doubtful) from error
        if isinstance(error, ssl.SSLError) and not doubtful:
            raise Unavailable("The encrypted connection could not be made.") from error
        kind = type(error).__name__
        raise (InDoubt if doubtful else Unavailable)(
            f"The connection to {line.server.scheme} failed ({kind})."
        ) from error


def _late(doubtful: bool) -> Fault:
    return (InDoubt if doubtful else Unavailable)("The answer did not end in time.")

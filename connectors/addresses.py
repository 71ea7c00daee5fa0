"""Which addresses may be called, the adapter that calls exactly the address it checked, and the timer that ends every
call."""

import socket
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from connectors.faults import NotPermitted

type Address = IPv4Address | IPv6Address

# Python calls several of these global, and which ones changes between patch releases.
NEVER = tuple(
    ip_network(text)
    for text in (
        *(
            "::/96",
            "fec0::/10",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2002::/16",
            "2001::/32",
            "2001:20::/28",
            "3fff::/20",
        ),
        *("5f00::/16", "ff00::/8", "0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4"),
        "240.0.0.0/4",
    )
)
TRIED = 4  # addresses of one name
WEB = frozenset({80, 443})


class Refused(requests.RequestException):
    """The address is not for us to call."""


class Unprotected(Refused):
    """What we send there could be read on the way."""


def refusal(error: Exception) -> NotPermitted:
    """Why an address is not called, in words."""
    if isinstance(error, Unprotected):
        words = "Its address has no encryption (http), so our key could be read on the way. Enter it with https://"
        return NotPermitted(f"{words}; the owner may allow the host with FETCH_ALLOW.", what="encryption")
    return NotPermitted("The address is private or special; the owner may allow it with FETCH_ALLOW.", what="address")


def is_public(address: Address) -> bool:
    """Whether a stranger may make us call this address."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_global and not any(address in net for net in NEVER if net.version == address.version)


@dataclass(frozen=True)
class Allowed:
    """What the owner opened although it is private: hosts by name, networks by CIDR (any port), or one `host:port`."""

    hosts: frozenset[str]
    networks: tuple[IPv4Network | IPv6Network, ...]

    @classmethod
    def parse(cls, words: Iterable[str]) -> Self:
        hosts, networks = set(), []
        for word in words:
            try:
                networks.append(ip_network(word.strip("[]"), strict=False))
            except ValueError:
                hosts.add(word.lower())
        return cls(frozenset(hosts), tuple(networks))

    def address_of(self, host: str, port: int) -> str | None:
        """The address to call `host` at when the owner opened it; None when it has to pass as a stranger's."""
        if not self.hosts and not self.networks:
            return None
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        address = str(found[0][4][0])
        named = not self.hosts.isdisjoint({host.lower(), f"{host.lower()}:{port}"})
        return address if named or any(ip_address(address.partition("%")[0]) in net for net in self.networks) else None


def reachable(host: str, port: int, allowed: Allowed, ports: Collection[int], *, bare: bool = False) -> list[str]:
    """The addresses to try for a name, all of them checked; Refused when one of them is not for us to call. Strangers
    are called at `ports` only, and not with something secret on a `bare` line. Blocks while the name is looked up."""
    opened = allowed.address_of(host, port)
    if opened is not None:
        return [opened]
    if bare:
        raise Unprotected(host)
    if port not in ports:
        raise Refused(f"port {port}")
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not all(is_public(ip_address(address.partition("%")[0])) for address in found):
        raise Refused(host)
    return list(dict.fromkeys(found))[:TRIED]


class PinnedAdapter(IPFilterAdapter):  # type: ignore[misc]
    """Resolves once, checks that address against our own table after the library's, and connects to it and no other.
    `guarded`: who asks has secrets, which go over no line that others can read but to hosts the owner opened."""

    def __init__(self, is_https: bool, allowed: Allowed, guarded: bool = False) -> None:
        self.allowed, self.bare = allowed, guarded and not is_https
        super().__init__(is_https_proto=is_https)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        parts = urlsplit(request.url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        if not host:
            raise requests.exceptions.InvalidURL("no host")
        try:
            opened = self.allowed.address_of(host, port)
        except socket.gaierror as error:
            raise requests.ConnectionError("the name could not be resolved") from error
        if opened is not None:
            return self._pinned(request, verify, cert, host, opened)
        if self.bare:
            raise Unprotected(host)
        if port not in WEB:
            raise Refused(f"port {port}")
        host_params, pool_kwargs = super().build_connection_pool_key_attributes(request, verify, cert)
        if not is_public(ip_address(host_params["host"].strip("[]"))):
            raise Refused(host_params["host"])
        return host_params, pool_kwargs

    def _pinned(self, request: Any, verify: Any, cert: Any, host: str, address: str) -> Any:
        host_params, pool_kwargs = HTTPAdapter.build_connection_pool_key_attributes(self, request, verify, cert)
        request.headers["Host"] = urlsplit(request.url).netloc.rpartition("@")[2]
        host_params["host"] = f"[{address}]" if ":" in address else address
        if self._is_https_proto:
            pool_kwargs.update(assert_hostname=host, server_hostname=host)  # type: ignore[call-arg]
        return host_params, pool_kwargs


def named_nobody(error: BaseException) -> bool:
    """Whether a call ended because no address stands behind the name."""
    return isinstance(error.__cause__, socket.gaierror)


class Call:
    """One call under way. At its end of time the socket is shut, whatever it is doing: a timeout of `requests` is
    only per read, and a server that sends a byte now and then would hold it for ever."""

    def __init__(self, seconds: float) -> None:
        self.begun = False
        """Whether a byte of the request may have left."""
        self.ended_by_us = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def watch(self, connected: socket.socket) -> None:
        with self._lock:
            self._socket = connected
            if self.ended_by_us:
                self._shut()

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._socket = None

    def _end(self) -> None:
        with self._lock:
            self.ended_by_us = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            try:
                # The plain socket's own method: SSLSocket.shutdown would take the TLS object from under the reading
                # thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:  # it is closed already, which is what we want
                return


class _Calls(threading.local):
    """The call of this thread, so that the connection classes below can tell it their socket."""

    current: Call | None = None

    @contextmanager
    def open(self, seconds: float) -> Iterator[Call]:
        call = Call(seconds)
        outer, self.current = self.current, call
        call.start()
        try:
            yield call
        finally:
            call.stop()
            self.current = outer


calls = _Calls()


class _Watched:
    """Tells the call of this thread which socket to shut, and when the first byte may have left."""

    sock: Any

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        if calls.current is not None:
            calls.current.watch(connected)
        return connected

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        if calls.current is not None:
            calls.current.watch(self.sock)
            calls.current.begun = True
        super().send(data)  # type: ignore[misc]


class _Connection(_Watched, HTTPConnection):
    pass


class _SecureConnection(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
